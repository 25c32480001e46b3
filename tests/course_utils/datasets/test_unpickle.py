"""Pickles are read without being run."""

import io
import os
import pickle
import pickletools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils.datasets import unpickle
from course_utils.datasets.unpickle import load_pickle
from course_utils.errors import CourseError, DataError

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3) | st.binary(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)

DTYPES = ["u1", "<i2", ">i4", "i8", "f4", ">f8", "?", "<U3", "S2"]
ARRAYS = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, min_side=0, max_side=4))


@given(PLAIN, st.integers(0, 4))
def test_plain_containers_come_back_as_pickle_gives_them(value, protocol):
    assert load_pickle(pickle.dumps({"value": value}, protocol=protocol), "x") == {"value": value}


@given(ARRAYS, st.booleans(), st.integers(0, 4))
def test_arrays_come_back_as_pickle_gives_them(array, fortran, protocol):
    array = array.copy(order="F") if fortran else array
    # The same array twice: the second is a reference to the first.
    loaded = load_pickle(pickle.dumps({"a": array, "b": array}, protocol=protocol), "x")
    for ours in (loaded["a"], loaded["b"]):
        assert ours.dtype == array.dtype
        assert ours.shape == array.shape
        assert ours.tobytes() == array.tobytes()


def test_a_saved_dict_comes_back_as_the_dict():
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.array({"target": np.arange(3)}, dtype=object), allow_pickle=True)
    content = buffer.getvalue()
    pickled = content[content.index(b"\x80", 20) :]
    assert load_pickle(pickled, "x")["target"].tolist() == [0, 1, 2]


def test_what_python_2_wrote_comes_as_latin_1():
    # protocol 2, a dict of str to str: {'batch_label': 'caf\xe9'}
    assert load_pickle(b"\x80\x02}q\x01U\x0bbatch_labelq\x02U\x04caf\xe9q\x03s.", "x") == {"batch_label": "café"}


def message_of(pickled):
    """Return the message of the only kind of error that may escape, or one that says that there is none."""
    try:
        load_pickle(pickled, "x")
    except CourseError as error:
        return str(error)
    return "x: is read"


class Runs:
    """Pickles as a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def forbidden():
    pytest.fail("the pickle was run")


@pytest.mark.parametrize(
    "value",
    [
        Runs(forbidden),
        Runs(os.system, "exit 1"),
        Runs(eval, "forbidden()"),
        Runs(np.load, "file"),
        Runs(np.fromfile, "file"),
        {"data": np.zeros(2), "labels": Runs(forbidden)},
        [np.array([Runs(forbidden)], dtype=object)],
        np.zeros(2, dtype=[("a", "u1")]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.ma.masked_array([1, 2], [0, 1]),
        {1, 2},
        frozenset([1]),
        range(3),
        np.array([1, "a"], dtype=object),
        slice(3),
        1j,
        pickle.PickleError,
        bytearray(b"x"),
        {(1, 2): 3},
        {None: 1},
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", range(6))
def test_anything_else_is_refused(value, protocol):
    pickled = pickle.dumps(value, protocol=protocol)
    with pytest.raises(DataError, match=r"^x: its pickle|^x: holds an array of objects"):
        load_pickle(pickled, "x")


def test_the_refusal_names_what_was_asked_for():
    with pytest.raises(
        DataError, match="x: its pickle asks for '(posix|nt) system'; only NumPy arrays and plain containers"
    ):
        load_pickle(pickle.dumps(Runs(os.system, "exit 1"), protocol=4), "x")


REBUILD = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nI0\ntS'b'\ntR"


@pytest.mark.parametrize(
    "pickled",
    [
        b"cnumpy\ndtype\n}S'__init__'\nI1\nsb.",  # attributes set on a token
        b"cnumpy\ndtype\n(S'u1'\ntR(I3\nNNNNNNNtb.",  # a dtype is no value
        b"cnumpy\ndtype\n(S'V99999999'\ntR.",
        b"cnumpy\nndarray\n(I1000000000\ntR.",  # an array by its constructor
        b"cnumpy.core.multiarray\n_reconstruct\n(tR.",  # never finished
        b"(lcnumpy.core.multiarray\n_reconstruct\n(tRa.",  # never finished, in a list
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"I1\nI2\nR.",
        b"I1\nb.",
        b"I1\n}b.",
        b"I1\nI2\na.",
        b"0.",
        b".",
        b"",
        b"I1\n",
        b"g5\n.",
        b"\x85.",
        b"(I1\nd.",
        b"t.",
        b"\x80\xff.",
        b"P1\n.",
    ],
)
def test_malformed_pickles_are_data_errors(pickled):
    with pytest.raises(DataError, match="^x: "):
        load_pickle(pickled, "x")


@pytest.mark.parametrize(
    "shape", ["(I1000000000000\nt", "(I-3\nt", "(I3\nI-1\nt", "(I2\nt", "(" + "I1\n" * 40 + "t", "I3\n"]
)
def test_a_shape_must_fit_the_bytes(shape):
    head = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
    dtype = b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR"
    with pytest.raises(DataError, match="^x: its pickle"):
        load_pickle(head + b"(I1\n" + shape.encode() + dtype + b"I00\nS'abc'\ntb.", "x")
    whole = b"}S'a'\n" + head + b"(I1\n(I3\nt" + dtype + b"I00\nS'abc'\ntbs."
    assert load_pickle(whole, "x")["a"].tobytes() == b"abc"


def test_containers_that_hold_themselves_many_times_over_cost_nothing():
    # Sixty pairs, each of the one before: written out, it would be 2**60 numbers.
    doubled = b"I1\n" + b"q\x07h\x07\x86" * 60
    for pickled in (
        doubled + b".",
        b"cnumpy\ndtype\n(" + doubled + b"tR.",
        b"(lp0\n" + doubled + b"ag0\n" + doubled + b"\x93.",
        doubled + b"I1\n\x93.",
        b"cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n" + doubled + b"cnumpy\ndtype\n(S'u1'\ntRI00\nS'abc'\ntb.",
        b"}" + doubled + b"I1\ns.",
    ):
        tracemalloc.start()
        message = message_of(pickled)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20
        assert len(message) < 500


def test_raw_bytes_count_once():
    # One text of 100 kB made into an array 100 times would be 10 MB from a file of 100 kB.
    text = b"X" + (100_000).to_bytes(4, "little") + b"a" * 100_000 + b"q\x00"
    head = b"cnumpy.core.multiarray\n_reconstruct\n(tR(I1\n(I100000\ntcnumpy\ndtype\n(S'u1'\ntRI00\nh\x00tb"
    with pytest.raises(DataError, match="its pickle makes more bytes than it has"):
        load_pickle(b"](" + text + head * 100 + b"e.", "x")


def test_a_pickle_has_so_many_steps_and_no_more(monkeypatch):
    monkeypatch.setattr(unpickle._Reads, "left", 100)
    with pytest.raises(DataError, match="it has too many steps"):
        load_pickle(b"]" * 200 + b".", "x")


def test_deep_nesting_does_not_exhaust_the_stack():
    assert list(load_pickle(b"}S'a'\n)" + b"\x85" * 100_000 + b"s.", "x")) == ["a"]
    with pytest.raises(DataError, match="keys are not text"):
        load_pickle(b"})" + b"\x85" * 100_000 + b"I1\ns.", "x")


SEED = pickle.dumps({b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), b"labels": [1, 2, 3]}, protocol=2)


@settings(max_examples=500)
@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 60)
)
def test_only_data_errors_escape_from_mutated_pickles(changes, cut):
    mutated = bytearray(SEED)
    for position, value in changes:
        mutated[position] = value
    assert message_of(bytes(mutated[: len(mutated) - cut])).startswith("x: ")


OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
SCRAPS = [b"numpy\nndarray\n", b"numpy.core.multiarray\n_reconstruct\n", b"I3\n", b"S'u1'\n", b"\x01", b"\0\0\0\x7f"]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(OPCODES + SCRAPS), max_size=40).map(b"".join))
def test_only_data_errors_escape_from_random_programs(pickled):
    assert message_of(pickled + b".").startswith("x: ")


@pytest.mark.parametrize(
    "pickled",
    [
        b"}r\xff\xff\xff\x7f.",  # a memo slot far away
        b"}I1\nI2\nI3\nI4\nb.",
        b"(c_codecs\nencode\nS'a'\n(I1\nI1\nI1\nI1\ntR.",
        b"c__builtin__\nbytes\n(I100000000000\ntR.",
        b"]q\0(" + b"(I1\nI1\nt" * 1000 + b"ec__builtin__\nbytes\nh\0R.",
        b"c_codecs\nencode\n(X" + (1 << 20).to_bytes(4, "little") + b"a" * (1 << 20) + b"q\0S'latin1'\nq\1tR" + b"0",
    ],
)
def test_a_small_pickle_takes_little_memory(pickled):
    tracemalloc.start()
    message_of(pickled)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
