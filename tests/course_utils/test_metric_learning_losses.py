"""Losses against their formulas in slow NumPy, values and gradients, on whole batches and on degenerate ones.

The file runs on any Keras backend: ``KERAS_BACKEND=jax pytest tests/course_utils/test_metric_learning_losses.py``.
"""

from functools import partial
from math import acos, cos, exp, log, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.errors import ArgumentError
from course_utils.metric_learning import (
    ArcFaceLoss,
    ProxyAnchorLoss,
    circle_loss,
    contrastive_loss,
    multi_similarity_loss,
)

# --- The formulas, in float64, one term after the other -----------------------------------------------------------


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def partners(ids, i):
    everyone = range(len(ids))
    return [j for j in everyone if ids[j] == ids[i] and j != i], [j for j in everyone if ids[j] != ids[i]]


def slow_contrastive(x, ids, *, margin=1.0):
    terms = []
    for i in range(len(x)):
        for j in range(i):
            d = np.linalg.norm(x[i] - x[j])
            terms.append(d**2 / 2 if ids[i] == ids[j] else max(margin - d, 0) ** 2 / 2)
    return np.mean(terms)


def slow_circle(x, ids, *, margin=0.25, scale=256.0, weighed_at=None):
    """`weighed_at` are the embeddings that decide the weights, which are constants to the gradient."""
    weighed_at = x if weighed_at is None else weighed_at
    terms = []
    for i in range(len(x)):
        positives, negatives = partners(ids, i)
        if not positives or not negatives:
            continue
        over_n, over_p = [], []
        for j in negatives:
            weight = max(cosine(weighed_at[i], weighed_at[j]) + margin, 0)
            over_n.append(scale * weight * (cosine(x[i], x[j]) - margin))
        for j in positives:
            weight = max(1 + margin - cosine(weighed_at[i], weighed_at[j]), 0)
            over_p.append(-scale * weight * (cosine(x[i], x[j]) - (1 - margin)))
        # The product of the two sums, as one sum of exp: exp(700) is the last that a float holds.
        terms.append(np.logaddexp.reduce([0.0, *(a + b for a in over_n for b in over_p)]))
    return np.mean(terms) if terms else 0.0


def slow_multi_similarity(x, ids, *, alpha=2.0, beta=50.0, base=0.5, margin=0.1):
    total = 0
    for i in range(len(x)):
        s = [cosine(x[i], other) for other in x]
        positives, negatives = partners(ids, i)
        if margin is not None:
            mined_p = [p for p in positives if any(s[p] - margin < s[n] for n in negatives)]
            mined_n = [n for n in negatives if any(s[n] + margin > s[p] for p in positives)]
            positives, negatives = mined_p, mined_n
        total += log(1 + sum(exp(-alpha * (s[p] - base)) for p in positives)) / alpha
        total += log(1 + sum(exp(beta * (s[n] - base)) for n in negatives)) / beta
    return total / len(x)


def slow_proxy_anchor(x, numbers, proxies, *, margin=0.1, scale=32.0):
    positive, negative = [], []
    for k, proxy in enumerate(proxies):
        own = [cosine(e, proxy) for e, number in zip(x, numbers, strict=True) if number == k]
        others = [cosine(e, proxy) for e, number in zip(x, numbers, strict=True) if number != k]
        if own:
            positive.append(log(1 + sum(exp(-scale * (s - margin)) for s in own)))
        negative.append(log(1 + sum(exp(scale * (s + margin)) for s in others)))
    return np.mean(positive) + np.mean(negative)


def slow_arcface(x, numbers, proxies, *, margin=0.5, scale=64.0):
    terms = []
    for e, number in zip(x, numbers, strict=True):
        angles = [acos(min(max(cosine(e, proxy), -1), 1)) for proxy in proxies]
        own = cos(angles[number] + margin)
        if angles[number] + margin > pi:
            own = cos(angles[number]) - margin * sin(margin)
        others = [exp(scale * (cos(angle) - own)) for k, angle in enumerate(angles) if k != number]
        terms.append(log(1 + sum(others)))
    return np.mean(terms)


ON_PAIRS = {
    "contrastive": (contrastive_loss, slow_contrastive, [{}, {"margin": 0.3}]),
    "circle": (circle_loss, slow_circle, [{}, {"margin": 0.4, "scale": 80.0}, {"margin": -0.1, "scale": 2.0}]),
    "multi-similarity": (
        multi_similarity_loss,
        slow_multi_similarity,
        [{}, {"base": 1.0}, {"margin": None}, {"alpha": 1.0, "beta": 5.0, "base": 0.0, "margin": 0.5}],
    ),
}
ON_PROXIES = {
    "proxy-anchor": (ProxyAnchorLoss, slow_proxy_anchor, [{}, {"margin": 0.0, "scale": 4.0}]),
    "ArcFace": (ArcFaceLoss, slow_arcface, [{}, {"margin": 1.2, "scale": 8.0}, {"margin": 0.0, "scale": 1.0}]),
}
PAIR_CASES = [(name, options) for name, (_, _, choices) in ON_PAIRS.items() for options in choices]
PROXY_CASES = [(name, options) for name, (_, _, choices) in ON_PROXIES.items() for options in choices]
N_IDS = 5


def batch(seed, n=12, n_features=3):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n_features)).astype(np.float32), rng.integers(0, N_IDS - 1, n)


def with_proxies(name, options, seed, n_features=3):
    """A loss with known proxies, and its formula."""
    proxies = np.random.default_rng([seed, 1]).standard_normal((N_IDS, n_features)).astype(np.float32)
    fast, slow, _ = ON_PROXIES[name]
    loss = fast(range(N_IDS), n_features, **options)
    loss.proxies.set_weights([proxies])
    return loss, partial(slow, proxies=proxies, **options)


def every_loss(seed=0, n_features=3):
    losses = {name: fast for name, (fast, _, _) in ON_PAIRS.items()}
    return losses | {name: with_proxies(name, {}, seed, n_features)[0] for name in ON_PROXIES}


def value_and_gradient(loss, x, ids):
    """The loss and its gradient for the embeddings, by the backend's own means."""
    import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        x = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x, ids)
        return float(value), np.asarray(tape.gradient(value, x))
    if backend == "jax":
        import jax

        value, gradient = jax.value_and_grad(lambda x: loss(x, ids))(jax.numpy.asarray(x))
        return float(value), np.asarray(gradient)
    import torch

    x = torch.tensor(x, requires_grad=True)
    value = loss(x, ids)
    (gradient,) = torch.autograd.grad(value, x)
    return float(value), gradient.numpy()


def slopes(formula, x, step=1e-5):
    """Central differences of a formula, in float64."""
    x = x.astype(np.float64)
    gradient = np.empty_like(x)
    for place in np.ndindex(x.shape):
        ends = []
        for sign in (1, -1):
            moved = x.copy()
            moved[place] += sign * step
            ends.append(formula(moved))
        gradient[place] = (ends[0] - ends[1]) / (2 * step)
    return gradient


# --- Values and gradients -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "options"), PAIR_CASES)
def test_a_loss_on_pairs_is_its_formula(name, options, seed):
    fast, slow, _ = ON_PAIRS[name]
    x, ids = batch(seed)
    expected = slow(x.astype(np.float64), ids, **options)
    assert expected > 0
    value, gradient = value_and_gradient(partial(fast, **options), x, ids)
    assert value == pytest.approx(expected, rel=1e-4)
    held = {"weighed_at": x.astype(np.float64)} if name == "circle" else {}
    numeric = slopes(lambda moved: slow(moved, ids, **options, **held), x)
    np.testing.assert_allclose(gradient, numeric, rtol=2e-3, atol=2e-4 * abs(numeric).max())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "options"), PROXY_CASES)
def test_a_loss_with_proxies_is_its_formula(name, options, seed):
    x, ids = batch(seed)
    loss, slow = with_proxies(name, options, seed)
    value, gradient = value_and_gradient(loss, x, ids)
    assert value == pytest.approx(slow(x.astype(np.float64), ids), rel=1e-4)
    numeric = slopes(lambda moved: slow(moved, ids), x)
    np.testing.assert_allclose(gradient, numeric, rtol=2e-3, atol=2e-4 * abs(numeric).max())


@settings(max_examples=30, deadline=None)
@given(ids=st.lists(st.integers(0, N_IDS - 1), min_size=2, max_size=9), seed=st.integers(0, 1000))
def test_any_mixture_of_identities_will_do(ids, seed):
    """Identities with one image, one identity alone, all different: each loss stays its formula."""
    x, ids = batch(seed, n=len(ids))[0], np.array(ids)
    for fast, slow, _ in ON_PAIRS.values():
        assert float(fast(x, ids)) == pytest.approx(slow(x.astype(np.float64), ids), rel=1e-4, abs=1e-5)
    for name in ON_PROXIES:
        loss, slow = with_proxies(name, {}, seed)
        assert float(loss(x, ids)) == pytest.approx(slow(x.astype(np.float64), ids), rel=1e-4, abs=1e-5)


def test_circle_loss_has_the_values_of_keras_own():
    import keras

    x, ids = batch(4)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    theirs = keras.losses.Circle(gamma=80.0, margin=0.4)(ids, unit)
    assert float(circle_loss(x, ids, margin=0.4, scale=80.0)) == pytest.approx(float(theirs), rel=1e-4)


def test_arcface_without_a_margin_is_the_cross_entropy_of_cosines():
    import keras

    x, ids = batch(5)
    loss, _ = with_proxies("ArcFace", {"margin": 0.0, "scale": 10.0}, 5)
    proxies = loss.proxies.get_weights()[0]
    logits = 10 * np.array([[cosine(e, proxy) for proxy in proxies] for e in x])
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(ids, logits)
    assert float(loss(x, ids)) == pytest.approx(float(theirs), rel=1e-5)


@pytest.mark.parametrize("name", [*ON_PAIRS, *ON_PROXIES])
def test_order_never_matters_and_length_only_to_distances(name):
    loss, (x, ids) = every_loss()[name], batch(6)
    order = np.random.default_rng(0).permutation(len(x))
    value = float(loss(x, ids))
    assert float(loss(x[order], ids[order])) == pytest.approx(value, rel=1e-5)
    lengths = np.random.default_rng(1).uniform(0.1, 10, (len(x), 1)).astype(np.float32)
    if name != "contrastive":
        assert float(loss(x * lengths, ids)) == pytest.approx(value, rel=1e-4)
    else:
        assert float(loss(x * 2, ids, margin=2.0)) == pytest.approx(4 * value, rel=1e-5)


@pytest.mark.parametrize("name", [*ON_PAIRS, *ON_PROXIES])
def test_degenerate_batches_give_finite_gradients(name):
    on_proxies = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    batches = {
        "all embeddings at one point": (np.ones((6, 4), np.float32), [0, 0, 1, 1, 2, 2]),
        "one identity": (batch(7, 6, 4)[0], [1] * 6),
        "no positives": (batch(7, 4, 4)[0], [0, 1, 2, 3]),
        "one image": (batch(7, 1, 4)[0], [0]),
        "embeddings of length 0": (np.zeros((4, 4), np.float32), [0, 0, 1, 1]),
        "on their proxies": (on_proxies, [0, 0, 1, 2]),
        "opposite their proxies": (-on_proxies, [0, 0, 1, 2]),
        "very long and very short": (batch(7, 4, 4)[0] * np.float32([[1e6], [1e-6], [1e6], [1e-6]]), [0, 0, 1, 1]),
    }
    loss = every_loss(n_features=4)[name]
    if name in ON_PROXIES:
        loss.proxies.set_weights([np.eye(N_IDS, 4, dtype=np.float32)])  # the last one has length 0
    for what, (x, ids) in batches.items():
        value, gradient = value_and_gradient(loss, x, np.array(ids))
        assert np.isfinite(value), what
        assert np.isfinite(gradient).all(), what
        if what in ("no positives", "one identity", "one image") and name in ("circle", "multi-similarity"):
            assert (value, abs(gradient).max()) == (0, 0), what


def test_batches_far_from_solved_do_not_overflow():
    x = np.float32([[1, 0], [-1, 0], [1, 0], [-1, 0]])
    ids = np.array([0, 0, 1, 1])  # the positives are opposite, negatives coincide
    for name, loss in every_loss(n_features=2).items():
        value, gradient = value_and_gradient(loss, x, ids)
        assert np.isfinite(value), name
        assert np.isfinite(gradient).all(), name
    # γ (1.25 · .75) from a negative and γ (2.25 · 1.75) from the positive; the other negative is beyond its weight.
    assert float(circle_loss(x, ids)) == pytest.approx(256 * (1.25 * 0.75 + 2.25 * 1.75), rel=1e-5)


# --- Options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        (contrastive_loss, {"margin": -1}, "margin is -1"),
        (contrastive_loss, {"margin": "soft"}, "margin is 'soft'"),
        (circle_loss, {"margin": 1.5}, "margin is 1.5; it must be a number from -1 to 1"),
        (circle_loss, {"scale": 0}, "scale is 0; it must be above 0"),
        (multi_similarity_loss, {"alpha": 0}, "alpha is 0"),
        (multi_similarity_loss, {"beta": -1}, "beta is -1"),
        (multi_similarity_loss, {"base": 2}, "base is 2"),
        (multi_similarity_loss, {"margin": -0.1}, "margin is -0.1"),
    ],
)
def test_losses_name_what_is_out_of_range(loss, options, message):
    with pytest.raises(ArgumentError, match=message):
        loss(*batch(0), **options)


@pytest.mark.parametrize("loss", [ProxyAnchorLoss, ArcFaceLoss])
def test_proxies_belong_to_identities(loss):
    with pytest.raises(ArgumentError, match="ids names 1 identities"):
        loss([3, 3], 2)
    with pytest.raises(ArgumentError, match="n_features is 0"):
        loss([3, 4], 0)
    with pytest.raises(ArgumentError, match="scale is 0"):
        loss([3, 4], 2, scale=0)
    with pytest.raises(ArgumentError, match="margin is -0.5"):
        loss([3, 4], 2, margin=-0.5)
    ours = loss([2**40 + 1, 2**40, 7, 7], 2)
    assert ours.identities.tolist() == [7, 2**40, 2**40 + 1]
    assert ours.numbers([2**40, 2**40 + 1, 7, 7]).tolist() == [1, 2, 0, 0]
    with pytest.raises(ArgumentError, match="ids has 8; it must be among the 3 identities that have a proxy"):
        ours.numbers([7, 8])
    first = [loss([0, 1], 4, seed=seed).proxies.get_weights()[0] for seed in (0, 0, 1)]
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.allclose(first[0], first[2])
