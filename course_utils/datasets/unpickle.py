"""Read pickles of arrays and plain containers without running anything that is in them.

A pickle is a program, and :mod:`pickle` runs it. Here :func:`pickletools.genops` decodes the program and a
small interpreter follows it; the interpreter knows how to build arrays, numbers, text, lists, tuples and
dicts, and nothing else. It imports nothing, calls nothing and sets no attribute.

Messages never show a container that the pickle made: one of a few hundred bytes can hold itself so many times
over that its text would fill the memory.
"""

import math
import pickletools
import re

import numpy as np

from course_utils.datasets.untrusted import guard
from course_utils.errors import DataError

__all__ = ["load_pickle"]

# The pickles of this course take some 50,000 steps. A step costs at most some 100 bytes, apart from raw data.
_MAX_STEPS = 4_000_000

_MAX_AXES = 8

_NUMBERS = ("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT")
_BYTES = ("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8")
_TEXTS = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8")
_LITERALS = frozenset([*_NUMBERS, *_BYTES, *_TEXTS])
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_IGNORED = frozenset(["PROTO", "FRAME", "STOP"])

_ROLES = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "numpy.core.multiarray _reconstruct": "array",
    "numpy._core.multiarray _reconstruct": "array",
    "numpy.core.multiarray scalar": "scalar",
    "numpy._core.multiarray scalar": "scalar",
    "_codecs encode": "encode",
    "__builtin__ bytes": "no bytes",
}

_DTYPE = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248]|[SU][0-9]{1,4}|O8?)")


def load_pickle(content, file):
    """Read a pickle of arrays, numbers, text, lists, tuples and dicts; refuse any other.

    Parameters
    ----------
    content : bytes
        The pickle, in protocol 0 to 4. Text that Python 2 wrote is taken as Latin-1.
    file : path-like
        What messages name.

    Returns
    -------
    object
        Arrays may be read-only. An array of one object with no axes comes as that object.

    Raises
    ------
    DataError
        If the pickle is damaged, too long, or asks for anything else.

    Examples
    --------
    >>> import pickle
    >>> load_pickle(pickle.dumps({"labels": [6, 9]}, protocol=2), "data_batch_1")
    {'labels': [6, 9]}
    >>> load_pickle(b"cos\\nsystem\\n(S'echo gotcha'\\ntR.", "data_batch_1")
    Traceback (most recent call last):
    ...
    course_utils.errors.DataError: data_batch_1: its pickle asks for 'os system'; only NumPy arrays and ...
    """
    with guard(file):
        return _Interpreter(file, len(content)).run(content)


class _Role:
    """What a name that the pickle imports stands for: a token, not the thing itself."""

    def __init__(self, name):
        self.name = name


class _DType:
    """A dtype under construction: kind and size come first, the byte order may follow."""

    def __init__(self, spec, file):
        if not isinstance(spec, str):
            raise DataError(f"{file}: its pickle is damaged (the dtype of an array is a {type(spec).__name__})")
        if not _DTYPE.fullmatch(spec):
            raise DataError(f"{file}: its pickle has an array of dtype {spec[:40]!r}; it must be numbers or text")
        self.spec = spec

    def build(self, state):
        order = state[1]
        if order in ("<", ">"):
            self.spec = order + self.spec.lstrip("<>|=")

    def finished(self):
        return np.dtype(self.spec)


class _Array:
    """An array under construction, and the memo slots that must be told when it is finished."""

    def __init__(self):
        self.slots = []


class _Interpreter:
    """The stack machine of the pickle language, cut down to what arrays and plain containers need."""

    def __init__(self, file, size):
        self._file = file
        # Raw data stand in the pickle once, so all arrays together cannot be larger than the pickle.
        self._raw_left = size
        self._stack, self._marks, self._memo = [], [], {}

    def run(self, content):
        for step, (opcode, argument, _) in enumerate(pickletools.genops(content)):
            if step >= _MAX_STEPS:
                raise DataError(f"{self._file}: its pickle has more than {_MAX_STEPS} steps")
            self._step(opcode.name, argument)
        return self._finished(self._stack.pop())

    def _step(self, name, argument):
        if name in _LITERALS:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _SHORT_TUPLES:
            self._stack.append(tuple(self._pop(_SHORT_TUPLES[name])))
        elif name not in _IGNORED:
            handler = getattr(self, f"_do_{name.lower()}", None)
            if handler is None:
                raise DataError(
                    f"{self._file}: its pickle uses {name}; only NumPy arrays and plain containers are read"
                )
            handler(argument)

    def _pop(self, count):
        if count > len(self._stack):
            raise DataError(f"{self._file}: its pickle is damaged (it takes {count} from {len(self._stack)} values)")
        values = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return values

    def _pop_to_mark(self):
        return self._pop(len(self._stack) - self._marks.pop())

    def _do_mark(self, _):
        self._marks.append(len(self._stack))

    def _do_pop(self, _):
        self._pop(1)

    def _do_pop_mark(self, _):
        self._pop_to_mark()

    def _do_dup(self, _):
        self._stack.append(self._stack[-1])

    def _do_empty_list(self, _):
        self._stack.append([])

    def _do_empty_dict(self, _):
        self._stack.append({})

    def _do_list(self, _):
        self._stack.append(self._pop_to_mark())

    def _do_tuple(self, _):
        self._stack.append(tuple(self._pop_to_mark()))

    def _do_dict(self, _):
        items = self._pop_to_mark()
        self._stack.append({})
        self._set_items(items)

    def _do_append(self, _):
        self._extend(self._pop(1))

    def _do_appends(self, _):
        self._extend(self._pop_to_mark())

    def _do_setitem(self, _):
        self._set_items(self._pop(2))

    def _do_setitems(self, _):
        self._set_items(self._pop_to_mark())

    def _do_put(self, argument):
        value = self._stack[-1]
        self._memo[argument] = value
        if isinstance(value, _Array):
            value.slots.append(argument)

    _do_binput = _do_long_binput = _do_put

    def _do_memoize(self, _):
        self._do_put(len(self._memo))

    def _do_get(self, argument):
        self._stack.append(self._memo[argument])

    _do_binget = _do_long_binget = _do_get

    def _do_global(self, argument):
        if argument not in _ROLES:
            raise DataError(
                f"{self._file}: its pickle asks for {argument[:80]!r}; only NumPy arrays and plain containers are read"
            )
        self._stack.append(_Role(_ROLES[argument]))

    def _do_stack_global(self, _):
        names = self._pop(2)
        if not all(isinstance(name, str) for name in names):
            raise DataError(f"{self._file}: its pickle is damaged (it imports by a name that is no text)")
        self._do_global(" ".join(names))

    def _do_reduce(self, _):
        role, arguments = self._pop(2)
        if not isinstance(role, _Role) or not isinstance(arguments, tuple):
            raise DataError(f"{self._file}: its pickle calls a {type(role).__name__}; it may only make arrays")
        if role.name == "array":
            self._stack.append(_Array())
        elif role.name == "dtype":
            self._stack.append(_DType(arguments[0], self._file))
        elif role.name == "scalar":
            self._stack.append(self._array((), arguments[0], False, arguments[1]).item())
        elif role.name == "encode" and arguments[1] == "latin1":
            self._stack.append(arguments[0].encode("latin-1"))
        elif role.name == "no bytes" and arguments == ():
            self._stack.append(b"")
        else:
            raise DataError(f"{self._file}: its pickle calls {role.name} in a way that arrays do not need")

    def _do_build(self, _):
        target, state = self._pop(2)
        if isinstance(target, _DType):
            target.build(state)
            self._stack.append(target)
        elif isinstance(target, _Array):
            _, shape, dtype, fortran_order, raw = state
            array = self._array(shape, dtype, fortran_order, raw)
            self._stack.append(array)
            for slot in target.slots:
                self._memo[slot] = array
        else:
            raise DataError(f"{self._file}: its pickle changes a {type(target).__name__}; it may only make arrays")

    def _extend(self, values):
        if not isinstance(self._stack[-1], list):
            raise DataError(f"{self._file}: its pickle is damaged (it appends to no list)")
        self._stack[-1].extend(self._finished(value) for value in values)

    def _set_items(self, items):
        keys, values = items[::2], items[1::2]
        # Keys are plain because a hash of tuples nested a million deep would exhaust the C stack.
        if len(keys) != len(values) or not all(isinstance(key, (str, bytes)) for key in keys):
            raise DataError(f"{self._file}: its pickle has a dict whose keys are not text")
        self._stack[-1].update(zip(keys, map(self._finished, values), strict=True))

    def _finished(self, value):
        if isinstance(value, (_Role, _DType, _Array)):
            raise DataError(f"{self._file}: its pickle is damaged (it stores an unfinished array)")
        return value

    def _array(self, shape, dtype, fortran_order, raw):
        axes = isinstance(shape, tuple) and len(shape) <= _MAX_AXES and all(type(side) is int for side in shape)
        if not axes or not isinstance(dtype, _DType):
            raise DataError(f"{self._file}: its pickle is damaged (an array has no proper shape or dtype)")
        dtype = dtype.finished()
        if dtype.hasobject:
            if shape != () or not isinstance(raw, list) or len(raw) != 1:
                raise DataError(f"{self._file}: holds an array of objects, shape {shape}; it must hold numbers")
            return raw[0]
        if isinstance(raw, str):
            raw = raw.encode("latin-1")
        self._raw_left -= len(raw)
        promised = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or promised != len(raw) or self._raw_left < 0:
            raise DataError(
                f"{self._file}: its pickle has an array of shape {shape} and dtype {dtype}, "
                f"{promised} bytes; there are {len(raw)}"
            )
        return np.ndarray(shape, dtype, buffer=raw, order="F" if fortran_order else "C")
