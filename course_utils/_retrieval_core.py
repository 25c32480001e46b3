"""Probes against a gallery in blocks of bounded memory: what :mod:`course_utils.retrieval` is built on."""

import copy
import functools
from dataclasses import dataclass

import numpy as np

from course_utils._distances import (
    METRICS,
    Screen,
    check_features,
    check_finite,
    largest_magnitude,
    map_threads,
    pair_distances,
)
from course_utils._rank_counts import SortedRows, place_thresholds, ragged_positions
from course_utils.errors import ArgumentError, check_choice

_BLOCK_BYTES = 2**25  # a prepared block of the gallery, or of given distances, is at most this large
_TILE_BYTES = 2**26  # the distances of some probes to a block; larger ones multiply faster
_BLOCK_ROWS = 2**14
_BATCH = 2**17  # distances that one thread ranks at a time
_GROUP_PROBES = 2**12
_GROUP_MATCHES = 2**20


class Problem:
    """Checked arguments of one evaluation, and the groups of probes that it is worked off in.

    Parameters
    ----------
    function : str
        The public function that error messages name.
    probe, gallery, probe_ids, gallery_ids, probe_cameras, gallery_cameras, metric, protocol, junk_id, distractor_id
        As in :func:`course_utils.retrieval.evaluate_retrieval`.

    Attributes
    ----------
    columns : ndarray of int or None
        Positions of the gallery items that are ranked; None for all.
    """

    def __init__(
        self,
        function,
        probe,
        gallery,
        probe_ids,
        gallery_ids,
        probe_cameras=None,
        gallery_cameras=None,
        *,
        metric,
        protocol,
        junk_id,
        distractor_id,
    ):
        self.function = function
        self.metric = check_choice("metric", metric, [*METRICS, "precomputed"])
        self.probe_ids = _check_labels(function, "probe_ids", probe_ids)
        self.gallery_ids = _check_labels(function, "gallery_ids", gallery_ids)
        _check_same_kind(function, "ids", self.probe_ids, self.gallery_ids)
        if not len(self.probe_ids):
            raise ArgumentError("probe_ids is empty; it must name at least one probe")
        if metric == "precomputed":
            self._set_matrix(probe, gallery)
        else:
            self._set_features(probe, gallery)
        self._set_cameras(probe_cameras, gallery_cameras, protocol)
        self.columns = None
        if protocol == "cross_camera" and self.probe_ids.dtype.kind in "iu":
            self._set_special(junk_id, distractor_id)
        self._order = np.argsort(self.gallery_ids, kind="stable")
        ordered = self.gallery_ids[self._order]
        self._start = np.searchsorted(ordered, self.probe_ids, "left")
        self._stop = np.searchsorted(ordered, self.probe_ids, "right")

    @property
    def n_probes(self):
        return len(self.probe_ids)

    @property
    def n_gallery(self):
        return len(self.gallery_ids) if self.columns is None else len(self.columns)

    def _set_features(self, probe, gallery):
        if gallery is None:
            raise ArgumentError(f"{self.function}: gallery is None; only metric 'precomputed' goes without")
        self.probe = check_features(self.function, "probe", probe, metric=self.metric)
        self.gallery = check_features(self.function, "gallery", gallery, metric=self.metric)
        if self.probe.shape[1] != self.gallery.shape[1]:
            raise ArgumentError(
                f"{self.function}: gallery rows have {self.gallery.shape[1]} features, probe rows have "
                f"{self.probe.shape[1]}; they must have the same number"
            )
        self._check_length("probe_ids", self.probe_ids, "probe", len(self.probe))
        self._check_length("gallery_ids", self.gallery_ids, "gallery", len(self.gallery))
        self.largest = max(largest_magnitude(self.probe), largest_magnitude(self.gallery))

    def _set_matrix(self, distances, gallery):
        if gallery is not None:
            raise ArgumentError(
                f"{self.function}: gallery is given; with metric 'precomputed' it must be None, "
                "and probe holds the distances"
            )
        self.probe = distances if hasattr(distances, "shape") else np.asarray(distances)
        if len(self.probe.shape) != 2 or np.dtype(self.probe.dtype).kind not in "biuf":
            raise ArgumentError(
                f"{self.function}: probe has shape {tuple(self.probe.shape)} and type {self.probe.dtype}; with "
                "metric 'precomputed' it must be a 2-D array of distances, one row a probe"
            )
        self._check_length("probe_ids", self.probe_ids, "probe", self.probe.shape[0])
        self._check_length("gallery_ids", self.gallery_ids, "a row of probe", self.probe.shape[1])

    def _check_length(self, name, values, other, length):
        if len(values) != length:
            raise ArgumentError(f"{self.function}: {name} has {len(values)} entries; {other} has {length}")

    def _set_cameras(self, probe_cameras, gallery_cameras, protocol):
        self.probe_cameras = self.gallery_cameras = None
        names = (
            ("probe_cameras", probe_cameras, len(self.probe_ids)),
            (
                "gallery_cameras",
                gallery_cameras,
                len(self.gallery_ids),
            ),
        )
        given = [values is not None for _, values, _ in names]
        if protocol == "all" or (protocol == "single_shot" and not any(given)):
            return
        for name, values, length in names:
            if values is None:
                raise ArgumentError(
                    f"{self.function}: {name} is None; protocol {protocol!r} needs cameras on both sides"
                )
            values = _check_labels(self.function, name, values)
            self._check_length(name, values, name.split("_")[0], length)
            setattr(self, name, values)
        _check_same_kind(self.function, "cameras", self.probe_cameras, self.gallery_cameras)

    def _set_special(self, junk_id, distractor_id):
        for meaning, special in (("junk_id", junk_id), ("distractor_id", distractor_id)):
            found = np.flatnonzero(self.probe_ids == special) if special is not None else ()
            if len(found):
                raise ArgumentError(
                    f"{self.function}: probe_ids[{found[0]}] is {special}, the {meaning} of protocol 'cross_camera'; "
                    f"it must be another, or {meaning} must be None if {special} is an identity like any other"
                )
        if junk_id is not None and (self.gallery_ids == junk_id).any():
            self.columns = np.flatnonzero(self.gallery_ids != junk_id)

    def narrowed(self, columns):
        """Return a copy that ranks only the gallery items at these positions."""
        other = copy.copy(self)
        other.columns = columns
        return other

    def match_rows(self, start, stop):
        """Return the true matches of the probes from `start` to `stop`: offsets, and positions in the gallery."""
        counts = self._stop[start:stop] - self._start[start:stop]
        rows = self._order[ragged_positions(self._start[start:stop], counts)]
        if self.gallery_cameras is not None:
            probes = np.repeat(np.arange(stop - start), counts)
            elsewhere = self.gallery_cameras[rows] != self.probe_cameras[start:stop][probes]
            rows = rows[elsewhere]
            counts = np.bincount(probes[elsewhere], minlength=stop - start)
        return offsets_of(counts), rows

    def own_items(self, start, stop, probes):
        """Find the probes' own identities among the ranked items `start` to `stop`."""
        ids = self.gallery_ids[self._ranked(start, stop)]
        order = np.argsort(ids, kind="stable")
        begin = np.searchsorted(ids[order], self.probe_ids[probes], "left")
        return _OwnItems(order, begin, np.searchsorted(ids[order], self.probe_ids[probes], "right") - begin)

    def skipped(self, pairs, first_probe, first_item, skip):
        """Return those pairs of a probe and an item of its identity that `skip` leaves out."""
        rows, items = pairs
        if skip == "nothing":
            return rows[:0], items[:0]
        if skip == "own camera":
            cameras = self.gallery_cameras[self.ranked_position(first_item + items)]
            same = cameras == self.probe_cameras[first_probe + rows]
            return rows[same], items[same]
        return rows, items

    def ranked_features(self, start, stop):
        return self.gallery[self._ranked(start, stop)]

    def ranked_distances(self, block):
        return block if self.columns is None else block[:, self.columns]

    def ranked_position(self, items):
        """Translate positions among the ranked items to positions in the gallery."""
        return items if self.columns is None else self.columns[items]

    def _ranked(self, start, stop):
        return slice(start, stop) if self.columns is None else self.columns[start:stop]

    def groups(self):
        """Yield the probes in groups whose features, distances and matches fit into bounded memory."""
        kind, limit = _FeatureGroup, _GROUP_PROBES
        if self.metric == "precomputed":
            row_bytes = max(1, self.probe.shape[1]) * 8
            kind, limit = _MatrixGroup, max(1, _BLOCK_BYTES // row_bytes)
        owned = np.cumsum(self._stop - self._start)
        start = 0
        while start < self.n_probes:
            before = owned[start - 1] if start else 0
            fitting = np.searchsorted(owned, before + _GROUP_MATCHES, "right")
            stop = min(max(start + 1, fitting), start + limit, self.n_probes)
            yield kind(self, start, stop)
            start = stop


class _FeatureGroup:
    """Some probes of a problem given as features."""

    def __init__(self, problem, start, stop):
        self.problem, self.start, self.stop = problem, start, stop

    def distances(self, probes, rows, *, in_threads=True):
        """Return the comparison distances of probes (counted from the group's first) to gallery rows."""
        return pair_distances(
            self.problem.probe,
            probes + self.start,
            self.problem.gallery,
            rows,
            self.problem.metric,
            in_threads=in_threads,
        )

    def count(self, offsets, thresholds):
        """Return for each threshold how many items of other identities are nearer, and how many as near."""
        below, equal = np.zeros((2, len(thresholds)), np.int64)
        probes = np.flatnonzero(np.diff(offsets))
        offsets = np.append(offsets[probes], offsets[-1])

        def settle(screen, block, piece, values):
            _exclude(values, *block.own.pairs(piece))
            cut = slice(offsets[piece.start], offsets[piece.stop])
            local = offsets[piece.start : piece.stop + 1] - cut.start
            owner = np.repeat(np.arange(len(values)), np.diff(local))
            lower, upper = screen.bounds(piece.start + owner, thresholds[cut], block.prepared)
            nearer, _, (rows, items) = place_thresholds(values, lower, upper, local)
            if len(rows):
                nearer -= SortedRows(values[rows, items], rows).below(lower, owner)[1]
                exact = SortedRows(self._exact(probes[piece], rows, items, block, values.size), rows)
                _, strictly = exact.below(thresholds[cut], owner)
                nearer += strictly
                equal[cut] += exact.below(thresholds[cut], owner, "right")[1] - strictly
            below[cut] += nearer

        self._walk(probes, settle)
        return below, equal

    def nearest(self, k, *, skip):
        """Find each probe's `k` nearest ranked items.

        Parameters
        ----------
        k : int
            Items wanted a probe.
        skip : {"nothing", "own", "own camera"}
            Items left out: none, those of the probe's identity, or those of its identity and camera.

        Returns
        -------
        items : ndarray of int, shape (n_probes, k)
            Positions in the gallery, nearest first, equally near ones in the gallery's order; -1 where there are
            fewer.
        distances : ndarray of float64, shape (n_probes, k)
            Comparison distances; NaN where there is no item.
        """
        problem = self.problem
        found = []

        def settle(screen, block, piece, values):
            _exclude(values, *problem.skipped(block.own.pairs(piece), self.start + piece.start, block.first, skip))
            wanted = min(k, values.shape[1])
            kth = np.partition(values, wanted - 1, axis=1)[:, wanted - 1]
            limit = screen.safely_above(np.arange(piece.start, piece.stop), kth, block.prepared)
            rows, items = np.nonzero((values <= limit[:, None]) & (values < np.inf))
            exact = self._exact(np.arange(piece.start, piece.stop), rows, items, block, values.size)
            items = problem.ranked_position(block.first + items)
            found.append(_nearest_of_each(piece.start + rows, items, exact, k))

        self._walk(np.arange(self.stop - self.start), settle)
        return _as_table(found, self.stop - self.start, k)

    def _walk(self, probes, settle):
        """Call ``settle(screen, block, piece, values)`` on the screened values of all probes and blocks.

        A `piece` is a slice of the probes, a few rows; pieces of one block are settled in threads.
        """
        problem = self.problem
        if not len(probes) or not problem.n_gallery:
            return
        screen = Screen(problem.probe[self.start + probes], largest=problem.largest, metric=problem.metric)
        size = screen.dtype.itemsize
        step = int(np.clip(_BLOCK_BYTES // (size * problem.gallery.shape[1]), 64, _BLOCK_ROWS))
        step = min(step, problem.n_gallery)
        tile = max(1, _TILE_BYTES // (size * step))
        buffer = np.empty((min(tile, len(probes)), step), screen.dtype)
        for first in range(0, problem.n_gallery, step):
            block = _Block(problem, screen, first, min(first + step, problem.n_gallery), self.start + probes)
            for top in range(0, len(probes), tile):
                bottom = min(top + tile, len(probes))
                values = buffer[: bottom - top, : block.last - first]
                screen.products(top, bottom, block.prepared, out=values)

                def work(piece, block=block, values=values, top=top):
                    piece_values = values[piece.start - top : piece.stop - top]
                    screen.finish(piece_values, block.prepared)
                    settle(screen, block, piece, piece_values)

                map_threads(work, _pieces(top, bottom, values.shape[1]))

    def _exact(self, probes, rows, items, block, n_values):
        """Return the exact distances of ``probes[rows]`` to a block's `items`.

        Where a network maps much to the same point, most pairs are asked for, but few of them are different.
        """
        inverse = None
        if len(rows) > n_values // 16:
            pairs, inverse = np.unique(rows * len(block.twins) + block.twins[items], return_inverse=True)
            rows, items = np.divmod(pairs, len(block.twins))
        items = self.problem.ranked_position(block.first + items)
        exact = self.distances(probes[rows], items, in_threads=False)
        return exact if inverse is None else exact[inverse]


class _Block:
    """Some consecutive ranked items, prepared for a screen."""

    def __init__(self, problem, screen, first, last, probes):
        self.first, self.last = first, last
        self._problem = problem
        self.prepared = screen.block(problem.ranked_features(first, last))
        self.own = problem.own_items(first, last, probes)

    @functools.cached_property
    def twins(self):
        """For each item, the position of the block's first item of the same bytes."""
        rows = np.ascontiguousarray(self._problem.ranked_features(self.first, self.last))
        whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
        _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
        return first[inverse]


class _MatrixGroup:
    """Some probes of a problem given as a matrix of distances."""

    def __init__(self, problem, start, stop):
        self.problem, self.start, self.stop = problem, start, stop
        block = np.asarray(problem.probe[start:stop])
        if block.dtype not in (np.float32, np.float64):
            block = block.astype(np.float64)
        check_finite(problem.function, "probe", block, first_row=start)
        self._block = block

    def distances(self, probes, rows):
        """Return the distances of probes (counted from the group's first) to gallery items."""
        return self._block[probes, rows].astype(np.float64)

    def count(self, offsets, thresholds):
        """Return for each threshold how many items of other identities are nearer, and how many as near."""
        problem = self.problem
        below, equal = np.zeros((2, len(thresholds)), np.int64)
        probes = np.flatnonzero(np.diff(offsets))
        if not len(probes) or not problem.n_gallery:
            return below, equal
        offsets = np.append(offsets[probes], offsets[-1])
        block = self._block
        lower = thresholds.astype(block.dtype)
        if (lower != thresholds).any():  # they come from a shard of higher precision
            block, lower = block.astype(np.float64), thresholds
        upper = np.nextafter(lower, block.dtype.type(np.inf))
        own = problem.own_items(0, problem.n_gallery, self.start + probes)

        def settle(piece):
            values = np.array(problem.ranked_distances(block[probes[piece]]))
            _exclude(values, *own.pairs(piece))
            cut = slice(offsets[piece.start], offsets[piece.stop])
            local = offsets[piece.start : piece.stop + 1] - cut.start
            below[cut], equal[cut], _ = place_thresholds(values, lower[cut], upper[cut], local)

        map_threads(settle, _pieces(0, len(probes), problem.n_gallery))
        return below, equal

    def nearest(self, k, *, skip):
        """Find each probe's `k` nearest ranked items; as for features."""
        problem = self.problem
        n_probes = self.stop - self.start
        found = []
        if problem.n_gallery:
            own = problem.own_items(0, problem.n_gallery, np.arange(self.start, self.stop))
            for piece in _pieces(0, n_probes, problem.n_gallery):
                values = np.array(problem.ranked_distances(self._block[piece]))
                _exclude(values, *problem.skipped(own.pairs(piece), self.start + piece.start, 0, skip))
                kth = np.partition(values, min(k, values.shape[1]) - 1, axis=1)[:, min(k, values.shape[1]) - 1]
                rows, items = np.nonzero((values <= kth[:, None]) & (values < np.inf))
                distances = values[rows, items].astype(np.float64)
                found.append(_nearest_of_each(piece.start + rows, problem.ranked_position(items), distances, k))
        return _as_table(found, n_probes, k)


@dataclass(frozen=True, eq=False)
class _OwnItems:
    """For some probes, the items of their identity: never counted as others, whether they match or are ignored."""

    order: np.ndarray
    begin: np.ndarray
    counts: np.ndarray

    def pairs(self, piece):
        """Return rows (counted from the piece's start) and items of all pairs of a probe and an item of its own."""
        counts = self.counts[piece]
        return np.repeat(np.arange(len(counts)), counts), self.order[ragged_positions(self.begin[piece], counts)]


def _pieces(start, stop, n_columns):
    """Cut rows into pieces that one thread works on at a time."""
    rows = int(np.clip(_BATCH // n_columns, 1, 64))
    return [slice(first, min(first + rows, stop)) for first in range(start, stop, rows)]


def _exclude(values, rows, items):
    """Move pairs out of the way of every threshold."""
    values[rows, items] = np.inf


def _nearest_of_each(rows, items, distances, k):
    """Keep the `k` nearest items of each row, equally near ones in the order of items; rows ascending."""
    order = np.lexsort((items, distances, rows))
    place = np.arange(len(order)) - np.searchsorted(rows[order], rows[order])
    order = order[place < k]
    return rows[order], items[order], distances[order]


def _as_table(found, n_rows, k):
    """Write (rows, items, distances) of several blocks into two tables with `k` columns."""
    items, distances = np.full((n_rows, k), -1), np.full((n_rows, k), np.nan)
    if found:
        rows, near, values = _nearest_of_each(*map(np.concatenate, zip(*found, strict=True)), k)
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        items[rows, place], distances[rows, place] = near, values
    return items, distances


def offsets_of(counts):
    """Return where each of several runs of these lengths begins, and after the last one the end."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _check_labels(function, name, values):
    labels = np.asarray(values)
    if labels.size == 0:
        labels = labels.astype(np.int64)
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        raise ArgumentError(
            f"{name} has shape {labels.shape} and type {labels.dtype}; it must be a 1-D array of integers or strings"
        )
    return labels


def _check_same_kind(function, name, probe, gallery):
    kinds = {"text" if labels.dtype.kind == "U" else "integers" for labels in (probe, gallery) if len(labels)}
    if len(kinds) > 1:
        raise ArgumentError(
            f"probe_{name} has type {probe.dtype}, gallery_{name} has type {gallery.dtype}; "
            "both must be integers or both strings"
        )
