"""Read labelled images in every format that the course's data sets come in.

Whatever the format, what comes out is uint8 images (n, height, width, channels) and int64 labels from 0; or a
:class:`~course_utils.errors.DataError` that names the file. Nothing is ever half-loaded.
"""

import itertools
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.datasets import trees
from course_utils.datasets.matlab import load_mat
from course_utils.datasets.unpickle import load_pickle
from course_utils.datasets.untrusted import guard, load_npy, open_zip, read_gzip, read_member, tar_members
from course_utils.errors import DataError

__all__ = ["is_complete"]

MAX_CLASSES = 65_536

_IDX_PARTS = (
    ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)

_CIFAR_ARCHIVE, _CIFAR_FOLDER = "cifar-10-python.tar.gz", "cifar-10-batches-py"
_CIFAR_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_CIFAR_TEST = "test_batch"

# The two files of a folder, and the key of the images in each.
_MAT_FOLDERS = (
    {"train_32x32.mat": "X", "test_32x32.mat": "X"},
    {"q1_train.mat": "train_X", "q1_test.mat": "test_X"},
)
_MAT_LABELS = {"X": "y", "train_X": "train_Y", "test_X": "test_Y"}

_DIGITS = tuple(str(digit) for digit in range(10))

_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
_CHARACTER_KEYS = ("images", "ids", "drawer", "alphabet")

_FIVE_CLASSES = ("1", "2", "3", "4", "5")

_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")

_KNOWN = (
    "a .npz with x_train, y_train, x_test and y_test; a .npy with features and target; a .mat with X and y; "
    "cifar-10-python.tar.gz; a folder of the four MNIST idx files; a folder or .zip of train/CLASS/*.png"
)


class Split(NamedTuple):
    """Images, uint8 (n, height, width, channels), and their labels, int64 (n,)."""

    x: np.ndarray
    y: np.ndarray


class Parts(NamedTuple):
    """What a file or folder holds. The test part is empty if the format has only one part."""

    train: Split
    test: Split
    class_names: tuple


def is_complete(path):
    """Tell from its name, or from the names in it, whether a file or folder can be data. Nothing is read.

    A folder that lacks one of its files, as an interrupted download leaves it, is not complete.

    Examples
    --------
    >>> is_complete("no such folder")
    False
    """
    path = Path(path)
    if not path.is_dir():
        return path.is_file() and (_file_reader(path) is not None or path.suffix.lower() in trees.MANIFEST_SUFFIXES)
    return _folder_reader(path) is not None or _sorts_photographs(path)


def _sorts_photographs(folder):
    """Tell whether a folder has a manifest, parts, or nothing but folders of images, as data for ``load_reid`` have."""
    items = list(folder.iterdir())
    if {item.name.lower() for item in items} & {*trees.PARTS, *trees.MANIFESTS}:
        return True
    inside = [item for item in items if item.is_dir() and not item.name.startswith(".")]
    # A folder of several data sets can have one of pictures too.
    return len(inside) > 1 and all(
        any(item.suffix.lower() in trees.IMAGE_SUFFIXES for item in each.iterdir()) for each in inside
    )


def read(path, *, class_names=(), image_size=None):
    """Read labelled images from a file or folder, whatever its format, as :class:`Parts`.

    Labels beyond `class_names`, the classes in label order, are an error; if none are given, the file decides. Every
    image is resized to the height and width of `image_size`, if given. It is a ``DataError`` if the format is not
    known, the data are damaged or unsafe, or images and labels do not belong together.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    with guard(path):
        reader = _folder_reader(path) if path.is_dir() else _file_reader(path)
        if reader is None and path.is_dir():
            found = trees.walk(path)
            if not any(name.lower().endswith(trees.IMAGE_SUFFIXES) for name in found):
                raise DataError(f"{path}: is in no known format (it holds {_listing(found)}); known are {_KNOWN}")
            reader = _read_tree
        if reader is None:
            raise DataError(f"{path}: is in no known format; known are {_KNOWN}")
    if reader is _read_tree:
        return _read_tree(path, class_names, image_size)
    raw = reader(path)
    names = tuple(class_names) or raw.class_names
    train, test = (None if pair is None else _check_split(*pair, path, len(names)) for pair in raw.pairs)
    if test is None:
        test = Split(train.x[:0], train.y[:0])
    if train.x.shape[1:] != test.x.shape[1:]:
        raise DataError(
            f"{path}: the training images are of {train.x.shape[1:]}, the test images of {test.x.shape[1:]}; "
            "they must be of one size"
        )
    n_classes = int(max(train.y.max(initial=0), test.y.max(initial=0))) + 1
    train, test = (Split(trees.resized(split.x, image_size), split.y) for split in (train, test))
    return Parts(train, test, names or tuple(str(label) for label in range(n_classes)))


class _Raw(NamedTuple):
    """Two pairs of images and labels as they stand in the file, or ``None`` for a pair that it does not have."""

    pairs: tuple
    class_names: tuple = ()


def read_npz(path, keys):
    """Read the arrays of these names from a NumPy ``.npz`` archive, as a dict; they may be read-only.

    It is a ``DataError`` if the archive is damaged, an array is missing, or an array holds objects.
    """
    with open_zip(path) as archive:
        found = _npz_keys(archive)
        missing = [key for key in keys if key not in found]
        if missing:
            raise DataError(f"{path}: has no array {_listing(missing)}; it has {_listing(found)}")
        arrays = {}
        for key in keys:
            arrays[key] = load_npy(read_member(archive, f"{key}.npy"), f"{path}[{key}]")
        return arrays


def read_idx(path):
    """Read one array in the ``idx`` format of MNIST, gzipped or not, as read-only uint8.

    The first bytes are ``00 00 08`` and the number of axes: unsigned bytes only. It is a ``DataError`` if they are not,
    or if the file is longer or shorter than its header says.
    """
    content = read_gzip(path)
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        raise DataError(
            f"{path}: starts with the bytes {content[:4].hex(' ') or '(none)'}; an idx file of unsigned bytes "
            "starts with 00 00 08 and its number of axes, 01 to 03"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(f"{path}: ends within its header of {start} bytes, so the file is cut short")
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path}: its header says shape {shape}, {math.prod(shape)} bytes; "
            f"there are {len(content) - start}, so the file is damaged or cut short"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def read_mat(path):
    """Read images and labels from a MATLAB 5 file, as SVHN's are.

    Images are (height, width, channels, n) under ``X``, ``train_X`` or ``test_X``; labels are under ``y``,
    ``train_Y`` or ``test_Y``, with 10 for the digit 0. What comes is a dict of the pairs found, by the name of the
    images: images (n, height, width, channels), and labels with 0 for the digit 0. It is a ``DataError`` if there are
    none.
    """
    path = Path(path)
    with guard(path):
        content = path.read_bytes()
    arrays, found = load_mat(content, path, [*_MAT_LABELS, *_MAT_LABELS.values()])
    pairs = {}
    for images, labels in _MAT_LABELS.items():
        if images in arrays and labels in arrays:
            x, y = arrays[images], arrays[labels]
            if x.ndim != 4:
                raise DataError(f"{path}: {images} has shape {x.shape}; it must be (height, width, channels, n)")
            pairs[images] = np.moveaxis(x, 3, 0), np.where(y == 10, 0, y)
    if not pairs:
        raise DataError(f"{path}: has no X and y, nor train_X and train_Y; it has {_listing(found)}")
    return pairs


def read_characters_npz(path):
    """Read drawn characters from an ``.npz`` with ``images``, ``ids``, ``drawer`` and ``alphabet``."""
    arrays = read_npz(path, _CHARACTER_KEYS)
    images = _check_images(arrays["images"], path)
    numbers = [_check_labels(arrays[key], len(images), f"{path}[{key}]") for key in _CHARACTER_KEYS[1:]]
    return trees.Characters(images, *numbers)


def _file_reader(path):
    name = path.name.lower()
    if name.endswith(_TAR_ENDINGS):
        return _read_cifar_archive
    return {".npz": _read_npz, ".npy": _read_npy, ".mat": _read_mat, ".zip": _read_tree}.get(path.suffix.lower())


def _folder_reader(folder):
    names = {item.name for item in folder.iterdir()}
    if all(_idx_name(names, name) for pair in _IDX_PARTS for name in pair):
        return _read_idx_folder
    if _CIFAR_ARCHIVE in names:
        return lambda folder: _read_cifar_archive(folder / _CIFAR_ARCHIVE)
    if _CIFAR_FOLDER in names:
        return lambda folder: _read_cifar_folder(folder / _CIFAR_FOLDER)
    if {*_CIFAR_TRAIN, _CIFAR_TEST} <= names:
        return _read_cifar_folder
    if any(names.issuperset(files) for files in _MAT_FOLDERS):
        return _read_mat_folder
    # The names at the top say what it is: to walk through 60,000 files would take a while.
    tops = {name.removesuffix(".zip") for name in names}
    arrangement = trees.layout(trees.Tree(folder, (), tuple(tops), None))
    lacking = arrangement == "characters" and not tops.issuperset(trees.CHARACTER_FOLDERS)
    return _read_tree if arrangement and not lacking else None


def _read_tree(path, class_names, image_size):
    with trees.open_tree(path) as tree:
        arrangement = trees.layout(tree)
        if not arrangement:
            found = _listing(dict.fromkeys(name.split("/")[0] for name in (*tree.folders, *tree.files)), "no images")
            raise DataError(f"{path}: is in no known format (it holds {found}); known are {_KNOWN}")
        if arrangement in ("people", "characters"):
            raise DataError(f"{path}: holds {arrangement} to match, not classes; load_reid reads it")
        x_train, y_train, x_test, y_test, names = trees.read_classes(
            tree, class_names=class_names, image_size=image_size
        )
    return Parts(Split(x_train, y_train), Split(x_test, y_test), names)


def _read_npz(path):
    with open_zip(path) as archive:
        keys = _npz_keys(archive)
    if set(_CHARACTER_KEYS) <= set(keys):
        raise DataError(f"{path}: holds characters to match, not classes; load_reid reads it")
    if {"features", "target"} <= set(keys):
        return _five_classes(read_npz(path, ["features", "target"]), path)
    arrays = read_npz(path, _NPZ_KEYS)
    return _Raw(((arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])))


def _npz_keys(archive):
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]


def _read_npy(path):
    with guard(path):
        content = path.read_bytes()
    return _five_classes(load_npy(content, path, read_object=load_pickle), path)


def _five_classes(arrays, path):
    if not isinstance(arrays, dict):
        raise DataError(f"{path}: holds a single {type(arrays).__name__}; it must hold a dict of features and target")
    arrays = _text_keys(arrays)
    for key in ("features", "target"):
        if not isinstance(arrays.get(key), np.ndarray):
            raise DataError(f"{path}: has no array {key}; it has {_listing(arrays)}")
    target = _check_labels(arrays["target"], arrays["target"].size, path)
    if target.min() < 1:
        raise DataError(f"{path}: target holds {target.min()}; it must be from 1 to {len(_FIVE_CLASSES)}")
    return _Raw(((arrays["features"], target - 1), None), _FIVE_CLASSES)


def _read_mat(path):
    pairs = read_mat(path)
    train = pairs.get("X", pairs.get("train_X"))
    return _Raw((train, pairs.get("test_X")) if train else (pairs["test_X"], None), _DIGITS)


def _read_mat_folder(folder):
    names = {item.name for item in folder.iterdir()}
    files = next(files for files in _MAT_FOLDERS if names.issuperset(files))
    pairs = []
    for name, key in files.items():
        found = read_mat(folder / name)
        if key not in found:
            raise DataError(f"{folder / name}: has no {key} and {_MAT_LABELS[key]}; it has {_listing(found)}")
        pairs.append(found[key])
    return _Raw(tuple(pairs), _DIGITS)


def _read_idx_folder(folder):
    names = {item.name for item in folder.iterdir()}
    pairs = [tuple(read_idx(folder / _idx_name(names, name)) for name in pair) for pair in _IDX_PARTS]
    return _Raw(tuple(pairs))


def _idx_name(names, name):
    return next((found for found in (name, f"{name}.gz") if found in names), None)


def _read_cifar_archive(path):
    wanted = {*_CIFAR_TRAIN, _CIFAR_TEST}
    batches = {}
    for name, content in tar_members(path):
        base = name.rpartition("/")[2]
        if base in wanted:
            batches[base] = _cifar_batch(content, f"{path}: {base}")
    return _join_cifar(batches, path)


def _read_cifar_folder(folder):
    batches = {}
    for name in (*_CIFAR_TRAIN, _CIFAR_TEST):
        with guard(folder / name):
            content = (folder / name).read_bytes()
        batches[name] = _cifar_batch(content, folder / name)
    return _join_cifar(batches, folder)


def _cifar_batch(content, file):
    batch = load_pickle(content, file)
    batch = _text_keys(batch) if isinstance(batch, dict) else {}
    data, labels = batch.get("data"), batch.get("labels")
    if isinstance(labels, list) and all(type(label) is int for label in labels):
        labels = np.array(labels)
    if not isinstance(data, np.ndarray) or not isinstance(labels, np.ndarray):
        raise DataError(f"{file}: has no data and labels; it has {_listing(batch)}")
    if data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        raise DataError(f"{file}: data has shape {data.shape} and dtype {data.dtype}; it must be (n, 3072) and uint8")
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), _check_labels(labels, len(data), file)


def _join_cifar(batches, path):
    missing = [name for name in (*_CIFAR_TRAIN, _CIFAR_TEST) if name not in batches]
    if missing:
        raise DataError(f"{path}: has no {_listing(missing)}; it has {_listing(batches)}")
    x, y = zip(*(batches[name] for name in _CIFAR_TRAIN), strict=True)
    return _Raw(((np.concatenate(x), np.concatenate(y)), batches[_CIFAR_TEST]))


def _text_keys(arrays):
    """Keys that Python 2 wrote are bytes."""
    return {key.decode("latin-1") if isinstance(key, bytes) else key: value for key, value in arrays.items()}


def _check_split(x, y, file, n_classes):
    x = _check_images(x, file)
    return Split(x, _check_labels(y, len(x), file, n_classes=n_classes or MAX_CLASSES))


def _check_images(x, file):
    """Return images as a writable uint8 array (n, height, width, 1 or 3)."""
    if x.ndim == 3:
        x = x[..., None]
    if x.ndim != 4 or x.shape[3] not in (1, 3) or 0 in x.shape:
        raise DataError(
            f"{file}: its images have shape {x.shape}; it must be (n, height, width) or (n, height, width, 1 or 3)"
        )
    if x.dtype == np.uint8:
        x = np.ascontiguousarray(x)
        return x if x.flags.writeable else x.copy()
    if x.dtype.kind not in "iuf":
        raise DataError(f"{file}: its images are of dtype {x.dtype}; they must be uint8, or floats in [0, 1]")
    low, high = x.min(), x.max()
    top = 1 if x.dtype.kind == "f" else 255
    # A NaN makes both comparisons false.
    if not (low >= 0 and high <= top):
        raise DataError(f"{file}: its images hold values from {low} to {high}; {x.dtype} must be from 0 to {top}")
    pixels = np.empty(x.shape, dtype=np.uint8)
    for image, target in zip(x, pixels, strict=True):
        target[...] = np.rint(image * 255) if top == 1 else image
    return pixels


def _check_labels(y, n_images, file, *, n_classes=MAX_CLASSES):
    """Return labels as an int64 vector from 0 to ``n_classes - 1``."""
    if y.dtype.kind not in "iuf":
        raise DataError(f"{file}: its labels are of dtype {y.dtype}; they must be whole numbers")
    if y.size != n_images or y.size != max(y.shape, default=0):
        raise DataError(f"{file}: has {n_images} images and labels of shape {y.shape}; they must be as many")
    if n_images == 0:
        raise DataError(f"{file}: has no labels; there must be at least 1")
    y = y.reshape(-1)
    if y.dtype.kind == "f":
        odd = y[~np.isfinite(y) | (y != np.floor(y))]
        if odd.size:
            raise DataError(f"{file}: its labels hold {odd[0]}; they must be whole numbers")
    low, high = y.min(), y.max()
    if low < 0 or high >= n_classes:
        raise DataError(f"{file}: its labels hold {low if low < 0 else high}; they must be from 0 to {n_classes - 1}")
    return y.astype(np.int64)


def _listing(names, nothing="none"):
    """Name a few of the things found, and not at any length: the names may be hostile too."""
    shown = [str(name)[:40] for name in itertools.islice(names, 9)]
    return ", ".join([*shown[:8], "..."] if len(shown) > 8 else shown) or nothing
