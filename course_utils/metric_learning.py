"""Learning distances: batches of pairs and triplets by index arithmetic, triplet losses, and a Siamese trainer.

Batches are NumPy and serve any framework. The losses are written in ``keras.ops``, and Keras is imported only when
one is called. An *anchor* is compared with a *positive*, another image of its identity, and a *negative*, an image of
another identity.
"""

import functools
import itertools
from dataclasses import dataclass

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer, check_number

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
    def of(cls, function, images, ids):
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


def pair_batches(images, ids, *, batch_size, rng, reuse_buffers=False):
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
    reuse_buffers : bool
        Write every batch into the same arrays, which is faster; the batch before is then overwritten.

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
    _check_rng("pair_batches", rng)
    return _pairs(images, _IdentityIndex.of("pair_batches", images, ids), batch_size, rng, reuse_buffers)


def _pairs(images, index, batch_size, rng, reuse_buffers):
    half = batch_size // 2
    same = np.repeat(np.float32([1, 0]), half)
    buffers = _buffers(images, 2, batch_size) if reuse_buffers else None
    while True:
        alike = index.paired[rng.integers(len(index.paired), size=half)]
        unlike = rng.integers(len(index.order), size=half)
        left = np.concatenate([alike, unlike])
        right = np.concatenate([index.positives(alike, rng), index.negatives(unlike, rng)])
        yield *_gather(images, index.order[np.stack([left, right])], buffers), same.copy()


def triplet_batches(images, ids, *, batch_size, rng, reuse_buffers=False):
    """Yield endless batches of random triplets: anchor, positive, negative.

    Parameters
    ----------
    images : ndarray, shape (n, ...)
        Anything that can be indexed by image.
    ids : array_like, shape (n,)
        Identities; those with one image appear only as negatives.
    batch_size : int
        Triplets in a batch.
    rng : numpy.random.Generator
        Source of the draws. Anchors are uniform over the images that have a positive, positives over the
        anchor's identity without the anchor, negatives over all images of other identities.
    reuse_buffers : bool
        Write every batch into the same arrays, which is faster; the batch before is then overwritten.

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
    _check_rng("triplet_batches", rng)
    return _triplets(images, _IdentityIndex.of("triplet_batches", images, ids), batch_size, rng, reuse_buffers)


def _triplets(images, index, batch_size, rng, reuse_buffers):
    buffers = _buffers(images, 3, batch_size) if reuse_buffers else None
    while True:
        anchors = index.paired[rng.integers(len(index.paired), size=batch_size)]
        positions = np.stack([anchors, index.positives(anchors, rng), index.negatives(anchors, rng)])
        yield _gather(images, index.order[positions], buffers)


class PKBatches:
    """Endless batches of P identities with K different images each, the food of batch-hard mining.

    Identities with fewer than K images are left out; `n_left_out` says how many.

    Parameters
    ----------
    images : ndarray, shape (n, ...)
        Anything that can be indexed by image.
    ids : array_like, shape (n,)
        Identities.
    n_identities : int
        P, at least 2.
    n_images : int
        K, at least 2.
    rng : numpy.random.Generator
        Source of the draws: P different identities, then K different images of each, all equally likely.
    reuse_buffers : bool
        Write every batch into the same arrays, which is faster; the batch before is then overwritten.

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

    def __init__(self, images, ids, *, n_identities, n_images, rng, reuse_buffers=False):
        self._images = np.asarray(images)
        self._ids = np.asarray(ids)
        self._n_identities = check_integer("n_identities", n_identities, minimum=2)
        self._n_images = check_integer("n_images", n_images, minimum=2)
        self._rng = _check_rng("PKBatches", rng)
        self._index = _IdentityIndex.of("PKBatches", self._images, self._ids)
        self._eligible = np.flatnonzero(self._index.size >= n_images)
        self.batch_size = self._n_identities * self._n_images
        self.n_left_out = len(self._index.size) - len(self._eligible)
        if len(self._eligible) < n_identities:
            raise ArgumentError(
                f"{len(self._eligible)} identities have at least {n_images} images; n_identities is "
                f"{n_identities}, so at least as many must"
            )
        self._buffers = _buffers(self._images, 1, self.batch_size) if reuse_buffers else None

    def __iter__(self):
        return self

    def __next__(self):
        """Return the next batch: images, shape (P·K, ...), and their ids, shape (P·K,), identity by identity."""
        chosen = self._rng.choice(len(self._eligible), self._n_identities, replace=False)
        chosen = self._eligible[chosen]
        places = _distinct(self._index.size[chosen], self._n_images, self._rng)
        picked = self._index.order[(self._index.start[chosen, None] + places).ravel()]
        return _gather(self._images, picked[None], self._buffers)[0], self._ids[picked]


def _distinct(sizes, count, rng):
    """Draw for each size `count` different integers below it, every set equally likely (Floyd's method)."""
    picked = np.empty((len(sizes), count), np.int64)
    for column in range(count):
        last = sizes - count + column
        drawn = rng.integers(last + 1)
        repeated = (picked[:, :column] == drawn[:, None]).any(axis=1)
        picked[:, column] = np.where(repeated, last, drawn)
    return picked


def _buffers(images, roles, batch_size):
    return np.empty((roles, batch_size, *images.shape[1:]), images.dtype)


def _gather(images, indices, buffers):
    """Return one array of images for each row of indices."""
    if buffers is None:
        return tuple(images[indices])
    # With mode="clip" NumPy writes into the buffer directly; no index is out of range.
    return tuple(np.take(images, indices, axis=0, out=buffers, mode="clip"))


def triplet_loss(anchor, positive, negative, *, margin=1.0, squared=False, reduction="mean"):
    """Return the triplet loss ``max(d(a, p) - d(a, n) + margin, 0)``, or its soft form.

    Parameters
    ----------
    anchor, positive, negative : tensor, shape (n, n_features)
        Embeddings, in any type that Keras' backend accepts.
    margin : float or "soft"
        By how much the negative is to be farther away; ``"soft"`` is ``log(1 + exp(d(a, p) - d(a, n)))``
        (Hermans et al. 2017), which has no margin to choose and never quite stops pulling.
    squared : bool
        Use squared euclidean distances, as Schroff et al. (2015) do.
    reduction : {"mean", "sum", "none"}
        Over triplets.

    Returns
    -------
    tensor
        A scalar, or with ``"none"`` of shape (n,).

    Raises
    ------
    ArgumentError
        If `margin` is negative, or an option is unknown.

    Examples
    --------
    >>> float(triplet_loss([[0.0, 0.0]], [[3.0, 4.0]], [[5.5, 0.0]], margin=1.0))
    0.5
    """
    _check_loss("triplet_loss", margin, reduction)
    from keras import ops

    anchor, positive, negative = (ops.convert_to_tensor(x) for x in (anchor, positive, negative))
    loss = _hinge(_distance(anchor, positive, squared) - _distance(anchor, negative, squared), margin)
    return _reduce(loss, ops.ones_like(loss), reduction)


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
    from keras import ops

    distances, same, different = _batch_relations(embeddings, ids)
    positive = ops.argmax(ops.where(same, distances, -1.0), axis=1)
    negative = ops.argmin(ops.where(different, distances, np.inf), axis=1)
    return positive, negative, ops.logical_and(ops.any(same, axis=1), ops.any(different, axis=1))


def semi_hard_triplets(embeddings, ids, *, margin=1.0, squared=False):
    """Find for each anchor and positive the nearest negative that is farther than the positive (Schroff et al. 2015).

    Only a negative within the margin counts: ``d(a, p) < d(a, n) < d(a, p) + margin``. Memory grows with the cube of
    the batch.

    Parameters
    ----------
    embeddings : tensor, shape (n, n_features)
        One batch, such as :class:`PKBatches` gives.
    ids : tensor of int, shape (n,)
        Identities.
    margin : float or "soft"
        As in :func:`triplet_loss`; ``"soft"`` has no margin, so all negatives farther than the positive count.
    squared : bool
        Compare squared distances.

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
    from keras import ops

    _check_loss("semi_hard_triplets", margin, "none")
    distances, same, different = _batch_relations(embeddings, ids)
    if not squared:
        distances = ops.sqrt(distances)
    to_positive, to_negative = distances[:, :, None], distances[:, None, :]
    eligible = ops.logical_and(different[:, None, :], to_negative > to_positive)
    if margin != "soft":
        eligible = ops.logical_and(eligible, to_negative < to_positive + margin)
    negative = ops.argmin(ops.where(eligible, to_negative, np.inf), axis=2)
    return negative, ops.logical_and(same, ops.any(eligible, axis=2))


def _batch_relations(embeddings, ids):
    """Return squared distances, and which pairs are of one identity (not with oneself) and of two."""
    from keras import ops

    # Mining chooses, it does not teach: no gradient flows through the choice.
    embeddings = ops.stop_gradient(ops.convert_to_tensor(embeddings))
    ids = ops.reshape(ops.convert_to_tensor(ids), (-1,))
    squares = ops.sum(ops.square(embeddings), axis=1)
    distances = squares[:, None] + squares[None] - 2 * ops.matmul(embeddings, ops.transpose(embeddings))
    alike = ops.equal(ids[:, None], ids[None])
    others = ops.logical_not(ops.eye(ops.shape(embeddings)[0], dtype="bool"))
    return ops.maximum(distances, 0.0), ops.logical_and(alike, others), ops.logical_not(alike)


class SiameseTrainer:
    """Train an embedding network with triplets through Keras' own ``fit``.

    Parameters
    ----------
    branch : keras.Model
        Maps images to embeddings, shape (n, n_features). Trained in place.
    mining : {"random", "batch_hard", "semi_hard"}
        ``"random"`` takes batches of :func:`triplet_batches`, the others those of :class:`PKBatches`.
    margin : float or "soft"
        As in :func:`triplet_loss`.
    squared : bool
        As in :func:`triplet_loss`.
    normalise : bool
        Scale embeddings to length 1, in training and in :meth:`embed`.
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

    def __init__(self, branch, *, mining="batch_hard", margin=1.0, squared=False, normalise=True, optimizer="rmsprop"):
        import keras

        self.mining = check_choice("mining", mining, MINING)
        _check_loss("SiameseTrainer", margin, "mean")
        shape = branch.output_shape
        if not isinstance(shape, tuple) or len(shape) != 2:
            raise ArgumentError(f"branch returns shape {shape}; it must return (None, n_features)")
        inputs = keras.Input(branch.input_shape[1:])
        outputs = branch(inputs)
        if normalise:
            outputs = keras.layers.UnitNormalization(name="unit_length")(outputs)
        self.model = keras.Model(inputs, outputs, name="siamese")
        self.model.compile(optimizer=optimizer, loss=_loss_type()(mining, margin, squared))
        # Else the optimizer gets its variables in the middle of the first step, and TensorFlow traces that step twice.
        self.model.optimizer.build(self.model.trainable_variables)

    def fit(self, batches, *, steps_per_epoch, epochs=1, validation_batches=None, validation_steps=None, **options):
        """Train on an endless supply of batches.

        Parameters
        ----------
        batches : iterator
            From :func:`triplet_batches` for ``"random"``, from :class:`PKBatches` for the others.
        steps_per_epoch, epochs : int
            As in ``keras.Model.fit``.
        validation_batches : iterator, optional
            Batches of *other identities*: how well a network knows the people it was trained on says nothing about
            strangers.
        validation_steps : int, optional
            Needed with `validation_batches`.
        **options
            Any other option of ``keras.Model.fit``: ``verbose``, ``callbacks=[keras.callbacks.TensorBoard(...)]``.

        Returns
        -------
        keras.callbacks.History

        Raises
        ------
        ArgumentError
            If the batches are not of the kind that the mining needs, or `validation_steps` is missing.
        """
        options = {"shuffle": False} | options  # batches come shuffled
        if validation_batches is not None:
            validation_steps = check_integer("validation_steps", validation_steps, minimum=1)
            options |= {
                "validation_data": self._stream("validation_batches", validation_batches),
                "validation_steps": validation_steps,
            }
        return self.model.fit(
            self._stream("batches", batches), steps_per_epoch=steps_per_epoch, epochs=epochs, **options
        )

    def _stream(self, name, batches):
        """Return a generator of what Keras wants, images and labels; the first batch is checked now."""
        n_arrays = 3 if self.mining == "random" else 2
        batches = iter(batches)
        first = next(batches)
        if len(first) != n_arrays:
            needed = "triplet_batches" if self.mining == "random" else "PKBatches"
            raise ArgumentError(
                f"{name} gives {len(first)} arrays a batch; mining {self.mining!r} needs the {n_arrays} that "
                f"{needed} gives"
            )
        return (self._as_example(batch) for batch in itertools.chain([first], batches))

    def _as_example(self, batch):
        # Copies: backends may keep the array's memory, and the sampler may reuse it.
        if self.mining == "random":
            images = np.concatenate(batch)
            return images, np.zeros(len(images), np.int32)
        images, ids = batch
        # Keras turns labels into float32, which cannot tell large ids apart; small ones it can.
        return np.array(images), np.unique(ids, return_inverse=True)[1].astype(np.int32)

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
            Of length 1 if the trainer normalises.
        """
        return np.asarray(self.model.predict(np.asarray(images), batch_size=batch_size, verbose=0))


@functools.cache
def _loss_type():
    """Define the Keras loss on first use, so that importing this module does not import Keras."""
    import keras
    from keras import ops

    class TripletLoss(keras.losses.Loss):
        """Triplet loss of a batch of embeddings; the labels are identities, and not read for random triplets."""

        def __init__(self, mining, margin, squared):
            super().__init__(name="triplet_loss")
            self.mining, self.margin, self.squared = mining, margin, squared

        def call(self, ids, embeddings):
            options = {"margin": self.margin, "squared": self.squared}
            if self.mining == "random":
                return triplet_loss(*ops.split(embeddings, 3), **options)
            if self.mining == "batch_hard":
                anchor = embeddings
                positive, negative, valid = batch_hard_triplets(embeddings, ids)
                positive = ops.take(embeddings, positive, axis=0)
            else:
                anchor, positive = embeddings[:, None], embeddings[None]
                negative, valid = semi_hard_triplets(embeddings, ids, **options)
            negative = ops.take(embeddings, negative, axis=0)
            to_positive, to_negative = (_distance(anchor, other, self.squared) for other in (positive, negative))
            return _reduce(_hinge(to_positive - to_negative, self.margin), valid, "mean")

    return TripletLoss


def _distance(a, b, squared):
    from keras import ops

    distance = ops.sum(ops.square(a - b), axis=-1)
    if squared:
        return distance
    # The root has no slope at 0: below the floor the gradient is 0 instead of NaN.
    return ops.sqrt(ops.maximum(distance, 1e-14))


def _hinge(excess, margin):
    from keras import ops

    return ops.softplus(excess) if margin == "soft" else ops.relu(excess + margin)


def _reduce(loss, weights, reduction):
    """Sum or average the losses whose weight is not zero."""
    from keras import ops

    weights = ops.cast(weights, loss.dtype)
    if reduction == "none":
        return loss * weights
    total = ops.sum(loss * weights)
    return total if reduction == "sum" else total / ops.maximum(ops.sum(weights), 1.0)


def _check_loss(function, margin, reduction):
    check_choice("reduction", reduction, ["mean", "sum", "none"])
    if isinstance(margin, str):
        check_choice("margin", margin, ["soft"])
    else:
        check_number("margin", margin, minimum=0)


def _check_rng(function, rng):
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng is {rng!r}; it must be a numpy.random.Generator, such as np.random.default_rng(0)")
    return rng
