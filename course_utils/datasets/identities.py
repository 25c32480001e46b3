"""Photographs sorted by identity, as people have them: in folders, or named by a manifest; and who is sought in what.

Nothing here decodes an image: it is settled which file shows whom and belongs to which part, and every complaint
about that is made, before the first one is read.
"""

import contextlib
import csv
import io
import re
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from course_utils.datasets import trees
from course_utils.datasets.untrusted import MAX_MEMBERS, guard
from course_utils.errors import ArgumentError, DataError, require

__all__ = ["arrange"]

GALLERIES = ("photos", "shelf")
"""What the products of the grocery set are looked up in."""

LAYOUTS = """\
  PART/IDENTITY/*.jpg: the parts train, gallery and probe, or train and test, or what else they are commonly called
  IDENTITY/*.jpg: identities are divided at random
  manifest.csv or manifest.parquet: the columns path and identity, and if known camera and split
  Market-1501: bounding_box_train, bounding_box_test, query; or Training, Testing/Gallery, Testing/Probe: 0001_c1*.jpg
  Omniglot: images_background and images_evaluation: Alphabet/characterNN/NNNN_DRAWER.png
  grocery: train, val and test: PRODUCT/*.jpg; and iconic: PRODUCT.jpg"""
"""What is read, a line each, for messages."""

_COLUMNS = ("path", "identity", "camera", "split")

# Half of the identities are to learn from, as with the common sets of birds, cars and shop photographs.
_TRAINING = 0.5
# Of the 81 products 50 are to learn from.
_SHELF, _SHELF_TRAINING = "iconic", 50 / 81

# A person's name or a path is shorter: what is longer is a damaged file.
_LONGEST = 4_096


class Arrangement(NamedTuple):
    """Training, gallery and probes.

    ``parts`` are three :class:`~trees.LabelledImages` with files' names in place of images; ``identities`` are the
    names of the identities, by number; ``note`` says what was divided at random.
    """

    parts: tuple
    identities: tuple
    note: str


class _Photos(NamedTuple):
    """Of each photograph its file, whom it shows, its camera and its part; ``None`` where nobody says."""

    names: list
    identities: list
    cameras: list | None
    parts: list | None


@contextlib.contextmanager
def open_photos(path):
    """Open a folder, a zip archive or a manifest in its folder, as a tree and the manifest's name, if there is one."""
    path = Path(path)
    if path.suffix.lower() in trees.MANIFEST_SUFFIXES and path.is_file():
        folder = path.parent
        # The folder is not walked through: much else may lie there.
        yield trees.Tree(folder, None, (), lambda name: (folder / name).read_bytes()), path.name
        return
    if path.is_file() and path.suffix.lower() != ".zip":
        raise misfit(path, f"ends in {path.suffix!r}")
    with trees.open_tree(path) as tree:
        manifests = [name for name in tree.others if PurePosixPath(name).name in trees.MANIFESTS]
        if len(manifests) > 1:
            raise DataError(f"{path}: holds the manifests {', '.join(map(repr, manifests[:3]))}; there must be one")
        yield tree, manifests[0] if manifests else None


def misfit(path, problem):
    """Make the error that says what does not fit, and shows the layouts that would."""
    return DataError(f"{path}: {problem}; it must be in one of these layouts, as a folder or a .zip of one:\n{LAYOUTS}")


def arrange(tree, manifest=None, *, gallery="photos", seed=0):
    """Settle which image of an open tree shows whom and belongs to which part, as an :class:`Arrangement`.

    `manifest` is the name of the manifest in the tree, `gallery` what the gallery shows of a tree with shelf pictures
    (``iconic/PRODUCT.jpg``), and `seed` decides what is divided at random. It is a ``DataError`` if the tree or the
    manifest fits no layout, is ragged, empty, or names a file twice or one that is not there.

    Examples
    --------
    >>> names = [f"{part}/{who}/{shot}.jpg" for part in ("test", "train") for who in ("bo", "ida") for shot in "12"]
    >>> found = arrange(trees.Tree(Path("zoo"), tuple(names), (), None))
    >>> found.identities, found.parts[2].ids.tolist(), found.note
    (('bo', 'ida'), [0, 1], 'the probes are one test image of each identity, drawn with seed 0')
    """
    rng = np.random.default_rng(seed)
    shelf = [name for name in tree.files or () if name.startswith(f"{_SHELF}/")]
    if manifest is None and shelf:
        return _arrange_products(tree, shelf, gallery, rng, seed)
    if gallery != "photos":
        raise ArgumentError(
            f"gallery is {gallery!r}, and {tree.path} has no shelf pictures ({_SHELF}/PRODUCT.jpg); it must be 'photos'"
        )
    photos = _read_folders(tree) if manifest is None else _read_manifest(tree, manifest)
    names, ids = _number(photos.identities)
    parts, notes = np.array(photos.parts or ["test"] * len(ids), dtype=object), []
    if photos.parts is None:
        chosen = _draw_training(tree, len(names), _TRAINING, rng)
        parts[np.isin(ids, chosen)] = "train"
        notes.append(f"{len(chosen)} of the {len(names)} identities, drawn with seed {seed}, are for training")
    found, test = set(parts.tolist()), np.flatnonzero(parts == "test")
    if found - {"train"} not in ({"test"}, {"gallery", "probe"}):
        raise misfit(tree.path, f"has the parts {', '.join(sorted(found))}, where gallery and probe or test belong")
    if test.size:
        # One image of each identity that has others to be found.
        order = test[rng.permutation(test.size)]
        _, first, counts = np.unique(ids[order], return_index=True, return_counts=True)
        parts[test] = "gallery"
        parts[order[first[counts > 1]]] = "probe"
        notes.append(f"the probes are one test image of each identity, drawn with seed {seed}")
    if not np.intersect1d(ids[parts == "gallery"], ids[parts == "probe"]).size:
        raise DataError(f"{tree.path}: no identity among the probes, or with two test images, is in the gallery")
    chosen = (parts == part for part in ("train", "gallery", "probe"))
    return Arrangement(_select(photos, ids, *chosen), names, "; ".join(notes))


def _arrange_products(tree, shelf, gallery, rng, seed):
    """Products to learn from, and others that are never seen: their photographs, and the pictures on the shelf."""
    photos = _read_folders(tree._replace(files=tuple(sorted({*tree.files} - {*shelf})), folders=()))
    products = _listed_products(tree, {*photos.identities})
    names, ids = _number(photos.identities, products)
    pictures = {PurePosixPath(name).stem: name for name in shelf}
    missing = sorted({*names} ^ {*pictures})
    if missing or photos.parts is None or len(pictures) < len(shelf):
        raise misfit(tree.path, f"has not one {_SHELF} picture a product, and folders of them ({missing[:3]})")
    training = _draw_training(tree, len(names), _SHELF_TRAINING, rng)
    note = f"{len(training)} products to learn from and {len(names) - len(training)} never seen, drawn with seed {seed}"
    unseen = ~np.isin(ids, training)
    tested = unseen & (np.array(photos.parts) == "test")
    if gallery == "photos":
        return Arrangement(_select(photos, ids, ~unseen, unseen & ~tested, tested), names, note)
    train, _, probe = _select(photos, ids, ~unseen, tested, unseen)
    numbers = np.setdiff1d(np.arange(len(names)), training)
    files = np.array([pictures[names[number]] for number in numbers], dtype=object)
    shown = trees.LabelledImages(files, numbers.astype(np.int64), len(ids) + np.arange(len(files), dtype=np.int64))
    return Arrangement((train, shown, probe), names, note)


def _listed_products(tree, found):
    """The products in the order of ``classes.csv``, if it lists them: the one that the known numbers were drawn in."""
    if "classes.csv" not in tree.others:
        return None
    rows = [row for _, row in _rows(tree.read("classes.csv"), f"{tree.path}: classes.csv", ("class",))]
    listed = [row["class"] for row in rows]
    return listed if {*listed} == found and len(listed) == len(found) else None


def _number(identities, order=None):
    """Return the names of the identities, in natural order if none is given, and each photograph's number."""
    names = tuple(order or sorted(set(identities), key=trees.natural_key))
    numbers = {name: number for number, name in enumerate(names)}
    return names, np.array([numbers[name] for name in identities], dtype=np.int64)


def _draw_training(tree, n, share, rng):
    if n < 4:
        raise DataError(f"{tree.path}: has {n} identities to divide; there must be at least 4, or parts of its own")
    return rng.permutation(n)[: round(n * share)]


def _select(photos, ids, *chosen):
    # Where nobody says who took an image, each counts as of a camera of its own: to leave out what the probe's own
    # camera saw then leaves out the probe itself, and nothing else.
    cameras = np.array(photos.cameras or range(len(ids)), dtype=np.int64)
    files = np.array(photos.names, dtype=object)
    return tuple(trees.LabelledImages(files[mask], ids[mask], cameras[mask]) for mask in chosen)


def _read_folders(tree):
    """Read ``PART/IDENTITY/IMAGE`` or ``IDENTITY/IMAGE``; a top folder that is called like a part decides which."""
    places = {name: _place(name) for name in (*tree.files, *(f"{name}/" for name in tree.folders))}
    parted = any(part for part, _ in places.values())
    identities, parts, empty = [], [], {}
    for name, (part, rest) in places.items():
        identity, slash, image = rest.partition("/")
        if name.endswith("/"):
            if rest.count("/") == 1 and (part or not parted):
                empty[part, identity] = name
        elif not slash or "/" in image or (parted and not part):
            raise misfit(tree.path, f"{name!r} does not stand at {'PART/' if parted else ''}IDENTITY/IMAGE")
        else:
            identities.append(identity)
            parts.append(part)
    for key in sorted({*empty} - {*zip(parts, identities, strict=True)}):
        raise DataError(f"{tree.path}: the folder {empty[key]!r} holds no image")
    if not identities:
        raise misfit(tree.path, "holds no images")
    return _Photos(list(tree.files), identities, None, _settle(parts) if parted else None)


def _place(name):
    """Return the part that a file or folder belongs to, or "", and its name within that."""
    pieces = name.split("/")
    for depth in (2, 1):
        part = trees.PARTS.get("/".join(pieces[:depth]).lower())
        if part and len(pieces) > depth:
            return part, "/".join(pieces[depth:])
    return "", name


def _settle(parts):
    """Give images for validation to training; to testing, where there is nothing else to test on."""
    given = "train" if {"test", "gallery", "probe"} & {*parts} else "test"
    return [given if part == "val" else part for part in parts]


def _read_manifest(tree, manifest):
    file, folder = f"{tree.path}: {manifest}", PurePosixPath(manifest).parent
    with guard(file):
        content = tree.read(manifest)
    places, columns = {}, {name: [] for name in _COLUMNS}
    for place, row in _rows(content, file, _COLUMNS, _COLUMNS[:2]):
        path = PurePosixPath(row["path"].replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", row["path"]):
            raise DataError(f"{file}: {place} names {row['path']!r}, which leaves the manifest's folder")
        if path.suffix.lower() not in trees.IMAGE_SUFFIXES:
            legal = ", ".join(trees.IMAGE_SUFFIXES)
            raise DataError(f"{file}: {place} names {row['path']!r}; an image's name ends in {legal}")
        if path in places:
            raise DataError(f"{file}: {place} names {row['path']!r}, as {places[path]} does already")
        places[path] = place
        for name, value in row.items():
            columns[name].append(value)
        if row.get("split", "train").lower() not in trees.PARTS:
            raise DataError(f"{file}: {place} has the split {row['split']!r}; it must be of {', '.join(trees.PARTS)}")
    if not places:
        raise DataError(f"{file}: names no images")
    names = [str(folder / path) for path in places]
    files = None if tree.files is None else {*tree.files}
    for name, place in zip(names, places.values(), strict=True):
        with guard(file):
            present = (tree.path / name).is_file() if files is None else name in files
        if not present:
            raise DataError(f"{file}: {place} names {name!r}, and there is no such file")
    parts = [trees.PARTS[value.lower()] for value in columns["split"]]
    return _Photos(names, columns["identity"], _camera_numbers(columns["camera"], file), _settle(parts) or None)


def _camera_numbers(cameras, file):
    """Cameras as they are if all are whole numbers; numbered from 1, in natural order, if all are names."""
    numbers = [camera for camera in cameras if re.fullmatch(r"\d{1,9}", camera)]
    if numbers and len(numbers) < len(cameras):
        name = next(camera for camera in cameras if camera not in numbers)
        raise DataError(f"{file}: has the cameras {numbers[0]!r} and {name!r}; all must be whole numbers, or none")
    return [int(number) for number in numbers] or (_number(cameras)[1] + 1).tolist() or None


def _rows(content, file, known, needed=None):
    """Yield of each row of a table where it stands, and its values in the known columns, which are text."""
    table = _parquet_rows if file.lower().endswith(".parquet") else _csv_rows
    # Whatever is wrong with a table of strangers, its reader says in a way of its own.
    with guard(file):
        for count, (place, row) in enumerate(table(content, file, known), start=1):
            missing = [name for name in needed or known if name not in row]
            if missing:
                raise DataError(f"{file}: has no column {missing[0]!r}; the columns are {', '.join(known)}")
            if count > MAX_MEMBERS:
                raise DataError(f"{file}: has more than {MAX_MEMBERS} rows")
            for name, value in row.items():
                if isinstance(value, int) and not isinstance(value, bool):
                    row[name] = value = str(value)
                if not isinstance(value, str) or not 0 < len(value.strip()) <= _LONGEST:
                    shown = repr(value)[:80]
                    raise DataError(f"{file}: {place} has the {name} {shown}; it must be text or a whole number")
            yield place, {name: value.strip() for name, value in row.items()}


def _csv_rows(content, file, known):
    text = content.decode("utf-8-sig")
    # Spreadsheets write semicolons where commas are for decimals.
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header = [name.strip().lower() for name in next(reader, [])]
    columns = {name: header.index(name) for name in known if name in header}
    if len(columns) < sum(name in known for name in header) or not columns:
        raise DataError(f"{file}: its header is {header}; it must name each of {', '.join(known)} at most once")
    for row in filter(None, reader):
        if len(row) != len(header):
            raise DataError(f"{file}: line {reader.line_num} has {len(row)} values, and the header {len(header)} names")
        yield f"line {reader.line_num}", {name: row[at] for name, at in columns.items()}


def _parquet_rows(content, file, known):
    table = require("pyarrow.parquet", "book").ParquetFile(io.BytesIO(content))
    columns = [name for name in table.schema_arrow.names if name in known]
    count = 0
    for batch in table.iter_batches(batch_size=256, columns=columns):
        for row in batch.to_pylist():
            count += 1
            yield f"row {count}", row
