"""The networks of the book. Each call builds a fresh one.

One contract for all: a network takes float images in [0, 1], shape (n, height, width, channels), and returns
*logits*, shape (n, n_classes). The softmax is part of the loss, which is more exact and trains the same.
"""

import keras
from keras import layers

from course_utils.errors import ArgumentError, check_integer, check_number

__all__ = [
    "compile_classifier",
    "embedding_model",
    "fashion_mlp",
    "predictor",
    "set_seed",
]


def set_seed(seed, *, deterministic=True):
    """Start every source of randomness anew: Python's, NumPy's and the Keras backend's.

    Call it before a network is built. The same seed then gives the same weights, the same order of batches
    and the same dropout; another backend or another machine gives other ones.

    Parameters
    ----------
    seed : int
        From 0 to 2³² - 1.
    deterministic : bool
        On the TensorFlow backend, also make every operation give the same bits on each run (a little slower).
        It stays switched on until the process ends. The other backends need nothing of the kind on a CPU.

    Raises
    ------
    ArgumentError
        If `seed` is not a whole number in that range.

    Examples
    --------
    >>> import keras
    >>> set_seed(7)
    >>> first = keras.random.uniform((3,))
    >>> set_seed(7)
    >>> bool(keras.ops.all(first == keras.random.uniform((3,))))
    True
    """
    keras.utils.set_random_seed(check_integer("set_seed", "seed", seed, minimum=0, maximum=2**32 - 1))
    if deterministic and keras.backend.backend() == "tensorflow":
        # The one place where the book needs TensorFlow itself: Keras has no switch for this.
        from tensorflow.config.experimental import enable_op_determinism

        enable_op_determinism()


def compile_classifier(model, *, optimizer="adam", learning_rate=1e-3):
    """Make a network that returns logits ready for ``fit``: cross-entropy on integer labels, and accuracy.

    Parameters
    ----------
    model : keras.Model
        A network of this module, or any other that returns logits, shape (n, n_classes).
    optimizer : str or keras.optimizers.Optimizer
        A name Keras knows ("adam", "sgd", "rmsprop", "adamw", …), or an optimizer of your own.
    learning_rate : float or keras.optimizers.schedules.LearningRateSchedule
        Step size, if `optimizer` is a name.

    Returns
    -------
    keras.Model
        The same `model`, compiled.

    Raises
    ------
    ArgumentError
        If Keras does not know the optimizer, or `learning_rate` is not positive.

    Examples
    --------
    >>> model = compile_classifier(fashion_mlp())
    >>> model.loss.from_logits, model.optimizer.name
    (True, 'adam')
    """
    if isinstance(optimizer, str):
        optimizer = _optimizer_by_name(optimizer, learning_rate)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def _optimizer_by_name(name, learning_rate):
    if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        learning_rate = check_number("compile_classifier", "learning_rate", learning_rate, minimum=0)
        if learning_rate == 0:
            raise ArgumentError("compile_classifier: learning_rate is 0; it must be greater")
    try:
        return keras.optimizers.get({"class_name": name, "config": {"learning_rate": learning_rate}})
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f"compile_classifier: optimizer is {name!r}; it must be the name of a Keras optimizer such as "
            "'adam', 'sgd', 'rmsprop', 'adamw'"
        ) from error


def predictor(model, *, batch_size=256):
    """Turn a Keras model into the plain function that :mod:`course_utils.evaluation` asks for.

    Parameters
    ----------
    model : keras.Model
        Any model with one input and one output.
    batch_size : int
        Images that go through the network at a time.

    Returns
    -------
    callable
        ``predict(images)`` gives an ndarray of float32, one row an image, and prints no progress bar.

    Raises
    ------
    ArgumentError
        If `batch_size` is not a whole number of at least 1.

    Examples
    --------
    >>> import numpy as np
    >>> predict = predictor(fashion_mlp())
    >>> predict(np.zeros((3, 28, 28, 1), "float32")).shape
    (3, 10)
    """
    batch_size = check_integer("predictor", "batch_size", batch_size, minimum=1)

    def predict(images):
        return model.predict(images, batch_size=batch_size, verbose=0)

    return predict


def embedding_model(model, layer="embedding"):
    """The part of a network that ends at one of its layers: what it "sees" there. The weights are shared.

    Parameters
    ----------
    model : keras.Model
        A built network.
    layer : str
        Name of the layer whose output is wanted. The networks of this module name their last hidden layer
        "embedding".

    Returns
    -------
    keras.Model
        From the same input to that layer's output.

    Raises
    ------
    ArgumentError
        If the network has no layer of that name.

    Examples
    --------
    >>> embedding_model(fashion_mlp()).output_shape
    (None, 128)
    """
    names = [each.name for each in model.layers]
    if layer not in names:
        legal = ", ".join(repr(name) for name in names)
        raise ArgumentError(f"embedding_model: layer is {layer!r}; {model.name} has the layers {legal}")
    return keras.Model(model.inputs, model.get_layer(layer).output, name=f"{model.name}_{layer}")


def fashion_mlp(*, input_shape=(28, 28, 1), n_classes=10, width=128):
    """The first network: all pixels to 128 hidden units, these to the classes (chapters 02, 03 and 05).

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    width : int
        Number of hidden units.

    Returns
    -------
    keras.Model
        Not compiled. 101,770 parameters in its standard form.

    Raises
    ------
    ArgumentError
        If a size is not a whole number of at least 1.

    Examples
    --------
    >>> fashion_mlp().count_params()
    101770
    """
    inputs = _image_input("fashion_mlp", input_shape)
    x = layers.Flatten(name="flatten")(inputs)
    x = layers.Dense(
        check_integer("fashion_mlp", "width", width, minimum=1), activation="relu", name="embedding"
    )(x)
    return keras.Model(inputs, _logits("fashion_mlp", x, n_classes), name="fashion_mlp")


def _image_input(function, input_shape):
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ArgumentError(f"{function}: input_shape is {shape}; it must be (height, width, channels)")
    sizes = [check_integer(function, "input_shape", size, minimum=1) for size in shape]
    return keras.Input(tuple(sizes), name="image")


def _logits(function, x, n_classes, **options):
    n_classes = check_integer(function, "n_classes", n_classes, minimum=2)
    return layers.Dense(n_classes, name="logits", **options)(x)
