"""Images as files: a folder, or a zip archive of one, read the same way.

Three layouts are known: classification (``train/CLASS/*.png``), re-identification in the manner of
Market-1501 (the person and the camera are in the file's name), and Omniglot
(``Alphabet/characterNN/NNNN_DRAWER.png``).
"""

import contextlib
import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.datasets.untrusted import MAX_BYTES, MAX_MEMBERS, guard, open_zip
from course_utils.errors import ArgumentError, DataError, check_integer

__all__ = [
    "Characters",
    "LabelledImages",
    "Tree",
    "check_image_size",
    "layout",
    "open_tree",
    "read_characters",
    "read_classes",
    "read_people",
    "resize_all",
    "walk",
]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png")

MAX_PIXELS = 1 << 25
"""An image of more pixels than this (8,192 x 4,096) is refused before it is decoded."""

# The decoders make room before they look at the data. No PNG packs more than 8,258 pixels into a byte.
_MAX_PIXELS_PER_BYTE = 8_258

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# What commonly lies beside images. Any other suffix is an error: an image left out in silence is worse.
_IGNORED_SUFFIXES = ("", ".csv", ".db", ".html", ".ini", ".json", ".md", ".txt", ".xml", ".yaml")

# Deep enough for every layout, and it ends the walk where a link leads back up.
_MAX_DEPTH = 5

_CLASS_SPLITS = {"train": "train", "test": "test"}
_PEOPLE_SPLITS = (
    {"train": "Training", "gallery": "Testing/Gallery", "probe": "Testing/Probe"},
    {"train": "bounding_box_train", "gallery": "bounding_box_test", "probe": "query"},
)
CHARACTER_FOLDERS = ("images_background", "images_evaluation")

_PERSON = re.compile(r"(-1|\d{1,9})_c(\d{1,4})")
_CHARACTER = re.compile(r"\d{1,9}_(\d{1,4})")

_JUNK_ID = -1

# JPEG markers that start a frame, and so give the image's size.
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}

# Markers with no segment behind them; none has any business before the frame starts.
_WITHOUT_LENGTH = frozenset([0x00, 0x01, *range(0xD0, 0xDA)])


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

    Attributes
    ----------
    path : Path
        The folder or archive.
    files, folders : tuple of str
        Names relative to it, ``/`` between the parts, sorted.
    read : callable
        Gives the bytes of a file.
    """

    path: Path
    files: tuple
    folders: tuple
    read: object


@contextlib.contextmanager
def open_tree(path):
    """Open a folder or a zip archive of one.

    A single folder at the top that holds everything is looked through, as archives often have one.

    Parameters
    ----------
    path : path-like
        A folder or a zip archive.

    Yields
    ------
    Tree
        Hidden files and those that are no images are left out.

    Raises
    ------
    DataError
        If the archive is unsafe or damaged, or a file is of a kind that is neither an image nor ignored.

    Examples
    --------
    >>> with open_tree("no such folder.zip") as tree:
    ...     tree.files
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such folder.zip: cannot be read (FileNotFoundError: ...)
    """
    path = Path(path)
    if path.is_dir():
        with guard(path):
            names = _walk(path, "", _MAX_DEPTH)
        yield _tidy(path, names, lambda name: (path / name).read_bytes())
        return
    with open_zip(path) as archive:
        yield _tidy(path, archive.namelist(), archive.read)


def layout(tree):
    """Tell how the images of a tree are arranged.

    Parameters
    ----------
    tree : Tree
        An open tree.

    Returns
    -------
    str
        "classes", "people", "characters", or "" if it is none of these.

    Examples
    --------
    >>> layout(Tree(Path("pets"), ("train/cat/1.png", "test/cat/2.png"), (), None))
    'classes'
    >>> layout(Tree(Path("street"), ("query/0001_c1s1_000001_00.jpg",), (), None))
    'people'
    """
    tops = {name.split("/")[0] for name in (*tree.files, *tree.folders)}
    if any(tops & {folder.split("/")[0] for folder in splits.values()} for splits in _PEOPLE_SPLITS):
        return "people"
    if tops & set(CHARACTER_FOLDERS):
        return "characters"
    if tops & set(_CLASS_SPLITS) or any(name.count("/") == 1 for name in tree.files):
        return "classes"
    return ""


def read_classes(tree, *, class_names=(), image_size=None):
    """Read a tree of ``train/CLASS/*.png`` and ``test/CLASS/*.png``, or of ``CLASS/*.png`` alone.

    Parameters
    ----------
    tree : Tree
        An open tree.
    class_names : tuple of str
        The classes in label order, if they are known; otherwise the names of the folders, sorted.
    image_size : (int, int), optional
        Height and width that every image is resized to. Without it all images must be of one size.

    Returns
    -------
    x_train, y_train, x_test, y_test : ndarray
        Images, uint8 (n, height, width, 1 or 3), and labels, int64 (n,). The last two are empty if
        the tree has no ``test``.
    class_names : tuple of str
        In label order.

    Raises
    ------
    DataError
        If a class folder is empty, missing or unknown, an image is unreadable, or the sizes differ.

    Examples
    --------
    >>> read_classes(Tree(Path("pets"), ("train/cat/1.png", "test/dog/2.png"), (), None))
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: pets: test has a class folder 'dog'; the classes are 'cat'
    """
    parts = _class_folders(tree)
    class_names = tuple(class_names) or tuple(sorted(parts["train"], key=_natural_key))
    for part, by_class in parts.items():
        _check_classes(tree, part, by_class, class_names)
    names, labels = [], []
    for by_class in parts.values():
        names += [name for class_name in class_names for name in by_class[class_name]]
        labels.append(np.repeat(np.arange(len(class_names)), [len(by_class[key]) for key in class_names]))
    images = _decode_all(tree, names, image_size)
    n_train = len(labels[0])
    y_test = labels[1] if len(labels) == 2 else np.empty(0, dtype=np.int64)
    return images[:n_train], labels[0], images[n_train:], y_test, class_names


def read_people(tree, *, image_size=None):
    """Read re-identification folders in the layout of Market-1501.

    The folders are ``bounding_box_train``, ``bounding_box_test`` and ``query``, or ``Training``,
    ``Testing/Gallery`` and ``Testing/Probe``. A name starts with the identity and the camera,
    ``0001_c1s1_001051_00.jpg``. Identity 0 marks distractors, which stay in the gallery as nobody's match.
    Identity -1 marks junk boxes, which are left out.

    Parameters
    ----------
    tree : Tree
        An open tree.
    image_size : (int, int), optional
        Height and width that every image is resized to. Without it all images must be of one size.

    Returns
    -------
    dict of str to LabelledImages
        "train", "gallery" and "probe".

    Raises
    ------
    DataError
        If a folder is missing or empty, a name has no identity, an image is unreadable, or the sizes differ.

    Examples
    --------
    >>> read_people(Tree(Path("street"), ("query/0001_c1s1_000001_00.jpg",), (), None))
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: street: has no images in bounding_box_train
    """
    splits = max(_PEOPLE_SPLITS, key=lambda splits: sum(bool(_within(tree, top)) for top in splits.values()))
    names, numbers = {}, {}
    for part, top in splits.items():
        found = [(name, _numbers_in(tree, name)) for name in _within(tree, top)]
        found = [(name, pair) for name, pair in found if pair[0] != _JUNK_ID]
        if not found:
            raise DataError(f"{tree.path}: has no images in {top}")
        names[part] = [name for name, _ in found]
        numbers[part] = np.array([pair for _, pair in found], dtype=np.int64)
    images = _decode_all(tree, [name for part in splits for name in names[part]], image_size)
    ends = np.cumsum([len(names[part]) for part in splits])
    return {
        part: LabelledImages(stack, numbers[part][:, 0], numbers[part][:, 1])
        for part, stack in zip(splits, np.split(images, ends[:-1]), strict=True)
    }


def read_characters(tree, *, image_size=None):
    """Read Omniglot's ``images_background`` and ``images_evaluation``, or one of them.

    Parameters
    ----------
    tree : Tree
        An open tree.
    image_size : (int, int), optional
        Height and width that every image is resized to.

    Returns
    -------
    dict of str to Characters
        The folders found.

    Raises
    ------
    DataError
        If a file does not stand at ``FOLDER/Alphabet/characterNN/NNNN_DRAWER.png``, or is unreadable.

    Examples
    --------
    >>> read_characters(Tree(Path("omni"), ("images_background/Greek/0001_01.png",), (), None))
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: omni: 'images_background/Greek/0001_01.png' does not stand at ...
    """
    folders = {}
    for top in CHARACTER_FOLDERS:
        names = _within(tree, top)
        matches = [_CHARACTER.fullmatch(name.rpartition("/")[2].partition(".")[0]) for name in names]
        for name, match in zip(names, matches, strict=True):
            if match is None or name.count("/") != 3:
                raise DataError(f"{tree.path}: {name!r} does not stand at {top}/Alphabet/characterNN/NNNN_DRAWER.png")
        if names:
            _, ids = np.unique([name.rpartition("/")[0] for name in names], return_inverse=True)
            _, alphabets = np.unique([name.split("/")[1] for name in names], return_inverse=True)
            drawers = np.array([int(match[1]) for match in matches], dtype=np.int64)
            folders[top] = Characters(_decode_all(tree, names, image_size), ids, drawers, alphabets)
    return folders


def walk(root):
    """List the files of a folder and of those within it that are not hidden.

    Parameters
    ----------
    root : path-like
        The folder.

    Returns
    -------
    list of str
        Names relative to it, ``/`` between the parts, sorted.

    Raises
    ------
    DataError
        If there are too many of them.

    Examples
    --------
    >>> "trees.py" in walk(Path(__file__).parent)
    True
    """
    names = _walk(Path(root), "", _MAX_DEPTH)
    return sorted(name for name in names if not name.endswith("/") and not _is_hidden(name))


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
    images = []
    for name in names:
        suffix = Path(name).suffix.lower()
        if name.endswith("/"):
            continue
        if suffix in IMAGE_SUFFIXES:
            images.append(name)
        elif suffix not in _IGNORED_SUFFIXES:
            raise DataError(f"{path}: {name!r} is no image; an image's name ends in {', '.join(IMAGE_SUFFIXES)}")
    top = _common_top(images, folders)
    return Tree(
        path,
        tuple(name[len(top) :] for name in images),
        tuple(name[len(top) : -1] for name in folders if name != top),
        lambda name: read(top + name),
    )


def _is_hidden(name):
    return name.startswith((".", "__MACOSX/")) or "/." in name


def _common_top(images, folders):
    """Return the one folder, with its slash, that holds everything, unless its own name says what it is."""
    tops = {name.split("/")[0] for name in (*images, *folders)}
    known = {folder.split("/")[0] for splits in (*_PEOPLE_SPLITS, _CLASS_SPLITS) for folder in splits.values()}
    if len(tops) != 1 or tops & known.union(CHARACTER_FOLDERS) or any(name.count("/") < 2 for name in images):
        return ""
    return f"{tops.pop()}/"


def _within(tree, top):
    return [name for name in tree.files if name.startswith(f"{top}/")]


def _class_folders(tree):
    """Return, for each part, a dict of class name to its files; empty folders count."""
    tops = {name.split("/")[0] for name in (*tree.files, *tree.folders)}
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


def _natural_key(name):
    """Sort ``2`` before ``10``."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d{1,9})", name) if part]


def _numbers_in(tree, name):
    match = _PERSON.match(name.rpartition("/")[2])
    if match is None:
        raise DataError(f"{tree.path}: the name {name!r} has no identity and camera; it must start like 0001_c1, -1_c6")
    return int(match[1]), int(match[2])


def _decode_all(tree, names, image_size, colour=False):
    """Decode images into one array; with one channel if all are grey, with three otherwise."""
    if not names:
        raise DataError(f"{tree.path}: holds no images; their names end in {', '.join(IMAGE_SUFFIXES)}")
    stack = None
    for position, name in enumerate(names):
        image = _decode(tree, name)
        if image.ndim == 3 and not colour:
            return _decode_all(tree, names, image_size, colour=True)
        if image_size is not None:
            image = _resize(image, image_size)
        if stack is None:
            shape = (len(names), *image.shape[:2], 3 if colour else 1)
            if math.prod(shape) > MAX_BYTES:
                raise DataError(f"{tree.path}: {shape[0]} images of {shape[1:]} take more than {MAX_BYTES} bytes")
            stack = np.empty(shape, dtype=np.uint8)
        if image.shape[:2] != stack.shape[1:3]:
            raise DataError(
                f"{tree.path}: {name!r} is {image.shape[0]} x {image.shape[1]} pixels, {names[0]!r} is "
                f"{stack.shape[1]} x {stack.shape[2]}; all must be of one size, "
                "or give image_size=(height, width)"
            )
        stack[position] = image if image.ndim == 3 else image[:, :, None]
    return stack


def check_image_size(function, image_size):
    """Return height and width as a pair.

    Parameters
    ----------
    function : str
        What the message names.
    image_size : int or (int, int), optional
        One number stands for a square.

    Returns
    -------
    (int, int) or None
        ``None`` if `image_size` is ``None``.

    Raises
    ------
    ArgumentError
        If it is not one or two positive whole numbers, or more than 8,192.

    Examples
    --------
    >>> check_image_size("load", 28)
    (28, 28)
    """
    if image_size is None:
        return None
    pair = (image_size, image_size) if np.ndim(image_size) == 0 else tuple(image_size)
    if len(pair) != 2:
        raise ArgumentError(f"image_size is {image_size!r}; it must be one integer or (height, width)")
    return tuple(check_integer("image_size", side, minimum=1, maximum=8_192) for side in pair)


def resize_all(images, image_size):
    """Resize every image of a batch, unless they have that size.

    Parameters
    ----------
    images : ndarray of uint8, shape (n, height, width, channels)
        The batch.
    image_size : (int, int), optional
        New height and width; ``None`` leaves the images alone.

    Returns
    -------
    ndarray of uint8, shape (n, *image_size, channels)

    Examples
    --------
    >>> resize_all(np.zeros((5, 8, 4, 1), dtype=np.uint8), (4, 2)).shape
    (5, 4, 2, 1)
    """
    if image_size is None or images.shape[1:3] == tuple(image_size):
        return images
    resized = np.empty((len(images), *image_size, images.shape[3]), dtype=np.uint8)
    for image, target in zip(images, resized, strict=True):
        target[...] = _resize(image, image_size).reshape(target.shape)
    return resized


def _resize(image, image_size):
    import cv2

    # Averages over the pixels that each new one covers: no aliasing where images shrink.
    return cv2.resize(image, image_size[::-1], interpolation=cv2.INTER_AREA)


def _decode(tree, name):
    import cv2

    with guard(f"{tree.path}: {name}"):
        content = tree.read(name)
        size = _image_size(content)
        if size is None:
            raise DataError(f"{tree.path}: {name!r} is no readable PNG or JPEG image, or is cut short")
        most = min(MAX_PIXELS, _MAX_PIXELS_PER_BYTE * len(content))
        if not 0 < size[0] * size[1] <= most:
            raise DataError(
                f"{tree.path}: {name!r} is {size[0]} x {size[1]} pixels; a file of its size has 1 to {most} of them"
            )
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_ANYCOLOR)
        # The file may say that it is to be turned on its side, so the two sides can have changed places.
        if image is None or sorted(image.shape[:2]) != sorted(size):
            raise DataError(f"{tree.path}: {name!r} is no readable image")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB) if image.ndim == 3 else image


def _image_size(content):
    """Return height and width from the header of a whole PNG or JPEG file, else ``None``."""
    if content.startswith(_PNG_SIGNATURE):
        return _png_size(content)
    return _jpeg_size(content) if content.startswith(b"\xff\xd8") else None


def _png_size(content):
    # The decoder makes room for whatever length a chunk claims, so every chunk is checked first.
    size, position = None, len(_PNG_SIGNATURE)
    while position + 12 <= len(content):
        length = int.from_bytes(content[position : position + 4], "big")
        kind, end = content[position + 4 : position + 8], position + 8 + length
        damaged = zlib.crc32(content[position + 4 : end]).to_bytes(4, "big") != content[end : end + 4]
        if damaged or kind == b"acTL" or (kind == b"IHDR") != (size is None):
            return None
        if kind == b"IEND":
            return size
        if kind == b"IHDR":
            width, height = struct.unpack(">II", content[position + 8 : position + 16])
            size = height, width
        position = end + 4
    return None


def _jpeg_size(content):
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker, length = content[position + 1], int.from_bytes(content[position + 2 : position + 4], "big")
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker in _WITHOUT_LENGTH:
            return None
        if marker in _START_OF_FRAME:
            # A thumbnail has an end marker of its own, but stands before this point.
            whole = content.find(b"\xff\xd9", position) != -1
            return struct.unpack(">HH", content[position + 5 : position + 9]) if whole else None
        position += 2 + length
    return None
