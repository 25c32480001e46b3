import re

import numpy as np
import pytest

from course_utils.convolution import convolve, output_shape
from course_utils.errors import ArgumentError
from course_utils.interactive import kernel_playground

RNG = np.random.default_rng(0)
PHOTOGRAPH = RNG.integers(0, 256, (40, 52, 3), "uint8")


@pytest.mark.parametrize(
    "photograph",
    [PHOTOGRAPH / 255, PHOTOGRAPH[..., :2], PHOTOGRAPH[:31], np.zeros((257, 64), "uint8"), PHOTOGRAPH[None]],
)
def test_a_photograph_has_bytes_and_a_size_that_fits(photograph):
    with pytest.raises(ArgumentError, match="32 to 256 pixels"):
        kernel_playground(photograph)


def test_the_kernels_of_the_exercise_come_first():
    first, second = list(kernel_playground(PHOTOGRAPH).data["kernels"].values())[:2]
    assert np.sum(first) == 0
    assert np.sum(second) == 4


def test_every_kernel_is_square_and_fits_the_grid():
    for name, kernel in kernel_playground(PHOTOGRAPH).data["kernels"].items():
        rows, columns = np.shape(kernel)
        assert rows == columns <= 7, name


# -- in a browser ----------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_program_computes_what_numpy_computes(show):
    cases, expected = [], []
    for case in range(60):
        shape = (*RNG.integers(9, 16, 2).tolist(), [1, 3][case % 2])
        side, stride, padding, dilation = (int(RNG.integers(*limits)) for limits in [(1, 6), (1, 4), (0, 5), (1, 3)])
        image, kernel = RNG.integers(0, 256, shape), RNG.normal(size=(side, side, shape[2]))
        how = {"stride": stride, "padding": padding, "dilation": dilation}
        cases.append([image.ravel().tolist(), shape, kernel.ravel().tolist(), side, how])
        result = convolve(image, kernel[..., None], padding=padding, strides=stride, dilation=dilation)
        expected.append(result[..., 0])
    found = show(kernel_playground(PHOTOGRAPH)).page.evaluate(
        "cases => cases.map(each => course.convolve(...each)).map(({ shape, values }) => [shape, [...values]])",
        cases,
    )
    for (shape, values), result in zip(found, expected, strict=True):
        assert tuple(shape) == result.shape
        assert np.allclose(np.reshape(values, shape), result, rtol=0, atol=1e-9)


def told(page):
    """Row, column and sum as the widget says them."""
    text = page.locator(".kernel-sum").inner_text().replace("−", "-")
    row, column = map(int, re.match(r"Row (\d+), column (\d+)", text).groups())
    return row, column, float(re.search(r"(-?[\d.]+)\.$", text)[1])


def choose(page, label, value):
    page.get_by_label(label, exact=True).select_option(value)


@pytest.mark.browser
@pytest.mark.parametrize("picture", ["grey", "red, green and blue"])
@pytest.mark.parametrize("turned", [False, True])
def test_what_is_set_decides_what_is_shown(show, picture, turned):
    made = kernel_playground(PHOTOGRAPH)
    page = show(made).page
    choose(page, "Kernel", "emboss")
    choose(page, "Picture", picture)
    choose(page, "Laid on", ["as it is (correlation)", "turned by 180° (convolution)"][turned])
    for label, value in [("Stride s", 2), ("Padding p", 3), ("Dilation d", 2)]:
        page.get_by_label(label).fill(str(value))
    kernel = np.array(made.data["kernels"]["emboss"], float)
    page.get_by_label("weight in row 1, column 2").fill("2.5")
    kernel[0, 1] = 2.5
    image = PHOTOGRAPH.astype(float)
    if picture == "grey":
        image = np.floor(PHOTOGRAPH @ [0.299, 0.587, 0.114] + 0.5 + 1e-9)[..., None]
    else:
        page.get_by_label("green").fill("-2")
    factors = [1, -2, 1][: image.shape[2]]
    mode = "convolve" if turned else "correlate"
    filters = kernel[..., None, None] * np.reshape(factors, (-1, 1))
    expected = convolve(image, filters, strides=2, padding=3, dilation=2, mode=mode)[..., 0]
    rows, columns = output_shape((40, 52), (3, 3), strides=2, padding=3, dilation=2)
    formula = page.locator(".kernel-formula").inner_text()
    assert f"Rows: ⌊(40 + 2 · 3 − 2 · (3 − 1) − 1) / 2⌋ + 1 = {rows}" in formula
    assert f"Columns: ⌊(52 + 2 · 3 − 2 · (3 − 1) − 1) / 2⌋ + 1 = {columns}" in formula
    assert f"Result, {rows} × {columns}" in page.locator("h3").all_inner_texts()
    stage = page.locator(".kernel-stage").first
    box = stage.bounding_box()
    for across, down in [(0.01, 0.01), (0.4, 0.7), (0.99, 0.99)]:
        stage.hover(position={"x": across * box["width"], "y": down * box["height"]})
        row, column, value = told(page)
        assert value == pytest.approx(expected[row, column], rel=1e-3)
    assert (row, column) == (rows - 1, columns - 1)


@pytest.mark.browser
def test_the_arrow_keys_move_the_window(show):
    page = show(kernel_playground(PHOTOGRAPH)).page
    stage = page.get_by_role("application")
    stage.focus()
    row, column, _ = told(page)
    for key in ("ArrowUp", "ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    assert told(page)[:2] == (row - 1, column + 11)
    for _ in range(8):
        page.keyboard.press("Shift+ArrowUp")
    assert told(page)[0] == 0


@pytest.mark.browser
def test_keeping_the_size_pads_by_the_formula(show):
    page = show(kernel_playground(PHOTOGRAPH)).page
    choose(page, "rows and columns", "5 × 5")
    page.get_by_label("Dilation d").fill("2")
    page.get_by_role("button", name="keep the size").click()
    assert page.get_by_label("Padding p").input_value() == "4"
    assert "Result, 40 × 52" in page.locator("h3").all_inner_texts()
    page.get_by_label("Dilation d").fill("1")
    choose(page, "rows and columns", "4 × 4")
    assert page.get_by_role("button", name="keep the size").is_disabled()


@pytest.mark.browser
def test_a_finger_places_the_window_and_nothing_is_too_wide(show):
    watched = show(kernel_playground(PHOTOGRAPH), phone=True)
    choose(watched.page, "Kernel", "box 7 × 7")
    choose(watched.page, "Picture", "red, green and blue")
    stage = watched.page.locator(".kernel-stage").first
    box = stage.bounding_box()
    stage.tap(position={"x": box["width"] - 2, "y": 2})
    assert told(watched.page)[:2] == (0, 45)
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched.problems == []


@pytest.mark.browser
def test_it_is_accessible_in_both_themes(show, violations):
    watched = show(kernel_playground(PHOTOGRAPH))
    assert violations(watched.page) == {"light": [], "dark": []}
    assert watched.problems == []
