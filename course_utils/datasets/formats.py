"""Read labelled images in the formats that the course's data sets come in.

Every reader gives uint8 images (n, height, width, channels) and int64 labels from 0, or raises a
:class:`~course_utils.errors.DataError` that names the file; nothing is ever half-loaded.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.datasets.untrusted import guard, load_npy, open_zip, read_gzip
from course_utils.errors import DataError

__all__ = ["Parts", "Split", "read", "read_idx", "read_npz"]

_IDX_PARTS = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class Split(NamedTuple):
    """Images, uint8 (n, height, width, channels), and their labels, int64 (n,)."""

    x: np.ndarray
    y: np.ndarray


class Parts(NamedTuple):
    """What a file or folder holds: the two splits, and the names of the classes if it has them."""

    train: Split
    test: Split
    class_names: tuple = ()


def read(path):
    """Read labelled images from a file or folder, whatever its format.

    Parameters
    ----------
    path : path-like
        A file or folder.

    Returns
    -------
    Parts

    Raises
    ------
    DataError
        If the format is not known, or the data are damaged.

    Examples
    --------
    >>> read("no such file.npz")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.npz: there is no such file or folder
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"{path}: there is no such file or folder")
    if path.is_dir():
        return _read_idx_folder(path)
    if path.suffix == ".npz":
        arrays = read_npz(path, ["x_train", "y_train", "x_test", "y_test"])
        return Parts(
            check_split(arrays["x_train"], arrays["y_train"], path),
            check_split(arrays["x_test"], arrays["y_test"], path),
        )
    raise DataError(f"{path}: is in no known format")


def read_npz(path, keys):
    """Read arrays from a NumPy ``.npz`` archive.

    Parameters
    ----------
    path : path-like
        The archive.
    keys : iterable of str
        Names of the arrays to read; others are left alone.

    Returns
    -------
    dict of str to ndarray

    Raises
    ------
    DataError
        If the archive is damaged, an array is missing, or an array holds objects.

    Examples
    --------
    >>> read_npz("no such file.npz", ["x_train"])
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.npz: cannot be read (FileNotFoundError: ...)
    """
    with open_zip(path) as archive:
        found = {name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")}
        missing = [key for key in keys if key not in found]
        if missing:
            raise DataError(
                f"{path}: has no array {', '.join(missing)}; "
                f"the arrays found are {', '.join(found) or 'none'}"
            )
        arrays = {}
        for key in keys:
            with guard(path):
                content = archive.read(found[key])
            arrays[key] = load_npy(content, f"{path}[{key}]")
        return arrays


def read_idx(path):
    """Read one array in the ``idx`` format of MNIST, gzipped or not.

    Parameters
    ----------
    path : path-like
        The file. Its first bytes are ``00 00 08`` and the number of axes: unsigned bytes only.

    Returns
    -------
    ndarray of uint8

    Raises
    ------
    DataError
        If the magic number is wrong, or the file is longer or shorter than its header says.

    Examples
    --------
    >>> read_idx("no such file.gz")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: no such file.gz: cannot be read (FileNotFoundError: ...)
    """
    content = read_gzip(path)
    if len(content) < 4 or content[:3] != b"\0\0\x08" or not 1 <= content[3] <= 3:
        raise DataError(
            f"{path}: starts with the bytes {content[:4].hex(' ')}; an idx file of unsigned bytes starts "
            "with 00 00 08 and its number of axes, 01 to 03"
        )
    start = 4 + 4 * content[3]
    shape = tuple(int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path}: its header says shape {shape}, {math.prod(shape)} bytes; "
            f"there are {len(content) - start}, so the file is damaged or cut short"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _read_idx_folder(folder):
    splits = {}
    for part, names in _IDX_PARTS.items():
        arrays = []
        for name in names:
            candidates = [folder / name, folder / f"{name}.gz"]
            path = next((path for path in candidates if path.is_file()), None)
            if path is None:
                raise DataError(f"{folder}: has no {name}.gz")
            arrays.append(read_idx(path))
        splits[part] = check_split(*arrays, folder)
    return Parts(splits["train"], splits["test"])


def check_split(x, y, file):
    """Return images and labels in the shape and dtype that the package uses, after checking them."""
    if x.ndim not in (3, 4) or x.dtype != np.uint8:
        raise DataError(f"{file}: images have shape {x.shape} and dtype {x.dtype}")
    if y.ndim != 1 or len(y) != len(x) or not np.issubdtype(y.dtype, np.integer):
        raise DataError(f"{file}: there are {len(x)} images; labels have shape {y.shape}, dtype {y.dtype}")
    return Split(x.reshape(*x.shape[:3], -1), y.astype(np.int64))
