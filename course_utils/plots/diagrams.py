"""Diagrams of ideas, drawn by code: convolutions on small grids, networks as circles and lines, gradient descent."""

import itertools

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number
from course_utils.plots import style
from course_utils.plots.images import check_images, draw

__all__ = [
    "plot_descent",
    "show_channel_sum",
    "show_convolution",
    "show_network",
    "show_positions",
    "show_receptive_field",
]

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
    style.no_axes(left, right)
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


def show_convolution(image, kernel, result, *, at=(0, 0)):
    """Draw an image, a kernel and their result as grids of numbers, with one window and its sum marked.

    Parameters
    ----------
    image, kernel, result : array_like of float, shapes (h, w), (kh, kw), (h - kh + 1, w - kw + 1)
        Small enough to read; the kernel moves by one pixel, without padding.
    at : pair of int
        Row and column of the marked number of `result`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_convolution(np.eye(3), np.ones((2, 2)), [[2, 1], [1, 2]], at=(0, 1))
    >>> [ax.get_title() for ax in figure.axes]
    ['image', 'kernel', 'result']
    """
    grids = [np.asarray(each, dtype=float) for each in (image, kernel, result)]
    size = tuple(n - k + 1 for n, k in zip(grids[0].shape, grids[1].shape, strict=True))
    if grids[2].shape != size:
        raise ArgumentError(f"result has shape {grids[2].shape}; with this image and kernel it must be {size}")
    row, column = (check_integer("at", place, minimum=0) for place in at)
    marks = [(row, column, *grids[1].shape), (0, 0, *grids[1].shape), (row, column, 1, 1)]
    widths = [grid.shape[1] for grid in grids]
    figure, axes = style.subplots(1, 3, figsize=(6.5, 3.0), width_ratios=widths)
    for ax, grid, mark, title in zip(axes, grids, marks, ("image", "kernel", "result"), strict=True):
        _numbers(ax, grid, mark)
        ax.set_title(title)
    return figure


def _numbers(ax, grid, mark):
    """Draw a grid of numbers, with a window of it marked: row, column, height and width."""
    from matplotlib.patches import Rectangle

    top, left, height, width = mark
    for row, column in np.ndindex(grid.shape):
        inside = top <= row < top + height and left <= column < left + width
        look = {"facecolor": style.SKY if inside else "white", "edgecolor": "#999999", "alpha": 0.6}
        ax.add_patch(Rectangle((column, row), 1, 1, **look))
        ax.text(column + 0.5, row + 0.5, f"{grid[row, column]:g}", ha="center", va="center")
    ax.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor=style.BLUE, lw=2.5, zorder=3))
    ax.set(xlim=(-0.05, grid.shape[1] + 0.05), ylim=(grid.shape[0] + 0.05, -0.05), aspect="equal")
    style.no_axes(ax)


def show_positions(n, settings):
    """Draw, along one side of an image, where a kernel is laid: one row of pixels for each setting, a bar per position.

    Parameters
    ----------
    n : int
        Pixels along the side.
    settings : mapping of str to dict
        By name: ``kernel``, and where they are not 0, 1 and 1, ``padding``, ``strides`` and ``dilation``.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_positions(5, {"plain": {"kernel": 3}, "padded": {"kernel": 3, "padding": 1}})
    >>> [ax.get_title(loc="left") for ax in figure.axes]
    ['plain: 3 positions', 'padded: 5 positions']
    """
    n = check_integer("n", n, minimum=1)
    laid = {name: _starts(n, **setting) for name, setting in settings.items()}
    rows = [len(starts) for starts, *_ in laid.values()]
    figure, axes = style.subplots(
        len(laid), figsize=(style.WIDTH, sum(0.9 + 0.2 * row for row in rows)), height_ratios=[3 + row for row in rows]
    )
    for ax, (name, (starts, taps, padding)) in zip(np.atleast_1d(axes), laid.items(), strict=True):
        pixels = np.arange(-padding, n + padding)
        real = (pixels >= 0) & (pixels < n)
        ax.plot(pixels[real], np.zeros(real.sum()), "s", ms=15, color=style.SKY, mec="white")
        ax.plot(pixels[~real], np.zeros((~real).sum()), "s", ms=15, color="white", mec=style.GREY)
        for k, start in enumerate(starts):
            ax.plot(start + taps, np.full(len(taps), -1.0 - 0.6 * k), "-o", color=style.BLUE, ms=5, lw=1.5)
        ax.set_title(f"{name}: {len(starts)} positions", loc="left")
        ax.set(xlim=(-2.6, n + 1.6), ylim=(-1.4 - 0.6 * len(starts), 0.8))
        style.no_axes(ax)
    return figure


def _starts(n, *, kernel, padding=0, strides=1, dilation=1):
    """Where a kernel begins along a side, the offsets of its weights, and the padding."""
    taps = dilation * np.arange(kernel)
    return np.arange(-padding, n + padding - taps[-1], strides), taps, padding


def show_receptive_field(layers):
    """Draw which units of the input, and of the layers between, one unit at the top depends on, along one side.

    Parameters
    ----------
    layers : sequence of pair of int
        Kernel and stride of each convolution, from the input up.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_receptive_field([(3, 1), (3, 2)])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['output: 1', 'layer 1: 3', 'input: 5']
    """
    layers = [tuple(check_integer("layers", number, minimum=1) for number in layer) for layer in layers]
    # From the top down: a unit needs `kernel` units below it, the next one begins `stride` further on.
    widths = [1]
    for kernel, stride in reversed(layers):
        widths.append((widths[-1] - 1) * stride + kernel)
    centres = [np.array([0.0])]
    for width, (_, stride) in zip(widths[1:], reversed(layers), strict=True):
        spacing = np.ptp(centres[-1][:2]) / stride if len(centres[-1]) > 1 else 1.0
        centres.append((np.arange(width) - (width - 1) / 2) * spacing)
    # The pixels of the input are one apart; what lies above is as far apart as its strides say.
    unit = np.ptp(centres[-1][:2]) if widths[-1] > 1 else 1.0
    ax = style.new_axes(0.6 + 0.9 * len(widths), 6.0)
    names = ["output", *(f"layer {k}" for k in range(len(layers) - 1, 0, -1)), "input"]
    for level, (places, name) in enumerate(zip(centres, names, strict=True)):
        colour = style.SKY if name == "input" else style.BLUE
        ax.plot(places / unit, np.full(len(places), -level), "s", ms=13, color=colour, mec="white", zorder=2)
        ax.text(-widths[-1] / 2 - 3.2, -level, f"{name}: {len(places)}", va="center")
        if level:
            kernel, stride = layers[len(layers) - level]
            for k, above in enumerate(centres[level - 1]):
                for below in places[k * stride : k * stride + kernel]:
                    ax.plot([above / unit, below / unit], [1 - level, -level], color="#bbbbbb", lw=0.8, zorder=1)
    ax.set(xlim=(-widths[-1] / 2 - 3.4, widths[-1] / 2 + 0.6), ylim=(-len(widths) + 0.5, 0.5))
    style.no_axes(ax)
    return ax.figure


def show_channel_sum(channels, filtered, total, *, names=("red", "green", "blue")):
    """Draw how one filter of a layer works: each channel with its own kernel, and the sum of the results.

    Parameters
    ----------
    channels, filtered : array_like, shape (c, h, w)
        The channels, and what each becomes under its kernel.
    total : array_like, shape (h, w)
        The sum of `filtered`.
    names : sequence of str
        Names of the channels.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_channel_sum(np.zeros((2, 4, 4)), np.zeros((2, 4, 4)), np.zeros((4, 4)), names=["a", "b"])
    >>> figure.axes[-1].get_title()
    'sum: one map'
    """
    channels, filtered = check_images("channels", channels), check_images("filtered", filtered)
    style.check_length("names", names, len(channels), "channels")
    style.check_length("filtered", filtered, len(channels), "channels")
    figure, axes = style.subplots(len(channels), 3, figsize=(style.WIDTH, 1.7 * len(channels)), squeeze=False)
    limit = max(np.abs(filtered).max(), np.abs(total).max(), 1e-9)
    signed = {"vmin": -limit, "vmax": limit}
    for row, (before, after, name) in enumerate(zip(channels, filtered, names, strict=True)):
        draw(axes[row, 0], before, vmin=0, vmax=max(channels.max(), 1e-9))
        axes[row, 0].set_title(name)
        draw(axes[row, 1], after, **signed)
        axes[row, 1].set_title("with its kernel")
    middle = len(channels) // 2
    draw(axes[middle, 2], total, **signed)
    axes[middle, 2].set_title("sum: one map")
    style.no_axes(*axes.flat)
    for ax in np.delete(axes[:, 2], middle):
        ax.remove()
    return figure
