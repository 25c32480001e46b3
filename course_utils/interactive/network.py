"""Networks that answer in the page: a Keras model in, its layers and weights as JSON out; ``network.js`` runs them."""

import itertools

import numpy as np

from course_utils.errors import ArgumentError, CourseError, check_choice
from course_utils.interactive.widget import pack

__all__ = ["LAYERS", "export"]

_ACTIVATIONS = ("linear", "relu", "sigmoid", "softmax", "tanh")
# They change nothing when a network is asked about a picture whose values are in their range.
_IDENTITY = {
    "ActivityRegularization", "Dropout", "GaussianDropout", "GaussianNoise", "Identity", "RandomBrightness",
    "RandomContrast", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom", "SpatialDropout2D",
}  # fmt: skip


def export(model, *, dtype="float16"):
    """Export a network so that the programs of a page can run it.

    Parameters
    ----------
    model : keras.Model
        Built; sequential, or a graph with one input and one output. Its layers are of the kinds in ``LAYERS``, in
        ``channels_last`` order. Networks inside it are exported layer by layer.
    dtype : {"float16", "float32", "int8"}
        What each number of a kernel is stored as; vectors, such as biases, are float32. In ``"int8"`` the weights of
        each filter are whole multiples of a 127th of its largest: probabilities move by a hundredth or so.

    Returns
    -------
    dict
        ``input``, the shape of one input; ``parameters``, how many numbers the network holds; ``steps``, one per layer,
        each with its ``kind``, ``name`` and the steps that it takes its inputs ``from``. The last is the output.

    Raises
    ------
    CourseError
        If a layer is of another kind, or does what the programs do not; the message names it.
    ArgumentError
        If a weight is not finite, or `dtype` cannot hold it.

    Examples
    --------
    >>> from course_utils import models
    >>> made = export(models.fashion_mlp())
    >>> made["input"], made["parameters"], [step["kind"] for step in made["steps"]]
    ([28, 28, 1], 101770, ['input', 'flatten', 'dense', 'dense'])
    """
    check_choice("dtype", dtype, ("float16", "float32", "int8"))
    steps = []
    _add_network(steps, model, None, dtype)
    return {"input": list(model.input_shape[1:]), "parameters": int(model.count_params()), "steps": steps}


def _add_network(steps, model, source, dtype):
    """Append the steps of a network that takes its input from a step, or from outside; give the place of its output."""
    if source is None:
        steps.append({"kind": "input", "name": "image", "from": []})
        source = 0
    places = {}
    for kind, name, sources in _graph(model):
        if kind == "InputLayer":
            places[name] = source
            continue
        taken = [places.get(each, source) for each in sources]
        if kind in ("Functional", "Sequential"):
            places[name] = _add_network(steps, model.get_layer(name), taken[0], dtype)
        elif kind in LAYERS:
            steps.append({"name": name, "from": taken, **_step(model.get_layer(name), kind, dtype)})
            places[name] = len(steps) - 1
        else:
            raise CourseError(f"layer {name} is a {kind}, which pages cannot run; they run {', '.join(LAYERS)}")
    return len(steps) - 1


def _graph(model):
    """List the layers of a network: class, name, and the names of those that each takes its inputs from."""
    config = model.get_config()
    kind = type(model).__name__
    if kind == "Sequential" and model.built:
        pairs = itertools.pairwise(["", *(layer.name for layer in model.layers)])
        return [(type(model.get_layer(name)).__name__, name, [before]) for before, name in pairs]
    if kind != "Functional":
        raise CourseError(
            f"model {model.name} is a {kind}; it must be built, and a Sequential or functional keras.Model"
        )
    found, output = [], config["output_layers"]
    for entry in config["layers"]:
        calls = entry["inbound_nodes"]
        if len(calls) > 1:
            raise CourseError(f"layer {entry['name']} is used {len(calls)} times; each may be used once")
        given = calls[0]["args"][0] if calls else []
        tensors = given if isinstance(given, (list, tuple)) else [given]
        sources = [tensor["config"]["keras_history"][0] for tensor in tensors]
        found.append((entry["class_name"], entry["name"], sources))
    n_inputs = sum(kind == "InputLayer" for kind, _, _ in found)
    if n_inputs != 1 or output[0] != found[-1][1]:
        raise CourseError(
            f"model {model.name} has {n_inputs} inputs and the outputs {output}; it must have one of each"
        )
    return found


def _step(layer, kind, dtype):
    if kind in _IDENTITY:
        return {"kind": "same"}
    config = layer.get_config()
    for option, legal in _LEGAL.get(kind, {}).items():
        if config[option] not in legal:
            raise CourseError(f"layer {layer.name}: {option} is {config[option]!r}; pages run {legal} only")
    try:
        return _STEPS[kind](layer, config, dtype)
    except ArgumentError as error:
        raise ArgumentError(f"layer {layer.name}: {error}") from None


def _weights(layer, config, dtype):
    kernel, *bias = layer.get_weights()
    packed = {"activation": config["activation"]}
    if dtype == "int8":
        scale = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1))) / 127
        scale = np.where(scale == 0, 1, scale)
        kernel, packed["unit"] = np.round(kernel / scale), pack(scale, "float32")
    packed["kernel"] = pack(kernel, dtype)
    return packed | ({"bias": pack(bias[0], "float32")} if bias else {})


def _dense(layer, config, dtype):
    return {"kind": "dense", **_weights(layer, config, dtype)}


def _convolution(layer, config, dtype):
    options = {"strides": list(layer.strides), "padding": layer.padding, "dilation": list(layer.dilation_rate)}
    return {"kind": "conv", **options, **_weights(layer, config, dtype)}


def _pooling(kind):
    def step(layer, config, dtype):
        return {
            "kind": kind, "size": list(layer.pool_size), "strides": list(layer.strides), "padding": layer.padding
        }  # fmt: skip

    return step


def _normalisation(layer, config, dtype):
    """Outside of training it is one multiplication and one addition per channel."""
    values = [np.asarray(value, "float64") for value in layer.get_weights()]
    mean, variance = values[-2:]
    gamma = values[0] if config["scale"] else np.ones_like(mean)
    beta = values[int(config["scale"])] if config["center"] else np.zeros_like(mean)
    scale = gamma / np.sqrt(variance + config["epsilon"])
    return {"kind": "affine", "scale": pack(scale, "float32"), "shift": pack(beta - mean * scale, "float32")}


def _rescaling(layer, config, dtype):
    scale, offset = (np.asarray(config[name], "float32").reshape(-1) for name in ("scale", "offset"))
    return {"kind": "affine", "scale": pack(scale, "float32"), "shift": pack(offset, "float32")}


def _activation(layer, config, dtype):
    return {"kind": "activation", "activation": config.get("activation", type(layer).__name__.lower())}


def _plain(kind):
    return lambda layer, config, dtype: {"kind": kind}


_STEPS = {
    "Activation": _activation,
    "Add": _plain("add"),
    "AveragePooling2D": _pooling("average"),
    "BatchNormalization": _normalisation,
    "Concatenate": _plain("concatenate"),
    "Conv2D": _convolution,
    "Dense": _dense,
    "Flatten": _plain("flatten"),
    "GlobalAveragePooling2D": _plain("global average"),
    "MaxPooling2D": _pooling("max"),
    "ReLU": _activation,
    "Rescaling": _rescaling,
    "Softmax": _activation,
}
_LAST, _FORMAT = (-1, 3), ("channels_last",)
_LEGAL = {
    "Activation": {"activation": _ACTIVATIONS},
    "AveragePooling2D": {"data_format": _FORMAT},
    "BatchNormalization": {"axis": (*_LAST, [-1], [3])},
    "Concatenate": {"axis": _LAST},
    "Conv2D": {"activation": _ACTIVATIONS, "data_format": _FORMAT, "groups": (1,)},
    "Dense": {"activation": _ACTIVATIONS},
    "Flatten": {"data_format": _FORMAT},
    "GlobalAveragePooling2D": {"data_format": _FORMAT, "keepdims": (False,)},
    "MaxPooling2D": {"data_format": _FORMAT},
    "ReLU": {"max_value": (None,), "negative_slope": (0,), "threshold": (0,)},
    "Softmax": {"axis": (-1,)},
}
LAYERS = tuple(sorted({*_STEPS, *_IDENTITY, "InputLayer"}))
"""The kinds of layers that pages can run."""
