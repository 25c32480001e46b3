"""Learning distances: batches of pairs and triplets by index arithmetic, triplet losses, and a Siamese trainer.

Batches are NumPy and serve any framework. The losses are written in ``keras.ops``, and Keras is imported only when
one is called. An *anchor* is compared with a *positive*, another image of its identity, and a *negative*, an image of
another identity.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer, check_number, require

__all__ = [
    "PKBatches",
    "SiameseTrainer",
    "batch_hard_triplets",
    "pair_batches",
    "semi_hard_triplets",
    "triplet_batches",
    "triplet_loss",
]

MINING = ("random", "batch_hard", "semi_hard")


@dataclass(frozen=True, eq=False)
class _IdentityIndex:
    """Images grouped by identity: those of identity `i` are ``order[start[i]:start[i] + size[i]]``.

    Drawing a positive or a negative then is arithmetic on positions in `order`, whatever the number of identities.
    """

    order: np.ndarray
    start: np.ndarray
    size: np.ndarray
    identity_at: np.ndarray  # identity of each position in order
    paired: np.ndarray  # positions in order whose identity has two images or more

    @classmethod
    def of(cls, images, ids):
        ids = np.asarray(ids)
        if ids.ndim != 1 or len(ids) != len(images):
            raise ArgumentError(
                f"ids has shape {ids.shape}; it must have one entry for each of the {len(images)} images"
            )
        identities, identity, size = np.unique(ids, return_inverse=True, return_counts=True)
        if len(identities) < 2:
            raise ArgumentError(f"ids names {len(identities)} identities; it must name at least 2")
        order = np.argsort(identity, kind="stable")
        identity_at = identity[order]
        paired = np.flatnonzero(size[identity_at] > 1)
        if not len(paired):
            raise ArgumentError(
                "ids has no identity with two images; at least one is needed, since an anchor is never its own positive"
            )
        return cls(order, np.cumsum(size) - size, size, identity_at, paired)

    def positives(self, anchors, rng):
        """Draw for each anchor position another position of the same identity."""
        identity = self.identity_at[anchors]
        place = rng.integers(self.size[identity] - 1)
        place += place >= anchors - self.start[identity]
        return self.start[identity] + place

    def negatives(self, anchors, rng):
        """Draw for each anchor position one of another identity, all equally likely."""
        identity = self.identity_at[anchors]
        place = rng.integers(len(self.order) - self.size[identity])
        return place + self.size[identity] * (place >= self.start[identity])


def pair_batches(images, ids, *, batch_size, rng):
    """Yield endless batches of image pairs, half of one identity, half of two.

    Parameters
    ----------
    images : ndarray, shape (n, ...)
        Anything that can be indexed by image.
    ids : array_like, shape (n,)
        Identities; those with one image appear only in pairs of two identities.
    batch_size : int
        Pairs in a batch, even.
    rng : numpy.random.Generator
        Source of the draws.

    Yields
    ------
    left, right : ndarray, shape (batch_size, ...)
        The images of the pairs. Same identity in the first half, different ones in the second.
    same : ndarray of float32, shape (batch_size,)
        1 for a pair of one identity, 0 for a pair of two.

    Raises
    ------
    ArgumentError
        If there are fewer than two identities, none has two images, or `batch_size` is odd.

    Examples
    --------
    >>> images, ids = np.arange(6)[:, None], np.array([0, 0, 0, 1, 1, 2])
    >>> batches = pair_batches(images, ids, batch_size=4, rng=np.random.default_rng(0))
    >>> left, right, same = next(batches)
    >>> same
    array([1., 1., 0., 0.], dtype=float32)
    >>> ids[left[:, 0]] == ids[right[:, 0]]
    array([ True,  True, False, False])
    """
    images = np.asarray(images)
    batch_size = check_integer("batch_size", batch_size, minimum=2)
    if batch_size % 2:
        raise ArgumentError(f"batch_size is {batch_size}; it must be even")
    return _pairs(images, _IdentityIndex.of(images, ids), batch_size // 2, _check_rng(rng))


def _pairs(images, index, half, rng):
    same = np.repeat(np.float32([1, 0]), half)
    while True:
        alike = index.paired[rng.integers(len(index.paired), size=half)]
        unlike = rng.integers(len(index.order), size=half)
        left = np.concatenate([alike, unlike])
        right = np.concatenate([index.positives(alike, rng), index.negatives(unlike, rng)])
        yield *images[index.order[np.stack([left, right])]], same.copy()


def triplet_batches(images, ids, *, batch_size, rng):
    """Yield endless batches of random triplets: anchor, positive, negative.

    Parameters
    ----------
    images, ids
        As in :func:`pair_batches`; identities with one image appear only as negatives.
    batch_size : int
        Triplets in a batch.
    rng : numpy.random.Generator
        Source of the draws. Anchors are uniform over the images that have a positive, positives over the
        anchor's identity without the anchor, negatives over all images of other identities.

    Yields
    ------
    anchor, positive, negative : ndarray, shape (batch_size, ...)
        The images of the triplets.

    Raises
    ------
    ArgumentError
        If there are fewer than two identities, or none has two images.

    Examples
    --------
    >>> images, ids = np.arange(6)[:, None], np.array([0, 0, 0, 1, 1, 2])
    >>> batches = triplet_batches(images, ids, batch_size=3, rng=np.random.default_rng(0))
    >>> anchor, positive, negative = next(batches)
    >>> bool((ids[anchor] == ids[positive]).all() and (anchor != positive).all())
    True
    >>> bool((ids[anchor] != ids[negative]).all())
    True
    """
    images = np.asarray(images)
    batch_size = check_integer("batch_size", batch_size, minimum=1)
    return _triplets(images, _IdentityIndex.of(images, ids), batch_size, _check_rng(rng))


def _triplets(images, index, batch_size, rng):
    while True:
        anchors = index.paired[rng.integers(len(index.paired), size=batch_size)]
        positions = np.stack([anchors, index.positives(anchors, rng), index.negatives(anchors, rng)])
        yield tuple(images[index.order[positions]])


class PKBatches:
    """Endless batches of P identities with K different images each, which batch-hard mining needs.

    Identities with fewer than K images are left out; `n_left_out` says how many.

    Parameters
    ----------
    images, ids
        As in :func:`pair_batches`.
    n_identities : int
        P, at least 2.
    n_images : int
        K, at least 2.
    rng : numpy.random.Generator
        Source of the draws: P different identities, then K different images of each, all equally likely.

    Attributes
    ----------
    batch_size : int
        ``n_identities * n_images``.
    n_left_out : int
        Identities that have fewer than `n_images` images.

    Raises
    ------
    ArgumentError
        If fewer than `n_identities` identities have `n_images` images.

    Examples
    --------
    >>> images, ids = np.arange(7)[:, None], np.array([5, 5, 5, 6, 6, 7, 8])
    >>> batches = PKBatches(images, ids, n_identities=2, n_images=2, rng=np.random.default_rng(0))
    >>> batches.n_left_out
    2
    >>> batch, batch_ids = next(batches)
    >>> batch.shape, sorted(batch_ids.tolist())
    ((4, 1), [5, 5, 6, 6])
    """

    def __init__(self, images, ids, *, n_identities, n_images, rng):
        self._images = np.asarray(images)
        self._ids = np.asarray(ids)
        self._n_identities = check_integer("n_identities", n_identities, minimum=2)
        self._n_images = check_integer("n_images", n_images, minimum=2)
        self._rng = _check_rng(rng)
        self._index = _IdentityIndex.of(self._images, self._ids)
        self._eligible = np.flatnonzero(self._index.size >= n_images)
        self.batch_size = self._n_identities * self._n_images
        self.n_left_out = len(self._index.size) - len(self._eligible)
        if len(self._eligible) < n_identities:
            raise ArgumentError(
                f"{len(self._eligible)} identities have at least {n_images} images; n_identities is "
                f"{n_identities}, so at least as many must"
            )

    def __iter__(self):
        return self

    def __next__(self):
        """Return the next batch: images, shape (P·K, ...), and their ids, shape (P·K,), identity by identity."""
        chosen = self._rng.choice(len(self._eligible), self._n_identities, replace=False)
        chosen = self._eligible[chosen]
        places = _distinct(self._index.size[chosen], self._n_images, self._rng)
        picked = self._index.order[(self._index.start[chosen, None] + places).ravel()]
        return self._images[picked], self._ids[picked]


def _distinct(sizes, count, rng):
    """Draw for each size `count` different integers below it, every set equally likely (Floyd's method)."""
    picked = np.empty((len(sizes), count), np.intp)
    for column in range(count):
        last = sizes - count + column
        drawn = rng.integers(last + 1)
        repeated = (picked[:, :column] == drawn[:, None]).any(axis=1)
        picked[:, column] = np.where(repeated, last, drawn)
    return picked


def triplet_loss(anchor, positive, negative, *, margin=1.0):
    """Return the mean triplet loss, ``max(d(a, p) - d(a, n) + margin, 0)`` or its soft form; d is euclidean.

    Parameters
    ----------
    anchor, positive, negative : tensor, shape (n, n_features)
        Embeddings, in any type that Keras' backend accepts.
    margin : float or "soft"
        By how much the negative is to be farther away; ``"soft"`` is ``log(1 + exp(d(a, p) - d(a, n)))``
        (Hermans et al. 2017), which has no margin to choose and never quite stops pulling.

    Returns
    -------
    tensor
        A scalar.

    Raises
    ------
    ArgumentError
        If `margin` is negative, or another word.

    Examples
    --------
    >>> float(triplet_loss([[0.0, 0.0]], [[3.0, 4.0]], [[5.5, 0.0]], margin=1.0))
    0.5
    """
    _check_margin(margin)
    ops = require("keras", "course").ops
    loss = _hinge(*(ops.convert_to_tensor(x) for x in (anchor, positive, negative)), margin)
    return _mean(loss, ops.ones_like(loss))


def batch_hard_triplets(embeddings, ids):
    """Find for each embedding its farthest positive and its nearest negative in the batch (Hermans et al. 2017).

    Parameters
    ----------
    embeddings : tensor, shape (n, n_features)
        One batch, such as :class:`PKBatches` gives.
    ids : tensor of int, shape (n,)
        Identities.

    Returns
    -------
    positive, negative : tensor of int, shape (n,)
        Positions in the batch. An embedding is never its own positive.
    valid : tensor of bool, shape (n,)
        False where the batch has no other image of the identity, or none of another identity; `positive` and
        `negative` then mean nothing.

    Examples
    --------
    >>> positive, negative, valid = batch_hard_triplets([[0.0], [1.0], [3.0], [4.5]], [7, 7, 7, 8])
    >>> np.array(positive).tolist(), np.array(negative).tolist(), np.array(valid).tolist()
    ([2, 2, 0, 0], [3, 3, 3, 2], [True, True, True, False])
    """
    ops = require("keras", "course").ops
    distances, same, different = _batch_relations(embeddings, ids)
    positive = ops.argmax(ops.where(same, distances, -1.0), axis=1)
    negative = ops.argmin(ops.where(different, distances, np.inf), axis=1)
    return positive, negative, ops.logical_and(ops.any(same, axis=1), ops.any(different, axis=1))


def semi_hard_triplets(embeddings, ids, *, margin=1.0):
    """Find for each anchor and positive the nearest negative that is farther than the positive (Schroff et al. 2015).

    Only a negative within the margin counts: ``d(a, p) < d(a, n) < d(a, p) + margin``. Memory grows with the cube of
    the batch.

    Parameters
    ----------
    embeddings, ids
        As in :func:`batch_hard_triplets`.
    margin : float or "soft"
        As in :func:`triplet_loss`; ``"soft"`` has no margin, so all negatives farther than the positive count.

    Returns
    -------
    negative : tensor of int, shape (n, n)
        ``negative[a, p]`` is a position in the batch.
    valid : tensor of bool, shape (n, n)
        Whether `a` and `p` are two images of one identity and have such a negative.

    Raises
    ------
    ArgumentError
        If `margin` is negative.

    Examples
    --------
    >>> negative, valid = semi_hard_triplets([[0.0], [1.0], [-1.5], [-9.0]], [7, 7, 8, 8], margin=1.0)
    >>> np.argwhere(np.array(valid)).tolist(), int(negative[0, 1])
    ([[0, 1]], 2)
    """
    ops = require("keras", "course").ops
    _check_margin(margin)
    distances, same, different = _batch_relations(embeddings, ids)
    distances = ops.sqrt(distances)
    to_positive, to_negative = distances[:, :, None], distances[:, None, :]
    eligible = ops.logical_and(different[:, None, :], to_negative > to_positive)
    if margin != "soft":
        eligible = ops.logical_and(eligible, to_negative < to_positive + margin)
    negative = ops.argmin(ops.where(eligible, to_negative, np.inf), axis=2)
    return negative, ops.logical_and(same, ops.any(eligible, axis=2))


def _batch_relations(embeddings, ids):
    """Return squared distances, and which pairs are of one identity (not with oneself) and of two."""
    ops = require("keras", "course").ops
    # Mining chooses, it does not teach: no gradient flows through the choice.
    embeddings = ops.stop_gradient(ops.convert_to_tensor(embeddings))
    ids = ops.reshape(ops.convert_to_tensor(ids), (-1,))
    squares = ops.sum(ops.square(embeddings), axis=1)
    distances = squares[:, None] + squares[None] - 2 * ops.matmul(embeddings, ops.transpose(embeddings))
    alike = ops.equal(ids[:, None], ids[None])
    others = ops.logical_not(ops.eye(ops.shape(embeddings)[0], dtype="bool"))
    return ops.maximum(distances, 0.0), ops.logical_and(alike, others), ops.logical_not(alike)


class SiameseTrainer:
    """Train an embedding network with triplets through Keras' own ``fit``; embeddings are scaled to length 1.

    Parameters
    ----------
    branch : keras.Model
        Maps images to embeddings, shape (n, n_features). Trained in place.
    mining : {"random", "batch_hard", "semi_hard"}
        ``"random"`` takes batches of :func:`triplet_batches`, the others those of :class:`PKBatches`.
    margin : float or "soft"
        As in :func:`triplet_loss`.
    optimizer : str or keras.optimizers.Optimizer
        As in ``keras.Model.compile``.

    Attributes
    ----------
    model : keras.Model
        The compiled model: branch and normalisation.

    Raises
    ------
    ArgumentError
        If an option is unknown, or the branch does not return one vector an image.

    Examples
    --------
    >>> import keras
    >>> rng = np.random.default_rng(0)
    >>> branch = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> images, ids = rng.random((8, 3)), np.repeat([0, 1, 2, 3], 2)
    >>> trainer = SiameseTrainer(branch, mining="batch_hard")
    >>> history = trainer.fit(
    ...     PKBatches(images, ids, n_identities=4, n_images=2, rng=rng), steps_per_epoch=2, epochs=3, verbose=0
    ... )
    >>> len(history.history["loss"]), trainer.embed(images).shape
    (3, (8, 2))
    """

    def __init__(self, branch, *, mining="batch_hard", margin=1.0, optimizer="rmsprop"):
        keras = require("keras", "course")
        self.mining = check_choice("mining", mining, MINING)
        _check_margin(margin)
        shape = branch.output_shape
        if not isinstance(shape, tuple) or len(shape) != 2:
            raise ArgumentError(f"branch returns shape {shape}; it must return (None, n_features)")
        inputs = keras.Input(branch.input_shape[1:])
        outputs = keras.layers.UnitNormalization(name="unit_length")(branch(inputs))
        self.model = keras.Model(inputs, outputs, name="siamese")
        self.model.compile(optimizer=optimizer, loss=_loss_type()(mining, margin))
        # Else the optimizer gets its variables in the middle of the first step, and TensorFlow traces that step twice.
        self.model.optimizer.build(self.model.trainable_variables)

    def fit(self, batches, *, steps_per_epoch, epochs=1, **options):
        """Train on an endless supply of batches.

        Parameters
        ----------
        batches : iterator
            From :func:`triplet_batches` for ``"random"``, from :class:`PKBatches` for the others.
        steps_per_epoch, epochs : int
            As in ``keras.Model.fit``.
        **options
            Any other option of ``keras.Model.fit``: ``verbose``, ``callbacks=[keras.callbacks.TensorBoard(...)]``.

        Returns
        -------
        keras.callbacks.History

        Raises
        ------
        ArgumentError
            If the batches are not of the kind that the mining needs.
        """
        options = {"shuffle": False} | options  # batches come shuffled
        n_arrays, needed = (3, "triplet_batches") if self.mining == "random" else (2, "PKBatches")
        batches = iter(batches)
        first = next(batches)
        if len(first) != n_arrays:
            raise ArgumentError(
                f"batches gives {len(first)} arrays per batch; mining {self.mining!r} needs the {n_arrays} that "
                f"{needed} gives"
            )
        examples = (self._as_example(batch) for batch in itertools.chain([first], batches))
        return self.model.fit(examples, steps_per_epoch=steps_per_epoch, epochs=epochs, **options)

    def _as_example(self, batch):
        if self.mining == "random":
            images = np.concatenate(batch)
            return images, np.zeros(len(images), np.int32)
        images, ids = batch
        # Keras turns labels into float32, which cannot tell large ids apart; small ones it can.
        return np.asarray(images), np.unique(ids, return_inverse=True)[1].astype(np.int32)

    def embed(self, images, *, batch_size=256):
        """Return the embeddings of images.

        Parameters
        ----------
        images : array_like, shape (n, ...)
            Images, as the branch takes them.
        batch_size : int
            Images that go through the network at a time.

        Returns
        -------
        ndarray of float32, shape (n, n_features)
            Of length 1.
        """
        return np.asarray(self.model.predict(np.asarray(images), batch_size=batch_size, verbose=0))


@functools.cache
def _loss_type():
    """Define the Keras loss on first use, so that importing this module does not import Keras."""
    keras = require("keras", "course")
    ops = keras.ops

    class TripletLoss(keras.losses.Loss):
        """Triplet loss of a batch of embeddings; the labels are identities, and not read for random triplets."""

        def __init__(self, mining, margin):
            super().__init__(name="triplet_loss")
            self.mining, self.margin = mining, margin

        def call(self, ids, embeddings):
            if self.mining == "random":
                return triplet_loss(*ops.split(embeddings, 3), margin=self.margin)
            if self.mining == "batch_hard":
                anchor = embeddings
                positive, negative, valid = batch_hard_triplets(embeddings, ids)
                positive = ops.take(embeddings, positive, axis=0)
            else:
                anchor, positive = embeddings[:, None], embeddings[None]
                negative, valid = semi_hard_triplets(embeddings, ids, margin=self.margin)
            negative = ops.take(embeddings, negative, axis=0)
            return _mean(_hinge(anchor, positive, negative, self.margin), valid)

    return TripletLoss


def _hinge(anchor, positive, negative, margin):
    """Return the loss of each triplet."""
    ops = require("keras", "course").ops
    excess = _distance(anchor, positive) - _distance(anchor, negative)
    return ops.softplus(excess) if margin == "soft" else ops.relu(excess + margin)


def _distance(a, b):
    ops = require("keras", "course").ops
    # The root has no slope at 0: below the floor the gradient is 0 instead of NaN.
    return ops.sqrt(ops.maximum(ops.sum(ops.square(a - b), axis=-1), 1e-14))


def _mean(loss, weights):
    """Average the losses whose weight is not zero."""
    ops = require("keras", "course").ops
    weights = ops.cast(weights, loss.dtype)
    return ops.sum(loss * weights) / ops.maximum(ops.sum(weights), 1.0)


def _check_margin(margin):
    if isinstance(margin, str):
        check_choice("margin", margin, ["soft"])
    else:
        check_number("margin", margin, minimum=0)


def _check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng is {rng!r}; it must be a numpy.random.Generator, such as np.random.default_rng(0)")
    return rng
