"""Ranked galleries: what each method finds for a probe."""

import numpy as np

from course_utils import plots
from course_utils.errors import ArgumentError, check_integer
from course_utils.interactive.widget import Widget, drawn, pack, thumbnails
from course_utils.retrieval import evaluate_retrieval, rank_gallery

__all__ = ["ranked_galleries"]

_CMC_RANKS = 1000  # at most, drawn on a logarithmic axis
_FIRST = 6  # gallery items in the static picture
_ALT = (
    "Probe {probe} and the first gallery items that each method finds for it, one row a method: {names}. ✓ stands "
    "below the right ones, ✗ below the others."
)


def ranked_galleries(features, probe_images, gallery_images, *, probe_ids, gallery_ids, k=10, **options):
    """Let readers choose a probe and see the first gallery items of every method, with ranks, distances and CMC.

    Parameters
    ----------
    features : mapping of str to pair of array_like
        By name of the method, the features of the probes and of the gallery, one row each.
    probe_images, gallery_images : array_like of uint8, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        The pictures; those of probes and gallery have the same size.
    probe_ids, gallery_ids : array_like of int or str
        Identities.
    k : int
        Gallery items shown.
    **options
        ``metric``, ``protocol``, ``distractor_id`` and so on of
        :func:`course_utils.retrieval.evaluate_retrieval`, which decides what is ranked and how.

    Returns
    -------
    Widget
        Ranks are from 1; with ties expected ones.

    Raises
    ------
    ArgumentError
        If the numbers or sizes of the pictures do not fit, or as
        :func:`course_utils.retrieval.evaluate_retrieval` does.

    Examples
    --------
    >>> pictures = np.zeros((3, 8, 8), "uint8")
    >>> features = {"pixels": ([[0.1], [1.6]], [[0.0], [1.0], [3.0]])}
    >>> made = ranked_galleries(features, pictures[:2], pictures, probe_ids=[7, 8], gallery_ids=[7, 8, 9], k=2)
    >>> made.data["methods"][0]["name"], made.data["right"]
    ('pixels', [[0], [1]])
    """
    probe_images, gallery_images = np.asarray(probe_images), np.asarray(gallery_images)
    probe_ids, gallery_ids = np.asarray(probe_ids), np.asarray(gallery_ids)
    if not features:
        raise ArgumentError("features is empty; it must hold a method at least")
    for name, images, ids in (("probe", probe_images, probe_ids), ("gallery", gallery_images, gallery_ids)):
        if len(images) != len(ids) or not len(images):
            raise ArgumentError(f"{name}_images holds {len(images)} pictures for {len(ids)} {name}_ids")
    if probe_images.shape[1:] != gallery_images.shape[1:]:
        raise ArgumentError(
            f"gallery_images has shape {gallery_images.shape}; its pictures must be like those of the probes, "
            f"{probe_images.shape[1:]}"
        )
    k = min(check_integer("k", k, minimum=1), len(gallery_ids))
    labels = {"probe_ids": probe_ids, "gallery_ids": gallery_ids, **options}
    methods, shown = [], {}
    for name, (probe, gallery) in features.items():
        result = evaluate_retrieval(probe, gallery, **labels)
        items, distances = rank_gallery(probe, gallery, k=k, **labels)
        methods.append(_packed(str(name), result, items, distances))
        shown[str(name)] = items
    data = {
        "probes": thumbnails(probe_images),
        "gallery": thumbnails(gallery_images),
        "right": [np.flatnonzero(gallery_ids == own).tolist() for own in probe_ids],
        "methods": methods,
    }
    picture, alt = _picture(probe_images, gallery_images, shown, probe_ids, gallery_ids)
    caption = (
        "Choose a probe. Each row is the beginning of the gallery as one method ranks it: a tick and a solid frame "
        "say that it is the right one. Below, the curve of all probes, with the rank of this one."
    )
    return Widget("gallery", data, picture=picture, alt=alt, caption=caption)


def _packed(name, result, items, distances):
    known = np.isfinite(result.ranks)
    return {
        "name": name,
        "items": pack(items, "int32"),
        "distances": pack(np.nan_to_num(distances), "float32"),
        # From 1, as people count; 0 for a probe without a match.
        "ranks": pack(np.where(known, result.ranks + 1, 0), "float32"),
        "cmc": pack(result.cmc[:_CMC_RANKS], "float32"),
    }


def _picture(probe_images, gallery_images, shown, probe_ids, gallery_ids):
    """One probe, a row for each method: the first on which they disagree, if there is one."""
    firsts = np.array([probe_ids == gallery_ids[items[:, 0]] for items in shown.values()])
    whole = np.all([items.min(axis=1) >= 0 for items in shown.values()], axis=0)
    chosen = int(np.argmax(firsts.any(axis=0) * 1 + ~firsts.all(axis=0) + 3 * whole))
    order = np.maximum(0, [items[chosen, :_FIRST] for items in shown.values()])
    rows = [chosen] * len(shown)
    ids = {"probe_ids": probe_ids[rows], "gallery_ids": gallery_ids}
    figure = plots.show_ranked_gallery(probe_images[rows], gallery_images, order, **ids)
    for axes, name in zip(figure.axes[:: order.shape[1] + 1], shown, strict=True):
        axes.set_ylabel(name)
    alt = _ALT.format(probe=chosen + 1, names=", ".join(shown))
    return drawn(figure), alt
