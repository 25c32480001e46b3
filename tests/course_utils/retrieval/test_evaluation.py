"""Retrieval evaluation: against brute force, against hand-worked cases, and under all that must not matter."""

import tracemalloc
from fractions import Fraction
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.errors import ArgumentError
from course_utils.retrieval import (
    cmc_curve,
    count_shard,
    evaluate_retrieval,
    evaluate_single_shot,
    find_matches,
    merge,
    rank_gallery,
    ranked_histogram,
)
from course_utils.retrieval import distances as distances_module
from course_utils.retrieval import search as search_module

METRICS = ("euclidean", "cosine", "l1", "precomputed")
MARKET = {"protocol": "cross_camera", "junk_id": -1, "distractor_id": 0}
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


def all_orders(distances, matched):
    """Write out every order of equally near items: lists of booleans, nearest first."""
    lists = [np.empty(0, bool)]
    for value in np.unique(distances):
        group = matched[distances == value]
        ways = sorted(permutations(group)) if not group.all() else [group]
        lists = [np.concatenate([head, way]).astype(bool) for head in lists for way in ways]
    return lists


def brute_force_probe(distances, matched, ties):
    """The same of distances with ties: every order of equal items is written out and averaged."""
    if ties == "expected":
        lists = all_orders(distances, matched)
    else:
        # Matches are first in a tie, or last.
        lists = [matched[np.lexsort((~matched if ties == "optimistic" else matched, distances))]]
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
    options = {"metric": metric, "ties": ties} | (MARKET if protocol == "cross_camera" else {})
    if protocol == "cross_camera" and (case["gallery_ids"] == -1).all():
        with pytest.raises(ArgumentError, match="0 items"):
            evaluate_retrieval(probe, gallery, **case, **options)
        return
    result = evaluate_retrieval(probe, gallery, **case, **options)
    measures, curves = brute_force(distances, **case, protocol=protocol, ties=ties)
    ours = [result.ranks, result.average_precision, result.inverse_negative_penalty, result.r_precision]
    np.testing.assert_allclose(ours, measures, rtol=1e-12)
    np.testing.assert_allclose(result.probe_cmc(curves.shape[1]), curves, atol=1e-12)
    np.testing.assert_allclose(result.cmc, curves.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(cmc_curve(result.ranked_histogram, len(probe)), result.cmc, atol=1e-12)
    assert result.n_probes == len(probe)
    assert result.n_valid_probes == np.count_nonzero(~np.isnan(measures[0]))
    assert result.cmc[-1] == pytest.approx(result.n_valid_probes / result.n_probes)


@pytest.fixture(params=["default", "tiny blocks"])
def block_sizes(request, monkeypatch):
    """Run a test again with blocks so small that every loop over blocks, tiles, groups and pieces goes round."""
    if request.param == "tiny blocks":
        monkeypatch.setattr(distances_module, "_BLOCK_BYTES", 2000)
        monkeypatch.setattr(distances_module, "_TILE_BYTES", 3000)
        monkeypatch.setattr(distances_module, "_BLOCK_ROWS", 64)
        monkeypatch.setattr(search_module, "_BATCH", 256)
        monkeypatch.setattr(distances_module, "_MOST_PROBES", 17)
        monkeypatch.setattr(search_module, "_MOST_MATCHES", 50)
        monkeypatch.setattr(distances_module, "_CHUNK", 40)


def medium_case(seed, *, dtype=np.float32, n_probes=60, n_gallery=400, n_features=24):
    """Random features with exact duplicates and neighbours closer than float32 products can tell."""
    rng = np.random.default_rng(seed)
    gallery = rng.standard_normal((n_gallery, n_features)).astype(dtype)
    gallery[100:200] = gallery[:100]
    nudged = gallery[200:300].copy()
    nudged[:, 0] = np.nextafter(nudged[:, 0], dtype(9))
    gallery[300:400] = nudged
    return {
        "probe": np.concatenate([gallery[::20], rng.standard_normal((n_probes - 20, n_features))]).astype(dtype),
        "gallery": gallery,
        "probe_ids": rng.integers(1, 30, n_probes),
        "gallery_ids": rng.integers(-1, 28, n_gallery),
        "probe_cameras": rng.integers(0, 3, n_probes),
        "gallery_cameras": rng.integers(0, 3, n_gallery),
    }


def assert_same(result, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(result, name), getattr(other, name), err_msg=name)
    for name in ("n_probes", "n_valid_probes", "n_gallery"):
        assert getattr(result, name) == getattr(other, name)


def all_pairs(probe, gallery, metric):
    rows = np.indices((len(probe), len(gallery))).reshape(2, -1)
    return distances_module.pair_distances(probe, rows[0], gallery, rows[1], metric).reshape(len(probe), -1)


# --- Exact whatever the blocks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "l1"])
@pytest.mark.parametrize("options", [{}, MARKET])
def test_fast_counting_equals_ranking_by_the_defined_distance(metric, options, dtype, block_sizes):
    """Not approximately: the same ranks and ties as a matrix of distances computed pair by pair gives."""
    case = medium_case(0, dtype=dtype)
    result = evaluate_retrieval(**case, metric=metric, **options)
    probe, gallery = case.pop("probe"), case.pop("gallery")
    distances = all_pairs(probe, gallery, metric)
    assert_same(result, evaluate_retrieval(distances, None, **case, metric="precomputed", **options))
    assert np.any(result.ranks % 1 != 0)  # ties were met


@pytest.mark.parametrize("metric", METRICS)
def test_merged_shards_equal_the_whole(metric, block_sizes):
    case = medium_case(1)
    if metric == "precomputed":
        case["probe"], case["gallery"] = all_pairs(case["probe"], case["gallery"], "euclidean"), None
    whole = evaluate_retrieval(**case, metric=metric, **MARKET)
    shards = []
    for part in np.array_split(np.random.default_rng(0).permutation(400), [0, 7, 8, 300]):  # one is empty
        shard = case | {name: case[name][part] for name in ("gallery_ids", "gallery_cameras")}
        if metric == "precomputed":
            shard["probe"] = case["probe"][:, part]
        else:
            shard["gallery"] = case["gallery"][part]
        shards.append(shard | MARKET | {"metric": metric})
    matches = [find_matches(**shard) for shard in shards]
    counts = [count_shard(**shard, matches=matches) for shard in shards]
    assert_same(merge(counts), whole)
    assert_same(merge(counts[::-1]), whole)


@settings(max_examples=60, deadline=None)
@given(case=cases(), cut=st.integers(0, 7), metric=st.sampled_from(["euclidean", "cosine", "l1"]))
def test_merged_shards_equal_the_whole_on_small_cases(case, cut, metric):
    options = {"metric": metric, "protocol": "all"}
    shards = [
        case | {name: case[name][part] for name in ("gallery", "gallery_ids", "gallery_cameras")} | options
        for part in (slice(cut), slice(cut, None))
    ]
    matches = [find_matches(**shard) for shard in shards]
    counts = [count_shard(**shard, matches=matches) for shard in shards]
    assert_same(merge(counts), evaluate_retrieval(**case, **options))


# --- What must not matter -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("ties", ["expected", "pessimistic", "optimistic"])
def test_order_and_names_do_not_matter(metric, ties):
    case = medium_case(3)
    if metric == "precomputed":
        case["probe"], case["gallery"] = all_pairs(case["probe"], case["gallery"], "euclidean"), None
    options = MARKET | {"metric": metric, "ties": ties}
    result = evaluate_retrieval(**case, **options)
    rng = np.random.default_rng(4)

    order = rng.permutation(400)
    shuffled = case | {name: case[name][order] for name in ("gallery_ids", "gallery_cameras")}
    if metric == "precomputed":
        shuffled["probe"] = case["probe"][:, order]
    else:
        shuffled["gallery"] = case["gallery"][order]
    assert_same(evaluate_retrieval(**shuffled, **options), result)

    order = rng.permutation(60)
    shuffled = case | {name: case[name][order] for name in ("probe", "probe_ids", "probe_cameras")}
    moved = evaluate_retrieval(**shuffled, **options)
    np.testing.assert_array_equal(moved.ranks, result.ranks[order])
    np.testing.assert_array_equal(moved.average_precision, result.average_precision[order])
    np.testing.assert_allclose(moved.cmc, result.cmc, rtol=1e-13)

    names = rng.permutation(100)[:31] + 1
    names[[0, -1]] = 0, -1  # the distractor and junk keep theirs
    renamed = case | {name: names[case[name]] for name in ("probe_ids", "gallery_ids")}
    assert_same(evaluate_retrieval(**renamed, **options), result)


def test_identities_and_cameras_may_be_text():
    case = medium_case(5) | {"gallery_ids": np.random.default_rng(5).integers(1, 28, 400)}
    result = evaluate_retrieval(**case, protocol="cross_camera")
    labels = ("probe_ids", "gallery_ids", "probe_cameras", "gallery_cameras")
    assert_same(evaluate_retrieval(**case | {n: case[n].astype(str) for n in labels}, protocol="cross_camera"), result)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_rotating_the_features_changes_nothing(metric):
    """Up to rounding, hence features whose distances are far from equal."""
    rng = np.random.default_rng(6)
    case = medium_case(6, dtype=np.float64)
    case["gallery"] = rng.standard_normal((400, 24))
    case["probe"] = rng.standard_normal((60, 24))
    rotation = np.linalg.qr(rng.standard_normal((24, 24)))[0]
    turned = case | {"probe": case["probe"] @ rotation, "gallery": case["gallery"] @ rotation}
    assert_same(evaluate_retrieval(**turned, metric=metric), evaluate_retrieval(**case, metric=metric))


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "l1"])
@pytest.mark.parametrize("scale", [2.0**-300, 2.0**-40, 2.0**40, 2.0**300])
def test_the_unit_of_the_features_does_not_matter(metric, scale):
    case = medium_case(7, dtype=np.float64)
    scaled = case | {name: case[name] * scale for name in ("probe", "gallery")}
    assert_same(evaluate_retrieval(**scaled, metric=metric), evaluate_retrieval(**case, metric=metric))


def test_a_large_common_offset_does_not_matter():
    rng = np.random.default_rng(8)
    case = medium_case(8)
    case["probe"], case["gallery"] = (rng.integers(-50, 50, (n, 24)).astype(np.float64) for n in (60, 400))
    moved = case | {name: case[name] + 1e9 for name in ("probe", "gallery")}
    assert_same(evaluate_retrieval(**moved), evaluate_retrieval(**case))


# --- Cases worked by hand -------------------------------------------------------------------------------------------


def rank_matrix(orders):
    """Distances in which item `j` of ``orders[i]`` stands at place `j`; the probe itself is nearest of all."""
    distances = np.zeros((len(orders), len(orders)))
    for probe, order in enumerate(orders):
        distances[probe, order] = np.arange(1, len(orders))
    return distances


def test_the_exact_case():
    """Six items, each probe and gallery and left out of its own list; the ranks of the mates are given."""
    labels = np.array([0, 0, 0, 0, 1, 1])
    mates = [[0, 1, 3], [0, 3, 4], [1, 2, 4], [2, 3, 4], [0], [3]]
    orders = []
    for probe, places in enumerate(mates):
        others = [item for item in range(6) if item != probe]
        friends = [item for item in others if labels[item] == labels[probe]]
        strangers = [item for item in others if labels[item] != labels[probe]]
        orders.append([(friends if place in places else strangers).pop(0) for place in range(5)])
    itself = np.arange(6)
    result = evaluate_retrieval(
        rank_matrix(orders),
        None,
        probe_ids=labels,
        gallery_ids=labels,
        probe_cameras=itself,
        gallery_cameras=itself,
        metric="precomputed",
        protocol="cross_camera",
    )
    expected_cmc = [[1, 1, 0, 0, 1, 0], [1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 1, 1]]
    np.testing.assert_array_equal(result.probe_cmc(4).T, expected_cmc)
    precision = [Fraction(11, 12), Fraction(21, 30), Fraction(53, 90), Fraction(43, 90), 1, Fraction(1, 4)]
    np.testing.assert_allclose(result.average_precision, np.array(precision, float), rtol=1e-15)
    assert result.mean_average_precision == pytest.approx(float(sum(precision) / 6))
    np.testing.assert_allclose(result.inverse_negative_penalty, [3 / 4, 3 / 5, 3 / 5, 3 / 5, 1, 1 / 4])
    np.testing.assert_allclose(result.r_precision, [2 / 3, 1 / 3, 2 / 3, 1 / 3, 1, 0])


def test_a_probe_without_a_match_is_reported_and_counts_as_a_miss():
    result = evaluate_retrieval([[0.0], [5.0]], [[0.0], [1.0]], probe_ids=[1, 9], gallery_ids=[1, 2])
    assert (result.n_probes, result.n_valid_probes) == (2, 1)
    np.testing.assert_array_equal(result.ranks, [0, np.nan])
    np.testing.assert_array_equal(result.average_precision, [1, np.nan])
    np.testing.assert_array_equal(result.cmc, [0.5, 0.5])
    assert result.mean_average_precision == 1
    assert "1 without a match" in str(result)
    lost = evaluate_retrieval([[0.0]], [[0.0]], probe_ids=[1], gallery_ids=[2])
    assert lost.n_valid_probes == 0
    assert np.isnan(lost.mean_average_precision)
    assert lost.top(1) == 0


@pytest.mark.parametrize(("ties", "cmc"), [("expected", 0.25), ("pessimistic", 0), ("optimistic", 1)])
def test_a_collapsed_network_is_at_chance(ties, cmc):
    result = evaluate_retrieval(
        np.ones((3, 5)), np.ones((4, 5)), probe_ids=[1, 2, 3], gallery_ids=[1, 2, 3, 4], ties=ties
    )
    assert result.top(1) == cmc


def test_a_large_collapsed_gallery_is_settled_through_its_few_different_rows(monkeypatch, block_sizes):
    rng = np.random.default_rng(0)
    points = rng.standard_normal((3, 6)).astype(np.float32)
    gallery, probe = points[rng.integers(0, 3, 3000)], points[rng.integers(0, 3, 40)]
    ids = {"probe_ids": rng.integers(0, 5, 40), "gallery_ids": rng.integers(0, 5, 3000)}
    looked_up = []
    exact = distances_module.pair_distances
    monkeypatch.setattr(
        distances_module, "pair_distances", lambda *a, **k: looked_up.append(len(a[1])) or exact(*a, **k)
    )
    result = evaluate_retrieval(probe, gallery, **ids)
    n_matches = sum(np.count_nonzero(ids["gallery_ids"] == one) for one in ids["probe_ids"])
    assert sum(looked_up) - n_matches < 0.1 * 40 * 3000
    monkeypatch.undo()
    assert_same(result, evaluate_retrieval(all_pairs(probe, gallery, "euclidean"), None, **ids, metric="precomputed"))


@pytest.mark.parametrize("max_rank", [1, 3, 10])
def test_the_curve_has_the_length_asked_for(max_rank):
    ids = {"probe_ids": [1, 2], "gallery_ids": [3, 1, 4, 2]}
    gallery = [[0.0], [1.0], [2.0], [3.0]]
    full = evaluate_retrieval([[0.0], [0.0]], gallery, **ids)
    with pytest.warns(FutureWarning, match="slice the result's arrays"):
        result = evaluate_retrieval([[0.0], [0.0]], gallery, **ids, max_rank=max_rank)
    assert result.cmc.shape == result.ranked_histogram.shape == (max_rank,)
    expected = np.append(full.cmc, np.full(max_rank, full.cmc[-1]))[:max_rank]
    np.testing.assert_array_equal(result.cmc, expected)
    np.testing.assert_array_equal(result.ranks, full.ranks)
    assert result.top(max_rank) == expected[-1]
    if max_rank < 4:
        with pytest.raises(ArgumentError, match=f"k is {max_rank + 1}; it must be an integer from 1 to"):
            result.top(max_rank + 1)
    else:
        assert result.top(1000) == 1


def test_a_gallery_of_one_item():
    result = evaluate_retrieval([[3.0]], [[0.0]], probe_ids=["a"], gallery_ids=["a"])
    np.testing.assert_array_equal(result.cmc, [1])
    assert result.mean_inverse_negative_penalty == result.mean_r_precision == 1


def test_the_histogram_becomes_the_cmc():
    case = medium_case(9)
    probe, gallery = case.pop("probe"), case.pop("gallery")
    result = evaluate_retrieval(probe, gallery, **case)
    histogram = ranked_histogram(probe, gallery, **case)
    np.testing.assert_array_equal(histogram, result.ranked_histogram)
    assert histogram.sum() == pytest.approx(result.n_valid_probes)
    np.testing.assert_array_equal(cmc_curve(histogram, result.n_probes), result.cmc)
    np.testing.assert_allclose(result.probe_cmc(400).mean(axis=0)[: result.n_gallery], result.cmc, atol=1e-12)


# --- Single shot ----------------------------------------------------------------------------------------------------


def test_single_shot_is_the_textbook_definition_divided_by_the_number_of_probes():
    """One gallery item an identity: evaluate each gallery that a draw can give, and weigh it with its chance."""
    rng = np.random.default_rng(10)
    probe, gallery = rng.standard_normal((5, 3)), rng.standard_normal((6, 3))
    probe_ids, gallery_ids = np.array([1, 1, 2, 3, 9]), np.array([1, 1, 1, 2, 2, 3])
    options = {"probe_ids": probe_ids, "protocol": "all"}
    expected = np.zeros(3)
    for first in range(3):
        for second in (3, 4):
            shown = [first, second, 5]
            expected += evaluate_retrieval(probe, gallery[shown], gallery_ids=gallery_ids[shown], **options).cmc / 6
    result = evaluate_single_shot(
        probe,
        gallery,
        probe_ids=probe_ids,
        gallery_ids=gallery_ids,
        n_draws=400,
        rng=np.random.default_rng(0),
    )
    assert (result.n_gallery, result.n_probes, result.n_valid_probes) == (3, 5, 4)
    assert len(result.draws) == 400
    assert result.cmc[-1] == pytest.approx(4 / 5)  # the fifth probe has no mate, and is not forgotten
    error = 4 * np.std([draw.cmc for draw in result.draws], axis=0, ddof=1) / np.sqrt(400)
    assert (abs(result.cmc - expected) <= error + 1e-12).all()
    np.testing.assert_allclose(result.cmc, np.mean([draw.cmc for draw in result.draws], axis=0))
    np.testing.assert_allclose(result.probe_cmc(3).mean(axis=0), result.cmc)
    assert np.std([draw.mean_average_precision for draw in result.draws]) > 0


@pytest.mark.parametrize("metric", ["euclidean", "precomputed"])
def test_single_shot_with_cameras_draws_the_mate_from_another_camera(metric):
    """The probe's own-camera item is at distance 0: it would be every probe's first match if it were drawn."""
    probe, gallery = np.arange(4.0)[:, None], np.concatenate([np.arange(4.0), np.arange(4.0) + 0.4])[:, None]
    if metric == "precomputed":
        probe, gallery = abs(probe - gallery.T), None
    result = evaluate_single_shot(
        probe,
        gallery,
        probe_ids=[1, 2, 3, 4],
        gallery_ids=[1, 2, 3, 4, 1, 2, 3, 4],
        probe_cameras=[0] * 4,
        gallery_cameras=[0] * 4 + [1] * 4,
        metric=metric,
        n_draws=20,
        rng=np.random.default_rng(1),
    )
    assert result.n_gallery == 4
    assert result.top(1) == 1  # 0.4 away; everybody else is at 0.6 or more
    alone = evaluate_single_shot(
        [[0.0]],
        [[0.0]],
        probe_ids=[1],
        gallery_ids=[1],
        probe_cameras=[0],
        gallery_cameras=[0],
        n_draws=2,
        rng=np.random.default_rng(1),
    )
    assert alone.n_valid_probes == 0


def test_single_shot_repeats_with_the_same_generator_and_leaves_the_global_state_alone():
    case = medium_case(11) | {"n_draws": 3}
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first = evaluate_single_shot(**case, rng=np.random.default_rng(5))
    assert_same(evaluate_single_shot(**case, rng=np.random.default_rng(5)), first)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_the_old_call_for_single_shots_warns_and_works():
    case = medium_case(11)
    with pytest.warns(FutureWarning, match="is now evaluate_single_shot"):
        result = evaluate_retrieval(**case, protocol="single_shot", n_draws=3, rng=np.random.default_rng(5))
    assert_same(result, evaluate_single_shot(**case, n_draws=3, rng=np.random.default_rng(5)))


# --- Ranked lists ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["all", "cross_camera"])
@pytest.mark.parametrize("junk_id", [None, -1])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 50, 401])
def test_the_ranked_gallery_is_the_sorted_one(metric, protocol, junk_id, k, block_sizes):
    case = medium_case(12, n_probes=30)
    distances = all_pairs(case["probe"], case["gallery"], "euclidean" if metric == "precomputed" else metric)
    keep = np.ones(distances.shape, bool)
    if protocol == "cross_camera":
        same_camera = case["probe_cameras"][:, None] == case["gallery_cameras"]
        keep &= ~((case["probe_ids"][:, None] == case["gallery_ids"]) & same_camera)
    if junk_id is not None:
        keep &= case["gallery_ids"] != -1
    order = np.argsort(np.where(keep, distances, np.inf), axis=1, kind="stable")[:, :k]
    expected = np.full((30, k), -1)
    expected[:, :400] = np.where(np.take_along_axis(keep, order, axis=1), order, -1)
    if metric == "precomputed":
        case["probe"], case["gallery"] = distances, None
    items, ranked = rank_gallery(**case, k=k, metric=metric, protocol=protocol, junk_id=junk_id)
    np.testing.assert_array_equal(items, expected)
    values = np.where(expected >= 0, np.take_along_axis(distances, expected, axis=1), np.nan)
    values = {"euclidean": np.sqrt(values), "cosine": values / 2}.get(metric, values)
    np.testing.assert_array_equal(ranked, values)


@pytest.mark.parametrize("distractor_id", [0, 1, 7])
def test_distractors_are_listed_like_all_other_items(distractor_id):
    ids = {"probe_ids": [5], "gallery_ids": [distractor_id, 5]}
    items, _ = rank_gallery([[0.0]], [[1.0], [2.0]], k=2, distractor_id=distractor_id, **ids)
    assert items.tolist() == [[0, 1]]


# --- Bounded memory -------------------------------------------------------------------------------------------------


def test_the_matrix_is_read_in_blocks_of_rows(monkeypatch):
    """Anything with a shape, a type and slices of rows will do, so that the matrix need not be in memory."""

    class OnDemand:
        shape, dtype, largest_request = (300, 500), np.dtype(np.float32), 0

        def __getitem__(self, rows):
            block = all_distances[rows]
            OnDemand.largest_request = max(OnDemand.largest_request, len(block))
            return block

    monkeypatch.setattr(distances_module, "_BLOCK_BYTES", 100_000)
    rng = np.random.default_rng(0)
    all_distances = rng.random((300, 500), dtype=np.float32)
    ids = {"probe_ids": rng.integers(0, 30, 300), "gallery_ids": rng.integers(0, 30, 500)}
    result = evaluate_retrieval(OnDemand(), None, **ids, metric="precomputed")
    assert 1 <= OnDemand.largest_request <= 25
    assert_same(result, evaluate_retrieval(all_distances, None, **ids, metric="precomputed"))


def test_memory_does_not_grow_with_probes_times_gallery():
    rng = np.random.default_rng(0)
    probe, gallery = (rng.standard_normal((n, 8), dtype=np.float32) for n in (2000, 30_000))
    ids = {"probe_ids": rng.integers(0, 5000, 2000), "gallery_ids": rng.integers(0, 5000, 30_000)}
    tracemalloc.start()
    evaluate_retrieval(probe, gallery, **ids)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6 < 4 * 2000 * 30_000


# --- Errors ---------------------------------------------------------------------------------------------------------

GOOD = {"probe": np.ones((2, 3)), "gallery": np.ones((4, 3)), "probe_ids": [1, 2], "gallery_ids": [1, 2, 3, 4]}
HOLED = np.ones((4, 3))
HOLED[2, 1] = np.nan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gallery": HOLED}, r"gallery\[2\] holds nan; every value must be finite"),
        ({"probe": np.array([[1, 2, 3], [1, np.inf, 3]])}, r"probe\[1\] holds inf"),
        (
            {"gallery": np.where(np.arange(4)[:, None] == 3, 0, HOLED[:1]), "metric": "cosine"},
            r"gallery\[3\] is all zeros",
        ),
        ({"gallery": np.ones((4, 2))}, "gallery rows have 2 features, probe rows have 3"),
        ({"gallery": np.ones((4, 3, 1))}, r"gallery has shape \(4, 3, 1\)"),
        ({"gallery": np.full((4, 3), 1e200)}, ".*magnitudes over 1e"),
        ({"gallery": None}, "gallery is None, gallery_ids is given; give both, or neither"),
        ({"gallery_ids": None}, "gallery_ids is None, gallery is given; give both, or neither"),
        ({"gallery_ids": [1, 2, 3]}, "gallery_ids has 3 entries; gallery has 4"),
        (
            {"probe_ids": [1.5, 2.5]},
            "probe_ids has shape .* type float64; it must be a 1-D array of integers or strings",
        ),
        ({"probe_ids": ["a", "b"]}, ".*both must be integers or both strings"),
        ({"probe_ids": [], "probe": np.ones((0, 3))}, "probe_ids is empty"),
        ({"gallery_ids": [], "gallery": np.ones((0, 3))}, "the gallery holds 0 items"),
        (
            {"metric": "chebyshev"},
            "metric is 'chebyshev'; it must be one of 'euclidean', 'cosine', 'l1', 'precomputed'",
        ),
        ({"protocol": "some"}, "protocol is 'some'"),
        ({"ties": "random"}, "ties is 'random'"),
        ({"max_rank": 0}, "max_rank is 0"),
        ({"protocol": "cross_camera"}, "probe_cameras is None; protocol 'cross_camera' needs cameras"),
        ({"metric": "precomputed"}, "gallery is given; with metric 'precomputed' it must be None"),
        ({"metric": "precomputed", "gallery": None}, "gallery_ids has 4 entries; a row of probe has 3"),
        (
            {"metric": "precomputed", "gallery": None, "probe": HOLED.T[:2]},
            r"probe\[1\] holds nan; every value must be finite",
        ),
        (
            {"probe_ids": [1, 0], "distractor_id": 0},
            r"probe_ids\[1\] is 0, the distractor_id; it must be another, or distractor_id must be None",
        ),
        ({"probe_ids": [1, -1], "junk_id": -1}, r"probe_ids\[1\] is -1, the junk_id"),
        ({"junk_id": "-1"}, "junk_id is '-1'; it must be of the identities' type, int"),
        (
            {"probe_cameras": [1], "gallery_cameras": [1, 1, 1, 1], "protocol": "cross_camera"},
            "probe_cameras has 1 entries; probe has 2",
        ),
    ],
)
def test_bad_arguments_are_named(change, message):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        evaluate_retrieval(**GOOD | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rng": None}, "rng is None; protocol 'single_shot' needs a numpy.random.Generator"),
        ({"n_draws": 0}, "n_draws is 0"),
        ({"probe_cameras": [1, 1]}, "gallery_cameras is None; .* needs cameras on both sides"),
        ({"ties": "random"}, "ties is 'random'"),
    ],
)
def test_bad_arguments_of_single_shots_are_named(change, message):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        evaluate_single_shot(**GOOD | {"rng": np.random.default_rng(0)} | change)


def test_no_identity_is_special_unless_named():
    """Identities may start at 0, or at -1: with and without cameras they count like any other."""
    probe, gallery = [[0.0], [5.0]], [[0.2], [4.9], [5.1]]
    labels = {"probe_ids": [0, -1], "gallery_ids": [0, 3, -1], "probe_cameras": [0, 0], "gallery_cameras": [1, 1, 1]}
    for protocol in ("all", "cross_camera"):
        result = evaluate_retrieval(probe, gallery, **labels, protocol=protocol)
        assert (result.n_valid_probes, result.n_gallery) == (2, 3)
    assert evaluate_retrieval(probe[:1], gallery, probe_ids=[0], gallery_ids=[0, 3, -1], junk_id=-1).n_gallery == 2


def test_a_bad_row_of_a_matrix_is_named_in_any_block(monkeypatch):
    monkeypatch.setattr(distances_module, "_BLOCK_BYTES", 80)
    distances = np.ones((20, 5))
    distances[13, 2] = np.inf
    with pytest.raises(ArgumentError, match=r"probe\[13\] holds inf"):
        evaluate_retrieval(distances, None, probe_ids=range(20), gallery_ids=range(5), metric="precomputed")


def test_cmc_curve_checks_the_counts():
    with pytest.raises(ArgumentError, match="^histogram counts 12 probes, n_probes is 10; it must be at least 12$"):
        cmc_curve([6, 6], 10)
    with pytest.raises(ArgumentError, match=r"histogram\[1\] is -1; it must be at least 0"):
        cmc_curve([6, -1], 10)
    with pytest.raises(ArgumentError, match=r"histogram\[0\] is nan"):
        cmc_curve([np.nan], 10)
    with pytest.raises(ArgumentError, match=r"histogram has shape \(1, 1\)"):
        cmc_curve([[1]], 10)
    with pytest.raises(ArgumentError, match="n_probes is 0"):
        cmc_curve([0], 0)


def test_shards_that_do_not_belong_together_are_refused():
    options = {"probe_ids": [1, 2], "gallery_ids": [1, 2, 3, 4]}
    matches = find_matches(GOOD["probe"], GOOD["gallery"], **options)
    partial = count_shard(GOOD["probe"], GOOD["gallery"], matches=matches, **options)
    other = count_shard(GOOD["probe"], GOOD["gallery"], matches=[matches, matches], **options)
    with pytest.raises(ArgumentError, match=r"partials\[1\] was counted against other matches"):
        merge([partial, other])
    with pytest.raises(ArgumentError, match="partials is empty"):
        merge([])
    with pytest.raises(ArgumentError, match="matches are of 2 probes; probe has 1 rows"):
        count_shard([[1.0] * 3], GOOD["gallery"], matches=matches, probe_ids=[1], gallery_ids=[1, 2, 3, 4])
    with pytest.raises(ArgumentError, match="matches is empty"):
        count_shard(GOOD["probe"], GOOD["gallery"], matches=[], **options)
    with pytest.raises(ArgumentError, match="protocol is 'single_shot'"):
        find_matches(GOOD["probe"], GOOD["gallery"], **options, protocol="single_shot")
