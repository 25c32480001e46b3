"""Counting how many distances lie below thresholds, without sorting them, and what follows for each probe.

A true match's rank is the number of other gallery items nearer to the probe. So ranking needs no sorted
gallery: for each probe only the distances of its few true matches are sorted, and every other distance is
dropped into the gap between two of them. Counts over parts of a gallery add up.
"""

import numpy as np

__all__ = ["SortedRows", "first_of_tie", "ragged_positions"]

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


def probe_statistics(below, equal, offsets, ties):
    """Turn the counts at each true match into measures of each probe.

    `below` and `equal` count the non-matching gallery items nearer than the match, and exactly as near. Probe `i` has
    the matches ``offsets[i]:offsets[i + 1]``, nearest first.

    Returns a dict of arrays with one entry per probe: measures as in :class:`course_utils.retrieval.RetrievalResult`,
    and ``first_tie``, three columns: items before the first match's tie, matches in it, others in it.
    """
    if ties == "pessimistic":
        below = below + equal
    if ties != "expected":
        equal = np.zeros_like(equal)
    counts = np.diff(offsets)
    has_match = np.flatnonzero(counts)
    starts, counts = offsets[has_match], counts[has_match]
    owner = np.repeat(np.arange(len(counts)), counts)
    position = ragged_positions(np.zeros_like(counts), counts)

    # As if nothing tied.
    place = below + position
    precision = (position + 1) / (place + 1)
    in_top = (place < counts[owner]).astype(np.float64)
    first_rank = below[starts].astype(np.float64)
    penalty = counts / (place[starts + counts - 1] + 1)
    first_tie = np.zeros((len(offsets) - 1, 3), np.intp)
    first_tie[has_match, 0], first_tie[has_match, 1] = below[starts], 1

    # Then each tie: some matches of one probe and others, in any order, after `before` items.
    start, stop = _tied_runs(below, equal, owner)
    tied, others, before, probe = stop - start, equal[start], place[start], owner[start]
    each = ragged_positions(start, tied)
    mean_precision = map(_tied_precision, position[start], before, tied, others)
    precision[each] = np.repeat(np.fromiter(mean_precision, float), tied)
    in_top[each] = np.repeat(np.clip((counts[probe] - before) / (tied + others), 0, 1), tied)
    leads = start == starts[probe]
    first_rank[probe[leads]] = (before + others / (tied + 1))[leads]
    first_tie[has_match[probe[leads]], 1:] = np.column_stack([tied, others])[leads]
    for run in np.flatnonzero(stop == (starts + counts)[probe]):
        last = before[run] + tied[run] + others[run] - np.arange(others[run] + 1)
        penalty[probe[run]] = counts[probe[run]] * (first_of_tie(tied[run], others[run]) / last).sum()

    def table(values):
        out = np.full(len(offsets) - 1, np.nan)
        out[has_match] = values
        return out

    def mean(values):
        return np.add.reduceat(values, starts) / counts if len(starts) else []

    return {
        "ranks": table(first_rank),
        "average_precision": table(mean(precision)),
        "inverse_negative_penalty": table(penalty),
        "r_precision": table(mean(in_top)),
        "first_tie": first_tie,
    }


def _tied_runs(below, equal, owner):
    """Return where each run of matches of one probe that tie with the same non-matching items starts and stops."""
    tied = np.flatnonzero(equal)
    if not len(tied):
        return tied, tied
    heads = np.flatnonzero(np.append(True, (np.diff(owner[tied]) != 0) | (np.diff(below[tied]) != 0)))
    return tied[heads], tied[np.append(heads[1:], len(tied)) - 1] + 1


def _tied_precision(found, before, tied, others):
    """Return the mean precision at `tied` matches spread at random among as many places plus `others`.

    Place `s` of the tie (from 1) holds a match with the same chance as any other; given that it does, the
    ``s - 1`` places before it hold ``(s - 1)(tied - 1) / (tied + others - 1)`` matches on average.
    """
    place = np.arange(1, tied + others + 1)
    earlier = (place - 1) * ((tied - 1) / (tied + others - 1))
    return ((found + 1 + earlier) / (before + place)).mean()


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
