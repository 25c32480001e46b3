"""Distances of probes and gallery items: exact for listed pairs, fast with a proven error bound for whole blocks.

A matrix product adds up in an order that depends on the shapes of its blocks, so the last bits of a distance
computed that way depend on the block in which it was computed, and equal vectors need not tie. Retrieval
therefore *defines* a distance as :func:`pair_distances` computes it: in float64, from the differences of the two
rows, added up in an order that depends on their length only. Fast products in float32 only *screen*: they tell which
distances are surely below a threshold and which surely are not; the few in between are looked up exactly. No result
depends on block sizes, threads, shards or the BLAS in use.

:class:`Features` and :class:`Matrix` are the two kinds of evidence, with one interface.
"""

import copy
import functools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.spatial.distance import cdist

from course_utils.errors import ArgumentError, check_choice

__all__ = ["METRICS"]

METRICS = ("euclidean", "cosine", "l1")
"""How far two rows of features are from each other."""

_BLOCK_BYTES = 2**25  # a prepared block of the gallery, or of given distances, is at most this large
_TILE_BYTES = 2**26  # the distances of some probes to a block; larger ones multiply faster
_BLOCK_ROWS = 2**14
_MOST_PROBES = 2**12
_CHUNK = 2**15  # elements of one work piece: two float64 copies of it fit in a core's level-2 cache
_UNIT = 2.0**-24  # unit round-off of float32
_LARGEST = 1e150  # the square of anything larger may overflow float64


def map_threads(function, items):
    """Call `function` on every item, in threads when there are several; the results keep the items' order."""
    items = list(items)
    # The cores this process may use, where the system tells.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if len(items) < 2 or cores < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(min(cores, len(items))) as pool:
        return list(pool.map(function, items))


def pair_distances(probe, probe_rows, gallery, gallery_rows, metric, *, in_threads=False):
    """Return the exact distance of each pair ``probe[probe_rows[i]], gallery[gallery_rows[i]]``, in float64.

    These are comparison distances: for ``"euclidean"`` the *squared* distance, for ``"cosine"`` the squared
    distance of the unit vectors (twice the cosine distance), for ``"l1"`` the sum of absolute differences.
    `in_threads` is not for callers that are threads themselves.
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


class Features:
    """Checked feature rows of probes and of a gallery."""

    def __init__(self, probe, gallery, metric):
        check_choice("metric", metric, [*METRICS, "precomputed"])
        if gallery is None:
            raise ArgumentError("gallery is None; only metric 'precomputed' goes without")
        self.metric = metric
        self.probe = _check_features("probe", probe, metric)
        self.gallery = _check_features("gallery", gallery, metric)
        if self.probe.shape[1] != self.gallery.shape[1]:
            raise ArgumentError(
                f"gallery rows have {self.gallery.shape[1]} features, probe rows have {self.probe.shape[1]}; "
                "they must have the same number"
            )
        self.largest = max(_largest_magnitude(self.probe), _largest_magnitude(self.gallery))

    @property
    def shape(self):
        return len(self.probe), len(self.gallery)

    @property
    def most_probes(self):
        """How many probes to work on at a time."""
        return _MOST_PROBES

    def part(self, probes):
        """Return the same with only a slice of the probes."""
        part = copy.copy(self)
        part.probe = self.probe[probes]
        return part

    def pairs(self, probes, items):
        """Return the comparison distances of pairs, float64."""
        return pair_distances(self.probe, probes, self.gallery, items, self.metric, in_threads=True)

    def blocks(self, probes, items):
        """Yield the gallery's items (positions, or None for all) block by block, screened for these probes."""
        items = np.arange(len(self.gallery)) if items is None else items
        screen = _Screen(self.probe[probes], self.metric, self.largest)
        size = screen.dtype.itemsize
        step = int(np.clip(_BLOCK_BYTES // (size * self.probe.shape[1]), 64, _BLOCK_ROWS))
        step = min(step, len(items))
        tile = max(1, _TILE_BYTES // (size * step))
        buffer = np.empty((min(tile, len(probes)), step), screen.dtype)
        for first in range(0, len(items), step):
            yield _ScreenedBlock(self, probes, items[first : first + step], screen, buffer)


class _Screen:
    """Some probes made ready to be multiplied with blocks of the gallery.

    For ``"euclidean"`` and ``"cosine"`` the screened value of probe `x` and item `y` is ``|y|²/2 - x·y``, that
    is ``(distance - |x|²) / 2``, its dot products from one matrix product in float32. Rows are shifted by the
    probes' mean first, which changes no distance and makes the bound tighter when features share a large offset,
    and scaled by a power of two, so that float32 neither overflows nor underflows. ``"l1"`` uses SciPy's float64
    distances, whose error is tiny.
    """

    def __init__(self, probe, metric, largest):
        self.metric = metric
        self.dtype = np.dtype(np.float64 if metric == "l1" else np.float32)
        rows = _load(probe, metric)
        if metric != "l1":
            self.centre = rows.mean(axis=0)
            largest = 1.0 if metric == "cosine" else largest
            self.scale = 2.0 ** -np.frexp(largest)[1] if largest else 1.0
            rows = self.shifted(rows)
            self.squares = np.einsum("ij,ij->i", rows, rows)
        self.rows = rows.astype(self.dtype)

    def shifted(self, rows):
        rows -= self.centre
        rows *= self.scale
        return rows


class _ScreenedBlock:
    """Gallery items at the positions `items`, with approximate distances from the probes and a bound on their error."""

    is_exact = False

    def __init__(self, features, probes, items, screen, buffer):
        self.items = items
        self._features, self._probes, self._screen, self._buffer = features, probes, screen, buffer
        gallery, metric = features.gallery, features.metric
        if metric == "l1":
            self._rows = _load(gallery[items], metric)
            return
        self._rows = np.empty((len(items), gallery.shape[1]), np.float32)
        halves = np.empty(len(items))
        step = max(1, _CHUNK // gallery.shape[1])

        def fill(start):
            rows = screen.shifted(_load(gallery[items[start : start + step]], metric))
            self._rows[start : start + step] = rows
            halves[start : start + step] = np.einsum("ij,ij->i", rows, rows) / 2

        map_threads(fill, range(0, len(items), step))
        self._halves, self._longest = halves.astype(np.float32), np.sqrt(2 * halves.max())

    def tiles(self):
        """Yield slices of the probes; the values of one may be read until the next is asked for."""
        for start in range(0, len(self._probes), len(self._buffer)):
            tile = slice(start, min(start + len(self._buffer), len(self._probes)))
            probe = self._screen.rows[tile]
            self._products = self._buffer[: len(probe), : len(self.items)]
            if self._screen.metric == "l1":
                map_threads(functools.partial(self._city_block, probe), range(0, len(probe), 16))
            else:
                np.matmul(probe, self._rows.T, out=self._products)
            self._tile = tile
            yield tile

    def _city_block(self, probe, start):
        self._products[start : start + 16] = cdist(probe[start : start + 16], self._rows, "cityblock")

    def values(self, probes):
        """Return the screened values of a slice of the tile's probes; once, since they are made in place."""
        values = self._products[probes.start - self._tile.start : probes.stop - self._tile.start]
        if self._screen.metric != "l1":
            np.subtract(self._halves, values, out=values)
        return values

    def bounds(self, probes, thresholds):
        """Return two arrays: values below the first are surely below the threshold, from the second on above.

        The error of a dot product of `n` terms in float32, in any order, is at most ``n·u`` times the product of
        the two lengths, ``u = 2⁻²⁴`` (Higham, Accuracy and Stability of Numerical Algorithms, 2002, section 3.1).
        Rounding the rows, the half squares, the difference and the exact distances adds a few units more.
        """
        slack = self._slack(probes, thresholds)
        if self._screen.metric == "l1":
            return thresholds - slack, thresholds + slack
        centre = (thresholds * self._screen.scale**2 - self._screen.squares[probes]) / 2
        # Rounded outwards, so that comparing with float32 values stays on the safe side. Clipped, since thresholds
        # from other shards may lie far outside float32; no value here comes near 1e38.
        lower = np.nextafter(np.clip(centre - slack, -1e38, 1e38).astype(np.float32), np.float32(-np.inf))
        upper = np.nextafter(np.clip(centre + slack, -1e38, 2e38).astype(np.float32), np.float32(np.inf))
        return lower, upper

    def safely_above(self, probes, values):
        """Return limits that no screened value exceeds if its exact distance is at most that of `values`."""
        # Either value may be off by the slack; one more for rounding the limit.
        return (values + 3 * self._slack(probes, values)).astype(self._screen.dtype)

    def _slack(self, probes, distances):
        n_terms = self._rows.shape[1] + 16
        if self._screen.metric == "l1":
            return distances * (n_terms * 2.0**-51) + np.finfo(np.float64).tiny
        length, longest = np.sqrt(self._screen.squares[probes]), self._longest
        slack = 1.001 * _UNIT * (n_terms * length + 4 * longest) * longest
        return slack + n_terms * 2.0**-120 + 2.0**-44 * (length + longest) ** 2

    def exact(self, probes, items, n_values):
        """Return the exact distances of pairs of probes and the block's items, of `n_values` that were screened.

        Where a network maps much to the same point, most pairs are asked for, but few of them are different.
        """
        inverse = None
        if len(probes) > n_values // 16:
            pairs, inverse = np.unique(probes * len(self.items) + self._twins[items], return_inverse=True)
            probes, items = np.divmod(pairs, len(self.items))
        features = self._features
        exact = pair_distances(
            features.probe, self._probes[probes], features.gallery, self.items[items], features.metric
        )
        return exact if inverse is None else exact[inverse]

    @functools.cached_property
    def _twins(self):
        """For each item, the position of the block's first item of the same bytes."""
        rows = np.ascontiguousarray(self._features.gallery[self.items])
        whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
        _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
        return first[inverse]


class Matrix:
    """Distances given as a matrix, one row a probe; only slices of rows are read from it."""

    metric = "precomputed"

    def __init__(self, distances, gallery):
        if gallery is not None:
            raise ArgumentError(
                "gallery is given; with metric 'precomputed' it must be None, and probe holds the distances"
            )
        self._matrix = distances if hasattr(distances, "shape") else np.asarray(distances)
        self.shape = tuple(self._matrix.shape)
        if len(self.shape) != 2 or np.dtype(self._matrix.dtype).kind not in "biuf":
            raise ArgumentError(
                f"probe has shape {self.shape} and type {self._matrix.dtype}; with metric 'precomputed' it must be "
                "a 2-D array of distances, one row a probe"
            )

    @property
    def most_probes(self):
        """How many probes to work on at a time."""
        return max(1, _BLOCK_BYTES // (max(1, self.shape[1]) * 8))

    def part(self, probes):
        """Read a slice of the probes."""
        rows = np.asarray(self._matrix[probes])
        if rows.dtype not in (np.float32, np.float64):
            rows = rows.astype(np.float64)
        _check_finite("probe", rows, first_row=probes.start)
        return Matrix(rows, None)

    def pairs(self, probes, items):
        """Return the distances of pairs, float64."""
        return self._matrix[probes, items].astype(np.float64)

    def blocks(self, probes, items):
        """Yield the gallery's items (positions, or None for all) as one block."""
        yield _GivenBlock(self._matrix, probes, items)


class _GivenBlock:
    """Given distances; as :class:`_ScreenedBlock`, but nothing is approximate."""

    is_exact = True

    def __init__(self, matrix, probes, items):
        self.items = np.arange(matrix.shape[1]) if items is None else items
        self._matrix, self._probes, self._columns = matrix, probes, items

    def tiles(self):
        yield slice(0, len(self._probes))

    def values(self, probes):
        rows = self._matrix[self._probes[probes]]  # a copy
        return rows if self._columns is None else rows[:, self._columns]

    def bounds(self, probes, thresholds):
        # Thresholds may come from a shard of higher precision; what equals the rounded one is looked up.
        limits = np.finfo(self._matrix.dtype)
        lower = np.clip(thresholds, limits.min, limits.max).astype(self._matrix.dtype)
        return lower, np.nextafter(lower, lower.dtype.type(np.inf))

    def safely_above(self, probes, values):
        return values

    def exact(self, probes, items, n_values):
        return self._matrix[self._probes[probes], self.items[items]].astype(np.float64)


def _check_features(name, features, metric):
    features = np.asarray(features)
    if features.ndim != 2 or features.shape[1] == 0 or features.dtype.kind not in "biuf":
        raise ArgumentError(
            f"{name} has shape {features.shape} and type {features.dtype}; "
            "it must be a 2-D array of numbers, one row an item (images.vectorise flattens images)"
        )
    if features.dtype.kind == "f":
        _check_finite(name, features)
    if features.size and _largest_magnitude(features) > _LARGEST:
        raise ArgumentError(f"{name} holds magnitudes over {_LARGEST:g}; scale the features down")
    if metric == "cosine":
        empty = np.flatnonzero(~features.any(axis=1))
        if len(empty):
            raise ArgumentError(
                f"{name}[{empty[0]}] is all zeros; with metric 'cosine' every row must have a direction"
            )
    return features


def _check_finite(name, matrix, *, first_row=0):
    """Raise if a row of the 2-D `matrix` holds NaN or infinity; rows are counted from `first_row`."""
    # A sum over everything is the cheapest test that NaN and infinity cannot pass; large values may overflow it.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(matrix.sum()):
            return
    for row, values in enumerate(matrix):
        if not np.isfinite(values).all():
            bad = values[~np.isfinite(values)][0]
            raise ArgumentError(f"{name}[{first_row + row}] holds {bad}; every value must be finite")


def _largest_magnitude(features):
    if not features.size:
        return 0.0
    return max(float(features.max()), -float(features.min()))
