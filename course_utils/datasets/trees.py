"""Images as files: a folder, or a zip archive of one, read the same way.

Three layouts are known here: classification (``train/CLASS/*.png``), re-identification in the manner of
Market-1501 (the person and the camera are in the file's name), and Omniglot
(``Alphabet/characterNN/NNNN_DRAWER.png``). Photographs sorted by identity are in ``identities``.
"""

import contextlib
import io
import math
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils import images
from course_utils.datasets.untrusted import MAX_BYTES, MAX_MEMBERS, allowance, guard, open_zip, read_member
from course_utils.errors import DataError, require

__all__ = ["layout"]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")

MAX_PIXELS = 1 << 25
"""An image of more pixels than this (8,192 x 4,096) is refused before it is decoded."""

# What commonly lies beside images. Any other suffix is an error: an image left out in silence is worse.
_IGNORED_SUFFIXES = ("", ".csv", ".db", ".html", ".ini", ".json", ".md", ".parquet", ".txt", ".xml", ".yaml")

# Deep enough for every layout, and it ends the walk where a link leads back up.
_MAX_DEPTH = 5

_CLASS_SPLITS = ("train", "test")
# Folders of training, gallery and probes.
_PEOPLE_SPLITS = (
    ("Training", "Testing/Gallery", "Testing/Probe"),
    ("bounding_box_train", "bounding_box_test", "query"),
)
CHARACTER_FOLDERS = ("images_background", "images_evaluation")
"""Omniglot's two parts."""

PARTS = {
    **dict.fromkeys(("train", "training", "bounding_box_train"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
    **dict.fromkeys(("gallery", "bounding_box_test", "testing/gallery", "test/gallery"), "gallery"),
    **dict.fromkeys(("probe", "probes", "query", "queries", "testing/probe", "test/probe", "test/query"), "probe"),
}
"""What the parts of data for retrieval are called, in small letters, and which part each is."""

MANIFEST_SUFFIXES = (".csv", ".parquet")
MANIFESTS = tuple(f"manifest{suffix}" for suffix in MANIFEST_SUFFIXES)
"""Tables of photographs, beside which they lie."""

# The first part of the folders of people.
_PEOPLE_TOPS = {folder.split("/")[0] for tops in _PEOPLE_SPLITS for folder in tops}

_PERSON = re.compile(r"(-1|\d{1,9})_c(\d{1,4})")
_CHARACTER = re.compile(r"\d{1,9}_(\d{1,4})")

_JUNK_ID = -1


class LabelledImages(NamedTuple):
    """Images, uint8 (n, height, width, channels), and two whole numbers for each, int64 (n,)."""

    images: np.ndarray
    ids: np.ndarray
    cameras: np.ndarray


class Characters(NamedTuple):
    """Drawn characters, uint8 (n, height, width, 1), and for each its character, drawer and alphabet, int64."""

    images: np.ndarray
    ids: np.ndarray
    drawers: np.ndarray
    alphabets: np.ndarray


class Tree(NamedTuple):
    """The files of a folder or archive.

    ``files`` (images), ``folders`` and ``others`` (what lies beside images) are names relative to ``path``, ``/``
    between the parts, sorted; ``read`` gives the bytes of a file.
    """

    path: Path
    files: tuple
    folders: tuple
    read: object
    others: tuple = ()


@contextlib.contextmanager
def open_tree(path):
    """Open a folder or a zip archive of one, as a :class:`Tree`; hidden files and what is not an image are left out.

    A single folder at the top that holds everything is looked through, as archives often have one. It is a
    ``DataError`` if the archive is unsafe or damaged, or a file is of a kind that is neither an image nor ignored.
    """
    path = Path(path)
    if path.is_dir():
        with guard(path):
            names = _walk(path, "", _MAX_DEPTH)
        yield _tidy(path, names, lambda name: (path / name).read_bytes())
        return
    with open_zip(path) as archive:
        yield _tidy(path, archive.namelist(), lambda name: read_member(archive, name))


def layout(tree):
    """Tell how the images of a tree are arranged: "classes", "people", "characters", or "" if it is none of these.

    Examples
    --------
    >>> layout(Tree(Path("pets"), ("train/cat/1.png", "test/cat/2.png"), (), None))
    'classes'
    >>> layout(Tree(Path("street"), ("query/0001_c1s1_000001_00.jpg",), (), None))
    'people'
    """
    tops = _tops(tree)
    if tops & _PEOPLE_TOPS:
        return "people"
    if tops.intersection(CHARACTER_FOLDERS):
        return "characters"
    if tops.intersection(_CLASS_SPLITS) or any(name.count("/") == 1 for name in tree.files):
        return "classes"
    return ""


def read_classes(tree, *, class_names=(), image_size=None):
    """Read a tree of ``train/CLASS/*.png`` and ``test/CLASS/*.png``, or of ``CLASS/*.png`` alone.

    The classes are `class_names`, in label order, or else the names of the folders, sorted. Returned are images, uint8
    (n, height, width, 1 or 3), and labels, int64 (n,), for training and for testing, empty if the tree has no ``test``;
    and the classes. It is a ``DataError`` if a class folder is empty, missing or unknown, an image is unreadable, or
    sizes differ and there is no `image_size`, the height and width that every image is resized to.
    """
    parts = _class_folders(tree)
    class_names = tuple(class_names) or tuple(sorted(parts["train"], key=natural_key))
    for part, by_class in parts.items():
        _check_classes(tree, part, by_class, class_names)
    names = [name for by_class in parts.values() for key in class_names for name in by_class[key]]
    pixels = decode_all(tree, names, image_size)
    numbers = np.arange(len(class_names), dtype=np.int64)
    y_train, y_test = (
        np.repeat(numbers, [len(parts[part][key]) if part in parts else 0 for key in class_names])
        for part in _CLASS_SPLITS
    )
    return pixels[: len(y_train)], y_train, pixels[len(y_train) :], y_test, class_names


def names_people(tree):
    """Tell whether an image in the folders of :func:`read_people` has a name that starts as theirs do."""
    return layout(tree) == "people" and any(_PERSON.match(name.rpartition("/")[2]) for name in tree.files)


def read_people(tree, *, image_size=None, progress=False):
    """Read "train", "gallery" and "probe", each as :class:`LabelledImages`, in the layout of Market-1501.

    The folders are ``bounding_box_train``, ``bounding_box_test`` and ``query``, or ``Training``, ``Testing/Gallery``
    and ``Testing/Probe``. A name starts with the identity and the camera, ``0001_c1s1_001051_00.jpg``. Identity 0
    marks distractors, which stay in the gallery as nobody's match. Identity -1 marks junk boxes, which are left out.
    It is a ``DataError`` if a folder is missing or empty, a name has no identity, an image is unreadable, or the
    sizes differ.
    """
    tops = max(_PEOPLE_SPLITS, key=lambda tops: sum(bool(_within(tree, top)) for top in tops))
    names, numbers, ends = [], [], []
    for top in tops:
        found = {name: _numbers_in(tree, name) for name in _within(tree, top)}
        kept = [name for name in found if found[name][0] != _JUNK_ID]
        if not kept:
            raise DataError(f"{tree.path}: has no images in {top}")
        names += kept
        numbers += [found[name] for name in kept]
        ends.append(len(names))
    arrays = decode_all(tree, names, image_size, progress), *np.array(numbers, dtype=np.int64).T
    parts = zip(*(np.split(array, ends[:-1]) for array in arrays), strict=True)
    return [LabelledImages(*arrays) for arrays in parts]


def read_characters(tree, *, image_size=None, progress=False):
    """Read Omniglot's ``images_background`` and ``images_evaluation``, or one of them, each as :class:`Characters`.

    It is a ``DataError`` if a file does not stand at ``FOLDER/Alphabet/characterNN/NNNN_DRAWER.png``.
    """
    pools = []
    for top in CHARACTER_FOLDERS:
        names = _within(tree, top)
        drawers = []
        for name in names:
            match = _CHARACTER.fullmatch(name.rpartition("/")[2].partition(".")[0])
            if match is None or name.count("/") != 3:
                raise DataError(f"{tree.path}: {name!r} does not stand at {top}/Alphabet/characterNN/NNNN_DRAWER.png")
            drawers.append(int(match[1]))
        if names:
            ids, alphabets = (
                np.unique(keys, return_inverse=True)[1].astype(np.int64)
                for keys in ([name.rpartition("/")[0] for name in names], [name.split("/")[1] for name in names])
            )
            pixels = decode_all(tree, names, image_size, progress)
            pools.append(Characters(pixels, ids, np.array(drawers, dtype=np.int64), alphabets))
    return pools


def walk(root):
    """List the files of a folder and of those within it that are not hidden: names relative to it, sorted."""
    names = _walk(Path(root), "", _MAX_DEPTH)
    return sorted(name for name in names if not name.endswith("/") and not _is_hidden(name))


def resized(batch, image_size):
    """Resize every image of a batch by averages over areas, unless they have that size or it is ``None``."""
    if image_size is None or batch.shape[1:3] == tuple(image_size):
        return batch
    return images.resize(batch, image_size, interpolation="area")


def _walk(root, prefix, depth):
    """List files, and folders with a final slash, as an archive does."""
    names = []
    with os.scandir(root / prefix) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir():
                deeper = _walk(root, f"{name}/", depth - 1) if depth > 1 else []
                names += [f"{name}/", *deeper]
            elif entry.is_file() or entry.is_symlink():
                names.append(name)
            if len(names) > MAX_MEMBERS:
                raise DataError(f"{root}: holds more than {MAX_MEMBERS} files")
    return names


def _tidy(path, names, read):
    names = sorted(name for name in names if not _is_hidden(name))
    folders = [name for name in names if name.endswith("/")]
    files, others = [], []
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix in IMAGE_SUFFIXES and not name.endswith("/"):
            files.append(name)
        elif suffix not in _IGNORED_SUFFIXES and not name.endswith("/"):
            raise DataError(f"{path}: {name!r} is not an image; an image's name ends in {', '.join(IMAGE_SUFFIXES)}")
        elif not name.endswith("/"):
            others.append(name)
    top = _common_top(files, folders)
    return Tree(
        path,
        tuple(name[len(top) :] for name in files),
        tuple(name[len(top) : -1] for name in folders if name != top),
        lambda name: read(top + name),
        tuple(name[len(top) :] for name in others if name.startswith(top)),
    )


def _is_hidden(name):
    return name.startswith((".", "__MACOSX/")) or "/." in name


def _common_top(files, folders):
    """Return the one folder, with its slash, that holds everything, unless its own name says what it is."""
    tops = {name.split("/")[0] for name in (*files, *folders)}
    known = _PEOPLE_TOPS.union(_CLASS_SPLITS, CHARACTER_FOLDERS)
    if len(tops) != 1 or tops & known or any(name.count("/") < 2 for name in files):
        return ""
    top = tops.pop()
    # One part of several, the others of which are missing.
    alone = top.lower() in PARTS and all(name.count("/") == 2 for name in files)
    return "" if alone else f"{top}/"


def _tops(tree):
    return {name.split("/")[0] for name in (*tree.files, *tree.folders)}


def _within(tree, top):
    return [name for name in tree.files if name.startswith(f"{top}/")]


def _class_folders(tree):
    """Return, for each part, a dict of class name to its files; empty folders count."""
    tops = _tops(tree)
    parts = [part for part in _CLASS_SPLITS if part in tops]
    if not parts:
        return {"train": _by_class(tree, "")}
    if "train" not in parts:
        raise DataError(f"{tree.path}: has a folder 'test' and no folder 'train'")
    astray = [name for name in tree.files if name.split("/")[0] not in parts]
    if astray:
        raise DataError(f"{tree.path}: {astray[0]!r} stands in none of the folders {', '.join(parts)}")
    return {part: _by_class(tree, f"{part}/") for part in parts}


def _by_class(tree, prefix):
    inside = [name[len(prefix) :] for name in tree.folders if name.startswith(prefix)]
    by_class = {name: [] for name in inside if "/" not in name}
    for name in tree.files:
        if name.startswith(prefix):
            class_name, slash, rest = name[len(prefix) :].partition("/")
            if not slash or "/" in rest:
                raise DataError(f"{tree.path}: {name!r} does not stand at {prefix}CLASS/IMAGE")
            by_class.setdefault(class_name, []).append(name)
    return by_class


def _check_classes(tree, part, by_class, class_names):
    legal = f"the classes are {', '.join(map(repr, class_names))}" if class_names else "there are no classes"
    for class_name, names in by_class.items():
        if class_name not in class_names:
            raise DataError(f"{tree.path}: {part} has a class folder {class_name!r}; {legal}")
        if not names:
            raise DataError(f"{tree.path}: the class folder {class_name!r} of {part} holds no image")
    missing = [class_name for class_name in class_names if class_name not in by_class]
    if missing:
        raise DataError(f"{tree.path}: {part} has no class folder {missing[0]!r}; {legal}")


def natural_key(name):
    """Sort ``2`` before ``10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,9})", name) if part]


def _numbers_in(tree, name):
    match = _PERSON.match(name.rpartition("/")[2])
    if match is None:
        raise DataError(f"{tree.path}: the name {name!r} has no identity and camera; it must start like 0001_c1, -1_c6")
    return int(match[1]), int(match[2])


def check_sizes(tree, names):
    """Read headers alone: it is a ``DataError`` that names two files if images are of more than one size."""
    first = None
    for name in names:
        with guard(f"{tree.path}: {name}"):
            size = _open_image(tree.read(name), f"{tree.path}: {name!r}").size[::-1]
        first = first or size
        # A photograph may say that it is to be turned on its side, which decoding it shows.
        if sorted(size) != sorted(first):
            raise _sizes_differ(tree, name, size, names[0], first)


def _sizes_differ(tree, name, size, first, first_size):
    return DataError(
        f"{tree.path}: {name!r} is {size[0]} x {size[1]} pixels, {first!r} is {first_size[0]} x {first_size[1]}; "
        "all must be of one size, or give image_size=(height, width)"
    )


def decode_all(tree, names, image_size, progress=False):
    """Decode images into one array; with one channel if all are grey, with three otherwise.

    Each is resized as it is read, so that beside the array there is one image in memory, however large they are.
    """
    if not names:
        raise DataError(f"{tree.path}: holds no images; their names end in {', '.join(IMAGE_SUFFIXES)}")
    watched = require("tqdm", "course").tqdm(names, tree.path.name, unit="image") if progress else names
    stack, n_bytes, n_pixels = None, 0, 0
    for position, name in enumerate(watched):
        with guard(f"{tree.path}: {name}"):
            content = tree.read(name)
        n_bytes += len(content)
        # What is held is bounded below; here only that no file is a bomb.
        most = max(allowance(n_bytes, most=math.inf) - n_pixels, 0)
        image = _decode(content, f"{tree.path}: {name!r}", most, image_size)
        n_pixels += image.shape[0] * image.shape[1]
        image = resized(image[None], image_size)[0]
        shape = (len(names), *(image if stack is None else stack[0]).shape[:2], image.shape[2])
        if math.prod(shape) > MAX_BYTES:
            raise DataError(
                f"{tree.path}: {shape[0]} images of {shape[1:]} take more than {MAX_BYTES} bytes; give an "
                "image_size that is smaller"
            )
        if stack is None:
            stack = np.empty(shape, dtype=np.uint8)
        if image.shape[:2] != stack.shape[1:3]:
            raise _sizes_differ(tree, name, image.shape, names[0], stack.shape[1:])
        if image.shape[2] > stack.shape[3]:
            stack = np.repeat(stack, 3, axis=3)
        stack[position] = image
    return stack


def _open_image(content, file):
    """Read the header of a PNG or JPEG image."""
    pillow = require("PIL.Image", "course")
    try:
        return pillow.open(io.BytesIO(content), formats=("PNG", "JPEG"))
    except pillow.UnidentifiedImageError:
        raise DataError(f"{file} is not a PNG or JPEG image") from None


def _decode(content, file, most, image_size):
    """Decode a PNG or JPEG image of at most so many pixels, as uint8 (height, width, 1 or 3).

    A JPEG that is much larger than `image_size` comes reduced, by a power of two, to at least twice its size: an
    eighth of the time and a sixty-fourth of the memory for a large photograph.
    """
    cv2 = require("cv2", "course")
    with guard(file):
        image = _open_image(content, file)
        width, height = image.size
        most = min(most, MAX_PIXELS)
        if not 0 < width * height <= most:
            raise DataError(f"{file} is {height} x {width} pixels; a file of its size has 1 to {most} of them")
        # Pillow looks at the headers; OpenCV decodes, in half the time, but makes room for whatever a chunk of a PNG
        # claims, and shows the beginning of a JPEG that is cut short.
        if image.format == "PNG":
            header = b"\0\0\0\x0dIHDR" + struct.pack(">II", width, height)
            if content[8:24] != header or b"acTL" in content.partition(b"IDAT")[0]:
                raise DataError(f"{file} is an animation, or its header is damaged")
            image.verify()
        elif content.find(b"\xff\xd9", image.fp.tell()) < 0:
            raise DataError(f"{file} is cut short")
        scale = 1
        while image_size and image.format == "JPEG" and scale < 8 and min(image.size) >= 4 * scale * max(image_size):
            scale *= 2
        # OpenCV's flags for a half, a quarter and an eighth are 16, 32 and 64.
        flags = cv2.IMREAD_ANYCOLOR | (8 * scale if scale > 1 else 0)
        pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), flags)
        # The file may say that it is to be turned on its side, so the two sides can have changed places.
        if pixels is None or sorted(pixels.shape[:2]) != sorted(-(-side // scale) for side in image.size):
            raise DataError(f"{file} is damaged")
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if pixels.ndim == 3 else pixels[..., None]
