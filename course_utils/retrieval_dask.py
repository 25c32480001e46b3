"""Retrieval against a gallery spread over the workers of a Dask cluster, with exactly the result of one machine."""

from course_utils import retrieval
from course_utils.errors import ArgumentError

__all__ = ["evaluate_on_cluster"]


def evaluate_on_cluster(
    client, probe, shards, *, probe_ids, probe_cameras=None, ties="expected", max_rank=None, **options
):
    """Evaluate a gallery shard by shard on a Dask cluster.

    Two rounds of jobs, one a shard in each: the true matches are found, then everybody else is counted. Only the
    probes, the matches' distances and the counts travel; a shard given as a function is loaded where it is used.
    Dask runs the jobs of a lost worker again.

    Parameters
    ----------
    client : distributed.Client
        The cluster.
    probe : array_like, shape (n_probes, n_features)
        One feature row a probe.
    shards : sequence of dict or callable
        Each shard is ``{"gallery": features, "gallery_ids": ids}``, with ``"gallery_cameras"`` if the protocol reads
        them; or a function without arguments that returns one, called once a round on a worker.
    probe_ids : array_like of int or str
        Identities of the probes.
    probe_cameras : array_like of int or str, optional
        As in :func:`course_utils.retrieval.evaluate_retrieval`.
    ties : {"expected", "pessimistic", "optimistic"}
        As in :func:`course_utils.retrieval.evaluate_retrieval`.
    max_rank : int, optional
        As in :func:`course_utils.retrieval.evaluate_retrieval`.
    **options
        Further options of :func:`course_utils.retrieval.count_shard`: metric, protocol, junk_id, distractor_id.

    Returns
    -------
    course_utils.retrieval.RetrievalResult

    Raises
    ------
    ArgumentError
        If there are no shards, or as :func:`course_utils.retrieval.count_shard` does on a worker.

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
    return retrieval.merge(counts, ties=ties, max_rank=max_rank)


def _find(shard, fixed):
    return retrieval.find_matches(**fixed, **_load(shard))


def _count(shard, fixed, matches):
    return retrieval.count_shard(**fixed, **_load(shard), matches=matches)


def _load(shard):
    return shard() if callable(shard) else shard
