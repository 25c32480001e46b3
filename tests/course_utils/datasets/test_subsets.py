import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from course_utils import datasets
from course_utils.datasets.subsets import stratified_order
from course_utils.errors import ArgumentError

LABELS = st.lists(st.integers(0, 4), min_size=2, max_size=60).map(np.array)


@given(LABELS, st.integers(0, 5))
def test_every_prefix_keeps_the_class_shares(y, seed):
    order = stratified_order(y, seed=seed)
    assert sorted(order) == list(range(len(y)))
    counts = np.bincount(y)
    n_classes = np.count_nonzero(counts)
    for size in range(1, len(y) + 1):
        expected = counts * size / len(y)
        # Rounding moves a class by half an item, and the point where the prefix ends by half an item a class.
        slack = 0.5 + counts * n_classes / (2 * len(y))
        assert (np.abs(np.bincount(y[order[:size]], minlength=len(counts)) - expected) <= slack + 1e-9).all()


def test_balanced_labels_stay_balanced_to_the_item():
    y = np.repeat(np.arange(10), 30)
    for subset in datasets.nested_subsets(y, [10, 50, 200], seed=4):
        assert set(np.bincount(y[subset])) == {len(subset) // 10}


@given(LABELS, st.integers(0, 5), st.data())
def test_subsets_are_nested(y, seed, data):
    sizes = sorted(data.draw(st.sets(st.integers(1, len(y)), min_size=1)))
    subsets = datasets.nested_subsets(y, sizes, seed=seed)
    assert [len(subset) for subset in subsets] == sizes
    for small, large in itertools.pairwise(subsets):
        assert np.array_equal(large[: len(small)], small)
    assert len(set(subsets[-1])) == sizes[-1]


def test_the_seed_decides():
    y = np.tile(np.arange(10), 50)
    first, again, other = (datasets.nested_subsets(y, [100], seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(np.sort(first), np.sort(other))


def test_every_item_can_be_drawn():
    y = np.repeat([0, 1], [30, 10])
    drawn = np.concatenate([datasets.nested_subsets(y, [8], seed=seed)[0] for seed in range(200)])
    times = np.bincount(drawn, minlength=40)
    assert times.min() > 15
    assert times.max() < 75


@given(LABELS, st.integers(0, 5), st.data())
def test_a_split_loses_and_doubles_nothing(y, seed, data):
    n = data.draw(st.integers(1, len(y) - 1))
    x = np.arange(len(y))
    x_train, y_train, x_val, y_val = datasets.split_validation(x, y, n=n, seed=seed)
    assert len(x_val) == n
    assert sorted([*x_train, *x_val]) == list(x)
    assert (np.diff(x_train) > 0).all()
    assert np.array_equal(y[x_train], y_train)
    assert np.array_equal(y[x_val], y_val)


def test_a_split_is_as_stratified_as_scikit_learns():
    y = np.random.default_rng(0).choice(3, 6_000, p=[0.6, 0.3, 0.1])
    *_, y_val = datasets.split_validation(y, y, fraction=1 / 6, seed=1)
    theirs = train_test_split(y, test_size=1 / 6, stratify=y, random_state=1)[1]
    assert np.abs(np.bincount(y_val) - np.bincount(theirs)).max() <= 1


def test_the_validation_part_does_not_follow_the_order_of_the_data():
    y = np.zeros(1_000, dtype=int)
    x_val = datasets.split_validation(np.arange(1_000), y, fraction=0.1)[2]
    assert abs(x_val.mean() - 500) < 100


@given(st.lists(st.integers(0, 9), max_size=30))
def test_regrouping_is_the_loop_over_labels(labels):
    groups = {"Top": [0, 2, 3, 4, 6], "Bottom": [1, 5, 7, 9], "Accessories": [8]}
    expected = [next(new for new, members in enumerate(groups.values()) if old in members) for old in labels]
    assert datasets.regroup(labels, groups).tolist() == expected
    table = [0, 1, 0, 0, 0, 1, 0, 1, 2, 1]
    assert np.array_equal(datasets.regroup(labels, table), datasets.regroup(labels, groups))


Y = np.array([0, 1, 2, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: datasets.regroup(Y, {"a": [0, 1]}), r"labels holds \[2\], which no group.*\[0, 1\]"),
        (lambda: datasets.regroup([-1], [0, 1]), r"labels holds \[-1\]"),
        (lambda: datasets.regroup(Y, {"a": [0, 1], "b": [1, 2]}), "groups takes in label 1 twice"),
        (lambda: datasets.regroup(Y, {"a": [0.5]}), r"groups\['a'\] is 0.5"),
        (lambda: datasets.regroup(Y / 2, [0, 1, 2]), "labels has shape .* dtype float64"),
        (lambda: datasets.nested_subsets(Y, [2, 2]), "sizes has 2 after 2; sizes must be strictly increasing"),
        (lambda: datasets.nested_subsets(Y, [5]), "sizes is 5; it must be an integer from 1 to 4"),
        (lambda: datasets.nested_subsets(Y[None], [1]), r"y has shape \(1, 4\)"),
        (lambda: datasets.nested_subsets(Y, [1], seed=-1), "seed is -1"),
        (lambda: datasets.split_validation(Y, Y), "fraction is None, n is None; exactly one"),
        (lambda: datasets.split_validation(Y, Y, n=1, fraction=0.5), "exactly one"),
        (lambda: datasets.split_validation(Y, Y, fraction=1.5), "fraction is 1.5; it must be a number from 0 to 1"),
        (lambda: datasets.split_validation(Y, Y, fraction=0.01), "n is 0; it must be an integer from 1 to 3"),
        (lambda: datasets.split_validation(Y, Y, n=4), "n is 4; it must be an integer from 1 to 3"),
        (lambda: datasets.split_validation(Y[:3], Y, n=1), "x holds 3 items, y 4"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
