"""Verification and open sets: against scikit-learn's ROC curve, brute force, and cases worked by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from course_utils.errors import ArgumentError
from course_utils.retrieval import evaluate_retrieval, open_set, verification, verify_pairs
from tests.course_utils.retrieval.test_evaluation import medium_case, true_distances


@pytest.mark.parametrize("n_values", [4, 10_000])
def test_scikit_learns_roc_curve_agrees(n_values):
    rng = np.random.default_rng(0)
    same = rng.random(500) < 0.3
    distances = rng.integers(0, n_values, 500) - same * n_values // 4
    result = verify_pairs(distances, same)
    fpr, tpr, _ = roc_curve(same, -distances)
    for rate in (0, 0.01, 0.1, 0.37, 1):
        assert result.tpr_at(rate) == pytest.approx(tpr[fpr <= rate].max())
        assert result.fnmr_at(rate) == pytest.approx(1 - tpr[fpr <= rate].max())
    assert result.auc == pytest.approx(roc_auc_score(same, -distances))
    fmr, fnmr = result.det()
    for threshold, false_match, false_non_match in zip(result.thresholds, fmr, fnmr, strict=True):
        assert false_match == np.mean(distances[~same] <= threshold)
        assert false_non_match == pytest.approx(np.mean(distances[same] > threshold))
    assert np.interp(0, (fmr - fnmr), fmr) == pytest.approx(result.equal_error_rate, abs=0.15)


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "precomputed"])
@pytest.mark.parametrize("protocol", ["all", "cross_camera"])
def test_all_pairs_are_the_pairs_written_out(metric, protocol):
    case = medium_case(1)
    distances = true_distances(case["probe"], case["gallery"], "cosine" if metric == "cosine" else "euclidean")
    shown = {"euclidean": np.sqrt(distances), "cosine": distances / 2, "precomputed": distances}[metric]
    keep = np.broadcast_to(case["gallery_ids"] != -1, distances.shape).copy()
    same = case["probe_ids"][:, None] == case["gallery_ids"]
    if protocol == "cross_camera":
        keep &= ~(same & (case["probe_cameras"][:, None] == case["gallery_cameras"]))
    if metric == "precomputed":
        case["probe"], case["gallery"] = distances, None
    result = verification(**case, metric=metric, protocol=protocol, junk_id=-1)
    expected = verify_pairs(shown[keep], same[keep])
    assert (result.n_genuine, result.n_impostors) == (expected.n_genuine, expected.n_impostors)
    assert result.auc == pytest.approx(expected.auc)
    for rate in (0.001, 0.05, 0.3):
        assert result.fnmr_at(rate) == pytest.approx(expected.fnmr_at(rate))
        assert result.threshold_at(rate) == pytest.approx(expected.threshold_at(rate), nan_ok=True)


def test_without_a_gallery_each_pair_counts_once():
    x, ids = np.random.default_rng(0).standard_normal((40, 3)), np.repeat(np.arange(8), 5)
    result = verification(x, probe_ids=ids)
    rows, columns = np.triu_indices(40, 1)
    expected = verify_pairs(np.sqrt(true_distances(x, x, "euclidean"))[rows, columns], ids[rows] == ids[columns])
    assert (result.n_genuine, result.n_impostors) == (80, 700)
    assert result.auc == pytest.approx(expected.auc)
    assert str(result).startswith("80 genuine and 700 impostor pairs: EER")


def test_no_threshold_is_low_enough():
    result = verify_pairs([0.5, 0.1], [True, False])
    assert result.fnmr_at(0) == 1
    assert np.isnan(result.threshold_at(0))


@pytest.mark.parametrize(
    ("distances", "same", "message"),
    [
        ([1.0, np.nan], [True, False], r"distances\[1\] is nan"),
        ([1.0, 2.0], [True], "distances has shape"),
        ([1.0, 2.0], [1, 0], "same must hold booleans"),
        ([1.0, 2.0], [True, True], "there is no impostor pair"),
        ([1.0, 2.0], [False, False], "there is no genuine pair"),
    ],
)
def test_bad_pairs_are_named(distances, same, message):
    with pytest.raises(ArgumentError, match=message):
        verify_pairs(distances, same)
    with pytest.raises(ArgumentError, match="fmr is 2"):
        verify_pairs([1.0, 2.0], [True, False]).fnmr_at(2)


# --- Open sets --------------------------------------------------------------------------------------------------------


def test_an_open_set_is_what_brute_force_says():
    case = medium_case(2)
    case["gallery_ids"] = np.where(np.abs(case["gallery_ids"]) % 2, np.abs(case["gallery_ids"]), 99)
    case = {name: case[name] for name in ("probe", "gallery", "probe_ids", "gallery_ids")}
    result = open_set(**case)
    distances = np.sqrt(true_distances(case["probe"], case["gallery"], "euclidean"))
    same = case["probe_ids"][:, None] == case["gallery_ids"]
    mated = same.any(axis=1)
    assert (result.n_mated, result.n_unmated) == (mated.sum(), (~mated).sum())
    assert min(result.n_mated, result.n_unmated) > 10
    mate = np.where(same, distances, np.inf).min(axis=1)
    others = np.where(same, np.inf, distances)
    ranks = (others <= mate[:, None]).sum(axis=1)
    np.testing.assert_array_equal(result.ranks[mated], ranks[mated])
    for threshold in np.quantile(distances, [0.001, 0.01, 0.1]):
        for rank in (1, 5):
            detection, far = result.rates_at(threshold, rank=rank)
            assert detection == ((mate <= threshold) & (ranks < rank))[mated].mean()
            assert far == (distances[~mated].min(axis=1) <= threshold).mean()
    for rate in (0, 0.1, 0.5):
        assert result.rates_at(result.threshold_at(rate))[1] <= rate
        higher = np.nextafter(result.threshold_at(rate), np.inf)
        assert result.rates_at(higher)[1] > rate  # no larger threshold would do
    rates, detection = result.curve(rank=3)
    assert (np.diff(detection) >= 0).all()
    assert (rates[0], rates[-1]) == (0, 1)
    closed = evaluate_retrieval(**case, ties="pessimistic")
    assert detection[-1] == pytest.approx(closed.top(3) * 60 / result.n_mated)
    assert "without a mate\ndetected and identified" in str(result)


@pytest.mark.parametrize("ids", [[1, 2], [8, 9]])
def test_an_open_set_has_probes_of_both_kinds(ids):
    with pytest.raises(ArgumentError, match="of 2 probes have a match in the gallery; an open set needs"):
        open_set([[0.0], [1.0]], [[0.0], [1.0]], probe_ids=ids, gallery_ids=[1, 2])


def test_animals_seen_once_are_the_unmated_of_their_own_set():
    result = open_set([[0.0], [0.1], [5.0]], probe_ids=["Ada", "Ada", "Bea"])
    assert (result.n_mated, result.n_unmated) == (2, 1)
    assert result.detection_rate(0) == 1
    with pytest.raises(ArgumentError, match="rank is 0"):
        result.detection_rate(0, rank=0)
    with pytest.raises(ArgumentError, match="far is -1"):
        result.threshold_at(-1)
