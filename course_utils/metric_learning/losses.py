"""Losses on embeddings: of triplets, of labelled batches, and of batches against proxies that are trained along.

A loss on a labelled batch is a function of `embeddings`, shape (n, n_features), and `ids`, shape (n,), as
:class:`~course_utils.metric_learning.PKBatches` gives them. Every loss is a tensor without axes. What lacks a partner
in the batch adds nothing, and no gradient is infinite, even where embeddings coincide. Where a loss speaks of cosines,
s below, the length of an embedding does not matter.
"""

import math

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number, require
from course_utils.metric_learning.mining import check_margin, pairs

__all__ = [
    "ArcFaceLoss",
    "ProxyAnchorLoss",
    "circle_loss",
    "contrastive_loss",
    "multi_similarity_loss",
    "triplet_loss",
]


def triplet_loss(anchor, positive, negative, *, margin=1.0):
    """Return the mean triplet loss, ``max(d(a, p) - d(a, n) + margin, 0)`` or its soft form; d is euclidean.

    Parameters
    ----------
    anchor, positive, negative : tensor, shape (n, n_features)
        Embeddings, in any type that Keras' backend accepts.
    margin : float or "soft"
        By how much the negative is to be farther away; ``"soft"`` is ``log(1 + exp(d(a, p) - d(a, n)))``
        (Hermans et al. 2017), which has no margin to choose and never quite stops pulling.

    Examples
    --------
    >>> float(triplet_loss([[0.0, 0.0]], [[3.0, 4.0]], [[5.5, 0.0]], margin=1.0))
    0.5
    """
    check_margin(margin)
    ops = require("keras", "course").ops
    loss = hinge(*(ops.convert_to_tensor(x) for x in (anchor, positive, negative)), margin)
    return mean_of(loss, ops.ones_like(loss))


def contrastive_loss(embeddings, ids, *, margin=1.0):
    """Return the mean over all pairs of a batch of ``d² / 2`` or ``max(margin - d, 0)² / 2`` (Hadsell et al. 2006).

    The first is for a pair of one identity, the second for a pair of two; d is the euclidean distance.

    Parameters
    ----------
    embeddings : tensor, shape (n, n_features)
        One batch, in any type that Keras' backend accepts.
    ids : tensor of int, shape (n,)
        Identities.
    margin : float
        At this distance a pair of two identities stops to matter. Unit vectors are 2 apart at most.

    Examples
    --------
    >>> loss = contrastive_loss([[0.0], [1.0], [1.5]], [7, 7, 8])
    >>> round(float(loss), 4)  # (1² + 0 + 0.5²) / 2, over three pairs
    0.2083
    """
    ops = require("keras", "course").ops
    check_number("margin", margin, minimum=0)
    embeddings = ops.convert_to_tensor(embeddings)
    same, different = pairs(ids)
    distances = distance(embeddings[:, None], embeddings[None])
    loss = ops.where(same, ops.square(distances), ops.square(ops.relu(margin - distances))) / 2
    return mean_of(loss, ops.logical_or(same, different))


def circle_loss(embeddings, ids, *, margin=0.25, scale=256.0):
    """Return the mean circle loss of the anchors that have a positive and a negative in the batch (Sun et al. 2020).

    With p the positives of an anchor, n its negatives, m the margin and γ the scale, the loss of the anchor is
    ``log(1 + Σₙ exp(γ αₙ (sₙ - m)) Σₚ exp(-γ αₚ (sₚ - 1 + m)))``. The weights ``αₙ = max(sₙ + m, 0)`` and
    ``αₚ = max(1 + m - sₚ, 0)`` are constants to the gradient, as in the paper, so that a similarity far from where it
    should be pulls hardest. (``keras.losses.Circle`` has the same values and another gradient.)

    Parameters
    ----------
    embeddings, ids
        As in :func:`contrastive_loss`.
    margin : float
        m, -1 to 1: smaller asks for more. The paper has 0.25 for faces, 0.4 for fine-grained retrieval.
    scale : float
        γ, above 0. The paper has 256 for faces, 80 for fine-grained retrieval.

    Examples
    --------
    >>> embeddings, ids = [[3.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [7, 7, 8]  # s = 1 and 0: better than asked for
    >>> round(float(circle_loss(embeddings, ids, scale=4.0)), 4)  # log(1 + exp(-4 / 16) exp(-4 / 16))
    0.4741
    """
    ops = require("keras", "course").ops
    check_number("margin", margin, minimum=-1, maximum=1)
    _check_positive("scale", scale)
    same, different = pairs(ids)
    s = _cosines(embeddings, embeddings)
    negative_weight = ops.stop_gradient(ops.relu(s + margin))
    positive_weight = ops.stop_gradient(ops.relu(1 + margin - s))
    negative = _log_sum(scale * negative_weight * (s - margin), different)
    positive = _log_sum(-scale * positive_weight * (s - 1 + margin), same)
    complete = ops.logical_and(ops.any(same, axis=1), ops.any(different, axis=1))
    return mean_of(ops.softplus(negative + positive), complete)


def multi_similarity_loss(embeddings, ids, *, alpha=2.0, beta=50.0, base=0.5, margin=0.1):
    """Return the mean multi-similarity loss of the anchors of a batch (Wang et al. 2019).

    With p the positives of an anchor, n its negatives and λ the base, the loss of the anchor is
    ``log(1 + Σₚ exp(-α (sₚ - λ))) / α + log(1 + Σₙ exp(β (sₙ - λ))) / β``. First the paper's mining leaves out the
    negatives that are less similar, by more than the margin, than the least similar positive, and the positives that
    are more similar, by more than the margin, than the most similar negative.

    Parameters
    ----------
    embeddings, ids
        As in :func:`contrastive_loss`.
    alpha, beta : float
        How much more the hardest positives and negatives count, above 0.
    base : float
        λ, the cosine around which pairs are weighed, -1 to 1. The paper says 1; its authors' code has 0.5, since with 1
        a negative hardly counts unless it nearly coincides with the anchor.
    margin : float or None
        Of the mining, at least 0. None takes all pairs.

    Examples
    --------
    >>> embeddings, ids = [[3.0, 0.0], [1.0, 0.0], [0.0, 2.0]], [7, 7, 8]  # s = 1 and 0: nothing is left to mine
    >>> float(multi_similarity_loss(embeddings, ids))
    0.0
    >>> round(float(multi_similarity_loss(embeddings, ids, margin=None)), 4)  # log(1 + exp(-1)) / 2 twice, over three
    0.1044
    """
    ops = require("keras", "course").ops
    _check_positive("alpha", alpha)
    _check_positive("beta", beta)
    check_number("base", base, minimum=-1, maximum=1)
    same, different = pairs(ids)
    s = _cosines(embeddings, embeddings)
    if margin is not None:
        check_number("margin", margin, minimum=0)
        least_alike = ops.min(ops.where(same, s, np.inf), axis=1, keepdims=True)
        most_alike = ops.max(ops.where(different, s, -np.inf), axis=1, keepdims=True)
        same = ops.logical_and(same, s < most_alike + margin)
        different = ops.logical_and(different, s > least_alike - margin)
    positive = ops.softplus(_log_sum(-alpha * (s - base), same)) / alpha
    negative = ops.softplus(_log_sum(beta * (s - base), different)) / beta
    return ops.mean(positive + negative)


class ProxyLoss:
    """A loss that owns a vector for each identity of the training set."""

    def __init__(self, ids, n_features, *, scale, seed):
        keras = require("keras", "course")
        _check_positive("scale", scale)
        self.scale, self.n_features = scale, check_integer("n_features", n_features, minimum=1)
        self.identities = np.unique(ids)
        if len(self.identities) < 2:
            raise ArgumentError(f"ids names {len(self.identities)} identities; it must name at least 2")
        self._numbers = {identity: number for number, identity in enumerate(self.identities.tolist())}
        # Only directions count, and a step turns a short vector further: proxies must turn faster than the network
        # does. Kim et al. give them 100 times its learning rate; ArcFace's authors begin with vectors of this size.
        self.proxies = keras.layers.Embedding(
            len(self.identities),
            self.n_features,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.01, seed=seed),
            name="proxies",
        )
        self.proxies.build()

    def numbers(self, ids):
        """Return the place of each id in `identities`, shape (n,); an id without a proxy is an ArgumentError."""
        try:
            return np.array([self._numbers[identity] for identity in np.asarray(ids).tolist()], np.int32)
        except KeyError as error:
            raise ArgumentError(
                f"ids has {error.args[0]!r}; it must be among the {len(self._numbers)} identities that have a proxy"
            ) from error

    def _compared(self, embeddings, numbers):
        """Return the cosine of each embedding with each proxy, and which proxy is its own."""
        ops = require("keras", "course").ops
        numbers = ops.cast(ops.reshape(ops.convert_to_tensor(numbers), (-1, 1)), "int32")
        own = ops.equal(numbers, ops.arange(len(self.identities), dtype="int32")[None])
        return _cosines(embeddings, self.proxies.embeddings), own


class ProxyAnchorLoss(ProxyLoss):
    """Proxy-anchor loss: each identity's proxy is an anchor for all embeddings of the batch (Kim et al. 2020).

    With P the proxies, P⁺ those whose identity is in the batch, δ the margin and α the scale, the loss is ``Σ log(1 + Σ
    exp(-α (s - δ))) / |P⁺|`` over P⁺ and the embeddings of the proxy's identity, plus ``Σ log(1 + Σ exp(α (s + δ))) /
    |P|`` over P and the embeddings of other identities. Calling it with embeddings, shape (n, n_features), and the
    numbers of their proxies, shape (n,), gives a scalar.

    Parameters
    ----------
    ids : array_like
        The identities of the training set: numbers or names, repeated or not, two different ones at least.
    n_features : int
        Length of an embedding.
    margin : float
        δ, at least 0.
    scale : float
        α, above 0.
    seed : int, optional
        Of the first proxies; if None, ``keras.utils.set_random_seed`` decides.

    Attributes
    ----------
    identities : ndarray, shape (n_ids,)
        The identities, sorted.
    proxies : keras.layers.Embedding
        Its ``embeddings``, shape (n_ids, n_features), are the proxies of `identities`, to be trained with the network.

    Examples
    --------
    >>> loss = ProxyAnchorLoss(["ann", "bo"], n_features=2, scale=1.0)
    >>> loss.proxies.set_weights([np.array([[1.0, 0.0], [0.0, 1.0]])])
    >>> loss.numbers(["bo", "ann"])
    array([1, 0], dtype=int32)
    >>> value = float(loss([[0.0, 5.0], [5.0, 0.0]], [1, 0]))  # each at its proxy: s = 1 and 0
    >>> round(value, 4), round(math.log(1 + math.exp(-0.9)) + math.log(1 + math.exp(0.1)), 4)
    (1.0856, 1.0856)
    """

    def __init__(self, ids, n_features, *, margin=0.1, scale=32.0, seed=None):
        super().__init__(ids, n_features, scale=scale, seed=seed)
        self.margin = check_number("margin", margin, minimum=0)

    def __call__(self, embeddings, numbers):
        ops = require("keras", "course").ops
        s, own = self._compared(embeddings, numbers)
        positive = ops.softplus(_log_sum(-self.scale * (s - self.margin), own, axis=0))
        negative = ops.softplus(_log_sum(self.scale * (s + self.margin), ops.logical_not(own), axis=0))
        return mean_of(positive, ops.any(own, axis=0)) + ops.mean(negative)


class ArcFaceLoss(ProxyLoss):
    """ArcFace: a classification by angles, in which the own proxy seems a margin farther away (Deng et al. 2019).

    With θ the angle between an embedding and a proxy, m the margin and γ the scale, the loss is the cross-entropy of
    the softmax over the logits ``γ cos θ`` of all proxies, but ``γ cos(θ + m)`` of the own one. Where θ + m exceeds π,
    and that cosine would rise again, ``γ (cos θ - m sin m)`` takes its place, as in the authors' code. It is called as
    :class:`ProxyAnchorLoss` is, and gives the mean over the batch.

    Parameters
    ----------
    ids, n_features, seed
        As in :class:`ProxyAnchorLoss`, as are the attributes.
    margin : float
        m in radians, 0 to π / 2.
    scale : float
        γ, above 0.

    Examples
    --------
    >>> loss = ArcFaceLoss([7, 8], n_features=2, margin=0.5, scale=1.0)
    >>> loss.proxies.set_weights([np.array([[1.0, 0.0], [0.0, 1.0]])])
    >>> value = float(loss([[3.0, 0.0]], loss.numbers([7])))  # θ is 0 and π / 2
    >>> round(value, 4), round(math.log(math.exp(math.cos(0.5)) + math.exp(0)) - math.cos(0.5), 4)
    (0.3477, 0.3477)
    """

    def __init__(self, ids, n_features, *, margin=0.5, scale=64.0, seed=None):
        super().__init__(ids, n_features, scale=scale, seed=seed)
        self.margin = check_number("margin", margin, minimum=0, maximum=math.pi / 2)

    def __call__(self, embeddings, numbers):
        ops = require("keras", "course").ops
        s, own = self._compared(embeddings, numbers)
        cosine = ops.sum(ops.where(own, s, 0.0), axis=1)
        # The root has no slope at 0, which an embedding on its proxy reaches.
        sine = ops.sqrt(ops.maximum(1 - ops.square(cosine), 1e-7))
        moved = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        beyond = cosine - self.margin * math.sin(self.margin)
        moved = ops.where(cosine > -math.cos(self.margin), moved, beyond)
        logits = self.scale * ops.where(own, moved[:, None], s)
        return ops.mean(ops.logsumexp(logits, axis=1) - self.scale * moved)


def hinge(anchor, positive, negative, margin):
    """Return the loss of each triplet."""
    ops = require("keras", "course").ops
    excess = distance(anchor, positive) - distance(anchor, negative)
    return ops.softplus(excess) if margin == "soft" else ops.relu(excess + margin)


def distance(a, b):
    ops = require("keras", "course").ops
    # The root has no slope at 0: below the floor the gradient is 0 instead of NaN.
    return ops.sqrt(ops.maximum(ops.sum(ops.square(a - b), axis=-1), 1e-14))


def mean_of(loss, weights):
    """Average the losses whose weight is not zero."""
    ops = require("keras", "course").ops
    weights = ops.cast(weights, loss.dtype)
    return ops.sum(loss * weights) / ops.maximum(ops.sum(weights), 1.0)


def _cosines(a, b):
    ops = require("keras", "course").ops
    a, b = (ops.convert_to_tensor(x) for x in (a, b))
    # Below the floor, as in `distance`, the gradient is finite.
    a, b = (x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=1, keepdims=True), 1e-14)) for x in (a, b))
    return ops.matmul(a, ops.transpose(b))


def _log_sum(exponents, chosen, axis=1):
    """Return the logarithm of the sum of exp over what is chosen; over nothing, a number whose exp is 0.

    ``softplus`` of it is log(1 + Σ exp), without overflow. An infinite number would make gradients NaN.
    """
    ops = require("keras", "course").ops
    return ops.logsumexp(ops.where(chosen, exponents, -1e9), axis=axis)


def _check_positive(name, value):
    if check_number(name, value, minimum=0) == 0:
        raise ArgumentError(f"{name} is {value!r}; it must be above 0")
