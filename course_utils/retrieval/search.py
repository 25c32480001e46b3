"""Probes before a gallery, worked off in blocks of bounded memory: what evaluation, shards and re-ranking build on."""

import functools
from dataclasses import dataclass, replace

import numpy as np

from course_utils.errors import ArgumentError, check_choice
from course_utils.retrieval.counting import SortedRows, offsets_of, place_thresholds, ragged_positions
from course_utils.retrieval.distances import Features, Matrix, map_threads

__all__ = ["CONVENTIONS", "PROTOCOLS"]

PROTOCOLS = ("all", "cross_camera")
"""Which gallery items a probe is compared with: all, or those of other cameras."""

CONVENTIONS = {"market1501": (-1, 0)}
"""By name, the identities of junk and of distractors."""

_BOTH_OR_NEITHER = "give both, or neither: then each probe is compared with all other probes"
_BATCH = 2**17  # distances that one thread ranks at a time
_MOST_MATCHES = 2**20


@dataclass(frozen=True, eq=False)
class Search:
    """Some probes, the gallery that they search, and whose match is whose.

    Attributes
    ----------
    distances : Features or Matrix
        Of all probes to all gallery items.
    probe_ids, gallery_ids, probe_cameras, gallery_cameras : ndarray of int or str
        Labels; None for cameras that are not read.
    columns : ndarray of intp or None
        Positions of the gallery items that are ranked; None for all.
    by_identity : ndarray of intp
        The gallery's positions, sorted by identity.
    own_start, own_stop : ndarray of intp, shape (n_probes,)
        Where in `by_identity` the items of a probe's identity are.
    itself : int
        1 if the probes are the gallery, so that each is left out of its own ranking, else 0.
    """

    distances: Features | Matrix
    probe_ids: np.ndarray
    gallery_ids: np.ndarray
    probe_cameras: np.ndarray | None
    gallery_cameras: np.ndarray | None
    columns: np.ndarray | None
    by_identity: np.ndarray
    own_start: np.ndarray
    own_stop: np.ndarray
    itself: int = 0

    @classmethod
    def of(
        cls,
        probe,
        gallery,
        *,
        probe_ids,
        gallery_ids,
        probe_cameras=None,
        gallery_cameras=None,
        metric="euclidean",
        protocol="all",
        junk_id=None,
        distractor_id=None,
        conventions=None,
    ):
        """Check the arguments of :func:`course_utils.retrieval.evaluate_retrieval`."""
        check_choice("protocol", protocol, PROTOCOLS)
        junk_id, distractor_id = _special(junk_id, distractor_id, conventions)
        itself = gallery_ids is None
        probe_ids, gallery_ids = check_sides("ids", probe_ids, probe_ids if itself else gallery_ids)
        if not len(probe_ids):
            raise ArgumentError("probe_ids is empty; it must name at least one probe")
        for name, given in (("gallery", gallery is not None), ("gallery_cameras", gallery_cameras is not None)):
            if itself and given:
                raise ArgumentError(f"gallery_ids is None, {name} is given; {_BOTH_OR_NEITHER}")
        if gallery is None and not itself and metric != "precomputed":
            raise ArgumentError(f"gallery is None, gallery_ids is given; {_BOTH_OR_NEITHER}")
        if metric == "precomputed":
            distances = Matrix(probe, gallery)
        else:
            distances = Features(probe, probe if itself else gallery, metric)
        n_probes, n_gallery = distances.shape
        check_length("probe_ids", probe_ids, "probe", n_probes)
        check_length("gallery_ids", gallery_ids, "a row of probe" if gallery is None else "gallery", n_gallery)
        if itself:
            gallery_cameras = probe_cameras
        if protocol == "all":
            # Who is alone with its own camera is the only one left out of its ranking.
            probe_cameras = gallery_cameras = np.arange(n_probes) if itself else None
        else:
            for name, cameras in (("probe_cameras", probe_cameras), ("gallery_cameras", gallery_cameras)):
                if cameras is None:
                    raise ArgumentError(f"{name} is None; protocol {protocol!r} needs cameras on both sides")
            probe_cameras, gallery_cameras = check_sides("cameras", probe_cameras, gallery_cameras)
            check_length("probe_cameras", probe_cameras, "probe", n_probes)
            check_length("gallery_cameras", gallery_cameras, "gallery", n_gallery)
        for name, special in (("junk_id", junk_id), ("distractor_id", distractor_id)):
            if special is None:
                continue
            if isinstance(special, str) != (probe_ids.dtype.kind == "U"):
                raise ArgumentError(f"{name} is {special!r}; it must be of the identities' type, {probe_ids.dtype}")
            found = np.flatnonzero(probe_ids == special)
            if len(found):
                raise ArgumentError(
                    f"probe_ids[{found[0]}] is {special}, the {name}; it must be another, or {name} must be None if "
                    f"{special} is an identity like any other"
                )
        junk = gallery_ids == junk_id if junk_id is not None else np.zeros(n_gallery, bool)
        columns = np.flatnonzero(~junk) if junk.any() else None
        by_identity = np.argsort(gallery_ids, kind="stable")
        ordered = gallery_ids[by_identity]
        start, stop = (np.searchsorted(ordered, probe_ids, side) for side in ("left", "right"))
        cameras = probe_cameras, gallery_cameras
        return cls(distances, probe_ids, gallery_ids, *cameras, columns, by_identity, start, stop, int(itself))

    @classmethod
    def unlabelled(cls, probe, gallery, metric, **options):
        """Return a search in which nobody matches anybody, for what does not depend on identities."""
        if gallery is None and metric != "precomputed":
            return cls.of(probe, None, probe_ids=np.arange(len(probe)), gallery_ids=None, metric=metric, **options)
        n_gallery = np.shape(probe)[1] if metric == "precomputed" else len(gallery)
        ids = {"probe_ids": np.zeros(len(probe), np.intp), "gallery_ids": np.ones(n_gallery, np.intp)}
        return cls.of(probe, gallery, **ids, metric=metric, **options)

    @property
    def n_gallery(self):
        """Number of items that are ranked for a probe."""
        return len(self.gallery_ids if self.columns is None else self.columns) - self.itself

    def narrowed(self, columns):
        """Return the same search in only the gallery items at these positions."""
        return replace(self, columns=columns)

    def parts(self):
        """Yield slices of the probes and the search of each, so small that its arrays fit into bounded memory."""
        n_probes = len(self.probe_ids)
        owned = np.cumsum(self.own_stop - self.own_start)
        start = 0
        while start < n_probes:
            fitting = np.searchsorted(owned, (owned[start - 1] if start else 0) + _MOST_MATCHES, "right")
            stop = min(max(start + 1, fitting), start + self.distances.most_probes, n_probes)
            probes = slice(start, stop)
            yield (
                probes,
                replace(
                    self,
                    distances=self.distances.part(probes),
                    probe_ids=self.probe_ids[probes],
                    probe_cameras=None if self.probe_cameras is None else self.probe_cameras[probes],
                    own_start=self.own_start[probes],
                    own_stop=self.own_stop[probes],
                ),
            )
            start = stop

    def match_rows(self):
        """Return the probes' true matches: offsets, and positions in the gallery."""
        counts = self.own_stop - self.own_start
        rows = self.by_identity[ragged_positions(self.own_start, counts)]
        if self.gallery_cameras is not None:
            probes = np.repeat(np.arange(len(counts)), counts)
            elsewhere = self.gallery_cameras[rows] != self.probe_cameras[probes]
            rows = rows[elsewhere]
            counts = np.bincount(probes[elsewhere], minlength=len(counts))
        return offsets_of(counts), rows

    def count(self, offsets, thresholds):
        """Return for each threshold how many items of other identities are nearer, and how many as near.

        Probe `i` has the thresholds ``offsets[i]:offsets[i + 1]``: comparison distances, ascending.
        """
        below, equal = np.zeros((2, len(thresholds)), np.intp)
        probes = np.flatnonzero(np.diff(offsets))
        offsets = np.append(offsets[probes], offsets[-1])
        for rows, nearer, as_near in self._settled(probes, functools.partial(_count, offsets, thresholds)):
            cut = slice(offsets[rows.start], offsets[rows.stop])
            below[cut] += nearer
            equal[cut] += as_near
        return below, equal

    def nearest(self, k):
        """Find each probe's `k` nearest ranked items, those of its own identity and camera left out.

        Returns positions in the gallery, nearest first and equally near ones in the gallery's order, and comparison
        distances, both of shape (n_probes, k); -1 and NaN where there are fewer.
        """
        n_probes = len(self.probe_ids)
        items, distances = np.full((n_probes, k), -1, np.intp), np.full((n_probes, k), np.nan)
        found = list(self._settled(np.arange(n_probes), functools.partial(_nearest, self, k)))
        if found:
            rows, near, values = _nearest_of_each(k, *map(np.concatenate, zip(*found, strict=True)))
            place = np.arange(len(rows)) - np.searchsorted(rows, rows)
            items[rows, place], distances[rows, place] = near, values
        return items, distances

    def _settled(self, probes, settle):
        """Yield ``settle(block, rows, values, own)`` for slices `rows` of the probes and all blocks, made in threads.

        `values` are a block's screened distances from these probes; `own` the pairs of a row and an item of its
        identity, which are never counted as others, whether they match or are ignored.
        """
        if not len(probes) or not self.n_gallery:
            return
        for block in self.distances.blocks(probes, self.columns):
            ids = self.gallery_ids[block.items]
            order = np.argsort(ids, kind="stable")
            start, stop = (np.searchsorted(ids[order], self.probe_ids[probes], side) for side in ("left", "right"))

            def work(rows, block=block, order=order, start=start, counts=stop - start):
                each = np.repeat(np.arange(rows.stop - rows.start), counts[rows])
                own = each, order[ragged_positions(start[rows], counts[rows])]
                return settle(block, rows, block.values(rows), own)

            step = int(np.clip(_BATCH // len(ids), 1, 64))
            for tile in block.tiles():
                firsts = range(tile.start, tile.stop, step)
                yield from map_threads(work, [slice(first, min(first + step, tile.stop)) for first in firsts])


def _count(offsets, thresholds, block, rows, values, own):
    """Count some probes' items of a block that are below each threshold, and equal to it."""
    values[own] = np.inf
    cut = slice(offsets[rows.start], offsets[rows.stop])
    local, thresholds = offsets[rows.start : rows.stop + 1] - cut.start, thresholds[cut]
    owner = np.repeat(np.arange(len(values)), np.diff(local))
    lower, upper = block.bounds(rows.start + owner, thresholds)
    nearer, within, (near_rows, items) = place_thresholds(values, lower, upper, local)
    if not len(items) or (block.is_exact and (lower == thresholds).all()):
        return rows, nearer, within
    screened = SortedRows(values[near_rows, items], near_rows)
    exact = SortedRows(block.exact(rows.start + near_rows, items, values.size), near_rows)
    _, strictly = exact.below(thresholds, owner)
    _, at_most = exact.below(thresholds, owner, "right")
    return rows, nearer - screened.below(lower, owner)[1] + strictly, at_most - strictly


def _nearest(search, k, block, rows, values, own):
    """Return rows, gallery items and distances of some probes' `k` nearest in a block."""
    if search.gallery_cameras is not None:
        each, items = own
        same = search.gallery_cameras[block.items[items]] == search.probe_cameras[rows][each]
        values[each[same], items[same]] = np.inf
    wanted = min(k, values.shape[1])
    kth = np.partition(values, wanted - 1, axis=1)[:, wanted - 1]
    limit = block.safely_above(np.arange(rows.start, rows.stop), kth)
    near_rows, items = np.nonzero((values <= limit[:, None]) & (values < np.inf))
    near_rows += rows.start
    exact = block.exact(near_rows, items, values.size)
    return _nearest_of_each(k, near_rows, block.items[items], exact)


def _nearest_of_each(k, rows, items, distances):
    """Keep the `k` nearest items of each row, equally near ones in the order of items; rows ascending."""
    order = np.lexsort((items, distances, rows))
    place = np.arange(len(order)) - np.searchsorted(rows[order], rows[order])
    order = order[place < k]
    return rows[order], items[order], distances[order]


def _special(junk_id, distractor_id, conventions):
    """Return the identities of junk and of distractors."""
    if conventions is None:
        return junk_id, distractor_id
    check_choice("conventions", conventions, CONVENTIONS)
    for name, value in (("junk_id", junk_id), ("distractor_id", distractor_id)):
        if value is not None:
            raise ArgumentError(f"{name} is {value!r}, conventions is {conventions!r}; only one may be given")
    return CONVENTIONS[conventions]


def check_sides(name, probe, gallery):
    """Return the identities or cameras of both sides as arrays of integers, or of strings."""
    checked = [check_labels(f"{side}_{name}", values) for side, values in (("probe", probe), ("gallery", gallery))]
    if len({"text" if labels.dtype.kind == "U" else "integers" for labels in checked if len(labels)}) > 1:
        raise ArgumentError(
            f"probe_{name} has type {checked[0].dtype}, gallery_{name} has type {checked[1].dtype}; "
            "both must be integers or both strings"
        )
    return checked


def check_labels(name, values):
    """Return labels as a 1-D array of integers, or of strings; pandas' and NumPy's kinds of text are strings too."""
    try:
        labels = np.asarray(values)
    except ValueError as error:  # lists of different lengths
        raise ArgumentError(f"{name} is ragged; it must be a 1-D array of integers or strings") from error
    if labels.size == 0:
        labels = labels.astype(np.intp)
    if labels.dtype.kind in "OT" and labels.ndim == 1:
        kinds = [str if isinstance(label, str) else int if _is_integer(label) else None for label in labels.tolist()]
        odd = next((place for place, kind in enumerate(kinds) if kind is None or kind != kinds[0]), None)
        if odd is not None:
            raise ArgumentError(
                f"{name}[{odd}] is {labels[odd]!r}, {name}[0] is {labels[0]!r}; all must be integers or all strings"
            )
        labels = np.array(labels.tolist())
    # A list that mixes them becomes text without a word.
    if labels.dtype.kind == "U" and isinstance(values, (list, tuple)):
        odd = next((place for place, value in enumerate(values) if not isinstance(value, str)), None)
        if odd is not None:
            raise ArgumentError(f"{name}[{odd}] is {values[odd]!r}; all must be integers or all strings")
    if labels.ndim != 1 or labels.dtype.kind not in "iuU":
        raise ArgumentError(
            f"{name} has shape {labels.shape} and type {labels.dtype}; it must be a 1-D array of integers or strings"
        )
    return labels


def _is_integer(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_length(name, values, other, length):
    if len(values) != length:
        raise ArgumentError(f"{name} has {len(values)} entries; {other} has {length}")
