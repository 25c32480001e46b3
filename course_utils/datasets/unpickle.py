"""Read pickles of arrays and plain containers without running anything that is in them."""

import io
import math
import pickle
import re

import numpy as np

from course_utils.datasets.untrusted import guard
from course_utils.errors import DataError

__all__ = ["load_pickle"]

# The pickles of this course take some 50,000 steps, of at most three reads each. A step costs at most some 200 bytes,
# apart from raw data.
_MAX_READS = 1_000_000

_MAX_AXES = 8

_ONLY = "only NumPy arrays and plain containers are read"

_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][0-9]{1,4}|O8?)")

_OPCODES = """
PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT
STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT DICT SETITEM SETITEMS
PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD
"""


def load_pickle(content, file):
    """Read a pickle of a dict of arrays, numbers, text, lists, tuples and dicts; any other is a ``DataError``.

    `content` is the pickle, in protocol 0 to 4, and `file` what messages name. Text that Python 2 wrote is taken as
    Latin-1. The dict's keys are text or bytes; an array of one object with no axes, as :func:`numpy.save` makes one of
    a dict, comes as that object. Arrays may be read-only.

    Examples
    --------
    >>> load_pickle(b"cos\\nsystem\\n(S'echo gotcha'\\ntR.", "data_batch_1")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: data_batch_1: its pickle asks for 'os system'; only NumPy arrays and plain ...
    """
    with guard(file):
        found = _finished(_Unpickler(content, file).load())
        if not isinstance(found, dict):
            raise DataError(f"{file}: its pickle holds a {type(found).__name__}; it must hold a dict")
        return {key: _finished(value) for key, value in found.items()}


class _Array:
    """An array that a pickle is making; complete when ``array`` is there."""

    array = None


class _DType:
    """The dtype of such an array: kind and size come first, the byte order may follow."""

    def __init__(self, spec):
        self.spec = spec


class _Reads(io.BytesIO):
    """The bytes of a pickle, which may be read so many times and no more."""

    left = _MAX_READS

    def read(self, size=-1):
        self.left -= 1
        if self.left < 0:
            raise pickle.UnpicklingError("it has too many steps")
        return super().read(size)


class _Unpickler(pickle._Unpickler):
    """The standard library's unpickler, with few of its opcodes, names and calls.

    It is the one written in Python, although its name has an underscore: the one in C makes room for whatever memo slot
    a pickle names, hashes any key (of a hundred bytes of nested tuples: for ever), and lets a pickle set attributes.
    """

    def __init__(self, content, file):
        super().__init__(_Reads(content), encoding="latin-1")
        self._file = file
        # Raw data stand in the pickle once, and count once or, where they stand as text, twice.
        self._raw_left = 2 * len(content)
        self._names = {
            "numpy ndarray": "numpy.ndarray",
            "numpy dtype": self._dtype,
            "numpy.core.multiarray _reconstruct": lambda *_: _Array(),
            "numpy._core.multiarray _reconstruct": lambda *_: _Array(),
            "_codecs encode": self._encode,
            "__builtin__ bytes": lambda: b"",
        }

    def find_class(self, module, name):
        asked = f"{module} {name}"
        if asked not in self._names:
            self._refuse(f"asks for {asked[:80]!r}; {_ONLY}")
        return self._names[asked]

    def load_frame(self):
        self.read(8)  # Frames only help to read ahead.

    def load_reduce(self):
        arguments, function = self.stack.pop(), self.stack.pop()
        if not callable(function) or not isinstance(arguments, tuple) or len(arguments) > 3:
            self._refuse(f"calls a {type(function).__name__}; {_ONLY}")
        self.append(function(*arguments))

    def load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, _Array):
            _, shape, dtype, fortran_order, raw = state
            target.array = self._array(shape, dtype, "F" if fortran_order else "C", raw)
        elif not isinstance(target, _DType):
            self._refuse(f"changes a {type(target).__name__}; {_ONLY}")
        elif state[1] in ("<", ">"):
            target.spec = state[1] + target.spec.lstrip("<>|=")

    def load_dict(self):
        items = self.pop_mark()
        self.append({})
        self._set(items)

    def load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._set([key, value])

    def load_setitems(self):
        self._set(self.pop_mark())

    def _set(self, items):
        target, keys = self.stack[-1], items[::2]
        if not isinstance(target, dict) or not all(isinstance(key, (str, bytes)) for key in keys):
            self._refuse(f"has a dict whose keys are not text; {_ONLY}")
        target.update(zip(keys, items[1::2], strict=True))

    def _dtype(self, spec, *_):
        if not isinstance(spec, str) or not _DTYPE.fullmatch(spec):
            shown = spec[:40] if isinstance(spec, str) else type(spec).__name__
            self._refuse(f"has an array of dtype {shown!r}; it must be numbers or text")
        return _DType(spec)

    def _encode(self, text, encoding):
        if encoding != "latin1":
            self._refuse(f"encodes text; {_ONLY}")
        return self._raw(text)

    def _raw(self, data):
        self._raw_left -= len(data)
        if self._raw_left < 0:
            self._refuse("makes more bytes than it has")
        return data.encode("latin-1") if isinstance(data, str) else data

    def _array(self, shape, dtype, order, raw):
        plain = isinstance(shape, tuple) and len(shape) <= _MAX_AXES and all(type(side) is int for side in shape)
        if not plain or not isinstance(dtype, _DType):
            self._refuse("is damaged (an array has no proper shape or dtype)")
        dtype = np.dtype(dtype.spec)
        if dtype.hasobject:
            if shape != () or not isinstance(raw, list) or len(raw) != 1:
                self._refuse(f"holds an array of objects, shape {shape}; it must hold numbers")
            return raw[0]
        raw, promised = self._raw(raw), math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or promised != len(raw):
            self._refuse(f"has an array of shape {shape} and dtype {dtype}, {promised} bytes; there are {len(raw)}")
        return np.ndarray(shape, dtype, buffer=raw, order=order)

    def _refuse(self, reason):
        raise DataError(f"{self._file}: its pickle {reason}")

    def _load_other(self):
        self._refuse(f"makes something else; {_ONLY}")

    # This table of functions knows nothing of methods of the same name.
    _codes = tuple(getattr(pickle, name)[0] for name in _OPCODES.split())
    _own = (load_frame, load_reduce, load_build, load_dict, load_setitem, load_setitems)
    dispatch = dict.fromkeys(range(256), _load_other)
    dispatch |= zip(_codes, map(pickle._Unpickler.dispatch.get, _codes), strict=True)
    dispatch |= zip(b"\x95Rbdsu", _own, strict=True)


def _finished(value):
    return value.array if isinstance(value, _Array) else value
