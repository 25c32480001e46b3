"""Walk through a network: the numbers in the page are Keras', and what made them adds up to them."""

import re

import keras
import numpy as np
import pytest

from course_utils import models, training
from course_utils.errors import ArgumentError
from course_utils.interactive import layer_walk

layers = keras.layers
SAMPLES = np.random.default_rng(0).integers(0, 256, (2, 12, 10, 3), "uint8")
NAMES = ["cat", "dog", "bird"]


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(1)
    inputs = keras.Input((12, 10, 3))
    x = layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="strided")(inputs)
    x = layers.BatchNormalization(name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.Conv2D(4, (2, 3), padding="same", name="even")(x)
    y = layers.Conv2D(4, 1, use_bias=False, name="narrow")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.MaxPooling2D(2, padding="same", name="most")(x)
    x = layers.AveragePooling2D(2, strides=1, name="mean")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    z = layers.Flatten(name="flatten")(x)
    model = keras.Model(inputs, layers.Dense(3, name="logits")(z))
    rng = np.random.default_rng(3)
    model.set_weights([np.abs(rng.normal(0.1, 0.1, each.shape)) for each in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def walk(network):
    return layer_walk(network, SAMPLES, [2, 0], NAMES, dtype="float32")


def number(text):
    return float(text.replace("−", "-"))


def told(page):
    """The place and the value that the page names, counted from 0."""
    text = page.locator(".layers-value").inner_text()
    if found := re.match(r"Map (\d+), row (\d+), column (\d+): (−?\d+\.\d+)", text):
        channel, row, column = (int(each) - 1 for each in found.groups()[:3])
        return (row, column, channel), number(found[4]), text
    found = re.match(r"Number (\d+): (−?\d+\.\d+)", text)
    return (int(found[1]) - 1,), number(found[2]), text


def outputs(network, name, sample=1):
    x = (SAMPLES[sample : sample + 1] / 255).astype("float32")
    return training.predictor(models.embedding_model(network, name))(x)[0]


@pytest.mark.browser
def test_each_number_is_that_of_keras(show, walk, network):
    watched = show(walk)
    page = watched.page
    page.get_by_role("button", name="Picture 2, cat").click()
    page.get_by_label("Layer", exact=True).select_option(index=0)
    assert page.get_by_role("button", name="back").is_disabled()
    for layer in network.layers[1:]:
        page.get_by_role("button", name="next").press("Enter")
        expected = outputs(network, layer.name)
        size = " × ".join(map(str, expected.shape))
        assert page.locator("h3").first.inner_text() == f"{layer.name}: {size} numbers"
        place, value, _ = told(page)
        assert value == pytest.approx(expected.max(), abs=6e-4), layer.name
        # To the corner, and from there a few steps.
        if expected.ndim == 3:
            page.get_by_role("button", name=f"Map {expected.shape[2]}", exact=True).click()
        page.locator(".layers-large[tabindex]").focus()
        for key in ["ArrowLeft", "ArrowUp"] * 12 + ["ArrowRight", "ArrowDown"]:
            page.keyboard.press(key)
        place, value, _ = told(page)
        if expected.ndim == 3:
            assert place == (1, 1, expected.shape[2] - 1), layer.name
        assert value == pytest.approx(expected[place], abs=6e-4), layer.name
    assert page.get_by_role("button", name="next").is_disabled()
    assert watched.problems == []


@pytest.mark.browser
@pytest.mark.parametrize("name", ["strided", "even", "narrow"])
def test_window_times_weights_is_what_the_page_says(show, walk, network, name):
    page = show(walk).page
    page.get_by_role("button", name="Picture 2, cat").click()
    page.get_by_label("Layer", exact=True).select_option(index=[each.name for each in network.layers].index(name))
    page.locator(".layers-large[tabindex]").focus()
    for key in ["ArrowRight", "ArrowDown"] * 12:  # where the window reaches beyond the edge
        page.keyboard.press(key)
    place, value, text = told(page)
    tables = [
        [number(cell) if cell != "·" else 0 for cell in table.locator("td").all_inner_texts()]
        for table in page.locator(".layers-grid").all()
    ]
    total = sum(np.dot(*pair) for pair in zip(tables[::2], tables[1::2], strict=True))
    if rest := re.search(r"The other \d+ maps add (−?\d+\.\d+)\.", page.locator(".layers-parts").inner_text()):
        total += number(rest[1])
    if bias := re.search(r"with the bias (−?\d+\.\d+)", text):
        total += number(bias[1])
    assert value == pytest.approx(max(total, 0) if name == "strided" else total, abs=0.01)
    assert value == pytest.approx(outputs(network, name)[place], abs=6e-4)
    if name != "narrow":
        assert "·" in page.locator(".layers-grid").first.inner_text()


@pytest.mark.browser
def test_a_finger_picks_a_number(show, walk, network):
    watched = show(walk, phone=True)
    page = watched.page
    canvas = page.locator(".layers-large[tabindex]")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    # The first layer's maps have 6 rows and 5 columns.
    page.touchscreen.tap(box["x"] + 3.5 / 5 * box["width"], box["y"] + 4.5 / 6 * box["height"])
    place, value, _ = told(page)
    assert place[:2] == (4, 3)
    assert value == pytest.approx(outputs(network, "strided", 0)[place], abs=6e-4)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert watched.problems == []


@pytest.mark.browser
def test_everybody_can_use_it(show, walk, violations):
    assert violations(show(walk).page) == {"light": [], "dark": []}


def test_bad_arguments_are_named(network, walk):
    assert walk.alt == "A picture, bird, and the first feature maps of the layers strided, even, narrow, most, mean."
    with pytest.raises(ArgumentError, match=r"network takes \(12, 10, 3\); samples are \(10, 12, 3\)"):
        layer_walk(network, SAMPLES.swapaxes(1, 2), [2, 0], NAMES)
    with pytest.raises(ArgumentError, match="labels is"):
        layer_walk(network, SAMPLES, [2, 3], NAMES)
