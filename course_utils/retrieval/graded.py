"""Rankings whose items are more or less relevant, not only right or wrong."""

import numpy as np

from course_utils.errors import ArgumentError, check_integer
from course_utils.retrieval.counting import discounts
from course_utils.retrieval.search import Search

__all__ = ["ndcg"]


def ndcg(probe, gallery=None, *, relevance, k=None, metric="euclidean"):
    """Return each probe's normalised discounted cumulative gain for graded relevance.

    An item of relevance `g` at place `p` (from 1) adds ``g / log2(p + 1)``; the sum over the first `k` places is
    divided by that of the best ranking (Järvelin and Kekäläinen 2002). Items at equal distances share the mean of
    their places' discounts, as in scikit-learn's ``ndcg_score``.

    Parameters
    ----------
    probe, gallery, metric
        As in :func:`evaluate_retrieval`; without `gallery` each probe is compared with all others.
    relevance : array_like or scipy.sparse array, shape (n_probes, n_gallery)
        Gains, at least 0: 2 for the same product and 1 for the same kind, say. Where gains are to grow exponentially,
        give ``2**grade - 1``. Of a probe to itself it is not read.
    k : int, optional
        Items looked at; the whole gallery by default.

    Returns
    -------
    ndarray of float64, shape (n_probes,)
        From 0 to 1; NaN for a probe to which nothing is relevant.

    Notes
    -----
    All distances are computed exactly, which takes longer than :func:`evaluate_retrieval`; memory is bounded.

    Examples
    --------
    >>> ndcg([[0.0]], [[1.0], [2.0], [3.0]], relevance=[[1, 0, 2]]).round(3)
    array([0.76])
    """
    search = Search.unlabelled(probe, gallery, metric)
    n_probes, n_gallery = search.distances.shape
    if not hasattr(relevance, "shape"):
        relevance = np.asarray(relevance)
    if relevance.shape != search.distances.shape or np.dtype(relevance.dtype).kind not in "biuf":
        raise ArgumentError(
            f"relevance has shape {relevance.shape} and type {relevance.dtype}; it must hold numbers, "
            f"shape {search.distances.shape}"
        )
    k = search.n_gallery if k is None else check_integer("k", k, minimum=1, maximum=search.n_gallery)
    total = np.append(0, np.cumsum(discounts(search.n_gallery)[:k]))
    out = np.empty(n_probes)
    for probes, part in search.parts():
        for row in range(len(part.probe_ids)):
            items = np.arange(n_gallery)
            if search.itself:
                items = np.delete(items, probes.start + row)
            gains = _gains(relevance, probes.start + row)[items]
            distances = part.distances.pairs(np.full(len(items), row), items)
            out[probes.start + row] = _ndcg(distances, gains, total, k)
    return out


def _gains(relevance, row):
    gains = relevance[[row]]
    gains = np.asarray(gains.todense() if hasattr(gains, "todense") else gains, np.float64).ravel()
    wrong = np.flatnonzero(~((gains >= 0) & (gains < np.inf)))
    if len(wrong):
        raise ArgumentError(f"relevance[{row}, {wrong[0]}] is {gains[wrong[0]]:g}; it must be finite and at least 0")
    return gains


def _ndcg(distances, gains, total, k):
    """Return the nDCG of one ranking; `total` holds the sums of the first discounts, up to `k` of them."""
    best = np.sort(gains)[::-1][:k] @ np.diff(total)
    if not best:
        return np.nan
    _, group, sizes = np.unique(distances, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    shares = (total[np.minimum(ends, k)] - total[np.minimum(ends - sizes, k)]) / sizes
    return shares[group] @ gains / best
