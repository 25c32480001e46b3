"""Read numeric arrays from MATLAB 5 files.

``scipy.io.loadmat`` ends the whole process on some damaged files (a segmentation fault, SciPy 1.17). Images and labels
are plain numeric arrays, the simplest part of the format (MathWorks, "MAT-File Level 5 File Format"), and that part is
read here with every length checked before it is used.
"""

import math
import zlib

import numpy as np

from course_utils.datasets.untrusted import allowance, guard
from course_utils.errors import DataError

__all__ = ["load_mat"]

_HEADER = 128
_BYTE_ORDERS = {b"IM": "<", b"MI": ">"}

_COMPRESSED, _MATRIX = 15, 14
_INT8, _INT32, _UINT32 = 1, 5, 6

# How numbers are stored, and what class of array they make.
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = dict(zip(range(6, 16), ["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"], strict=True))

_MAX_AXES = 8


def load_mat(content, file, names):
    """Read the numeric arrays of these names from the bytes of a MATLAB 5 file, which messages call `file`.

    Returned are a dict of those of `names` that are in the file, which may be read-only, and the names of all variables
    in it, of whatever class. It is a ``DataError`` if the file is damaged, of MATLAB 7.3, or grows beyond reason when
    decompressed; or if one of `names` is not a real numeric array.

    Examples
    --------
    >>> load_mat(b"not MATLAB's", "train.mat", ["X", "y"])
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: train.mat: is not a MATLAB 5 file (its header does not end in IM or MI)
    """
    if content[:19] == b"MATLAB 7.3 MAT-file" or content[:8] == b"\x89HDF\r\n\x1a\n":
        raise DataError(f"{file}: is a MATLAB 7.3 file; save it in MATLAB with the option -v7")
    order = _BYTE_ORDERS.get(content[_HEADER - 2 : _HEADER])
    if order is None:
        raise DataError(f"{file}: is not a MATLAB 5 file (its header does not end in IM or MI)")
    arrays, found = {}, []
    with guard(file):
        for matrix in _matrices(content, file, order):
            flags, rest = _numbers(matrix, file, order, _UINT32)
            shape, rest = _numbers(rest, file, order, _INT32)
            name, rest = _numbers(rest, file, order, _INT8)
            found.append(name.tobytes().decode("latin-1"))
            if found[-1] in names:
                arrays[found[-1]] = _array(rest, f"{file}[{found[-1]}]", order, int(flags[0]), shape.tolist())
    return arrays, found


def _matrices(content, file, order):
    """Yield the bytes of each variable, decompressed; all of them together within the allowance."""
    limit = left = allowance(len(content))
    view = memoryview(content)[_HEADER:]
    while view:
        kind, element, view = _element(view, file, order)
        if kind == _COMPRESSED:
            inflater = zlib.decompressobj()
            plain = inflater.decompress(element, left + 1)
            left -= len(plain)
            if left < 0:
                raise DataError(f"{file}: grows to more than {limit} bytes when decompressed")
            if not inflater.eof:
                raise DataError(f"{file}: a compressed element is damaged or cut short")
            kind, element, _ = _element(memoryview(plain), file, order)
        if kind == _MATRIX:
            yield element


def _element(view, file, order):
    """Split off the first element: its kind, its bytes, and what follows it."""
    kind, size = np.frombuffer(view[:8], dtype=f"{order}u4").tolist()
    # Up to four bytes stand in the tag itself, whose first half then holds their number.
    kind, size, start = (kind & 0xFFFF, kind >> 16, 4) if kind >> 16 else (kind, size, 8)
    if size > len(view) - start:
        raise DataError(f"{file}: ends within an element of {size} bytes, so it is damaged or cut short")
    end = start + size
    return kind, view[start:end], view[end if kind == _COMPRESSED else -(-end // 8) * 8 :]


def _numbers(view, file, order, *kinds):
    """Split off the numbers of the first element, which must be stored in one of `kinds`."""
    kind, element, rest = _element(view, file, order)
    if kind not in kinds:
        raise DataError(f"{file}: has {len(element)} bytes of kind {kind} where it cannot; it is damaged")
    return np.frombuffer(element, dtype=order + _STORED[kind]), rest


def _array(view, file, order, flags, shape):
    array_class, is_complex = flags & 0xFF, flags & 0x0800
    if array_class not in _CLASSES or is_complex:
        raise DataError(f"{file}: is of MATLAB class {array_class}; it must be a real numeric array, class 6 to 15")
    values, _ = _numbers(view, file, order, *_STORED)
    if not 2 <= len(shape) <= _MAX_AXES or min(shape) < 0 or math.prod(shape) != len(values):
        raise DataError(f"{file}: its shape is {tuple(shape[:_MAX_AXES])}; there are {len(values)} numbers")
    return values.astype(_CLASSES[array_class], copy=False).reshape(shape, order="F")
