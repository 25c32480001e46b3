import io
import zlib

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils.datasets import untrusted
from course_utils.datasets.matlab import load_mat
from course_utils.errors import CourseError, DataError

NUMERIC = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
ARRAYS = hnp.arrays(st.sampled_from(NUMERIC), hnp.array_shapes(min_dims=2, max_dims=4, min_side=0, max_side=5))


def save(variables, **options):
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables, **options)
    return buffer.getvalue()


@given(ARRAYS, ARRAYS, st.booleans())
def test_arrays_come_back_as_scipy_reads_them(x, y, compressed):
    content = save({"X": x, "note": "hello", "a_longer_name": y}, do_compression=compressed)
    arrays, found = load_mat(content, "x.mat", ["X", "a_longer_name", "absent"])
    theirs = scipy.io.loadmat(io.BytesIO(content))
    assert found == ["X", "note", "a_longer_name"]
    assert set(arrays) == {"X", "a_longer_name"}
    for name, array in arrays.items():
        assert array.dtype == theirs[name].dtype
        assert np.array_equal(array, theirs[name], equal_nan=True)


def element(kind, content, order="big"):
    return kind.to_bytes(4, order) + len(content).to_bytes(4, order) + content + bytes(-len(content) % 8)


def test_the_other_byte_order_is_read():
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI"
    fields = [element(6, bytes([0, 0, 0, 6]) + bytes(4)), element(5, np.array([2, 1], ">i4").tobytes())]
    fields += [element(1, b"y"), element(3, np.array([-7, 9], ">i2").tobytes())]
    arrays, _ = load_mat(header + element(14, b"".join(fields)), "x.mat", ["y"])
    assert arrays["y"].dtype == np.float64
    assert arrays["y"].tolist() == [[-7.0], [9.0]]


@pytest.mark.parametrize(
    "value",
    ["text", np.array([[1 + 2j]]), {"a": 1}, np.array([[1, "a"]], dtype=object)],
    ids=["text", "complex", "struct", "cell"],
)
def test_other_classes_are_passed_over_or_refused(value):
    content = save({"X": value, "y": np.eye(2)})
    arrays, found = load_mat(content, "x.mat", ["y"])
    assert np.array_equal(arrays["y"], np.eye(2))
    assert found == ["X", "y"]
    with pytest.raises(DataError, match=r"x\.mat\[X\]: is of MATLAB class \d+; it must be a real numeric array"):
        load_mat(content, "x.mat", ["X"])


def test_the_format_of_matlab_7_3_has_a_message_of_its_own():
    with pytest.raises(DataError, match="is a MATLAB 7.3 file; save it in MATLAB with the option -v7"):
        load_mat(b"MATLAB 7.3 MAT-file, Platform".ljust(512) + b"\x89HDF\r\n\x1a\n", "x.mat", ["X"])


@pytest.mark.parametrize("content", [b"", b"PK\3\4" * 50, b"<html>" * 30, bytes(200)])
def test_other_files_are_refused(content):
    with pytest.raises(DataError, match=r"x\.mat: is not a MATLAB 5 file"):
        load_mat(content, "x.mat", ["X"])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("cut", [1, 3, 8, 50, 200])
def test_a_truncated_file_is_an_error(compressed, cut):
    content = save(
        {"X": np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)}, do_compression=compressed
    )
    with pytest.raises(DataError, match=r"x\.mat: ends within an element of \d+ bytes"):
        load_mat(content[:-cut], "x.mat", ["X"])


def test_a_compressed_bomb_is_refused(monkeypatch):
    monkeypatch.setattr(untrusted, "_SMALL", 1 << 20)
    content = save({"X": np.zeros((5_000, 5_000), dtype=np.uint8)}, do_compression=True)
    with pytest.raises(DataError, match=r"x\.mat: grows to more than \d+ bytes"):
        load_mat(content, "x.mat", ["X"])


def test_bombs_add_up(monkeypatch):
    monkeypatch.setattr(untrusted, "_SMALL", 1 << 20)
    variables = {name: np.zeros((900, 1000), dtype=np.uint8) for name in "abcdefgh"}
    with pytest.raises(DataError, match=r"x\.mat: grows to more than"):
        load_mat(save(variables, do_compression=True), "x.mat", [])


def test_a_shape_must_fit_the_numbers():
    content = bytearray(save({"X": np.zeros((4, 4), dtype=np.uint8)}))
    position = content.index(np.array([4, 4], "<i4").tobytes())
    for shape in ([4, 5], [-4, -4], [2**31 - 1, 2**31 - 1]):
        content[position : position + 8] = np.array(shape, "<i4").tobytes()
        with pytest.raises(DataError, match=r"x\.mat\[X\]: its shape is .*; there are 16 numbers"):
            load_mat(bytes(content), "x.mat", ["X"])


SEEDS = [
    save({"X": np.arange(48, dtype=np.uint8).reshape(4, 4, 3, 1), "y": np.ones((1, 1))}, do_compression=compressed)
    for compressed in (False, True)
]


def message_of(content):
    """Return the message of the only kind of error that may escape, or one that says that there is none."""
    try:
        load_mat(content, "x.mat", ["X", "y"])
    except CourseError as error:
        return str(error)
    return "x.mat is read"


@settings(max_examples=500)
@given(
    st.sampled_from(SEEDS),
    st.lists(
        st.tuples(st.integers(120, 700), st.sampled_from([0, 1, 2, 14, 15, 127, 128, 255]) | st.integers(0, 255)),
        max_size=6,
    ),
    st.integers(0, 40),
)
def test_only_data_errors_escape_from_mutated_files(content, changes, cut):
    mutated = bytearray(content)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    assert message_of(bytes(mutated[: len(mutated) - cut])).startswith("x.mat")


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 250), st.integers(0, 255)), min_size=1, max_size=4))
def test_only_data_errors_escape_from_mutations_inside_the_compression(changes):
    plain = bytearray(SEEDS[0][128:])
    for position, value in changes:
        plain[position % len(plain)] = value
    packed = zlib.compress(bytes(plain))
    content = SEEDS[0][:128] + element(15, packed, "little")[: 8 + len(packed)]
    assert message_of(content).startswith("x.mat")
