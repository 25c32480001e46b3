"""Folders and archives of images."""

import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.datasets import trees
from course_utils.errors import CourseError, DataError, MissingExtraError

RNG = np.random.default_rng(0)


def encode(image, suffix=".png", *options):
    """Return an RGB or grey image as the bytes of a file."""
    if image.ndim == 3 and image.shape[2] == 3:
        image = image[..., ::-1]
    return cv2.imencode(suffix, image, list(options))[1].tobytes()


def random_image(height=6, width=5, channels=3):
    return RNG.integers(0, 256, (height, width, channels), dtype=np.uint8)


def write(root, files, *, packed=False):
    """Write files (content), and empty folders (``None``), as a folder or as a zip archive."""
    if packed:
        root = root.with_suffix(".zip")
        with zipfile.ZipFile(root, "w") as archive:
            for name, content in files.items():
                archive.writestr(f"{name}/" if content is None else name, content or b"")
        return root
    for name, content in files.items():
        path = root / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if content is not None:
            path.write_bytes(content)
    return root


def read_classes(path, **options):
    with trees.open_tree(path) as tree:
        return trees.read_classes(tree, **options)


IMAGES = {
    f"{part}/{name}/{number}.png": random_image()
    for part in ("train", "test")
    for name in ("cat", "dog")
    for number in (1, 2, 10)
}
FILES = {name: encode(image) for name, image in IMAGES.items()}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("top", ["", "pets/"])
def test_class_folders_are_read(tmp_path, packed, top):
    rest = {"__MACOSX/train/cat/._1.png": b"x", ".git/config.png": b"x", f"{top}train/cat/.DS_Store": b"x"}
    files = {f"{top}{name}": content for name, content in FILES.items()}
    path = write(tmp_path / "data", {**files, **rest, f"{top}README.md": b"x", "LICENSE": b"x"}, packed=packed)
    with trees.open_tree(path) as tree:
        assert trees.layout(tree) == "classes"
    x_train, y_train, x_test, y_test, class_names = read_classes(path)
    assert class_names == ("cat", "dog")
    assert y_train.tolist() == y_test.tolist() == [0, 0, 0, 1, 1, 1]
    for part, x in (("train", x_train), ("test", x_test)):
        expected = [IMAGES[name] for name in sorted(IMAGES) if name.startswith(part)]
        assert np.array_equal(x, expected)


def test_classes_alone_are_all_training(tmp_path):
    files = {name.removeprefix("train/"): content for name, content in FILES.items() if name.startswith("train")}
    x_train, y_train, x_test, y_test, _ = read_classes(write(tmp_path / "data", files))
    assert (x_train.shape, x_test.shape) == ((6, 6, 5, 3), (0, 6, 5, 3))
    assert (len(y_train), len(y_test)) == (6, 0)


def test_numbered_classes_are_in_the_order_of_their_numbers(tmp_path):
    files = {f"{number}/a.png": encode(random_image()) for number in (0, 1, 2, 10, 9)}
    assert read_classes(write(tmp_path / "data", files))[4] == ("0", "1", "2", "9", "10")


def test_known_class_names_decide_the_labels(tmp_path):
    path = write(tmp_path / "data", FILES)
    *_, y_test, class_names = read_classes(path, class_names=("dog", "cat"))
    assert class_names == ("dog", "cat")
    x_test = read_classes(path, class_names=("dog", "cat"))[2]
    assert np.array_equal(x_test[y_test == 1], [IMAGES[f"test/cat/{n}.png"] for n in (1, 10, 2)])


def test_jpegs_are_what_opencv_decodes(tmp_path):
    smooth = cv2.GaussianBlur(random_image(32, 24), (0, 0), 3)
    content = encode(smooth, ".jpg")
    x_train = read_classes(write(tmp_path / "data", {"a/1.jpg": content, "b/2.JPEG": content}))[0]
    theirs = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.array_equal(x_train, [theirs, theirs])
    assert np.abs(x_train[0].astype(int) - smooth).mean() < 3


def test_grey_images_have_one_channel_and_mixed_ones_three(tmp_path):
    grey, colour = random_image(channels=1), random_image()
    only_grey = read_classes(write(tmp_path / "grey", {"a/1.png": encode(grey), "b/2.png": encode(grey)}))[0]
    assert np.array_equal(only_grey, [grey, grey])
    mixed = read_classes(write(tmp_path / "mixed", {"a/1.png": encode(grey), "b/2.png": encode(colour)}))[0]
    assert np.array_equal(mixed, [np.repeat(grey, 3, axis=2), colour])


def test_sixteen_bit_and_transparent_images_are_brought_to_eight_bit_rgb(tmp_path):
    deep = cv2.imencode(".png", np.full((4, 4, 3), 40_000, dtype=np.uint16))[1].tobytes()
    glass = cv2.imencode(".png", np.full((4, 4, 4), (10, 20, 30, 128), dtype=np.uint8))[1].tobytes()
    x = read_classes(write(tmp_path / "data", {"a/1.png": deep, "b/2.png": glass}))[0]
    assert x.shape == (2, 4, 4, 3)
    assert (np.abs(x[0].astype(int) - 40_000 / 257) <= 1).all()
    assert (x[1] == (30, 20, 10)).all()


def test_images_of_several_sizes_need_a_size(tmp_path):
    path = write(tmp_path / "data", {"a/1.png": encode(random_image(8, 8)), "b/2.png": encode(random_image(4, 6))})
    with pytest.raises(DataError, match=r"'b/2.png' is 4 x 6 pixels, 'a/1.png' is 8 x 8.*image_size=\(height, width\)"):
        read_classes(path)
    assert read_classes(path, image_size=(4, 4))[0].shape == (2, 4, 4, 3)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"val/cat/1.png": FILES["train/cat/1.png"]}, "'val/cat/1.png' stands in none of the folders train, test"),
        ({"train/cow": None}, "the class folder 'cow' of train holds no image"),
        ({"test/cow/1.png": FILES["train/cat/1.png"]}, "test has a class folder 'cow'; the classes are 'cat', 'dog'"),
        ({"train/cow/1.png": FILES["train/cat/1.png"]}, "test has no class folder 'cow'"),
        ({"train/1.png": FILES["train/cat/1.png"]}, "'train/1.png' does not stand at train/CLASS/IMAGE"),
        ({"train/cat/a/1.png": FILES["train/cat/1.png"]}, "does not stand at train/CLASS/IMAGE"),
        (
            {"train/cat/3.gif": b"GIF89a"},
            "'train/cat/3.gif' is not an image; an image's name ends in .jpeg, .jpg, .png",
        ),
        ({"train/cat/3.png": b""}, "'train/cat/3.png' is not a PNG or JPEG image"),
        ({"train/cat/3.png": b"<html>"}, "'train/cat/3.png' is not a PNG or JPEG image"),
        ({"train/cat/3.png": FILES["train/cat/1.png"][:-20]}, "'train/cat/3.png': cannot be read"),
        ({"train/cat/3.jpg": encode(random_image(), ".jpg")[:-30]}, "'train/cat/3.jpg' is cut short"),
    ],
)
def test_bad_trees_are_named(tmp_path, changes, message, packed):
    path = write(tmp_path / "data", {**FILES, **changes}, packed=packed)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_classes(path)


def test_a_test_part_alone_is_an_error(tmp_path):
    path = write(tmp_path / "data", {"test/cat/1.png": FILES["test/cat/1.png"]})
    with pytest.raises(DataError, match="has a folder 'test' and no folder 'train'"):
        read_classes(path)


def test_a_folder_without_images_is_an_error(tmp_path):
    path = write(tmp_path / "data", {"notes/readme.txt": b"x"})
    with trees.open_tree(path) as tree, pytest.raises(DataError, match="holds no image"):
        trees.read_classes(tree)


def test_a_link_back_up_does_not_send_the_walk_round_in_circles(tmp_path):
    path = write(tmp_path / "data", FILES)
    os.symlink(path, path / "train" / "loop", target_is_directory=True)
    with pytest.raises(DataError):
        read_classes(path)


def test_a_broken_link_is_named(tmp_path):
    path = write(tmp_path / "data", FILES)
    os.symlink(path / "nowhere", path / "train" / "cat" / "lost.png")
    with pytest.raises(DataError, match=r"train/cat/lost\.png: cannot be read \(FileNotFoundError"):
        read_classes(path)


def test_files_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MAX_MEMBERS", 5)
    with pytest.raises(DataError, match="holds more than 5 files"):
        read_classes(write(tmp_path / "data", FILES))


def test_all_images_together_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(trees, "MAX_BYTES", 12 * 6 * 5 * 3 - 1)
    with pytest.raises(DataError, match=r"12 images of \(6, 5, 3\) take more than"):
        read_classes(write(tmp_path / "data", FILES))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, *chunks):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def decode(content, suffix=".png"):
    return trees.read_classes(trees.Tree("t", (f"a/1{suffix}",), (), lambda name: content))[0]


def test_an_image_bomb_is_refused_by_its_header():
    rows = zlib.compress(bytes(6_000 * 1000))
    with pytest.raises(DataError, match=r"'a/1.png' is 6000 x 6000 pixels; a file of its size has 1 to \d+ of them"):
        decode(png(6_000, 6_000, chunk(b"IDAT", rows)))
    with pytest.raises(DataError, match="cannot be read .DecompressionBombError"):
        decode(png(40_000, 40_000, chunk(b"IDAT", rows)))
    with pytest.raises(DataError, match="'a/1.png'"):
        decode(png(5, 0))


def test_many_small_files_are_one_bomb(monkeypatch):
    monkeypatch.setattr(trees, "allowance", lambda n_bytes, most: 100_000)
    content = encode(np.zeros((200, 200, 3), dtype=np.uint8))
    tree = trees.Tree("t", tuple(f"a/{number}.png" for number in range(5)), (), lambda name: content)
    with pytest.raises(DataError, match="'a/2.png' is 200 x 200 pixels; a file of its size has 1 to 20000 of them"):
        trees.read_classes(tree)


def test_a_jpeg_bomb_is_refused_by_its_header():
    content = bytearray(encode(random_image(16, 16), ".jpg"))
    start = content.index(b"\xff\xc0")
    content[start + 5 : start + 9] = struct.pack(">HH", 65_000, 65_000)
    with pytest.raises(DataError, match="'a/1.jpg': cannot be read .DecompressionBombError"):
        decode(bytes(content), ".jpg")


def test_a_png_that_claims_a_huge_chunk_takes_no_memory():
    content = bytearray(encode(random_image()))
    content[33] = 0x76  # the length of the second chunk: 2 GB
    code = (
        "import resource, sys\n"
        "from course_utils.datasets import trees\n"
        "from course_utils.errors import DataError\n"
        "import PIL.Image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "content = sys.stdin.buffer.read()\n"
        "try:\n"
        "    trees.read_classes(trees.Tree('t', ('a/1.png',), (), lambda name: content))\n"
        "except DataError:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], input=bytes(content), capture_output=True, check=True)
    assert int(done.stdout) < 100_000


def test_a_damaged_chunk_is_noticed_even_if_it_holds_no_pixels():
    image = encode(random_image(channels=1))
    comment = chunk(b"tEXt", b"Comment\0hello")
    assert decode(image[:33] + comment + image[33:]).shape == (1, 6, 5, 1)
    with pytest.raises(DataError, match="is not a PNG or JPEG image"):
        decode(image[:33] + comment.replace(b"hello", b"jello") + image[33:])


def test_an_animation_is_refused():
    image = encode(random_image(channels=1))
    animated = image[:33] + chunk(b"acTL", struct.pack(">II", 2, 0)) + image[33:]
    with pytest.raises(DataError, match="is an animation"):
        decode(animated)


def test_a_jpeg_with_padding_before_its_markers_is_read():
    content = encode(random_image(), ".jpg")
    start = content.index(b"\xff\xc0")
    assert np.array_equal(decode(content[:start] + b"\xff\xff\xff" + content[start:], ".jpg"), decode(content, ".jpg"))


def test_pixels_with_a_wrong_checksum_are_noticed():
    image = bytearray(encode(random_image()))
    image[-16] ^= 1  # within the checksum of the pixels
    with pytest.raises(DataError, match="cannot be read .SyntaxError: broken PNG file"):
        decode(bytes(image))


def test_a_photograph_is_turned_as_its_camera_was_held():
    upright = encode(np.zeros((8, 4, 3), dtype=np.uint8), ".jpg")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = upright[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + upright[2:]
    assert decode(turned, ".jpg").shape == (1, 4, 8, 3)


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"this needs PIL.Image: pip install 'course-utils\[course\]'"):
        decode(encode(random_image()))


SEEDS = [(encode(random_image(16, 16)), ".png"), (encode(cv2.blur(random_image(16, 16), (5, 5)), ".jpg"), ".jpg")]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 255)), max_size=5),
    st.integers(0, 30),
)
def test_only_data_errors_escape_from_mutated_images(seed, changes, cut):
    content, suffix = bytearray(seed[0]), seed[1]
    for position, value in changes:
        content[position % len(content)] = value
    try:
        images = decode(bytes(content[: len(content) - cut]), suffix)
    except CourseError as error:
        images = str(error)
    assert isinstance(images, np.ndarray) or images.startswith("t: ")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 255)), max_size=3), st.binary(max_size=60), st.booleans())
def test_only_data_errors_escape_from_pngs_with_proper_checksums(changes, rows, packed):
    header = bytearray(struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0))
    for position, value in changes:
        header[position] = value
    body = chunk(b"IDAT", zlib.compress(rows) if packed else rows)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(header)) + body + chunk(b"IEND", b"")
    try:
        images = decode(content)
    except CourseError as error:
        images = str(error)
    assert isinstance(images, np.ndarray) or images.startswith("t: ")


MARKET = {"train": "bounding_box_train", "gallery": "bounding_box_test", "probe": "query"}
ASSIGNMENT = {"train": "Training", "gallery": "Testing/Gallery", "probe": "Testing/Probe"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("folders", [MARKET, ASSIGNMENT], ids=["market", "assignment"])
def test_people_are_read_by_their_names(tmp_path, folders, packed):
    names = {
        "train": ["0002_c1s1_000451_03.jpg", "0002_c6s1_000451_01.jpg", "0007_c3s3_077419_03.jpg"],
        "gallery": ["-1_c2s1_000001_00.jpg", "0000_c4s1_000001_00.jpg", "0001_c1s1_001051_00.jpg", "1501_c6s4_1_1.jpg"],
        "probe": ["0001_c2s1_001051_00.jpg"],
    }
    files = {f"{folders[part]}/{name}": encode(random_image(8, 4), ".jpg") for part in names for name in names[part]}
    files |= {f"{folders['gallery']}/Thumbs.db": b"x"}
    path = write(tmp_path / "street", files, packed=packed)
    with trees.open_tree(path) as tree:
        assert trees.layout(tree) == "people"
        people = dict(zip(folders, trees.read_people(tree), strict=True))
    assert people["train"].ids.tolist() == [2, 2, 7]
    assert people["train"].cameras.tolist() == [1, 6, 3]
    assert people["gallery"].ids.tolist() == [0, 1, 1501], "junk is left out, distractors stay"
    assert people["gallery"].cameras.tolist() == [4, 1, 6]
    assert people["probe"].images.shape == (1, 8, 4, 3)
    decoded = cv2.imdecode(np.frombuffer(files[f"{folders['gallery']}/1501_c6s4_1_1.jpg"], np.uint8), cv2.IMREAD_COLOR)
    assert np.array_equal(people["gallery"].images[2], decoded[..., ::-1])


@pytest.mark.parametrize("name", ["c1s1_000451_03.jpg", "cat.jpg", "0001.jpg", "-2_c1s1_1_1.jpg", "99999999999_c1.jpg"])
def test_a_person_without_an_identity_is_an_error(tmp_path, name):
    files = {f"{folder}/0001_c1s1_1_1.jpg": encode(random_image(), ".jpg") for folder in MARKET.values()}
    path = write(tmp_path / "street", {**files, f"query/{name}": encode(random_image(), ".jpg")})
    with trees.open_tree(path) as tree, pytest.raises(DataError, match=f"'query/{name}' has no identity and camera"):
        trees.read_people(tree)


@pytest.mark.parametrize("missing", MARKET.values())
def test_a_missing_part_is_named(tmp_path, missing):
    folders = [folder for folder in MARKET.values() if folder != missing]
    path = write(tmp_path / "street", {f"{folder}/0001_c1.png": encode(random_image()) for folder in folders})
    with trees.open_tree(path) as tree, pytest.raises(DataError, match=f"has no images in {missing}"):
        trees.read_people(tree)


def test_characters_are_read_by_their_folders(tmp_path):
    names = ["Greek/character01/0001_01.png", "Greek/character01/0001_20.png", "Greek/character02/0002_01.png"]
    names += ["Latin/character01/0003_07.png"]
    files = {f"images_background/{name}": encode(random_image(channels=1)) for name in names}
    with trees.open_tree(write(tmp_path / "omniglot", files, packed=True)) as tree:
        assert trees.layout(tree) == "characters"
        pool = trees.read_characters(tree)[0]
    assert pool.ids.tolist() == [0, 0, 1, 2]
    assert pool.drawers.tolist() == [1, 20, 1, 7]
    assert pool.alphabets.tolist() == [0, 0, 0, 1]
    assert pool.images.shape == (4, 6, 5, 1)


@pytest.mark.parametrize("name", ["0001_01.png", "Greek/0001_01.png", "Greek/character01/one.png"])
def test_a_character_astray_is_named(tmp_path, name):
    path = write(tmp_path / "omniglot", {f"images_evaluation/{name}": encode(random_image())})
    with trees.open_tree(path) as tree, pytest.raises(DataError, match=f"'images_evaluation/{name}' does not stand at"):
        trees.read_characters(tree)


def test_resizing_averages():
    x = RNG.integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)
    resized = trees.resized(x, (4, 4))
    assert np.abs(resized - x.reshape(3, 4, 2, 4, 2, 1).mean(axis=(2, 4))).max() <= 0.5
    assert trees.resized(x, (8, 8)) is x
    assert trees.resized(x, None) is x
