"""Retrieval evaluation: against brute force, against hand-worked cases, and under all that must not matter."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.errors import ArgumentError
from course_utils.retrieval import cmc_curve, evaluate_retrieval

METRICS = ("euclidean", "cosine", "l1", "precomputed")
FIELDS = ("ranks", "average_precision", "inverse_negative_penalty", "r_precision", "ranked_histogram", "cmc")


# --- Brute force: ten lines that sort, and the textbook's definitions --------------------------------------------


def true_distances(probe, gallery, metric):
    """Distances in exact integers or in float64, so that equal ones are equal."""
    probe, gallery = np.asarray(probe, np.float64), np.asarray(gallery, np.float64)
    if metric == "cosine":
        probe = probe / np.linalg.norm(probe, axis=1, keepdims=True)
        gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    difference = probe[:, None] - gallery[None]
    if metric == "l1":
        return np.abs(difference).sum(axis=2)
    return (difference**2).sum(axis=2)


def measures_of_order(matched):
    """First rank, AP, INP, R-precision of one ranked list of booleans."""
    places = np.flatnonzero(matched) + 1
    hits = np.arange(1, len(places) + 1)
    return places[0] - 1, (hits / places).mean(), len(places) / places[-1], matched[: len(places)].mean()


def brute_force_probe(distances, matched, ties):
    """The same of distances with ties: every order of equal items is written out and averaged."""
    order = np.argsort(distances, kind="stable")
    distances, matched = distances[order], matched[order]
    groups = [np.flatnonzero(distances == value) for value in np.unique(distances)]
    if ties != "expected":
        first = ties == "optimistic"
        lists = [np.concatenate([np.sort(matched[g])[:: -1 if first else 1] for g in groups])]
    else:
        lists = [np.empty(0, bool)]
        for group in groups:
            ways = sorted(permutations(matched[group])) if not matched[group].all() else [matched[group]]
            lists = [np.concatenate([head, way]).astype(bool) for head in lists for way in ways]
    rows = np.array([measures_of_order(one) for one in lists])
    cmc = np.mean([np.cumsum(one) > 0 for one in lists], axis=0)
    return rows.mean(axis=0), cmc


def brute_force(distances, probe_ids, gallery_ids, probe_cameras, gallery_cameras, protocol, ties):
    measures, curves = np.full((4, len(probe_ids)), np.nan), np.zeros((len(probe_ids), len(gallery_ids)))
    n_ranked = np.count_nonzero(gallery_ids != -1) if protocol == "cross_camera" else len(gallery_ids)
    for i, own in enumerate(probe_ids):
        keep = np.ones(len(gallery_ids), bool)
        if protocol == "cross_camera":
            keep = ~((gallery_ids == own) & (gallery_cameras == probe_cameras[i])) & (gallery_ids != -1)
        matched = (gallery_ids == own)[keep]
        if matched.any():
            measures[:, i], cmc = brute_force_probe(distances[i][keep], matched, ties)
            curves[i, : len(cmc)] = cmc
            curves[i, len(cmc) :] = 1
    return measures, curves[:, :n_ranked]


@st.composite
def cases(draw):
    """Small problems with cameras, junk, distractors, probes without a match, and many ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_probes, n_gallery = draw(st.integers(1, 4)), draw(st.integers(1, 7))
    n_features, n_values = draw(st.integers(1, 3)), draw(st.sampled_from([2, 3, 1000]))
    # Integers: their distances are exact in brute force too. No zero rows, which have no cosine.
    probe = rng.integers(1, n_values, (n_probes, n_features), endpoint=True)
    gallery = rng.integers(1, n_values, (n_gallery, n_features), endpoint=True)
    dtype = draw(st.sampled_from([np.float32, np.float64, np.int64]))
    return {
        "probe": probe.astype(dtype),
        "gallery": gallery.astype(dtype),
        "probe_ids": rng.integers(1, 4, n_probes),
        "gallery_ids": rng.integers(-1, 4, n_gallery),
        "probe_cameras": rng.integers(0, 2, n_probes),
        "gallery_cameras": rng.integers(0, 2, n_gallery),
    }


@settings(max_examples=200, deadline=None)
@given(
    case=cases(),
    metric=st.sampled_from(["euclidean", "l1", "precomputed"]),
    protocol=st.sampled_from(["all", "cross_camera"]),
    ties=st.sampled_from(["expected", "pessimistic", "optimistic"]),
)
def test_agrees_with_brute_force(case, metric, protocol, ties):
    probe, gallery = case.pop("probe"), case.pop("gallery")
    distances = true_distances(probe, gallery, metric)
    if metric == "precomputed":
        probe, gallery = distances, None
    if protocol == "cross_camera" and (case["gallery_ids"] == -1).all():
        with pytest.raises(ArgumentError, match="0 items"):
            evaluate_retrieval(probe, gallery, **case, metric=metric, protocol=protocol, ties=ties)
        return
    result = evaluate_retrieval(probe, gallery, **case, metric=metric, protocol=protocol, ties=ties)
    measures, curves = brute_force(distances, **case, protocol=protocol, ties=ties)
    ours = [result.ranks, result.average_precision, result.inverse_negative_penalty, result.r_precision]
    np.testing.assert_allclose(ours, measures, rtol=1e-12)
    np.testing.assert_allclose(result.probe_cmc(curves.shape[1]), curves, atol=1e-12)
    np.testing.assert_allclose(result.cmc, curves.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(cmc_curve(result.ranked_histogram, len(probe)), result.cmc, atol=1e-12)
    assert result.n_probes == len(probe)
    assert result.n_valid_probes == np.count_nonzero(~np.isnan(measures[0]))
    assert result.cmc[-1] == pytest.approx(result.n_valid_probes / result.n_probes)
