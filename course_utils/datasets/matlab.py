"""Read numeric arrays from MATLAB 5 files.

``scipy.io.loadmat`` reads far more of the format, but a file with one wrong byte can crash the whole process with it.
Images and labels are plain numeric arrays, the simplest part of the format (MathWorks, "MAT-File Level 5 File
Format"), and that part is read here with every length checked before it is used.
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
_CLASSES = {
    6: np.float64,
    7: np.float32,
    8: np.int8,
    9: np.uint8,
    10: np.int16,
    11: np.uint16,
    12: np.int32,
    13: np.uint32,
    14: np.int64,
    15: np.uint64,
}

_MAX_AXES = 8


def load_mat(content, file, names):
    """Read numeric arrays from a MATLAB 5 file.

    Parameters
    ----------
    content : bytes
        The whole file.
    file : path-like
        What messages name.
    names : collection of str
        Which arrays to read. Any other variable is passed over, of whatever class it is.

    Returns
    -------
    arrays : dict of str to ndarray
        Those of `names` that are in the file. They may be read-only.
    found : list of str
        The names of all the variables in the file.

    Raises
    ------
    DataError
        If the file is damaged, of MATLAB 7.3, or grows beyond reason when decompressed; or if one of `names` is
        not a real numeric array.

    Examples
    --------
    >>> import io, scipy.io
    >>> buffer = io.BytesIO()
    >>> scipy.io.savemat(buffer, {"y": np.array([[10.0], [3.0]]), "note": "hello"})
    >>> arrays, found = load_mat(buffer.getvalue(), "train.mat", ["X", "y"])
    >>> arrays["y"].ravel(), found
    (array([10.,  3.]), ['y', 'note'])
    """
    if content[:19] == b"MATLAB 7.3 MAT-file" or content[:8] == b"\x89HDF\r\n\x1a\n":
        raise DataError(f"{file}: is a MATLAB 7.3 file; save it in MATLAB with the option -v7")
    order = _BYTE_ORDERS.get(content[_HEADER - 2 : _HEADER])
    if order is None:
        raise DataError(f"{file}: is no MATLAB 5 file (its header does not end in IM or MI)")
    arrays, found = {}, []
    with guard(file):
        for matrix in _matrices(content, file, order):
            fields = _Fields(matrix, file, order)
            flags = fields.numbers(_UINT32)
            shape = tuple(int(side) for side in fields.numbers(_INT32))
            name = fields.numbers(_INT8).tobytes().decode("latin-1")
            found.append(name)
            if name in names:
                arrays[name] = _array(fields, f"{file}[{name}]", int(flags[0]), shape)
    return arrays, found


def _matrices(content, file, order):
    """Yield the bytes of each variable, decompressed; all of them together within the allowance."""
    limit = left = allowance(len(content))
    position = _HEADER
    view = memoryview(content)
    while position < len(content):
        kind, size = np.frombuffer(view[position : position + 8], dtype=f"{order}u4").tolist()
        position += 8
        if size > len(content) - position:
            raise DataError(f"{file}: ends within an element of {size} bytes, so it is damaged or cut short")
        element = view[position : position + size]
        position += size
        if kind == _COMPRESSED:
            inflater = zlib.decompressobj()
            element = memoryview(inflater.decompress(element, left + 1))
            left -= len(element)
            if left < 0:
                raise DataError(f"{file}: grows to more than {limit} bytes when decompressed")
            if not inflater.eof:
                raise DataError(f"{file}: a compressed element is damaged or cut short")
            kind, size = np.frombuffer(element[:8], dtype=f"{order}u4").tolist()
            if size > len(element) - 8:
                raise DataError(f"{file}: an element of {size} bytes has only {len(element) - 8}; it is cut short")
            element = element[8 : 8 + size]
        if kind == _MATRIX:
            yield element


class _Fields:
    """The parts of a variable, one after another: each has a kind, a size and its numbers."""

    def __init__(self, matrix, file, order):
        self._matrix, self._file, self._order = matrix, file, order
        self._position = 0

    def numbers(self, *kinds):
        """Return the next part's numbers; they must be stored in one of `kinds`."""
        start = self._position
        kind, size = np.frombuffer(self._matrix[start : start + 8], dtype=f"{self._order}u4").tolist()
        begin, following = start + 8, start + 8 + -(-size // 8) * 8
        if kind >> 16:
            # Up to four bytes stand in the tag itself, whose first half then holds their number.
            kind, size = kind & 0xFFFF, kind >> 16
            begin, following = start + 4, start + 8
        if kind not in kinds or size > len(self._matrix) - begin:
            raise DataError(f"{self._file}: has {size} bytes of kind {kind} where it cannot; it is damaged")
        self._position = following
        dtype = np.dtype(self._order + _STORED[kind])
        return np.frombuffer(self._matrix[begin : begin + size], dtype=dtype)


def _array(fields, file, flags, shape):
    array_class, is_complex = flags & 0xFF, flags & 0x0800
    if array_class not in _CLASSES or is_complex:
        raise DataError(f"{file}: is of MATLAB class {array_class}; it must be a real numeric array, class 6 to 15")
    numbers = fields.numbers(*_STORED)
    if not 2 <= len(shape) <= _MAX_AXES or min(shape) < 0 or math.prod(shape) != len(numbers):
        raise DataError(f"{file}: its shape is {shape[:_MAX_AXES]}; there are {len(numbers)} numbers")
    return numbers.astype(_CLASSES[array_class], copy=False).reshape(shape, order="F")
