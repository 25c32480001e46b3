"""Procedural twins: shapes, determinism, errors, and the lessons that must hold on them."""

import numpy as np
import pytest

from course_utils.datasets import synthetic
from course_utils.errors import ArgumentError

LABELLED = {
    "garments": (28, 28, 1),
    "house_digits": (32, 32, 3),
    "kuzushiji_like": (28, 28, 1),
    "objects": (32, 32, 3),
    "plain_digits": (28, 28, 1),
}


def draw(name, labels, seed=0):
    return getattr(synthetic, name)(labels, rng=np.random.default_rng(seed))


@pytest.mark.parametrize(("name", "shape"), LABELLED.items())
def test_images_have_the_original_shape_and_dtype(name, shape):
    images = draw(name, np.arange(10))
    assert images.shape == (10, *shape)
    assert images.dtype == np.uint8
    assert len(set(synthetic.CLASS_NAMES[name])) == 10


@pytest.mark.parametrize("name", LABELLED)
def test_same_seed_same_images_other_seed_other_images(name):
    labels = np.arange(20) % 10
    first = draw(name, labels, seed=3)
    np.testing.assert_array_equal(first, draw(name, labels, seed=3))
    other = draw(name, labels, seed=4)
    assert all((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(("name", "shape"), LABELLED.items())
def test_no_labels_give_no_images(name, shape):
    assert draw(name, []).shape == (0, *shape)
    assert draw(name, np.zeros(0, dtype=np.uint8)).dtype == np.uint8


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 10], "labels holds 10; every value must lie from 0 to 9"),
        ([0, -1], "labels holds -1; every value must lie from 0 to 9"),
        ([0.0, 1.0], "labels has dtype float64; it must be an integer dtype"),
        ([True, False], "labels has dtype bool; it must be an integer dtype"),
        ([[0, 1]], "labels has 2 dimensions; it must have 1"),
        (3, "labels has 0 dimensions; it must have 1"),
    ],
)
def test_bad_labels_are_refused_with_the_legal_values(name, labels, message):
    with pytest.raises(ArgumentError, match=f"{name}: {message}"):
        draw(name, labels)


@pytest.mark.parametrize("name", LABELLED)
def test_a_bare_seed_is_no_generator(name):
    with pytest.raises(ArgumentError, match=f"{name}: rng is 7; it must be a numpy.random.Generator"):
        getattr(synthetic, name)([0], rng=7)


def test_pedestrians_have_the_shape_of_market_1501():
    images = synthetic.pedestrians([0, 1, 2], [0, 0, 5], seed=0, rng=np.random.default_rng(0))
    assert images.shape == (3, 128, 64, 3)
    assert images.dtype == np.uint8
    assert synthetic.pedestrians([], [], seed=0, rng=np.random.default_rng(0)).shape == (0, 128, 64, 3)


def test_an_identity_looks_the_same_whatever_was_drawn_before():
    alone = synthetic.pedestrians([7], [2], seed=5, rng=np.random.default_rng(1))
    synthetic.pedestrians(np.arange(40), np.arange(40) % 6, seed=5, rng=np.random.default_rng(9))
    synthetic.pedestrians(np.arange(40), np.arange(40) % 6, seed=6, rng=np.random.default_rng(9))
    again = synthetic.pedestrians([7], [2], seed=5, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(alone, again)
    other_world = synthetic.pedestrians([7], [2], seed=6, rng=np.random.default_rng(1))
    assert (alone != other_world).any()


@pytest.mark.parametrize(
    ("ids", "cameras", "options", "message"),
    [
        ([-1], [0], {}, "ids holds -1; every value must be 0 or more"),
        ([1], [-2], {}, "cameras holds -2; every value must be 0 or more"),
        ([1.5], [0], {}, "ids has dtype float64; it must be an integer dtype"),
        ([1, 2], [0], {}, "cameras has 1 values, ids 2; it must have as many"),
        ([1], [0], {"rng": 3}, "rng is 3; it must be a numpy.random.Generator"),
        ([1], [0], {"seed": -1}, "seed is -1; it must be an integer of at least 0"),
        ([1], [0], {"seed": 0.5}, "seed is 0.5; it must be an integer of at least 0"),
    ],
)
def test_bad_pedestrians_are_refused(ids, cameras, options, message):
    with pytest.raises(ArgumentError, match=f"pedestrians: {message}"):
        synthetic.pedestrians(ids, cameras, **{"seed": 0, "rng": np.random.default_rng(0), **options})
