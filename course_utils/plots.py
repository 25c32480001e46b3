"""Figures of the book: each function draws a result or some arrays and returns the Axes (or the Figure).

Nothing here computes results or shows windows. The only thing that outlives a call is :func:`use_style`.
Figures are narrow with large type, so that they stay readable on a phone, and no figure tells things apart by
colour alone.
"""

import itertools
import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

from course_utils.errors import ArgumentError, check_integer

__all__ = [
    "plot_class_counts",
    "plot_cmc",
    "plot_confusion",
    "plot_cost",
    "plot_embedding",
    "plot_gradient_norms",
    "plot_history",
    "plot_per_class",
    "plot_power_law",
    "plot_reported",
    "plot_sweep",
    "show_grid",
    "show_image",
    "show_prediction",
    "show_predictions",
    "show_ranked_gallery",
    "use_style",
]

# Okabe and Ito (2008): eight colours that people with any colour vision can tell apart. Yellow, the palest,
# comes last.
BLUE, ORANGE, GREEN, RED, PINK, SKY, BLACK, YELLOW = PALETTE = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#D55E00",
    "#CC79A7",
    "#56B4E9",
    "#000000",
    "#F0E442",
)
GREY = "#767676"
WRONG = "#C1121F"  # a plainer red than Okabe and Ito's, for wrong predictions; ✗ says the same
CLASS_COLOURS = (*PALETTE[:7], "#8C510A", "#6A3D9A", GREY)
MARKERS = "osD^vP*Xd<>p"
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
WIDTH = 5.0  # inches; at 11 points this is still readable on a phone's 360 pixels


def use_style():
    """Set the book's look for all figures that follow: colour-blind-safe colours, type of at least 11 points.

    Examples
    --------
    >>> with plt.rc_context():
    ...     use_style()
    ...     plt.rcParams["font.size"]
    11.0
    """
    sns.set_theme(
        style="whitegrid",
        palette=PALETTE,
        rc={
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 100,
            "savefig.dpi": 150,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "xtick.labelsize": 11,
            "ytick.labelsize": 11,
            "legend.fontsize": 11,
            "legend.title_fontsize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#dddddd",
            "lines.linewidth": 2,
            # Text stays text in SVG: it can be searched, and it is smaller.
            "svg.fonttype": "none",
        },
    )


def show_image(image, *, title=None, colorbar=True, ax=None):
    """Draw one image with its pixel axes and, if it is grey, a bar that says which value has which shade.

    Parameters
    ----------
    image : array_like, shape (h, w), (h, w, 1) or (h, w, 3)
        Grey values of any range, or RGB as uint8 or as float in [0, 1].
    title : str, optional
        Text above the image.
    colorbar : bool
        Whether to draw the bar; RGB images have none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If `image` is no image.

    Examples
    --------
    >>> ax = show_image([[0, 128], [255, 64]], title="four pixels")
    >>> ax.get_xlabel()
    'column (pixel)'
    >>> plt.close(ax.figure)
    """
    image = _image("show_image", "image", image)
    ax = _axes(ax, (WIDTH, 4.0))
    drawn = _draw(ax, image)
    ax.grid(False)
    ax.set(xlabel="column (pixel)", ylabel="row (pixel)", title=title or "")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    if colorbar and image.ndim == 2:
        ax.figure.colorbar(drawn, ax=ax, label="pixel value")
    return ax


def show_grid(images, labels=None, class_names=None, *, columns=5, cmap="gray", vmin=None, vmax=None):
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
    cmap : str
        Matplotlib colour map of grey images.
    vmin, vmax : float, optional
        Values drawn darkest and lightest; by default the least and greatest of all `images`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If `images` are no images, the number of labels differs, or a label is no class.

    Examples
    --------
    >>> figure = show_grid(np.zeros((3, 4, 4)), [0, 1, 0], ["cat", "dog"])
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['cat', 'dog', 'cat']
    >>> plt.close(figure)
    """
    images = _images("show_grid", images)
    captions = _captions("show_grid", labels, class_names, len(images))
    figure, axes = _grid("show_grid", len(images), columns, images.shape[1:3], lines=_most_lines(captions))
    vmin = images.min() if vmin is None else vmin
    vmax = images.max() if vmax is None else vmax
    for ax, image, caption in zip(axes, images, captions, strict=True):
        _draw(ax, image, cmap=cmap, vmin=vmin, vmax=vmax)
        ax.set_xlabel(caption)
    return figure


def plot_class_counts(labels, class_names):
    """Count the images of each class: one bar a class, or one a class and split.

    Parameters
    ----------
    labels : array_like of int, shape (n,), or mapping of str to such
        The labels, or the labels of each split by its name ("train", "test", …).
    class_names : sequence of str
        Names of the classes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If a label is no class.

    Examples
    --------
    >>> ax = plot_class_counts({"train": [0, 0, 1], "test": [1]}, ["cat", "dog"])
    >>> ax.get_xlabel()
    'images'
    >>> plt.close(ax.figure)
    """
    splits = labels if isinstance(labels, Mapping) else {"": labels}
    height = 0.8 / len(splits)
    ax = _axes(None, (WIDTH, 1.2 + 0.26 * len(class_names) * max(1, 0.6 * len(splits))))
    for i, (name, split) in enumerate(splits.items()):
        counts = _counts("plot_class_counts", split, len(class_names))
        y = np.arange(len(class_names)) + (i - (len(splits) - 1) / 2) * height
        bars = ax.barh(
            y,
            counts,
            height,
            color=PALETTE[i],
            hatch=["", "///", "..."][i % 3],
            edgecolor="white",
            label=name,
        )
        ax.bar_label(bars, fmt="{:,.0f}", padding=3)
    _class_axis(ax, class_names)
    ax.margins(x=0.15)
    ax.set_xlabel("images")
    ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    if isinstance(labels, Mapping):
        _legend_below(ax, columns=len(splits))
    return ax


def plot_cmc(results, *, max_rank=20, n_bootstrap=500, seed=0, ax=None):
    """Draw cumulative match characteristics, with bands that say how much they depend on the choice of probes.

    Parameters
    ----------
    results : RetrievalResult or mapping of str to RetrievalResult
        From :func:`course_utils.retrieval.evaluate_retrieval`, by name of the method.
    max_rank : int
        Last rank drawn; the size of the smallest gallery if that is less.
    n_bootstrap : int
        Samples of the probes, with replacement, behind the 95% bands; 0 draws no bands.
    seed : int
        Of those samples.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The first rank is 1, as people count.

    Raises
    ------
    ArgumentError
        If `results` is empty, or a number is not legal.

    Examples
    --------
    >>> from course_utils.retrieval import evaluate_retrieval
    >>> result = evaluate_retrieval([[0.1], [1.6]], [[0.0], [1.0], [3.0]], probe_ids=[7, 7], gallery_ids=[7, 8, 9])
    >>> ax = plot_cmc({"pixels": result})
    >>> ax.get_ylabel()
    'probes found (share)'
    >>> plt.close(ax.figure)
    """
    results = results if isinstance(results, Mapping) else {"": results}
    if not results:
        raise ArgumentError("results is empty; it must hold at least one RetrievalResult")
    check_integer("n_bootstrap", n_bootstrap, minimum=0)
    last = min(check_integer("max_rank", max_rank, minimum=1), *(result.n_gallery for result in results.values()))
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    ax = _axes(ax, (WIDTH, 4.4))
    ranks = np.arange(1, last + 1)
    for i, (name, result) in enumerate(results.items()):
        curves = result.probe_cmc(last)
        colour, marker = _class_style(i)
        if n_bootstrap:
            # A sample of n probes with replacement is how often each was drawn.
            counts = rng.multinomial(len(curves), np.full(len(curves), 1 / len(curves)), size=n_bootstrap)
            low, high = np.percentile(counts @ curves / len(curves), [2.5, 97.5], axis=0)
            ax.fill_between(ranks, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(
            ranks, curves.mean(axis=0), color=colour, marker=marker, ms=5, ls=LINES[i % len(LINES)], label=name or None
        )
    ax.set(xlabel="rank (gallery items looked at)", ylabel="probes found (share)", ylim=(0, 1.02))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    if any(results):
        _legend_below(ax, columns=2)
    return ax


def plot_history(histories, *, metrics=("loss", "accuracy")):
    """Draw learning curves, one panel a metric: how training and validation go on from epoch to epoch.

    Parameters
    ----------
    histories : History, mapping, list of such, or mapping of str to any of these
        What ``fit`` returned, or its ``history`` mapping (``{"loss": […], "val_loss": […], …}``). A list
        holds the same network trained from several seeds: thin lines, and a thick one for their mean. A
        mapping from names compares networks.
    metrics : sequence of str
        What to draw; the validation curve is the metric's name with ``val_`` before it and may be missing.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If there is no history, or one lacks a metric.

    Examples
    --------
    >>> figure = plot_history({"loss": [2.0, 1.0], "val_loss": [2.1, 1.5]}, metrics=["loss"])
    >>> figure.axes[0].get_ylabel()
    'loss (cross-entropy, nats)'
    >>> plt.close(figure)
    """
    groups = _history_groups(histories, metrics)
    figure, axes = plt.subplots(
        len(metrics),
        figsize=(WIDTH, 0.5 + 2.7 * len(metrics)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for metric, ax in zip(metrics, axes[:, 0], strict=True):
        for i, (name, runs) in enumerate(groups.items()):
            _draw_runs(ax, [run[metric] for run in runs], *_run_style(name, "train", i))
            if all(f"val_{metric}" in run for run in runs):
                _draw_runs(ax, [run[f"val_{metric}"] for run in runs], *_run_style(name, "validation", i))
        ax.set_ylabel({"loss": "loss (cross-entropy, nats)", "accuracy": "accuracy (share)"}.get(metric, metric))
    axes[-1, 0].set_xlabel("epoch")
    axes[-1, 0].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _legend_below(axes[-1, 0], columns=2)
    return figure


def plot_confusion(report, *, normalise=True, ax=None):
    """Draw a confusion matrix: rows are the true classes, columns the predicted ones.

    Parameters
    ----------
    report : ClassifierReport
        From :func:`course_utils.evaluation.evaluate_classifier`.
    normalise : bool
        Show the per cent of each row; its diagonal is the accuracy per class. Otherwise show counts.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> from course_utils.evaluation import evaluate_predictions
    >>> ax = plot_confusion(evaluate_predictions([0, 0, 1], [0, 1, 1], class_names=["cat", "dog"]))
    >>> [text.get_text() for text in ax.texts]
    ['100', '', '50', '50']
    >>> plt.close(ax.figure)
    """
    values = 100 * report.confusion_normalised if normalise else report.confusion
    k = len(report.class_names)
    size = min(7.0, 2.6 + 0.34 * k)
    ax = _axes(ax, (size, size - 0.7))
    # A cell that would read "0" stays empty: the eye finds the confusions faster.
    cells = np.where(np.round(np.nan_to_num(values)) > 0, np.char.mod("%.0f", np.nan_to_num(values)), "")
    sns.heatmap(
        values,
        annot=cells,
        fmt="",
        cmap="Blues",
        vmin=0,
        vmax=100 if normalise else None,
        square=True,
        linewidths=0.5,
        linecolor="#eeeeee",
        xticklabels=report.class_names,
        yticklabels=report.class_names,
        annot_kws={"fontsize": 11 if k <= 10 else 8},
        cbar_kws={"label": "share of the true class (%)" if normalise else "images", "shrink": 0.8},
        ax=ax,
    )
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.tick_params(axis="x", rotation=90 if k > 3 else 0)
    ax.tick_params(axis="y", rotation=0)
    return ax


def plot_per_class(report, *, reported=None, ax=None):
    """Draw the accuracy per class as bars with 95% intervals, and reported values beside them.

    Parameters
    ----------
    report : ClassifierReport
        From :func:`course_utils.evaluation.evaluate_classifier`.
    reported : sequence of float, shape (n_classes,), optional
        Accuracies that someone else reported, drawn as diamonds.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If `reported` has not one value a class.

    Examples
    --------
    >>> from course_utils.evaluation import evaluate_predictions
    >>> ax = plot_per_class(evaluate_predictions([0, 0, 1], [0, 1, 1], class_names=["cat", "dog"]))
    >>> ax.get_xlabel()
    'accuracy per class (share of its images)'
    >>> plt.close(ax.figure)
    """
    table = report.per_class
    y = np.arange(len(table))
    ax = _axes(ax, (WIDTH, 1.4 + 0.32 * len(table)))
    recall = table["recall"].to_numpy()
    ax.barh(y, recall, 0.7, color=SKY, label="measured", zorder=2)
    _error_bars(ax, recall, y, table["low"], table["high"], horizontal=True)
    if reported is not None:
        if len(reported) != len(table):
            raise ArgumentError(
                f"reported has {len(reported)} values for {len(table)} classes; it must have one a class"
            )
        ax.plot(reported, y, "D", color=RED, mec="white", ms=8, ls="none", label="reported", zorder=4)
    _class_axis(ax, table.index)
    ax.set(xlabel="accuracy per class (share of its images)", xlim=(0, 1.02))
    _legend_below(ax, columns=3)
    return ax


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

    Raises
    ------
    ArgumentError
        If a shape does not fit, or the values are no probabilities.

    Examples
    --------
    >>> figure = show_prediction(np.zeros((4, 4)), [0.2, 0.8], 1, ["cat", "dog"])
    >>> figure.axes[0].get_title()
    '✓ dog, 80%'
    >>> plt.close(figure)
    """
    image = _image("show_prediction", "image", image)
    probabilities = _probabilities("show_prediction", np.atleast_1d(probabilities)[None], len(class_names))[0]
    label = check_integer("label", label, minimum=0, maximum=len(class_names) - 1)
    figure, (top, bottom) = plt.subplots(
        2,
        figsize=(WIDTH * 0.9, 3.4 + 0.26 * len(class_names)),
        height_ratios=[2.4, 0.4 + 0.26 * len(class_names)],
        layout="constrained",
    )
    caption, colour = _verdict(probabilities, label, class_names)
    _draw(top, image)
    _bare(top)
    top.set_title(caption, color=colour)
    colours = [GREY] * len(class_names)
    colours[probabilities.argmax()] = colour
    bars = bottom.barh(np.arange(len(class_names)), probabilities, color=colours, zorder=2)
    bottom.bar_label(bars, [f"{100 * p:.0f}%" if p >= 0.005 else "" for p in probabilities], padding=3)
    _class_axis(bottom, [f"{name} (true)" if i == label else name for i, name in enumerate(class_names)])
    bottom.get_yticklabels()[label].set_fontweight("bold")
    bottom.set(xlabel="predicted probability", xlim=(0, 1.18), xticks=[0, 0.25, 0.5, 0.75, 1])
    return figure


def show_predictions(images, probabilities, labels, class_names, *, columns=3):
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
    columns : int
        Images in a row.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ArgumentError
        If the lengths do not fit, a label is no class, or the values are no probabilities.

    Examples
    --------
    >>> figure = show_predictions(np.zeros((2, 4, 4)), [[0.2, 0.8], [0.6, 0.4]], [1, 1], ["cat", "dog"])
    >>> print(figure.axes[1].get_xlabel())
    ✗ cat, 60%
    (true: dog)
    >>> plt.close(figure)
    """
    images = _images("show_predictions", images)
    labels = np.asarray(labels)
    _counts("show_predictions", labels, len(class_names))
    probabilities = _probabilities("show_predictions", probabilities, len(class_names))
    if not len(images) == len(labels) == len(probabilities):
        raise ArgumentError(
            f"there are {len(images)} images, {len(labels)} labels and "
            f"{len(probabilities)} rows of probabilities; the three must be equal"
        )
    figure, axes = _grid("show_predictions", len(images), columns, images.shape[1:3], lines=2)
    for ax, image, row, label in zip(axes, images, probabilities, labels, strict=True):
        caption, colour = _verdict(row, label, class_names)
        _draw(ax, image)
        if row.argmax() != label:
            caption += f"\n(true: {class_names[label]})"
        ax.set_xlabel(caption, color=colour)
        for spine in ax.spines.values():
            spine.set(visible=True, color=colour, linewidth=2)
    return figure


def show_ranked_gallery(probe_images, gallery_images, order, *, probe_ids, gallery_ids):
    """Draw each probe and, to its right, the gallery items found for it: matches framed green, others red.

    Parameters
    ----------
    probe_images : array_like, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        One row of the figure a probe.
    gallery_images : array_like, shape (n_gallery, h, w) and so on
        What was searched.
    order : array_like of int, shape (n, n_shown)
        For each probe the gallery items to draw, the nearest first.
    probe_ids, gallery_ids : array_like, shape (n,) and (n_gallery,)
        Identities.

    Returns
    -------
    matplotlib.figure.Figure
        A match has ✓ below it, another item ✗, so that the frames' colours are not needed.

    Raises
    ------
    ArgumentError
        If a shape does not fit, or `order` names an item that is not there.

    Examples
    --------
    >>> images = np.zeros((3, 4, 4))
    >>> figure = show_ranked_gallery(images[:1], images, [[2, 0]], probe_ids=[7], gallery_ids=[7, 8, 9])
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['probe', '1 ✗', '2 ✓']
    >>> plt.close(figure)
    """
    function = "show_ranked_gallery"
    probe_images, gallery_images = _images(function, probe_images), _images(function, gallery_images)
    probe_ids, gallery_ids, order = np.asarray(probe_ids), np.asarray(gallery_ids), np.asarray(order)
    _check_length(function, "probe_ids", probe_ids, len(probe_images))
    _check_length(function, "gallery_ids", gallery_ids, len(gallery_images))
    if order.ndim != 2 or len(order) != len(probe_images) or order.dtype.kind not in "iu" or not order.size:
        raise ArgumentError(
            f"order has shape {order.shape} and dtype {order.dtype}; it must be ({len(probe_images)}, n_shown) integers"
        )
    if order.min() < 0 or order.max() >= len(gallery_images):
        raise ArgumentError(
            f"order runs from {order.min()} to {order.max()}; it must lie in 0 to {len(gallery_images) - 1}"
        )
    n_columns = order.shape[1] + 1
    figure, axes = _grid(function, len(order) * n_columns, n_columns, probe_images.shape[1:3], lines=1)
    for row, axes_of_row in enumerate(np.reshape(axes, (-1, n_columns))):
        _draw(axes_of_row[0], probe_images[row])
        axes_of_row[0].set_xlabel("probe")
        for place, (ax, item) in enumerate(zip(axes_of_row[1:], order[row], strict=True), start=1):
            is_match = gallery_ids[item] == probe_ids[row]
            _draw(ax, gallery_images[item])
            ax.set_xlabel(f"{place} {'✓' if is_match else '✗'}")
            for spine in ax.spines.values():
                spine.set(visible=True, color=GREEN if is_match else WRONG, linewidth=3)
    return figure


def plot_embedding(points, labels, class_names, *, method="t-SNE", ax=None):
    """Draw points in the plane, each class with a colour and a marker of its own.

    Parameters
    ----------
    points : array_like of float, shape (n, 2)
        For instance the t-SNE or the first two principal components of an embedding.
    labels : array_like of int, shape (n,)
        Classes.
    class_names : sequence of str
        Names of the classes.
    method : str
        What made the points; it names the axes.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If a shape does not fit or a label is no class.

    Examples
    --------
    >>> ax = plot_embedding([[0, 1], [1, 0]], [0, 1], ["cat", "dog"], method="PCA")
    >>> ax.get_xlabel()
    'PCA dimension 1 (arbitrary units)'
    >>> plt.close(ax.figure)
    """
    points, labels = np.asarray(points, dtype=float), np.asarray(labels)
    _counts("plot_embedding", labels, len(class_names))
    if points.shape != (len(labels), 2):
        raise ArgumentError(f"points has shape {points.shape}; with {len(labels)} labels it must be ({len(labels)}, 2)")
    rows = -(-len(class_names) // 3)
    ax = _axes(ax, (WIDTH, 4.3 + 0.25 * rows))
    size = float(np.clip(20_000 / len(points), 10, 40))
    for k, name in enumerate(class_names):
        colour, marker = _class_style(k)
        chosen = points[labels == k]
        ax.scatter(*chosen.T, s=size, color=colour, marker=marker, linewidths=0, alpha=0.75, label=name)
    ax.set(xlabel=f"{method} dimension 1 (arbitrary units)", ylabel=f"{method} dimension 2 (arbitrary units)")
    _legend_below(ax, columns=3, markerscale=(45 / size) ** 0.5)
    return ax


def plot_reported(names, measured, *, reported=None, intervals=None, quantity="test accuracy (share)", ax=None):
    """Draw measured numbers, with their intervals, beside the ones that were reported.

    Parameters
    ----------
    names : sequence of str, length n
        What each number belongs to, such as a network.
    measured : array_like of float, shape (n,)
        Our numbers.
    reported : array_like of float, shape (n,), optional
        The numbers of the original; NaN where there was none.
    intervals : array_like of float, shape (n, 2), optional
        Lower and upper bounds of `measured`; NaN where there is none.
    quantity : str
        What the numbers are, with the unit: the label of the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If the lengths differ.

    Examples
    --------
    >>> ax = plot_reported(["SVM", "network"], [0.21, 0.75], reported=[0.595, 0.92])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['SVM', 'network']
    >>> plt.close(ax.figure)
    """
    y = np.arange(len(names))
    measured = _floats("plot_reported", "measured", measured, (len(names),))
    ax = _axes(ax, (WIDTH, 1.5 + 0.42 * len(names)))
    if reported is not None:
        reported = _floats("plot_reported", "reported", reported, (len(names),))
        ax.hlines(y, measured, reported, color="#bbbbbb", lw=3, zorder=1)
        ax.plot(reported, y, "D", color=RED, mec="white", ms=9, ls="none", label="reported", zorder=3)
    if intervals is not None:
        low, high = _floats("plot_reported", "intervals", intervals, (len(names), 2)).T
        _error_bars(ax, measured, y, low, high, horizontal=True)
    ax.plot(measured, y, "o", color=BLUE, ms=8, ls="none", label="measured", zorder=4)
    _class_axis(ax, names)
    ax.set_xlabel(quantity)
    _legend_below(ax, columns=3)
    return ax


def plot_power_law(fit, *, sizes=None, quantity="test error (share)", ax=None):
    """Draw a learning curve on log axes: the measured errors, the fitted power law, and where it leads.

    Parameters
    ----------
    fit : PowerLawFit
        From :func:`course_utils.evaluation.fit_power_law`.
    sizes : array_like of float, optional
        Sizes over which to draw the law; by default from the least to four times the greatest measured one.
    quantity : str
        What the errors are, with the unit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The band is the 95% interval of one new measurement; the law is dashed where it extrapolates.

    Examples
    --------
    >>> from course_utils.evaluation import fit_power_law
    >>> ax = plot_power_law(fit_power_law([1000, 2000, 4000], [0.4, 0.33, 0.29]))
    >>> ax.get_xscale(), ax.get_yscale()
    ('log', 'log')
    >>> plt.close(ax.figure)
    """
    ends = (fit.sizes.min(), 4 * fit.sizes.max()) if sizes is None else (np.min(sizes), np.max(sizes))
    along = np.geomspace(*ends, 200)
    error, low, high = fit.predict(along)
    ax = _axes(ax, (WIDTH, 4.2))
    if np.isfinite(low).all():
        ax.fill_between(along, low, high, color=SKY, alpha=0.3, lw=0, label="95% interval of a new run")
    known = along <= fit.sizes.max()
    law = f"error ∝ size$^{{-{fit.exponent:.2f}}}$"
    ax.plot(along[known], error[known], color=BLUE, label=law)
    ax.plot(along[~known], error[~known], color=BLUE, ls="--", label="extrapolated")
    ax.plot(fit.sizes, fit.errors, "o", color=RED, ms=7, ls="none", label="measured", zorder=3)
    ax.set(xscale="log", yscale="log", xlabel="training images", ylabel=quantity)
    _plain_log_ticks(ax.xaxis, "{x:,.0f}")
    _plain_log_ticks(ax.yaxis, "{x:.3g}")
    _legend_below(ax, columns=2)
    return ax


def plot_sweep(values, series, *, xlabel, ylabel="test accuracy (share)", reported=None, logarithmic=True, ax=None):
    """Draw how a result follows a setting: one line a method, the mean over seeds with its 95% interval.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        The settings, such as training-set sizes or penalties, not negative.
    series : mapping of str to sequence, each of length n
        By name of the method: a number, or a ``SeedSummary`` (mean and interval), for each setting.
    xlabel, ylabel : str
        What the axes are, with units.
    reported : mapping of str to sequence of float, optional
        Numbers of the original by name, NaN where there was none; drawn as diamonds.
    logarithmic : bool
        Whether the axis of the settings is logarithmic; 0 then has a place of its own at its left end.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ArgumentError
        If a series has another length than `values`.

    Examples
    --------
    >>> ax = plot_sweep([0, 0.1, 1], {"L1": [0.5, 0.4, 0.1]}, xlabel="penalty (no unit)")
    >>> ax.get_xscale()
    'symlog'
    >>> plt.close(ax.figure)
    """
    values = np.asarray(values, dtype=float)
    ax = _axes(ax, (WIDTH, 4.2))
    for i, (name, results) in enumerate(series.items()):
        _check_length("plot_sweep", f"series {name!r}", results, len(values))
        means, low, high = np.array([_centre_and_interval(result) for result in results]).T
        colour, marker = _class_style(i)
        if np.isfinite(low).any():
            _error_bars(ax, values, means, low, high, horizontal=False)
        ax.plot(values, means, color=colour, marker=marker, ms=6, ls=LINES[i % len(LINES)], label=name, zorder=4)
    for i, (name, numbers) in enumerate((reported or {}).items()):
        _check_length("plot_sweep", f"reported {name!r}", numbers, len(values))
        fill = "full" if i == 0 else "none"
        ax.plot(values, numbers, "D", color=RED, fillstyle=fill, ms=7, ls="none", label=f"reported {name}".rstrip())
    if logarithmic:
        _log_axis_with_zero(ax, values)
    ax.set_xticks(values, [f"{value:,.10g}" for value in values], rotation=45 if len(values) > 5 else 0)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _legend_below(ax, columns=2)
    return ax


def plot_cost(costs, results, *, xlabel, ylabel="test accuracy (share)", ax=None):
    """Draw what each method reaches against what it costs, each method with its name beside it.

    Parameters
    ----------
    costs : mapping of str to float
        Cost by method, greater than 0, such as the seconds of training.
    results : mapping of str to float, or to ClassifierReport or SeedSummary
        The result of the same methods; of a report the accuracy, and the intervals where there are such.
    xlabel, ylabel : str
        What the axes are, with units.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The axis of the costs is logarithmic.

    Raises
    ------
    ArgumentError
        If the methods differ, or a cost is not positive.

    Examples
    --------
    >>> seconds, accuracies = {"SVM": 0.5, "network": 83}, {"SVM": 0.21, "network": 0.75}
    >>> ax = plot_cost(seconds, accuracies, xlabel="training time (s)")
    >>> [text.get_text() for text in ax.texts]
    ['SVM', 'network']
    >>> plt.close(ax.figure)
    """
    if not costs or set(costs) != set(results):
        raise ArgumentError(
            f"costs are of {sorted(costs)}, results of {sorted(results)}; both must be of the same methods"
        )
    if min(costs.values()) <= 0:
        raise ArgumentError(f"costs has a value of {min(costs.values())}; all must be greater than 0")
    ax = _axes(ax, (WIDTH, 4.0))
    points = {}
    for i, (name, cost) in enumerate(costs.items()):
        mean, low, high = _centre_and_interval(results[name])
        points[name] = cost, mean
        colour, marker = _class_style(i)
        _error_bars(ax, [cost], [mean], [low], [high], horizontal=False)
        ax.plot([cost], [mean], marker=marker, color=colour, ms=9, ls="none", zorder=4)
    ax.set(xscale="log", xlabel=xlabel, ylabel=ylabel)
    # Costs of one or two orders of magnitude would else get a single tick, and nobody could read the scale.
    ratio = max(costs.values()) / min(costs.values())
    subs = (1,) if ratio >= 100 else (1, 2, 5) if ratio >= 10 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    _plain_log_ticks(ax.xaxis, "{x:,.10g}", subs=subs)
    ax.margins(x=0.15, y=0.15)
    _name_points(ax, points)
    return ax


def plot_gradient_norms(norms, *, ax=None):
    """Draw how strong the gradient is at each layer, from the input on the left to the output on the right.

    Parameters
    ----------
    norms : mapping of str to sequence of float
        By network: one norm a layer, such as :func:`course_utils.training.gradient_norms` gives. Lengths may differ.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        Networks of different depth are stretched to the same width.

    Examples
    --------
    >>> ax = plot_gradient_norms({"plain": [1e-3, 0.1, 1.0], "residual": [0.5, 0.8, 1.0]})
    >>> ax.get_yscale()
    'log'
    >>> plt.close(ax.figure)
    """
    ax = _axes(ax, (WIDTH, 4.0))
    for i, (name, values) in enumerate(norms.items()):
        colour, marker = _class_style(i)
        place = np.linspace(0, 1, len(values))
        ax.plot(place, values, color=colour, marker=marker, ms=5, ls=LINES[i % len(LINES)], label=name)
    ax.set(yscale="log", xlabel="place of the layer (0 input, 1 output)", ylabel="L2 norm of the kernel's gradient")
    _legend_below(ax, columns=2)
    return ax


def _name_points(ax, points):
    """Write the names of points beside them, each where it covers no other name and no point."""
    ax.figure.draw_without_rendering()  # only now are the places in the figure final
    places = ax.transData.transform(list(points.values()))
    radius = 6 / 72 * ax.figure.dpi
    taken = [Bbox([place - radius, place + radius]) for place in places]
    middle = np.mean(ax.transAxes.transform([(0, 0), (1, 1)])[:, 0])
    for (name, point), (across, _) in zip(points.items(), places, strict=True):
        # Names run towards the middle if they can, so that none leaves the figure.
        spots = [(8, "left"), (-8, "right")][:: 1 if across <= middle else -1]
        text = ax.annotate(name, point, xytext=(0, 0), textcoords="offset points", va="center")
        # The last spot is the first again, for where none is free.
        for (side, align), up in [*itertools.product(spots, (10, -10, 20, -20)), (spots[0], 10)]:
            text.set(position=(side, up), ha=align)
            box = text.get_window_extent()
            if not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _class_style(k):
    """Colour and marker of class k: the markers differ too, since ten colours are too many to tell apart."""
    return CLASS_COLOURS[k % len(CLASS_COLOURS)], MARKERS[k % len(MARKERS)]


def _axes(ax, figsize):
    if ax is not None:
        return ax
    return plt.subplots(figsize=figsize, layout="constrained")[1]


def _grid(function, n, columns, image_shape, *, lines):
    """Axes for `n` images, in a figure as high as their shape and `lines` of captions ask for."""
    columns = min(check_integer("columns", columns, minimum=1), n)
    rows = -(-n // columns)
    side = WIDTH / columns
    height = rows * (side * image_shape[0] / image_shape[1] * 0.94 + 0.22 * lines + 0.06)
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, height), squeeze=False, layout="constrained")
    for ax in axes.flat[n:]:
        ax.remove()
    for ax in axes.flat[:n]:
        _bare(ax)
    return figure, axes.flat[:n]


def _bare(ax):
    ax.grid(False)
    ax.set(xticks=[], yticks=[])


def _draw(ax, image, **options):
    options.setdefault("cmap", "gray")
    return ax.imshow(image, interpolation="nearest", **options)


def _class_axis(ax, class_names):
    ax.set_yticks(np.arange(len(class_names)), class_names)
    ax.set_ylim(len(class_names) - 0.5, -0.5)
    ax.grid(False, axis="y")


def _legend_below(ax, *, columns, **options):
    handles, labels = ax.get_legend_handles_labels()
    ax.figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        handletextpad=0.5,
        columnspacing=1,
        **options,
    )


def _error_bars(ax, x, y, low, high, *, horizontal):
    """Draw intervals around points that lie in them; where a bound is NaN there is none to draw."""
    centre = np.asarray(x if horizontal else y, dtype=float)
    # Rounding may put a bound a hair on the wrong side of the point itself.
    spread = np.maximum(0, [centre - np.asarray(low), np.asarray(high) - centre])
    label = None if "95% interval" in ax.get_legend_handles_labels()[1] else "95% interval"
    side = {"xerr": spread} if horizontal else {"yerr": spread}
    ax.errorbar(x, y, **side, fmt="none", ecolor=BLACK, elinewidth=1.3, capsize=3, label=label, zorder=3)


def _centre_and_interval(result):
    """The number to draw, and its bounds, of a report, of a summary over seeds, or of a plain number."""
    if hasattr(result, "accuracy"):
        return result.accuracy, *result.interval
    if hasattr(result, "low"):
        return result.mean, result.low, result.high
    return float(result), np.nan, np.nan


def _log_axis_with_zero(ax, values):
    positive = values[values > 0]
    if len(positive) == len(values):
        ax.set_xscale("log")
    else:
        ax.set_xscale("symlog", linthresh=positive.min(), linscale=0.5)


def _plain_log_ticks(axis, pattern, *, subs=(1, 2, 5)):
    """Write 20,000 and 0.5 where a log axis would write powers of ten."""
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(StrMethodFormatter(pattern))
    axis.set_minor_formatter(NullFormatter())


def _floats(function, name, values, shape):
    values = np.asarray(values, dtype=float)
    if values.shape != shape:
        raise ArgumentError(f"{name} has shape {values.shape}; it must be {shape}")
    return values


def _check_length(function, name, values, n):
    if len(values) != n:
        raise ArgumentError(f"{name} has {len(values)} entries for {n} values; the numbers must be equal")


def _verdict(probabilities, label, class_names):
    best = int(probabilities.argmax())
    mark, colour = ("✓", BLUE) if best == label else ("✗", WRONG)
    return f"{mark} {class_names[best]}, {100 * probabilities[best]:.0f}%", colour


def _history_groups(histories, metrics):
    """Sort any legal form of histories into {name: [mapping, …]}."""
    if isinstance(histories, Mapping) and not any(metric in histories for metric in metrics):
        groups = {str(name): _history_list(runs) for name, runs in histories.items()}
    else:
        groups = {"": _history_list(histories)}
    for name, runs in groups.items():
        for run in runs:
            for metric in metrics:
                if metric not in run:
                    raise ArgumentError(f"history {name!r} has {sorted(run)}; it must have {metric!r}")
    if not groups or not all(groups.values()):
        raise ArgumentError("histories is empty; it must hold at least one history")
    return groups


def _history_list(runs):
    runs = runs if isinstance(runs, (list, tuple)) else [runs]
    runs = [getattr(run, "history", run) for run in runs]
    for run in runs:
        if not isinstance(run, Mapping):
            raise ArgumentError(
                f"a history is {type(run).__name__}; it must be what fit returned, or a mapping of curves"
            )
    return runs


def _run_style(name, split, i):
    """Label, colour and line: the line tells the split, and the colour the network."""
    if not name:
        return (split, BLUE, "-") if split == "train" else (split, RED, "--")
    return f"{name}, {split}", PALETTE[i % len(PALETTE)], ":" if split == "train" else "-"


def _draw_runs(ax, curves, label, colour, line):
    if len(curves) > 1:
        for curve in curves:
            ax.plot(np.arange(1, len(curve) + 1), curve, color=colour, ls=line, lw=0.8, alpha=0.5)
        # Runs that stopped early are shorter; the mean goes as far as all of them do.
        shortest = min(map(len, curves))
        curves = [np.mean([curve[:shortest] for curve in curves], axis=0)]
    (curve,) = curves
    ax.plot(np.arange(1, len(curve) + 1), curve, color=colour, ls=line, marker="o", ms=3.5, label=label)


def _image(function, name, image):
    image = np.asarray(image)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[:, :, 0]
    if image.size == 0 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ArgumentError(f"{name} has shape {image.shape}; it must be (h, w), (h, w, 1) or (h, w, 3)")
    return image


def _images(function, images):
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if images.size == 0 or not (images.ndim == 3 or (images.ndim == 4 and images.shape[3] == 3)):
        raise ArgumentError(f"images has shape {images.shape}; it must be (n, h, w), (n, h, w, 1) or (n, h, w, 3)")
    return images


def _captions(function, labels, class_names, n):
    if labels is None:
        return [""] * n
    if len(labels) != n:
        raise ArgumentError(f"labels has {len(labels)} entries for {n} images; the numbers must be equal")
    if class_names is not None:
        _counts(function, labels, len(class_names))
        labels = [class_names[label] for label in labels]
    return [textwrap.fill(str(label), 12) for label in labels]


def _most_lines(captions):
    return max(caption.count("\n") + 1 if caption else 0 for caption in captions)


def _counts(function, labels, n_classes):
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
        raise ArgumentError(f"labels has shape {labels.shape} and dtype {labels.dtype}; it must be (n,) integers")
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        raise ArgumentError(
            f"labels run from {labels.min()} to {labels.max()}; with {n_classes} class_names "
            f"they must lie in 0 to {n_classes - 1}"
        )
    return np.bincount(labels.astype(int), minlength=n_classes)


def _probabilities(function, probabilities, n_classes):
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2 or probabilities.shape[1] != n_classes:
        raise ArgumentError(
            f"probabilities has shape {probabilities.shape}; with {n_classes} class_names it must be (n, {n_classes})"
        )
    if not (np.all(probabilities >= 0) and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)):
        raise ArgumentError(
            f"probabilities has rows with sums {probabilities.sum(axis=1).min():.3g} to "
            f"{probabilities.sum(axis=1).max():.3g} and least value {probabilities.min():.3g}; each row "
            "must be non-negative with sum 1 (evaluation.softmax makes it so)"
        )
    return probabilities
