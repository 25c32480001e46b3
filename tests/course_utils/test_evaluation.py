"""Evaluation against scikit-learn, SciPy and brute force; leaks planted and found."""

import dataclasses
import os
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from sklearn import metrics

from course_utils import evaluation as ev
from course_utils.errors import ArgumentError

NAMES = ["a", "b", "c", "d"]


def labels_and_predictions(min_size=1):
    pair = st.integers(min_size, 60).flatmap(
        lambda n: st.tuples(*[hnp.arrays(np.int64, n, elements=st.integers(0, 3))] * 2)
    )
    return pair


@settings(max_examples=100, deadline=None)
@given(labels_and_predictions())
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_report_agrees_with_scikit_learn(pair):
    y, predicted = pair
    report = ev.evaluate_predictions(predicted, y, class_names=NAMES)
    assert report.accuracy == pytest.approx(metrics.accuracy_score(y, predicted))
    np.testing.assert_array_equal(report.confusion, metrics.confusion_matrix(y, predicted, labels=range(4)))
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        y, predicted, labels=range(4), zero_division=np.nan
    )
    np.testing.assert_allclose(report.per_class["precision"], precision)
    np.testing.assert_allclose(report.per_class["recall"], recall)
    np.testing.assert_allclose(report.per_class["f1"], f1)
    np.testing.assert_array_equal(report.per_class["support"], support)
    present = np.unique(y)
    expected = np.mean([np.mean(predicted[y == k] == k) for k in present])
    assert report.balanced_accuracy == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(labels_and_predictions())
def test_report_hangs_together(pair):
    y, predicted = pair
    report = ev.evaluate_predictions(predicted, y, class_names=NAMES)
    low, high = report.interval
    assert 0 <= low <= report.accuracy <= high <= 1
    assert report.confusion.sum() == report.n == len(y)
    assert np.trace(report.confusion) == report.correct.sum()
    # The mistake of chapter 02: the accuracy per class is the diagonal of the row-normalised confusion
    # matrix.
    np.testing.assert_array_equal(report.per_class["recall"], np.diag(report.confusion_normalised))
    rows = report.confusion_normalised.sum(axis=1)
    np.testing.assert_allclose(rows[report.per_class["support"] > 0], 1)
    table = report.per_class.dropna()
    assert (table["low"] <= table["recall"] + 1e-12).all()
    assert (table["recall"] <= table["high"] + 1e-12).all()
    confused = report.most_confused(99)
    assert confused["count"].sum() == (~report.correct).sum()
    assert (confused["true"] != confused["predicted"]).all()
    assert confused["count"].is_monotonic_decreasing


def test_a_class_without_images_or_predictions_is_undefined_and_not_zero():
    report = ev.evaluate_predictions([0, 0, 0], [0, 0, 1], class_names=["x", "y", "z"])
    table = report.per_class
    assert np.isnan(table.loc["z", "recall"])
    assert np.isnan(table.loc["z", "low"])
    assert np.isnan(table.loc["y", "precision"])
    assert table.loc["y", "recall"] == 0
    assert table.loc["y", "f1"] == 0
    assert report.balanced_accuracy == 0.5
    assert np.isnan(report.confusion_normalised[2]).all()


def test_a_report_is_frozen():
    report = ev.evaluate_predictions([0, 1], [0, 0], class_names=["x", "y"])
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.seconds = 0.0


@pytest.mark.parametrize("batch_size", [1, 3, 7, 100, None])
def test_scores_do_not_depend_on_the_batches_in_which_they_are_made(batch_size):
    rng = np.random.default_rng(0)
    x, weights, y = rng.normal(size=(20, 5)), rng.normal(size=(5, 4)), rng.integers(0, 4, 20)
    sizes = []

    def predict(images):
        sizes.append(len(images))
        return images @ weights

    report = ev.evaluate_classifier(predict, x, y, class_names=NAMES, batch_size=batch_size)
    np.testing.assert_allclose(report.scores, x @ weights)
    np.testing.assert_array_equal(report.predictions, (x @ weights).argmax(axis=1))
    assert max(sizes) <= (batch_size or 20)
    assert sum(sizes) == 20
    assert report.seconds > 0


def test_labels_scores_and_probabilities_give_the_same_report():
    rng = np.random.default_rng(1)
    scores, y = rng.normal(size=(30, 4)), rng.integers(0, 4, 30)
    forms = [scores, ev.softmax(scores), scores.argmax(axis=1), scores.astype(np.float32)]
    reports = [
        ev.evaluate_classifier(lambda i, form=form: form[i], np.arange(30), y, class_names=NAMES) for form in forms
    ]
    for report in reports[1:]:
        np.testing.assert_array_equal(report.confusion, reports[0].confusion)
    assert reports[2].scores is None


def test_seconds_hold_the_time_of_the_calls():
    def slow(images):
        time.sleep(0.02)
        return np.zeros(len(images), int)

    report = ev.evaluate_classifier(slow, np.zeros((4, 2)), [0, 0, 0, 0], class_names=NAMES, batch_size=2)
    assert 0.04 <= report.seconds < 2


def test_softmax_survives_large_scores():
    probabilities = ev.softmax([[1e4, 0.0, -1e4], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(probabilities, [[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_agrees_with_scipy(case):
    successes, n = case
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    low, high = ev.wilson_interval(successes, n)
    assert low == pytest.approx(expected.low, abs=1e-12)
    assert high == pytest.approx(expected.high, abs=1e-12)


def test_wilson_interval_takes_arrays_and_knows_nothing_without_trials():
    low, high = ev.wilson_interval([0, 5, 0], [10, 10, 0])
    assert (low[2], high[2]) == (0, 1)
    assert (low[1], high[1]) == ev.wilson_interval(5, 10)
    assert low[0] == 0


def test_wilson_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    low, high = ev.wilson_interval(rng.binomial(100, 0.9, 20_000), np.full(20_000, 100))
    assert 0.93 < np.mean((low <= 0.9) & (high >= 0.9)) < 0.97


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80).flatmap(lambda n: st.tuples(*[hnp.arrays(bool, n)] * 2)))
def test_compare_paired_is_antisymmetric_and_its_test_is_the_exact_sign_test(pair):
    a, b = pair
    ab, ba = ev.compare_paired(a, b), ev.compare_paired(b, a)
    assert ab.difference == -ba.difference == pytest.approx(a.mean() - b.mean())
    assert (ab.low, ab.high) == pytest.approx((-ba.high, -ba.low))
    assert ab.p_value == ba.p_value
    assert ab.low <= ab.difference + 1e-12
    assert ab.difference - 1e-12 <= ab.high
    # Twice the smaller tail of a fair coin, added up by hand.
    n, k = ab.only_a + ab.only_b, min(ab.only_a, ab.only_b)
    tail = sum(stats.binom.pmf(i, n, 0.5) for i in range(k + 1))
    assert ab.p_value == pytest.approx(min(1.0, 2 * tail))


def test_compare_paired_sees_what_two_intervals_do_not():
    rng = np.random.default_rng(0)
    b = rng.random(2000) < 0.90
    a = b | (rng.random(2000) < 0.08)
    comparison = ev.compare_paired(a, b)
    unpaired_a, unpaired_b = ev.wilson_interval(a.sum(), 2000), ev.wilson_interval(b.sum(), 2000)
    assert unpaired_a[0] < unpaired_b[1]
    assert comparison.p_value < 0.001
    assert comparison.low > 0


def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(6)
    hits = 0
    for _ in range(2000):
        kinds = rng.choice(4, 200, p=[0.8, 0.08, 0.04, 0.08])  # both, only a, only b, neither
        comparison = ev.compare_paired(np.isin(kinds, [0, 1]), np.isin(kinds, [0, 2]))
        hits += comparison.low <= 0.04 <= comparison.high
    assert 0.93 < hits / 2000 < 0.98


def test_the_next_run_falls_into_its_interval_as_often_as_it_says():
    rng = np.random.default_rng(0)
    n = 4000
    inside = 0
    for values in rng.normal(0.88, 0.005, (n, 6)):
        low, high = ev.summarise_seeds(values[:5]).next_run
        inside += low <= values[5] <= high
    # Three standard errors of a share of .95; the interval of the mean would hold about .65 of them.
    assert abs(inside / n - 0.95) < 3 * np.sqrt(0.95 * 0.05 / n)
    assert np.isnan(ev.summarise_seeds([0.9]).next_run).all()


def test_two_runs_have_a_spread_and_no_interval():
    summary = ev.summarise_seeds([0.9, 0.8])
    assert summary.std > 0
    assert np.isnan([summary.low, summary.high]).all()


def test_summarise_seeds_agrees_with_scipy():
    values = [0.88, 0.891, 0.885, 0.902]
    summary = ev.summarise_seeds(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (summary.low, summary.high) == pytest.approx((expected.low, expected.high))
    assert summary.std == pytest.approx(np.std(values, ddof=1))
    assert summary.spread == pytest.approx(0.022)
    assert summary.n == 4


def test_one_seed_has_no_interval():
    summary = ev.summarise_seeds([0.9])
    assert summary.mean == 0.9
    assert np.isnan([summary.std, summary.low, summary.high]).all()
    assert summary.spread == 0


def test_time_call_leaves_out_the_warm_up():
    calls = []

    def fn():
        calls.append(None)
        time.sleep(0.1 if len(calls) <= 2 else 0.002)

    timing = ev.time_call(fn, repeats=4, warmup=2)
    assert len(calls) == 6
    assert len(timing.seconds) == 4
    assert 0.002 <= timing.minimum <= timing.median < 0.1


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 5), st.floats(-0.5, 1.5), st.lists(st.integers(10, 10**6), min_size=3, max_size=8, unique=True))
def test_a_power_law_is_found_again(coefficient, exponent, sizes):
    sizes = np.array(sizes, float)
    errors = coefficient * sizes**-exponent
    fit = ev.fit_power_law(sizes, errors)
    assert fit.exponent == pytest.approx(exponent, abs=1e-6)
    assert fit.coefficient == pytest.approx(coefficient, rel=1e-4)
    error, low, high = fit.predict(2e6)
    assert error == pytest.approx(coefficient * 2e6**-exponent, rel=1e-4)
    assert low <= error <= high


def test_the_intervals_of_a_power_law_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(7)
    sizes = np.array([1000.0, 2000, 4000, 8000, 16000])
    slopes = predictions = 0
    for _ in range(1500):
        fit = ev.fit_power_law(sizes, 2 * sizes**-0.3 * np.exp(rng.normal(0, 0.03, 5)))
        slopes += fit.exponent_interval[0] <= 0.3 <= fit.exponent_interval[1]
        new = 2 * 64_000**-0.3 * np.exp(rng.normal(0, 0.03))
        _, low, high = fit.predict(64_000)
        predictions += low <= new <= high
    assert 0.93 < slopes / 1500 < 0.97
    assert 0.93 < predictions / 1500 < 0.97


def test_two_sizes_give_a_law_without_intervals():
    fit = ev.fit_power_law([100, 400], [0.4, 0.2])
    assert fit.exponent == pytest.approx(0.5)
    assert np.isnan(fit.exponent_interval).all()
    error, low, high = fit.predict([100, 1600])
    np.testing.assert_allclose(error, [0.4, 0.1])
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("start", [2, 5, 9])
@pytest.mark.parametrize("seed", range(5))
def test_divergence_is_found_where_it_was_put(start, seed):
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, 21)
    train = 2 * epochs**-0.5
    gap = np.maximum(0, epochs - start + 1) * 0.05
    noise = rng.normal(0, 0.005, 20)
    found = ev.divergence_epoch(train, train + gap + noise)
    assert abs(found - start) <= 1


def test_curves_that_only_wobble_have_rarely_parted():
    rng = np.random.default_rng(8)
    train = 2 * np.arange(1, 31) ** -0.5
    parted = [ev.divergence_epoch(train, train + rng.normal(0, 0.02, 30)) is not None for _ in range(300)]
    assert np.mean(parted) < 0.1


def test_divergence_edge_cases():
    assert ev.divergence_epoch([0.5], [0.6]) == 1
    assert ev.divergence_epoch([0.5], [0.5]) is None
    assert ev.divergence_epoch([0.5, 0.4], [0.6, 0.4]) is None
    assert ev.divergence_epoch([0.5, 0.3], [0.4, 0.4]) == 2


def photographs(rng, n, shape=(32, 32, 3)):
    """Smooth random pictures, unlike each other; as in photographs, colours differ less than light and dark."""
    import cv2

    light, colour = rng.random((n, 8, 8, 1)), rng.random((n, 8, 8, shape[2]))
    coarse = (0.7 * light + 0.3 * colour).astype(np.float32)
    large = [cv2.resize(image, shape[1::-1], interpolation=cv2.INTER_CUBIC).reshape(shape) for image in coarse]
    return (40 + 160 * np.clip(large, 0, 1)).astype(np.uint8)


def changed(name, image, rng):
    import cv2

    if name == "jpeg":
        _, code = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 50])
        return cv2.imdecode(code, cv2.IMREAD_UNCHANGED).reshape(image.shape)
    if name == "brighter":
        return (image * 0.8 + 30).astype(np.uint8)
    if name == "noisy":
        return np.clip(image + rng.normal(0, 5, image.shape), 0, 255).astype(np.uint8)
    small = cv2.resize(image, (24, 24), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (32, 32), interpolation=cv2.INTER_CUBIC).reshape(image.shape)


@pytest.mark.parametrize("shape", [(32, 32, 3), (32, 32, 1)])
@pytest.mark.parametrize("name", ["jpeg", "brighter", "noisy", "rescaled"])
def test_planted_copies_are_found_and_nothing_else(name, shape):
    rng = np.random.default_rng(0)
    x_train, x_test = photographs(rng, 400, shape), photographs(rng, 60, shape)
    x_test[10:20] = x_train[100:110]
    for i in range(20):
        x_test[30 + i] = changed(name, x_train[200 + i], rng)
    report = ev.check_leakage(x_train, x_test)
    np.testing.assert_array_equal(report.exact, np.stack([np.arange(100, 110), np.arange(10, 20)], axis=1))
    np.testing.assert_array_equal(report.near, np.stack([np.arange(200, 220), np.arange(30, 50)], axis=1))
    assert (report.similarity >= 0.95).all()
    assert (report.n_exact, report.n_near) == (10, 20)


def test_simple_shapes_in_a_crowd_are_no_near_duplicates_but_an_exact_copy_is(monkeypatch):
    rng = np.random.default_rng(1)
    bars = np.zeros((300, 28, 28), np.uint8)
    bars[:, 4:24, 12:16] = 220
    bars = (bars + rng.integers(0, 8, bars.shape)).astype(np.uint8)
    x_train, x_test = bars[:250], bars[250:]
    x_test[7] = x_train[3]
    report = ev.check_leakage(x_train, x_test)
    assert report.exact.tolist() == [[3, 7]]
    assert report.n_near == 0
    # Only because they are a crowd: each is like enough to another.
    monkeypatch.setattr(ev, "_CROWD", 250)
    assert ev.check_leakage(x_train, x_test).n_near == 49


def test_blank_images_are_duplicates_only_if_they_are_equal():
    x_train = np.zeros((2, 8, 8), np.uint8)
    x_test = np.array([np.zeros((8, 8)), np.full((8, 8), 9)], np.uint8)
    report = ev.check_leakage(x_train, x_test)
    assert report.exact.tolist() == [[0, 0]]
    assert report.n_near == 0


def test_a_leak_check_of_a_set_against_itself_finds_all_of_it():
    x = photographs(np.random.default_rng(2), 30)
    report = ev.check_leakage(x, x)
    assert report.exact.tolist() == [[i, i] for i in range(30)]
    assert report.near.shape == (0, 2)


def real_data(name):
    path = Path(os.environ.get("COURSE_DATA_DIR", "")) / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"{name}.npz is not in COURSE_DATA_DIR")
    return np.load(path)


@pytest.mark.real_data
def test_the_course_split_of_svhn_does_not_leak_and_a_planted_leak_is_found():
    data = real_data("svhn")
    x_train, x_test = data["x_train"], data["x_test"]
    report = ev.check_leakage(x_train, x_test)
    assert report.n_exact == 0
    assert report.n_near <= 2
    leaked = np.concatenate([x_train[:50], x_test[:100]])
    assert ev.check_leakage(x_train, leaked).n_exact == 50


def shuffled_reports(order):
    rng = np.random.default_rng(3)
    scores, y = rng.normal(size=(40, 4)), rng.integers(0, 4, 40)
    return scores[order], y[order]


def evaluator_cases():
    """Each evaluator as a function of the order of its samples, giving what must not depend on it."""

    def of_predictions(order):
        scores, y = shuffled_reports(order)
        report = ev.evaluate_predictions(scores, y, class_names=NAMES)
        return report.accuracy, report.interval, report.confusion, report.per_class, report.balanced_accuracy

    def of_classifier(order):
        scores, y = shuffled_reports(order)
        report = ev.evaluate_classifier(lambda x: x, scores, y, class_names=NAMES, batch_size=7)
        return report.accuracy, report.confusion_normalised, report.most_confused(), report.correct.sum()

    def paired(order):
        rng = np.random.default_rng(4)
        a, b = rng.random((2, 40)) < 0.7
        return dataclasses.astuple(ev.compare_paired(a[order], b[order]))

    def of_seeds(order):
        summary = ev.summarise_seeds(np.random.default_rng(5).random(40)[order])
        return summary.mean, summary.std, summary.low, summary.high, summary.spread

    def power_law(order):
        rng = np.random.default_rng(6)
        sizes = rng.integers(100, 10_000, 40)
        fit = ev.fit_power_law(sizes[order], (sizes**-0.3 * rng.uniform(0.9, 1.1, 40))[order])
        return fit.coefficient, fit.exponent, fit.exponent_interval, fit.predict(1e5)

    def leakage(order):
        rng = np.random.default_rng(7)
        x_train, x_test = photographs(rng, 40), photographs(rng, 40)
        x_test[:5], x_test[5:9] = x_train[:5], x_train[5:9] + 10
        report = ev.check_leakage(x_train[order], x_test[order[::-1]])
        pairs = [sorted((order[i], order[::-1][j]) for i, j in part) for part in (report.exact, report.near)]
        return pairs[0], pairs[1], np.sort(report.similarity)

    return [of_predictions, of_classifier, paired, of_seeds, power_law, leakage]


@pytest.mark.parametrize("evaluate", evaluator_cases(), ids=lambda function: function.__name__)
def test_no_evaluator_depends_on_the_order_of_its_samples(evaluate):
    expected = evaluate(np.arange(40))
    for seed in range(5):
        found = evaluate(np.random.default_rng(seed).permutation(40))
        for one, other in zip(expected, found, strict=True):
            if isinstance(one, pd.DataFrame):
                pd.testing.assert_frame_equal(one, other)
            else:
                np.testing.assert_allclose(np.array(one), np.array(other), rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: ev.evaluate_classifier("model", [[0]], [0], class_names=NAMES),
            "predict is str; it must be a function",
        ),
        (lambda: ev.evaluate_classifier(len, [], [], class_names=NAMES), r"x has shape \(0,\)"),
        (
            lambda: ev.evaluate_classifier(lambda x: x[:1], [0, 1], [0, 1], class_names=NAMES),
            "for 2 images; it must give",
        ),
        (lambda: ev.evaluate_classifier(lambda x: 3, [0, 1], [0, 1], class_names=NAMES), r"predict gave shape \(\)"),
        (lambda: ev.evaluate_classifier(lambda x: x, [0], [0], class_names=NAMES, batch_size=0), "batch_size is 0"),
        (
            lambda: ev.evaluate_predictions([0, 4], [0, 1], class_names=NAMES),
            "predictions runs from 0 to 4; .* in 0 to 3",
        ),
        (lambda: ev.evaluate_predictions([0, 1], [0, -1], class_names=NAMES), "y runs from -1 to 0"),
        (lambda: ev.evaluate_predictions([0, 1], [0], class_names=NAMES), "y has 1 labels for predictions of shape"),
        (
            lambda: ev.evaluate_predictions([0.0, 1.0], [0, 1], class_names=NAMES),
            "dtype float64; it must be .* integers",
        ),
        (lambda: ev.evaluate_predictions(np.zeros((2, 3)), [0, 1], class_names=NAMES), r"\(2, 3\); with 4 class_names"),
        (
            lambda: ev.evaluate_predictions([[0, np.nan, 0, 0]], [0], class_names=NAMES),
            "scores holds 1 values that are NaN",
        ),
        (lambda: ev.evaluate_predictions([], [], class_names=NAMES), "non-empty"),
        (lambda: ev.evaluate_predictions([0], [0], class_names=NAMES).most_confused(0), "k is 0"),
        (lambda: ev.softmax(3.0), r"scores has shape \(\)"),
        (lambda: ev.softmax(["a"]), "scores is not an array of numbers"),
        (lambda: ev.wilson_interval(3, 2), "successes is 3.*; successes must be at most n"),
        (lambda: ev.wilson_interval(-1, 2), "successes is -1"),
        (lambda: ev.wilson_interval(1.5, 2), "successes is 1.5; counts must be whole"),
        (lambda: ev.compare_paired([True], [True, False]), "correct_a has 1 entries, correct_b has 2"),
        (lambda: ev.compare_paired([1, 0], [True, False]), "correct_a has shape .* dtype int64; .* booleans"),
        (lambda: ev.compare_paired([], []), "^correct_a has shape"),
        (lambda: ev.summarise_seeds([]), r"values has shape \(0,\)"),
        (lambda: ev.summarise_seeds([0.1, np.inf]), "values holds 1 values that are NaN or infinite"),
        (lambda: ev.time_call(3), "fn is int"),
        (lambda: ev.time_call(dict, repeats=0), "repeats is 0"),
        (lambda: ev.fit_power_law([1, 2], [0.5, 0.0]), "errors has a value of 0; all must be greater than 0"),
        (lambda: ev.fit_power_law([5, 5], [0.5, 0.4]), "at least two different sizes"),
        (lambda: ev.fit_power_law([1, 2, 3], [0.5, 0.4]), "sizes has 3 values, errors has 2"),
        (lambda: ev.divergence_epoch([1, 2], [1]), "train has 2 epochs, validation has 1"),
        (lambda: ev.check_leakage(np.zeros((2, 4, 4)), np.zeros((2, 4, 5))), "image shape and dtype must be equal"),
        (
            lambda: ev.check_leakage(np.zeros((2, 4, 4), "uint8"), np.zeros((2, 4, 4))),
            "image shape and dtype must be equal",
        ),
        (lambda: ev.check_leakage(np.zeros((0, 4, 4)), np.zeros((2, 4, 4))), r"x_train has shape \(0, 4, 4\)"),
        (lambda: ev.check_leakage(np.zeros((2, 4)), np.zeros((2, 4))), r"x_train has shape \(2, 4\)"),
    ],
)
def test_a_bad_argument_is_named_with_what_is_legal(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_a_paired_comparison_is_shown_as_a_table_with_its_interval():
    shown = ev.compare_paired([True] * 90 + [False] * 10, [True] * 80 + [False] * 20)._repr_html_()
    cells = dict(zip(re.findall("<th>(.*?)</th>", shown), re.findall("<td>(.*?)</td>", shown), strict=True))
    assert (cells["only a right"], cells["only b right"], cells["a - b"]) == ("10", "0", "+0.100")
    low, high = map(float, cells["95% interval"].split(" to "))
    assert low < 0.1 < high
