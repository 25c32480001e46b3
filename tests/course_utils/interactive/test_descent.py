import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import optimize

from course_utils.interactive import descent_toy
from course_utils.interactive.descent import _PROBLEMS, mean_loss

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", _PROBLEMS)
def test_contour_lines_have_the_loss_that_they_name(name):
    for level in descent_toy().data["problems"][name]["levels"]:
        for line in level["lines"]:
            # Between grid points the lines are straight, and the numbers have three digits.
            assert_allclose(mean_loss(_PROBLEMS[name], *np.transpose(line)), level["loss"], rtol=0.05, atol=0.01)


@pytest.mark.parametrize("name", _PROBLEMS)
def test_the_lowest_point_and_the_start_are_on_the_map(name):
    problem = _PROBLEMS[name]
    low_a, high_a, low_b, high_b = problem.box
    lowest = optimize.minimize(lambda weights: mean_loss(problem, *weights), problem.start).x
    for a, b in (lowest, problem.start):
        assert low_a < a < high_a
        assert low_b < b < high_b
    # Drawn on a map of the same shape, steps leave contour lines at right angles.
    assert (high_a - low_a) / (high_b - low_b) == pytest.approx(270 / 216)


# -- in a browser ----------------------------------------------------------------------------------------------


@pytest.fixture
def page(show):
    return show(descent_toy()).page


def told(page):
    """The number of the step and its loss, as the widget says them."""
    first = page.locator(".descent-facts span").first.inner_text()
    step, loss = first.removeprefix("Step ").split(": loss ")
    return int(step), float(loss.replace("−", "-"))


def set_slider(page, label, value):
    page.get_by_label(label).fill(str(value))


@pytest.mark.browser
def test_losses_and_slopes_are_those_of_numpy(page):
    cases, expected = [], []
    for name, problem in _PROBLEMS.items():
        for weights in RNG.uniform(-4, 4, (20, 2)):
            cases.append([name, problem.x, problem.y, *weights])
            slopes = optimize.approx_fprime(weights, lambda w, problem=problem: mean_loss(problem, *w), 1e-7)
            expected.append([mean_loss(problem, *weights), *slopes])
    found = page.evaluate(
        "cases => cases.map(each => course.descent.gradient(...each)).map(({ loss, slopes }) => [loss, ...slopes])",
        cases,
    )
    found, expected = np.array(found), np.array(expected)
    assert_allclose(found[:, 0], expected[:, 0], rtol=1e-12)
    # Differences of the loss give the slopes to about this.
    assert_allclose(found[:, 1:], expected[:, 1:], rtol=1e-4, atol=1e-5)


@pytest.mark.browser
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_are_those_of_keras(page, momentum):
    keras = pytest.importorskip("keras")
    weights = keras.Variable([-1.0, 3.0])
    optimizer = keras.optimizers.SGD(0.05, momentum=momentum)
    x, y = (np.array(values) for values in (_PROBLEMS["line"].x, _PROBLEMS["line"].y))
    for _ in range(5):
        a, b = keras.ops.convert_to_numpy(weights)
        errors = a * x + b - y
        optimizer.apply([keras.ops.convert_to_tensor([2 * np.mean(errors * x), 2 * np.mean(errors)])], [weights])
    found = page.evaluate(
        """([x, y, momentum]) => {
            let state = { weights: [-1, 3], speed: [0, 0] };
            for (let i = 0; i < 5; i++)
                state = course.descent.step(
                    state, course.descent.gradient("line", x, y, ...state.weights).slopes, 0.05, momentum);
            return state.weights;
        }""",
        [x.tolist(), y.tolist(), momentum],
    )
    assert_allclose(found, keras.ops.convert_to_numpy(weights), rtol=1e-5)


@pytest.mark.browser
@pytest.mark.parametrize(("exponent", "grows"), [(-0.65, False), (-0.55, True)])
def test_a_rate_above_the_one_that_is_named_lets_the_loss_grow(page, exponent, grows):
    limit = descent_toy().data["problems"]["line"]["limit"]
    assert (10**exponent > limit) == grows
    assert f"rates below {limit:.3f}" in page.locator(".descent-verdict").inner_text()
    set_slider(page, "Learning rate", exponent)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Run").click()
    _, loss = told(page)
    assert (loss > 1e6) == grows
    assert ("too large" in page.locator(".descent-verdict").inner_text()) == grows
    assert page.get_by_role("button", name="Step").is_disabled()


@pytest.mark.browser
def test_it_is_worked_with_the_keyboard_alone(page):
    page.get_by_label("Learning rate").focus()
    page.keyboard.press("Home")
    assert page.get_by_label("Learning rate").get_attribute("aria-valuetext") == "0.001"
    page.get_by_role("button", name="Step").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    step, loss = told(page)
    assert step == 2
    assert loss < float(mean_loss(_PROBLEMS["line"], *_PROBLEMS["line"].start))
    page.get_by_label("Start w").fill("2")
    assert told(page)[0] == 0
    assert told(page)[1] == pytest.approx(mean_loss(_PROBLEMS["line"], 2, _PROBLEMS["line"].start[1]), rel=1e-3)


@pytest.mark.browser
def test_running_goes_on_until_it_is_paused(page):
    set_slider(page, "Learning rate", -3)
    page.get_by_role("button", name="Run").click()
    page.wait_for_function("document.querySelectorAll('.descent-past').length > 2")
    page.get_by_role("button", name="Pause").click()
    step, _ = told(page)
    page.wait_for_timeout(300)
    assert told(page)[0] == step
    page.get_by_role("button", name="Back to the start").click()
    assert told(page)[0] == 0


@pytest.mark.browser
@pytest.mark.parametrize("name", _PROBLEMS)
def test_a_place_on_the_map_is_a_start(show, name):
    watched = show(descent_toy(), phone=True)
    page, problem = watched.page, _PROBLEMS[name]
    page.get_by_label("Model", exact=True).select_option(problem.title)
    drawing = page.locator(".descent-map svg")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    # The middle of the frame of the map.
    drawing.tap(position={"x": box["width"] * 177 / 320, "y": box["height"] * 116 / 260})
    low_a, high_a, low_b, high_b = problem.box
    first, second = (float(page.get_by_label(f"Start {each}").input_value()) for each in problem.names)
    assert first == pytest.approx((low_a + high_a) / 2, abs=0.1)
    assert second == pytest.approx((low_b + high_b) / 2, abs=0.1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched.problems == []


@pytest.mark.browser
def test_it_is_accessible_in_both_themes(page, violations):
    page.get_by_role("button", name="Step").click()
    assert violations(page) == {"light": [], "dark": []}
