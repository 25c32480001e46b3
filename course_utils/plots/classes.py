"""Classes: how many images each has, how well each is recognised, where each lies."""

from collections.abc import Mapping

import numpy as np

from course_utils.errors import ArgumentError, require
from course_utils.plots import style

__all__ = ["plot_class_counts", "plot_confusion", "plot_embedding", "plot_per_class"]


def plot_class_counts(labels, class_names):
    """Count the images of each class: one bar per class, or one per class and split.

    Parameters
    ----------
    labels : array_like of int, shape (n,), or mapping of str to such
        The labels, or the labels of each split by its name ("train", "test", …).
    class_names : sequence of str
        Names of the classes.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> plot_class_counts({"train": [0, 0, 1], "test": [1]}, ["cat", "dog"]).get_xlabel()
    'images'
    """
    splits = labels if isinstance(labels, Mapping) else {"": labels}
    n_classes, height = len(class_names), 0.8 / len(splits)
    ax = style.new_axes(1.2 + 0.26 * n_classes * max(1, 0.6 * len(splits)))
    for i, (name, split) in enumerate(splits.items()):
        counts = np.bincount(style.check_labels(split, n_classes), minlength=n_classes)
        y = np.arange(n_classes) + (i - (len(splits) - 1) / 2) * height
        look = {"color": style.PALETTE[i], "hatch": ["", "///", "..."][i % 3], "edgecolor": "white"}
        ax.bar_label(ax.barh(y, counts, height, label=name, **look), fmt="{:,.0f}", padding=3)
    style.class_axis(ax, class_names)
    ax.margins(x=0.15)
    ax.set_xlabel("images")
    style.whole_ticks(ax.xaxis, 4)
    if isinstance(labels, Mapping):
        style.legend_below(ax, len(splits))
    return ax


def plot_confusion(report, *, ax=None):
    """Draw a confusion matrix: rows are the true classes, columns the predicted ones, numbers per cent of the row.

    Parameters
    ----------
    report : ClassifierReport
        From :func:`course_utils.evaluation.evaluate_classifier`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if not given.

    Returns
    -------
    matplotlib.axes.Axes
        The diagonal is the accuracy per class.

    Examples
    --------
    >>> from course_utils.evaluation import evaluate_predictions
    >>> ax = plot_confusion(evaluate_predictions([0, 0, 1], [0, 1, 1], class_names=["cat", "dog"]))
    >>> [text.get_text() for text in ax.texts]
    ['100', '', '50', '50']
    """
    values, names = 100 * report.confusion_normalised, report.class_names
    size = min(7.0, 2.6 + 0.34 * len(names))
    ax = ax or style.new_axes(size - 0.7, size)
    # A cell that would read "0" stays empty: the eye finds the confusions faster.
    cells = np.where(np.round(np.nan_to_num(values)) > 0, np.char.mod("%.0f", np.nan_to_num(values)), "")
    texts = {"annot": cells, "fmt": "", "annot_kws": {"fontsize": 11 if len(names) <= 10 else 8}}
    bar = {"vmin": 0, "vmax": 100, "cbar_kws": {"label": "share of the true class (%)", "shrink": 0.8}}
    look = {"cmap": "Blues", "square": True, "linewidths": 0.5, "linecolor": "#eeeeee"}
    require("seaborn", "course").heatmap(values, xticklabels=names, yticklabels=names, ax=ax, **texts, **bar, **look)
    ax.set(xlabel="predicted class", ylabel="true class")
    ax.tick_params(axis="x", rotation=90 if len(names) > 3 else 0)
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

    Examples
    --------
    >>> from course_utils.evaluation import evaluate_predictions
    >>> plot_per_class(evaluate_predictions([0, 0, 1], [0, 1, 1], class_names=["cat", "dog"])).get_xlabel()
    'accuracy per class (share of its images)'
    """
    table = report.per_class
    y = np.arange(len(table))
    ax = ax or style.new_axes(1.4 + 0.32 * len(table))
    recall = table["recall"].to_numpy()
    ax.barh(y, recall, 0.7, color=style.SKY, label="measured", zorder=2)
    style.error_bars(ax, recall, y, table["low"], table["high"], horizontal=True)
    if reported is not None:
        style.check_length("reported", reported, len(table), "classes")
        ax.plot(reported, y, "D", color=style.RED, mec="white", ms=8, ls="none", label="reported", zorder=4)
    style.class_axis(ax, table.index)
    ax.set(xlabel="accuracy per class (share of its images)", xlim=(0, 1.02))
    style.legend_below(ax, 3)
    return ax


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

    Examples
    --------
    >>> plot_embedding([[0, 1], [1, 0]], [0, 1], ["cat", "dog"], method="PCA").get_xlabel()
    'PCA dimension 1 (arbitrary units)'
    """
    points, labels = np.asarray(points, dtype=float), style.check_labels(labels, len(class_names))
    if points.shape != (len(labels), 2):
        raise ArgumentError(f"points has shape {points.shape}; with {len(labels)} labels it must be ({len(labels)}, 2)")
    ax = ax or style.new_axes(4.3 + 0.25 * -(-len(class_names) // 3))
    size = float(np.clip(20_000 / len(points), 10, 40))
    for k, name in enumerate(class_names):
        ax.scatter(*points[labels == k].T, s=size, linewidths=0, alpha=0.75, label=name, **style.class_style(k))
    ax.set(xlabel=f"{method} dimension 1 (arbitrary units)", ylabel=f"{method} dimension 2 (arbitrary units)")
    style.legend_below(ax, 3, markerscale=(45 / size) ** 0.5)
    return ax
