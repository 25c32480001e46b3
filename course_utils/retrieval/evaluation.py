"""How well the gallery is ranked for each probe: the ways to find out."""

import warnings
from dataclasses import replace

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer
from course_utils.retrieval.counting import Places, offsets_of
from course_utils.retrieval.result import RetrievalResult
from course_utils.retrieval.search import Search

__all__ = [
    "cmc_curve",
    "evaluate_retrieval",
    "evaluate_single_shot",
    "rank_gallery",
    "ranked_histogram",
]

TIES = ("expected", "pessimistic", "optimistic")


def evaluate_retrieval(
    probe,
    gallery=None,
    *,
    probe_ids,
    gallery_ids=None,
    probe_cameras=None,
    gallery_cameras=None,
    metric="euclidean",
    protocol="all",
    ties="expected",
    junk_id=None,
    distractor_id=None,
    conventions=None,
    **former,
):
    """Rank the gallery for every probe and measure how well the true matches are placed.

    Parameters
    ----------
    probe : array_like, shape (n_probes, n_features)
        One feature row per probe. With ``metric="precomputed"`` the distances, shape (n_probes, n_gallery); only
        blocks of rows are read from it, so a ``numpy.memmap`` may be larger than memory.
    gallery : array_like, shape (n_gallery, n_features), optional
        One feature row per gallery item. Without `gallery` and `gallery_ids` the probes are the gallery too, and each
        is compared with all the others, never with itself. None with ``metric="precomputed"``.
    probe_ids, gallery_ids : array_like of int or str
        Identities, one per row: lists, arrays, or columns of a pandas table.
    probe_cameras, gallery_cameras : array_like of int or str, optional
        Cameras, one per row. Needed for ``"cross_camera"``, not read by ``"all"``.
    metric : {"euclidean", "cosine", "l1", "precomputed"}
        How far apart two rows are.
    protocol : {"all", "cross_camera"}
        ``"all"``: every gallery item is ranked. ``"cross_camera"``, as for Market-1501 (Zheng et al. 2015): items
        of the probe's identity *and* camera are ignored.
    ties : {"expected", "pessimistic", "optimistic"}
        Items at exactly the same distance: the expected result over all their orders, matches last, or first.
    junk_id, distractor_id : int or str, optional
        Gallery items of the first identity are not ranked; those of the second are, and match nobody. No probe may
        have them. None, the default, is neither: every identity is one like any other.
    conventions : {"market1501"}, optional
        Sets both: -1 is junk and 0 the distractors.
    **former
        Options of earlier releases, each with a warning that says what to write now.

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
    Beside the features it takes memory for one block of distances, and 12 bytes for each pair of a probe and a match.

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
    2 probes (0 without a match) in a gallery of 4
    mAP 0.583  mAP@R 0.250  MRR 0.667
    mINP 0.500  R-precision 0.250  nDCG 0.724
                  @1
    top        0.500
    precision  0.500
    recall     0.250
    nDCG       0.500
    mAP        0.500
    MRR        0.500
    >>> result.mean("recall@3")
    0.5

    Each animal's photographs among all the others:

    >>> evaluate_retrieval([[0.0], [0.3], [1.0], [1.2]], probe_ids=["Ada", "Ada", "Bea", "Bea"]).top(1)
    1.0

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
        "conventions": conventions,
    }
    if protocol == "single_shot":
        message = "protocol 'single_shot' is now evaluate_single_shot; the old call goes with the next release"
        warnings.warn(message, FutureWarning, stacklevel=2)
        return evaluate_single_shot(probe, gallery, ties=ties, **({"rng": None} | given | former))
    max_rank = former.pop("max_rank", None)
    search = Search.of(probe, gallery, protocol=protocol, **given, **former)
    check_choice("ties", ties, TIES)
    places = [Places.of(*part.count(*matches), matches[0], ties) for part, matches in parts_with_matches(search)]
    return cut_short(result_of(places, search.probe_ids, search.n_gallery), max_rank)


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
    probe, gallery, probe_ids, gallery_ids, ties
        As in :func:`evaluate_retrieval`; the gallery is needed.
    rng : numpy.random.Generator
        Source of the draws.
    n_draws : int
        Number of galleries drawn.
    max_rank : int, optional
        Former option, until the next release.
    **options
        `probe_cameras`, `gallery_cameras`, `metric`, `junk_id`, `distractor_id` and `conventions` of
        :func:`evaluate_retrieval`. With cameras the probe's own identity is drawn from another one than the probe's.

    Returns
    -------
    RetrievalResult
        The mean over the draws, which its `draws` hold.

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
    if gallery_ids is None:
        raise ArgumentError("gallery_ids is None; evaluate_single_shot needs a gallery to draw from")
    search = Search.of(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, **options)
    check_choice("ties", ties, TIES)
    draws = [_draw(search, rng, ties) for _ in range(check_integer("n_draws", n_draws, minimum=1))]
    arrays = ("ranks", "average_precision", "inverse_negative_penalty", "r_precision", "ranked_histogram", "cmc")
    means = {name: np.mean([getattr(draw, name) for draw in draws], axis=0) for name in arrays}
    return cut_short(replace(draws[0], **means, draws=tuple(draws), places=None), max_rank)


def _draw(search, rng, ties):
    """Evaluate a gallery of one random item per identity."""
    ranked = np.arange(len(search.gallery_ids)) if search.columns is None else search.columns
    identities, of_item, sizes = np.unique(search.gallery_ids[ranked], return_inverse=True, return_counts=True)
    by_identity = ranked[np.argsort(of_item, kind="stable")]
    shown = by_identity[offsets_of(sizes)[:-1] + rng.integers(sizes)]
    drawn = search.narrowed(shown)
    places = []
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
        places.append(Places.of(below, equal, offsets, ties))
    return result_of(places, search.probe_ids, drawn.n_gallery)


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
    gallery=None,
    *,
    k,
    probe_ids=None,
    gallery_ids=None,
    metric="euclidean",
    protocol="all",
    junk_id=None,
    **options,
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
    **options
        `probe_cameras`, `gallery_cameras`, `distractor_id` and `conventions` of :func:`evaluate_retrieval`.

    Returns
    -------
    items : ndarray of intp, shape (n_probes, k)
        Positions in the gallery, nearest first, equally near ones in the gallery's order; -1 where there are fewer.
    distances : ndarray of float64, shape (n_probes, k)
        Their distances; for ``"cosine"`` one minus the cosine. NaN where there is no item.

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
    if protocol == "all" and junk_id is None and options.get("conventions") is None:  # identities do not matter
        search = Search.unlabelled(probe, gallery, metric, **options | {"distractor_id": None})
    else:
        labels = {"probe_ids": probe_ids, "gallery_ids": gallery_ids, **options}
        search = Search.of(probe, gallery, metric=metric, protocol=protocol, junk_id=junk_id, **labels)
    items, distances = map(np.concatenate, zip(*[part.nearest(k) for _, part in search.parts()], strict=True))
    return items, plain_distances(distances, metric)


def plain_distances(distances, metric):
    """Turn comparison distances into what people call euclidean and cosine distance."""
    return {"euclidean": np.sqrt, "cosine": lambda squared: squared / 2}.get(metric, np.asarray)(distances)


def sorted_matches(search):
    """Return offsets and ascending comparison distances of the probes' true matches."""
    offsets, rows = search.match_rows()
    probes = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    distances = search.distances.pairs(probes, rows)
    return offsets, distances[np.lexsort((distances, probes))]


def parts_with_matches(search):
    """Yield the search of each group of probes, with the offsets and distances of their matches."""
    for _, part in search.parts():
        yield part, sorted_matches(part)


def result_of(places, probe_ids, n_gallery):
    """Build a result from the places of consecutive groups of probes."""
    if not n_gallery:
        raise ArgumentError("the gallery holds 0 items to rank; it must hold at least 1 that is not junk")
    places = Places.join(places)
    before, tied, others = places.first.T
    histogram = np.bincount(before[(tied > 0) & (others == 0)], minlength=n_gallery).astype(np.float64)
    for _, ranks, chances in places.tied_firsts(n_gallery):
        histogram[ranks] += chances
    with np.errstate(divide="ignore", invalid="ignore"):
        return RetrievalResult(
            ranks=places.ranks(),
            average_precision=places.precisions() / places.n_matches,
            inverse_negative_penalty=places.inverse_negative_penalty(),
            r_precision=places.found(places.n_matches) / places.n_matches,
            ranked_histogram=histogram,
            cmc=cmc_curve(histogram, len(tied)),
            n_probes=len(tied),
            n_valid_probes=int(np.count_nonzero(tied)),
            n_gallery=n_gallery,
            probe_ids=probe_ids,
            places=places,
        )


def cut_short(result, max_rank):
    """Give histogram and CMC the length that was asked for, as former releases did."""
    if max_rank is None:
        return result
    max_rank = check_integer("max_rank", max_rank, minimum=1)
    message = "max_rank goes with the next release; slice the result's arrays instead: result.cmc[:20]"
    warnings.warn(message, FutureWarning, stacklevel=3)
    histogram = np.append(result.ranked_histogram, np.zeros(max(0, max_rank - result.n_gallery)))[:max_rank]
    return replace(result, ranked_histogram=histogram, cmc=cmc_curve(histogram, result.n_probes))
