"""The distance as it is defined, and the bound on the fast one's error."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from course_utils.retrieval.distances import Features


def all_pairs(probe, gallery, metric):
    rows = np.indices((len(probe), len(gallery))).reshape(2, -1)
    return Features(probe, gallery, metric).pairs(*rows).reshape(len(probe), -1)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "l1"])
@pytest.mark.parametrize("n_features", [1, 7, 200, 9001])
def test_a_distance_depends_on_its_two_rows_only(metric, n_features):
    """The same bits wherever the rows stand, in batches of any size: what makes ties and shards exact."""
    rng = np.random.default_rng(0)
    probe = rng.standard_normal((3, n_features)).astype(np.float32)
    gallery = rng.standard_normal((40, n_features)).astype(np.float32)
    together = all_pairs(probe, gallery, metric)
    for start in range(0, 39, 13):
        alone = np.stack([all_pairs(probe, gallery[[item]], metric)[:, 0] for item in range(start, start + 2)], 1)
        np.testing.assert_array_equal(alone, together[:, start : start + 2])
    order = rng.permutation(40)
    np.testing.assert_array_equal(all_pairs(probe, gallery[order], metric), together[:, order])
    name = {"euclidean": "sqeuclidean", "l1": "cityblock"}.get(metric, metric)
    expected = cdist(probe, gallery, name) * (2 if metric == "cosine" else 1)
    np.testing.assert_allclose(together, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "l1"])
@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e4])
@pytest.mark.parametrize("n_features", [3, 500])
def test_the_screen_keeps_its_bound(metric, spread, n_features):
    """For every pair, the screened value lies inside the interval given for the pair's exact distance."""
    rng = np.random.default_rng(2)
    probe, gallery = (5 + spread * rng.standard_normal((n, n_features)) for n in (9, 300))
    gallery[:9] = probe
    gallery[9:40] *= rng.choice([1e-6, 1e-2, 30], (31, 1))
    (block,) = Features(probe, gallery, metric).blocks(np.arange(9), None)
    (tile,) = block.tiles()
    values = block.values(tile)
    lower, upper = block.bounds(np.repeat(np.arange(9), 300), all_pairs(probe, gallery, metric).ravel())
    assert (lower <= values.ravel()).all()
    assert (values.ravel() < upper).all()
