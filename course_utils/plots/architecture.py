"""A network as a drawing: an SVG with one box per layer, which needs no system package and no other file."""

import hashlib
import html
import textwrap
from dataclasses import dataclass
from types import SimpleNamespace

__all__ = ["Diagram", "show_architecture"]

# Fill and edge of a box by the kind of its layer. The fills are pale under black text, so that the boxes read on a
# light page and on a dark one; the edges are Okabe and Ito's colours.
_COLOURS = {
    "Conv2D": ("#cfe8f7", "#0072B2"),
    "Dense": ("#fbe6bd", "#E69F00"),
    "MaxPooling2D": ("#f3dbe8", "#CC79A7"),
    "GlobalAveragePooling2D": ("#f3dbe8", "#CC79A7"),
    "BatchNormalization": ("#cdeee3", "#009E73"),
    "Add": ("#fbdcc6", "#D55E00"),
}
_LEADING = ("input", "Conv2D", "Dense")  # their boxes are headed in bold type

# The drawing is as wide as a phone in CSS pixels. Of each column: left, width, characters that fit in a line.
_WIDTH, _MARGIN, _GAP, _LINE = 360, 8, 14, 16
_ONLY, _MAIN, _SIDE = (8, 344, 49), (8, 204, 29), (228, 124, 15)


@dataclass(frozen=True)
class Diagram:
    """A drawing of a network, as :func:`show_architecture` makes it; notebooks show it as a picture.

    `svg` is a complete SVG element. `text`, which is in it, says the same in words, for those who cannot see it.
    """

    svg: str
    text: str

    def _repr_svg_(self):
        return self.svg

    def _repr_html_(self):
        return f'<div style="max-width: {_WIDTH}px; margin: auto">{self.svg}</div>'


def show_architecture(model):
    """Draw a network from top to bottom: one box per layer, with its output shape and parameters.

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
    >>> print(show_architecture(fashion_mlp()).text)
    fashion_mlp, 101,770 parameters. image: input, output 28×28×1. flatten: Flatten, output 784, after image.
    embedding: Dense 128, relu, output 128, 100,480 parameters, after flatten. logits: Dense 10, output 10,
    1,290 parameters, after embedding.
    """
    from course_utils.models import describe, flat_layers  # needs Keras, as the other figures do not

    sources = _sources(flat_layers(model))
    main = _longest_path(sources)
    branched = sum(map(len, sources.values())) >= len(sources)
    parts, words, boxes, above, top = [], [f"{model.name}, {model.count_params():,} parameters."], {}, {}, _MARGIN
    for name, layer in describe(model).iterrows():
        count = f"{layer['parameters']:,} parameters" if layer["parameters"] else ""
        before = [boxes[source] for source in sources[name]]
        column = _SIDE if name not in main else _MAIN if branched else _ONLY
        box = boxes[name] = _box(layer["kind"], layer["output shape"], count, column, top, before)
        parts += [*(_arrow(source, box, straight=source is above.get(column)) for source in before), box.svg]
        after = sources[name] and f"after {' and '.join(sources[name])}"
        facts = (f"{name}: {layer['kind']}", f"output {layer['output shape']}", count, after)
        words.append(", ".join(filter(None, facts)) + ".")
        above[column], top = box, box.bottom + _GAP
    text = " ".join(words)
    key = hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top - _GAP + _MARGIN}" width="100%" '
        f'role="img" aria-labelledby="title-{key} desc-{key}" font-family="system-ui, sans-serif" font-size="13">'
        f'<title id="title-{key}">Diagram of {html.escape(model.name)}</title>'
        f'<desc id="desc-{key}">{html.escape(text)}</desc>'
    )
    return Diagram("\n".join([head, *parts, "</svg>"]), text)


def _sources(layers):
    """For each layer by name, the names of those whose outputs it takes."""
    first, *others = layers
    sources, made_by, previous = {first.name: []}, {id(first.output): first.name}, first.name
    for layer in others:
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        # A tensor that no layer made has crossed the border of a network within the network.
        sources[layer.name] = [made_by.get(id(tensor), previous) for tensor in tensors]
        made_by[id(layer.output)] = previous = layer.name
    return sources


def _longest_path(sources):
    """Names of the layers on the longest way to the last layer."""
    length, best = {None: 0}, {}
    for name, before in sources.items():
        best[name] = max(before, key=length.get, default=None)
        length[name] = length[best[name]] + 1
    path = {name}
    while name := best[name]:
        path.add(name)
    return path


def _box(kind, shape, count, column, top, before):
    """Place and draw a layer; one that leaves the shape as it was need not say it."""
    left, width, fits = column
    fill, edge = _COLOURS.get(kind.split()[0].strip(","), ("#eeeeee", "#767676"))
    leading = kind.startswith(_LEADING)
    details = " · ".join(filter(None, [shape if leading or shape != before[0].shape else "", count]))
    lines = [" · ".join(filter(None, [kind, details]))]
    if leading or len(lines[0]) > fits:
        lines = [*textwrap.wrap(kind, fits), *textwrap.wrap(details, fits)]
    middle, height = left + width // 2, 8 + _LINE * len(lines)
    place = f'x="{left}" y="{top}" width="{width}" height="{height}"'
    svg = f'<rect {place} rx="5" fill="{fill}" stroke="{edge}" stroke-width="1.5"/>'
    for i, line in enumerate(lines):
        weight = ' font-weight="600"' if leading and i == 0 else ""
        y = top + _LINE * (i + 1)
        svg += f'\n<text x="{middle}" y="{y}" text-anchor="middle"{weight}>{html.escape(line)}</text>'
    sides = {"right": left + width, "middle": middle, "top": top, "bottom": top + height, "centre": top + height // 2}
    return SimpleNamespace(svg=svg, shape=shape, beside=column == _SIDE, **sides)


def _arrow(source, target, *, straight):
    """An arrow straight down, along the gap between the columns, or by way of a box in the right column."""
    down, leftwards = f"V{target.top}m-4-6l4 6 4-6", f"V{target.centre - 5}H{target.right}m6-4l-6 4 6 4"
    # Out a little below the middle of a side, in a little above it, so that two arrows at a box stay apart.
    out, under = f"M{source.right} {source.centre + 5}", f"M{source.middle} {source.bottom}"
    if straight:
        way = under + down
    elif target.beside:
        way = f"{out}H{target.middle}{down}"
    else:
        way = (under if source.beside else f"{out}H{target.right + 10}") + leftwards
    return f'<path d="{way}" fill="none" stroke="#808080" stroke-width="1.5"/>'
