"""Widgets: data in, a part of a page out that readers touch, with a static picture for print and without JavaScript.

As a notebook displays it, a widget is one piece of HTML that holds its data, its programs and its style: it asks no
host and no kernel for anything. In the book's site the data lie in a script beside the page, and the programs are
shared: :func:`take_apart` makes the one from the other.
"""

import base64
import dataclasses
import html
import importlib.resources
import io
import json
import math
import re

import numpy as np

from course_utils.errors import ArgumentError, check_choice, require

__all__ = ["NAMES", "Widget", "assets", "pack", "sprite", "take_apart"]

NAMES = ("ask", "confusion", "descent", "gallery", "kernel", "layers")
"""The kinds of widgets; each has its program, ``static/NAME.js``."""

_ON_NETWORKS = {"ask", "layers"}
_DTYPES = ("float16", "float32", "int32", "int8", "uint16", "uint8")
_FIRST_BYTES = {"png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF"}
_WHOLE = re.compile(
    r'(<figure class="course-widget" data-course-widget="\w+")(>.*?)'
    r'<script type="application/json">(.*?)</script>(</figure>).*?<!-- end of widget -->',
    re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Widget:
    """Something to touch, as the functions of :mod:`course_utils.interactive` make it; notebooks display it.

    Parameters
    ----------
    name : {"ask", "confusion", "descent", "gallery", "kernel", "layers"}
        Which program shows the data.
    data : dict
        What it shows, as JSON can hold it; see :func:`pack` and :func:`sprite`.
    picture : bytes
        A PNG or WebP file: what print, and readers without JavaScript, see instead.
    alt : str
        What the picture shows.
    caption : str
        What readers are to look at; may be empty.

    Raises
    ------
    ArgumentError
        If an argument is not as described above.

    Examples
    --------
    >>> picture = base64.b64decode(sprite(np.zeros((1, 2, 2), "uint8"))["image"].partition(",")[2])
    >>> "shown" in Widget("ask", {"shown": 1}, picture=picture, alt="A black square.")._repr_html_()
    True
    """

    name: str
    data: dict = dataclasses.field(repr=False)
    _: dataclasses.KW_ONLY
    picture: bytes = dataclasses.field(repr=False)
    alt: str
    caption: str = ""

    def __post_init__(self):
        check_choice("name", self.name, NAMES)
        if not isinstance(self.picture, bytes) or not self._kind():
            raise ArgumentError(f"picture is {self.picture!r:.40}; it must be the bytes of a PNG or WebP file")
        if not isinstance(self.alt, str) or not self.alt.strip():
            raise ArgumentError(f"alt is {self.alt!r}; it must say what the picture shows")
        self._json()

    def _repr_html_(self):
        picture = base64.b64encode(self.picture).decode()
        caption = f"<figcaption>{html.escape(self.caption)}</figcaption>" if self.caption else ""
        code = [_static(f"{name}.js") for name in ("core", *_programs(self.name))]
        return (
            f'<figure class="course-widget" data-course-widget="{self.name}">'
            f'<img src="data:image/{self._kind()};base64,{picture}" alt="{html.escape(self.alt)}">{caption}'
            f'<script type="application/json">{self._json()}</script></figure>'
            f"<style>{_static('widgets.css')}</style>"
            f"<script>{''.join(code)}course.start();</script><!-- end of widget -->"
        )

    def _kind(self):
        return next((kind for kind, first in _FIRST_BYTES.items() if self.picture.startswith(first)), "")

    def _json(self):
        try:
            text = json.dumps(self.data, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"data cannot be written as JSON: {error}; pack arrays with `pack`") from None
        # No JSON may end the script element that it stands in.
        return text.replace("<", "\\u003c")


def _programs(name):
    return ("network", name) if name in _ON_NETWORKS else (name,)


def _static(file):
    return (importlib.resources.files("course_utils.interactive") / "static" / file).read_text("utf-8")


def assets():
    """Give the programs and the style that the widgets of a site share.

    Returns
    -------
    dict of str to bytes
        The content of each file of ``static/``, by its name.

    Examples
    --------
    >>> {"core.js", "network.js", "widgets.css"} <= set(assets())
    True
    """
    folder = importlib.resources.files("course_utils.interactive") / "static"
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir(), key=lambda path: path.name)}


def take_apart(text, name, *, static="../_static/widgets", folder="../notebooks"):
    """Turn a widget as a notebook displays it into what a site needs.

    Parameters
    ----------
    text : str
        HTML that holds a widget.
    name : str
        ``"CHAPTER/NAME"``: what tells the data from those of other widgets.
    static, folder : str
        Addresses relative to the page: of the shared programs, and of the folder in which the data lie, as
        ``CHAPTER/widgets/NAME.js``.

    Returns
    -------
    tuple of str, or None
        The HTML that stands in the page, and the script beside it that holds the data. None if `text` has no widget.

    Examples
    --------
    >>> take_apart("<p>No widget.</p>", "02_fashion_mlp/ask") is None
    True
    """
    found = _WHOLE.search(text)
    if found is None:
        return None
    head, inside, data, end = found.groups()
    chapter, _, own = name.partition("/")
    address = f' data-course-id="{name}" data-course-src="{folder}/{chapter}/widgets/{own}.js"'
    shared = (
        f'<link rel="stylesheet" href="{static}/widgets.css"><script defer="defer" src="{static}/core.js"></script>'
    )
    return f"{head}{address}{inside}{end}{shared}\n", f"course.data({json.dumps(name)}, {data});\n"


def pack(array, dtype):
    """Pack an array so that JSON can hold it; ``course.unpack`` of the programs reads it.

    Parameters
    ----------
    array : array_like of real numbers
        Any shape; all finite.
    dtype : {"float16", "float32", "int32", "int8", "uint16", "uint8"}
        What each number is stored as, little-endian.

    Returns
    -------
    dict
        ``{"dtype": …, "shape": […], "base64": …}``.

    Raises
    ------
    ArgumentError
        If a number is not finite, or `dtype` cannot hold it.

    Examples
    --------
    >>> pack([[1, 2]], "uint8")
    {'dtype': 'uint8', 'shape': [1, 2], 'base64': 'AQI='}
    >>> pack([70000.0], "float16")
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: array holds 70000.0; float16 holds numbers from -65504.0 to 65504.0
    """
    check_choice("dtype", dtype, _DTYPES)
    array = np.asarray(array)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ArgumentError(f"array has dtype {array.dtype} and must hold finite real numbers, and does not")
    limits = np.finfo(dtype) if dtype.startswith("float") else np.iinfo(dtype)
    worst = array.flat[np.abs(array).argmax()] if array.size else 0
    for value in (worst, array.min(initial=0)):
        if not float(limits.min) <= value <= float(limits.max):
            raise ArgumentError(f"array holds {value}; {dtype} holds numbers from {limits.min} to {limits.max}")
    content = array.astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    return {"dtype": dtype, "shape": list(array.shape), "base64": base64.b64encode(content).decode()}


def sprite(images, *, kind="png", quality=85):
    """Tile pictures into one, so that JSON can hold it; ``course.sprite`` of the programs shows them one by one.

    Parameters
    ----------
    images : array_like of uint8, shape (n, h, w), (n, h, w, 1) or (n, h, w, 3)
        Grey or RGB.
    kind : {"png", "jpeg", "webp"}
        The file's format. A network is to be asked only about pictures that are stored as they are, in ``"png"``.
    quality : int
        Of JPEG and WebP, 1 to 95.

    Returns
    -------
    dict
        ``{"image": data URI, "count": n, "columns": …, "width": w, "height": h, "channels": 1 or 3}``.

    Raises
    ------
    ArgumentError
        If `images` is not as described above.
    MissingExtraError
        If Pillow is not installed.

    Examples
    --------
    >>> made = sprite(np.zeros((5, 28, 28), "uint8"))
    >>> made["count"], made["columns"], made["channels"], made["image"][:22]
    (5, 3, 1, 'data:image/png;base64,')
    """
    check_choice("kind", kind, ("png", "jpeg", "webp"))
    images = np.asarray(images)
    images = images[..., None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise ArgumentError(
            f"images is {images.dtype} of shape {images.shape}; it must be uint8 of shape (n, h, w, 1 or 3)"
        )
    count, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    tiled = np.zeros((rows * columns, height, width, channels), np.uint8)
    tiled[:count] = images
    sheet = tiled.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width, channels)
    content = io.BytesIO()
    options = {"optimize": True} if kind == "png" else {"quality": quality}
    image = require("PIL.Image", "course").fromarray(sheet[..., 0] if channels == 1 else sheet)
    image.save(content, kind, **options)
    uri = f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode()}"
    return {
        "image": uri, "count": count, "columns": columns, "width": width, "height": height, "channels": channels
    }  # fmt: skip


def thumbnails(images):
    """Tile pictures that are only looked at: as :func:`sprite`, photographs in colour as WebP, which is smaller."""
    images = np.asarray(images)
    return sprite(images, kind="webp" if images.ndim == 4 and images.shape[3] == 3 else "png")


def drawn(figure):
    """Give a Matplotlib figure as the bytes of a WebP file and close it; a notebook would show it once more.

    It stands in the page itself, and with photographs a PNG file would be several times as large.
    """
    content = io.BytesIO()
    figure.savefig(content, format="webp", dpi=100, pil_kwargs={"quality": 85})
    require("matplotlib.pyplot", "course").close(figure)
    return content.getvalue()
