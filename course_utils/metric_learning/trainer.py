"""Training an embedding network through Keras' own ``fit``."""

import functools
import itertools

import numpy as np

from course_utils.errors import ArgumentError, check_choice, require
from course_utils.metric_learning.losses import ProxyLoss, hinge, mean_of, triplet_loss
from course_utils.metric_learning.mining import batch_hard_triplets, check_margin, semi_hard_triplets

__all__ = ["SiameseTrainer"]

MINING = ("random", "batch_hard", "semi_hard")


class SiameseTrainer:
    """Train an embedding network through Keras' own ``fit``, with triplets or another loss; embeddings have length 1.

    Parameters
    ----------
    branch : keras.Model
        Maps images to embeddings, shape (n, n_features). Trained in place.
    mining : {"random", "batch_hard", "semi_hard"}
        ``"random"`` takes batches of :func:`triplet_batches`, the others those of :class:`PKBatches`.
    margin : float or "soft"
        As in :func:`triplet_loss`.
    loss : callable, optional
        What takes the place of triplets, on batches of :class:`PKBatches` or others of images and ids: a function of
        embeddings and ids, such as :func:`circle_loss` or ``functools.partial(circle_loss, scale=64.0)``, or a
        :class:`ProxyAnchorLoss` or :class:`ArcFaceLoss`, whose proxies are then trained along.
    optimizer : str or keras.optimizers.Optimizer
        As in ``keras.Model.compile``.

    Attributes
    ----------
    model : keras.Model
        The compiled model: branch and normalisation, and the proxies of the loss if it has any.

    Examples
    --------
    >>> import keras
    >>> from course_utils.metric_learning import PKBatches, ProxyAnchorLoss
    >>> rng = np.random.default_rng(0)
    >>> branch = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    >>> images, ids = rng.random((8, 3)), np.repeat([0, 1, 2, 3], 2)
    >>> trainer = SiameseTrainer(branch, mining="batch_hard")
    >>> history = trainer.fit(
    ...     PKBatches(images, ids, n_identities=4, n_images=2, rng=rng), steps_per_epoch=2, epochs=3, verbose=0
    ... )
    >>> len(history.history["loss"]), trainer.embed(images).shape
    (3, (8, 2))

    The same with proxies:

    >>> trainer = SiameseTrainer(branch, loss=ProxyAnchorLoss(ids, n_features=2))
    >>> batches = PKBatches(images, ids, n_identities=4, n_images=2, rng=rng)
    >>> len(trainer.fit(batches, steps_per_epoch=2, verbose=0).history["loss"])
    1
    """

    def __init__(self, branch, *, mining="batch_hard", margin=1.0, loss=None, optimizer="rmsprop"):
        keras = require("keras", "course")
        self.mining = check_choice("mining", mining, MINING)
        check_margin(margin)
        if loss is None:
            self._loss = functools.partial(_triplets_of_batch, mining=mining, margin=margin)
        elif not callable(loss):
            raise ArgumentError(f"loss is {loss!r}; it must be a function of embeddings and ids, such as circle_loss")
        elif (mining, margin) != ("batch_hard", 1.0):
            raise ArgumentError(
                f"mining is {mining!r} and margin is {margin!r}; with a loss they must not be given: "
                "a loss has its own options"
            )
        else:
            self.mining, self._loss = None, loss
        shape = branch.output_shape
        if not isinstance(shape, tuple) or len(shape) != 2:
            raise ArgumentError(f"branch returns shape {shape}; it must return (None, n_features)")
        inputs = keras.Input(branch.input_shape[1:])
        outputs = keras.layers.UnitNormalization(name="unit_length")(branch(inputs))
        self.model = keras.Model(inputs, outputs, name="siamese")
        if isinstance(loss, ProxyLoss):
            if loss.n_features != shape[1]:
                raise ArgumentError(f"loss has proxies of length {loss.n_features}; branch returns {shape[1]} numbers")
            # A layer of the model, though images do not pass it: so its weights are trained and kept on any backend.
            self.model.proxies = loss.proxies
        self.model.compile(optimizer=optimizer, loss=_loss_type()(self._loss))
        # Else the optimizer gets its variables in the middle of the first step, and TensorFlow traces that step twice.
        self.model.optimizer.build(self.model.trainable_variables)

    def fit(self, batches, *, steps_per_epoch, epochs=1, **options):
        """Train on an endless supply of batches.

        Parameters
        ----------
        batches : iterator
            From :func:`triplet_batches` for ``"random"``, from :class:`PKBatches` for the others and for `loss`.
        steps_per_epoch, epochs : int
            As in ``keras.Model.fit``.
        **options
            Any other option of ``keras.Model.fit``: ``verbose``, ``callbacks=[keras.callbacks.TensorBoard(...)]``.

        Returns
        -------
        keras.callbacks.History
        """
        options = {"shuffle": False} | options  # batches come shuffled
        n_arrays, needed = (3, "triplet_batches") if self.mining == "random" else (2, "PKBatches")
        batches = iter(batches)
        first = next(batches)
        if len(first) != n_arrays:
            what = f"mining {self.mining!r}" if self.mining else "a loss on labelled batches"
            raise ArgumentError(
                f"batches gives {len(first)} arrays per batch; {what} needs the {n_arrays} that {needed} gives"
            )
        examples = (self._as_example(batch) for batch in itertools.chain([first], batches))
        return self.model.fit(examples, steps_per_epoch=steps_per_epoch, epochs=epochs, **options)

    def _as_example(self, batch):
        if self.mining == "random":
            images = np.concatenate(batch)
            return images, np.zeros(len(images), np.int32)
        images, ids = batch
        if isinstance(self._loss, ProxyLoss):
            return np.asarray(images), self._loss.numbers(ids)
        # Keras turns labels into float32, which cannot tell large ids apart; small ones it can.
        return np.asarray(images), np.unique(ids, return_inverse=True)[1].astype(np.int32)

    def embed(self, images, *, batch_size=256):
        """Return the embeddings, of length 1, of images as the branch takes them: float32, shape (n, n_features).

        `batch_size` images go through the network at a time.
        """
        return np.asarray(self.model.predict(np.asarray(images), batch_size=batch_size, verbose=0))


@functools.cache
def _loss_type():
    """Define the Keras loss on first use, so that importing this module does not import Keras."""
    keras = require("keras", "course")

    class BatchLoss(keras.losses.Loss):
        """A loss of a batch of embeddings; the labels are identities, and not read for random triplets."""

        def __init__(self, function):
            super().__init__(name="batch_loss")
            self.function = function

        def call(self, ids, embeddings):
            return self.function(embeddings, ids)

    return BatchLoss


def _triplets_of_batch(embeddings, ids, *, mining, margin):
    ops = require("keras", "course").ops
    if mining == "random":
        return triplet_loss(*ops.split(embeddings, 3), margin=margin)
    if mining == "batch_hard":
        anchor = embeddings
        positive, negative, valid = batch_hard_triplets(embeddings, ids)
        positive = ops.take(embeddings, positive, axis=0)
    else:
        anchor, positive = embeddings[:, None], embeddings[None]
        negative, valid = semi_hard_triplets(embeddings, ids, margin=margin)
    negative = ops.take(embeddings, negative, axis=0)
    return mean_of(hinge(anchor, positive, negative, margin), valid)
