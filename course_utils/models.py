"""The networks of the book, each built afresh by a call; parts of networks; and a table of what one is made of.

One contract for all: a network takes float images in [0, 1], shape (n, height, width, channels), and returns
*logits*, shape (n, n_classes). The softmax is part of the loss, which is more exact and trains the same. The last
hidden layer is named ``"embedding"``. What a builder returns is a ``keras.Model``, not compiled.

All builders share some arguments, which are described here alone. `input_shape` is height, width and channels of an
image, `n_classes` at least 2. `l1` and `l2` are penalties on kernels, at least 0. `norm_momentum` is the share of the
old value, 0 to 1, that batch normalisation keeps in its running mean and variance at each step: with 0.99 a test after
some 100 steps still sees the start values; a short training needs less. What is not as described is an
:class:`~course_utils.errors.ArgumentError`.
"""

import math
from collections import Counter

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number, moved_names, require

keras = require("keras", "course")
layers = keras.layers

__all__ = [
    "compact_convnet",
    "describe",
    "embedding_model",
    "fashion_convnet",
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

_BYTES = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}


def embedding_model(model, layer="embedding"):
    """The part of a network that ends at one of its layers: what it "sees" there. The weights are shared.

    Parameters
    ----------
    model : keras.Model
        A built network.
    layer : str
        Name of the layer whose output is wanted.

    Returns
    -------
    keras.Model
        From the same input to that layer's output.

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
        Training labels, at least one.

    Returns
    -------
    sklearn.dummy.DummyClassifier
        Fitted; its ``predict(images)`` gives labels.

    Examples
    --------
    >>> import numpy as np
    >>> most_frequent_baseline([3, 1, 3]).predict(np.zeros((2, 28, 28, 1)))
    array([3, 3])
    """
    dummy = require("sklearn.dummy", "course")
    y_train = np.asarray(y_train)
    if y_train.ndim != 1 or len(y_train) == 0:
        raise ArgumentError(f"y_train has shape {y_train.shape}; it must be (n,), n ≥ 1")
    return dummy.DummyClassifier(strategy="most_frequent").fit(np.zeros((len(y_train), 1)), y_train)


def fashion_mlp(*, input_shape=(28, 28, 1), n_classes=10):
    """The first network: all pixels to 128 hidden units, these to the classes (chapters 02, 03 and 05).

    Examples
    --------
    >>> fashion_mlp().output_shape
    (None, 10)
    """
    inputs = _image_input(input_shape)
    x = layers.Flatten(name="flatten")(inputs)
    x = layers.Dense(128, activation="relu", name="embedding")(x)
    return keras.Model(inputs, _logits(x, n_classes), name="fashion_mlp")


def fashion_convnet(
    *, normalised=False, dropout=0.0, l1=0.0, l2=0.0, input_shape=(28, 28, 1), n_classes=10, norm_momentum=0.99
):
    """Two convolutions, each with 2x2 max pooling, and two hidden dense layers: model 2 of chapter 05, and its kin.

    Parameters
    ----------
    normalised : bool
        Batch normalisation between convolution and relu (model 3).
    dropout : float
        Share that training drops after each hidden dense layer, 0 to 1 (0.2 in models 4 to 6).
    l1, l2 : float
        Penalties on every kernel (1e-4 in models 6 and 5).
    input_shape, n_classes, norm_momentum : tuple of int, int, float
        See the module.

    Examples
    --------
    >>> len(fashion_convnet(normalised=True).layers) - len(fashion_convnet().layers)
    2
    """
    penalty, momentum, dropout = _penalty(l1, l2), _share("norm_momentum", norm_momentum), _share("dropout", dropout)
    inputs = x = _image_input(input_shape)
    for i in (1, 2):
        x = layers.Conv2D(32, 3, padding="same", kernel_regularizer=penalty, name=f"conv{i}")(x)
        if normalised:
            x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = layers.MaxPooling2D(name=f"pool{i}")(x)
    x = layers.Flatten(name="flatten")(x)
    for width, name in ((128, "hidden"), (84, "embedding")):
        x = layers.Dense(width, activation="relu", kernel_regularizer=penalty, name=name)(x)
        if dropout > 0:
            x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return keras.Model(inputs, _logits(x, n_classes, kernel_regularizer=penalty), name="fashion_convnet")


def fashion_model(number, *, input_shape=(28, 28, 1), n_classes=10, norm_momentum=0.99):
    """One of the six networks that chapter 05 compares, each with one change more; it names the arguments that differ.

    1 is :func:`fashion_mlp`. The others are :func:`fashion_convnet`: 2 plain, 3 normalised, 4 also with dropout 0.2,
    5 also with an L2 penalty of 1e-4, and 6 is 4 with an L1 penalty of 1e-4 instead.

    Examples
    --------
    >>> fashion_model(1).name, fashion_model(2).name
    ('fashion_mlp', 'fashion_convnet')
    """
    number = check_integer("number", number, minimum=1, maximum=6)
    if number == 1:
        return fashion_mlp(input_shape=input_shape, n_classes=n_classes)
    return fashion_convnet(
        normalised=number >= 3,
        dropout=0.2 if number >= 4 else 0.0,
        l1=1e-4 if number == 6 else 0.0,
        l2=1e-4 if number == 5 else 0.0,
        input_shape=input_shape,
        n_classes=n_classes,
        norm_momentum=norm_momentum,
    )


def strided_convnet(*, input_shape=(32, 32, 3), n_classes=10, l1=0.0, l2=0.0):
    """Model S of chapters 06 to 09: two pairs of convolutions, the second of each pair with stride 2.

    The penalties are on the dense kernel.

    Examples
    --------
    >>> strided_convnet().get_layer("conv2b").output.shape
    (None, 8, 8, 32)
    """
    return _cifar_convnet("strided_convnet", input_shape, n_classes, (16, 32), _penalty(l1, l2))


def pooled_convnet(*, input_shape=(32, 32, 3), n_classes=10, l1=0.0, l2=0.0):
    """Model P of chapter 09: :func:`strided_convnet` with 2x2 max pooling where that has stride 2.

    Examples
    --------
    >>> pooled_convnet().count_params() == strided_convnet().count_params()
    True
    """
    return _cifar_convnet("pooled_convnet", input_shape, n_classes, (16, 32), _penalty(l1, l2), pool=True)


def thin_deep_convnet(*, input_shape=(32, 32, 3), n_classes=10, l1=0.0, l2=0.0):
    """Model T of chapter 09: :func:`strided_convnet` with half the width and a third pair of convolutions.

    Examples
    --------
    >>> thin_deep_convnet().count_params() < strided_convnet().count_params()
    True
    """
    return _cifar_convnet("thin_deep_convnet", input_shape, n_classes, (8, 16, 32), _penalty(l1, l2))


def _cifar_convnet(name, input_shape, n_classes, widths, penalty, *, pool=False):
    inputs = x = _image_input(input_shape)
    for i, width in enumerate(widths, start=1):
        strides = 1 if pool else 2
        x = layers.Conv2D(width, 3, padding="same", activation="relu", name=f"conv{i}a")(x)
        x = layers.Conv2D(width, 3, strides=strides, padding="same", activation="relu", name=f"conv{i}b")(x)
        if pool:
            x = layers.MaxPooling2D(name=f"pool{i}")(x)
    x = layers.Dropout(0.5, name="dropout")(x)
    x = layers.Flatten(name="embedding")(x)
    return keras.Model(inputs, _logits(x, n_classes, kernel_regularizer=penalty), name=name)


def compact_convnet(filters=(16, 32, 64), *, input_shape=(32, 32, 3), n_classes=10, norm_momentum=0.99):
    """The book's own network for "Doing better": pairs of normalised convolutions, pooled globally.

    `filters` are the widths of the pairs; 2x2 max pooling stands between them. Averaging over the whole image instead
    of flattening it is what keeps it small: no dense layer sees every pixel.

    Examples
    --------
    >>> compact_convnet((32, 64)).get_layer("embedding").output.shape
    (None, 64)
    """
    momentum = _share("norm_momentum", norm_momentum)
    inputs = x = _image_input(input_shape)
    for i, width in enumerate(_sizes("filters", filters), start=1):
        if i > 1:
            x = layers.MaxPooling2D(name=f"pool{i - 1}")(x)
        for part in "ab":
            # Batch normalisation subtracts the mean, so a bias before it would do nothing.
            options = {"padding": "same", "use_bias": False, "kernel_initializer": "he_normal"}
            x = layers.Conv2D(width, 3, name=f"conv{i}{part}", **options)(x)
            x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}{part}")(x)
            x = layers.ReLU(name=f"relu{i}{part}")(x)
    x = layers.GlobalAveragePooling2D(name="embedding")(x)
    return keras.Model(inputs, _logits(x, n_classes), name="compact_convnet")


def svhn_dcnn(*, input_shape=(28, 28, 1), n_classes=10):
    """The network of chapter 10 that was trained from scratch: three double convolutions, three dense layers.

    Examples
    --------
    >>> embedding_model(svhn_dcnn()).output_shape
    (None, 64)
    """
    inputs = _image_input(input_shape)
    x = _double_convolutions(inputs, (8, 16, 32), 3)
    x = layers.Dense(256, activation="relu", name="hidden")(x)
    x = layers.Dropout(0.5, name="hidden_dropout")(x)
    x = layers.Dense(64, activation="relu", name="embedding")(x)
    return keras.Model(inputs, _logits(x, n_classes), name="svhn_dcnn")


def vgg_like(*, input_shape=(28, 28, 1), n_classes=10):
    """The network of chapter 10 that is pre-trained and fine-tuned: two double convolutions, a normalised dense layer.

    Examples
    --------
    >>> vgg_like(n_classes=26).output_shape
    (None, 26)
    """
    inputs = _image_input(input_shape)
    x = _normalised_dense(_double_convolutions(inputs, (8, 16), 3), "embedding")
    x = layers.Dropout(0.2, name="dense1_dropout")(x)
    return keras.Model(inputs, _logits(x, n_classes), name="vgg_like")


def siamese_branch(*, input_shape=(64, 32, 3), embedding_size=32):
    """One branch of the Siamese network of chapter 11: from a picture to a short vector.

    The vectors, of length `embedding_size`, are not normalised: a loss on unit vectors has to do that.

    Examples
    --------
    >>> siamese_branch().output_shape
    (None, 32)
    """
    size = check_integer("embedding_size", embedding_size, minimum=1)
    inputs = _image_input(input_shape)
    x = _normalised_dense(_double_convolutions(inputs, (8, 16, 32), 5), "features")
    return keras.Model(inputs, layers.Dense(size, name="embedding")(x), name="siamese_branch")


def _double_convolutions(x, filters, kernel_size):
    for i, width in enumerate(filters, start=1):
        x = layers.Conv2D(width, kernel_size, padding="same", activation="relu", name=f"conv{i}a")(x)
        x = layers.Conv2D(width, kernel_size, padding="same", name=f"conv{i}b")(x)
        x = layers.BatchNormalization(name=f"norm{i}")(x)
        x = layers.ReLU(name=f"relu{i}")(x)
        x = layers.SpatialDropout2D(0.2, name=f"dropout{i}")(x)
        if i < len(filters):
            x = layers.MaxPooling2D(name=f"pool{i}")(x)
    return layers.Flatten(name="flatten")(x)


def _normalised_dense(x, name):
    x = layers.Dense(256, name="dense1")(x)
    x = layers.BatchNormalization(name="dense1_norm")(x)
    return layers.ReLU(name=name)(x)


def five_class_cnn(*, activation="sigmoid", input_shape=(28, 28, 1), n_classes=5, norm_momentum=0.99):
    """The plain network of chapter 12: two convolutions, batch normalisation before and after each pooling.

    `activation` is the name of a Keras activation. The original's sigmoid lets little gradient through; try ``"relu"``.

    Examples
    --------
    >>> five_class_cnn(activation="relu").output_shape
    (None, 5)
    """
    try:
        keras.activations.get(activation)
    except ValueError as error:
        raise ArgumentError(
            f"activation is {activation!r}; it must be the name of a Keras activation such as 'sigmoid' or 'relu'"
        ) from error
    momentum = _share("norm_momentum", norm_momentum)
    inputs = x = _image_input(input_shape)
    for i, width in ((1, 32), (2, 64)):
        x = layers.Conv2D(width, 3, activation=activation, name=f"conv{i}")(x)
        x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}a")(x)
        x = layers.MaxPooling2D(name=f"pool{i}")(x)
        x = layers.BatchNormalization(momentum=momentum, name=f"norm{i}b")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.BatchNormalization(momentum=momentum, name="embedding")(x)
    return keras.Model(inputs, _logits(x, n_classes), name="five_class_cnn")


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
    input_shape, n_classes, l2, norm_momentum : tuple of int, int, float, float
        See the module; the penalty is on every kernel.

    Examples
    --------
    >>> resnet_v1(8).name, resnet_v1(14, shortcuts=False).name
    ('resnet_8', 'plain_14')
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
    penalty, momentum = _penalty(0, l2), _share("norm_momentum", norm_momentum)

    def convolution(x, width, name, *, kernel_size=3, strides=1):
        options = {"padding": "same", "kernel_initializer": "he_normal", "kernel_regularizer": penalty}
        return layers.Conv2D(width, kernel_size, strides=strides, name=name, **options)(x)

    def normalised_relu(x, name):
        x = layers.BatchNormalization(momentum=momentum, name=f"{name}_norm")(x)
        return layers.ReLU(name=f"{name}_relu")(x)

    inputs = _image_input(input_shape)
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
    outputs = _logits(x, n_classes, kernel_initializer="he_normal", kernel_regularizer=penalty)
    return keras.Model(inputs, outputs, name=f"resnet_{depth}" if shortcuts else f"plain_{depth}")


def fine_tune(model, n_classes, *, freeze=False):
    """Give a copy of a trained network a new last layer, so that it can learn other classes.

    Parameters
    ----------
    model : keras.Model
        A trained network whose last layer makes the classes.
    n_classes : int
        Number of the new classes.
    freeze : bool
        True trains the new layer only. Frozen batch normalisation keeps the old data's mean and variance, too.

    Returns
    -------
    keras.Model
        It has a copy of the weights.

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
    return keras.Model(trunk.inputs, _logits(trunk.layers[-1].input, n_classes), name=f"{model.name}_tuned")


def describe(model):
    """List a network's layers with what each one costs.

    Parameters
    ----------
    model : keras.Model
        A built network; networks inside it are listed layer by layer.

    Returns
    -------
    pandas.DataFrame
        One row per layer, index ``layer`` (its name), columns

        - ``kind``: what it does, in short;
        - ``output shape``: without the batch, such as ``28×28×32``;
        - ``parameters``: how many numbers it holds, trainable or not (int);
        - ``formula``: how that count comes about;
        - ``multiply-adds``: multiplications of its dense layers and convolutions, per image (int). Additions
          of biases, batch normalisation and activations are left out, as is usual;
        - ``activation bytes``: memory that its output takes, per image (int). Training keeps all of them for
          the backward pass.

    Examples
    --------
    >>> table = describe(fashion_mlp())
    >>> print(table[["kind", "parameters", "formula"]])
                         kind  parameters        formula
    layer
    image               input           0
    flatten           Flatten           0
    embedding Dense 128, relu      100480  784·128 + 128
    logits           Dense 10        1290    128·10 + 10
    >>> int(table["multiply-adds"].sum())
    101632
    """
    pd = require("pandas", "course")
    rows = []
    for layer in flat_layers(model):
        shape = tuple(layer.output.shape[1:])
        rows.append(
            {
                "layer": layer.name,
                "kind": _kind(layer),
                "output shape": _times(shape),
                "parameters": layer.count_params(),
                "formula": _formula(layer),
                "multiply-adds": _multiply_adds(layer, shape),
                "activation bytes": math.prod(shape) * _BYTES[layer.compute_dtype],
            }
        )
    return pd.DataFrame(rows).set_index("layer")


def flat_layers(model):
    """The layers from input to output; a network inside the network gives its own, less its input."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from (inner for inner in flat_layers(layer) if type(inner).__name__ != "InputLayer")
        else:
            yield layer


def _times(shape):
    return "×".join(map(str, shape))


def _kind(layer):
    name = type(layer).__name__
    words = [name]
    if name == "InputLayer":
        return "input"
    if name == "Conv2D":
        words = [f"Conv2D {layer.filters}", _times(layer.kernel_size)]
        if max(layer.strides) > 1:
            words.append(f"stride {layer.strides[0]}")
        if layer.padding == "valid" and max(layer.kernel_size) > 1:
            words.append("valid")
    elif name == "Dense":
        words = [f"Dense {layer.units}"]
    elif name == "MaxPooling2D":
        words = [f"MaxPooling2D {_times(layer.pool_size)}"]
    elif name in ("Dropout", "SpatialDropout2D"):
        words = [f"{name} {layer.rate:g}"]
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return ", ".join(words if activation == "linear" else [*words, activation])


def _formula(layer):
    """The sizes of the layer's arrays; of equal ones only the number is written, as in 4·32."""
    # The state of a random number generator is no parameter to count_params either.
    weights = [weight for weight in layer.weights if "seed" not in weight.path.split("/")[-1]]
    shapes = Counter("·".join(map(str, weight.shape)) for weight in weights)
    return " + ".join(shape if count == 1 else f"{count}·{shape}" for shape, count in shapes.items())


def _multiply_adds(layer, output_shape):
    """Every kernel weight is used once for each output position."""
    if type(layer).__name__ not in ("Conv2D", "Dense"):
        return 0
    return math.prod(layer.kernel.shape) * math.prod(output_shape[:-1])


def _image_input(input_shape):
    shape = _sizes("input_shape", input_shape)
    if len(shape) != 3:
        raise ArgumentError(f"input_shape is {shape}; it must be (height, width, channels)")
    return keras.Input(shape, name="image")


def _logits(x, n_classes, **options):
    return layers.Dense(check_integer("n_classes", n_classes, minimum=2), name="logits", **options)(x)


def _penalty(l1, l2):
    l1, l2 = check_number("l1", l1, minimum=0), check_number("l2", l2, minimum=0)
    return keras.regularizers.L1L2(l1, l2) if l1 or l2 else None


def _share(name, value):
    return check_number(name, value, minimum=0, maximum=1)


def _sizes(name, sizes):
    try:
        sizes = tuple(sizes)
    except TypeError as error:
        raise ArgumentError(f"{name} is {sizes!r}; it must be a sequence of integers") from error
    if not sizes:
        raise ArgumentError(f"{name} is empty; it must hold at least one integer")
    return tuple(check_integer(name, size, minimum=1) for size in sizes)
