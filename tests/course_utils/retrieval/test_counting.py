"""Counting against comparing everything with everything."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.retrieval.counting import place_thresholds


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_rows=st.integers(1, 5),
    n_columns=st.integers(1, 300),
    most=st.integers(1, 40),
    dtype=st.sampled_from([np.float32, np.float64]),
    kind=st.sampled_from(["normal", "few values", "heavy tails", "far from zero", "with infinities"]),
)
def test_placing_thresholds_agrees_with_comparing_everything(seed, n_rows, n_columns, most, dtype, kind):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((n_rows, n_columns))
    if kind == "few values":
        values = values.round()
    elif kind == "heavy tails":
        values = np.exp(10 * values)
    elif kind == "far from zero":
        values = 1e6 + values
    elif kind == "with infinities":
        values[rng.random(values.shape) < 0.5] = np.inf
    values = values.astype(dtype)
    counts = rng.integers(1, most, n_rows, dtype=np.intp, endpoint=True)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    finite = np.append(values[np.isfinite(values)], dtype(0))
    lower = np.concatenate([np.sort(rng.choice(finite, count)) for count in counts])
    upper = np.nextafter(lower + dtype(rng.choice([0, 0.1])), dtype(np.inf))
    below, within, (rows, columns) = place_thresholds(values, lower, upper, offsets)
    inside = np.zeros(values.shape, bool)
    for threshold, row in enumerate(np.repeat(np.arange(n_rows), counts)):
        is_below = values[row] < lower[threshold]
        is_within = ~is_below & (values[row] < upper[threshold])
        assert (below[threshold], within[threshold]) == (is_below.sum(), is_within.sum())
        inside[row] |= is_within
    assert (np.diff(rows) >= 0).all()
    assert len(rows) == inside.sum()
    assert inside[rows, columns].all()
