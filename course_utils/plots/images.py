"""Images, by themselves, in grids, and with what a classifier says of them."""

import textwrap

import numpy as np

from course_utils.errors import ArgumentError, check_integer
from course_utils.plots import style

__all__ = ["show_grid", "show_image", "show_prediction", "show_predictions"]


def show_image(image, *, title="", colorbar=True, ax=None):
    """Draw one image with its pixel axes and, if it is grey, a bar that says which value has which shade.

    Parameters
    ----------
    image : array_like, shape (h, w), (h, w, 1) or (h, w, 3)
        Grey values of any range, or RGB as uint8 or as float in [0, 1].
    title : str
        Text above the image.
    colorbar : bool
        Whether to draw the bar; RGB images have none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> show_image([[0, 128], [255, 64]], title="four pixels").get_xlabel()
    'column (pixel)'
    """
    image = check_images("image", image, batch=False)
    ax = ax or style.new_axes(4.0)
    drawn = draw(ax, image)
    ax.grid(False)
    ax.set(xlabel="column (pixel)", ylabel="row (pixel)", title=title)
    style.whole_ticks(ax.xaxis, 6)
    style.whole_ticks(ax.yaxis, 6)
    if colorbar and image.ndim == 2:
        ax.figure.colorbar(drawn, ax=ax, label="pixel value")
    return ax


def show_grid(images, labels=None, class_names=None, *, columns=5, vmin=None, vmax=None):
    """Draw images in a grid, each with its class name below.

    Parameters
    ----------
    images : array_like, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        All are drawn, so pass a slice. Grey images share one scale, so that they can be compared.
    labels : array_like of int, shape (n,), or sequence of str, optional
        Classes (with `class_names`) or captions.
    class_names : sequence of str, optional
        Names of the classes, if `labels` are numbers.
    columns : int
        Images in a row.
    vmin, vmax : float, optional
        Values drawn black and white; by default the least and greatest of all `images`.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_grid(np.zeros((3, 4, 4)), [0, 1, 0], ["cat", "dog"])
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['cat', 'dog', 'cat']
    """
    images = check_images("images", images)
    labels = [""] * len(images) if labels is None else labels
    style.check_length("labels", labels, len(images), "images")
    if class_names is not None:
        labels = [class_names[label] for label in style.check_labels(labels, len(class_names))]
    captions = [textwrap.fill(str(label), 12) for label in labels]
    lines = max(caption.count("\n") + bool(caption) for caption in captions)
    figure, axes = grid(len(images), columns, images.shape[1:3], lines=lines)
    vmin = images.min() if vmin is None else vmin
    vmax = images.max() if vmax is None else vmax
    for ax, image, caption in zip(axes, images, captions, strict=True):
        draw(ax, image, vmin=vmin, vmax=vmax)
        ax.set_xlabel(caption)
    return figure


def show_prediction(image, probabilities, label, class_names):
    """Draw one image and, below it, the probability that the classifier gives to each class.

    Parameters
    ----------
    image : array_like, shape (h, w), (h, w, 1) or (h, w, 3)
        The image.
    probabilities : array_like of float, shape (n_classes,)
        Non-negative, with sum 1 (:func:`course_utils.evaluation.softmax` makes them from logits).
    label : int
        The true class.
    class_names : sequence of str
        Names of the classes.

    Returns
    -------
    matplotlib.figure.Figure
        A right prediction is blue with ✓, a wrong one red with ✗; the true class is marked in either case.

    Examples
    --------
    >>> show_prediction(np.zeros((4, 4)), [0.2, 0.8], 1, ["cat", "dog"]).axes[0].get_title()
    '✓ dog, 80%'
    """
    n_classes = len(class_names)
    image = check_images("image", image, batch=False)
    probabilities = _check_probabilities(np.atleast_1d(probabilities)[None], n_classes)[0]
    label = check_integer("label", label, minimum=0, maximum=n_classes - 1)
    bars_height = 0.4 + 0.26 * n_classes
    size = (style.WIDTH * 0.9, 3 + bars_height)
    figure, (top, bottom) = style.subplots(2, figsize=size, height_ratios=[2.4, bars_height])
    caption, colour = _verdict(probabilities, label, class_names)
    draw(top, image)
    top.set(xticks=[], yticks=[])
    top.set_title(caption, color=colour)
    colours = [style.GREY] * n_classes
    colours[probabilities.argmax()] = colour
    bars = bottom.barh(np.arange(n_classes), probabilities, color=colours, zorder=2)
    bottom.bar_label(bars, [f"{100 * p:.0f}%" if p >= 0.005 else "" for p in probabilities], padding=3)
    style.class_axis(bottom, [f"{name} (true)" if i == label else name for i, name in enumerate(class_names)])
    bottom.get_yticklabels()[label].set_fontweight("bold")
    bottom.set(xlabel="predicted probability", xlim=(0, 1.18), xticks=[0, 0.25, 0.5, 0.75, 1])
    return figure


def show_predictions(images, probabilities, labels, class_names):
    """Draw a grid of images with what was predicted: blue and ✓ if right; red, ✗ and the true class if wrong.

    Parameters
    ----------
    images : array_like, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        All are drawn, so pass a slice.
    probabilities : array_like of float, shape (n, n_classes)
        Non-negative; each row has sum 1.
    labels : array_like of int, shape (n,)
        True classes.
    class_names : sequence of str
        Names of the classes.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = show_predictions(np.zeros((2, 4, 4)), [[0.2, 0.8], [0.6, 0.4]], [1, 1], ["cat", "dog"])
    >>> print(figure.axes[1].get_xlabel())
    ✗ cat, 60%
    (true: dog)
    """
    images, labels = check_images("images", images), style.check_labels(labels, len(class_names))
    probabilities = _check_probabilities(probabilities, len(class_names))
    if not len(images) == len(labels) == len(probabilities):
        raise ArgumentError(
            f"there are {len(images)} images, {len(labels)} labels and "
            f"{len(probabilities)} rows of probabilities; the three must be equal"
        )
    figure, axes = grid(len(images), 3, images.shape[1:3], lines=2)
    for ax, image, row, label in zip(axes, images, probabilities, labels, strict=True):
        caption, colour = _verdict(row, label, class_names)
        draw(ax, image, frame=colour)
        if row.argmax() != label:
            caption += f"\n(true: {class_names[label]})"
        ax.set_xlabel(caption, color=colour)
    return figure


def grid(n, columns, image_shape, *, lines):
    """A figure as high as `n` images of a shape, with `lines` of captions, ask for, and the axes of each image."""
    columns = min(check_integer("columns", columns, minimum=1), n)
    rows = -(-n // columns)
    height = rows * (style.WIDTH / columns * image_shape[0] / image_shape[1] * 0.94 + 0.22 * lines + 0.06)
    bare = {"xticks": [], "yticks": []}
    figure, axes = style.subplots(rows, columns, figsize=(style.WIDTH, height), squeeze=False, subplot_kw=bare)
    for ax in axes.flat[n:]:
        ax.remove()
    return figure, axes.flat[:n]


def draw(ax, image, *, frame=None, thickness=2, **options):
    """Draw an image, each pixel as a square, in a frame of some colour if one is given."""
    if frame is not None:
        for spine in ax.spines.values():
            spine.set(visible=True, color=frame, linewidth=thickness)
    return ax.imshow(image, interpolation="nearest", cmap="gray", **options)


def check_images(name, images, *, batch=True):
    """Return images (or, without `batch`, one image) as an array, grey ones without an axis of channels."""
    images, rank = np.asarray(images), 3 if batch else 2
    if images.ndim == rank + 1 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.size == 0 or not (images.ndim == rank or (images.ndim == rank + 1 and images.shape[-1] == 3)):
        shape = "n, h, w" if batch else "h, w"
        raise ArgumentError(f"{name} has shape {images.shape}; it must be ({shape}), ({shape}, 1) or ({shape}, 3)")
    return images


def _verdict(probabilities, label, class_names):
    best = int(probabilities.argmax())
    mark, colour = ("✓", style.BLUE) if best == label else ("✗", style.WRONG)
    return f"{mark} {class_names[best]}, {100 * probabilities[best]:.0f}%", colour


def _check_probabilities(probabilities, n_classes):
    """Return probabilities as an array, one row for each image."""
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2 or probabilities.shape[1] != n_classes:
        raise ArgumentError(
            f"probabilities has shape {probabilities.shape}; with {n_classes} class_names it must be (n, {n_classes})"
        )
    sums = probabilities.sum(axis=1)
    if not (np.all(probabilities >= 0) and np.allclose(sums, 1, atol=1e-3)):
        raise ArgumentError(
            f"probabilities has rows with sums {sums.min():.3g} to {sums.max():.3g} and least value "
            f"{probabilities.min():.3g}; each row must be non-negative with sum 1 (evaluation.softmax makes it so)"
        )
    return probabilities
