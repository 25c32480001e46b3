"""Measures by name: against scikit-learn, against every order of ties written out, and in tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from course_utils.errors import ArgumentError
from course_utils.retrieval import evaluate_neighbours, evaluate_retrieval, evaluate_single_shot, rank_gallery
from tests.course_utils.retrieval.test_evaluation import MARKET, all_orders, cases, medium_case, true_distances

MEASURES = ("top-{k}", "precision@{k}", "recall@{k}", "nDCG@{k}", "mAP@{k}", "MRR@{k}", "mAP@R", "MRR", "mAP", "nDCG")


def measure_of_list(matched, name, k):
    """The textbook's definition, of one ranked list without ties."""
    total = matched.sum()
    top = matched[:k]
    if name == "nDCG":
        gains = 1 / np.log2(np.arange(2, len(matched) + 2))
        return (top * gains[: len(top)]).sum() / gains[: min(k, total)].sum()
    if name in ("top", "precision", "recall"):
        return {"top": float(top.any()), "precision": top.sum() / k, "recall": top.sum() / total}[name]
    places = np.flatnonzero(top) + 1
    if name == "MRR":
        return 1 / places[0] if len(places) else 0
    return (np.arange(1, len(places) + 1) / places).sum() / min(k, total)


@settings(max_examples=150, deadline=None)
@given(case=cases(), measure=st.sampled_from(MEASURES), k=st.integers(1, 7), cameras=st.booleans())
def test_each_measure_is_its_mean_over_all_orders_of_ties(case, measure, k, cameras):
    case["gallery_ids"] = np.abs(case["gallery_ids"])
    distances = true_distances(case["probe"], case["gallery"], "euclidean")
    result = evaluate_retrieval(**case, protocol="cross_camera" if cameras else "all")
    k = min(k, result.n_gallery)
    values = result.per_probe(measure.format(k=k))
    for i, own in enumerate(case["probe_ids"]):
        matched = case["gallery_ids"] == own
        keep = np.ones(len(matched), bool)
        if cameras:
            keep = ~(matched & (case["gallery_cameras"] == case["probe_cameras"][i]))
        if not matched[keep].any():
            assert values[i] == 0 if measure.startswith(("top", "precision", "MRR")) else np.isnan(values[i])
            continue
        name = measure.split("@")[0].split("-")[0]
        depth = k if "{k}" in measure else matched[keep].sum() if measure == "mAP@R" else keep.size
        lists = all_orders(distances[i][keep], matched[keep])
        expected = np.mean([measure_of_list(one, name, depth) for one in lists])
        np.testing.assert_allclose(values[i], expected, rtol=1e-12, err_msg=measure)


def test_scikit_learn_agrees():
    case = medium_case(0)
    case["gallery_ids"] = np.abs(case["gallery_ids"])
    result = evaluate_retrieval(**case)
    distances = true_distances(case["probe"], case["gallery"], "euclidean")
    matched = case["probe_ids"][:, None] == case["gallery_ids"]
    valid = matched.any(axis=1)
    assert valid.sum() > 40
    for k in (None, 1, 7, 100):
        expected = [ndcg_score([m], [-d], k=k) for m, d in zip(matched[valid], distances[valid], strict=True)]
        measure = "nDCG" if k is None else f"nDCG@{k}"
        np.testing.assert_allclose(result.per_probe(measure)[valid], expected, rtol=1e-9)
    clear = np.array([len(np.unique(row)) == len(row) for row in distances[:, :100]])
    first = evaluate_retrieval(**case | {n: case[n][:100] for n in ("gallery", "gallery_ids", "gallery_cameras")})
    wanted = np.flatnonzero(clear & matched[:, :100].any(axis=1))
    expected = [average_precision_score(matched[i, :100], -distances[i, :100]) for i in wanted]
    np.testing.assert_allclose(first.average_precision[wanted], expected, rtol=1e-12)
    assert len(wanted) > 20


def test_means_agree_with_the_arrays():
    result = evaluate_retrieval(**medium_case(1), **MARKET)
    np.testing.assert_allclose(result.per_probe("mAP"), result.average_precision)
    np.testing.assert_allclose(result.per_probe("mINP"), result.inverse_negative_penalty)
    np.testing.assert_allclose(result.per_probe("R-precision"), result.r_precision)
    for k in (1, 5, 300):
        assert result.mean(f"top-{k}") == pytest.approx(result.top(k))
    assert result.mean("mAP") == result.mean_average_precision
    table = result.measures(ks=(1, 1000))
    assert "top-1" in table
    assert "top-1000" not in table
    assert table["recall@1"] == result.mean("recall@1")


def test_printing_shows_a_table_and_who_has_no_match():
    ids = {"probe_ids": [1, 9], "gallery_ids": [1, 2, 3, 4, 5]}
    text = str(evaluate_retrieval([[0.0], [5.0]], np.arange(5.0)[:, None], **ids))
    assert text.splitlines()[0] == "2 probes (1 without a match) in a gallery of 5"
    assert text.splitlines()[3].split() == ["@1", "@5"]
    assert "precision  0.500  0.100" in text
    assert repr(evaluate_retrieval([[0.0], [5.0]], np.arange(5.0)[:, None], **ids)) == text


def test_frames_by_probe_and_by_identity():
    gallery = np.array([[0.0], [1.0], [2.0], [3.0]])
    ids = {"probe_ids": ["x", "y", "x"], "gallery_ids": ["x", "y", "z", "x"]}
    result = evaluate_retrieval([[0.1], [2.2], [2.9]], gallery, **ids)
    probes = result.to_frame()
    assert probes.columns.tolist() == ["identity", "matches", "top-1", "mAP"]
    assert probes["identity"].tolist() == ["x", "y", "x"]
    assert probes["matches"].tolist() == [2, 1, 2]
    np.testing.assert_array_equal(probes["mAP"], result.average_precision)
    identities = result.to_frame("identity", measures=["mAP", "recall@2"])
    assert identities.index.tolist() == ["y", "x"]  # the worst first
    assert identities.loc["x", "probes"] == 2
    assert identities.loc["x", "recall@2"] == pytest.approx(result.per_probe("recall@2")[[0, 2]].mean())
    with pytest.raises(ArgumentError, match="by is 'camera'"):
        result.to_frame("camera")


def test_single_shots_average_over_draws():
    result = evaluate_single_shot(**medium_case(11), n_draws=3, rng=np.random.default_rng(5))
    expected = np.mean([draw.per_probe("nDCG@5") for draw in result.draws], axis=0)
    np.testing.assert_array_equal(result.per_probe("nDCG@5"), expected)
    assert "top" in str(result)
    assert len(result.to_frame()) == 60


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        ("map", "measure is 'map'; it must be one of 'mAP', 'mAP@R', .*'precision@k'"),
        ("precision", "measure is 'precision'; it must be one of"),
        ("recall@0", "measure is 'recall@0'; it must be one of"),
        ("mINP@5", "measure is 'mINP@5'; it must be one of"),
        ("recall@401", "the gallery has 400 items, so k must be at most 400"),
        (None, "measure is None"),
    ],
)
def test_unknown_measures_are_named(measure, message):
    with pytest.raises(ArgumentError, match=message):
        evaluate_retrieval(**medium_case(0)).per_probe(measure)


# --- Each against all others --------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "precomputed"])
def test_without_a_gallery_each_is_compared_with_all_others(metric):
    case = medium_case(2)
    x, ids = case["gallery"], np.abs(case["gallery_ids"])
    if metric == "precomputed":
        x = true_distances(x, x, "euclidean")
    result = evaluate_retrieval(x, probe_ids=ids, metric=metric)
    alone = np.arange(400)
    labels = {"gallery_ids": ids, "probe_cameras": alone, "gallery_cameras": alone}
    gallery = None if metric == "precomputed" else x
    other = evaluate_retrieval(x, gallery, probe_ids=ids, **labels, metric=metric, protocol="cross_camera")
    np.testing.assert_array_equal(result.average_precision, other.average_precision)
    assert (result.n_gallery, other.n_gallery) == (399, 400)
    np.testing.assert_array_equal(result.cmc, other.cmc[:-1])
    if metric != "precomputed":
        items, _ = rank_gallery(x, k=400, metric=metric)
        assert (items[:, -1] == -1).all()
        assert not (items == alone[:, None]).any()
    cameras = case["gallery_cameras"]
    across = evaluate_retrieval(x, probe_ids=ids, probe_cameras=cameras, metric=metric, protocol="cross_camera")
    both = labels | {"probe_cameras": cameras, "gallery_cameras": cameras}
    other = evaluate_retrieval(x, gallery, probe_ids=ids, **both, metric=metric, protocol="cross_camera")
    np.testing.assert_array_equal(across.average_precision, other.average_precision)


def test_labels_of_any_usual_kind():
    pd = pytest.importorskip("pandas")
    case = medium_case(3)
    case["gallery_ids"] = np.abs(case["gallery_ids"])
    result = evaluate_retrieval(**case)
    labels = ("probe_ids", "gallery_ids")
    as_text = {name: np.char.add("whale-", case[name].astype(str)) for name in labels}
    kinds = {
        "text": as_text,
        "objects": {name: values.astype(object) for name, values in as_text.items()},
        "lists": {name: values.tolist() for name, values in as_text.items()},
        "columns": {name: pd.Series(values) for name, values in as_text.items()},
        "categories": {name: pd.Series(values).astype("category") for name, values in as_text.items()},
        "NumPy's new text": {n: v.astype(np.dtypes.StringDType()) for n, v in as_text.items()},
        "integers as objects": {name: case[name].astype(object) for name in labels},
    }
    for kind, values in kinds.items():
        other = evaluate_retrieval(**case | values)
        np.testing.assert_array_equal(other.average_precision, result.average_precision, err_msg=kind)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["a", 1], r"probe_ids\[1\] is 1; all must be integers or all strings"),
        (np.array(["a", 1], object), r"probe_ids\[1\] is 1, probe_ids\[0\] is 'a'; all must be"),
        (np.array([None, "a"], object), r"probe_ids\[0\] is None"),
        ([[1], [1, 2]], "probe_ids is ragged"),
        ([True, False], "probe_ids has shape .* type bool"),
    ],
)
def test_labels_that_are_neither_are_named(ids, message):
    with pytest.raises(ArgumentError, match=message):
        evaluate_retrieval(np.ones((2, 3)), np.ones((2, 3)), probe_ids=ids, gallery_ids=[1, 2])


def test_the_conventions_of_market1501():
    case = medium_case(4)
    named = evaluate_retrieval(**case, protocol="cross_camera", conventions="market1501")
    np.testing.assert_array_equal(named.cmc, evaluate_retrieval(**case, **MARKET).cmc)
    items, _ = rank_gallery(
        case["probe"],
        case["gallery"],
        probe_ids=case["probe_ids"],
        gallery_ids=case["gallery_ids"],
        k=400,
        conventions="market1501",
    )
    assert not (case["gallery_ids"][items[items >= 0]] == -1).any()
    with pytest.raises(ArgumentError, match="junk_id is -1, conventions is 'market1501'; only one may be given"):
        evaluate_retrieval(**case, junk_id=-1, conventions="market1501")
    with pytest.raises(ArgumentError, match="conventions is 'market'; it must be one of 'market1501'"):
        evaluate_retrieval(**case, conventions="market")


# --- Neighbours -------------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(case=cases(), k=st.integers(1, 7), cameras=st.booleans())
def test_neighbours_tell_the_beginning_of_the_ranking(case, k, cameras):
    case["gallery_ids"] = np.abs(case["gallery_ids"])
    probe, gallery = case.pop("probe"), case.pop("gallery")
    if not cameras:
        case = {name: case[name] for name in ("probe_ids", "gallery_ids")}
    distances = true_distances(probe, gallery, "euclidean")
    order = np.argsort(distances, axis=1, kind="stable")
    found = np.take_along_axis(distances, order, axis=1)
    # Whole lists: ties and all must agree with the whole evaluation.
    result = evaluate_neighbours(order, **case, distances=found)
    whole = evaluate_retrieval(probe, gallery, **case, protocol="cross_camera" if cameras else "all")
    depth = min(k, result.depth)
    for name in ("top-{}", "precision@{}", "recall@{}", "nDCG@{}", "mAP@{}", "MRR@{}"):
        measure = name.format(depth)
        np.testing.assert_allclose(result.per_probe(measure), whole.per_probe(measure), rtol=1e-12, err_msg=measure)
    assert (result.n_valid_probes, result.n_gallery) == (whole.n_valid_probes, whole.n_gallery)
    # Cut lists without distances: the order is the ranking.
    cut = evaluate_neighbours(order[:, :k], **{n: case[n] for n in ("probe_ids", "gallery_ids")})
    matched = case["gallery_ids"][order] == case["probe_ids"][:, None]
    depth = min(k, len(gallery))
    assert cut.depth == depth
    np.testing.assert_allclose(cut.per_probe(f"precision@{depth}"), matched[:, :depth].mean(axis=1))
    assert cut.top(depth) == matched[:, :depth].any(axis=1).mean()


def test_neighbours_among_the_probes_themselves():
    rng = np.random.default_rng(0)
    x, ids = rng.standard_normal((50, 4)), rng.integers(0, 12, 50).astype(str)
    distances = true_distances(x, x, "euclidean")
    indices = np.argsort(distances, axis=1)[:, :9]
    result = evaluate_neighbours(indices, probe_ids=ids)
    whole = evaluate_retrieval(x, probe_ids=ids)
    assert (result.depth, result.n_gallery) == (8, 49)
    for measure in ("recall@8", "mAP@8", "nDCG@3", "top-1"):
        np.testing.assert_allclose(result.per_probe(measure), whole.per_probe(measure))
    assert result.to_frame().columns.tolist() == ["identity", "matches", "top-1", "mAP@8"]
    assert str(result).startswith("50 probes (")
    assert "mINP" not in str(result)
    with pytest.raises(ArgumentError, match="measure is 'mAP'; it needs whole rankings; lists of 8 items have"):
        result.mean("mAP")
    with pytest.raises(ArgumentError, match="the lists tell of the first 8 items"):
        result.mean("recall@9")
    with pytest.raises(ArgumentError, match="k is 9"):
        result.top(9)


def test_similarities_may_descend_and_lists_may_end_early():
    result = evaluate_neighbours(
        [[0, 1, -1], [1, 0, 2]],
        probe_ids=[7, 8],
        gallery_ids=[7, 8, 8, 8],
        distances=[[0.9, 0.9, np.finfo(np.float32).min], [0.8, 0.7, 0.1]],
    )
    assert result.depth == 2
    np.testing.assert_array_equal(result.per_probe("top-1"), [0.5, 1])
    np.testing.assert_allclose(result.per_probe("recall@2"), [1, 1 / 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indices": [[0, 4], [1, 0]]}, r"indices\[0, 1\] is 4; it must be from 0 to 3, or -1 for none"),
        ({"indices": [[0, 1], [1, 1]]}, r"indices\[1\] lists 1 twice"),
        ({"indices": [[0.0, 1.0], [1.0, 0.0]]}, "indices has shape .* type float64"),
        ({"indices": [[0, 1]]}, "probe_ids has 2 entries; indices has 1 rows"),
        ({"indices": [[-1, -1], [0, 1]]}, r"indices\[0\] holds 0 items that may be ranked"),
        ({"distances": [[0.1, 0.2]]}, r"distances has shape \(1, 2\); indices has \(2, 2\)"),
        ({"probe_cameras": [1, 1]}, "gallery_cameras is None"),
        ({"probe_ids": ["a", "b"]}, "gallery_ids has type int"),
    ],
)
def test_bad_neighbours_are_named(change, message):
    good = {"indices": [[0, 1], [1, 0]], "probe_ids": [7, 8], "gallery_ids": [7, 8, 9, 9]}
    with pytest.raises(ArgumentError, match=message):
        evaluate_neighbours(**good | change)
    with pytest.raises(ArgumentError, match=r"distances\[0\] goes up and down"):
        evaluate_neighbours([[0, 1, 2]], probe_ids=[1], gallery_ids=[1, 2, 3], distances=[[1.0, 3.0, 2.0]])
