"""What it takes to train a network: seeds, losses, the learning rate, augmentation, gradients.

What is not as a function describes it is an :class:`~course_utils.errors.ArgumentError`.
"""

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number, require

keras = require("keras", "course")

__all__ = [
    "OneCycle",
    "compile_classifier",
    "compile_one_cycle",
    "digit_augmentation",
    "gradient_norms",
    "predictor",
    "set_seed",
    "with_augmentation",
]


def set_seed(seed):
    """Start every source of randomness anew: Python's, NumPy's and the Keras backend's.

    Call it before a network is built. The same seed then gives the same weights, the same order of batches
    and the same dropout; another backend or another machine gives other ones. On the TensorFlow backend every operation
    also gives the same bits on each run from here on, and is a little slower; the others need nothing of the kind.

    Parameters
    ----------
    seed : int
        From 0 to 2³² - 1.

    Examples
    --------
    >>> import keras
    >>> set_seed(7)
    >>> first = keras.random.uniform((3,))
    >>> set_seed(7)
    >>> bool(keras.ops.all(first == keras.random.uniform((3,))))
    True
    """
    keras.utils.set_random_seed(check_integer("seed", seed, minimum=0, maximum=2**32 - 1))
    if keras.backend.backend() == "tensorflow":
        # Here the book needs TensorFlow itself: Keras has no switch for it.
        from tensorflow.config.experimental import enable_op_determinism

        enable_op_determinism()


def compile_classifier(model, *, optimizer="adam", learning_rate=1e-3):
    """Make a network that returns logits ready for ``fit``: cross-entropy on integer labels, and accuracy.

    Parameters
    ----------
    model : keras.Model
        A network of :mod:`course_utils.models`, or any other that returns logits, shape (n, n_classes).
    optimizer : str or keras.optimizers.Optimizer
        A name Keras knows (``"adam"``, ``"sgd"``, ``"rmsprop"``, ``"adamw"``, …), or an optimizer of your own.
    learning_rate : float
        Step size, greater than 0, if `optimizer` is a name.

    Returns
    -------
    keras.Model
        The same `model`, compiled.

    Examples
    --------
    >>> from course_utils import models
    >>> model = compile_classifier(models.fashion_mlp())
    >>> model.loss.from_logits, type(model.optimizer).__name__
    (True, 'Adam')
    """
    if isinstance(optimizer, str):
        settings = {"learning_rate": _positive("learning_rate", learning_rate)}
        try:
            optimizer = keras.optimizers.get({"class_name": optimizer, "config": settings})
        except (TypeError, ValueError) as error:
            legal = "the name of a Keras optimizer such as 'adam', 'sgd', 'rmsprop', 'adamw'"
            raise ArgumentError(f"optimizer is {optimizer!r}; it must be {legal}") from error
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # A metric by name would get its variables in the middle of the first step, as would the optimizer:
    # TensorFlow then traces that step twice.
    model.compile(optimizer=optimizer, loss=loss, metrics=[keras.metrics.SparseCategoricalAccuracy("accuracy")])
    if model.built:
        model.optimizer.build(model.trainable_variables)
    return model


@keras.saving.register_keras_serializable(package="course_utils")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises to its peak once and then falls to zero (Smith and Topin, 2019).

    In the first quarter of the steps it rises in a straight line from `peak` / 25; then it falls along half a cosine.

    Parameters
    ----------
    peak : float
        The highest learning rate, greater than 0.
    steps : int
        Batches in the whole training: epochs times batches per epoch. After them the rate stays at zero.

    Examples
    --------
    >>> schedule = OneCycle(0.004, 100)
    >>> [round(float(schedule(step)), 5) for step in (0, 25, 100)]
    [0.00016, 0.004, 0.0]
    """

    def __init__(self, peak, steps):
        super().__init__()
        self.peak = _positive("peak", peak)
        self.steps = check_integer("steps", steps, minimum=1)

    def __call__(self, step):
        ops = keras.ops
        share = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        rising = self.peak * (1 + 24 * (share / 0.25)) / 25
        falling = self.peak * (1 + ops.cos(np.pi * ((share - 0.25) / 0.75))) / 2
        return ops.where(share < 0.25, rising, falling)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


def compile_one_cycle(model, *, steps, peak=4e-3, weight_decay=1e-3):
    """Make a network ready for the book's fast recipe: AdamW, the learning rate going up and down once.

    Parameters
    ----------
    model : keras.Model
        A network that returns logits.
    steps, peak : int, float
        As for :class:`OneCycle`.
    weight_decay : float
        Decoupled weight decay (Loshchilov and Hutter, 2019), at least 0. Biases and batch normalisation are
        spared.

    Returns
    -------
    keras.Model
        The same `model`, compiled.

    Examples
    --------
    >>> from course_utils import models
    >>> model = compile_one_cycle(models.fashion_mlp(), steps=8 * 391)
    >>> type(model.optimizer).__name__
    'AdamW'
    """
    decay = check_number("weight_decay", weight_decay, minimum=0)
    optimizer = keras.optimizers.AdamW(OneCycle(peak, steps), weight_decay=decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return compile_classifier(model, optimizer=optimizer)


def predictor(model):
    """Turn a Keras model into the plain function that :mod:`course_utils.evaluation` asks for.

    Parameters
    ----------
    model : keras.Model
        Any model with one input and one output.

    Returns
    -------
    callable
        ``predict(images)`` gives an ndarray of float32, one row per image, and prints no progress bar.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils import models
    >>> predict = predictor(models.fashion_mlp())
    >>> predict(np.zeros((3, 28, 28, 1), "float32")).shape
    (3, 10)
    """

    def predict(images):
        return model.predict(images, batch_size=256, verbose=0)

    return predict


def gradient_norms(model, x, y):
    """How strong the gradient arrives at each layer: its L2 norm over the layer's kernel, for one batch.

    Parameters
    ----------
    model : keras.Model
        A network that returns logits; it is left as it was.
    x : array_like of float, shape (n, height, width, channels)
        Images, all in one batch.
    y : array_like of int, shape (n,)
        Their classes.

    Returns
    -------
    pandas.Series of float64
        One entry per layer that has a kernel, from input to output. The loss is the cross-entropy plus the
        penalties of the model's regularisers; dropout and batch normalisation act as in training.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils import models
    >>> images, labels = np.ones((4, 28, 28, 1), "float32"), np.array([0, 1, 2, 3])
    >>> norms = gradient_norms(models.fashion_mlp(), images, labels)
    >>> list(norms.index), bool((norms > 0).all())
    (['embedding', 'logits'], True)
    """
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    compile_classifier(copy, optimizer=_GradientsForWeights(learning_rate=1.0))
    # For a single step, building a graph takes three times as long. JAX would compile each operation by itself.
    copy.run_eagerly = keras.backend.backend() != "jax"
    copy.train_on_batch(np.asarray(x), np.asarray(y))
    norms = {
        layer.name: np.linalg.norm(keras.ops.convert_to_numpy(layer.kernel).astype(np.float64))
        for layer in copy.layers
        if hasattr(layer, "kernel")
    }
    return require("pandas", "course").Series(norms, name="gradient norm", dtype=float)


class _GradientsForWeights(keras.optimizers.Optimizer):
    """Leaves in each weight its gradient: Keras has no other function for gradients that all its backends share."""

    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, gradient)


def digit_augmentation():
    """Random changes that leave a digit the same digit. No flips: a mirrored 2 is not a 2.

    Shifts of up to a tenth of the side, rotations of up to 10° either way, zooms of up to a tenth, and changes of
    brightness by up to a tenth of the range and of contrast by up to a fifth. This is for training inside ``fit``,
    together with :func:`with_augmentation`; for arrays there is :mod:`course_utils.augment`.

    Returns
    -------
    keras.Sequential
        A layer for images in [0, 1]; it acts in training only.

    Examples
    --------
    >>> [layer.name for layer in digit_augmentation().layers]
    ['shift', 'rotation', 'zoom', 'brightness', 'contrast']
    """
    layers = keras.layers
    # "nearest" repeats the edge: a black border would tell the network what was done.
    changes = [
        layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", name="shift"),
        layers.RandomRotation(10 / 360, fill_mode="nearest", name="rotation"),
        layers.RandomZoom(0.1, fill_mode="nearest", name="zoom"),
        layers.RandomBrightness(0.1, value_range=(0, 1), name="brightness"),
        layers.RandomContrast(0.2, value_range=(0, 1), name="contrast"),
    ]
    return keras.Sequential(changes, name="augmentation")


def with_augmentation(model, augmentation):
    """Put random changes before a network, so that ``fit`` trains on changed images.

    Parameters
    ----------
    model : keras.Model
        A network; the result shares its weights, so that training the result trains `model`.
    augmentation : keras.layers.Layer
        Acts in training only, such as :func:`digit_augmentation`.

    Returns
    -------
    keras.Model
        Not compiled.

    Examples
    --------
    >>> from course_utils import models
    >>> augmented = with_augmentation(models.svhn_dcnn(), digit_augmentation())
    >>> [layer.name for layer in augmented.layers]
    ['image', 'augmentation', 'svhn_dcnn']
    """
    inputs = keras.Input(model.input_shape[1:], name="image")
    return keras.Model(inputs, model(augmentation(inputs)), name=f"{model.name}_augmented")


def _positive(name, value):
    value = check_number(name, value, minimum=0)
    if value == 0:
        raise ArgumentError(f"{name} is 0; it must be greater")
    return value
