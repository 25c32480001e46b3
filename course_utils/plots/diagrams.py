"""Diagrams of ideas: a network as circles and lines, and gradient descent on a curve, drawn by code."""

import itertools

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number
from course_utils.plots import style
from course_utils.plots.images import check_images, draw

__all__ = ["plot_descent", "show_network"]

_CIRCLES = 10  # drawn of a layer at most; a gap stands for the others


def show_network(image, widths, class_names):
    """Draw a network of dense layers: an image, a column of circles for each layer, and a name for each score.

    Parameters
    ----------
    image : array_like, shape (h, w), (h, w, 1) or (h, w, 3)
        What goes in.
    widths : sequence of int
        Numbers in each layer: the pixels, the hidden units, the scores. Of a wide layer ten circles are drawn, with a
        gap for the others.
    class_names : sequence of str
        Names of the scores, as many as the last layer is wide; at most ten.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_network(np.zeros((2, 2)), [4, 3, 2], ["cat", "dog"])
    >>> [text.get_text() for text in figure.axes[1].texts]
    ['4 pixels', '3 hidden', '2 scores', 'cat', 'dog']
    """
    image = check_images("image", image, batch=False)
    widths = [check_integer("widths", width, minimum=1) for width in widths]
    if len(widths) < 2 or widths[-1] > _CIRCLES:
        raise ArgumentError(f"widths is {widths}; it must name two layers or more, the last at most {_CIRCLES} wide")
    style.check_length("class_names", class_names, widths[-1], "scores")
    figure, (left, right) = style.subplots(1, 2, figsize=(6.5, 4.0), width_ratios=(1, 4))
    draw(left, image)
    left.set_axis_off()
    right.set_axis_off()
    heights = [_heights(width) for width in widths]
    for column, (before, after) in enumerate(itertools.pairwise(heights)):
        for start in before:
            for stop in after:
                right.plot([column, column + 1], [start, stop], color="#bbbbbb", lw=0.5, zorder=1)
    names = ["pixels", *["hidden"] * (len(widths) - 2), "scores"]
    for column, (places, width, name) in enumerate(zip(heights, widths, names, strict=True)):
        colour = (style.BLACK, style.BLUE, style.RED)[min(1, column) if name != "scores" else 2]
        right.plot([column] * len(places), places, "o", ms=11, color=colour, mec="white", zorder=2)
        right.text(column, 6.1, f"{width} {name}", ha="center")
        if width > _CIRCLES:
            right.plot([column] * 3, [-0.25, 0, 0.25], ".", ms=4, color=style.BLACK, zorder=3)
    for place, name in zip(heights[-1], class_names, strict=True):
        right.text(len(widths) - 0.85, place, name, va="center")
    right.set(xlim=(-0.3, len(widths) + 0.1), ylim=(-5.5, 6.6))
    return figure


def _heights(width):
    """Places of the circles of a layer, from the top, with a gap in the middle where not all are drawn."""
    if width <= _CIRCLES:
        return (width - 1) / 2 - np.arange(width)
    half = np.arange(_CIRCLES // 2)
    return np.concatenate([5 - half, -1 - half])


def plot_descent(loss, slope, *, start, rates, steps=8):
    """Draw gradient descent on the loss of a single weight, a panel for each learning rate.

    Parameters
    ----------
    loss, slope : callable
        The loss and its derivative; each takes and returns an ndarray of float.
    start : float
        The first weight.
    rates : sequence of float
        Learning rates, greater than 0: a step is ``w - rate * slope(w)``.
    steps : int
        Steps to draw.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_descent(lambda w: w**2, lambda w: 2 * w, start=1, rates=[0.1, 0.6])
    >>> [ax.get_title() for ax in figure.axes]
    ['learning rate 0.1', 'learning rate 0.6']
    """
    steps = check_integer("steps", steps, minimum=1)
    rates = [check_number("rates", rate, minimum=0) for rate in rates]
    paths = []
    for rate in rates:
        path = [float(start)]
        for _ in range(steps):
            path.append(path[-1] - rate * float(slope(np.float64(path[-1]))))
        paths.append(np.array(path))
    low, high = min(path.min() for path in paths), max(path.max() for path in paths)
    along = np.linspace(low - 0.1 * (high - low), high + 0.1 * (high - low), 200)
    figure, axes = style.subplots(len(rates), figsize=(style.WIDTH, 0.6 + 1.9 * len(rates)), sharex=True, squeeze=False)
    for ax, rate, path in zip(axes[:, 0], rates, paths, strict=True):
        ax.plot(along, loss(along), color=style.GREY)
        ax.plot(path, loss(path), "o-", color=style.BLUE, lw=1, ms=6)
        ax.plot(path[0], loss(path[0]), "s", color=style.RED, ms=9, zorder=3)
        ax.set(title=f"learning rate {rate:g}", ylabel="loss")
    axes[-1, 0].set_xlabel("weight (no unit)")
    return figure
