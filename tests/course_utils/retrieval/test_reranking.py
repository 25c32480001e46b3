"""k-reciprocal re-ranking against sets and loops, and what it is for: matches reached over others."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import retrieval
from course_utils.errors import ArgumentError
from course_utils.retrieval import evaluate_retrieval, k_reciprocal, reranking


def brute_force(probe, gallery, k1, k2, weight, metric):
    """The paper, with one set for each neighbourhood."""
    items = np.concatenate([probe, gallery]).astype(np.float64)
    if metric == "cosine":
        items /= np.linalg.norm(items, axis=1, keepdims=True)
    n = len(items)
    distances = ((items[:, None] - items) ** 2).sum(axis=2)
    scaled = distances / distances.max(axis=1, keepdims=True)
    lists = [[i, *(j for j in np.argsort(distances[i], kind="stable") if j != i)] for i in range(n)]

    def mutual(i, k):
        return {j for j in lists[i][: k + 1] if i in lists[j][: k + 1]}

    codes = np.zeros((n, n))
    for i in range(n):
        own = mutual(i, k1)
        expanded = set(own)
        for j in own:
            other = mutual(j, round(k1 / 2))
            if len(other & own) > 2 / 3 * len(other):
                expanded |= other
        for j in expanded:
            codes[i, j] = np.exp(-scaled[i, j])
        codes[i] /= codes[i].sum()
    codes = np.array([codes[lists[i][:k2]].mean(axis=0) for i in range(n)])
    p, g = codes[: len(probe)], codes[len(probe) :]
    jaccard = 1 - np.minimum(p[:, None], g).sum(axis=2) / np.maximum(p[:, None], g).sum(axis=2)
    return (1 - weight) * jaccard + weight * scaled[: len(probe), len(probe) :]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    n_probes=st.integers(1, 6),
    n_gallery=st.integers(1, 25),
    k1=st.integers(1, 12),
    k2=st.integers(1, 5),
    weight=st.sampled_from([0.0, 0.3, 1.0]),
    metric=st.sampled_from(["euclidean", "cosine"]),
)
def test_agrees_with_sets_and_loops(seed, n_probes, n_gallery, k1, k2, weight, metric):
    rng = np.random.default_rng(seed)
    probe, gallery = rng.standard_normal((n_probes, 4)), 3 + rng.standard_normal((n_gallery, 4))
    ours = k_reciprocal(probe, gallery, k1=k1, k2=k2, original_weight=weight, metric=metric)
    assert ours.shape == (n_probes, n_gallery)
    np.testing.assert_allclose(ours[:], brute_force(probe, gallery, k1, k2, weight, metric), atol=2e-5)


def test_reranking_helps_where_neighbourhoods_are_clearer_than_distances():
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((60, 16))
    gallery_ids = np.repeat(np.arange(60), 10)
    gallery = centres[gallery_ids] + 0.8 * rng.standard_normal((600, 16))
    probe = centres + 0.8 * rng.standard_normal((60, 16))
    ids = {"probe_ids": np.arange(60), "gallery_ids": gallery_ids}
    plain = evaluate_retrieval(probe, gallery, **ids).mean_average_precision
    reranked = evaluate_retrieval(k_reciprocal(probe, gallery, k1=10, k2=4), None, **ids, metric="precomputed")
    assert 0.5 < plain < reranked.mean_average_precision - 0.1


def test_rows_may_be_read_in_any_blocks(monkeypatch):
    rng = np.random.default_rng(1)
    probe, gallery = rng.standard_normal((30, 6)), rng.standard_normal((90, 6))
    whole = k_reciprocal(probe, gallery)[:]
    monkeypatch.setattr(reranking, "_ROWS", 7)
    distances = k_reciprocal(probe, gallery)
    assert len(distances) == 30
    assert distances.dtype == whole.dtype == np.float32
    parts = np.concatenate([distances[start : start + 11] for start in range(0, 30, 11)])
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_memory_does_not_grow_with_the_square():
    rng = np.random.default_rng(2)
    centres = rng.standard_normal((400, 8))
    probe, gallery = (centres[rng.integers(0, 400, n)] + 0.1 * rng.standard_normal((n, 8)) for n in (500, 6000))
    tracemalloc.start()
    distances = k_reciprocal(probe, gallery, k1=8, k2=3)
    assert distances[0:10].shape == (10, 6000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6 < 4 * 6500**2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metric": "l1"}, "metric is 'l1'; it must be one of 'euclidean', 'cosine'"),
        ({"k1": 0}, "k1 is 0"),
        ({"k2": 1.5}, "k2 is 1.5"),
        ({"original_weight": 2}, "original_weight is 2; it must be a number from 0 to 1"),
        ({"gallery": np.ones((3, 5))}, "gallery rows have 5 features, probe rows have 2"),
        ({"probe": [[np.nan, 1]]}, r"probe\[0\] holds nan"),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        k_reciprocal(**{"probe": np.ones((2, 2)), "gallery": np.ones((3, 2))} | change)
    with pytest.raises(ArgumentError, match="rows is 3; it must be a slice"):
        k_reciprocal(np.ones((2, 2)), np.ones((3, 2)))[3]


def test_the_old_addresses_warn_and_work():
    from course_utils import reranking as moved
    from course_utils import retrieval_dask

    for module, names in ((moved, ["RerankedDistances", "k_reciprocal"]), (retrieval_dask, ["evaluate_on_cluster"])):
        for name in names:
            with pytest.warns(FutureWarning, match=f"is now course_utils.retrieval.{name}"):
                assert getattr(module, name) is getattr(retrieval, name)
