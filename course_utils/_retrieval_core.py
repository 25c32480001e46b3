"""Probes against a gallery in blocks of bounded memory: what :mod:`course_utils.retrieval` is built on."""

import copy
import functools

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
        self.metric = check_choice(function, "metric", metric, [*METRICS, "precomputed"])
        self.probe_ids = _check_labels(function, "probe_ids", probe_ids)
        self.gallery_ids = _check_labels(function, "gallery_ids", gallery_ids)
        _check_same_kind(function, "ids", self.probe_ids, self.gallery_ids)
        if not len(self.probe_ids):
            raise ArgumentError(f"{function}: probe_ids is empty; it must name at least one probe")
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
        """Find each probe's own identity among the ranked items `start` to `stop`.

        Returns positions counted from `start`, and for each probe where its own begin in them and how many they
        are. Own items are never counted as somebody else, whether they match or are ignored.
        """
        ids = self.gallery_ids[self._ranked(start, stop)]
        order = np.argsort(ids, kind="stable")
        begin = np.searchsorted(ids[order], self.probe_ids[probes], "left")
        return order, begin, np.searchsorted(ids[order], self.probe_ids[probes], "right") - begin

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
        problem = self.problem
        below, equal = np.zeros((2, len(thresholds)), np.int64)
        probes = np.flatnonzero(np.diff(offsets))
        if not len(probes) or not problem.n_gallery:
            return below, equal
        offsets = np.append(offsets[probes], offsets[-1])
        screen = Screen(problem.probe[self.start + probes], largest=problem.largest, metric=problem.metric)
        n_features = problem.gallery.shape[1]
        step = int(np.clip(_BLOCK_BYTES // (screen.dtype.itemsize * n_features), 64, _BLOCK_ROWS))
        tile = max(1, _TILE_BYTES // (screen.dtype.itemsize * step))
        buffer = np.empty((min(tile, len(probes)), min(step, problem.n_gallery)), screen.dtype)
        for first in range(0, problem.n_gallery, step):
            last = min(first + step, problem.n_gallery)
            block = screen.block(problem.ranked_features(first, last))
            own = problem.own_items(first, last, self.start + probes)

            twins = functools.cache(lambda first=first, last=last: _first_twins(problem.ranked_features(first, last)))

            def settle(piece, values, block=block, own=own, first=first, twins=twins):
                screen.finish(values, block)
                _exclude(values, own, piece)
                cut = slice(offsets[piece.start], offsets[piece.stop])
                local = offsets[piece.start : piece.stop + 1] - cut.start
                owner = np.repeat(np.arange(piece.start, piece.stop), np.diff(local))
                lower, upper = screen.bounds(owner, thresholds[cut], block)
                nearer, _, (rows, items) = place_thresholds(values, lower, upper, local)
                if len(rows):
                    owner -= piece.start
                    nearer -= SortedRows(values[rows, items], rows).below(lower, owner)[1]
                    exact = self._exact(probes[piece], rows, first, items, values.size, twins)
                    exact = SortedRows(exact, rows)
                    _, strictly = exact.below(thresholds[cut], owner)
                    nearer += strictly
                    equal[cut] += exact.below(thresholds[cut], owner, "right")[1] - strictly
                below[cut] += nearer

            for top in range(0, len(probes), tile):
                bottom = min(top + tile, len(probes))
                values = buffer[: bottom - top, : last - first]
                screen.products(top, bottom, block, out=values)
                _in_pieces(settle, top, bottom, values)
        return below, equal

    def _exact(self, probes, rows, first, items, n_values, twins):
        """Return the exact distances of ``probes[rows]`` to ranked items, counted from the block's `first`.

        Where a network maps much to the same point, most pairs are pending, but few of them are different.
        """
        inverse = None
        if len(rows) > n_values // 16:
            pairs, inverse = np.unique(rows * len(twins()) + twins()[items], return_inverse=True)
            rows, items = np.divmod(pairs, len(twins()))
        items = self.problem.ranked_position(first + items)
        exact = self.distances(probes[rows], items, in_threads=False)
        return exact if inverse is None else exact[inverse]


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

        def settle(piece, _):
            values = np.array(problem.ranked_distances(block[probes[piece]]))
            _exclude(values, own, piece)
            cut = slice(offsets[piece.start], offsets[piece.stop])
            local = offsets[piece.start : piece.stop + 1] - cut.start
            below[cut], equal[cut], _ = place_thresholds(values, lower[cut], upper[cut], local)

        _in_pieces(settle, 0, len(probes), np.empty((len(probes), problem.n_gallery), np.void))
        return below, equal


def _in_pieces(settle, start, stop, values):
    """Call ``settle(slice, rows of values)`` in threads on pieces of a few rows each."""
    rows = int(np.clip(_BATCH // values.shape[1], 1, 64))
    pieces = [slice(first, min(first + rows, stop)) for first in range(start, stop, rows)]
    map_threads(lambda piece: settle(piece, values[piece.start - start : piece.stop - start]), pieces)


def _exclude(values, own, piece):
    """Move the probes' own items out of the way of every threshold."""
    order, begin, counts = own
    items = order[ragged_positions(begin[piece], counts[piece])]
    rows = np.repeat(np.arange(len(values)), counts[piece])
    values[rows, items] = np.inf


def _first_twins(rows):
    """Return for each row the position of the first row of the same bytes."""
    rows = np.ascontiguousarray(rows)
    whole = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).ravel()
    _, first, inverse = np.unique(whole, return_index=True, return_inverse=True)
    return first[inverse]


def offsets_of(counts):
    """Return where each of several runs of these lengths begins, and after the last one the end."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _check_labels(function, name, values):
    labels = np.asarray(values)
    if labels.size == 0:
        labels = labels.astype(np.int64)
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        raise ArgumentError(
            f"{function}: {name} has shape {labels.shape} and type {labels.dtype}; it must be a 1-D array of "
            "integers or strings"
        )
    return labels


def _check_same_kind(function, name, probe, gallery):
    kinds = {"text" if labels.dtype.kind == "U" else "integers" for labels in (probe, gallery) if len(labels)}
    if len(kinds) > 1:
        raise ArgumentError(
            f"{function}: probe_{name} has type {probe.dtype}, gallery_{name} has type {gallery.dtype}; "
            "both must be integers or both strings"
        )
