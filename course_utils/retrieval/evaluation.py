"""How well the gallery is ranked for each probe: the result, and the ways to get it."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer
from course_utils.retrieval.counting import first_of_tie, offsets_of, probe_statistics
from course_utils.retrieval.search import Search

__all__ = [
    "RetrievalResult",
    "cmc_curve",
    "evaluate_retrieval",
    "evaluate_single_shot",
    "rank_gallery",
    "ranked_histogram",
]

TIES = ("expected", "pessimistic", "optimistic")


@dataclass(frozen=True, eq=False)
class RetrievalResult:
    """What :func:`evaluate_retrieval` found out. Arrays named below have one entry per probe, in the probes' order.

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
        Gallery items ranked, junk excluded; identities for :func:`evaluate_single_shot`.
    draws : tuple of RetrievalResult
        Of :func:`evaluate_single_shot`, the result of each draw; everything else here is then the mean over draws.
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
        before, tied, _ = self._first_tie.T
        curves = ((before[:, None] <= np.arange(n_ranks)) & (tied[:, None] > 0)).astype(np.float64)
        for probe, ranks, chances in _spread_over_ties(self._first_tie, n_ranks):
            curves[probe, ranks] = np.minimum(np.cumsum(chances), 1)
        return curves

    def __str__(self):
        """Summarise in one line; probes without a match are mentioned."""
        tops = ", ".join(f"top-{k} {self.top(k):.3f}" for k in (1, 5, 10) if k <= len(self.cmc))
        missing = self.n_probes - self.n_valid_probes
        return (
            f"{self.n_probes} probes ({missing} without a match) in a gallery of {self.n_gallery}: {tops}, "
            f"mAP {self.mean_average_precision:.3f}, mINP {self.mean_inverse_negative_penalty:.3f}"
        )


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
    junk_id=None,
    distractor_id=None,
    **draws,
):
    """Rank the gallery for every probe and measure how well the true matches are placed.

    Parameters
    ----------
    probe : array_like, shape (n_probes, n_features)
        One feature row per probe. With ``metric="precomputed"`` the distances, shape (n_probes, n_gallery); only
        blocks of rows are read from it, so a ``numpy.memmap`` may be larger than memory.
    gallery : array_like, shape (n_gallery, n_features)
        One feature row per gallery item; None with ``metric="precomputed"``.
    probe_ids, gallery_ids : array_like of int or str
        Identities, one per row.
    probe_cameras, gallery_cameras : array_like of int or str, optional
        Cameras, one per row. Needed for ``"cross_camera"``, not read by ``"all"``.
    metric : {"euclidean", "cosine", "l1", "precomputed"}
        How far apart two rows are.
    protocol : {"all", "cross_camera"}
        ``"all"``: every gallery item is ranked. ``"cross_camera"``, as for Market-1501 (Zheng et al. 2015): items
        of the probe's identity *and* camera are ignored.
    ties : {"expected", "pessimistic", "optimistic"}
        Items at exactly the same distance: the expected result over all their orders, matches last, or first.
    max_rank : int, optional
        Length of the histogram and the CMC; the whole gallery by default. It may exceed the gallery: there the
        curve is flat.
    junk_id, distractor_id : int or str, optional
        Gallery items of the first identity are not ranked; those of the second are, and match nobody. No probe may
        have them. None, the default, is neither: every identity is one like any other. Market-1501 has -1 and 0.
    **draws
        Former options of :func:`evaluate_single_shot`, until the next release.

    Returns
    -------
    RetrievalResult

    Raises
    ------
    ArgumentError
        If shapes or types do not fit, features or distances are not finite, a cosine row is zero, cameras are
        missing, or a probe has the junk or distractor identity.

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
    given = {
        "probe_ids": probe_ids,
        "gallery_ids": gallery_ids,
        "probe_cameras": probe_cameras,
        "gallery_cameras": gallery_cameras,
        "metric": metric,
        "junk_id": junk_id,
        "distractor_id": distractor_id,
    }
    if protocol == "single_shot":
        message = "protocol 'single_shot' is now evaluate_single_shot; the old call goes with the next release"
        warnings.warn(message, FutureWarning, stacklevel=2)
        return evaluate_single_shot(probe, gallery, ties=ties, max_rank=max_rank, **({"rng": None} | given | draws))
    search = Search.of(probe, gallery, protocol=protocol, **given, **draws)
    check_ties(ties, max_rank)
    tables = []
    for _, part in search.parts():
        offsets, distances = sorted_matches(part)
        tables.append(probe_statistics(*part.count(offsets, distances), offsets, ties))
    return result_of(tables, search.n_gallery, max_rank)


def evaluate_single_shot(
    probe,
    gallery,
    *,
    probe_ids,
    gallery_ids,
    rng,
    n_draws=10,
    ties="expected",
    max_rank=None,
    **options,
):
    """Evaluate galleries of one item per identity, drawn at random, and average over the draws.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, ties, max_rank
        As in :func:`evaluate_retrieval`.
    rng : numpy.random.Generator
        Source of the draws.
    n_draws : int
        Number of galleries drawn.
    **options
        `probe_cameras`, `gallery_cameras`, `metric`, `junk_id` and `distractor_id` of :func:`evaluate_retrieval`. With
        cameras the probe's own identity is drawn from another one than the probe's.

    Returns
    -------
    RetrievalResult
        The mean over the draws, which its `draws` hold.

    Raises
    ------
    ArgumentError
        As :func:`evaluate_retrieval` does, and if `rng` is not a generator.

    Examples
    --------
    >>> gallery, ids = [[0.1], [9.0], [2.0]], {"probe_ids": [7], "gallery_ids": [7, 7, 8]}
    >>> result = evaluate_single_shot([[0.0]], gallery, **ids, rng=np.random.default_rng(0), n_draws=4)
    >>> [draw.top(1) for draw in result.draws], result.cmc
    ([0.0, 0.0, 0.0, 1.0], array([0.25, 1.  ]))
    """
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(
            f"rng is {rng!r}; protocol 'single_shot' needs a numpy.random.Generator, such as np.random.default_rng(0)"
        )
    filmed = any(options.get(name) is not None for name in ("probe_cameras", "gallery_cameras"))
    options["protocol"] = "cross_camera" if filmed else "all"
    search = Search.of(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, **options)
    check_ties(ties, max_rank)
    draws = [_draw(search, rng, ties, max_rank) for _ in range(check_integer("n_draws", n_draws, minimum=1))]
    arrays = ("ranks", "average_precision", "inverse_negative_penalty", "r_precision", "ranked_histogram", "cmc")
    return RetrievalResult(
        **{name: np.mean([getattr(draw, name) for draw in draws], axis=0) for name in arrays},
        n_probes=draws[0].n_probes,
        n_valid_probes=draws[0].n_valid_probes,
        n_gallery=draws[0].n_gallery,
        draws=tuple(draws),
    )


def _draw(search, rng, ties, max_rank):
    """Evaluate a gallery of one random item per identity."""
    ranked = np.arange(len(search.gallery_ids)) if search.columns is None else search.columns
    identities, of_item, sizes = np.unique(search.gallery_ids[ranked], return_inverse=True, return_counts=True)
    by_identity = ranked[np.argsort(of_item, kind="stable")]
    shown = by_identity[offsets_of(sizes)[:-1] + rng.integers(sizes)]
    drawn = search.narrowed(shown)
    tables = []
    for _, part in drawn.parts():
        offsets, rows = part.match_rows()
        counts = np.diff(offsets)
        found = np.flatnonzero(counts)
        if part.gallery_cameras is None:
            mates = shown[np.searchsorted(identities, part.probe_ids[found])]
        else:
            mates = rows[offsets[found] + rng.integers(counts[found])]
        offsets = offsets_of(counts > 0)
        below, equal = part.count(offsets, part.distances.pairs(found, mates))
        tables.append(probe_statistics(below, equal, offsets, ties))
    return result_of(tables, drawn.n_gallery, max_rank)


def ranked_histogram(probe, gallery, *, probe_ids, gallery_ids, **options):
    """Count the probes whose first match is at each rank: what :func:`cmc_curve` turns into a CMC.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, **options
        As in :func:`evaluate_retrieval`.

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
    metric="euclidean",
    protocol="all",
    junk_id=None,
    **cameras,
):
    """List the `k` nearest gallery items of every probe, as shown in pictures of ranked galleries.

    Parameters
    ----------
    probe, gallery, metric, protocol, junk_id
        As in :func:`evaluate_retrieval`.
    k : int
        Items wanted per probe.
    probe_ids, gallery_ids : array_like of int or str, optional
        Needed for ``"cross_camera"`` and for `junk_id`, which leave items out.
    **cameras
        `probe_cameras` and `gallery_cameras`, as in :func:`evaluate_retrieval`.

    Returns
    -------
    items : ndarray of intp, shape (n_probes, k)
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
    k = check_integer("k", k, minimum=1)
    if protocol == "all" and junk_id is None:  # identities do not matter
        probe_ids = np.zeros(len(probe), np.intp)
        gallery_ids = np.ones(np.shape(probe)[1] if metric == "precomputed" else len(gallery), np.intp)
    labels = {"probe_ids": probe_ids, "gallery_ids": gallery_ids, **cameras}
    search = Search.of(probe, gallery, metric=metric, protocol=protocol, junk_id=junk_id, **labels)
    items, distances = map(np.concatenate, zip(*[part.nearest(k) for _, part in search.parts()], strict=True))
    if metric == "euclidean":
        distances = np.sqrt(distances)
    return items, distances / 2 if metric == "cosine" else distances


def check_ties(ties, max_rank):
    check_choice("ties", ties, TIES)
    if max_rank is not None:
        check_integer("max_rank", max_rank, minimum=1)


def sorted_matches(search):
    """Return offsets and ascending comparison distances of the probes' true matches."""
    offsets, rows = search.match_rows()
    probes = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    distances = search.distances.pairs(probes, rows)
    return offsets, distances[np.lexsort((distances, probes))]


def result_of(tables, n_gallery, max_rank):
    """Build a result from the statistics of consecutive groups of probes."""
    if not n_gallery:
        raise ArgumentError("the gallery holds 0 items to rank; it must hold at least 1 that is not junk")
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    first_tie = columns.pop("first_tie")
    n_ranks = n_gallery if max_rank is None else max_rank
    before, tied, others = first_tie.T
    clear = before[(tied > 0) & (others == 0)]
    histogram = np.bincount(clear[clear < n_ranks], minlength=n_ranks).astype(np.float64)
    for _, ranks, chances in _spread_over_ties(first_tie, n_ranks):
        histogram[ranks] += chances
    return RetrievalResult(
        **columns,
        ranked_histogram=histogram,
        cmc=cmc_curve(histogram, len(first_tie)),
        n_probes=len(first_tie),
        n_valid_probes=int(np.count_nonzero(tied)),
        n_gallery=n_gallery,
        _first_tie=first_tie,
    )


def _spread_over_ties(first_tie, n_ranks):
    """Yield each probe whose first match ties with others, a slice of ranks, and the chance of each of them."""
    before, _, others = first_tie.T
    for probe in np.flatnonzero((others > 0) & (before < n_ranks)):
        start, tied, others_in_tie = first_tie[probe]
        chances = first_of_tie(tied, others_in_tie)[: n_ranks - start]
        yield probe, slice(start, start + len(chances)), chances


def _mean_of_valid(values):
    valid = values[~np.isnan(values)]
    return float(valid.mean()) if len(valid) else float("nan")
