"""Graded relevance, against scikit-learn."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import ndcg_score

from course_utils.errors import ArgumentError
from course_utils.retrieval import ndcg
from tests.course_utils.retrieval.test_evaluation import medium_case, true_distances


@pytest.mark.parametrize("k", [None, 1, 10])
@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_scikit_learn_agrees(k, metric, kind):
    case = medium_case(0)
    relevance = np.random.default_rng(0).integers(0, 4, (60, 400)) * (np.arange(400) % 3 == 0)
    relevance[5] = 0
    distances = true_distances(case["probe"], case["gallery"], "euclidean")
    features = (distances, None) if metric == "precomputed" else (case["probe"], case["gallery"])
    values = ndcg(*features, relevance=kind(relevance), k=k, metric=metric)
    assert np.isnan(values[5])
    rows = np.arange(60) != 5
    expected = [ndcg_score([r], [-d], k=k) for r, d in zip(relevance[rows], distances[rows], strict=True)]
    np.testing.assert_allclose(values[rows], expected, rtol=1e-9)


def test_each_against_all_others():
    x = np.random.default_rng(1).standard_normal((20, 3))
    relevance = np.random.default_rng(2).integers(0, 3, (20, 20))
    values = ndcg(x, relevance=relevance, k=5)
    distances = true_distances(x, x, "euclidean")
    for i in range(20):
        others = np.arange(20) != i
        assert values[i] == pytest.approx(ndcg_score([relevance[i, others]], [-distances[i, others]], k=5))


@pytest.mark.parametrize(
    ("relevance", "k", "message"),
    [
        ([[1, 2]], None, r"relevance has shape \(1, 2\) .* shape \(1, 3\)"),
        ([[1, -2, 0]], None, r"relevance\[0, 1\] is -2; it must be finite and at least 0"),
        ([[1, np.nan, 0]], None, r"relevance\[0, 1\] is nan"),
        ([["a", "b", "c"]], None, "relevance has shape"),
        ([[1, 2, 3]], 4, "k is 4; it must be an integer from 1 to 3"),
    ],
)
def test_bad_relevance_is_named(relevance, k, message):
    with pytest.raises(ArgumentError, match=message):
        ndcg([[0.0]], [[1.0], [2.0], [3.0]], relevance=relevance, k=k)
