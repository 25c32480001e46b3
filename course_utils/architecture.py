"""What a network is made of: a table of its layers.

It is in :mod:`course_utils.models`, too: the chapters write ``models.describe``.
"""

import math
from collections import Counter

import pandas as pd

from course_utils.errors import moved_names

__all__ = ["describe"]

__getattr__ = moved_names(
    __name__,
    {"Diagram": "course_utils.plots.Diagram", "diagram": "course_utils.plots.show_architecture"},
)


def describe(model):
    """List a network's layers with what each one costs.

    Parameters
    ----------
    model : keras.Model
        A built network; networks inside it are listed layer by layer.

    Returns
    -------
    pandas.DataFrame
        One row a layer, index ``layer`` (its name), columns

        - ``kind``: what it does, in short;
        - ``output shape``: without the batch, such as ``28×28×32``;
        - ``parameters``: how many numbers it holds, trainable or not (int);
        - ``formula``: how that count comes about;
        - ``multiply-adds``: multiplications of its dense layers and convolutions, an image (int). Additions
          of biases, batch normalisation and activations are left out, as is usual;
        - ``activation bytes``: memory that its output takes, an image (int). Training keeps all of them for
          the backward pass.

    Examples
    --------
    >>> from course_utils.models import fashion_mlp
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
    rows = []
    for layer in _flat_layers(model):
        shape = _output_shape(layer)
        rows.append(
            {
                "layer": layer.name,
                "kind": _kind(layer),
                "output shape": _times(shape),
                "parameters": layer.count_params(),
                "formula": _formula(layer),
                "multiply-adds": _multiply_adds(layer, shape),
                "activation bytes": math.prod(shape) * _bytes_per_value(layer),
            }
        )
    return pd.DataFrame(rows).set_index("layer")


def _flat_layers(model):
    """The layers from input to output; a network inside the network gives its own, less its input."""
    flat = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            flat += [inner for inner in _flat_layers(layer) if type(inner).__name__ != "InputLayer"]
        else:
            flat.append(layer)
    return flat


def _output_shape(layer):
    return tuple(layer.output.shape[1:])


def _bytes_per_value(layer):
    return {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}[layer.compute_dtype]


def _times(shape):
    return "×".join(map(str, shape))


def _kind(layer):
    name = type(layer).__name__
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
    else:
        words = [name]
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    return ", ".join(words if activation == "linear" else [*words, activation])


def _formula(layer):
    """The sizes of the layer's arrays; of equal ones only the number is written, as in 4·32."""
    shapes = Counter("·".join(map(str, weight.shape)) for weight in _parameters(layer))
    return " + ".join(shape if count == 1 else f"{count}·{shape}" for shape, count in shapes.items())


def _parameters(layer):
    """The weights that count_params counts: not the state of a random number generator."""
    return [weight for weight in layer.weights if "seed" not in weight.path.split("/")[-1]]


def _multiply_adds(layer, output_shape):
    """Every kernel weight is used once for each output position."""
    if type(layer).__name__ not in ("Conv2D", "Dense"):
        return 0
    return math.prod(layer.kernel.shape) * math.prod(output_shape[:-1])
