"""TensorBoard's Embedding Projector: as a log directory, and as a page that needs no server.

The projector draws every row of a matrix as a point in two or three dimensions (PCA, t-SNE or UMAP, computed
in the browser) that can be rotated, searched and coloured.

:func:`write_logdir` writes what ``tensorboard --logdir FOLDER`` opens. :func:`write_page` writes the same
embeddings into one web page, with TensorBoard's own program beside it, copied from the installed package. The
page asks for nothing else, so it works from any web server and also when opened straight from disk.
"""

import base64
import dataclasses
import html
import importlib.metadata
import importlib.resources
import io
import json
import math
import os
import re
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from course_utils.errors import ArgumentError, CourseError, DataError, check_integer

__all__ = ["Embedding", "PageFrame", "page_frame", "write_logdir", "write_page"]

# The projector refuses sprite images that are wider or higher.
_MAX_SPRITE_SIDE = 8192
# The projector offers no categorical colours for a column with more distinct values.
_MAX_CATEGORIES = 50


@dataclasses.dataclass(frozen=True, eq=False)
class Embedding:
    """One matrix for the projector: a point a row, with what is known about each point.

    Parameters
    ----------
    name : str
        What the projector's list shows, for instance ``"test"``. Letters, digits, ``_``, ``.`` and ``-``.
    vectors : array_like of float, shape (n, d)
        The points, finite, with `n` and `d` at least 2. Kept as float32. Where `d` is 2 the projector is
        given a third column of zeros, because it opens on three principal components.
    metadata : mapping, pandas.DataFrame, or sequence, optional
        Columns of length `n` by name, or one sequence of `n` labels, which becomes the column ``"label"``.
        Values are kept as text. Points are coloured by the first column if it has at most 50 different
        values. A column ``"index"`` with the row's number is added if there is none, so that a point can be
        found again in the array.
    images : array_like of uint8, shape (n, h, w, c), optional
        A thumbnail a point, `c` 1 (grey) or 3 (RGB). They are drawn in place of the points.

    Raises
    ------
    ArgumentError
        If an argument is not as described above, or the thumbnails, tiled into a square image, need more than
        8192 pixels a side.

    Examples
    --------
    >>> test = Embedding("test", np.eye(3), ["boot", "bag", "boot"])
    >>> test.metadata
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
    return tuple(_one_line(value) for value in values)


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
    """Write embeddings as a log directory for ``tensorboard --logdir FOLDER``.

    For each embedding the folder gets ``NAME_vectors.tsv``, ``NAME_metadata.tsv`` and ``NAME_sprite.png``;
    ``projector_config.pbtxt`` ties them together. Neither TensorFlow nor TensorBoard is needed to write it.

    Parameters
    ----------
    folder : str or path-like
        Created if it is not there. Other files in it are left alone; an earlier log directory is overwritten.
        Open this very folder with TensorBoard, not the one above it.
    embeddings : Embedding or sequence of Embedding
        Names must differ.

    Returns
    -------
    pathlib.Path
        The folder.

    Raises
    ------
    ArgumentError
        If `embeddings` holds none, something else, or one name twice.
    DataError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = write_logdir(folder, Embedding("test", np.eye(3), ["boot", "bag", "boot"]))
    ...     sorted(path.name for path in written.iterdir())
    ['projector_config.pbtxt', 'test_metadata.tsv', 'test_vectors.tsv']
    """
    embeddings = _check_embeddings("write_logdir", embeddings)
    files = {}
    for embedding in embeddings:
        # Text, because TensorBoard tells binary from text by a failure to decode, and some matrices decode.
        files[f"{embedding.name}_vectors.tsv"] = _vectors_tsv(_points(embedding))
        if embedding.metadata is not None:
            files[f"{embedding.name}_metadata.tsv"] = _metadata_tsv(embedding.metadata)
        if embedding.images is not None:
            files[f"{embedding.name}_sprite.png"] = _sprite_png(embedding.images)
    files["projector_config.pbtxt"] = "".join(_config_entry(embedding) for embedding in embeddings).encode()
    return _write_files("write_logdir", folder, files)


def write_page(folder, embeddings, *, title):
    """Write embeddings as a web page with TensorBoard's Embedding Projector.

    The folder gets ``index.html``, which holds the data, and ``projector_binary.js`` (2 MB), which is
    TensorBoard's own program, copied from the installed package with its notices (Apache License 2.0).
    Several embeddings can be chosen from the list in the page. A class has the same colour in all of them.

    Parameters
    ----------
    folder : str or path-like
        Created if it is not there. An earlier page in it is overwritten.
    embeddings : Embedding or sequence of Embedding
        Names must differ. The first one is shown when the page opens. A few thousand points are comfortable:
        t-SNE and UMAP run in the reader's browser, and each number adds about five bytes to the page.
    title : str
        The page's title, read aloud by screen readers.

    Returns
    -------
    pathlib.Path
        The page, ``FOLDER/index.html``.

    Raises
    ------
    ArgumentError
        If `embeddings` holds none, something else, or one name twice, or `title` is blank.
    CourseError
        If TensorBoard is not installed.
    DataError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_page(folder, Embedding("test", np.eye(3)), title="Three points")
    ...     sorted(path.name for path in page.parent.iterdir())
    ['index.html', 'projector_binary.js']
    """
    embeddings = _check_embeddings("write_page", embeddings)
    if not isinstance(title, str) or not title.strip():
        raise ArgumentError(f"title is {title!r}; it must be text that is not blank")
    notice, program = _projector_program()
    config, files = _page_files(embeddings)
    page = _PAGE.format(
        notice=notice,
        title=html.escape(_one_line(title)),
        config=_script_json(config),
        files=_script_json(files),
        categories=_script_json(_categories(embeddings)),
    )
    return (
        _write_files("write_page", folder, {"projector_binary.js": program, "index.html": page.encode()}) / "index.html"
    )


def page_frame(page, *, height=600):
    """Show a page of :func:`write_page` inside a notebook, and inside the book made from it.

    Parameters
    ----------
    page : str or path-like
        What :func:`write_page` returned. It must lie under the current working folder (the notebook's),
        because the frame refers to it relative to that.
    height : int, default 600
        Height of the frame in pixels, at least 100.

    Returns
    -------
    PageFrame
        Displayed as the frame when it is the last expression of a cell.

    Raises
    ------
    ArgumentError
        If `page` is not a page of :func:`write_page` under the working folder, or `height` is out of range.
    """
    height = check_integer("height", height, minimum=100)
    try:
        text = Path(page).read_text(encoding="utf-8")
    except (OSError, TypeError, UnicodeDecodeError) as error:
        raise ArgumentError(f"page is {page!r}; it must be a page that write_page returned") from error
    title = re.search("<title>(.*?)</title>", text)
    if title is None or "vz-projector" not in text:
        raise ArgumentError(f"page is {page!r}; it must be a page that write_page returned")
    try:
        relative = Path(page).resolve().relative_to(Path.cwd().resolve())
    except ValueError as error:
        raise ArgumentError(
            f"page is {str(page)!r}; it must lie under the working folder, {str(Path.cwd())!r}"
        ) from error
    return PageFrame(src=urllib.parse.quote(relative.as_posix()), title=html.unescape(title[1]), height=height)


@dataclasses.dataclass(frozen=True)
class PageFrame:
    """A page in a frame, as :func:`page_frame` makes it. Notebooks display it through ``_repr_html_``.

    Parameters
    ----------
    src : str
        Relative address of the page.
    title : str
        What a screen reader calls the frame.
    height : int
        Height of the frame in pixels.

    Examples
    --------
    >>> print(PageFrame("projector/index.html", "Test images", 600)._repr_html_())
    <iframe src="projector/index.html" title="Test images" ...
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


def _check_embeddings(function, embeddings):
    embeddings = [embeddings] if isinstance(embeddings, Embedding) else list(embeddings)
    wrong = [type(item).__name__ for item in embeddings if not isinstance(item, Embedding)]
    if wrong or not embeddings:
        found = f"a {wrong[0]}" if wrong else "nothing"
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
    _, png = cv2.imencode(".png", sprite[:, :, ::-1])
    return png.tobytes()


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


def _projector_program():
    """Find the notice and the program of the projector in the installed TensorBoard."""
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


def _script_json(value):
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")


def _write_files(function, folder, files):
    """Write files into a folder, each whole or not at all: first under another name, then renamed."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _write_whole(folder / name, content)
    except OSError as error:
        raise DataError(
            f"folder is {str(folder)!r} ({error.strerror}); it must be a folder that can be written"
        ) from error
    return folder


def _write_whole(path, content):
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            file.write(content)
            file.close()
            # A temporary file is readable by its owner only; a site is read by a web server.
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except OSError:
            os.unlink(file.name)
            raise


# The projector's own "demo" mode reads a JSON file that names all others. The page hands those out itself,
# because a page opened from disk may not read the files beside it.
_PAGE = """<!doctype html>
{notice}
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
html, body {{ height: 100%; margin: 0; font-family: Roboto, Helvetica, Arial, sans-serif; }}
</style>
</head>
<body>
<noscript>The projector needs JavaScript and WebGL.</noscript>
<script>
const config = {config};
const files = {files};
files["projector_config.json"] = "data:application/json;base64," + btoa(JSON.stringify(config));
const openRequest = XMLHttpRequest.prototype.open;
XMLHttpRequest.prototype.open = function (method, url, ...rest) {{
  return openRequest.call(this, method, files[url] ?? url, ...rest);
}};
</script>
<script src="projector_binary.js"></script>
<script>
// The panels are wide: in a narrow frame only the points, or the points and the controls, have room.
const style = document.createElement("style");
style.textContent = `
  @media (max-width: 900px) {{ #right-pane {{ display: none !important; }} }}
  @media (max-width: 600px) {{ #left-pane {{ display: none !important; }} }}`;
const projectorTemplate = customElements.get("vz-projector").template.content;
projectorTemplate.append(style);
// A page in a frame may not take the focus as it opens.
for (const element of projectorTemplate.querySelectorAll("[autofocus]")) {{
  element.removeAttribute("autofocus");
}}

// t-SNE and UMAP look for neighbours by 1 - x.y and skip negative ones, which is right for unit vectors only
// (github.com/tensorflow/tensorboard/issues/6271). A length just below 1 keeps equal points from rounding below 0.
const projector = customElements.get("vz-projector").prototype;
const setCurrentDataSet = projector.setCurrentDataSet;
projector.setCurrentDataSet = function (dataSet) {{
  if (dataSet) {{
    const computeKnn = dataSet.computeKnn;
    dataSet.computeKnn = (points, k) => computeKnn.call(dataSet, points.map(toUnitVector), k);
  }}
  setCurrentDataSet.call(this, dataSet);
}};
function toUnitVector(point) {{
  const length = Math.hypot(...point.vector) || 1;
  return {{ ...point, vector: point.vector.map((value) => (0.99999 * value) / length) }};
}}

// Colours go to values in the order of the list, and the projector would make that list anew for each tensor.
const categories = {categories};
const panel = customElements.get("vz-projector-data-panel").prototype;
const metadataChanged = panel.metadataChanged;
panel.metadataChanged = function (info, ...rest) {{
  for (const column of info.stats) {{
    const counts = new Map(column.uniqueEntries.map((entry) => [entry.label, entry.count]));
    const labels = Object.hasOwn(categories, column.name) ? categories[column.name] : [...counts.keys()];
    column.uniqueEntries = labels.map((label) => ({{ label, count: counts.get(label) ?? 0 }}));
  }}
  // The legend is drawn only when the choice changes, so it is taken back and made again.
  const choice = this.selectedColorOptionName ?? info.stats[0].name;
  this.selectedColorOptionName = undefined;
  metadataChanged.call(this, info, ...rest);
  if (this.colorOptions.some((option) => option.name === choice)) {{
    this.selectedColorOptionName = choice;
  }}
}};

const view = document.createElement("vz-projector");
view.setAttribute("serving-mode", "demo");
view.setAttribute("projector-config-json-path", "projector_config.json");
document.body.append(view);
</script>
</body>
</html>
"""
