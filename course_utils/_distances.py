"""Distances between feature rows: exact for listed pairs, fast with a proven error bound for whole blocks.

A matrix product adds up in an order that depends on the shapes of its blocks, so the last bits of a distance
computed that way depend on the block in which it was computed, and equal vectors need not tie. Retrieval
therefore *defines* a distance as :func:`pair_distances` computes it: in float64, from the differences of the two
rows, added up in an order that depends on their length only. :class:`Screen` uses fast products in float32 only to
tell which distances are surely below a threshold and which surely are not; the few in between are looked up
with :func:`pair_distances`. No result depends on block sizes, threads, shards or the BLAS in use.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial.distance import cdist

from course_utils.errors import ArgumentError

METRICS = ("euclidean", "cosine", "l1")

_CHUNK = 2**15  # elements of one work piece: two float64 copies of it fit in a core's level-2 cache
_UNIT = 2.0**-24  # unit round-off of float32
_LARGEST = 1e150  # the square of anything larger may overflow float64


def n_threads():
    """Return how many threads NumPy work is spread over: the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_threads(function, items):
    """Call `function` on every item, in threads when there are several; the results keep the items' order."""
    items = list(items)
    if len(items) < 2 or n_threads() < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(n_threads(), len(items))) as pool:
        return list(pool.map(function, items))


def check_features(function, name, features, *, metric):
    """Return `features` as a 2-D array of finite numbers; the message of an error names the first bad row."""
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] == 0 or features.dtype.kind not in "biuf":
        raise ArgumentError(
            f"{name} has shape {features.shape} and type {features.dtype}; "
            "it must be a 2-D array of numbers, one row an item (images.vectorise flattens images)"
        )
    if features.dtype.kind == "f":
        check_finite(function, name, features)
    if features.size and largest_magnitude(features) > _LARGEST:
        raise ArgumentError(f"{name} holds magnitudes over {_LARGEST:g}; scale the features down")
    if metric == "cosine":
        empty = np.flatnonzero(~features.any(axis=1))
        if len(empty):
            raise ArgumentError(
                f"{name}[{empty[0]}] is all zeros; with metric 'cosine' every row must have a direction"
            )
    return features


def check_finite(function, name, matrix, *, first_row=0):
    """Raise if a row of the 2-D float `matrix` holds NaN or infinity; rows are counted from `first_row`."""
    # A sum over everything is the cheapest test that NaN and infinity cannot pass; large values may overflow it.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(matrix.sum()):
            return
    for row, values in enumerate(matrix):
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)][0]
            raise ArgumentError(f"{name}[{first_row + row}] holds {bad}; every value must be finite")


def largest_magnitude(features):
    """Return the largest absolute value as a float, 0 for an empty array."""
    if not features.size:
        return 0.0
    return max(float(features.max()), -float(features.min()))


def pair_distances(probe, probe_rows, gallery, gallery_rows, metric, *, in_threads=False):
    """Return the exact distance of each pair ``probe[probe_rows[i]], gallery[gallery_rows[i]]``.

    These are comparison distances: for ``"euclidean"`` the *squared* distance, for ``"cosine"`` the squared
    distance of the unit vectors (twice the cosine distance), for ``"l1"`` the sum of absolute differences.

    Parameters
    ----------
    probe : ndarray, shape (n_probes, n_features)
        Feature rows.
    probe_rows : ndarray of int, shape (n_pairs,)
        The first row of each pair.
    gallery : ndarray, shape (n_gallery, n_features)
        Feature rows.
    gallery_rows : ndarray of int, shape (n_pairs,)
        The second row of each pair.
    metric : {"euclidean", "cosine", "l1"}
        Which distance.
    in_threads : bool
        Share the work among threads; not for callers that are threads themselves.

    Returns
    -------
    ndarray of float64, shape (n_pairs,)
    """
    out = np.empty(len(probe_rows))
    step = max(1, _CHUNK // probe.shape[1])

    def fill(start):
        pairs = slice(start, start + step)
        difference = _load(gallery[gallery_rows[pairs]], metric)
        np.subtract(_load(probe[probe_rows[pairs]], metric), difference, out=difference)
        if metric == "l1":
            np.abs(difference, out=difference)
        else:
            np.multiply(difference, difference, out=difference)
        out[pairs] = _row_sums(difference)

    starts = range(0, len(probe_rows), step)
    if in_threads:
        map_threads(fill, starts)
    else:
        for start in starts:
            fill(start)
    return out


def _load(rows, metric):
    """Return the rows as float64, for the cosine metric scaled to length 1."""
    rows = rows.astype(np.float64)
    if metric == "cosine":
        # First to magnitude 1, so that neither tiny nor huge rows lose digits in the squares.
        rows /= np.abs(rows).max(axis=1, keepdims=True)
        rows /= np.sqrt(_row_sums(rows * rows))[:, None]
    return rows


def _row_sums(terms):
    """Sum each row of a C-contiguous matrix; the same row gives the same bits in any matrix.

    NumPy adds a contiguous row pairwise, in an order set by the row's length alone (a test watches over it).
    A matrix product or ``einsum`` gives no such promise.
    """
    return terms.sum(axis=1)


class Screen:
    """Approximate comparison distances of some probes to blocks of a gallery, with a bound on their error.

    For ``"euclidean"`` and ``"cosine"`` the screened value of probe `x` and item `y` is ``|y|²/2 - x·y``, that
    is ``(distance - |x|²) / 2``, its dot products from one matrix product in float32. Rows are shifted by the
    probes' mean first, which changes no distance and makes the bound tighter when features share a large offset,
    and scaled by a power of two, so that float32 neither overflows nor underflows. ``"l1"`` uses SciPy's float64
    distances, whose error is tiny.

    Parameters
    ----------
    probe : ndarray, shape (n_probes, n_features)
        The probes of one work piece.
    largest : float
        A bound on the magnitude of all probe and gallery features.
    metric : {"euclidean", "cosine", "l1"}
        Which distance.
    """

    def __init__(self, probe, *, largest, metric):
        self._metric = metric
        self._n_features = probe.shape[1]
        self.dtype = np.dtype(np.float64 if metric == "l1" else np.float32)
        rows = _load(probe, metric)
        if metric != "l1":
            self._centre = rows.mean(axis=0)
            largest = 1.0 if metric == "cosine" else largest
            self._scale = 2.0 ** -np.frexp(largest)[1] if largest else 1.0
            rows = (rows - self._centre) * self._scale
            self._squares = np.einsum("ij,ij->i", rows, rows)
        self._rows = rows.astype(self.dtype)

    def block(self, gallery):
        """Prepare some gallery rows: a tuple of the rows, half their squared lengths, and the largest length."""
        if self._metric == "l1":
            return _load(gallery, self._metric), None, None
        rows = np.empty(gallery.shape, np.float32)
        halves = np.empty(len(gallery))
        step = max(1, _CHUNK // gallery.shape[1])

        def fill(start):
            piece = _load(gallery[start : start + step], self._metric)
            piece -= self._centre
            piece *= self._scale
            rows[start : start + step] = piece
            halves[start : start + step] = np.einsum("ij,ij->i", piece, piece) / 2

        map_threads(fill, range(0, len(gallery), step))
        return rows, halves.astype(np.float32), np.sqrt(2 * halves.max())

    def products(self, start, stop, block, out):
        """Write the expensive part of the values of probes `start` to `stop` and a block into `out`."""
        probe = self._rows[start:stop]
        if self._metric == "l1":
            pieces = [slice(first, first + 16) for first in range(0, len(probe), 16)]

            def fill(rows):
                out[rows] = cdist(probe[rows], block[0], "cityblock")

            map_threads(fill, pieces)
        else:
            np.matmul(probe, block[0].T, out=out)

    def finish(self, values, block):
        """Turn some rows of :meth:`products` into screened values, in place."""
        if self._metric != "l1":
            np.subtract(block[1], values, out=values)

    def bounds(self, probe_rows, thresholds, block):
        """Return two arrays: values below the first are surely below the threshold, from the second on above.

        The error of a dot product of `n` terms in float32, in any order, is at most ``n·u`` times the product of
        the two lengths, ``u = 2⁻²⁴`` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
        Rounding the rows, the half squares, the difference and the exact distances adds a few units more.

        Parameters
        ----------
        probe_rows : ndarray of int, shape (n,)
            The probe of each threshold.
        thresholds : ndarray of float64, shape (n,)
            Comparison distances, as :func:`pair_distances` gives them.
        block : tuple
            What :meth:`block` returned.
        """
        if self._metric == "l1":
            slack = self._slack(probe_rows, block, thresholds)
            return thresholds - slack, thresholds + slack
        slack = self._slack(probe_rows, block)
        centre = (thresholds * self._scale**2 - self._squares[probe_rows]) / 2
        # Rounded outwards, so that comparing with float32 values stays on the safe side. Clipped, since thresholds
        # from other shards may lie far outside float32; no value here comes near 1e38.
        lower = np.nextafter(np.clip(centre - slack, -1e38, 1e38).astype(np.float32), np.float32(-np.inf))
        upper = np.nextafter(np.clip(centre + slack, -1e38, 2e38).astype(np.float32), np.float32(np.inf))
        return lower, upper

    def safely_above(self, probe_rows, values, block):
        """Return limits that no screened value exceeds if its exact distance is at most that of `values`."""
        # Either value may be off by the slack; one more for rounding the limit.
        return (values + 3 * self._slack(probe_rows, block, values)).astype(self.dtype)

    def _slack(self, probe_rows, block, distances=None):
        n_terms = self._n_features + 16
        if self._metric == "l1":
            return distances * (n_terms * 2.0**-51) + np.finfo(np.float64).tiny
        length, longest = np.sqrt(self._squares[probe_rows]), block[2]
        slack = 1.001 * _UNIT * (n_terms * length + 4 * longest) * longest
        return slack + n_terms * 2.0**-120 + 2.0**-44 * (length + longest) ** 2
