"""Diagrams of ideas show what the formulas say."""

import numpy as np
import pytest

from course_utils import plots
from course_utils.convolution import convolve, output_shape
from course_utils.errors import ArgumentError


@pytest.mark.parametrize("n", [5, 7, 12])
@pytest.mark.parametrize(("kernel", "padding", "strides", "dilation"), [(3, 0, 1, 1), (3, 1, 2, 1), (2, 1, 3, 2)])
def test_positions_are_as_many_as_the_result_has_numbers(n, kernel, padding, strides, dilation):
    setting = {"kernel": kernel, "padding": padding, "strides": strides, "dilation": dilation}
    (ax,) = plots.show_positions(n, {"one": setting}).axes
    (size, _) = output_shape((n, n), (kernel, kernel), padding=padding, strides=strides, dilation=dilation)
    assert ax.get_title(loc="left") == f"one: {size} positions"
    bars = ax.lines[2:]
    assert len(bars) == size
    # Each bar has a point for each weight, and all lie on pixels or padding.
    places = np.concatenate([bar.get_xdata() for bar in bars])
    assert len(places) == size * kernel
    assert -padding <= places.min() <= places.max() < n + padding


@pytest.mark.parametrize("layers", [[(3, 1)], [(3, 2), (3, 1), (3, 1)], [(5, 2), (2, 2), (3, 1)]])
def test_a_receptive_field_is_what_the_layers_need_for_one_number(layers):
    ax = plots.show_receptive_field(layers).axes[0]
    field = 1 + sum((k - 1) * np.prod([s for _, s in layers[:place]]) for place, (k, _) in enumerate(layers))
    assert ax.texts[-1].get_text() == f"input: {int(field)}"
    picture = np.ones((int(field), int(field)))
    for k, stride in layers:
        picture = convolve(picture, np.ones((k, k)), strides=stride)
    assert picture.shape == (1, 1)
    assert len(ax.lines) == len(layers) + 1 + sum(
        k * width for (k, _), width in zip(layers, _widths(layers), strict=True)
    )


def _widths(layers):
    """How many numbers of each layer are needed, the first layer first."""
    widths = [1]
    for kernel, stride in reversed(layers[1:]):
        widths.append((widths[-1] - 1) * stride + kernel)
    return widths[::-1]


def test_descent_takes_the_steps_of_the_rule():
    ax = plots.plot_descent(lambda w: (w - 3) ** 2, lambda w: 2 * (w - 3), start=0, rates=[0.3], steps=2).axes[0]
    assert ax.lines[1].get_xdata() == pytest.approx([0, 1.8, 2.52])


def test_a_network_has_a_line_for_each_weight_between_the_circles_drawn():
    ax = plots.show_network(np.zeros((2, 2)), [4, 12, 3], ["a", "b", "c"]).axes[1]
    weights = [line for line in ax.lines if line.get_linewidth() == 0.5]
    assert len(weights) == 4 * 10 + 10 * 3


def test_runs_are_dots_and_their_mean():
    ax = plots.plot_runs(["a"], [[0.5, 0.7, 0.9]])
    assert list(ax.lines[0].get_xdata()) == [0.5, 0.7, 0.9]
    assert ax.lines[1].get_xdata() == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.show_convolution(np.eye(3), np.eye(2), np.eye(3)), r"result has shape \(3, 3\)"),
        (lambda: plots.show_network(np.eye(2), [4], []), "widths is"),
        (lambda: plots.show_network(np.eye(2), [4, 2], ["a"]), "class_names has 1 entries"),
        (lambda: plots.show_channel_sum(np.zeros((2, 3, 3)), np.zeros((2, 3, 3)), np.eye(3)), "names has 3 entries"),
        (lambda: plots.show_receptive_field([(0, 1)]), "layers"),
        (lambda: plots.plot_runs(["a"], [[0.5], [0.6]]), "runs has 2 entries"),
        (lambda: plots.plot_times([1, 2], {"a": [1]}, xlabel="x"), "times of 'a'"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
