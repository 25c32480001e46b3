"""The networks of the book. Each call builds a fresh one.

One contract for all: a network takes float images in [0, 1], shape (n, height, width, channels), and returns
*logits*, shape (n, n_classes). The softmax is part of the loss, which is more exact and trains the same.
"""

import keras
import numpy as np
from keras import layers
from sklearn.dummy import DummyClassifier

from course_utils.architecture import describe
from course_utils.errors import ArgumentError, check_integer, check_number, moved_names

__all__ = [
    "compact_convnet",
    "describe",
    "embedding_model",
    "fashion_mlp",
    "fashion_model",
    "fine_tune",
    "five_class_cnn",
    "most_frequent_baseline",
    "pooled_convnet",
    "resnet_v1",
    "siamese_branch",
    "strided_convnet",
    "svhn_dcnn",
    "thin_deep_convnet",
    "vgg_like",
]

__getattr__ = moved_names(
    __name__,
    {"diagram": "course_utils.plots.show_architecture"}
    | {
        name: f"course_utils.training.{name}"
        for name in (
            "OneCycle",
            "compile_classifier",
            "compile_one_cycle",
            "digit_augmentation",
            "gradient_norms",
            "predictor",
            "set_seed",
            "with_augmentation",
        )
    },
)


def embedding_model(model, layer="embedding"):
    """The part of a network that ends at one of its layers: what it "sees" there. The weights are shared.

    Parameters
    ----------
    model : keras.Model
        A built network.
    layer : str
        Name of the layer whose output is wanted. The networks of this module name their last hidden layer
        ``"embedding"``.

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
        raise ArgumentError(f"layer is {layer!r}; {model.name} has the layers {legal}")
    return keras.Model(model.inputs, model.get_layer(layer).output, name=f"{model.name}_{layer}")


def most_frequent_baseline(y_train):
    """The classifier to beat: it looks at no image and always answers the most frequent training class.

    Parameters
    ----------
    y_train : array_like of int, shape (n,)
        Training labels.

    Returns
    -------
    sklearn.dummy.DummyClassifier
        Fitted; its ``predict(images)`` gives labels.

    Raises
    ------
    ArgumentError
        If `y_train` is empty or no vector.

    Examples
    --------
    >>> import numpy as np
    >>> most_frequent_baseline([3, 1, 3]).predict(np.zeros((2, 28, 28, 1)))
    array([3, 3])
    """
    y_train = np.asarray(y_train)
    if y_train.ndim != 1 or len(y_train) == 0:
        raise ArgumentError(f"y_train has shape {y_train.shape}; it must be (n,), n ≥ 1")
    return DummyClassifier(strategy="most_frequent").fit(np.zeros((len(y_train), 1)), y_train)


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
    width = check_integer("width", width, minimum=1)
    inputs = _image_input("fashion_mlp", input_shape)
    x = layers.Flatten(name="flatten")(inputs)
    x = layers.Dense(width, activation="relu", name="embedding")(x)
    return keras.Model(inputs, _logits("fashion_mlp", x, n_classes), name="fashion_mlp")


def fashion_model(number, *, input_shape=(28, 28, 1), n_classes=10, norm_momentum=0.99):
    """The six networks of the ablation in chapter 05, one change at a time.

    1 is :func:`fashion_mlp`; 2 has two convolutions, each with 2x2 max pooling, and two hidden dense layers;
    3 is 2 with batch normalisation between convolution and relu; 4 is 3 with dropout 0.2 after each hidden
    dense layer; 5 is 4 with an L2 penalty of 1e-4 on every kernel; 6 is 4 with an L1 penalty of 1e-4 instead.

    Parameters
    ----------
    number : int
        Which one, 1 to 6.
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    norm_momentum : float
        Share of the old value that batch normalisation keeps in its running mean and variance at each step, 0 to 1.
        With 0.99 a test after some 100 steps still sees the start values; a short training needs less.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    ArgumentError
        If there is no such number, or a size or `norm_momentum` is wrong.

    Examples
    --------
    >>> [fashion_model(number).count_params() for number in (1, 2, 3, 4)]
    [101770, 222086, 222342, 222342]
    """
    number = check_integer("number", number, minimum=1, maximum=6)
    momentum = check_number("norm_momentum", norm_momentum, minimum=0, maximum=1)
    if number == 1:
        return fashion_mlp(input_shape=input_shape, n_classes=n_classes)
    penalty = {5: keras.regularizers.L2(1e-4), 6: keras.regularizers.L1(1e-4)}.get(number)
    inputs = x = _image_input("fashion_model", input_shape)
    for i in (1, 2):
        x = layers.Conv2D(32, 3, padding="same", kernel_regularizer=penalty, name=f"conv{i}")(x)
        if number >= 3:
            x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = layers.MaxPooling2D(name=f"pool{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for width, name in ((128, "hidden"), (84, "embedding")):
        x = layers.Dense(width, activation="relu", kernel_regularizer=penalty, name=name)(x)
        if number >= 4:
            x = layers.Dropout(0.2, name=f"{name}_dropout")(x)
    outputs = _logits("fashion_model", x, n_classes, kernel_regularizer=penalty)
    return keras.Model(inputs, outputs, name=f"fashion_model_{number}")


def strided_convnet(*, input_shape=(32, 32, 3), n_classes=10, l1=1e-4, l2=0.0):
    """Model S of chapters 06 to 09: two pairs of convolutions, the second of each pair with stride 2.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    l1, l2 : float
        Penalties on the dense kernel, at least 0.

    Returns
    -------
    keras.Model
        Not compiled. 37,146 parameters in its standard form.

    Raises
    ------
    ArgumentError
        If a size or penalty is wrong.

    Examples
    --------
    >>> strided_convnet().count_params()
    37146
    """
    return _cifar_convnet("strided_convnet", input_shape, n_classes, (16, 32), l1=l1, l2=l2)


def pooled_convnet(*, input_shape=(32, 32, 3), n_classes=10, l1=1e-4, l2=0.0):
    """Model P of chapter 09: :func:`strided_convnet` with 2x2 max pooling where that has stride 2.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    l1, l2 : float
        Penalties on the dense kernel, at least 0.

    Returns
    -------
    keras.Model
        Not compiled. 37,146 parameters in its standard form, as many as the strided network.

    Raises
    ------
    ArgumentError
        If a size or penalty is wrong.

    Examples
    --------
    >>> pooled_convnet().count_params()
    37146
    """
    return _cifar_convnet("pooled_convnet", input_shape, n_classes, (16, 32), pool=True, l1=l1, l2=l2)


def thin_deep_convnet(*, input_shape=(32, 32, 3), n_classes=10, l1=1e-4, l2=0.0):
    """Model T of chapter 09: :func:`strided_convnet` with half the width and a third pair of convolutions.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    l1, l2 : float
        Penalties on the dense kernel, at least 0.

    Returns
    -------
    keras.Model
        Not compiled. 23,314 parameters in its standard form.

    Raises
    ------
    ArgumentError
        If a size or penalty is wrong.

    Examples
    --------
    >>> thin_deep_convnet().count_params()
    23314
    """
    return _cifar_convnet("thin_deep_convnet", input_shape, n_classes, (8, 16, 32), l1=l1, l2=l2)


def _cifar_convnet(name, input_shape, n_classes, widths, *, pool=False, l1, l2):
    penalty = keras.regularizers.L1L2(l1=check_number("l1", l1, minimum=0), l2=check_number("l2", l2, minimum=0))
    inputs = x = _image_input(name, input_shape)
    for i, width in enumerate(widths, start=1):
        strides = 1 if pool else 2
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{i}a")(x)
        x = layers.Conv2D(width, 3, strides=strides, padding="same", activation="relu", name=f"conv{i}b")(x)
        if pool:
            x = layers.MaxPooling2D(name=f"pool{i}")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Flatten(name="embedding")(x)
    return keras.Model(inputs, _logits(name, x, n_classes, kernel_regularizer=penalty), name=name)


def compact_convnet(filters=(16, 32, 64), *, input_shape=(32, 32, 3), n_classes=10, dropout=0.0, norm_momentum=0.99):
    """The book's own network for "Doing better": pairs of normalised convolutions, pooled globally.

    Averaging over the whole image instead of flattening it is what keeps it small: no dense layer sees every
    pixel.

    Parameters
    ----------
    filters : sequence of int
        Width of each pair; 2x2 max pooling stands between the pairs.
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    dropout : float
        Share of the pooled features that training drops, 0 to 1.
    norm_momentum : float
        Share of the old value that batch normalisation keeps at each step, 0 to 1; see :func:`fashion_model`.

    Returns
    -------
    keras.Model
        Not compiled. 73,402 parameters in its standard form; 289,066 with filters (32, 64, 128) on 28x28 grey
        images.

    Raises
    ------
    ArgumentError
        If a size, `dropout` or `norm_momentum` is wrong.

    Examples
    --------
    >>> compact_convnet().count_params()
    73402
    """
    dropout = check_number("dropout", dropout, minimum=0, maximum=1)
    momentum = check_number("norm_momentum", norm_momentum, minimum=0, maximum=1)
    inputs = x = _image_input("compact_convnet", input_shape)
    for i, width in enumerate(_sizes("compact_convnet", "filters", filters), start=1):
        if i > 1:
            x = layers.MaxPooling2D(name=f"pool{i - 1}")(x)
        for part in "ab":
            # Batch normalisation subtracts the mean, so a bias before it would do nothing.
            x = layers.Conv2D(
                width,
                3,
                padding="same",
                use_bias=False,
                kernel_initializer="he_normal",
                name=f"conv{i}{part}",
            )(x)
            x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}{part}")(x)
            x = layers.ReLU(name=f"relu{i}{part}")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    if dropout > 0:
        x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, _logits("compact_convnet", x, n_classes), name="compact_convnet")


def svhn_dcnn(*, input_shape=(28, 28, 1), n_classes=10):
    """The network of chapter 10 that was trained from scratch: three double convolutions, three dense layers.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Not compiled. 437,026 parameters, 436,914 of them trainable, in its standard form.

    Raises
    ------
    ArgumentError
        If a size is wrong.

    Examples
    --------
    >>> svhn_dcnn().count_params()
    437026
    """
    inputs = _image_input("svhn_dcnn", input_shape)
    x = _double_convolutions(inputs, (8, 16, 32), 3)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(256, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.5, name="hidden_dropout")(x)
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    return keras.Model(inputs, _logits("svhn_dcnn", x, n_classes), name="svhn_dcnn")


def vgg_like(filters=(8, 16), dense=(256,), *, kernel_size=3, dropout=0.2, input_shape=(28, 28, 1), n_classes=10):
    """The network of chapter 10 that is pre-trained and fine-tuned: double convolutions, normalised layers.

    Parameters
    ----------
    filters : sequence of int
        Width of each double convolution; 2x2 max pooling follows all but the last.
    dense : sequence of int
        Width of each hidden dense layer; batch normalisation, relu and dropout follow.
    kernel_size : int
        Side of the kernels in pixels.
    dropout : float
        Share of the dense features that training drops, 0 to 1.
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    ArgumentError
        If a size or `dropout` is wrong.

    Examples
    --------
    >>> vgg_like().count_params()
    810914
    """
    inputs = _image_input("vgg_like", input_shape)
    x = _vgg_features("vgg_like", inputs, filters, dense, kernel_size, dropout)
    return keras.Model(inputs, _logits("vgg_like", x, n_classes), name="vgg_like")


def siamese_branch(*, input_shape=(64, 32, 3), embedding_size=32):
    """One branch of the Siamese network of chapter 11: from a picture to a short vector.

    Parameters
    ----------
    input_shape : tuple of int
        Height, width and channels of an image.
    embedding_size : int
        Length of the vector.

    Returns
    -------
    keras.Model
        Not compiled. 1,108,616 parameters, 1,107,992 of them trainable, in its standard form. The vectors are
        not normalised: a loss on unit vectors has to do that.

    Raises
    ------
    ArgumentError
        If a size is wrong.

    Examples
    --------
    >>> siamese_branch().count_params()
    1108616
    """
    size = check_integer("embedding_size", embedding_size, minimum=1)
    inputs = _image_input("siamese_branch", input_shape)
    x = _vgg_features("siamese_branch", inputs, (8, 16, 32), (256,), 5, 0.0, last_name="features")
    return keras.Model(inputs, layers.Dense(size, name="embedding")(x), name="siamese_branch")


def _vgg_features(function, x, filters, dense, kernel_size, dropout, *, last_name="embedding"):
    kernel_size = check_integer("kernel_size", kernel_size, minimum=1)
    dropout = check_number("dropout", dropout, minimum=0, maximum=1)
    widths = _sizes(function, "dense", dense)
    x = _double_convolutions(x, _sizes(function, "filters", filters), kernel_size)
    x = layers.Flatten(name="flatten")(x)
    for i, width in enumerate(widths, start=1):
        x = layers.Dense(width, name=f"dense{i}")(x)
        x = layers.BatchNormalization(name=f"dense{i}_norm")(x)
        x = layers.ReLU(name=last_name if i == len(widths) else f"dense{i}_relu")(x)
        if dropout > 0:
            x = layers.Dropout(dropout, name=f"dense{i}_dropout")(x)
    return x


def _double_convolutions(x, filters, kernel_size):
    for i, width in enumerate(filters, start=1):
        x = layers.Conv2D(width, kernel_size, padding="same", activation="relu", name=f"conv{i}a")(x)
        x = layers.Conv2D(width, kernel_size, padding="same", name=f"conv{i}b")(x)
        x = layers.BatchNormalization(name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = layers.SpatialDropout2D(0.2, name=f"dropout{i}")(x)
        if i < len(filters):
            x = layers.MaxPooling2D(name=f"pool{i}")(x)
    return x


def five_class_cnn(*, activation="sigmoid", input_shape=(28, 28, 1), n_classes=5, norm_momentum=0.99):
    """The plain network of chapter 12: two convolutions, batch normalisation before and after each pooling.

    Parameters
    ----------
    activation : str
        Name of a Keras activation. The original's sigmoid lets little gradient through; try ``"relu"``.
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    norm_momentum : float
        Share of the old value that batch normalisation keeps at each step, 0 to 1; see :func:`fashion_model`.

    Returns
    -------
    keras.Model
        Not compiled. 33,989 parameters in its standard form.

    Raises
    ------
    ArgumentError
        If a size or `norm_momentum` is wrong, or Keras does not know the activation.

    Examples
    --------
    >>> five_class_cnn().count_params()
    33989
    """
    try:
        keras.activations.get(activation)
    except ValueError as error:
        raise ArgumentError(
            f"activation is {activation!r}; it must be the name of a Keras activation such as 'sigmoid' or 'relu'"
        ) from error
    momentum = check_number("norm_momentum", norm_momentum, minimum=0, maximum=1)
    inputs = x = _image_input("five_class_cnn", input_shape)
    for i, width in ((1, 32), (2, 64)):
        x = layers.Conv2D(width, 3, activation=activation, name=f"conv{i}")(x)
        x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}a")(x)
        x = layers.MaxPooling2D(name=f"pool{i}")(x)
        x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}b")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.BatchNormalization(momentum=momentum, name="embedding")(x)
    return keras.Model(inputs, _logits("five_class_cnn", x, n_classes), name="five_class_cnn")


def resnet_v1(depth, *, shortcuts=True, input_shape=(28, 28, 1), n_classes=5, l2=1e-4, norm_momentum=0.99):
    """The residual network of chapter 12 for small images (He et al., 2016), with its shortcuts or without.

    A convolution, three stacks of n residual blocks with 16, 32 and 64 filters, global average pooling and a
    dense layer. A block is twice (batch normalisation, relu, convolution), added to what came in: the order of
    the authors' second paper, "Identity mappings in deep residual networks". Where the width grows, the block has
    stride 2 and a 1x1 convolution fits the shortcut to it.

    Parameters
    ----------
    depth : int
        Layers with weights on the longest way, 6n + 2 with n of at least 1: 8, 14, 20, …
    shortcuts : bool
        False gives the plain network of the same depth: no addition, and no 1x1 convolution.
    input_shape : tuple of int
        Height, width and channels of an image.
    n_classes : int
        Number of classes.
    l2 : float
        Penalty on every kernel, at least 0.
    norm_momentum : float
        Share of the old value that batch normalisation keeps at each step, 0 to 1; see :func:`fashion_model`.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    ArgumentError
        If `depth` is not 6n + 2 with n of at least 1, or a size, the penalty or `norm_momentum` is wrong.

    Examples
    --------
    >>> resnet_v1(8).count_params()
    78053
    >>> resnet_v1(2)
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: depth is 2; it must be 6n + 2 with n ≥ 1 (8, 14, 20, …):
    with depth 2 the network holds no residual block
    """
    depth = check_integer("depth", depth)
    blocks, rest = divmod(depth - 2, 6)
    if rest != 0 or blocks < 1:
        why = ": with depth 2 the network holds no residual block" if depth == 2 else ""
        raise ArgumentError(f"depth is {depth}; it must be 6n + 2 with n ≥ 1 (8, 14, 20, …){why}")
    penalty = keras.regularizers.L2(check_number("l2", l2, minimum=0))
    momentum = check_number("norm_momentum", norm_momentum, minimum=0, maximum=1)

    def convolution(x, width, name, *, kernel_size=3, strides=1):
        options = {"padding": "same", "kernel_initializer": "he_normal", "kernel_regularizer": penalty}
        return layers.Conv2D(width, kernel_size, strides=strides, name=name, **options)(x)

    def normalised_relu(x, name):
        x = layers.BatchNormalization(momentum=momentum, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    inputs = _image_input("resnet_v1", input_shape)
    x = convolution(inputs, 16, "stem")
    for stack, width in ((1, 16), (2, 32), (3, 64)):
        for block in range(1, blocks + 1):
            name = f"stack{stack}_block{block}"
            strides = 2 if stack > 1 and block == 1 else 1
            y = convolution(normalised_relu(x, f"{name}a"), width, f"{name}a_conv", strides=strides)
            y = convolution(normalised_relu(y, f"{name}b"), width, f"{name}b_conv")
            if shortcuts:
                if strides == 2:
                    x = convolution(x, width, f"{name}_shortcut", kernel_size=1, strides=2)
                y = layers.Add(name=f"{name}_add")([x, y])
            x = y
    x = layers.GlobalAveragePooling2D(name="embedding")(normalised_relu(x, "last"))
    name = f"resnet_{depth}" if shortcuts else f"plain_{depth}"
    outputs = _logits("resnet_v1", x, n_classes, kernel_initializer="he_normal", kernel_regularizer=penalty)
    return keras.Model(inputs, outputs, name=name)


def fine_tune(model, n_classes, *, freeze=False):
    """Give a copy of a trained network a new last layer, so that it can learn other classes.

    Parameters
    ----------
    model : keras.Model
        A trained network whose last layer makes the classes.
    n_classes : int
        Number of the new classes.
    freeze : bool
        True trains the new layer only. Frozen batch normalisation keeps the old data's mean and variance,
        too.

    Returns
    -------
    keras.Model
        Not compiled. It has a copy of the weights.

    Raises
    ------
    ArgumentError
        If `n_classes` is wrong.

    Examples
    --------
    >>> tuned = fine_tune(fashion_mlp(), 5, freeze=True)
    >>> tuned.output_shape, [layer.name for layer in tuned.layers if layer.trainable_weights]
    ((None, 5), ['logits'])
    """
    trunk = keras.models.clone_model(model)
    trunk.set_weights(model.get_weights())
    for layer in trunk.layers:
        layer.trainable = not freeze
    outputs = _logits("fine_tune", trunk.layers[-1].input, n_classes)
    return keras.Model(trunk.inputs, outputs, name=f"{model.name}_tuned")


def _image_input(function, input_shape):
    shape = _sizes(function, "input_shape", input_shape)
    if len(shape) != 3:
        raise ArgumentError(f"input_shape is {shape}; it must be (height, width, channels)")
    return keras.Input(shape, name="image")


def _logits(function, x, n_classes, **options):
    n_classes = check_integer("n_classes", n_classes, minimum=2)
    return layers.Dense(n_classes, name="logits", **options)(x)


def _sizes(function, name, sizes):
    try:
        sizes = tuple(sizes)
    except TypeError as error:
        raise ArgumentError(f"{name} is {sizes!r}; it must be a sequence of integers") from error
    if not sizes:
        raise ArgumentError(f"{name} is empty; it must hold at least one integer")
    return tuple(check_integer(name, size, minimum=1) for size in sizes)
