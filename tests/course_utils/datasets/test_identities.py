"""Photographs sorted by identity, as people have them: what is read of folders and manifests, and who is sought."""

import io
import os
import re
import shutil
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import retrieval
from course_utils.datasets import find, identities, load_reid, local, trees
from course_utils.errors import ArgumentError, CourseError, DataError, MissingExtraError

RNG = np.random.default_rng(0)
FOLDERS = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)


@pytest.fixture(autouse=True)
def nothing_but_tmp_path(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setattr(local, "project_folder", lambda: None)


def write(root, files, *, packed=False):
    """Write files, and empty folders (``None``), and zip them if asked."""
    for name, content in files.items():
        (root / name if content is None else (root / name).parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            (root / name).write_bytes(content)
    return Path(shutil.make_archive(root, "zip", root)) if packed else root


def encode(image, suffix=".png"):
    return cv2.imencode(suffix, image)[1].tobytes()


def photo(number, size=(4, 3), suffix=".png"):
    """A picture that tells its number."""
    return encode(np.full((*size, 3), number, dtype=np.uint8), suffix)


def photos(*names):
    """Files of these names, each a picture of its position."""
    return {name: photo(number) for number, name in enumerate(names)}


def shown(split):
    """The numbers that the pictures of a part tell."""
    return split.images[:, 0, 0, 0].tolist()


def zoo(shots=3, who=("ida", "bo", "cy", "10", "9"), prefix=""):
    return photos(*(f"{prefix}{name}/{shot}.png" for name in who for shot in range(shots)))


# Folders


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("top", ["", "wrapped/"])
@pytest.mark.parametrize(
    "parts",
    [
        ("train", "gallery", "probe"),
        ("Training", "Testing/Gallery", "Testing/Probe"),
        ("bounding_box_train", "bounding_box_test", "query"),
        ("TRAIN", "test/gallery", "test/Query"),
    ],
)
def test_parts_of_identities(tmp_path, parts, top, packed):
    train, gallery, probe = parts
    names = [f"{train}/ida/1.png", f"{train}/10/1.png", f"{train}/9/1.png"]
    names += [f"{gallery}/bo/1.png", f"{gallery}/bo/2.png", f"{gallery}/cy/1.png", f"{probe}/bo/7.png"]
    files = {f"{top}{name}": content for name, content in photos(*names).items()} | {f"{top}README.md": b"x"}
    data = load_reid(write(tmp_path / "zoo", files, packed=packed))
    assert data.identities == ("9", "10", "bo", "cy", "ida")
    told = [{(data.identities[i], n) for i, n in zip(part.ids, shown(part), strict=True)} for part in parts_of(data)]
    assert told == [{("ida", 0), ("10", 1), ("9", 2)}, {("bo", 3), ("bo", 4), ("cy", 5)}, {("bo", 6)}]
    assert all(part.ids.dtype == part.cameras.dtype == np.int64 for part in parts_of(data))
    assert data.provenance.kind == "user"
    assert data.provenance.caveat == ""


def parts_of(data):
    return data.train, data.gallery, data.probe


def test_a_test_part_is_divided_by_the_seed(tmp_path):
    files = zoo(prefix="train/") | zoo(prefix="Test/", who=("kim", "lu", "mo")) | photos("Test/solo/1.png")
    path = write(tmp_path / "zoo", files)
    probes = set()
    for seed in range(8):
        data, again = load_reid(path, seed=seed), load_reid(path, seed=seed)
        assert [data.identities[i] for i in np.unique(data.probe.ids)] == ["kim", "lu", "mo"]
        assert len(data.probe.ids) == 3
        assert sorted(np.bincount(data.gallery.ids)[np.unique(data.gallery.ids)].tolist()) == [1, 2, 2, 2]
        assert sorted(shown(data.gallery) + shown(data.probe)) == sorted([*range(9), 0])
        assert shown(data.probe) == shown(again.probe)
        assert np.array_equal(data.train.images, load_reid(path, seed=99).train.images)
        probes.add(tuple(shown(data.probe)))
        assert data.provenance.caveat == f"the probes are one test image of each identity, drawn with seed {seed}"
    assert len(probes) > 3


def test_validation_is_for_training_or_is_the_test(tmp_path):
    both = load_reid(write(tmp_path / "a", zoo(prefix="train/") | zoo(prefix="val/") | zoo(prefix="testing/")))
    assert (len(both.train.ids), len(both.gallery.ids), len(both.probe.ids)) == (30, 10, 5)
    alone = load_reid(write(tmp_path / "b", zoo(prefix="train/") | zoo(prefix="valid/")))
    assert (len(alone.train.ids), len(alone.gallery.ids), len(alone.probe.ids)) == (15, 10, 5)


def test_shared_identities_are_told(tmp_path):
    data = load_reid(write(tmp_path / "zoo", zoo(prefix="train/") | zoo(prefix="test/", who=("ida", "new"))))
    assert data.provenance.caveat.endswith("; 1 identities are both in training and among the probes")


def test_training_may_be_missing(tmp_path):
    data = load_reid(write(tmp_path / "zoo", zoo(prefix="gallery/") | zoo(prefix="probe/", shots=1)))
    assert (data.train.images.shape, len(data.train.ids), len(data.gallery.ids)) == ((0, 4, 3, 3), 0, 15)
    assert load_reid(tmp_path / "zoo", train_ids=2, test_ids=2).probe.ids.size == 2


@pytest.mark.parametrize("packed", [False, True])
def test_identities_alone_are_divided(tmp_path, packed):
    path = write(tmp_path / "zoo", zoo(), packed=packed)
    chosen = set()
    for seed in range(8):
        data = load_reid(path, seed=seed)
        assert np.unique(data.train.ids).size == 2
        assert np.unique(data.probe.ids).size == 3
        assert not np.intersect1d(data.train.ids, data.gallery.ids).size
        assert sorted(np.concatenate([shown(part) for part in parts_of(data)])) == [*range(15)]
        assert f"2 of the 5 identities, drawn with seed {seed}, are for training" in data.provenance.caveat
        chosen.add(tuple(np.unique(data.train.ids)))
    assert len(chosen) > 3
    assert load_reid("market1501", data_dir=path).identities == data.identities


def test_an_own_camera_each_leaves_out_the_probe_alone(tmp_path):
    data = load_reid(write(tmp_path / "zoo", zoo(prefix="gallery/") | zoo(prefix="probe/")))
    cameras = np.concatenate([part.cameras for part in parts_of(data)])
    assert np.unique(cameras).size == 30
    assert "cameras" not in repr(data.gallery)
    x, ids = data.gallery.images.reshape(15, -1) + 1.0, data.gallery.ids
    options = {"probe_cameras": data.gallery.cameras, "gallery_cameras": data.gallery.cameras}
    result = retrieval.evaluate_retrieval(x, x, probe_ids=ids, gallery_ids=ids, protocol="cross_camera", **options)
    assert result.n_valid_probes == 15
    assert result.top(1) < 1


def test_few_identities_are_all_that_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "zoo", zoo(who="abcdefgh"))
    decoded = []
    decode = trees.decode_all
    monkeypatch.setattr(
        trees, "decode_all", lambda tree, names, *options: decoded.extend(names) or decode(tree, names, *options)
    )
    data = load_reid(path, train_ids=1, test_ids=2)
    assert len(decoded) == 9
    assert [np.unique(part.ids).size for part in parts_of(data)] == [1, 2, 2]


def test_a_folder_is_found_in_place_of_a_named_set(tmp_path):
    folders = {
        "parts": zoo(prefix="gallery/") | zoo(prefix="probe/"),
        "sorted": zoo(),
        "listed": photos("1.png") | {"manifest.csv": b"path,identity\n"},
    }
    for name, files in folders.items():
        path = write(tmp_path / name, files)
        assert find("pedestrians", data_dir=path) == path
    assert find("pedestrians", data_dir=path / "manifest.csv") == path / "manifest.csv"
    several = write(tmp_path / "several", zoo(who=("pictures",)) | {"other/x.npz": b"x"})
    assert find("pedestrians", data_dir=several) is None


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a.png": photo(1)}, "'a.png' does not stand at IDENTITY/IMAGE"),
        (zoo() | {"ida/deep/1.png": photo(1)}, "'ida/deep/1.png' does not stand at IDENTITY/IMAGE"),
        (zoo(prefix="train/"), "has the parts train, where gallery and probe or test belong"),
        (zoo(prefix="gallery/"), "has the parts gallery, where"),
        (zoo(prefix="test/") | zoo(prefix="query/"), "has the parts probe, test, where"),
        (zoo(prefix="train/") | zoo(), "'10/0.png' does not stand at PART/IDENTITY/IMAGE"),
        (zoo(prefix="test/") | {"test/1.png": photo(1)}, "'test/1.png' does not stand at PART/IDENTITY/IMAGE"),
        ({"notes/a.txt": b"x"}, "holds no images"),
        ({"a.txt": b"x"}, "holds no images"),
        (zoo() | {"empty": None}, "the folder 'empty/' holds no image"),
        (zoo(prefix="test/") | {"test/empty": None}, "the folder 'test/empty/' holds no image"),
        (zoo(who="abc"), "has 3 identities to divide; there must be at least 4"),
        (zoo(shots=1), "no identity among the probes, or with two test images, is in the gallery"),
        (zoo(prefix="gallery/") | zoo(who=("x",), prefix="probe/"), "no identity among the probes"),
        (zoo() | {"ida/x.gif": b"x"}, "'ida/x.gif' is not an image"),
        (zoo() | {"manifest.csv": b"x", "manifest.parquet": b"x"}, "holds the manifests 'manifest.csv', 'manifest.p"),
        ({"iconic/a.png": photo(1)} | zoo(prefix="test/"), "has not one iconic picture a product"),
    ],
)
def test_what_fits_nothing_is_told_why(tmp_path, files, message, packed):
    path = write(tmp_path / "zoo", files, packed=packed)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: {re.escape(message)}"):
        load_reid(path)


def test_what_fits_nothing_is_shown_the_layouts(tmp_path):
    with pytest.raises(DataError) as caught:
        load_reid(write(tmp_path / "heap", photos("1.png", "2.png")))
    first, *lines = str(caught.value).split("\n")
    assert first.endswith("it must be in one of these layouts, as a folder or a .zip of one:")
    starts = ["PART/IDENTITY/*.jpg", "IDENTITY/*.jpg", "manifest.csv", "Market-1501", "Omniglot", "grocery"]
    assert [line.strip().startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 6
    (tmp_path / "photo.jpg").write_bytes(photo(1))
    with pytest.raises(DataError, match=r"photo\.jpg: ends in '\.jpg'; it must be in one of these layouts"):
        load_reid(tmp_path / "photo.jpg")


# Photographs


def test_a_corrupt_photograph_is_named(tmp_path):
    files = zoo(who="abcd", shots=50)
    files["c/17.png"] = files["c/17.png"][:-20]
    with pytest.raises(DataError, match=r"'c/17\.png'"):
        load_reid(write(tmp_path / "zoo", files), image_size=2)


def test_sizes_are_compared_before_pixels_are_read(tmp_path, monkeypatch):
    files = zoo() | {"ida/x.png": photo(1, (8, 6)), "bo/turned.png": photo(1, (3, 4))}
    path = write(tmp_path / "zoo", files)
    assert load_reid(path, image_size=(5, 2)).train.images.shape[1:] == (5, 2, 3)
    monkeypatch.setattr(trees, "_decode", lambda *args: pytest.fail("pixels were read"))
    with pytest.raises(DataError, match=r"8 x 6 pixels.* or give image_size=\(height, width\)"):
        load_reid(path)
    with pytest.raises(DataError, match=r"'bo/x\.png' is not a PNG or JPEG image"):
        load_reid(write(tmp_path / "bad", zoo() | {"bo/x.png": b"<html>"}))


def test_large_photographs_take_little_memory(tmp_path):
    large = cv2.GaussianBlur(RNG.integers(0, 256, (200, 300, 3), dtype=np.uint8), (0, 0), 3)
    large = cv2.resize(large, (3000, 2000), interpolation=cv2.INTER_CUBIC)
    content = encode(large, ".jpg")
    path = write(tmp_path / "zoo", {f"{who}/{shot}.jpg": content for who in "abcd" for shot in range(3)})
    tracemalloc.start()
    data = load_reid(path, image_size=(128, 192))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Twelve of them decoded take 216 MB, a single one 18.
    assert peak < 12e6
    expected = cv2.resize(large, (192, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(data.train.images[0].astype(int) - expected[..., ::-1]).mean() < 2


def test_a_file_can_hold_more_pixels_than_memory_as_they_are_resized(tmp_path, monkeypatch):
    path = write(tmp_path / "zoo", zoo())
    monkeypatch.setattr(trees, "MAX_BYTES", 15 * 2 * 2 * 3)
    assert load_reid(path, image_size=2).gallery.images.shape == (6, 2, 2, 3)
    with pytest.raises(DataError, match=r"15 images of \(3, 2, 3\) take more than 180 bytes; give an image_size"):
        load_reid(path, image_size=(3, 2))


def test_grey_photographs_become_colour_where_one_is(tmp_path):
    grey = encode(np.full((4, 3, 1), 200, dtype=np.uint8))
    files = {f"{who}/{shot}.png": grey for who in "abcd" for shot in "12"}
    assert load_reid(write(tmp_path / "grey", files)).train.images.shape[3] == 1
    data = load_reid(write(tmp_path / "mixed", files | {"d/2.png": photo(7)}))
    pixels = np.concatenate([part.images for part in parts_of(data)])
    assert pixels.shape == (8, 4, 3, 3)
    assert sorted(pixels.mean(axis=(1, 2, 3))) == [7] + [200] * 7


def test_reading_shows_a_bar_if_asked(tmp_path, capsys):
    path = write(tmp_path / "zoo", zoo())
    load_reid(path)
    assert capsys.readouterr().err == ""
    load_reid(path, progress=True)
    assert "15/15" in capsys.readouterr().err


# Manifests

ROWS = [("a/1.png", "ida", 1, "train"), ("a/2.png", "bo", 2, "Gallery"), ("3.png", "bo", 6, "query")]
IMAGES = photos(*(row[0] for row in ROWS))


def table(rows=ROWS, columns=identities._COLUMNS, separator=","):
    lines = [columns, *rows]
    return "".join(separator.join(map(str, line)) + "\r\n" for line in lines).encode()


def parquet(rows=ROWS, columns=identities._COLUMNS):
    pyarrow, content = pytest.importorskip("pyarrow"), io.BytesIO()
    arrays = {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(arrays), content)
    return content.getvalue()


def manifests():
    yield "manifest.csv", table()
    yield "manifest.csv", b"\xef\xbb\xbf" + table(separator=";").replace(b"path", b" Path ")
    yield "manifest.csv", table(separator="\t") + b"\r\n\r\n"
    yield "manifest.csv", table(columns=(*identities._COLUMNS, "note"), rows=[(*row, '"a, b"') for row in ROWS])
    yield "manifest.csv", table([(row[0].replace("/", "\\"), *row[1:]) for row in ROWS])
    yield "manifest.parquet", parquet()


@pytest.mark.parametrize(("name", "content"), [*manifests()])
def test_a_manifest_says_what_is_what(tmp_path, name, content):
    files = IMAGES | {name: content, "unlisted/9.png": photo(9)}
    folder = write(tmp_path / "zoo", files)
    (tmp_path / "zoo" / "film.mp4").write_bytes(b"x")
    paths = [folder / name]
    paths += [write(tmp_path / "flat", files, packed=True)]
    paths += [write(tmp_path / "top", {f"x/y/{key}": value for key, value in files.items()}, packed=True)]
    for path in paths:
        data = load_reid(path)
        assert [shown(part) for part in parts_of(data)] == [[0], [1], [2]]
        assert data.identities == ("bo", "ida")
        assert [part.ids.tolist() for part in parts_of(data)] == [[1], [0], [0]]
        assert [part.cameras.tolist() for part in parts_of(data)] == [[1], [2], [6]]
        assert data.provenance.caveat == ""
    (tmp_path / "zoo" / "film.mp4").unlink()
    assert load_reid(folder).probe.ids.tolist() == [0]


def test_a_manifest_without_a_split_is_divided_by_identity(tmp_path):
    files = zoo()
    rows = [(name, name.split("/")[0], f"gate {len(name) % 2}") for name in files]
    write(tmp_path / "zoo", files | {"list.csv": table(rows, ("path", "identity", "camera"))})
    data, folders = load_reid(tmp_path / "zoo" / "list.csv", seed=3), load_reid(tmp_path / "zoo", seed=3)
    assert data.provenance.caveat == folders.provenance.caveat
    assert [np.unique(part.ids).size for part in parts_of(data)] == [2, 3, 3]
    assert {*np.concatenate([part.cameras for part in parts_of(data)])} == {1, 2}
    numbers = table([(name, index // 3) for index, name in enumerate(files)], ("path", "identity"))
    write(tmp_path / "zoo", {"numbers.csv": numbers})
    assert load_reid(tmp_path / "zoo" / "numbers.csv").identities == ("0", "1", "2", "3", "4")


BAD = {
    "twice": ([*ROWS, ("./a/1.png", *ROWS[0][1:])], "line 5 names './a/1.png', as line 2 does already"),
    "absent": ([*ROWS, ("b.png", *ROWS[0][1:])], "line 5 names 'b.png', and there is no such file"),
    "up": ([("../1.png", *ROWS[0][1:])], "line 2 names '../1.png', which leaves the manifest's folder"),
    "root": ([("/etc/1.png", *ROWS[0][1:])], "line 2 names '/etc/1.png', which leaves"),
    "drive": ([("C:1.png", *ROWS[0][1:])], "line 2 names 'C:1.png', which leaves"),
    "film": ([("a.mp4", *ROWS[0][1:])], "line 2 names 'a.mp4'; an image's name ends in .jpeg, .jpg, .png"),
    "ragged": ([ROWS[0], ROWS[1][:2]], "line 3 has 2 values, and the header 4 names"),
    "long": ([ROWS[0], (*ROWS[1], "x")], "line 3 has 5 values, and the header 4 names"),
    "nobody": ([(ROWS[0][0], " ", 1, "train")], "line 2 has the identity ' '; it must be text or a whole number"),
    "unsplit": ([ROWS[0], (*ROWS[1][:3], "")], "line 3 has the split ''; it must be text"),
    "split": ([ROWS[0], (*ROWS[1][:3], "dev")], "line 3 has the split 'dev'; it must be of train, training"),
    "cameras": ([ROWS[0], (*ROWS[1][:2], "gate", "query")], "has the cameras '1' and 'gate'; all must be whole num"),
    "none": ([], "names no images"),
    "endless": ([(ROWS[0][0], "x" * 5000, 1, "train")], "line 2 has the identity 'xxx"),
}


@pytest.mark.parametrize(("rows", "message"), BAD.values(), ids=BAD)
def test_a_bad_manifest_is_told_where(tmp_path, rows, message):
    folder = write(tmp_path / "zoo", IMAGES | {"manifest.csv": table(rows)})
    for path in (folder, folder / "manifest.csv"):
        with pytest.raises(DataError, match=f"^{re.escape(str(folder))}: manifest.csv: {re.escape(message)}"):
            load_reid(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its header is []; it must name each of path, identity, camera, split at most once"),
        (b"file,who\n1.png,x\n", "its header is ['file', 'who']"),
        (b"path,path\n", "its header is ['path', 'path']"),
        (b"path,name\n1.png,x\n", "has no column 'identity'; the columns are path, identity, camera, split"),
        (b"path,identity\n\xff\xfe,x\n", "cannot be read (UnicodeDecodeError"),
        (b'path,identity\n"1.png,x\n', "cannot be read (Error: unexpected end of data"),
    ],
)
def test_a_file_that_is_no_manifest(tmp_path, content, message):
    folder = write(tmp_path / "zoo", IMAGES | {"manifest.csv": content})
    with pytest.raises(DataError, match=re.escape(f"manifest.csv: {message}")):
        load_reid(folder)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("identity", [1.5, 2.0, 3.0], "row 1 has the identity 1.5; it must be text or a whole number"),
        ("identity", ["a", None, "b"], "row 2 has the identity None"),
        ("camera", [True, False, True], "row 1 has the camera True"),
        ("path", ["a/1.png", "3.png", "a/1.png"], "row 3 names 'a/1.png', as row 1 does already"),
    ],
)
def test_a_bad_parquet_manifest_is_told_where(tmp_path, column, values, message):
    at = identities._COLUMNS.index(column)
    rows = [(*row[:at], value, *row[at + 1 :]) for row, value in zip(ROWS, values, strict=True)]
    folder = write(tmp_path / "zoo", IMAGES | {"manifest.parquet": parquet(rows)})
    with pytest.raises(DataError, match=re.escape(f"manifest.parquet: {message}")):
        load_reid(folder)


def test_parquet_needs_its_reader(tmp_path, monkeypatch):
    folder = write(tmp_path / "zoo", IMAGES | {"manifest.parquet": b"PAR1"})
    with pytest.raises(DataError, match=r"manifest\.parquet: cannot be read \(ArrowInvalid"):
        load_reid(folder)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"this needs pyarrow\.parquet: pip install 'course-utils\[book\]'"):
        load_reid(folder)


def test_rows_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(identities, "MAX_MEMBERS", 2)
    folder = write(tmp_path / "zoo", IMAGES)
    (folder / "manifest.csv").write_bytes(table())
    with pytest.raises(DataError, match="has more than 2 rows"):
        load_reid(folder / "manifest.csv")


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([("manifest.csv", table()), ("manifest.parquet", parquet())]),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 20),
)
def test_only_course_errors_escape_from_mutated_manifests(seed, changes, cut):
    name, content = seed
    mutated = bytearray(content)
    for position, value in changes:
        mutated[position % len(mutated)] = value
    files = {name: bytes(mutated[: len(mutated) - cut]), **IMAGES}
    tree = trees.Tree(Path("t"), tuple(sorted(IMAGES)), (), files.__getitem__, (name,))
    try:
        found = identities.arrange(tree, name)
    except CourseError as error:
        found = str(error)
    assert isinstance(found, identities.Arrangement) or found.startswith("t: ")


# Groceries


def groceries(n):
    """Two photographs a product and part, and a picture of each on the shelf."""
    names = [f"{part}/{k}/{shot}.png" for part in ("train", "val", "test") for k in range(n) for shot in (1, 2)]
    return photos(*names) | {f"iconic/{k}.png": photo(100 + k) for k in range(n)}


@pytest.mark.parametrize("packed", [False, True])
def test_products_never_seen_are_sought_in_photographs_or_on_the_shelf(tmp_path, packed):
    files = groceries(8)
    listing = "class,group\n" + "".join(f"{k},fruit\n" for k in reversed(range(8)))
    path = write(tmp_path / "shop", files | {"classes.csv": listing.encode()}, packed=packed)
    data, shelf = load_reid(path, seed=1), load_reid(path, seed=1, gallery="shelf")
    assert data.identities == shelf.identities == tuple("76543210"), "in the order of classes.csv"
    order = np.random.default_rng(1).permutation(8)
    assert sorted(np.unique(data.train.ids)) == sorted(order[:5])
    assert sorted(np.unique(data.probe.ids)) == sorted(order[5:])
    assert [len(part.ids) for part in parts_of(data)] == [5 * 6, 3 * 4, 3 * 2]
    assert [len(part.ids) for part in parts_of(shelf)] == [5 * 6, 3, 3 * 6]
    assert [100 + int(shelf.identities[i]) for i in shelf.gallery.ids] == shown(shelf.gallery)
    assert set(shown(shelf.probe)) == {*shown(data.probe), *shown(data.gallery)}
    assert min(shown(data.probe)) >= 32, "the test photographs come last"
    assert np.array_equal(shelf.train.images, data.train.images)
    assert "5 products to learn from and 3 never seen, drawn with seed 1" in data.provenance.caveat


@pytest.mark.parametrize("missing", ["iconic/3.png", "/3/"])
def test_each_product_has_a_picture_and_photographs(tmp_path, missing):
    kept = {name: content for name, content in groceries(8).items() if missing not in name}
    with pytest.raises(DataError, match=r"has not one iconic picture a product, and folders of them \(\['3'\]\)"):
        load_reid(write(tmp_path / "shop", kept))


def test_only_products_stand_on_a_shelf(tmp_path):
    market = {f"{top}/0001_c{k}.png": photo(k) for k, top in enumerate(("bounding_box_train", "query"))}
    market["bounding_box_test/0001_c3.png"] = photo(3)
    for name, files in {"zoo": zoo(), "market": market}.items():
        with pytest.raises(ArgumentError, match="gallery is 'shelf', and .* has no shelf pictures"):
            load_reid(write(tmp_path / name, files), gallery="shelf")
    with pytest.raises(ArgumentError, match="gallery is 'shelf', and pedestrians has no shelf pictures"):
        load_reid("pedestrians", gallery="shelf")
    with pytest.raises(ArgumentError, match="gallery is 'moon'; it must be one of 'photos', 'shelf'"):
        load_reid("grocery", source="synthetic", gallery="moon")


def test_synthetic_products():
    data = load_reid("grocery", source="synthetic", gallery="shelf", train_ids=2, test_ids=3)
    assert set(data.gallery.cameras) == {0}
    assert (data.gallery.images[:, 0, 0] == 250).all()
    assert (data.probe.cameras > 0).all()
    with pytest.raises(ArgumentError, match=r"Grocery Store Dataset cannot be fetched .*; its home is https://github"):
        load_reid("grocery")


@pytest.mark.real_data
def test_real_groceries(monkeypatch):
    folder = next((part for part in FOLDERS if part and (Path(part) / "grocery.zip").is_file()), None)
    if folder is None:
        pytest.skip("grocery.zip is in no folder of COURSE_DATA_DIR")
    monkeypatch.setenv("COURSE_DATA_DIR", folder)
    data = load_reid("grocery", source="local", image_size=64, train_ids=1)
    shelf = load_reid(Path(folder) / "grocery.zip", gallery="shelf", image_size=64, train_ids=1)
    with identities.open_photos(Path(folder) / "grocery.zip") as (tree, manifest):
        train = identities.arrange(tree, manifest).parts[0]
    assert [np.unique(ids).size for ids in (train.ids, data.gallery.ids, data.probe.ids)] == [50, 31, 31]
    assert not np.intersect1d(train.ids, data.probe.ids).size
    assert [len(ids) for ids in (train.ids, data.gallery.ids, data.probe.ids)] == [5421 - 1872, 1029, 843]
    assert [len(part.ids) for part in parts_of(shelf)][1:] == [31, 1872]
    assert data.provenance.kind == shelf.provenance.kind == "own split"
    assert data.provenance.title == "Grocery Store Dataset"

    def by_pixels(data):
        gallery, probe = (np.float32(part.images).reshape(len(part.ids), -1) for part in (data.gallery, data.probe))
        ids = {"gallery_ids": data.gallery.ids, "probe_ids": data.probe.ids}
        return retrieval.evaluate_retrieval(probe, gallery, metric="cosine", **ids)

    # As measured for the book, but for how images were made smaller.
    photographed = by_pixels(data)
    assert photographed.top(1) == pytest.approx(0.202, abs=0.01)
    assert photographed.mean_average_precision == pytest.approx(0.119, abs=0.005)
    assert by_pixels(shelf).top(1) == pytest.approx(0.083, abs=0.01)
