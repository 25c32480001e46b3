"""What a network is made of: a table of its layers and a drawing, without any system package.

They are in :mod:`course_utils.models`, too: the chapters write ``models.describe`` and ``models.diagram``.
"""

import hashlib
import html
import itertools
import math
import textwrap
from collections import Counter
from dataclasses import dataclass

import pandas as pd

__all__ = ["Diagram", "describe", "diagram"]

# Kinds of layers by class name: fill and edge of the box. The fills are pale under black text, so that the
# boxes read on a light page and on a dark one; the edges are Okabe and Ito's colours.
_KINDS = {
    "Conv2D": ("#cfe8f7", "#0072B2"),
    "Dense": ("#fbe6bd", "#E69F00"),
    "MaxPooling2D": ("#f3dbe8", "#CC79A7"),
    "GlobalAveragePooling2D": ("#f3dbe8", "#CC79A7"),
    "BatchNormalization": ("#cdeee3", "#009E73"),
    "Add": ("#fbdcc6", "#D55E00"),
}
_OTHER = ("#eeeeee", "#767676")
_ARROW = "#808080"

# Sizes in the units of the drawing, which is 360 wide: the CSS pixels of a phone.
_WIDTH, _MARGIN, _GAP, _PADDING, _LINE, _CHARACTER = 360, 8, 14, 8, 16, 7
_MAIN, _SIDE = 204, 124  # widths of the boxes where ways run side by side
_LANE = 10  # how far right of the boxes a shortcut runs
_APART = 5  # how far from a box's centre shortcuts come in (above) and go out (below)


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


@dataclass(frozen=True)
class Diagram:
    """A drawing of a network that notebooks show as a picture; made by :func:`diagram`.

    Attributes
    ----------
    svg : str
        The drawing, a complete SVG element that needs no other file.
    text : str
        The same in words, for those who cannot see it; it is in the SVG, too.
    """

    svg: str
    text: str

    def _repr_svg_(self):
        return self.svg

    def _repr_html_(self):
        return f'<div style="max-width: {_WIDTH}px; margin: auto">{self.svg}</div>'


def diagram(model):
    """Draw a network from top to bottom: one box a layer, with its output shape and parameters.

    Parameters
    ----------
    model : keras.Model
        A built network. The longest way through it runs down the left side; other ways run beside it.

    Returns
    -------
    Diagram
        360 units wide, so that it fits a phone; readable on light and on dark pages.

    Examples
    --------
    >>> from course_utils.models import fashion_mlp
    >>> print(diagram(fashion_mlp()).text)
    fashion_mlp, 101,770 parameters. image: input, output 28×28×1. flatten: Flatten, output 784, after image.
    embedding: Dense 128, relu, output 128, 100,480 parameters, after flatten. logits: Dense 10, output 10,
    1,290 parameters, after embedding.
    """
    layers = _flat_layers(model)
    edges = _edges(layers)
    main = _longest_path(layers, edges)
    boxes = _place(layers, edges, main)
    height = max(box.bottom for box in boxes.values()) + _MARGIN
    text = _text(model, layers, edges)
    key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" '
        f'aria-labelledby="title-{key} desc-{key}" font-family="system-ui, sans-serif" font-size="13">',
        f'<title id="title-{key}">Diagram of {html.escape(model.name)}</title>',
        f'<desc id="desc-{key}">{html.escape(text)}</desc>',
    ]
    steps = set(itertools.pairwise(main))
    parts += [_draw_arrow(boxes[pair[0]], boxes[pair[1]], pair in steps) for pair in edges]
    parts += [_draw_box(layer, boxes[layer.name]) for layer in layers]
    return Diagram("\n".join([*parts, "</svg>"]), text)


@dataclass(frozen=True)
class _Box:
    left: int
    top: int
    width: int
    height: int
    side: bool
    lines: tuple

    @property
    def middle(self):
        return self.left + self.width // 2

    @property
    def centre(self):
        return self.top + self.height // 2

    @property
    def right(self):
        return self.left + self.width

    @property
    def bottom(self):
        return self.top + self.height


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


def _edges(layers):
    """Pairs (source, target) of layer names, in the order of the targets."""
    made_by = {}
    edges = []
    for previous, layer in zip([None, *layers], layers, strict=False):
        if previous is not None:
            tensors = layer.input if isinstance(layer.input, list) else [layer.input]
            # A tensor that no layer made has crossed the border of a network within the network.
            edges += [(made_by.get(id(tensor), previous.name), layer.name) for tensor in tensors]
        made_by[id(layer.output)] = layer.name
    return edges


def _longest_path(layers, edges):
    """Names of the layers on the longest way to the last layer, from the first on."""
    length = {layer.name: 0 for layer in layers}
    before = {}
    for source, target in edges:
        if length[source] + 1 > length[target]:
            length[target] = length[source] + 1
            before[target] = source
    path = [layers[-1].name]
    while path[-1] in before:
        path.append(before[path[-1]])
    return path[::-1]


def _place(layers, edges, main):
    """Give every layer a box in a row of its own: the main way on the left, the others on the right."""
    narrow = len(edges) > len(layers) - 1
    boxes, top = {}, _MARGIN
    for layer in layers:
        side = layer.name not in main
        width = _SIDE if side else _MAIN if narrow else _WIDTH - 2 * _MARGIN
        lines = _label(layer, width)
        height = _PADDING + _LINE * len(lines)
        left = _WIDTH - _MARGIN - width if side else _MARGIN
        boxes[layer.name] = _Box(left, top, width, height, side, lines)
        top += height + _GAP
    return boxes


def _label(layer, width):
    """What the box says: the kind, and the output shape and parameters where there are such to tell."""
    shape, count = _output_shape(layer), layer.count_params()
    details = [_times(shape)] if _is_main_kind(layer) or shape != _input_shape(layer) else []
    details += [f"{count:,} parameters"] if count else []
    fits = width // (_CHARACTER if width > _SIDE else _CHARACTER + 1)
    kind, detail = _kind(layer), " · ".join(details)
    if not _is_main_kind(layer) and len(kind) + len(detail) + 3 <= fits:
        return (" · ".join(filter(None, [kind, detail])),)
    return (*textwrap.wrap(kind, fits), *textwrap.wrap(detail, fits))


def _is_main_kind(layer):
    return type(layer).__name__ in ("InputLayer", "Conv2D", "Dense")


def _input_shape(layer):
    first = layer.input[0] if isinstance(layer.input, list) else layer.input
    return tuple(first.shape[1:])


def _draw_box(layer, box):
    fill, edge = _KINDS.get(type(layer).__name__, _OTHER)
    weight = ' font-weight="600"' if _is_main_kind(layer) else ""
    first = box.top + _PADDING // 2 + 12  # the first line's baseline
    texts = [
        f'<text x="{box.middle}" y="{first + _LINE * i}" text-anchor="middle"{weight if i == 0 else ""}>'
        f"{html.escape(line)}</text>"
        for i, line in enumerate(box.lines)
    ]
    rectangle = (
        f'<rect x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}" rx="5" fill="{fill}" '
        f'stroke="{edge}" stroke-width="1.5"/>'
    )
    return "\n".join([rectangle, *texts])


def _draw_arrow(source, target, straight):
    """An arrow straight down, along the gap between the columns, or by way of a box in the right column."""
    if straight or target.side:
        x, y = target.middle, target.top
        way = f"M{x} {source.bottom}V{y}" if straight else f"M{source.right} {source.centre + _APART}H{x}V{y}"
        head = f"M{x} {y}l-4 -7h8z"
    else:
        x, y = target.right, target.centre - _APART
        start = f"M{source.right} {source.centre + _APART}H{x + _LANE}"
        if source.side:
            start = f"M{source.middle} {source.bottom}"
        way = f"{start}V{y}H{x}"
        head = f"M{x} {y}l7 -4v8z"
    line = f'<path d="{way}" fill="none" stroke="{_ARROW}" stroke-width="1.5"/>'
    return f'{line}<path d="{head}" fill="{_ARROW}"/>'


def _text(model, layers, edges):
    sentences = [f"{model.name}, {model.count_params():,} parameters."]
    for layer in layers:
        count = layer.count_params()
        sources = [source for source, target in edges if target == layer.name]
        words = [f"{layer.name}: {_kind(layer)}", f"output {_times(_output_shape(layer))}"]
        words += [f"{count:,} parameters"] if count else []
        words += [f"after {' and '.join(sources)}"] if sources else []
        sentences.append(", ".join(words) + ".")
    return " ".join(sentences)
