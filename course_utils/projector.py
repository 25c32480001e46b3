"""TensorBoard's Embedding Projector: as a log directory, and as a page that needs no server.

The projector draws every row of a matrix as a point in two or three dimensions (PCA, t-SNE or UMAP, computed in the
browser) that can be rotated, searched and coloured. The page asks for nothing but the program beside it, so it works
from any web server and also when opened straight from disk.

Both writers overwrite an earlier output and leave other files alone. What they cannot write raises a
:class:`~course_utils.errors.DataError`; no file is left half-written. What is not as described is an
:class:`~course_utils.errors.ArgumentError`.
"""

import base64
import dataclasses
import html
import importlib.metadata
import importlib.resources
import io
import json
import math
import re
import string
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from course_utils.errors import ArgumentError, CourseError, DataError, check_integer, require

__all__ = ["Embedding", "PageFrame", "page_frame", "program", "write_logdir", "write_page"]

# The projector refuses sprite images that are wider or higher.
_MAX_SPRITE_SIDE = 8192
# The projector offers no categorical colours for a column with more distinct values.
_MAX_CATEGORIES = 50


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """One matrix for the projector: a point per row, with what is known about each point.

    Parameters
    ----------
    name : str
        What the projector's list shows, for instance ``"test"``. Letters, digits, ``_``, ``.`` and ``-``.
    vectors : array_like of float, shape (n, d)
        The points, finite, with `n` and `d` at least 2. Kept as float32. Where `d` is 2 the projector is
        given a third column of zeros, because it opens on three principal components.
    metadata : mapping, pandas.DataFrame, or sequence, optional
        Columns of length `n` by name, or `n` labels, which become the column ``"label"``. Kept as text. Points are
        coloured by the first column if it has at most 50 different values. A column ``"index"`` with the row's
        number is added if there is none, so that a point can be found again in the array.
    images : array_like of uint8, shape (n, h, w, c), optional
        A thumbnail per point, `c` 1 (grey) or 3 (RGB), drawn in its place. Tiled into a square image, they may need
        at most 8192 pixels a side.

    Examples
    --------
    >>> Embedding("test", np.eye(3), ["boot", "bag", "boot"]).metadata
    {'label': ('boot', 'bag', 'boot'), 'index': ('0', '1', '2')}
    """

    name: str
    vectors: np.ndarray
    metadata: Mapping | None = None
    images: np.ndarray | None = None

    def __post_init__(self):
        if not isinstance(self.name, str) or not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", self.name):
            raise ArgumentError(
                f"name is {self.name!r}; it must be letters, digits, '_', '.' and '-', and not start with '.'"
            )
        vectors = _check_vectors(self.vectors)
        object.__setattr__(self, "vectors", vectors)
        if self.metadata is not None:
            object.__setattr__(self, "metadata", _check_metadata(self.metadata, len(vectors)))
        if self.images is not None:
            object.__setattr__(self, "images", _check_images(self.images, len(vectors)))


def _check_vectors(vectors):
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or min(vectors.shape) < 2:
        raise ArgumentError(f"vectors has shape {vectors.shape}; it must be (n, d) with n and d at least 2")
    if vectors.dtype.kind not in "biuf":
        raise ArgumentError(f"vectors has dtype {vectors.dtype}; it must be of real numbers")
    with np.errstate(over="ignore"):
        vectors = vectors.astype("float32")
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise ArgumentError(
            f"vectors has {bad.size} rows that are not finite, the first is row {bad[0]}; "
            "every value must be a finite float32"
        )
    return vectors


def _check_metadata(metadata, n_points):
    if isinstance(metadata, str):
        raise ArgumentError(f"metadata is {metadata!r}; it must be columns by name, or n labels")
    # Both a mapping and a DataFrame hand out (name, column) pairs; a Series of labels has no columns.
    is_table = isinstance(metadata, Mapping) or hasattr(metadata, "columns")
    pairs = metadata.items() if is_table else [("label", metadata)]
    columns = {}
    for key, values in pairs:
        name = _one_line(key)
        if not name or name in columns:
            raise ArgumentError(f"metadata has a column named {key!r}; names must differ and not be blank")
        columns[name] = _check_column(name, values, n_points)
    columns.setdefault("index", tuple(str(row) for row in range(n_points)))
    return columns


def _check_column(name, values, n_points):
    values = list(values)
    if len(values) != n_points:
        raise ArgumentError(
            f"metadata column {name!r} has length {len(values)}; "
            f"it must have one value for each of the {n_points} rows of vectors"
        )
    for row, value in enumerate(values):
        # A NaN is the one value that differs from itself. The projector would drop or miscount a blank.
        if value is None or value != value or not _one_line(value):
            raise ArgumentError(f"metadata column {name!r} is {value!r} in row {row}; every row must have a value")
    return tuple(map(_one_line, values))


def _one_line(value):
    """Text that fits in a cell of a tab-separated table."""
    return " ".join(str(value).split())


def _check_images(images, n_points):
    images = np.asarray(images)
    legal = f"uint8 of shape ({n_points}, h, w, 1 or 3)"
    if images.dtype != np.uint8:
        raise ArgumentError(f"images has dtype {images.dtype}; it must be {legal}")
    if images.ndim != 4 or len(images) != n_points or images.shape[3] not in (1, 3) or 0 in images.shape:
        raise ArgumentError(f"images has shape {images.shape}; it must be {legal}")
    side = math.ceil(math.sqrt(n_points)) * max(images.shape[1:3])
    if side > _MAX_SPRITE_SIDE:
        raise ArgumentError(
            f"images, tiled, are {side} pixels a side; it must be at most {_MAX_SPRITE_SIDE}, "
            "so take fewer points or smaller images"
        )
    return images


def write_logdir(folder, embeddings):
    """Write embeddings as a log directory for ``tensorboard --logdir FOLDER``; that need not be installed to write it.

    For each embedding the folder gets ``NAME_vectors.tsv``, ``NAME_metadata.tsv`` and ``NAME_sprite.png``;
    ``projector_config.pbtxt`` ties them together.

    Parameters
    ----------
    folder : str or path-like
        Created if it is not there. Open this very folder with TensorBoard, not the one above it.
    embeddings : Embedding or sequence of Embedding
        Names must differ.

    Returns
    -------
    pathlib.Path
        The folder.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_logdir(folder, Embedding("test", np.eye(3), ["boot", "bag", "boot"]))
    ...     sorted(path.name for path in written.iterdir())
    ['projector_config.pbtxt', 'test_metadata.tsv', 'test_vectors.tsv']
    """
    embeddings = _check_embeddings(embeddings)
    files = {}
    for embedding in embeddings:
        # Text, because TensorBoard tells binary from text by a failure to decode, and some matrices decode.
        files[f"{embedding.name}_vectors.tsv"] = _vectors_tsv(_points(embedding))
        if embedding.metadata is not None:
            files[f"{embedding.name}_metadata.tsv"] = _metadata_tsv(embedding.metadata)
        if embedding.images is not None:
            files[f"{embedding.name}_sprite.png"] = _sprite_png(embedding.images)
    files["projector_config.pbtxt"] = "".join(map(_config_entry, embeddings)).encode()
    return _write_files(folder, files)


def write_page(folder, embeddings, *, title):
    """Write embeddings as a web page with TensorBoard's Embedding Projector.

    The folder gets ``index.html``, which holds the data, and ``projector_binary.js`` (2 MB), which is
    TensorBoard's own program, copied from the installed package with its notices (Apache License 2.0).
    Several embeddings can be chosen from the list in the page. A class has the same colour in all of them.

    Parameters
    ----------
    folder : str or path-like
        Created if it is not there.
    embeddings : Embedding or sequence of Embedding
        Names must differ. The first one is shown when the page opens. A few thousand points are comfortable:
        t-SNE and UMAP run in the reader's browser, and each number adds about five bytes to the page.
    title : str
        The page's title, read aloud by screen readers.

    Returns
    -------
    pathlib.Path
        The page, ``FOLDER/index.html``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(folder, Embedding("test", np.eye(3)), title="Three points")
    ...     sorted(path.name for path in page.parent.iterdir())
    ['index.html', 'projector_binary.js']
    """
    embeddings = _check_embeddings(embeddings)
    if not isinstance(title, str) or not title.strip():
        raise ArgumentError(f"title is {title!r}; it must be text that is not blank")
    notice, code = program()
    config, files = _page_files(embeddings)
    parts = {"config": config, "files": files, "categories": _categories(embeddings)}
    # No JSON may end the script element that it stands in.
    parts = {name: json.dumps(value).replace("<", "\\u003c") for name, value in parts.items()}
    template = string.Template((importlib.resources.files("course_utils") / "projector.html").read_text("utf-8"))
    page = template.substitute(notice=notice, title=html.escape(_one_line(title)), **parts)
    return _write_files(folder, {"projector_binary.js": code, "index.html": page.encode()}) / "index.html"


def program():
    """Find the projector in the installed TensorBoard.

    Returned are its notices, as a comment of HTML, and the bytes of ``projector_binary.js``. It is a ``CourseError`` if
    TensorBoard is not installed, or keeps the projector elsewhere.

    Examples
    --------
    >>> notice, code = program()
    >>> "License" in notice, len(code) > 1_000_000
    (True, True)
    """
    try:
        package = importlib.resources.files("tensorboard")
    except ModuleNotFoundError as error:
        raise CourseError(
            "the package tensorboard, which holds the projector, is not installed; "
            "install it with: pip install tensorboard"
        ) from error
    source = package.joinpath("plugins", "projector", "tf_projector_plugin")
    try:
        notice = re.search(
            "<!--.*?-->", source.joinpath("projector_binary.html").read_text(encoding="utf-8"), re.DOTALL
        )
        return notice[0], source.joinpath("projector_binary.js").read_bytes()
    except (OSError, TypeError) as error:
        version = importlib.metadata.version("tensorboard")
        raise CourseError(
            f"tensorboard {version} does not hold the projector where 2.17 to 2.21 do; install one of those"
        ) from error


def page_frame(page, *, height=600):
    """Show a page of :func:`write_page` inside a notebook, and inside the book made from it.

    Parameters
    ----------
    page : str or path-like
        What :func:`write_page` returned. It must lie under the current working folder (the notebook's),
        because the frame refers to it relative to that.
    height : int
        Height of the frame in pixels, at least 100.

    Returns
    -------
    PageFrame
        Displayed as the frame when it is the last expression of a cell.

    Examples
    --------
    >>> import contextlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
    ...     page_frame(write_page("page", Embedding("test", np.eye(3)), title="Three points"))
    PageFrame(src='page/index.html', title='Three points', height=600)
    """
    height = check_integer("height", height, minimum=100)
    try:
        text = Path(page).read_text(encoding="utf-8")
        title = re.search("<title>(.*?)</title>", text)
    except (OSError, TypeError, UnicodeDecodeError):
        title = None
    if title is None or "vz-projector" not in text:
        raise ArgumentError(f"page is {page!r}; it must be a page that write_page returned")
    path, folder = Path(page).resolve(), Path.cwd().resolve()
    if not path.is_relative_to(folder):
        raise ArgumentError(f"page is {str(page)!r}; it must lie under the working folder, {str(folder)!r}")
    src = urllib.parse.quote(path.relative_to(folder).as_posix())
    return PageFrame(src=src, title=html.unescape(title[1]), height=height)


@dataclasses.dataclass(frozen=True)
class PageFrame:
    """A page in a frame, as :func:`page_frame` makes it; notebooks display it.

    Attributes
    ----------
    src, title : str
        Relative address of the page, and what a screen reader calls the frame.
    height : int
        Height of the frame in pixels.
    """

    src: str
    title: str
    height: int

    def _repr_html_(self):
        src, title = html.escape(self.src), html.escape(self.title)
        return (
            f'<iframe src="{src}" title="{title}" width="100%" height="{self.height}" loading="lazy" '
            'style="border: 1px solid #8888; background: white"></iframe>\n'
            f'<p><a href="{src}" target="_blank" rel="noopener">Open full size</a>, with search and with the '
            "nearest neighbours of a point. The projector needs JavaScript and WebGL.</p>"
        )


def _check_embeddings(embeddings):
    embeddings = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    found = [f"a {type(item).__name__}" for item in embeddings if not isinstance(item, Embedding)]
    if found or not embeddings:
        found = found[0] if found else "nothing"
        raise ArgumentError(f"embeddings holds {found}; it must hold one or more Embedding objects")
    # Names become file names, and some file systems do not tell upper from lower case.
    names = [embedding.name.lower() for embedding in embeddings]
    double = next((name for name in names if names.count(name) > 1), None)
    if double is not None:
        raise ArgumentError(f"embeddings has two named {double!r}; names must differ, case ignored")
    return embeddings


def _points(embedding):
    """Give the vectors as the projector gets them: it shows nothing of a matrix with only two columns."""
    missing = max(0, 3 - embedding.vectors.shape[1])
    return np.pad(embedding.vectors, [(0, 0), (0, missing)])


def _vectors_tsv(vectors):
    text = io.StringIO()
    # Nine significant digits give every float32 back exactly.
    np.savetxt(text, vectors, fmt="%.9g", delimiter="\t")
    return text.getvalue().encode()


def _metadata_tsv(metadata):
    rows = [tuple(metadata), *zip(*metadata.values(), strict=True)]
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def _sprite_png(images):
    """Tile the thumbnails row by row into one square image, as the projector expects it."""
    n_points, height, width, channels = images.shape
    side = math.ceil(math.sqrt(n_points))
    tiles = np.zeros((side * side, height, width, channels), np.uint8)
    tiles[:n_points] = images
    sprite = tiles.reshape(side, side, height, width, channels).swapaxes(1, 2)
    sprite = sprite.reshape(side * height, side * width, channels)
    # OpenCV stores colours as BGR.
    return require("cv2", "course").imencode(".png", sprite[:, :, ::-1])[1].tobytes()


def _config_entry(embedding):
    """One entry of TensorBoard's ``projector_config.pbtxt`` (protocol buffer text format)."""
    lines = [
        f'tensor_name: "{embedding.name}"',
        *(f"tensor_shape: {length}" for length in _points(embedding).shape),
        f'tensor_path: "{embedding.name}_vectors.tsv"',
    ]
    if embedding.metadata is not None:
        lines.append(f'metadata_path: "{embedding.name}_metadata.tsv"')
    if embedding.images is not None:
        height, width = embedding.images.shape[1:3]
        sprite = f'image_path: "{embedding.name}_sprite.png" single_image_dim: {width} single_image_dim: {height}'
        lines.append(f"sprite {{ {sprite} }}")
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _page_files(embeddings):
    """Make the projector's configuration, and the files it names: ``data:`` addresses with their content."""
    files, entries = {}, []
    for embedding in embeddings:
        points = _points(embedding)
        entry = {"tensorName": embedding.name, "tensorShape": points.shape}
        # The projector takes a name that ends in .bytes for little-endian float32.
        entry["tensorPath"] = f"{embedding.name}_vectors.bytes"
        files[entry["tensorPath"]] = _data_url("application/octet-stream", points.astype("<f4").tobytes())
        if embedding.metadata is not None:
            entry["metadataPath"] = f"{embedding.name}_metadata.tsv"
            files[entry["metadataPath"]] = _data_url("text/tab-separated-values", _metadata_tsv(embedding.metadata))
        if embedding.images is not None:
            # An image element loads it, so it can be given in place.
            image = _data_url("image/png", _sprite_png(embedding.images))
            height, width = embedding.images.shape[1:3]
            entry["sprite"] = {"imagePath": image, "singleImageDim": [width, height]}
        entries.append(entry)
    return {"embeddings": entries}, files


def _categories(embeddings):
    """List the values of each column over all embeddings, so that a value has one colour in all of them."""
    columns = {}
    for embedding in embeddings:
        for name, values in (embedding.metadata or {}).items():
            columns.setdefault(name, {}).update(dict.fromkeys(values))
    return {
        name: sorted(values, key=_natural_order) for name, values in columns.items() if len(values) <= _MAX_CATEGORIES
    }


def _natural_order(text):
    """Sort key by which "id 9" comes before "id 10"."""
    return [int(part) if odd % 2 else part for odd, part in enumerate(re.split(r"(\d+)", text))]


def _data_url(media_type, content):
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _write_files(folder, files):
    """Write files into a folder, each whole or not at all: first under another name, then renamed."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            draft = folder / f".{name}.draft"
            try:
                draft.write_bytes(content)
                draft.replace(folder / name)
            finally:
                draft.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(
            f"folder is {str(folder)!r} ({error.strerror}); it must be a folder that can be written"
        ) from error
    return folder
