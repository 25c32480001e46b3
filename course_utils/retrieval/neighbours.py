"""Scoring what an index of nearest neighbours returned: FAISS, hnswlib, scikit-learn, a vector database."""

import numpy as np

from course_utils.errors import ArgumentError
from course_utils.retrieval.counting import Places, offsets_of
from course_utils.retrieval.result import NeighbourResult
from course_utils.retrieval.search import check_length, check_sides

__all__ = ["evaluate_neighbours"]


def evaluate_neighbours(
    indices, *, probe_ids, gallery_ids=None, probe_cameras=None, gallery_cameras=None, distances=None
):
    """Measure retrieval by the nearest neighbours that an index found for each probe.

    Only the beginning of each ranking is known, so only measures of beginnings come out (``"recall@10"``,
    ``"mAP@10"``), with the true number of matches from `gallery_ids`.

    Parameters
    ----------
    indices : array_like of int, shape (n_probes, k)
        For each probe, gallery positions of its neighbours, the nearest first and none twice; -1 for none.
    probe_ids, gallery_ids : array_like of int or str
        Identities. Without `gallery_ids` the probes were searched among themselves: a probe in its own list is taken
        out, and the lists tell of ``k - 1`` others.
    probe_cameras, gallery_cameras : array_like of int or str, optional
        If given, items of the probe's identity and camera are taken out of the lists, and do not count as matches.
    distances : array_like of float, shape (n_probes, k), optional
        Of the neighbours; or similarities, if they descend. Equal ones are then ties: their order does not count.
        A tie that goes on beyond the end of a list cannot be seen.

    Returns
    -------
    NeighbourResult
        Its `depth` is the length of the shortest list after what was taken out. Ask the index for more neighbours
        (50, say, for cameras that show a person ten times) if that is too little.

    Examples
    --------
    >>> indices = [[0, 2], [1, 0]]  # of faiss.IndexFlatL2.search, for instance
    >>> result = evaluate_neighbours(indices, probe_ids=[7, 8], gallery_ids=[7, 8, 8, 7])
    >>> result.top(1), result.mean("recall@2"), result.mean("mAP@2")
    (1.0, 0.5, 0.5)
    """
    itself = gallery_ids is None
    probe_ids, gallery_ids = check_sides("ids", probe_ids, probe_ids if itself else gallery_ids)
    indices = _check_indices(indices, len(probe_ids), len(gallery_ids))
    cameras = _check_cameras(probe_cameras, gallery_cameras, len(probe_ids), len(gallery_ids), itself)

    listed = indices >= 0
    matched = listed & (gallery_ids[indices] == probe_ids[:, None])
    ignored = ~listed
    if itself:
        ignored |= indices == np.arange(len(indices))[:, None]
    if cameras is not None:
        ignored |= matched & (cameras[1][indices] == cameras[0][:, None])
    n_gallery = len(gallery_ids) - itself
    n_matches = _count_matches(probe_ids, gallery_ids, cameras, itself)
    # A list is as long as what is left of it, unless it names the whole gallery: then it has no unknown end.
    left = np.where(listed.sum(axis=1) == len(gallery_ids), n_gallery, (~ignored).sum(axis=1))
    depth = int(min(left.min(), n_gallery, indices.shape[1] - itself))
    if depth < 1:
        raise ArgumentError(
            f"indices[{left.argmin()}] holds {left.min()} items that may be ranked; each list must hold at least 1"
        )
    # What is taken out goes to the end, where nothing is known anyway.
    order = np.argsort(ignored, axis=1, kind="stable")
    ties = np.where(ignored, indices.shape[1], _tie_numbers(distances, indices.shape))
    matched &= ~ignored
    places = _places(*(np.take_along_axis(array, order, axis=1) for array in (matched, ties)), n_matches)
    return NeighbourResult(depth, len(probe_ids), int(np.count_nonzero(n_matches)), n_gallery, probe_ids, places)


def _check_indices(indices, n_probes, n_gallery):
    indices = np.asarray(indices)
    if indices.ndim != 2 or indices.dtype.kind not in "iu" or not indices.size:
        raise ArgumentError(
            f"indices has shape {indices.shape} and type {indices.dtype}; it must hold integers, one row a probe"
        )
    if len(indices) != n_probes:
        raise ArgumentError(f"probe_ids has {n_probes} entries; indices has {len(indices)} rows")
    indices = indices.astype(np.intp)
    wrong = np.argwhere((indices < -1) | (indices >= n_gallery))
    if len(wrong):
        row, column = wrong[0]
        raise ArgumentError(
            f"indices[{row}, {column}] is {indices[row, column]}; it must be from 0 to {n_gallery - 1}, or -1 for none"
        )
    ordered = np.sort(indices, axis=1)
    twice = np.argwhere((np.diff(ordered, axis=1) == 0) & (ordered[:, 1:] >= 0))
    if len(twice):
        row, column = twice[0]
        raise ArgumentError(f"indices[{row}] lists {ordered[row, column]} twice; each item may be listed once")
    return indices


def _check_cameras(probe, gallery, n_probes, n_gallery, itself):
    if probe is None and gallery is None:
        return None
    if itself and gallery is None:
        gallery = probe
    for name, values in (("probe_cameras", probe), ("gallery_cameras", gallery)):
        if values is None:
            raise ArgumentError(f"{name} is None; cameras are needed on both sides, or on neither")
    probe, gallery = check_sides("cameras", probe, gallery)
    check_length("probe_cameras", probe, "probe_ids", n_probes)
    check_length("gallery_cameras", gallery, "gallery_ids", n_gallery)
    return probe, gallery


def _count_matches(probe_ids, gallery_ids, cameras, itself):
    """Count each probe's matches in the whole gallery."""
    identities, of_gallery = np.unique(gallery_ids, return_inverse=True)
    own = np.minimum(np.searchsorted(identities, probe_ids), len(identities) - 1)
    known = identities[own] == probe_ids
    counts = np.bincount(of_gallery, minlength=len(identities))[own]
    if cameras is not None:
        names, codes = np.unique(np.concatenate(cameras), return_inverse=True)
        probe_codes, gallery_codes = codes[: len(probe_ids)], codes[len(probe_ids) :]
        pairs, n_each = np.unique(of_gallery * len(names) + gallery_codes, return_counts=True)
        wanted = own * len(names) + probe_codes
        at = np.minimum(np.searchsorted(pairs, wanted), len(pairs) - 1)
        counts = counts - np.where(pairs[at] == wanted, n_each[at], 0)
    elif itself:
        counts = counts - 1
    return np.where(known, counts, 0).astype(np.intp)


def _tie_numbers(distances, shape):
    """Number the runs of equally near neighbours in each list."""
    if distances is None:
        return np.broadcast_to(np.arange(shape[1]), shape)
    distances = np.asarray(distances, np.float64)
    if distances.shape != shape:
        raise ArgumentError(f"distances has shape {distances.shape}; indices has {shape}, and both must be the same")
    # An index fills short lists with the largest number that there is, or with NaN.
    step = np.diff(np.nan_to_num(distances, nan=np.inf, posinf=np.inf), axis=1)
    step[np.isnan(step)] = 0
    for row in np.flatnonzero((step < 0).any(axis=1) & (step > 0).any(axis=1)):
        raise ArgumentError(f"distances[{row}] goes up and down; lists must be in order, the nearest first")
    return np.concatenate([np.zeros((len(step), 1), np.intp), np.cumsum(step != 0, axis=1)], axis=1)


def _places(matched, ties, n_matches):
    """Group the matches of each list by ties."""
    n_probes, width = matched.shape
    runs = np.arange(n_probes)[:, None] * (width + 1) + ties
    size, tied = (np.bincount(numbers, minlength=n_probes * (width + 1)) for numbers in (runs.ravel(), runs[matched]))
    before = np.cumsum(size.reshape(n_probes, -1), axis=1).ravel() - size
    groups = np.flatnonzero(tied)
    counts = np.bincount(groups // (width + 1), minlength=n_probes)
    return Places.join([Places(offsets_of(counts), before[groups], tied[groups], (size - tied)[groups], n_matches)])
