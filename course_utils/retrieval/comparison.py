"""Is one system better than another? Paired comparisons over probes, or over identities, and for several systems.

Probes of one identity are not independent: a person in an odd coat is missed by all of their probes at once. Over
*identities* all probes of one are drawn, or change sides, together; this is what speaks of people not seen yet.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer, check_number, require

__all__ = ["Comparison", "Comparisons", "bootstrap_interval", "compare_all", "compare_rankings"]

_CELLS = 2**22  # random numbers drawn at a time


@dataclass(frozen=True)
class Comparison:
    """One system beside another on the same probes; made by :func:`compare_rankings`.

    Attributes
    ----------
    a, b : str
        Their names.
    measure, by : str
        What was compared, and what was drawn: probes or identities.
    mean_a, mean_b, difference : float
        Means over the probes, and ``mean_a - mean_b``.
    low, high : float
        95% interval of the difference (bootstrap, percentiles).
    p_value : float
        Two-sided: how often a difference as large comes out if each unit's systems change names by lot.
    n_units : int
        Probes or identities compared.
    adjusted_p : float
        `p_value` after Holm's (1979) correction for all comparisons of a table; the same for a single one.
    """

    a: str
    b: str
    measure: str
    by: str
    mean_a: float
    mean_b: float
    difference: float
    low: float
    high: float
    p_value: float
    n_units: int
    adjusted_p: float

    def __str__(self):
        """Say it in two lines."""
        p = "p < 0.0001" if self.adjusted_p < 1e-4 else f"p = {self.adjusted_p:.2g}"
        return (
            f"{self.measure}: {self.a} {self.mean_a:.3f}, {self.b} {self.mean_b:.3f}\n"
            f"  difference {self.difference:+.3f} ({self.low:+.3f} to {self.high:+.3f}), {p}, "
            f"{self.n_units} {_PLURAL[self.by]}"
        )


_PLURAL = {"probe": "probes", "identity": "identities"}


class Comparisons(tuple):
    """Several :class:`Comparison`; printed, two lines each."""

    __slots__ = ()

    def __str__(self):
        """Say each in two lines."""
        return "\n".join(map(str, self))

    def to_frame(self):
        """Return a table with one row a comparison (pandas.DataFrame)."""
        return require("pandas", "course").DataFrame([vars(comparison) for comparison in self])


def compare_rankings(a, b, *, measure="mAP", by="identity", names=("a", "b"), n_samples=10_000, seed=0):
    """Compare two results on the same probes, pair by pair.

    Parameters
    ----------
    a, b : RetrievalResult or NeighbourResult
        Of the same probes in the same order.
    measure : str
        As for :meth:`Measures.per_probe`.
    by : {"identity", "probe"}
        What is drawn at random: identities with all their probes, or probes. The first speaks of identities that were
        not seen, and is nearly always the wider.
    names : (str, str)
        For the table.
    n_samples : int
        Bootstrap samples, and permutations.
    seed : int
        Of the draws.

    Returns
    -------
    Comparison

    Notes
    -----
    Probes without a match in the gallery are left out where the measure is not defined for them. The smallest p-value
    is ``1 / (n_samples + 1)``.

    Examples
    --------
    >>> from course_utils.retrieval import evaluate_retrieval
    >>> rng = np.random.default_rng(0)
    >>> ids = np.repeat(np.arange(40), 4)
    >>> x = rng.standard_normal((40, 8))[ids] + rng.standard_normal((160, 8))
    >>> sharp, blurred = (evaluate_retrieval(x[:, :n], probe_ids=ids) for n in (8, 4))
    >>> comparison = compare_rankings(sharp, blurred, measure="top-1", n_samples=999)
    >>> comparison.difference > 0, comparison.low > 0, comparison.n_units
    (True, True, 40)
    """
    check_choice("by", by, list(_PLURAL))
    n_samples = check_integer("n_samples", n_samples, minimum=100)
    values = np.array([result.per_probe(measure) for result in _same_probes(a, b)])
    defined = ~np.isnan(values)
    if (defined[0] != defined[1]).any():
        odd = np.flatnonzero(defined[0] != defined[1])[0]
        raise ArgumentError(f"probe {odd} has a match for only one of the results; both must be of the same gallery")
    values = values[:, defined[0]]
    units = a.probe_ids[defined[0]] if by == "identity" else np.arange(values.shape[1])
    n_units = len(np.unique(units))
    if n_units < 2:
        raise ArgumentError(f"{n_units} {_PLURAL[by]} can be compared; there must be at least 2")
    difference = values[0] - values[1]
    low, high = bootstrap_interval(difference, groups=units, n_samples=n_samples, seed=seed)
    p_value = _permutation_p(difference, units, n_samples, seed)
    mean_a, mean_b = values.mean(axis=1).tolist()
    return Comparison(
        *names, measure, by, mean_a, mean_b, mean_a - mean_b, float(low), float(high), p_value, n_units, p_value
    )


def compare_all(results, *, baseline=None, **options):
    """Compare several systems, two at a time, with p-values corrected for the number of comparisons (Holm 1979).

    Parameters
    ----------
    results : mapping of str to RetrievalResult or NeighbourResult
        By name, at least two.
    baseline : str, optional
        Compare each other system with this one only; by default each with each.
    **options
        `measure`, `by`, `n_samples` and `seed` of :func:`compare_rankings`.

    Returns
    -------
    Comparisons
        One :class:`Comparison` a pair.

    Examples
    --------
    >>> from course_utils.retrieval import evaluate_retrieval
    >>> x, ids = np.random.default_rng(0).random((60, 3)), np.repeat(np.arange(20), 3)
    >>> results = {str(n): evaluate_retrieval(x[:, :n], probe_ids=ids) for n in (1, 2, 3)}
    >>> [(pair.a, pair.b) for pair in compare_all(results, baseline="1", n_samples=200)]
    [('2', '1'), ('3', '1')]
    """
    if len(results) < 2:
        raise ArgumentError(f"results holds {len(results)} results; it must hold at least 2")
    if baseline is None:
        pairs = list(itertools.combinations(results, 2))
    else:
        check_choice("baseline", baseline, list(results))
        pairs = [(name, baseline) for name in results if name != baseline]
    found = [compare_rankings(results[a], results[b], names=(a, b), **options) for a, b in pairs]
    # The smallest counts as many times as there are comparisons, the next once less; none is below the one before.
    order = np.argsort([each.p_value for each in found], kind="stable")
    factors = np.arange(len(found), 0, -1)
    adjusted = np.minimum(1, np.maximum.accumulate(factors * np.array([found[i].p_value for i in order])))
    for i, p in zip(order, adjusted.tolist(), strict=True):
        found[i] = replace(found[i], adjusted_p=p)
    return Comparisons(found)


def bootstrap_interval(values, *, groups=None, level=0.95, n_samples=2000, seed=0):
    """Return the percentile interval of a mean, from samples of its rows with replacement (Efron 1979).

    Parameters
    ----------
    values : array_like of float, shape (n,) or (n, m)
        One row a probe; the mean is over rows.
    groups : array_like, shape (n,), optional
        Rows of one group are drawn together, as probes of one identity should be.
    level : float
        Share of the samples inside the interval.
    n_samples, seed : int
        Number of samples, and the seed of the draws.

    Returns
    -------
    low, high : ndarray of float64, shape () or (m,)

    Examples
    --------
    >>> low, high = bootstrap_interval([0, 1, 1, 1, 0, 1, 1, 1])
    >>> float(low), float(high)
    (0.375, 1.0)
    """
    values = np.asarray(values, np.float64)
    level = check_number("level", level, minimum=0, maximum=1)
    n_samples = check_integer("n_samples", n_samples, minimum=1)
    sums, sizes = _group_sums(values, groups)
    rng = np.random.default_rng(seed)
    means = []
    for n in _chunks(n_samples, len(sums)):
        # A sample of n groups with replacement is how often each was drawn.
        counts = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=n)
        means.append((counts @ sums) / (counts @ sizes)[:, None])
    low, high = np.percentile(np.concatenate(means), [50 - 50 * level, 50 + 50 * level], axis=0)
    return low.reshape(values.shape[1:]), high.reshape(values.shape[1:])


def _group_sums(values, groups):
    """Return each group's sum of rows, shape (n_groups, m), and number of rows."""
    if values.ndim not in (1, 2) or not len(values):
        raise ArgumentError(f"values has shape {values.shape}; it must be (n,) or (n, m) with at least one row")
    rows = values.reshape(len(values), -1)
    if groups is None:
        return rows, np.ones(len(rows))
    groups = np.asarray(groups)
    if groups.shape != (len(rows),):
        raise ArgumentError(f"groups has shape {groups.shape}; it must have one entry for each of {len(rows)} rows")
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    return np.column_stack([np.bincount(group, column) for column in rows.T]), sizes.astype(np.float64)


def _permutation_p(difference, units, n_samples, seed):
    sums = _group_sums(difference, units)[0][:, 0]
    rng = np.random.default_rng([seed, 1])
    observed = abs(sums.sum()) * (1 - 1e-12)  # the same sum in another order may differ in its last bits
    extreme = 0
    for n in _chunks(n_samples, len(sums)):
        signs = rng.choice(np.array([-1.0, 1.0]), (n, len(sums)))
        extreme += np.count_nonzero(abs(signs @ sums) >= observed)
    return (1 + extreme) / (1 + n_samples)


def _chunks(n_samples, width):
    step = max(1, _CELLS // width)
    return [min(step, n_samples - start) for start in range(0, n_samples, step)]


def _same_probes(a, b):
    if a.n_probes != b.n_probes:
        raise ArgumentError(f"a has {a.n_probes} probes, b has {b.n_probes}; they must have the same")
    different = np.flatnonzero(a.probe_ids != b.probe_ids)
    if len(different):
        i = different[0]
        raise ArgumentError(
            f"probe {i} is {a.probe_ids[i]} in a and {b.probe_ids[i]} in b; both must have the same probes in one order"
        )
    return a, b
