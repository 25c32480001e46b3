"""Images are drawn as they are, and predictions marked by sign and colour."""

import numpy as np
import pytest

from course_utils import plots
from course_utils.plots import style

NAMES = ["T-shirt", "Trouser", "Bag"]


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 3)])
def test_an_image_is_drawn_as_it_is(shape):
    image = np.random.default_rng(0).random(shape)
    ax = plots.show_image(image)
    np.testing.assert_array_equal(ax.images[0].get_array(), image.squeeze())
    # A colour bar for grey images only.
    assert len(ax.figure.axes) == (1 if shape[-1] == 3 else 2)


def test_a_grid_shares_one_grey_scale_and_shows_every_image():
    images = np.stack([np.full((4, 4), value) for value in (0.0, 0.5, 1.0)])
    figure = plots.show_grid(images, ["one", "two", "a very long caption"], columns=2)
    assert len(figure.axes) == 3
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(0.0, 1.0)}
    assert figure.axes[2].get_xlabel() == "a very long\ncaption"


@pytest.mark.parametrize(("label", "mark", "colour"), [(1, "✓", style.BLUE), (2, "✗", style.WRONG)])
def test_a_prediction_is_marked_by_sign_and_colour(label, mark, colour):
    figure = plots.show_prediction(np.zeros((4, 4)), [0.1, 0.7, 0.2], label, NAMES)
    top, bottom = figure.axes
    assert top.get_title() == f"{mark} Trouser, 70%"
    assert top.title.get_color() == colour
    assert [bar.get_width() for bar in bottom.patches] == [0.1, 0.7, 0.2]
    ticks = [text.get_text() for text in bottom.get_yticklabels()]
    assert ticks[label] == f"{NAMES[label]} (true)"


def test_a_grid_of_predictions_names_the_true_class_of_the_wrong_ones_only():
    figure = plots.show_predictions(np.zeros((2, 4, 4)), [[0.9, 0.1, 0], [0.9, 0.1, 0]], [0, 2], NAMES)
    right, wrong = figure.axes
    assert right.get_xlabel() == "✓ T-shirt, 90%"
    assert wrong.get_xlabel() == "✗ T-shirt, 90%\n(true: Bag)"
    assert right.xaxis.label.get_color() == style.BLUE
    assert wrong.xaxis.label.get_color() == style.WRONG
