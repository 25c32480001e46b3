"""Retrieval: how far down the list the matches stand, and what was found."""

from collections.abc import Mapping

import numpy as np

from course_utils.errors import ArgumentError, check_integer
from course_utils.plots import style
from course_utils.plots.images import check_images, draw, grid
from course_utils.retrieval import bootstrap_interval

__all__ = ["plot_cmc", "show_ranked_gallery"]


def plot_cmc(results, *, max_rank=20):
    """Draw cumulative match characteristics, with 95% bands that say how much they depend on the choice of probes.

    Parameters
    ----------
    results : RetrievalResult or mapping of str to RetrievalResult
        From :func:`course_utils.retrieval.evaluate_retrieval`, by name of the method. The bands come from samples of
        its probes with replacement, the same in each call.
    max_rank : int
        Last rank drawn; the size of the smallest gallery if that is less.

    Returns
    -------
    matplotlib.axes.Axes
        The first rank is 1, as people count.

    Examples
    --------
    >>> from course_utils.retrieval import evaluate_retrieval
    >>> result = evaluate_retrieval([[0.1], [1.6]], [[0.0], [1.0], [3.0]], probe_ids=[7, 7], gallery_ids=[7, 8, 9])
    >>> plot_cmc({"pixels": result}).get_ylabel()
    'probes found (share)'
    """
    results = results if isinstance(results, Mapping) else {"": results}
    if not results:
        raise ArgumentError("results is empty; it must hold at least one RetrievalResult")
    last = min(check_integer("max_rank", max_rank, minimum=1), *(result.n_gallery for result in results.values()))
    ax = style.new_axes(4.4)
    ranks = np.arange(1, last + 1)
    for i, (name, result) in enumerate(results.items()):
        curves = result.probe_cmc(last)
        look = style.line_style(i)
        low, high = bootstrap_interval(curves, n_samples=500)
        ax.fill_between(ranks, low, high, color=look["color"], alpha=0.15, lw=0)
        ax.plot(ranks, curves.mean(axis=0), ms=5, label=name or None, **look)
    ax.set(xlabel="rank (gallery items looked at)", ylabel="probes found (share)", ylim=(0, 1.02))
    style.whole_ticks(ax.xaxis, 8)
    if any(results):
        style.legend_below(ax, 2)
    return ax


def show_ranked_gallery(probe_images, gallery_images, order, *, probe_ids, gallery_ids):
    """Draw each probe and, to its right, the gallery items found for it: matches framed green, others red.

    Parameters
    ----------
    probe_images : array_like, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        One row of the figure each.
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

    Examples
    --------
    >>> images = np.zeros((3, 4, 4))
    >>> figure = show_ranked_gallery(images[:1], images, [[2, 0]], probe_ids=[7], gallery_ids=[7, 8, 9])
    >>> [ax.get_xlabel() for ax in figure.axes]
    ['probe', '1 ✗', '2 ✓']
    """
    probe_images = check_images("probe_images", probe_images)
    gallery_images = check_images("gallery_images", gallery_images)
    probe_ids, gallery_ids, order = np.asarray(probe_ids), np.asarray(gallery_ids), np.asarray(order)
    style.check_length("probe_ids", probe_ids, len(probe_images), "probe images")
    style.check_length("gallery_ids", gallery_ids, len(gallery_images), "gallery images")
    if order.ndim != 2 or len(order) != len(probe_images) or order.dtype.kind not in "iu" or not order.size:
        raise ArgumentError(
            f"order has shape {order.shape} and dtype {order.dtype}; it must be ({len(probe_images)}, n_shown) integers"
        )
    least, most, last = order.min(), order.max(), len(gallery_images) - 1
    if least < 0 or most > last:
        raise ArgumentError(f"order runs from {least} to {most}; it must lie in 0 to {last}")
    columns = order.shape[1] + 1
    figure, axes = grid(len(order) * columns, columns, probe_images.shape[1:3], lines=1)
    for row, (probe, *found) in enumerate(np.reshape(axes, (-1, columns))):
        draw(probe, probe_images[row])
        probe.set_xlabel("probe")
        for place, (ax, item) in enumerate(zip(found, order[row], strict=True), start=1):
            mark, colour = ("✓", style.GREEN) if gallery_ids[item] == probe_ids[row] else ("✗", style.WRONG)
            draw(ax, gallery_images[item], frame=colour, thickness=3)
            ax.set_xlabel(f"{place} {mark}")
    return figure
