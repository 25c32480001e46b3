"""The door to data: what is searched, what is found, what is loaded, and what it is said to be."""

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from course_utils import datasets
from course_utils.datasets import download, local, reid
from course_utils.datasets.catalog import CATALOG
from course_utils.errors import ArgumentError, CourseError, DataError, DownloadError, SyntheticDataWarning

PROJECT_FOLDER = local.project_folder
RNG = np.random.default_rng(0)
CLASSIFICATION = [name for name, item in CATALOG.items() if item.task == "classification"]
REID = [name for name, item in CATALOG.items() if item.task == "re-identification"]


@pytest.fixture(autouse=True)
def nothing_but_tmp_path(tmp_path, monkeypatch):
    """No test sees or writes the machine's own folders, or waits for the network."""
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATA_DIR", raising=False)
    monkeypatch.setattr(local, "project_folder", lambda: None)
    monkeypatch.setattr(download, "_answers", lambda mirror: False)


def arrays(n_train=40, n_test=20, n_classes=10, shape=(8, 8)):
    return {
        "x_train": RNG.integers(0, 256, (n_train, *shape), dtype=np.uint8),
        "y_train": np.arange(n_train) % n_classes,
        "x_test": RNG.integers(0, 256, (n_test, *shape), dtype=np.uint8),
        "y_test": np.arange(n_test) % n_classes,
    }


def save(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays() | changes)
    return path


def image_zip(path, n=2, classes=("cat", "dog")):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("train", "test"):
            for name in classes:
                for number in range(n):
                    image = RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8)
                    archive.writestr(f"{part}/{name}/{number}.png", cv2.imencode(".png", image)[1].tobytes())
    return path


# Where it looks


def test_the_search_goes_from_the_nearest_to_the_farthest(tmp_path, monkeypatch):
    folders = [tmp_path / name for name in ("given", "named 1", "named 2", "project", "cache")]
    for folder in folders:
        folder.mkdir()
    monkeypatch.setenv("COURSE_DATA_DIR", os.pathsep.join([str(folders[1]), "", str(folders[2])]))
    monkeypatch.setattr(local, "project_folder", lambda: folders[3])
    assert datasets.search_folders(folders[0]) == folders
    assert datasets.search_folders("") == datasets.search_folders(None) == folders[1:]
    for folder in reversed(folders):
        save(folder / "mnist.npz")
        assert datasets.find("mnist", data_dir=folders[0]) == folder / "mnist.npz"


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    save(tmp_path / "data" / "mnist.npz")
    assert datasets.find("mnist", data_dir="~/data") == tmp_path / "data" / "mnist.npz"


@pytest.mark.parametrize("name", ["mnist.npz", "mnist.zip"])
def test_files_come_before_folders(tmp_path, name):
    (tmp_path / "mnist").mkdir()
    (tmp_path / name).touch()
    assert datasets.find("mnist", data_dir=tmp_path) == tmp_path / name


def test_an_incomplete_folder_is_passed_over_unless_it_was_given(tmp_path, monkeypatch):
    (tmp_path / "named" / "mnist").mkdir(parents=True)
    (tmp_path / "named" / "mnist" / "train-images-idx3-ubyte.gz").touch()
    save(tmp_path / "cache" / "mnist.npz")
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path / "named"))
    assert datasets.find("mnist") == tmp_path / "cache" / "mnist.npz"
    assert datasets.find("mnist", data_dir=tmp_path / "named") == tmp_path / "named" / "mnist"
    with pytest.raises(DataError, match=r"is in no known format \(it holds train-images-idx3-ubyte\.gz\); known are"):
        datasets.load("mnist", data_dir=tmp_path / "named")


def test_a_folder_of_other_data_sets_is_not_taken_for_the_users_own(tmp_path):
    save(tmp_path / "mnist.npz")
    assert datasets.find("fashion_mnist", data_dir=tmp_path) is None


def test_a_missing_data_dir_is_named(tmp_path):
    for call in (datasets.find, datasets.load, datasets.fingerprint):
        with pytest.raises(ArgumentError, match="data_dir is '.*nowhere', which does not exist"):
            call("mnist", data_dir=tmp_path / "nowhere")


def test_the_cache_is_the_users_unless_it_is_named(monkeypatch):
    monkeypatch.delenv("COURSE_CACHE_DIR")
    assert datasets.cache_folder().name == "course-utils"


def test_the_projects_folder_is_the_one_beside_the_package():
    root = Path(__file__).resolve().parents[3]
    assert PROJECT_FOLDER() == root / "data"


# What it loads


def test_a_local_file_is_loaded(tmp_path):
    save(tmp_path / "mnist.npz", **(expected := arrays()))
    data = datasets.load("mnist", data_dir=tmp_path, source="local")
    assert np.array_equal(data.x_train, expected["x_train"][..., None])
    assert np.array_equal(data.y_test, expected["y_test"])
    assert data.x_test.dtype == np.uint8
    assert data.y_train.dtype == np.int64
    assert data.class_names == tuple("0123456789")
    assert repr(data).startswith("<Dataset MNIST, as the file's name has it (user): 40 training and 20 test images")


def test_a_result_cannot_be_changed(tmp_path):
    data = datasets.load("mnist", data_dir=save(tmp_path / "mnist.npz").parent)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.x_train = None


def test_limits_draw_nested_stratified_samples(tmp_path):
    save(tmp_path / "mnist.npz", **(everything := arrays(n_train=400)))
    small, large, whole, other = (
        datasets.load("mnist", data_dir=tmp_path, train_limit=limit, test_limit=10, seed=seed)
        for limit, seed in ((50, 3), (200, 3), (None, 3), (50, 4))
    )
    assert np.array_equal(large.x_train[:50], small.x_train)
    assert np.array_equal(large.y_train[:50], small.y_train)
    assert set(np.bincount(small.y_train)) == {5}
    assert set(np.bincount(small.y_test)) == {1}
    assert np.array_equal(whole.x_train[..., 0], everything["x_train"])
    assert not np.array_equal(other.x_train, small.x_train)
    rows = {image.tobytes(): label for image, label in zip(everything["x_train"], everything["y_train"], strict=True)}
    assert [rows[image.tobytes()] for image in small.x_train] == small.y_train.tolist()


def test_a_limit_beyond_the_data_is_no_limit(tmp_path):
    save(tmp_path / "mnist.npz")
    assert len(datasets.load("mnist", data_dir=tmp_path, train_limit=10**6).y_train) == 40


def test_the_users_own_data_by_path(tmp_path):
    for path in (
        save(tmp_path / "mine.npz", y_train=np.arange(40) % 3, y_test=np.arange(20) % 3),
        image_zip(tmp_path / "pets.zip"),
    ):
        for name in (path, str(path)):
            data = datasets.load(name)
            assert data.provenance.kind == "user"
            assert data.provenance.file == data.provenance.name == path.name
            assert data.provenance.title == f"Own data {path.name!r}"
    assert data.class_names == ("cat", "dog")
    assert datasets.load(tmp_path / "mine.npz").class_names == ("0", "1", "2")


def test_the_users_own_data_in_place_of_the_named(tmp_path):
    """What the parameter ``data_dir`` of every notebook is for."""
    pets = image_zip(tmp_path / "pets.zip")
    with zipfile.ZipFile(pets) as archive:
        archive.extractall(tmp_path / "pets")
    for data_dir in (pets, tmp_path / "pets", str(tmp_path / "pets")):
        data = datasets.load("cifar10", data_dir=data_dir, source="auto")
        assert data.class_names == ("cat", "dog")
        assert data.provenance.kind == "user"
    eleven = save(tmp_path / "eleven.npz", y_train=np.arange(40) % 11)
    assert len(datasets.load("mnist", data_dir=eleven).class_names) == 11


def test_a_named_file_must_have_the_named_classes(tmp_path):
    save(tmp_path / "mnist.npz", y_train=np.arange(40) % 11)
    with pytest.raises(DataError, match=r"mnist\.npz: its labels hold 10; they must be from 0 to 9"):
        datasets.load("mnist", data_dir=tmp_path)
    image_zip(tmp_path / "cifar10.zip")
    with pytest.raises(DataError, match="train has a class folder|train has no class folder"):
        datasets.load("cifar10", data_dir=tmp_path)


def test_images_are_resized_from_every_source(tmp_path):
    save(tmp_path / "mnist.npz")
    assert datasets.load("mnist", data_dir=tmp_path, image_size=5).x_test.shape == (20, 5, 5, 1)
    drawn = datasets.load("mnist", source="synthetic", train_limit=5, test_limit=5, image_size=(14, 7))
    assert drawn.x_train.shape == (5, 14, 7, 1)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("imagenet", {}, "name is 'imagenet'; it must be one of 'fashion_mnist', .*, or the path of a file"),
        (3, {}, "name is 3"),
        (None, {}, "name is None"),
        ("mnist", {"source": "cloud"}, "source is 'cloud'; it must be one of 'download', 'local', 'synthetic'"),
        ("mnist", {"train_limit": 0}, "train_limit is 0"),
        ("mnist", {"test_limit": 2.5}, "test_limit is 2.5"),
        ("mnist", {"seed": -1}, "seed is -1"),
        ("mnist", {"image_size": 0}, "image_size is 0"),
        (
            ".",
            {"source": "synthetic"},
            "source is 'synthetic' and name a path; for a path there are no synthetic images",
        ),
        ("omniglot", {"source": "synthetic"}, "omniglot is for re-identification; load_reid reads it"),
    ],
)
def test_bad_arguments_are_named(name, options, message):
    with pytest.raises(ArgumentError, match=message):
        datasets.load(name, **options)


# Local, download, synthetic, auto


def test_local_data_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=f"mnist: is in none of the folders searched: {tmp_path}/cache"):
        datasets.load("mnist", source="local")


def test_without_a_network_download_fails_and_auto_draws_with_a_warning():
    with pytest.raises(DownloadError, match=r"train-images-idx3-ubyte\.gz: no mirror delivered it"):
        datasets.load("mnist")
    with pytest.warns(
        SyntheticDataWarning, match="MNIST is not here and cannot be fetched: synthetic images take its place"
    ) as caught:
        data = datasets.load("mnist", source="auto", train_limit=10, test_limit=10)
    assert data.provenance.kind == "synthetic"
    assert caught[0].filename == __file__, "the warning points at the caller"


@pytest.mark.parametrize("source", ["download", "local", "auto"])
def test_pedestrians_stand_in_for_nobody(source):
    data = datasets.load_reid("pedestrians", source=source, train_ids=1, test_ids=1)
    assert data.provenance.title == "Synthetic pedestrians"
    assert data.provenance.kind == "synthetic"


def test_what_can_never_be_downloaded():
    with pytest.raises(ArgumentError, match="Market-1501 cannot be fetched"):
        datasets.load_reid("market1501")
    with pytest.warns(SyntheticDataWarning):
        data = datasets.load_reid("market1501", source="auto", train_ids=1, test_ids=1)
    assert data.provenance.title == "Synthetic stand-in for Market-1501"


def test_auto_does_not_hide_that_local_data_are_damaged(tmp_path):
    (tmp_path / "mnist.npz").write_bytes(b"not an archive")
    with pytest.raises(DataError, match=r"mnist\.npz: cannot be read"):
        datasets.load("mnist", data_dir=tmp_path, source="auto")


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_synthetic_data_have_the_real_sets_shape_and_classes(name):
    item = CATALOG[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = datasets.load(name, source="synthetic", train_limit=30, test_limit=20, seed=1)
    assert data.x_train.shape == (30, *item.shape)
    assert data.x_test.shape == (20, *item.shape)
    assert len(data.class_names) == len(item.class_names)
    assert set(np.bincount(data.y_train)) == {3}
    assert data.provenance.kind == "synthetic"
    assert data.provenance.title == f"Synthetic stand-in for {item.title}"
    assert data.provenance.file == data.provenance.sha256 == ""
    assert "no number here is the real data set's" in data.provenance.line()


@pytest.mark.parametrize("name", ["fashion_mnist", "svhn"])
def test_a_small_synthetic_set_is_the_beginning_of_a_large_one(name):
    small, large, other = (
        datasets.load(name, source="synthetic", train_limit=limit, test_limit=limit, seed=seed)
        for limit, seed in ((30, 1), (510, 1), (30, 2))
    )
    for part in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(large, part)[:30], getattr(small, part))
        assert not np.array_equal(getattr(other, part), getattr(small, part))
    assert not np.array_equal(small.x_train, small.x_test)
    assert len(np.unique(large.x_train.reshape(510, -1), axis=0)) == 510


# What it is said to be


def test_an_unknown_file_is_never_called_official(tmp_path):
    for name in ("mnist", "cifar10"):
        save(tmp_path / f"{name}.npz", **(arrays(shape=(32, 32, 3)) if name == "cifar10" else {}))
        provenance = datasets.load(name, data_dir=tmp_path).provenance
        assert provenance.kind == "user"
        assert provenance.caveat == "its checksum is none that this project knows"
        content = (tmp_path / f"{name}.npz").read_bytes()
        assert provenance.sha256 == hashlib.sha256(content).hexdigest()
        assert json.loads(json.dumps(dataclasses.asdict(provenance)))["file"] == f"{name}.npz"


def test_a_known_checksum_decides_whatever_the_file_is_called(tmp_path, monkeypatch):
    path = save(tmp_path / "renamed.npz")
    known = dataclasses.replace(CATALOG["mnist"].recognised[0], sha256=local.checksum(path))
    monkeypatch.setitem(CATALOG, "mnist", dataclasses.replace(CATALOG["mnist"], recognised=(known,)))
    provenance = datasets.load(path).provenance
    assert (provenance.name, provenance.kind, provenance.file) == ("mnist", "copy", "renamed.npz")


def official_folder(tmp_path, monkeypatch):
    """Put files where the official ones go, and make the catalog take them for those."""
    folder = tmp_path / "cache" / "mnist"
    folder.mkdir(parents=True)
    item, files = CATALOG["mnist"], []
    for file in item.files:
        train, images = "train" in file.name, "images" in file.name
        array = arrays()[f"{'x' if images else 'y'}_{'train' if train else 'test'}"].astype(np.uint8)
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
        (folder / file.name).write_bytes(header + array.tobytes())
        md5 = hashlib.md5((folder / file.name).read_bytes()).hexdigest()
        files.append(dataclasses.replace(file, md5=md5))
    monkeypatch.setitem(CATALOG, "mnist", dataclasses.replace(item, files=tuple(files)))
    return folder


def test_official_files_are_official_by_their_checksums(tmp_path, monkeypatch):
    folder = official_folder(tmp_path, monkeypatch)
    data = datasets.load("mnist", source="local")
    assert data.provenance.kind == "official"
    assert data.provenance.title == "MNIST"
    listing = "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(folder.iterdir())
    )
    assert data.provenance.sha256 == hashlib.sha256(listing.encode()).hexdigest()
    labels = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(labels.read_bytes())
    content[-1] = 0
    labels.write_bytes(content)
    assert datasets.load("mnist", source="local").provenance.kind == "user"


# Fingerprints


def test_a_fingerprint_follows_the_file(tmp_path):
    path = save(tmp_path / "mnist.npz")
    first = datasets.fingerprint("mnist", data_dir=tmp_path)
    assert first == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert datasets.fingerprint(path) == first
    save(path)
    assert datasets.fingerprint("mnist", data_dir=tmp_path) == f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_a_fingerprint_of_what_is_not_there():
    version = datasets.fingerprint("mnist", source="synthetic")
    assert version.startswith("synthetic:")
    assert datasets.fingerprint("mnist", source="auto") == version
    assert datasets.fingerprint("pedestrians", source="local") == version
    assert datasets.fingerprint("mnist", source="local") == "absent"
    assert datasets.fingerprint("mnist", source="download") == "absent"


def test_a_fingerprint_of_a_folder_follows_every_file(tmp_path):
    folder = tmp_path / "mine"
    (folder / "train" / "a").mkdir(parents=True)
    (folder / "train" / "a" / "1.png").write_bytes(b"one")
    first = datasets.fingerprint(folder)
    (folder / "train" / "a" / "2.png").write_bytes(b"two")
    second = datasets.fingerprint(folder)
    (folder / "train" / "a" / "2.png").rename(folder / "train" / "a" / "3.png")
    third = datasets.fingerprint(folder)
    (folder / ".DS_Store").write_bytes(b"x")
    assert len({first, second, third}) == 3
    assert datasets.fingerprint(folder) == third


# What is kept of archives of images


def decoded(tmp_path):
    return list((tmp_path / "cache" / "decoded").glob("*"))


def test_a_large_archive_is_decoded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_KEPT_FROM", 5)
    path = image_zip(tmp_path / "pets.zip")
    first = datasets.load(path)
    assert len(decoded(tmp_path)) == 1
    monkeypatch.setattr(
        "course_utils.datasets.formats.read", lambda *args, **options: pytest.fail("it was decoded again")
    )
    again = datasets.load(path)
    for part in ("x_train", "y_train", "x_test", "y_test"):
        assert np.array_equal(getattr(first, part), getattr(again, part))
        assert getattr(again, part).flags.writeable
    assert again.class_names == first.class_names
    assert again.provenance == first.provenance


def test_what_is_kept_belongs_to_the_archive_and_the_options(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_KEPT_FROM", 5)
    path = image_zip(tmp_path / "pets.zip")
    first = datasets.load(path)
    assert datasets.load(path, image_size=3).x_train.shape[1:3] == (3, 3)
    image_zip(path)
    assert not np.array_equal(datasets.load(path).x_train, first.x_train)
    assert len(decoded(tmp_path)) == 3


@pytest.mark.parametrize("damage", ["cut", "flipped", "replaced"])
def test_what_is_kept_is_verified(tmp_path, monkeypatch, damage):
    monkeypatch.setattr(local, "_KEPT_FROM", 5)
    path = image_zip(tmp_path / "pets.zip")
    first = datasets.load(path)
    (kept,) = decoded(tmp_path)
    content = bytearray(kept.read_bytes())
    content[300] ^= 1
    kept.write_bytes({"cut": content[:-100], "flipped": content, "replaced": b"x"}[damage])
    assert np.array_equal(datasets.load(path).x_train, first.x_train)


def test_small_archives_are_not_kept(tmp_path):
    datasets.load(image_zip(tmp_path / "pets.zip"))
    assert decoded(tmp_path) == []


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "_KEPT_FROM", 5)
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "file" / "cache"))
    (tmp_path / "file").write_text("in the way")
    assert len(datasets.load(image_zip(tmp_path / "pets.zip")).y_train) == 4


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    def write(file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    assert not local.write_beside(tmp_path / "cache" / "x" / "kept", write)
    assert list((tmp_path / "cache" / "x").iterdir()) == []
    assert local.write_beside(tmp_path / "cache" / "x" / "kept", lambda file: file.write(b"whole"))
    assert (tmp_path / "cache" / "x" / "kept").read_bytes() == b"whole"


# For the command line


def test_verify_reads_the_whole_of_it(tmp_path):
    path = save(tmp_path / "mnist.npz")
    found = datasets.verify("mnist", data_dir=tmp_path)
    assert (found.path, found.provenance.kind, found.problem) == (path, "user", "")
    path.write_bytes(path.read_bytes()[:-200])
    found = datasets.verify("mnist", data_dir=tmp_path)
    assert found.provenance is None
    assert "mnist.npz: cannot be read" in found.problem
    assert datasets.verify("kmnist").problem == "not on this machine"
    assert datasets.verify("pedestrians").problem == "drawn when it is loaded"


def test_names_lists_the_catalog():
    assert datasets.names() == list(CATALOG)


def test_importing_is_cheap():
    heavy = ["keras", "cv2", "scipy", "pooch", "requests", "pandas"]
    code = f"import sys, course_utils.datasets as d; d.names(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Re-identification


@pytest.mark.parametrize("name", REID)
def test_synthetic_reid_data(name):
    item = CATALOG[name]
    data = datasets.load_reid(name, source="synthetic", train_ids=3, test_ids=4, seed=2)
    assert data.train.images.shape[1:] == item.shape
    assert len(np.unique(data.train.ids)) == 3
    assert data.gallery.ids.tolist() == data.probe.ids.tolist()
    assert len(np.unique(data.probe.ids)) == len(data.probe.ids) == 4
    assert (data.gallery.cameras != data.probe.cameras).all()
    assert not set(data.train.ids) & set(data.probe.ids)
    assert (
        len({image.tobytes() for image in (*data.train.images, *data.gallery.images, *data.probe.images)})
        == len(data.train.ids) + 8
    )
    assert data.provenance.kind == "synthetic"
    assert "identities" in repr(data.train)


@pytest.mark.parametrize("name", ["pedestrians", "omniglot"])
def test_few_identities_are_among_many(name):
    small, large, other = (
        datasets.load_reid(name, source="synthetic", train_ids=train, test_ids=test, seed=seed)
        for train, test, seed in ((3, 2, 1), (12, 11, 1), (3, 2, 2))
    )
    for part in ("train", "gallery", "probe"):
        few, many = getattr(small, part), getattr(large, part)
        assert np.array_equal(many.images[: len(few.ids)], few.images)
        assert np.array_equal(many.cameras[: len(few.ids)], few.cameras)
        assert not np.array_equal(getattr(other, part).images, few.images)


def characters(n_alphabets=5, n_characters=3, n_drawers=4):
    rows = [
        (a, 10 * a + c, d) for a in range(n_alphabets) for c in range(n_characters) for d in range(1, n_drawers + 1)
    ]
    alphabet, ids, drawer = np.array(rows).T
    return {
        "images": RNG.integers(0, 256, (len(rows), 9, 9), dtype=np.uint8),
        "ids": ids,
        "drawer": drawer,
        "alphabet": alphabet,
    }


def test_alphabets_are_held_out(tmp_path):
    pool = characters()
    np.savez(tmp_path / "omniglot.npz", **pool)
    alphabet_of = dict(zip(pool["ids"], pool["alphabet"], strict=True))
    image_of = {(i, d): x for i, d, x in zip(pool["ids"], pool["drawer"], pool["images"], strict=True)}
    held_out = set()
    for seed in range(20):
        data = datasets.load_reid("omniglot", data_dir=tmp_path, seed=seed)
        train, gallery, probe = data.train, data.gallery, data.probe
        alphabets = [{alphabet_of[i] for i in part.ids} for part in (train, gallery, probe)]
        assert not alphabets[0] & alphabets[1]
        assert alphabets[1] == alphabets[2]
        assert len(alphabets[1]) == 2, "two of five is the first share of at least a third"
        assert gallery.ids.tolist() == probe.ids.tolist()
        assert len(set(gallery.cameras)) == len(set(probe.cameras)) == 1
        assert gallery.cameras[0] != probe.cameras[0]
        for part in (train, gallery, probe):
            for image, character, drawer in zip(part.images, part.ids, part.cameras, strict=True):
                assert np.array_equal(image[..., 0], image_of[character, drawer])
        held_out.add(frozenset(alphabets[1]))
    assert len(held_out) > 3


def encode(image):
    return cv2.imencode(".png", image)[1].tobytes()


@pytest.mark.parametrize("packed", [False, True])
def test_omniglots_official_files(tmp_path, packed):
    folder = tmp_path / "omniglot"
    folder.mkdir()
    for top, alphabets in (("images_background", ("Greek", "Latin")), ("images_evaluation", ("Tagalog",))):
        with zipfile.ZipFile(folder / f"{top}.zip", "w") as archive:
            for alphabet in alphabets:
                for character in (1, 2):
                    for drawer in (1, 2, 3):
                        name = f"{top}/{alphabet}/character{character:02d}/000{character}_{drawer:02d}.png"
                        archive.writestr(name, encode(RNG.integers(0, 256, (9, 9), dtype=np.uint8)))
        if not packed:
            with zipfile.ZipFile(folder / f"{top}.zip") as archive:
                archive.extractall(folder)
            (folder / f"{top}.zip").unlink()
    data = datasets.load_reid("omniglot", data_dir=tmp_path)
    assert sorted(data.train.ids) == sorted([0, 1, 2, 3] * 3)
    assert data.gallery.ids.tolist() == data.probe.ids.tolist() == [4, 5]
    assert data.gallery.cameras[0] != data.probe.cameras[0]
    assert data.train.images.shape == (12, 9, 9, 1)


def street(root, train=(1, 2), test=(3, 4)):
    for top, ids, camera in (
        ("bounding_box_train", train, 1),
        ("bounding_box_test", (-1, 0, *test), 2),
        ("query", test, 3),
    ):
        (root / top).mkdir(parents=True)
        for who in ids:
            name = f"{who if who < 0 else f'{who:04d}'}_c{camera}s1_000001_00.png"
            (root / top / name).write_bytes(encode(RNG.integers(0, 256, (16, 8, 3), dtype=np.uint8)))
    return root


def test_a_folder_in_the_layout_of_market_1501(tmp_path):
    by_path = datasets.load_reid(street(tmp_path / "street"))
    assert by_path.train.ids.tolist() == [1, 2]
    assert by_path.gallery.ids.tolist() == [0, 3, 4]
    assert by_path.probe.cameras.tolist() == [3, 3]
    assert by_path.provenance.kind == "user"
    assert by_path.provenance.caveat == ""
    in_place = datasets.load_reid("pedestrians", data_dir=tmp_path / "street", image_size=(8, 4))
    assert in_place.probe.images.shape == (2, 8, 4, 3)
    assert in_place.provenance == by_path.provenance
    few = datasets.load_reid(tmp_path / "street", train_ids=1, test_ids=1)
    assert few.gallery.ids.tolist() == few.probe.ids.tolist()
    assert len(few.train.ids) == len(few.probe.ids) == 1


def test_identities_on_both_sides_are_told(tmp_path):
    data = datasets.load_reid(street(tmp_path / "street", train=(1, 2, 3), test=(2, 3)))
    assert data.provenance.caveat == "2 identities are both in training and among the probes"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mnist", {"source": "synthetic"}, "mnist is for classification; load reads it"),
        ("imagenet", {}, "name is 'imagenet'"),
        ("pedestrians", {"train_ids": 0}, "train_ids is 0"),
        ("pedestrians", {"test_ids": True}, "test_ids is True"),
        ("pedestrians", {"seed": 1.5}, "seed is 1.5"),
        ("pedestrians", {"image_size": (1, 2, 3)}, "image_size is"),
    ],
)
def test_bad_reid_arguments_are_named(name, options, message):
    with pytest.raises(ArgumentError, match=message):
        datasets.load_reid(name, **options)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drawer": np.ones(60, dtype=int)}, "has characters by 1 drawer; there must be at least 2"),
        ({"alphabet": np.zeros(60, dtype=int)}, "has 1 alphabet; there must be at least 2"),
        ({"ids": np.arange(59)}, r"\[ids\]: has 60 images and labels of shape \(59,\)"),
        ({"images": np.zeros((60, 9))}, r"images have shape \(60, 9\)"),
    ],
)
def test_bad_character_files_are_named(tmp_path, changes, message):
    np.savez(tmp_path / "omniglot.npz", **characters() | changes)
    with pytest.raises(DataError, match=message):
        datasets.load_reid("omniglot", data_dir=tmp_path)


def test_other_data_are_no_reid_data(tmp_path):
    with pytest.raises(DataError, match="has no array images, ids, drawer, alphabet; it has x_train"):
        datasets.load_reid(save(tmp_path / "mnist.npz"))


# The real files


def real(name):
    folder = os.environ.get("COURSE_DATA_DIR", "")
    for path in (Path(part) / name for part in folder.split(os.pathsep) if part):
        if path.is_file():
            return path
    return None


REAL = {name: real(name) for name in ("fashion_mnist.npz", "mnist.npz", "cifar10.zip", "svhn.npz", "omniglot.npz")}


def load_real(name, monkeypatch, **options):
    path = REAL[name]
    if path is None:
        pytest.skip(f"{name} is in no folder of COURSE_DATA_DIR")
    monkeypatch.setenv("COURSE_DATA_DIR", str(path.parent))
    loader = datasets.load_reid if name == "omniglot.npz" else datasets.load
    return loader(path.stem, source="local", **options)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "kind", "shape", "counts", "mean"),
    [
        ("fashion_mnist.npz", "copy", (28, 28, 1), (60_000, 10_000), 0.286041),
        ("mnist.npz", "copy", (28, 28, 1), (60_000, 10_000), 0.13066),
        ("svhn.npz", "own split", (32, 32, 3), (2_000, 8_000), None),
        ("cifar10.zip", "copy", (32, 32, 3), (50_000, 10_000), None),
    ],
)
def test_real_classification_data(monkeypatch, name, kind, shape, counts, mean):
    data = load_real(name, monkeypatch)
    assert data.provenance.kind == kind
    assert (data.x_train.shape, data.x_test.shape) == ((counts[0], *shape), (counts[1], *shape))
    assert data.class_names == CATALOG[Path(name).stem].class_names
    assert set(data.y_train) == set(data.y_test) == set(range(10))
    if mean is not None:
        assert data.x_train.mean() / 255 == pytest.approx(mean, abs=1e-5)
    if name == "svhn.npz":
        assert np.bincount(data.y_train).tolist() == [138, 378, 302, 236, 199, 171, 152, 159, 138, 127]
    if name == "cifar10.zip":
        assert "JPEG" in data.provenance.line()
        again = load_real(name, monkeypatch)
        assert np.array_equal(again.x_train, data.x_train)


@pytest.mark.real_data
def test_real_omniglot(monkeypatch):
    data = load_real("omniglot.npz", monkeypatch)
    assert data.provenance.kind == "own split"
    assert data.train.images.shape[1:] == (105, 105, 1)
    assert len(np.unique(data.train.ids)) + len(np.unique(data.probe.ids)) == 242
    assert len(np.unique(data.probe.ids)) >= 242 / 3
    assert len(np.unique(data.train.cameras)) == 20


def test_only_course_errors_escape_whatever_the_folder(tmp_path):
    (tmp_path / "mnist.npz").mkdir()
    with pytest.raises(CourseError):
        datasets.load("mnist", data_dir=tmp_path)
    assert reid.load_reid is datasets.load_reid
