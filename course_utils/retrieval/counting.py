"""Counting how many distances lie below thresholds, without sorting them, and what follows for each probe.

A true match's rank is the number of other gallery items nearer to the probe. So ranking needs no sorted
gallery: for each probe only the distances of its few true matches are sorted, and every other distance is
dropped into the gap between two of them. Counts over parts of a gallery add up.
"""

import functools
from dataclasses import dataclass

import numpy as np

__all__ = ["Places", "SortedRows", "first_of_tie", "ragged_positions"]

_MOST_CELLS = 2048  # a row's histogram; with 8-byte counts a batch of eight rows fits in the level-2 cache


def offsets_of(counts):
    """Return where each of several runs of these lengths begins, and after the last one the end."""
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.intp)


def ragged_positions(starts, counts):
    """Return ``concatenate([arange(s, s + c) for s, c in zip(starts, counts)])`` without the loop.

    Examples
    --------
    >>> ragged_positions(np.array([5, 0, 2]), np.array([2, 0, 3]))
    array([5, 6, 2, 3, 4])
    """
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - ends + counts, counts)


def place_thresholds(values, lower, upper, offsets):
    """Count, row by row, the values below each threshold and list those too near to one to tell.

    Row `i` of the matrix `values` (infinity is above everything) has the thresholds ``offsets[i]:offsets[i + 1]``, at
    least one. Each is an interval, ascending within a row: a value below `lower`, which is finite, is surely below,
    from `upper` on surely above. Returns how many values are below each `lower`, how many inside each interval, and
    rows (ascending) and columns of the values inside any interval of their row.

    A histogram of equal cells settles most values; only those in a cell that an interval touches are compared.
    """
    n_rows, n_columns = values.shape
    n_cells = int(np.clip(n_columns // 4, 16, _MOST_CELLS))
    first, last = lower[offsets[:-1]], upper[offsets[1:] - 1]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        scale = (n_cells - 4) / (last - first)
    limits = np.finfo(values.dtype)
    scale = np.clip(scale, limits.tiny, limits.max / 4).astype(values.dtype)
    base = (np.arange(n_rows) * n_cells + 1).astype(values.dtype)
    owner = np.repeat(np.arange(n_rows), np.diff(offsets))

    # The cell is a non-decreasing function of the value, by the same roundings for values and bounds. Cell 0
    # takes what is below every threshold, the last one what is above.
    cell, near = _cells(values, first, last, scale, base, n_cells)
    from_cell = _cell_of(lower, first[owner], scale[owner], base[owner], n_cells)
    to_cell = _cell_of(upper, first[owner], scale[owner], base[owner], n_cells)
    touched = _covered(from_cell, to_cell + 1, n_rows * n_cells)
    histogram = np.bincount(cell, minlength=n_rows * n_cells)
    histogram[touched] = 0
    below = np.cumsum(histogram.reshape(n_rows, n_cells), axis=1).ravel()[from_cell]

    unsettled = np.flatnonzero(touched.take(cell))
    if near is not None:
        unsettled = near.take(unsettled)
    rows = unsettled // n_columns
    sorted_rows = SortedRows(values.reshape(-1).take(unsettled), rows)
    start, below_lower = sorted_rows.below(lower, owner)
    stop, _ = sorted_rows.below(upper, owner)
    pending = unsettled[sorted_rows.positions(_covered(start, stop, len(rows)))]
    return below + below_lower, stop - start, np.divmod(pending, n_columns)


def _cells(values, first, last, scale, base, n_cells):
    """Return the histogram cell of each value, or of the near ones and their flat positions, if those are few."""
    is_near = values < last[:, None]
    near = None
    if np.count_nonzero(is_near) < values.size // 4:
        near = np.flatnonzero(is_near)
        values = values.reshape(-1).take(near)
        first, scale, base = (row_values.take(near // is_near.shape[1]) for row_values in (first, scale, base))
    else:
        first, scale, base = (row_values[:, None] for row_values in (first, scale, base))
    with np.errstate(over="ignore"):
        scaled = values - first
        scaled *= scale
    np.clip(scaled, -1, n_cells - 2, out=scaled)
    scaled += base
    return scaled.astype(np.intp).reshape(-1), near


def _cell_of(bound, first, scale, base, n_cells):
    with np.errstate(over="ignore"):
        return (np.clip((bound - first) * scale, -1, n_cells - 2) + base).astype(np.intp)


def _covered(starts, stops, size):
    """Tell which of `size` places lie in any of the ranges from `starts` up to, but without, `stops`."""
    depth = np.bincount(starts, minlength=size + 1) - np.bincount(stops, minlength=size + 1)
    return np.cumsum(depth)[:size] > 0


class SortedRows:
    """Values, given with their rows, sorted within them: to count those below bounds without a loop over rows.

    Examples
    --------
    >>> sorted_rows = SortedRows(np.array([0.5, 0.1, 0.2, 0.9]), np.array([0, 0, 1, 1]))
    >>> sorted_rows.below(np.array([0.2, 0.7, 0.7]), np.array([0, 0, 1]))[1]
    array([1, 2, 1])
    """

    def __init__(self, values, rows):
        # The key of a value is its row, then its place among all values: whole numbers sort and compare fast.
        self._order = np.argsort(values)
        self._values = values[self._order]
        self._span = len(values) + 1
        self._keys = rows[self._order] * self._span + np.arange(len(values))
        self._keys.sort()

    def below(self, bounds, owners, side="left"):
        """Return for each bound its place among all sorted values, and the number of its row's values below it.

        With ``side="right"`` values equal to the bound count as below.
        """
        place = self._keys.searchsorted(owners * self._span + self._values.searchsorted(bounds, side))
        return place, place - self._keys.searchsorted(owners * self._span)

    def positions(self, chosen):
        """Return where the values at some sorted places stood in the arrays given."""
        return self._order[self._keys[chosen] % self._span]


@dataclass(frozen=True, eq=False)
class Places:
    """Where each probe's matches stand in its ranking: all measures of a ranked list follow from it.

    Matches that tie with other items form a group: they may stand anywhere in it, all orders alike. A match that ties
    with no other item is a group of its own. Measures are expected values over the orders.

    Attributes
    ----------
    offsets : ndarray of intp, shape (n_probes + 1,)
        Probe `i` has the groups ``offsets[i]:offsets[i + 1]``, nearest first.
    before, tied, others : ndarray of int, shape (n_groups,)
        Items ranked before the group, matches in it, and other items in it.
    n_matches : ndarray of intp, shape (n_probes,)
        Matches that the probe has in the whole gallery; more than the groups hold if these are of a list's beginning.
    """

    offsets: np.ndarray
    before: np.ndarray
    tied: np.ndarray
    others: np.ndarray
    n_matches: np.ndarray

    @classmethod
    def of(cls, below, equal, offsets, ties):
        """Group matches by the non-matching items nearer than each, and exactly as near.

        Probe `i` has the matches ``offsets[i]:offsets[i + 1]``, nearest first.
        """
        if ties == "pessimistic":
            below = below + equal
        if ties != "expected":
            equal = np.zeros_like(equal)
        counts = np.diff(offsets)
        owner = np.repeat(np.arange(len(counts)), counts)
        found = ragged_positions(np.zeros_like(counts), counts)
        joins = (equal[1:] > 0) & (equal[:-1] > 0) & (np.diff(below) == 0) & (np.diff(owner) == 0)
        heads = np.flatnonzero(np.append(np.ones(min(len(owner), 1), bool), ~joins))
        return cls(
            offsets_of(np.bincount(owner[heads], minlength=len(counts))),
            (below + found)[heads],
            np.diff(heads, append=len(owner)),
            equal[heads],
            counts.astype(np.intp),
        )

    @classmethod
    def join(cls, parts):
        """Put the places of consecutive groups of probes together, in few bytes."""
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__}
        columns["offsets"] = offsets_of(np.concatenate([np.diff(part.offsets) for part in parts]))
        for name in ("before", "tied", "others"):
            if columns[name].max(initial=0) < 2**30:
                columns[name] = columns[name].astype(np.int32)
        return cls(**columns)

    @functools.cached_property
    def first(self):
        """The first group of each probe, shape (n_probes, 3): before, tied, others; zeros without a match."""
        out = np.zeros((len(self.n_matches), 3), np.intp)
        has_match = np.flatnonzero(np.diff(self.offsets))
        heads = self.offsets[has_match]
        out[has_match] = np.column_stack([self.before[heads], self.tied[heads], self.others[heads]])
        return out

    def tied_firsts(self, k=None):
        """Yield each probe whose first match ties with others, a slice of the first `k` ranks, and their chances."""
        before, _, others = self.first.T
        for probe in np.flatnonzero((others > 0) & (before < (k or np.inf))):
            start, tied, others_in_tie = self.first[probe]
            chances = first_of_tie(tied, others_in_tie)[: None if k is None else k - start]
            yield probe, slice(start, start + len(chances)), chances

    def ranks(self):
        """Return the expected rank of the first match, 0 for the best; NaN without one."""
        before, tied, others = self.first.T
        return np.where(tied > 0, before + others / (tied + 1), np.nan)

    def inverse_negative_penalty(self):
        """Return the number of matches divided by the expected place of the last one; NaN without a match."""
        out = np.full(len(self.n_matches), np.nan)
        probes = np.flatnonzero(np.diff(self.offsets))
        last = self.offsets[probes + 1] - 1
        out[probes] = self.n_matches[probes] / (self.before[last] + self.tied[last] + self.others[last])
        for probe, group in zip(*(rows[self.others[last] > 0] for rows in (probes, last)), strict=True):
            tied, others = int(self.tied[group]), int(self.others[group])
            places = self.before[group] + tied + others - np.arange(others + 1)
            out[probe] = self.n_matches[probe] * (first_of_tie(tied, others) / places).sum()
        return out

    def reciprocal_rank(self, k=None):
        """Return the expected 1 / place (from 1) of the first match; 0 if it is not among the first `k`."""
        before, tied, _ = self.first.T
        out = np.where((tied > 0) & (before < (k or np.inf)), 1 / (before + 1), 0)
        for probe, ranks, chances in self.tied_firsts(k):
            out[probe] = (chances / np.arange(ranks.start + 1, ranks.stop + 1)).sum()
        return out

    def hits(self, k):
        """Return the chance that the first match is among the first `k` items."""
        before, tied, _ = self.first.T
        out = ((tied > 0) & (before < k)).astype(np.float64)
        for probe, _, chances in self.tied_firsts(k):
            out[probe] = min(1, chances.sum())
        return out

    def found(self, k):
        """Return the expected number of matches among the first `k` items; `k` may differ from probe to probe."""
        return self._total(self.tied * self._room(k) / (self.tied + self.others))

    def gain(self, k):
        """Return the expected discounted cumulative gain, 1 / log2(place + 1) a match, of the first `k` items."""
        discount = discounts(k)
        room = self._room(k)
        inside = np.minimum(self.before, len(discount) - 1)
        gains = np.where(room > 0, discount[inside], 0)
        for group in np.flatnonzero((room > 0) & (self.tied + self.others > 1)):
            tied, start = self.tied[group], self.before[group]
            gains[group] = tied / (tied + self.others[group]) * discount[start : start + room[group]].sum()
        return self._total(gains)

    def precisions(self, k=None):
        """Return the expected sum, over the matches among the first `k` items, of the precision at each."""
        room = self._room(k)
        found = np.cumsum(self.tied, dtype=np.intp) - self.tied
        found -= self._of_groups(np.append(found, 0)[self.offsets[:-1]])
        sums = (found + 1) / (self.before + 1) * (room > 0)
        for group in np.flatnonzero((room > 0) & (self.tied + self.others > 1)):
            sums[group] = _tied_precisions(
                found[group], *(int(column[group]) for column in (self.before, self.tied, self.others, room))
            )
        return self._total(sums)

    def _room(self, k):
        """Return how many of each group's places are among the first `k`."""
        size = self.tied + self.others
        if k is None:
            return size
        return np.clip(self._of_groups(np.broadcast_to(k, len(self.n_matches))) - self.before, 0, size)

    def _of_groups(self, values):
        """Return the values of probes for each of their groups."""
        return np.repeat(values, np.diff(self.offsets))

    def _total(self, values):
        """Add up values of groups for each probe."""
        n_probes = len(self.n_matches)
        return np.bincount(self._of_groups(np.arange(n_probes)), values, minlength=n_probes)


def discounts(k):
    """Return the weights 1 / log2(place + 1) of the first `k` places (Järvelin and Kekäläinen 2002)."""
    return 1 / np.log2(np.arange(2, k + 2))


def _tied_precisions(found, before, tied, others, room):
    """Return the expected sum of precisions at the matches in a tie's first `room` places.

    `tied` matches are spread at random among as many places plus `others`. Place `s` of the tie (from 1) holds a match
    with the same chance as any other; given that it does, the ``s - 1`` places before it hold
    ``(s - 1)(tied - 1) / (tied + others - 1)`` matches on average.
    """
    place = np.arange(1, room + 1)
    earlier = (place - 1) * ((tied - 1) / (tied + others - 1))
    return ((found + 1 + earlier) / (before + place)).sum() * tied / (tied + others)


def first_of_tie(tied, others):
    """Return the chances that exactly 0, 1, …, `others` of the others come before the first of the `tied` matches.

    Examples
    --------
    >>> first_of_tie(1, 3)
    array([0.25, 0.25, 0.25, 0.25])
    >>> first_of_tie(2, 1).round(3)
    array([0.667, 0.333])
    """
    # C(tied + others - 1 - r, tied - 1) / C(tied + others, tied), built up by its ratio of neighbours.
    total = tied + others
    before = np.arange(others)
    chance = np.empty(others + 1)
    chance[0] = tied / total
    chance[1:] = chance[0] * np.cumprod((others - before) / (total - 1 - before))
    return chance
