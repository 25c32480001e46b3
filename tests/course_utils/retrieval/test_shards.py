"""A gallery on two local workers gives the same numbers as on one machine."""

import functools

import numpy as np
import pytest

distributed = pytest.importorskip("distributed")

from course_utils.errors import ArgumentError  # noqa: E402
from course_utils.retrieval import evaluate_on_cluster, evaluate_retrieval  # noqa: E402


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workers")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, local_directory=folder
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((500, 8)).astype(np.float32)
    gallery[250:] = gallery[:250]  # equal items on different shards must tie
    return {
        "probe": rng.standard_normal((40, 8)).astype(np.float32),
        "gallery": gallery,
        "probe_ids": rng.integers(1, 20, 40),
        "gallery_ids": rng.integers(-1, 20, 500),
        "probe_cameras": rng.integers(0, 3, 40),
        "gallery_cameras": rng.integers(0, 3, 500),
    }


def shards_of(case):
    names = ("gallery", "gallery_ids", "gallery_cameras")
    return [{name: case[name][part] for name in names} for part in np.array_split(np.arange(500), [130, 140, 333])]


def load_shard(path):
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("given_as", ["arrays", "functions that load a file"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_two_workers_give_exactly_the_result_of_one_machine(client, case, metric, given_as, tmp_path):
    options = {"metric": metric, "protocol": "cross_camera", "junk_id": -1, "ties": "expected"}
    shards = shards_of(case)
    if given_as != "arrays":
        for index, shard in enumerate(shards):
            np.savez(tmp_path / f"{index}.npz", **shard)
        shards = [functools.partial(load_shard, tmp_path / f"{index}.npz") for index in range(len(shards))]
    probes = {name: case[name] for name in ("probe_ids", "probe_cameras")}
    result = evaluate_on_cluster(client, case["probe"], shards, **probes, **options)
    alone = evaluate_retrieval(**case, **options)
    for name in ("ranks", "average_precision", "inverse_negative_penalty", "r_precision", "ranked_histogram", "cmc"):
        np.testing.assert_array_equal(getattr(result, name), getattr(alone, name), err_msg=name)
    assert result.n_gallery == alone.n_gallery
    assert (result.ranks % 1 != 0).any()


def test_errors_arrive_with_their_message(client, case):
    with pytest.raises(ArgumentError, match="shards is empty"):
        evaluate_on_cluster(client, case["probe"], [], probe_ids=case["probe_ids"])
    shards = [shard | {"gallery_cameras": None} for shard in shards_of(case)]
    shards[1]["gallery"] = np.full_like(shards[1]["gallery"], np.nan)
    with pytest.raises(ArgumentError, match=r"gallery\[0\] holds nan"):
        evaluate_on_cluster(client, case["probe"], shards, probe_ids=case["probe_ids"])
