"""Every format of labelled images: what comes out of a good file, and what is said of a bad one."""

import gzip
import io
import pickle
import resource
import tarfile
import zipfile

import cv2
import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.datasets import formats
from course_utils.errors import CourseError, DataError

RNG = np.random.default_rng(0)
GREY_TRAIN = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
GREY_TEST = RNG.integers(0, 256, (10, 28, 28), dtype=np.uint8)
COLOUR_TRAIN = RNG.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
COLOUR_TEST = RNG.integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
Y_TRAIN = np.arange(20) % 10
Y_TEST = np.arange(10)[::-1]


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


def write_idx(folder, *, packed=True, **changes):
    contents = {
        "train-images-idx3-ubyte": idx(GREY_TRAIN),
        "train-labels-idx1-ubyte": idx(Y_TRAIN),
        "t10k-images-idx3-ubyte": idx(GREY_TEST),
        "t10k-labels-idx1-ubyte": idx(Y_TEST),
    }
    contents |= {name.replace("_", "-"): content for name, content in changes.items()}
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return folder


def write_npz(path, *, compressed=True, **changes):
    arrays = {"x_train": GREY_TRAIN, "y_train": Y_TRAIN, "x_test": GREY_TEST, "y_test": Y_TEST} | changes
    save = np.savez_compressed if compressed else np.savez
    save(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def cifar_batch(x, y, *, protocol=2, text=lambda name: name.encode()):
    batch = {
        text("batch_label"): text("training batch 1 of 5"),
        text("labels"): [int(label) for label in y],
        text("data"): x.transpose(0, 3, 1, 2).reshape(len(x), -1),
        text("filenames"): [text(f"{number}.png") for number in range(len(x))],
    }
    return pickle.dumps(batch, protocol=protocol)


def cifar_batches(**options):
    batches = {
        f"data_batch_{number}": cifar_batch(COLOUR_TRAIN[4 * number - 4 : 4 * number], Y_TRAIN[4 * number - 4 :][:4])
        for number in range(1, 6)
    }
    return batches | {"test_batch": cifar_batch(COLOUR_TEST, Y_TEST, **options)}


def write_cifar(path, batches=None):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"batches.meta": b"ignored", **(batches or cifar_batches())}.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_mat(path, x, y, *, keys=("X", "y"), compressed=True):
    y = np.where(y == 0, 10, y).astype(np.float64 if keys == ("X", "y") else np.uint8)[:, None]
    scipy.io.savemat(path, {keys[0]: x.transpose(1, 2, 3, 0), keys[1]: y}, do_compression=compressed)
    return path


def write_five(path, **changes):
    arrays = {"features": GREY_TRAIN / 255, "target": Y_TRAIN % 5 + 1} | changes
    np.save(path, {name: array for name, array in arrays.items() if array is not None}, allow_pickle=True)
    return path


def check(parts, x_train, y_train, x_test, y_test):
    for split, x, y in ((parts.train, x_train, y_train), (parts.test, x_test, y_test)):
        assert split.x.dtype == np.uint8
        assert split.x.flags.c_contiguous
        assert split.x.flags.writeable
        assert np.array_equal(split.x, x if x.ndim == 4 else x[..., None])
        assert split.y.dtype == np.int64
        assert np.array_equal(split.y, y)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_folders(tmp_path, packed):
    check(formats.read(write_idx(tmp_path, packed=packed)), GREY_TRAIN, Y_TRAIN, GREY_TEST, Y_TEST)


@pytest.mark.parametrize("compressed", [False, True])
def test_npz_archives(tmp_path, compressed):
    path = write_npz(tmp_path / "x.npz", compressed=compressed, houses=np.arange(3))
    parts = formats.read(path)
    check(parts, GREY_TRAIN, Y_TRAIN, GREY_TEST, Y_TEST)
    assert parts.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    "changes",
    [
        {"x_train": GREY_TRAIN[..., None], "x_test": GREY_TEST[..., None]},
        {"x_train": GREY_TRAIN.astype(np.int32), "y_train": Y_TRAIN.astype(np.uint8)},
        {"x_train": np.asfortranarray(GREY_TRAIN), "y_train": Y_TRAIN.astype(np.float32)},
        {"x_train": (GREY_TRAIN / 255).astype(np.float32), "x_test": GREY_TEST / 255},
        {"x_train": np.maximum(GREY_TRAIN / 255 - 1e-6, 0), "x_test": np.minimum(GREY_TEST / 255 + 1e-6, 1)},
        {"y_train": Y_TRAIN[:, None], "y_test": Y_TEST[None]},
        {"x_train": GREY_TRAIN.astype(">u2"), "y_train": Y_TRAIN.astype(">i4")},
    ],
    ids=["channel axis", "whole numbers", "Fortran order", "floats", "inexact floats", "columns", "big-endian"],
)
def test_other_ways_to_write_the_same_arrays(tmp_path, changes):
    check(formats.read(write_npz(tmp_path / "x.npz", **changes)), GREY_TRAIN, Y_TRAIN, GREY_TEST, Y_TEST)


@pytest.mark.parametrize("way", ["archive", "folder of the archive", "folder", "folder within"])
def test_cifar_batches(tmp_path, way):
    if way.endswith("archive"):
        write_cifar(tmp_path / "cifar-10-python.tar.gz")
        path = tmp_path / "cifar-10-python.tar.gz" if way == "archive" else tmp_path
    else:
        folder = tmp_path / "cifar-10-batches-py"
        folder.mkdir()
        for name, content in cifar_batches().items():
            (folder / name).write_bytes(content)
        path = folder if way == "folder" else tmp_path
    check(formats.read(path), COLOUR_TRAIN, Y_TRAIN, COLOUR_TEST, Y_TEST)


def test_cifar_batches_pickled_by_python_3(tmp_path):
    batches = cifar_batches(protocol=4, text=str)
    check(formats.read(write_cifar(tmp_path / "c.tgz", batches)), COLOUR_TRAIN, Y_TRAIN, COLOUR_TEST, Y_TEST)


@pytest.mark.parametrize("compressed", [False, True])
def test_svhns_matlab_files(tmp_path, compressed):
    write_mat(tmp_path / "train_32x32.mat", COLOUR_TRAIN, Y_TRAIN, compressed=compressed)
    write_mat(tmp_path / "test_32x32.mat", COLOUR_TEST, Y_TEST, compressed=compressed)
    parts = formats.read(tmp_path)
    check(parts, COLOUR_TRAIN, Y_TRAIN, COLOUR_TEST, Y_TEST)
    assert parts.class_names == tuple("0123456789")


def test_the_assignments_matlab_files(tmp_path):
    write_mat(tmp_path / "q1_train.mat", COLOUR_TRAIN, Y_TRAIN, keys=("train_X", "train_Y"))
    write_mat(tmp_path / "q1_test.mat", COLOUR_TEST, Y_TEST, keys=("test_X", "test_Y"))
    check(formats.read(tmp_path), COLOUR_TRAIN, Y_TRAIN, COLOUR_TEST, Y_TEST)


@pytest.mark.parametrize("keys", [("X", "y"), ("train_X", "train_Y"), ("test_X", "test_Y")])
def test_a_single_matlab_file_is_one_part(tmp_path, keys):
    parts = formats.read(write_mat(tmp_path / "some.mat", COLOUR_TRAIN, Y_TRAIN, keys=keys))
    check(parts, COLOUR_TRAIN, Y_TRAIN, COLOUR_TRAIN[:0], Y_TRAIN[:0])


def test_the_five_class_file(tmp_path):
    parts = formats.read(write_five(tmp_path / "five.npy"))
    check(parts, GREY_TRAIN, Y_TRAIN % 5, GREY_TRAIN[:0], Y_TRAIN[:0])
    assert parts.class_names == ("1", "2", "3", "4", "5")
    np.savez(tmp_path / "five.npz", features=GREY_TRAIN / 255, target=Y_TRAIN % 5 + 1)
    check(formats.read(tmp_path / "five.npz"), GREY_TRAIN, Y_TRAIN % 5, GREY_TRAIN[:0], Y_TRAIN[:0])


def write_images(path):
    with zipfile.ZipFile(path, "w") as archive:
        for part, x, y in (("train", COLOUR_TRAIN, Y_TRAIN), ("test", COLOUR_TEST, Y_TEST)):
            for number, (image, label) in enumerate(zip(x, y, strict=True)):
                content = cv2.imencode(".png", image[..., ::-1])[1].tobytes()
                archive.writestr(f"cifar/{part}/class {label}/{number:04d}.png", content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_image_folders_and_archives(tmp_path, packed):
    path = write_images(tmp_path / "pets.zip")
    if not packed:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "pets")
        path = tmp_path / "pets"
    parts = formats.read(path)
    train, test = np.argsort(Y_TRAIN, kind="stable"), np.argsort(Y_TEST, kind="stable")
    check(parts, COLOUR_TRAIN[train], Y_TRAIN[train], COLOUR_TEST[test], Y_TEST[test])
    assert parts.class_names == tuple(f"class {label}" for label in range(10))


def test_known_class_names_are_kept(tmp_path):
    names = tuple("abcdefghij")
    assert formats.read(write_npz(tmp_path / "x.npz"), class_names=names).class_names == names
    with pytest.raises(DataError, match="its labels hold 9; they must be from 0 to 8"):
        formats.read(tmp_path / "x.npz", class_names=names[:9])


def test_every_format_is_resized_on_request(tmp_path):
    for path in (
        write_npz(tmp_path / "x.npz"),
        write_five(tmp_path / "five.npy"),
        write_images(tmp_path / "pets.zip"),
        write_mat(tmp_path / "some.mat", COLOUR_TRAIN, Y_TRAIN),
    ):
        assert formats.read(path, image_size=(7, 9)).train.x.shape[1:3] == (7, 9)


def nan_at(array, value=np.nan):
    array = array.astype(np.float64)
    array.flat[3] = value
    return array


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y_test": None}, r"x\.npz: has no array y_test; it has x_train, y_train, x_test"),
        ({"y_train": Y_TRAIN[:-1]}, r"has 20 images and labels of shape \(19,\); they must be as many"),
        ({"y_train": np.eye(20)}, r"labels of shape \(20, 20\)"),
        ({"y_train": nan_at(Y_TRAIN)}, "its labels hold nan; they must be whole numbers"),
        ({"y_train": nan_at(Y_TRAIN, np.inf)}, "its labels hold inf; they must be whole numbers"),
        ({"y_train": Y_TRAIN + 0.5}, "its labels hold 0.5; they must be whole numbers"),
        ({"y_train": Y_TRAIN - 1}, "its labels hold -1; they must be from 0 to 65535"),
        ({"y_train": Y_TRAIN * 10**9}, "its labels hold 9000000000; they must be from 0 to 65535"),
        ({"y_train": Y_TRAIN.astype(str)}, "its labels are of dtype <U"),
        ({"y_train": Y_TRAIN > 3}, "its labels are of dtype bool"),
        ({"y_train": Y_TRAIN.astype(object)}, r"x\.npz\[y_train\]: holds an array of dtype object"),
        ({"x_train": GREY_TRAIN / 100}, r"its images hold values from 0.0 to 2.55; float64 must be from 0 to 1"),
        ({"x_train": nan_at(GREY_TRAIN / 255)}, "its images hold values from nan to nan"),
        ({"x_train": GREY_TRAIN.astype(int) * 2}, "its images hold values from 0 to 510; int64 must be from 0 to 255"),
        ({"x_train": GREY_TRAIN > 100}, "its images are of dtype bool"),
        ({"x_train": GREY_TRAIN.astype(complex)}, "its images are of dtype complex128"),
        (
            {"x_train": GREY_TRAIN.reshape(20, -1)},
            r"its images have shape \(20, 784\); it must be \(n, height, width\)",
        ),
        ({"x_train": COLOUR_TRAIN[..., :2]}, r"its images have shape \(20, 32, 32, 2\)"),
        ({"x_train": GREY_TRAIN[:0], "y_train": Y_TRAIN[:0]}, r"its images have shape \(0, 28, 28, 1\)"),
        ({"x_train": GREY_TRAIN[:, :0]}, r"its images have shape \(20, 0, 28, 1\)"),
        ({"x_train": COLOUR_TRAIN}, r"the training images are of \(32, 32, 3\), the test images of \(28, 28, 1\)"),
    ],
)
def test_bad_arrays_are_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        formats.read(write_npz(tmp_path / "x.npz", **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images_idx3_ubyte": b""}, r"train-images-idx3-ubyte\.gz: starts with the bytes \(none\)"),
        ({"train_images_idx3_ubyte": b"\0\0\x0d\3" + bytes(16)}, "starts with the bytes 00 00 0d 03; .* 00 00 08"),
        ({"train_images_idx3_ubyte": b"<html>"}, "starts with the bytes 3c 68 74 6d"),
        ({"train_images_idx3_ubyte": idx(GREY_TRAIN)[:-1]}, r"shape \(20, 28, 28\), 15680 bytes; there are 15679"),
        ({"train_images_idx3_ubyte": idx(GREY_TRAIN) + b"x"}, "there are 15681, so the file is damaged"),
        ({"train_images_idx3_ubyte": b"\0\0\x08\3" + b"\xff" * 12}, r"shape \(4294967295, 4294967295, 4294967295\)"),
        ({"train_images_idx3_ubyte": b"\0\0\x08\3\0"}, "ends within its header of 16 bytes"),
        ({"train_labels_idx1_ubyte": idx(Y_TRAIN[:5])}, r"has 20 images and labels of shape \(5,\)"),
        ({"train_labels_idx1_ubyte": idx(GREY_TRAIN)}, r"labels of shape \(20, 28, 28\)"),
    ],
)
def test_bad_idx_files_are_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        formats.read(write_idx(tmp_path, **changes))


def test_a_truncated_gzip_is_named(tmp_path):
    path = write_idx(tmp_path) / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte\.gz: cannot be read \(EOFError"):
        formats.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": None}, r"five\.npy: has no array target; it has features"),
        ({"target": Y_TRAIN % 5}, "target holds 0; it must be from 1 to 5"),
        ({"target": Y_TRAIN + 1}, "its labels hold 9; they must be from 0 to 4"),
        ({"target": Y_TRAIN.tolist()}, "has no array target"),
        ({"features": "x"}, "has no array features"),
        ({"features": GREY_TRAIN / 254}, "must be from 0 to 1"),
        ({"features": 1.0}, "has no array features"),
        ({"target": Y_TRAIN[:3] % 5 + 1}, r"has 20 images and labels of shape \(3,\)"),
        ({"target": np.zeros(0), "features": GREY_TRAIN[:0]}, "there must be at least 1"),
    ],
)
def test_bad_five_class_files_are_named(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        formats.read(write_five(tmp_path / "five.npy", **changes))


def test_an_npy_of_one_array_is_no_data_set(tmp_path):
    np.save(tmp_path / "x.npy", GREY_TRAIN)
    with pytest.raises(DataError, match="holds a single ndarray; it must hold a dict of features and target"):
        formats.read(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        (pickle.dumps([1, 2]), "test_batch: its pickle holds a list; it must hold a dict"),
        (pickle.dumps({"data": COLOUR_TEST}), "test_batch: has no data and labels; it has data"),
        (pickle.dumps({"data": COLOUR_TEST, "labels": list(range(10))}, 2), r"data has shape \(10, 32, 32, 3\)"),
        (cifar_batch(COLOUR_TEST, Y_TEST[:9]), r"has 10 images and labels of shape \(9,\)"),
        (cifar_batch(COLOUR_TEST, Y_TEST).replace(b"labels", b"lables"), "it has batch_label, lables, data, filenames"),
        (pickle.dumps({"data": COLOUR_TEST.reshape(10, -1), "labels": [[0]] * 10}, 2), "has no data and labels"),
        (pickle.dumps({"data": COLOUR_TEST.reshape(10, -1), "labels": [10**30] * 10}, 2), "labels are of dtype object"),
        (b"", r"test_batch: cannot be read \(EOFError"),
    ],
)
def test_bad_cifar_batches_are_named(tmp_path, batch, message):
    with pytest.raises(DataError, match=message):
        formats.read(write_cifar(tmp_path / "c.tar.gz", cifar_batches() | {"test_batch": batch}))


def test_a_missing_cifar_batch_is_named(tmp_path):
    batches = cifar_batches()
    del batches["data_batch_3"]
    with pytest.raises(DataError, match="has no data_batch_3; it has data_batch_1, data_batch_2"):
        formats.read(write_cifar(tmp_path / "c.tar.gz", batches))


def test_bad_matlab_files_are_named(tmp_path):
    path = tmp_path / "train_32x32.mat"
    scipy.io.savemat(path, {"images": COLOUR_TRAIN, "y": Y_TRAIN})
    with pytest.raises(DataError, match=r"has no X and y, nor train_X and train_Y; it has images, y"):
        formats.read(path)
    scipy.io.savemat(path, {"X": GREY_TRAIN, "y": Y_TRAIN})
    with pytest.raises(DataError, match=r"X has shape \(20, 28, 28\); it must be \(height, width, channels, n\)"):
        formats.read(path)
    scipy.io.savemat(path, {"X": COLOUR_TRAIN.transpose(1, 2, 3, 0), "y": Y_TRAIN + 5})
    with pytest.raises(DataError, match="its labels hold 14; they must be from 0 to 9"):
        formats.read(path)
    write_mat(path, COLOUR_TRAIN, Y_TRAIN, keys=("train_X", "train_Y"))
    write_mat(tmp_path / "test_32x32.mat", COLOUR_TEST, Y_TEST)
    with pytest.raises(DataError, match=r"train_32x32\.mat: has no X and y; it has train_X"):
        formats.read(tmp_path)


def test_unknown_formats_are_named(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"notes\.txt: is in no known format; known are a \.npz"):
        formats.read(tmp_path / "notes.txt")
    with pytest.raises(DataError, match=r"is in no known format \(it holds notes\.txt\); known are"):
        formats.read(tmp_path)
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c" / "1.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"is in no known format \(it holds b\); known are"):
        formats.read(tmp_path)
    with pytest.raises(DataError, match="there is no such file or folder"):
        formats.read(tmp_path / "nowhere")


def test_data_for_matching_are_sent_to_load_reid(tmp_path):
    np.savez(tmp_path / "o.npz", images=GREY_TRAIN, ids=Y_TRAIN, drawer=Y_TRAIN, alphabet=Y_TRAIN)
    with pytest.raises(DataError, match="holds characters to match, not classes; load_reid reads it"):
        formats.read(tmp_path / "o.npz")
    (tmp_path / "street" / "query").mkdir(parents=True)
    (tmp_path / "street" / "query" / "0001_c1.png").write_bytes(cv2.imencode(".png", COLOUR_TEST[0])[1].tobytes())
    with pytest.raises(DataError, match="holds people to match, not classes; load_reid reads it"):
        formats.read(tmp_path / "street")


def test_completeness_is_told_from_names(tmp_path):
    folder = write_idx(tmp_path / "idx")
    assert formats.is_complete(folder)
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert not formats.is_complete(folder)
    for name in ("x.npz", "x.npy", "x.mat", "x.zip", "x.tar.gz", "x.tgz"):
        (tmp_path / name).touch()
        assert formats.is_complete(tmp_path / name)
    (tmp_path / "x.txt").touch()
    assert not formats.is_complete(tmp_path / "x.txt")
    omniglot = tmp_path / "omniglot"
    omniglot.mkdir()
    (omniglot / "images_background.zip").touch()
    assert not formats.is_complete(omniglot)
    (omniglot / "images_evaluation.zip").touch()
    assert formats.is_complete(omniglot)


# Fuzzing: a valid file of each format, damaged in every way; only a CourseError may come of it, or the data.

SMALL = RNG.integers(0, 256, (6, 8, 8), dtype=np.uint8)


@pytest.fixture(scope="module")
def valid_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("valid")
    labels = np.arange(6)
    small = {"x_train": SMALL, "y_train": labels, "x_test": SMALL, "y_test": labels}
    image = cv2.imencode(".jpg", cv2.blur(SMALL[0], (3, 3)))[1].tobytes()
    write_npz(folder / "stored.npz", compressed=False, **small)
    write_npz(folder / "deflated.npz", **small)
    write_five(folder / "five.npy", features=SMALL / 255, target=labels % 5 + 1)
    write_cifar(folder / "cifar.tar.gz")
    with zipfile.ZipFile(folder / "images.zip", "w") as archive:
        for name in ("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"):
            archive.writestr(name, image)
    write_mat(folder / "plain.mat", COLOUR_TEST[:2, :8, :8], Y_TEST[:2], compressed=False)
    write_mat(folder / "deflated.mat", COLOUR_TEST[:2, :8, :8], Y_TEST[:2])
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in files:
        formats.read(folder / name)
    return files


@pytest.mark.parametrize(
    "name",
    ["stored.npz", "deflated.npz", "five.npy", "cifar.tar.gz", "images.zip", "plain.mat", "deflated.mat"],
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_only_course_errors_escape_from_damaged_files(valid_files, tmp_path, name, data):
    content = bytearray(valid_files[name])
    size = len(content)
    # Headers stand at the beginning and, in a zip archive, at the end: most damage is done there.
    positions = (
        st.integers(0, min(300, size - 1)) | st.integers(max(0, size - 300), size - 1) | st.integers(0, size - 1)
    )
    extremes = st.sampled_from([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])
    for position, value in data.draw(
        st.lists(st.tuples(positions, extremes | st.binary(min_size=1, max_size=4)), max_size=4)
    ):
        content[position : position + len(value)] = value
    content = content[: data.draw(st.just(size) | st.integers(0, size))]
    path = tmp_path / name
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        outcome = formats.read(path)
    except CourseError as error:
        outcome = str(error)
    assert isinstance(outcome, formats.Parts) or outcome.startswith(str(path))
    # Kilobytes on Linux, bytes on a Mac, where this bound is all the wider.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(header=st.binary(max_size=16), rest=st.binary(max_size=64), packed=st.booleans())
def test_only_course_errors_escape_from_damaged_idx_files(tmp_path, header, rest, packed):
    content = b"\0\0\x08" + header + rest
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(content) if packed else content)
    try:
        outcome = formats.read_idx(path)
    except CourseError as error:
        outcome = str(error)
    assert isinstance(outcome, np.ndarray) or outcome.startswith(str(path))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from(["x.npz", "x.npy", "x.mat", "x.zip", "x.tar.gz", "x.tar"]), content=st.binary(max_size=400))
def test_only_course_errors_escape_from_noise(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CourseError, match=r"^\S+x\.\w+"):
        formats.read(path)
