"""Paired comparisons: intervals that cover, p-values that are uniform under the null, and Holm's correction."""

import numpy as np
import pytest
from scipy import stats

from course_utils.errors import ArgumentError
from course_utils.retrieval import bootstrap_interval, compare_all, compare_rankings, evaluate_retrieval


def noisy_results(seed, noises, n_ids=30, n_each=5):
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(n_ids), n_each)
    centres = rng.standard_normal((n_ids, 6))[ids]
    return [evaluate_retrieval(centres + s * rng.standard_normal(centres.shape), probe_ids=ids) for s in noises]


def test_a_difference_in_means_and_its_parts():
    a, b = noisy_results(0, [0.6, 1.2])
    for by, n_units in (("identity", 30), ("probe", 150)):
        found = compare_rankings(a, b, by=by, n_samples=2000)
        assert (found.by, found.n_units) == (by, n_units)
        assert found.mean_a == pytest.approx(a.mean_average_precision)
        assert found.difference == pytest.approx(found.mean_a - found.mean_b)
        assert found.low < found.difference < found.high
        assert found.p_value == pytest.approx(1 / 2001)  # none of the permutations is as extreme
        back = compare_rankings(b, a, by=by, n_samples=2000)
        assert back.difference == -found.difference
        assert back.p_value == found.p_value
    assert str(compare_rankings(a, b, names=("sharp", "blurred"), measure="top-1")).startswith("top-1: sharp 0.")


def test_probes_of_one_identity_move_together():
    """Features that fail whole identities: over identities the interval must be wider than over probes."""
    rng = np.random.default_rng(1)
    ids = np.repeat(np.arange(20), 10)
    centres = rng.standard_normal((20, 4))[ids]
    good = centres + 0.2 * rng.standard_normal(centres.shape)
    bad = np.where((ids % 3 == 0)[:, None], rng.standard_normal(centres.shape), good)
    a, b = (evaluate_retrieval(x, probe_ids=ids) for x in (good, bad))
    by_identity, by_probe = (compare_rankings(a, b, by=by, n_samples=2000) for by in ("identity", "probe"))
    assert by_identity.high - by_identity.low > 1.5 * (by_probe.high - by_probe.low)


def test_p_values_are_uniform_when_nothing_differs():
    p = [compare_rankings(*noisy_results(seed, [1, 1], 12, 3), n_samples=200, seed=seed).p_value for seed in range(150)]
    assert stats.kstest(p, "uniform").pvalue > 0.001
    assert np.mean(np.array(p) < 0.1) < 0.2


def test_the_same_result_does_not_differ_from_itself():
    (a,) = noisy_results(0, [1])
    found = compare_rankings(a, a, n_samples=200)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_holm_corrects_for_the_number_of_comparisons():
    results = dict(zip("abcd", noisy_results(3, [0.9, 0.95, 1.0, 1.3]), strict=True))
    table = compare_all(results, n_samples=2000)
    assert [(pair.a, pair.b) for pair in table] == [tuple(pair) for pair in ("ab", "ac", "ad", "bc", "bd", "cd")]
    raw = np.array([pair.p_value for pair in table])
    expected, highest = np.empty(6), 0
    for step, place in enumerate(np.argsort(raw, kind="stable")):
        highest = max(highest, min(1, raw[place] * (6 - step)))
        expected[place] = highest
    np.testing.assert_allclose([pair.adjusted_p for pair in table], expected)
    assert (raw < expected).any()
    assert len(str(table).splitlines()) == 2 * len(table.to_frame()) == 12
    assert {pair.b for pair in compare_all(results, baseline="c", n_samples=200)} == {"c"}


def test_the_interval_of_a_mean():
    values = np.random.default_rng(0).normal(5, 2, 400)
    low, high = bootstrap_interval(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == (pytest.approx(values.mean() - half, abs=0.05), pytest.approx(values.mean() + half, abs=0.05))
    two = bootstrap_interval(np.column_stack([values, 2 * values]))
    np.testing.assert_allclose(two[0], [low, 2 * low])
    doubled = bootstrap_interval(np.repeat(values, 3), groups=np.repeat(np.arange(400), 3))
    np.testing.assert_allclose(doubled, (low, high))


def test_what_cannot_be_compared_is_named():
    a, b = noisy_results(0, [1, 1], 6, 2)
    (longer,) = noisy_results(0, [1], 7, 2)
    with pytest.raises(ArgumentError, match="a has 12 probes, b has 14"):
        compare_rankings(a, longer)
    other = evaluate_retrieval(np.eye(12), probe_ids=np.repeat(np.arange(1, 7), 2))
    with pytest.raises(ArgumentError, match="probe 0 is 0 in a and 1 in b"):
        compare_rankings(a, other)
    x = [[0.0], [1.0]]
    left = evaluate_retrieval(x, [[0.0]], probe_ids=[1, 2], gallery_ids=[1])
    right = evaluate_retrieval(x, [[0.0]], probe_ids=[1, 2], gallery_ids=[2])
    with pytest.raises(ArgumentError, match="probe 0 has a match for only one of the results"):
        compare_rankings(left, right)
    with pytest.raises(ArgumentError, match="1 identities can be compared"):
        compare_rankings(left, left)
    with pytest.raises(ArgumentError, match="by is 'camera'"):
        compare_rankings(a, b, by="camera")
    with pytest.raises(ArgumentError, match="results holds 1 results"):
        compare_all({"a": a})
    with pytest.raises(ArgumentError, match="baseline is 'z'"):
        compare_all({"a": a, "b": b}, baseline="z")
    with pytest.raises(ArgumentError, match="groups has shape"):
        bootstrap_interval([1, 2], groups=[1])
    with pytest.raises(ArgumentError, match="values has shape"):
        bootstrap_interval([])
