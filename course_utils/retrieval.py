"""Retrieval evaluated right: who is the nearest gallery item, how often is it a true match, and how many to look at.

A *probe* is a query, the *gallery* is what is searched, and a *match* is a gallery item of the probe's identity.
Features (from any framework) or distances go in; ranks, the cumulative match characteristic (CMC), average
precision and their kin come out. The gallery is never sorted and the probes × gallery matrix is never held:
memory is bounded whatever the sizes, and counts over parts of a gallery add up exactly.

Equal distances are a question of definition, so the definition is exact: the distance of two rows is computed
in float64 from these two rows alone. Equal rows always tie (for the cosine metric: equal rows, or rows that differ
by a power of two), whatever the block, the shard or the number of threads they were met in.
"""

import zlib
from dataclasses import dataclass, field

import numpy as np

from course_utils._rank_counts import first_of_tie, probe_statistics
from course_utils._retrieval_core import Problem, offsets_of
from course_utils.errors import ArgumentError, check_choice, check_integer

__all__ = [
    "Matches",
    "RetrievalResult",
    "ShardCounts",
    "cmc_curve",
    "count_shard",
    "evaluate_retrieval",
    "find_matches",
    "merge",
    "rank_gallery",
    "ranked_histogram",
]

PROTOCOLS = ("all", "cross_camera", "single_shot")
TIES = ("expected", "pessimistic", "optimistic")


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """What :func:`evaluate_retrieval` found out. Arrays named below have one entry a probe, in the probes' order.

    Attributes
    ----------
    ranks : ndarray of float64
        Rank of the first match, 0 for the best; with ties its expected value; NaN for a probe without a match.
    average_precision : ndarray of float64
        Mean over the probe's matches of the share of matches among the items down to that match, not
        interpolated. NaN without a match.
    inverse_negative_penalty : ndarray of float64
        Number of matches, divided by the place (from 1) of the last one (Ye et al. 2021). NaN without a match.
    r_precision : ndarray of float64
        Share of matches among the first `R` items, `R` the number of matches. NaN without a match.
    ranked_histogram : ndarray of float64, shape (n_ranks,)
        Probes whose first match is at exactly this rank. Ties make fractions.
    cmc : ndarray of float64, shape (n_ranks,)
        Share of *all* probes whose first match is at this rank or better.
    n_probes, n_valid_probes : int
        All probes, and those that have a match in the gallery. A probe without one counts as a miss in the CMC and is
        left out of the three means, where it is not defined.
    n_gallery : int
        Gallery items ranked, junk excluded; identities for ``"single_shot"``.
    draws : tuple of RetrievalResult
        For ``"single_shot"``, the result of each draw; everything else here is then the mean over draws.
    """

    ranks: np.ndarray
    average_precision: np.ndarray
    inverse_negative_penalty: np.ndarray
    r_precision: np.ndarray
    ranked_histogram: np.ndarray
    cmc: np.ndarray
    n_probes: int
    n_valid_probes: int
    n_gallery: int
    draws: tuple = ()
    _first_tie: np.ndarray | None = field(default=None, repr=False)

    @property
    def mean_average_precision(self):
        """Mean of `average_precision` over the valid probes (mAP, float); NaN if there are none."""
        return _mean_of_valid(self.average_precision)

    @property
    def mean_inverse_negative_penalty(self):
        """Mean of `inverse_negative_penalty` over the valid probes (mINP, float); NaN if there are none."""
        return _mean_of_valid(self.inverse_negative_penalty)

    @property
    def mean_r_precision(self):
        """Mean of `r_precision` over the valid probes (float); NaN if there are none."""
        return _mean_of_valid(self.r_precision)

    def top(self, k):
        """Return the share of probes with a match among the first `k` items; it never falls as `k` grows.

        Parameters
        ----------
        k : int
            How many items to look at, at least 1.

        Returns
        -------
        float

        Raises
        ------
        ArgumentError
            If `k` is below 1, or beyond a CMC that `max_rank` cut short.

        Examples
        --------
        >>> gallery = [[0.1], [1.0], [2.1]]
        >>> result = evaluate_retrieval([[0.0], [2.0]], gallery, probe_ids=[7, 8], gallery_ids=[7, 8, 9])
        >>> result.top(1), result.top(2)
        (0.5, 1.0)
        """
        complete = len(self.cmc) >= self.n_gallery
        k = check_integer("k", k, minimum=1, maximum=None if complete else len(self.cmc))
        return float(self.cmc[min(k, len(self.cmc)) - 1])

    def probe_cmc(self, n_ranks):
        """Return each probe's own CMC, the chance that its first match is at rank `r` or better.

        Parameters
        ----------
        n_ranks : int
            Length of the curves.

        Returns
        -------
        ndarray of float64, shape (n_probes, n_ranks)
            0 or 1, or between them where distances tie. The mean over probes is the CMC.

        Raises
        ------
        ArgumentError
            If `n_ranks` is not a whole number of at least 1.
        """
        n_ranks = check_integer("n_ranks", n_ranks, minimum=1)
        if self.draws:
            return np.mean([draw.probe_cmc(n_ranks) for draw in self.draws], axis=0)
        before, tied, others = self._first_tie.T
        curves = (before[:, None] <= np.arange(n_ranks)) & (tied[:, None] > 0)
        curves = curves.astype(np.float64)
        for probe in np.flatnonzero((others > 0) & (before < n_ranks)):
            reached = np.cumsum(first_of_tie(tied[probe], others[probe]))[: n_ranks - before[probe]]
            curves[probe, before[probe] : before[probe] + len(reached)] = np.minimum(reached, 1)
        return curves

    def spread(self, measure):
        """Return the standard deviation of a measure over the draws of ``"single_shot"``.

        Parameters
        ----------
        measure : {"cmc", "mean_average_precision", "mean_inverse_negative_penalty", "mean_r_precision"}
            Which one.

        Returns
        -------
        float or ndarray of float64
            An array for ``"cmc"``, one entry a rank.

        Raises
        ------
        ArgumentError
            If there is no such measure, or the result has fewer than two draws.
        """
        measures = ("cmc", "mean_average_precision", "mean_inverse_negative_penalty", "mean_r_precision")
        check_choice("measure", measure, measures)
        if len(self.draws) < 2:
            raise ArgumentError(
                f"this result has {len(self.draws)} draws; it must have at least 2 "
                "(protocol 'single_shot' with n_draws)"
            )
        return np.std([getattr(draw, measure) for draw in self.draws], axis=0, ddof=1)

    def __str__(self):
        """Summarise in one line; probes without a match are mentioned."""
        tops = ", ".join(f"top-{k} {self.top(k):.3f}" for k in (1, 5, 10) if k <= len(self.cmc))
        missing = self.n_probes - self.n_valid_probes
        return (
            f"{self.n_probes} probes ({missing} without a match) in a gallery of {self.n_gallery}: {tops}, "
            f"mAP {self.mean_average_precision:.3f}, mINP {self.mean_inverse_negative_penalty:.3f}"
        )


@dataclass(frozen=True, eq=False)
class Matches:
    """The distances of probes to their true matches, as :func:`find_matches` finds them in one gallery shard.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_probes + 1,)
        Probe `i` has the matches ``offsets[i]:offsets[i + 1]``.
    distances : ndarray of float64, shape (n_matches,)
        Ascending within a probe. Squared for the euclidean and cosine metrics.
    """

    offsets: np.ndarray
    distances: np.ndarray


@dataclass(frozen=True, eq=False)
class ShardCounts:
    """What one gallery shard contributes to every match's rank; :func:`merge` adds them up.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n_probes + 1,)
        As in :class:`Matches`, over all shards.
    below, equal : ndarray of int64, shape (n_matches,)
        Non-matching items of this shard nearer to the probe than the match, and exactly as near.
    n_gallery : int
        Items ranked in this shard.
    fingerprint : int
        Checksum of the matches counted against; shards merge only if it is the same.
    """

    offsets: np.ndarray
    below: np.ndarray
    equal: np.ndarray
    n_gallery: int
    fingerprint: int


def evaluate_retrieval(
    probe,
    gallery,
    *,
    probe_ids,
    gallery_ids,
    probe_cameras=None,
    gallery_cameras=None,
    metric="euclidean",
    protocol="all",
    ties="expected",
    max_rank=None,
    rng=None,
    n_draws=10,
    junk_id=-1,
    distractor_id=0,
):
    """Rank the gallery for every probe and measure how well the true matches are placed.

    Parameters
    ----------
    probe : array_like, shape (n_probes, n_features)
        One feature row a probe. With ``metric="precomputed"`` the distances, shape (n_probes, n_gallery); only
        blocks of rows are read from it, so a ``numpy.memmap`` may be larger than memory.
    gallery : array_like, shape (n_gallery, n_features)
        One feature row a gallery item; None with ``metric="precomputed"``.
    probe_ids, gallery_ids : array_like of int or str
        Identities, one a row.
    probe_cameras, gallery_cameras : array_like of int or str, optional
        Cameras, one a row. Needed for ``"cross_camera"``, read by ``"single_shot"``, not read by ``"all"``.
    metric : {"euclidean", "cosine", "l1", "precomputed"}
        How far apart two rows are.
    protocol : {"all", "cross_camera", "single_shot"}
        ``"all"``: every gallery item is ranked. ``"cross_camera"``, as for Market-1501 (Zheng et al. 2015): items
        of the probe's identity *and* camera are ignored; `junk_id` in the gallery is ignored; `distractor_id` is
        ranked but matches nobody. ``"single_shot"``: one item an identity is drawn for the gallery, `n_draws`
        times; with cameras given, the probe's own identity is drawn from other cameras.
    ties : {"expected", "pessimistic", "optimistic"}
        Items at exactly the same distance: the expected result over all their orders, matches last, or first.
    max_rank : int, optional
        Length of the histogram and the CMC; the whole gallery by default. It may exceed the gallery: there the
        curve is flat.
    rng : numpy.random.Generator, optional
        Needed for ``"single_shot"``.
    n_draws : int
        Number of galleries drawn for ``"single_shot"``.
    junk_id, distractor_id : int or None
        Special gallery identities of ``"cross_camera"``, if identities are integers; None for none.

    Returns
    -------
    RetrievalResult

    Raises
    ------
    ArgumentError
        If shapes or types do not fit, features or distances are not finite, a cosine row is zero, cameras or
        `rng` are missing, or a probe has the junk or distractor identity.

    Notes
    -----
    To use one set as both probes and gallery, each item left out of its own ranking, let each item be its own
    camera: ``protocol="cross_camera"`` with ``np.arange(n)`` as the cameras of both.

    Examples
    --------
    >>> gallery = [[0.0], [1.0], [2.0], [3.0]]
    >>> result = evaluate_retrieval([[0.1], [1.6]], gallery, probe_ids=[7, 7], gallery_ids=[7, 8, 9, 7])
    >>> result.ranks
    array([0., 2.])
    >>> result.cmc
    array([0.5, 0.5, 1. , 1. ])
    >>> result.average_precision.round(3)
    array([0.75 , 0.417])
    >>> print(result)
    2 probes (0 without a match) in a gallery of 4: top-1 0.500, mAP 0.583, mINP 0.500

    A network that maps everything to one point is at chance, not at 100%:

    >>> evaluate_retrieval([[1.0]], np.ones((4, 1)), probe_ids=[7], gallery_ids=[7, 8, 9, 10]).cmc
    array([0.25, 0.5 , 0.75, 1.  ])
    """
    problem = Problem(
        "evaluate_retrieval",
        probe,
        gallery,
        probe_ids,
        gallery_ids,
        probe_cameras,
        gallery_cameras,
        metric=metric,
        protocol=check_choice("protocol", protocol, PROTOCOLS),
        junk_id=junk_id,
        distractor_id=distractor_id,
    )
    check_choice("ties", ties, TIES)
    if max_rank is not None:
        max_rank = check_integer("max_rank", max_rank, minimum=1)
    if protocol == "single_shot":
        n_draws = check_integer("n_draws", n_draws, minimum=1)
        return _mean_of_draws(_single_shots(problem, rng, n_draws, ties, max_rank))
    tables = []
    for group in problem.groups():
        offsets, distances = _sorted_matches(group)
        below, equal = group.count(offsets, distances)
        tables.append(probe_statistics(below, equal, offsets, ties))
    return _result("evaluate_retrieval", tables, problem.n_gallery, max_rank)


def ranked_histogram(probe, gallery, *, probe_ids, gallery_ids, **options):
    """Count the probes whose first match is at each rank: what :func:`cmc_curve` turns into a CMC.

    Parameters
    ----------
    probe, gallery : array_like
        As in :func:`evaluate_retrieval`.
    probe_ids, gallery_ids : array_like of int or str
        As in :func:`evaluate_retrieval`.
    **options
        Any other option of :func:`evaluate_retrieval`.

    Returns
    -------
    ndarray of float64, shape (n_ranks,)
        It sums to the number of probes that have a match.

    Raises
    ------
    ArgumentError
        As :func:`evaluate_retrieval` does.

    Examples
    --------
    >>> ranked_histogram([[0.1], [1.6]], [[0.0], [1.0], [3.0]], probe_ids=[7, 7], gallery_ids=[7, 8, 9])
    array([1., 0., 1.])
    """
    return evaluate_retrieval(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, **options).ranked_histogram


def cmc_curve(histogram, n_probes):
    """Turn a ranked histogram into a cumulative match characteristic.

    Parameters
    ----------
    histogram : array_like of float, shape (n_ranks,)
        ``histogram[r]`` probes have their first true match at rank ``r`` (0 is the best). Fractions come from ties.
    n_probes : int
        Probes evaluated, those without a match in the gallery included.

    Returns
    -------
    ndarray of float64, shape (n_ranks,)
        ``cmc[r]`` is the share of probes matched at rank ``r`` or better; non-decreasing, at most 1.

    Raises
    ------
    ArgumentError
        If `histogram` has a negative count, or counts more than `n_probes`.

    Examples
    --------
    >>> cmc_curve([6, 2, 0, 1], n_probes=10)
    array([0.6, 0.8, 0.8, 0.9])
    """
    histogram = np.asarray(histogram, dtype=np.float64)
    n_probes = check_integer("n_probes", n_probes, minimum=1)
    if histogram.ndim != 1:
        raise ArgumentError(f"histogram has shape {histogram.shape}; it must have one dimension")
    wrong = np.flatnonzero(~(histogram >= 0))
    if len(wrong):
        raise ArgumentError(f"histogram[{wrong[0]}] is {histogram[wrong[0]]:g}; it must be at least 0")
    total = histogram.sum()
    # Fractions from ties add up with rounding errors; real counts are wrong by a whole probe.
    if total > n_probes + 1e-6:
        raise ArgumentError(
            f"histogram counts {total:g} probes, n_probes is {n_probes}; it must be at least {np.ceil(total):g}"
        )
    return np.minimum(np.cumsum(histogram) / n_probes, 1.0)


def rank_gallery(
    probe,
    gallery,
    *,
    k,
    probe_ids=None,
    gallery_ids=None,
    probe_cameras=None,
    gallery_cameras=None,
    metric="euclidean",
    protocol="all",
    junk_id=-1,
):
    """List the `k` nearest gallery items of every probe, as shown in pictures of ranked galleries.

    Parameters
    ----------
    probe, gallery : array_like
        As in :func:`evaluate_retrieval`.
    k : int
        Items wanted a probe.
    probe_ids, gallery_ids, probe_cameras, gallery_cameras : array_like of int or str, optional
        As in :func:`evaluate_retrieval`; needed for ``"cross_camera"``, which leaves out what it ignores.
    metric : {"euclidean", "cosine", "l1", "precomputed"}
        As in :func:`evaluate_retrieval`.
    protocol : {"all", "cross_camera"}
        As in :func:`evaluate_retrieval`.
    junk_id : int or None
        As in :func:`evaluate_retrieval`.

    Returns
    -------
    items : ndarray of int64, shape (n_probes, k)
        Positions in the gallery, nearest first, equally near ones in the gallery's order; -1 where there are fewer.
    distances : ndarray of float64, shape (n_probes, k)
        Their distances; for ``"cosine"`` one minus the cosine. NaN where there is no item.

    Raises
    ------
    ArgumentError
        As :func:`evaluate_retrieval` does.

    Examples
    --------
    >>> items, distances = rank_gallery([[0.0], [2.75]], [[1.0], [2.0], [4.0]], k=2)
    >>> items
    array([[0, 1],
           [1, 2]])
    >>> distances
    array([[1.  , 2.  ],
           [0.75, 1.25]])
    """
    check_choice("protocol", protocol, PROTOCOLS[:2])
    k = check_integer("k", k, minimum=1)
    if protocol == "all":
        n_items = np.shape(probe)[1] if metric == "precomputed" else len(gallery)
        probe_ids, gallery_ids = np.zeros(len(probe), np.int64), np.ones(n_items, np.int64)  # nobody's own
    problem = Problem(
        "rank_gallery",
        probe,
        gallery,
        probe_ids,
        gallery_ids,
        probe_cameras,
        gallery_cameras,
        metric=metric,
        protocol=protocol,
        junk_id=junk_id,
        distractor_id=None,
    )
    skip = "own camera" if protocol == "cross_camera" else "nothing"
    items, distances = map(np.concatenate, zip(*[g.nearest(k, skip=skip) for g in problem.groups()], strict=True))
    if metric == "euclidean":
        distances = np.sqrt(distances)
    return items, distances / 2 if metric == "cosine" else distances


def find_matches(
    probe,
    gallery,
    *,
    probe_ids,
    gallery_ids,
    probe_cameras=None,
    gallery_cameras=None,
    metric="euclidean",
    protocol="all",
    junk_id=-1,
    distractor_id=0,
):
    """Find the probes' true matches in one gallery shard: the first of two steps over shards.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, probe_cameras, gallery_cameras : array_like
        As in :func:`evaluate_retrieval`; the gallery is one shard, of any size.
    metric : {"euclidean", "cosine", "l1", "precomputed"}
        As in :func:`evaluate_retrieval`.
    protocol : {"all", "cross_camera"}
        As in :func:`evaluate_retrieval`; ``"single_shot"`` cannot be split.
    junk_id, distractor_id : int or None
        As in :func:`evaluate_retrieval`.

    Returns
    -------
    Matches
        Give those of all shards to :func:`count_shard`.

    Raises
    ------
    ArgumentError
        As :func:`evaluate_retrieval` does.

    Examples
    --------
    >>> find_matches([[0.0]], [[1.0], [3.0]], probe_ids=[7], gallery_ids=[8, 7]).distances
    array([9.])
    """
    problem = Problem(
        "find_matches",
        probe,
        gallery,
        probe_ids,
        gallery_ids,
        probe_cameras,
        gallery_cameras,
        metric=metric,
        protocol=check_choice("protocol", protocol, PROTOCOLS[:2]),
        junk_id=junk_id,
        distractor_id=distractor_id,
    )
    offsets, distances = zip(*[_sorted_matches(group) for group in problem.groups()], strict=True)
    return Matches(offsets_of(np.concatenate([np.diff(part) for part in offsets])), np.concatenate(distances))


def count_shard(
    probe,
    gallery,
    *,
    matches,
    probe_ids,
    gallery_ids,
    probe_cameras=None,
    gallery_cameras=None,
    metric="euclidean",
    protocol="all",
    junk_id=-1,
    distractor_id=0,
):
    """Count one gallery shard's items before each true match: the second of two steps over shards.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, probe_cameras, gallery_cameras : array_like
        As in :func:`find_matches`, with the same probes in the same order for all shards.
    matches : Matches or sequence of Matches
        What :func:`find_matches` returned for *all* shards.
    metric : {"euclidean", "cosine", "l1", "precomputed"}
        As in :func:`evaluate_retrieval`.
    protocol : {"all", "cross_camera"}
        As in :func:`evaluate_retrieval`; ``"single_shot"`` cannot be split.
    junk_id, distractor_id : int or None
        As in :func:`evaluate_retrieval`.

    Returns
    -------
    ShardCounts

    Raises
    ------
    ArgumentError
        As :func:`evaluate_retrieval` does, and if `matches` is not for these probes.

    Examples
    --------
    >>> probe, ids = [[0.0], [2.2]], [7, 8]
    >>> shards = [([[1.0], [3.0]], [8, 7]), ([[2.0]], [8])]
    >>> matches = [find_matches(probe, x, probe_ids=ids, gallery_ids=y) for x, y in shards]
    >>> counts = [count_shard(probe, x, matches=matches, probe_ids=ids, gallery_ids=y) for x, y in shards]
    >>> merge(counts).ranks
    array([2., 0.])
    """
    problem = Problem(
        "count_shard",
        probe,
        gallery,
        probe_ids,
        gallery_ids,
        probe_cameras,
        gallery_cameras,
        metric=metric,
        protocol=check_choice("protocol", protocol, PROTOCOLS[:2]),
        junk_id=junk_id,
        distractor_id=distractor_id,
    )
    matches = _join_matches(matches, problem.n_probes)
    parts = []
    for group in problem.groups():
        first, last = matches.offsets[group.start], matches.offsets[group.stop]
        offsets = matches.offsets[group.start : group.stop + 1] - first
        parts.append(group.count(offsets, matches.distances[first:last]))
    below, equal = (np.concatenate(part) for part in zip(*parts, strict=True))
    fingerprint = zlib.crc32(matches.distances, zlib.crc32(matches.offsets))
    return ShardCounts(matches.offsets, below, equal, problem.n_gallery, fingerprint)


def merge(partials, *, ties="expected", max_rank=None):
    """Add up the counts of all gallery shards: exactly the result of evaluating the whole gallery.

    Parameters
    ----------
    partials : sequence of ShardCounts
        One a shard, in any order.
    ties : {"expected", "pessimistic", "optimistic"}
        As in :func:`evaluate_retrieval`.
    max_rank : int, optional
        As in :func:`evaluate_retrieval`.

    Returns
    -------
    RetrievalResult

    Raises
    ------
    ArgumentError
        If there are no partials, or they were counted against different matches.

    Examples
    --------
    See :func:`count_shard`.
    """
    partials = list(partials)
    check_choice("ties", ties, TIES)
    if max_rank is not None:
        max_rank = check_integer("max_rank", max_rank, minimum=1)
    if not partials:
        raise ArgumentError("partials is empty; it must hold the counts of at least one shard")
    for index, partial in enumerate(partials):
        if partial.fingerprint != partials[0].fingerprint:
            raise ArgumentError(
                f"partials[{index}] was counted against other matches than partials[0]; "
                "every count_shard call must be given the matches of all shards"
            )
    below = sum(partial.below for partial in partials)
    equal = sum(partial.equal for partial in partials)
    table = probe_statistics(below, equal, partials[0].offsets, ties)
    return _result("merge", [table], sum(partial.n_gallery for partial in partials), max_rank)


def _sorted_matches(group):
    """Return offsets and ascending distances of a group's true matches."""
    offsets, rows = group.problem.match_rows(group.start, group.stop)
    probes = np.repeat(np.arange(group.stop - group.start), np.diff(offsets))
    distances = group.distances(probes, rows)
    return offsets, distances[np.lexsort((distances, probes))]


def _join_matches(matches, n_probes):
    """Join the matches found in several shards, each probe's in ascending order."""
    parts = [matches] if isinstance(matches, Matches) else list(matches)
    if not parts:
        raise ArgumentError("matches is empty; it must hold the matches of at least one shard")
    for part in parts:
        if len(part.offsets) != n_probes + 1:
            raise ArgumentError(f"matches are of {len(part.offsets) - 1} probes; probe has {n_probes} rows")
    counts = sum(np.diff(part.offsets) for part in parts)
    probes = np.concatenate([np.repeat(np.arange(n_probes), np.diff(part.offsets)) for part in parts])
    distances = np.concatenate([part.distances for part in parts])
    return Matches(offsets_of(counts), distances[np.lexsort((distances, probes))])


def _single_shots(problem, rng, n_draws, ties, max_rank):
    """Evaluate `n_draws` galleries of one random item an identity."""
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(
            f"rng is {rng!r}; protocol 'single_shot' needs a numpy.random.Generator, such as np.random.default_rng(0)"
        )
    identities, of_item, sizes = np.unique(problem.gallery_ids, return_inverse=True, return_counts=True)
    by_identity = np.argsort(of_item, kind="stable")
    starts = offsets_of(sizes)[:-1]
    of_probe = np.minimum(np.searchsorted(identities, problem.probe_ids), len(identities) - 1)
    results = []
    for _ in range(n_draws):
        shown = by_identity[starts + rng.integers(sizes)]
        drawn = problem.narrowed(shown)
        tables = []
        for group in drawn.groups():
            offsets, rows = drawn.match_rows(group.start, group.stop)
            has_match = np.diff(offsets) > 0
            if problem.gallery_cameras is None:
                mates = shown[of_probe[group.start : group.stop][has_match]]
            else:
                mates = rows[offsets[:-1][has_match] + rng.integers(np.diff(offsets)[has_match])]
            offsets = offsets_of(has_match)
            below, equal = group.count(offsets, group.distances(np.flatnonzero(has_match), mates))
            tables.append(probe_statistics(below, equal, offsets, ties))
        results.append(_result("evaluate_retrieval", tables, drawn.n_gallery, max_rank))
    return results


def _mean_of_draws(draws):
    def mean(name):
        return np.mean([getattr(draw, name) for draw in draws], axis=0)

    arrays = (
        "ranks",
        "average_precision",
        "inverse_negative_penalty",
        "r_precision",
        "ranked_histogram",
        "cmc",
    )
    return RetrievalResult(
        **{name: mean(name) for name in arrays},
        n_probes=draws[0].n_probes,
        n_valid_probes=draws[0].n_valid_probes,
        n_gallery=draws[0].n_gallery,
        draws=tuple(draws),
    )


def _result(function, tables, n_gallery, max_rank):
    """Build a result from the per-probe statistics of consecutive groups of probes."""
    if not n_gallery:
        raise ArgumentError("the gallery holds 0 items to rank; it must hold at least 1 that is not junk")
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    first_tie = columns["first_tie"]
    histogram = _histogram_of_first(first_tie, n_gallery if max_rank is None else max_rank)
    n_probes = len(first_tie)
    return RetrievalResult(
        ranks=columns["rank"],
        average_precision=columns["average_precision"],
        inverse_negative_penalty=columns["inverse_negative_penalty"],
        r_precision=columns["r_precision"],
        ranked_histogram=histogram,
        cmc=cmc_curve(histogram, n_probes),
        n_probes=n_probes,
        n_valid_probes=int(np.count_nonzero(first_tie[:, 1])),
        n_gallery=n_gallery,
        _first_tie=first_tie,
    )


def _histogram_of_first(first_tie, n_ranks):
    before, tied, others = first_tie.T
    clear = before[(tied > 0) & (others == 0)]
    histogram = np.bincount(clear[clear < n_ranks], minlength=n_ranks).astype(np.float64)
    for probe in np.flatnonzero((others > 0) & (before < n_ranks)):
        chances = first_of_tie(tied[probe], others[probe])[: n_ranks - before[probe]]
        histogram[before[probe] : before[probe] + len(chances)] += chances
    return histogram


def _mean_of_valid(values):
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")
