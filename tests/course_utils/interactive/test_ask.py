"""Ask the networks: what is shown is what they were asked, and their answers are Keras'."""

import io
import re

import keras
import numpy as np
import pytest
from PIL import Image

from course_utils import evaluation, models, training
from course_utils.errors import ArgumentError
from course_utils.interactive import ask_networks

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
SAMPLES = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 1), "uint8")
LABELS = [4, 0, 7]
SEEN = "() => { const c = document.querySelector('.ask-seen'); return [c.width, c.height, [...course.pixels(c, 1)]]; }"
# The canvas that is drawn on, in its own pixels.
BOARD = "() => { const c = document.querySelector('.ask-drawing'); return [...course.pixels(c, 1)]; }"


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    return {"MLP": models.fashion_mlp(), "convnet": models.svhn_dcnn()}


@pytest.fixture(scope="module")
def asked(networks):
    scores = {"MLP": (0.8791, 0.8725, 0.8852), "convnet": (0.9, 0.89, 0.91)}
    return ask_networks(networks, SAMPLES, LABELS, NAMES, scores=scores, ground="dark", fit=True, dtype="float32")


def seen(page):
    """What the page says that the networks see, once it has been asked."""
    page.wait_for_timeout(200)
    width, height, values = page.evaluate(SEEN)
    return np.reshape(values, (height, width)).astype("uint8")


def shown_answers(page):
    cards = page.locator(".ask-answer").all()
    return {
        card.locator("h3").inner_text(): [
            float(text.removesuffix("%")) for text in card.locator(".course-number").all_inner_texts()
        ]
        for card in cards
    }


def expected_answers(networks, picture):
    x = (picture.reshape(1, 28, 28, 1) / 255).astype("float32")
    return {name: 100 * evaluation.softmax(training.predictor(model)(x))[0] for name, model in networks.items()}


def agree(page, networks):
    picture, found = seen(page), shown_answers(page)
    for name, shares in expected_answers(networks, picture).items():
        assert np.abs(found[name] - shares).max() <= 0.051, name  # they are shown to a tenth of a percent
    return picture


@pytest.mark.browser
def test_a_test_picture_is_answered_by_every_network(show, asked, networks):
    watched = show(asked)
    page = watched.page
    assert np.array_equal(agree(page, networks), SAMPLES[0, ..., 0])
    assert (
        "101,770 parameters; right on 87.9% of the test pictures (95% interval 87.3% to 88.5%)"
        in page.locator("main").inner_text()
    )
    page.get_by_role("button", name="Test picture 3, seven").press("Enter")
    assert np.array_equal(agree(page, networks), SAMPLES[2, ..., 0])
    assert "It is: seven." in page.locator("[aria-live]").inner_text()
    assert watched.problems == []


@pytest.mark.browser
@pytest.mark.parametrize("phone", [False, True])
def test_a_drawing_is_answered(show, asked, networks, phone):
    watched = show(asked, phone=phone)
    page = watched.page
    box = page.locator(".ask-drawing").bounding_box()
    x, y = box["x"] + 100, box["y"] + 60
    if phone:
        page.touchscreen.tap(x, y)
    else:
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y + 100, steps=8)
        page.mouse.up()
    picture = agree(page, networks)
    assert picture.max() == 255
    # The empty edge is cut away: a stroke reaches from the top to the bottom.
    assert picture[0].max() > 0
    assert picture[-1].max() > 0
    assert "not from the test set" in page.locator("main").inner_text()
    page.get_by_label("cut away the empty edge").uncheck()
    whole = agree(page, networks)
    assert whole[0].max() == 0
    page.get_by_label("invert").check()
    assert agree(page, networks) == pytest.approx(255 - whole, abs=1)
    page.get_by_role("button", name="Clear").click()
    page.get_by_label("invert").uncheck()
    assert agree(page, networks).max() == 0
    assert watched.problems == []


@pytest.mark.browser
def test_the_keyboard_draws(show, asked, networks):
    page = show(asked).page
    page.locator(".ask-drawing").focus()
    for key in (" ", "ArrowRight", "Shift+ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    board = np.reshape(page.evaluate(BOARD), (280, 280))
    rows, columns = np.nonzero(board > 127)
    # A dot in the middle's square, and a line two squares down, one to the right of it.
    assert board[150, 150] == 255
    assert board[190, 170] == 255
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == pytest.approx((141, 199, 141, 179), abs=2)
    agree(page, networks)


@pytest.mark.browser
def test_a_picture_of_ones_own_is_shrunk_as_in_python(show, asked, networks):
    # A dark cross on light ground, in colour, wider than high.
    picture = np.full((280, 420, 3), (250, 240, 245), "uint8")
    picture[40:240, 190:230] = picture[120:160, 110:310] = (10, 40, 90)
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "png")
    watched = show(asked)
    page = watched.page
    page.locator("input[type=file]").set_input_files(
        {"name": "cross.png", "mimeType": "image/png", "buffer": content.getvalue()}
    )
    page.wait_for_timeout(300)
    assert page.get_by_label("invert").is_checked()
    page.get_by_label("cut away the empty edge").uncheck()
    grey = np.floor(picture[:, 70:350] @ [0.299, 0.587, 0.114] + 0.5)
    expected = 255 - grey.reshape(28, 10, 28, 10).mean(axis=(1, 3))
    found = agree(page, networks)
    assert np.abs(found - expected).max() <= 1
    page.locator("input[type=file]").set_input_files({"name": "a.txt", "mimeType": "image/png", "buffer": b"no"})
    assert "a.txt is not a picture" in page.get_by_role("alert").inner_text()
    assert watched.problems == []


# JupyterLab puts an output into the page as HTML, and then makes its script elements anew, so that they run.
INSERT = """(text) => {
    const output = document.body.appendChild(document.createElement("div"));
    output.innerHTML = text;
    for (const script of output.querySelectorAll("script")) {
        const anew = document.createElement("script");
        for (const { name, value } of script.attributes) anew.setAttribute(name, value);
        anew.textContent = script.textContent;
        script.replaceWith(anew);
    }
}"""


@pytest.mark.browser
def test_it_starts_in_a_notebook_and_twice(watch, asked, networks):
    watched = watch()
    page = watched.open("about:blank")
    for _ in range(2):
        page.evaluate(INSERT, asked._repr_html_())
    page.locator("figure").nth(1).scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('figure[data-course-started]').length === 2")
    agree(page, networks)
    assert watched.problems == []


@pytest.mark.browser
def test_everybody_can_use_it(show, asked, violations):
    assert violations(show(asked).page) == {"light": [], "dark": []}
    phone = show(asked, phone=True)
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_static_picture_says_what_is_answered(asked, networks):
    top = expected_answers(networks, SAMPLES[0])["MLP"]
    assert f"MLP {NAMES[top.argmax()]}, {top.max():.0f}%" in asked.alt
    assert "A test picture, four," in asked.alt


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"samples": SAMPLES[:, :20]}, "MLP takes (28, 28, 1) and gives (10,); samples are (20, 28, 1)"),
        ({"samples": SAMPLES.astype("float32")}, "samples is float32; it must be uint8, or float from 0 to 1"),
        ({"samples": SAMPLES[..., 0]}, "samples has shape (3, 28, 28)"),
        ({"labels": [4, 0]}, "labels is array([4, 0])"),
        ({"labels": [4, 0, 10]}, "it must name one of 10 classes"),
        ({"scores": {"net": (1, 1, 1)}}, "scores has ['net']; it must have the names of the networks, ['MLP']"),
        ({"ground": "grey"}, "ground is 'grey'"),
        ({"class_names": NAMES[:8]}, "there are 8 classes"),
    ],
)
def test_bad_arguments_are_named(networks, change, told):
    given = {"samples": SAMPLES, "labels": LABELS, "class_names": NAMES, "scores": {"MLP": (0.5, 0.4, 0.6)}, **change}
    with pytest.raises(ArgumentError, match=re.escape(told)):
        ask_networks({"MLP": networks["MLP"]}, **given)
