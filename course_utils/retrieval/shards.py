"""A gallery in parts, on one machine or on many: the parts' counts add up to exactly the result of the whole."""

import zlib
from dataclasses import dataclass

import numpy as np

from course_utils.errors import ArgumentError, check_choice
from course_utils.retrieval.counting import Places, offsets_of
from course_utils.retrieval.evaluation import TIES, cut_short, parts_with_matches, result_of
from course_utils.retrieval.search import Search

__all__ = ["Matches", "ShardCounts", "count_shard", "evaluate_on_cluster", "find_matches", "merge"]


@dataclass(frozen=True, eq=False)
class Matches:
    """The distances of probes to their true matches, as :func:`find_matches` finds them in one gallery shard.

    Attributes
    ----------
    offsets : ndarray of intp, shape (n_probes + 1,)
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
    offsets : ndarray of intp, shape (n_probes + 1,)
        As in :class:`Matches`, over all shards.
    below, equal : ndarray of intp, shape (n_matches,)
        Non-matching items of this shard nearer to the probe than the match, and exactly as near.
    n_gallery : int
        Items ranked in this shard.
    probe_ids : ndarray of int or str, shape (n_probes,)
        The probes' identities.
    fingerprint : int
        Checksum of the matches counted against; shards merge only if it is the same.
    """

    offsets: np.ndarray
    below: np.ndarray
    equal: np.ndarray
    n_gallery: int
    probe_ids: np.ndarray
    fingerprint: int


def find_matches(probe, gallery, *, probe_ids, gallery_ids, **options):
    """Find the probes' true matches in one gallery shard: the first of two steps over shards.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, **options
        As in :func:`evaluate_retrieval`, but for `ties`; the gallery is one shard, of any size.

    Returns
    -------
    Matches
        Give those of all shards to :func:`count_shard`.

    Examples
    --------
    >>> find_matches([[0.0]], [[1.0], [3.0]], probe_ids=[7], gallery_ids=[8, 7]).distances
    array([9.])
    """
    search = Search.of(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, **options)
    offsets, distances = zip(*[matches for _, matches in parts_with_matches(search)], strict=True)
    return Matches(offsets_of(np.concatenate([np.diff(part) for part in offsets])), np.concatenate(distances))


def count_shard(probe, gallery, *, matches, probe_ids, gallery_ids, **options):
    """Count one gallery shard's items before each true match: the second of two steps over shards.

    Parameters
    ----------
    probe, gallery, probe_ids, gallery_ids, **options
        As in :func:`find_matches`, with the same probes in the same order for all shards.
    matches : Matches or sequence of Matches
        What :func:`find_matches` returned for *all* shards.

    Returns
    -------
    ShardCounts

    Examples
    --------
    >>> probe, ids = [[0.0], [2.2]], [7, 8]
    >>> shards = [([[1.0], [3.0]], [8, 7]), ([[2.0]], [8])]
    >>> matches = [find_matches(probe, x, probe_ids=ids, gallery_ids=y) for x, y in shards]
    >>> counts = [count_shard(probe, x, matches=matches, probe_ids=ids, gallery_ids=y) for x, y in shards]
    >>> merge(counts).ranks
    array([2., 0.])
    """
    search = Search.of(probe, gallery, probe_ids=probe_ids, gallery_ids=gallery_ids, **options)
    matches = _join([matches] if isinstance(matches, Matches) else list(matches), len(search.probe_ids))
    counts = []
    for probes, part in search.parts():
        offsets = matches.offsets[probes.start : probes.stop + 1]
        counts.append(part.count(offsets - offsets[0], matches.distances[offsets[0] : offsets[-1]]))
    below, equal = np.concatenate(counts, axis=1)
    fingerprint = zlib.crc32(matches.distances, zlib.crc32(matches.offsets))
    return ShardCounts(matches.offsets, below, equal, search.n_gallery, search.probe_ids, fingerprint)


def _join(parts, n_probes):
    """Join the matches found in several shards, each probe's in ascending order."""
    if not parts:
        raise ArgumentError("matches is empty; it must hold the matches of at least one shard")
    for part in parts:
        if len(part.offsets) != n_probes + 1:
            raise ArgumentError(f"matches are of {len(part.offsets) - 1} probes; probe has {n_probes} rows")
    counts = sum(np.diff(part.offsets) for part in parts)
    probes = np.concatenate([np.repeat(np.arange(n_probes), np.diff(part.offsets)) for part in parts])
    distances = np.concatenate([part.distances for part in parts])
    return Matches(offsets_of(counts), distances[np.lexsort((distances, probes))])


def merge(partials, *, ties="expected", max_rank=None):
    """Add up the counts of all gallery shards: exactly the result of evaluating the whole gallery.

    Parameters
    ----------
    partials : sequence of ShardCounts
        One per shard, in any order, all counted against the same matches.
    ties
        As in :func:`evaluate_retrieval`.
    max_rank : int, optional
        Former option, until the next release.

    Returns
    -------
    RetrievalResult

    Examples
    --------
    Of one shard; :func:`count_shard` shows several.

    >>> matches = find_matches([[0.0]], [[1.0], [3.0]], probe_ids=[7], gallery_ids=[8, 7])
    >>> part = count_shard([[0.0]], [[1.0], [3.0]], matches=matches, probe_ids=[7], gallery_ids=[8, 7])
    >>> merge([part]).ranks
    array([1.])
    """
    partials = list(partials)
    check_choice("ties", ties, TIES)
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
    places = Places.of(below, equal, partials[0].offsets, ties)
    n_gallery = sum(partial.n_gallery for partial in partials)
    return cut_short(result_of([places], partials[0].probe_ids, n_gallery), max_rank)


def evaluate_on_cluster(
    client, probe, shards, *, probe_ids, probe_cameras=None, ties="expected", max_rank=None, **options
):
    """Evaluate a gallery shard by shard on a Dask cluster.

    Two rounds of jobs, one per shard in each: the true matches are found, then everybody else is counted. Only the
    probes, the matches' distances and the counts travel; a shard given as a function is loaded where it is used.
    Dask runs the jobs of a lost worker again.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    probe, probe_ids, probe_cameras, ties
        As in :func:`evaluate_retrieval`.
    shards : sequence of dict or callable
        Each shard is ``{"gallery": features, "gallery_ids": ids}``, with ``"gallery_cameras"`` if the protocol reads
        them; or a function without arguments that returns one, called once per round on a worker.
    max_rank : int, optional
        Former option, until the next release.
    **options
        `metric`, `protocol`, `junk_id`, `distractor_id` and `conventions` of :func:`evaluate_retrieval`.

    Returns
    -------
    RetrievalResult

    Examples
    --------
    >>> from distributed import Client, LocalCluster
    >>> shards = [
    ...     {"gallery": [[1.0], [3.0]], "gallery_ids": [8, 7]},
    ...     {"gallery": [[2.0]], "gallery_ids": [8]},
    ... ]
    >>> cluster = LocalCluster(n_workers=1, processes=False, dashboard_address=None)
    >>> with cluster, Client(cluster) as client:
    ...     evaluate_on_cluster(client, [[0.0], [2.2]], shards, probe_ids=[7, 8]).ranks
    array([2., 0.])
    """
    shards = list(shards)
    if not shards:
        raise ArgumentError("shards is empty; it must hold at least one shard of the gallery")
    fixed = {"probe": probe, "probe_ids": probe_ids, "probe_cameras": probe_cameras} | options
    # In lists of one: what is inside a bare dict or list would be scattered one by one.
    (fixed,) = client.scatter([fixed], broadcast=True, hash=False)
    galleries = [shard if callable(shard) else client.scatter([shard], hash=False)[0] for shard in shards]
    matches = client.gather(client.map(_find, galleries, fixed=fixed, pure=False))
    (matches,) = client.scatter([matches], broadcast=True, hash=False)
    counts = client.gather(client.map(_count, galleries, fixed=fixed, matches=matches, pure=False))
    return merge(counts, ties=ties, max_rank=max_rank)


def _find(shard, fixed):
    return find_matches(**fixed, **_load(shard))


def _count(shard, fixed, matches):
    return count_shard(**fixed, **_load(shard), matches=matches)


def _load(shard):
    return shard() if callable(shard) else shard
