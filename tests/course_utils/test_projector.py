"""The projector's files: what TensorBoard reads back, and what is refused."""

import base64
import importlib.resources
import json
import os
import re
import subprocess
import sys
import urllib.parse
import urllib.request

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils import projector
from course_utils.errors import ArgumentError, CourseError, DataError
from course_utils.projector import Embedding, page_frame, write_logdir, write_page


def example(name="test", *, n_points=7, n_columns=4, channels=1, seed=0):
    rng = np.random.default_rng(seed)
    return Embedding(
        name,
        rng.normal(size=(n_points, n_columns)),
        {"class": [f"garment {row % 3}" for row in range(n_points)], "camera": rng.integers(9, size=n_points)},
        rng.integers(256, size=(n_points, 5, 6, channels), dtype=np.uint8),
    )


def tiles(png, embedding):
    """Cut a sprite image as the projector does: by the width and height of one thumbnail, row by row."""
    sprite = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    sprite = sprite.reshape(*sprite.shape[:2], -1)[:, :, ::-1]
    _, height, width, _ = embedding.images.shape
    across = sprite.shape[1] // width
    return np.stack(
        [
            sprite[row // across * height :, row % across * width :][:height, :width]
            for row in range(len(embedding.images))
        ]
    )


class TestEmbedding:
    def test_metadata_in_every_form(self):
        names = ["boot", "bag", "boot"]
        expected = {"label": ("boot", "bag", "boot"), "index": ("0", "1", "2")}
        for metadata in (
            names,
            np.array(names),
            pd.Series(names, index=[7, 5, 3]),
            {"label": names},
            pd.DataFrame({"label": names}),
        ):
            assert Embedding("e", np.eye(3), metadata).metadata == expected

    def test_metadata_values_are_one_line_of_text(self):
        metadata = Embedding("e", np.eye(3), {"a\tb": ["x\ty", " two\nlines ", 3], "index": [5, 6, 7]}).metadata
        assert metadata == {"a b": ("x y", "two lines", "3"), "index": ("5", "6", "7")}

    def test_vectors_are_kept_as_float32(self):
        embedding = Embedding("e", [[1, 2], [3, 4]])
        assert embedding.vectors.dtype == np.float32
        assert embedding.metadata is None
        assert embedding.images is None

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"name": "a b"}, "name is 'a b'; it must be letters"),
            ({"name": ".hidden"}, "name is '.hidden'; it must be letters"),
            ({"name": 3}, "name is 3; it must be letters"),
            ({"vectors": np.zeros(4)}, r"vectors has shape \(4,\); it must be \(n, d\) with n and d at least 2"),
            ({"vectors": np.zeros((1, 4))}, r"vectors has shape \(1, 4\); it must be \(n, d\)"),
            ({"vectors": np.zeros((4, 1))}, r"vectors has shape \(4, 1\); it must be \(n, d\)"),
            ({"vectors": [["a", "b"], ["c", "d"]]}, "vectors has dtype <U1; it must be of real numbers"),
            ({"vectors": np.eye(4) * np.nan}, "vectors has 4 rows that are not finite, the first is row 0"),
            ({"vectors": np.eye(4) * 1e300}, "vectors has 4 rows that are not finite, the first is row 0"),
            ({"metadata": "abcd"}, "metadata is 'abcd'; it must be columns by name, or n labels"),
            (
                {"metadata": ["a", "b"]},
                "metadata column 'label' has length 2; it must have one value for each of the 4",
            ),
            ({"metadata": {"x": list("abcde")}}, "metadata column 'x' has length 5; it must have one value"),
            (
                {"metadata": ["a", "b", None, "d"]},
                "metadata column 'label' is None in row 2; every row must have a value",
            ),
            (
                {"metadata": ["a", "b", "c", " "]},
                "metadata column 'label' is ' ' in row 3; every row must have a value",
            ),
            (
                {"metadata": {"x": [1.0, np.nan, 2, 3]}},
                "metadata column 'x' is nan in row 1; every row must have a value",
            ),
            ({"metadata": {"x": "abcd", "x ": "abcd"}}, "metadata has a column named 'x '; names must differ"),
            (
                {"images": np.zeros((4, 5, 5, 1))},
                r"images has dtype float64; it must be uint8 of shape \(4, h, w, 1 or 3\)",
            ),
            ({"images": np.zeros((4, 5, 5), np.uint8)}, r"images has shape \(4, 5, 5\); it must be uint8"),
            ({"images": np.zeros((3, 5, 5, 1), np.uint8)}, r"images has shape \(3, 5, 5, 1\); it must be uint8"),
            ({"images": np.zeros((4, 5, 5, 2), np.uint8)}, r"images has shape \(4, 5, 5, 2\); it must be uint8"),
            (
                {"images": np.zeros((4, 5, 4097, 1), np.uint8)},
                "images, tiled, are 8194 pixels a side; it must be at most 8192",
            ),
        ],
    )
    def test_refuses(self, change, message):
        arguments = {"name": "e", "vectors": np.eye(4), **change}
        with pytest.raises(ArgumentError, match=f"^{message}"):
            Embedding(**arguments)


# In a process of its own: the server's threads cannot be stopped, and one that still reads events when the interpreter
# ends aborts the process that it lives in, after the last test.
SERVE_TENSORBOARD = """
import sys
from tensorboard import program
from tensorboard.plugins.core.core_plugin import CorePluginLoader
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin

server = program.TensorBoard(plugins=[CorePluginLoader(), ProjectorPlugin])
server.configure(logdir=sys.argv[1], host="127.0.0.1", port=0, load_fast="false")
print(server.launch(), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def tensorboard(tmp_path_factory):
    """TensorBoard's own projector, on this machine, with two embeddings."""
    pytest.importorskip("tensorboard")
    embeddings = [example("train", n_points=11, channels=3), example("test", seed=1)]
    folder = write_logdir(tmp_path_factory.mktemp("logs"), embeddings)
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE_TENSORBOARD, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    address = server.stdout.readline().strip()

    def get(route, **query):
        query = urllib.parse.urlencode(query)
        with urllib.request.urlopen(f"{address}data/plugin/projector/{route}?{query}", timeout=60) as answer:
            return answer.read()

    yield get, {embedding.name: embedding for embedding in embeddings}
    server.kill()
    server.communicate()


class TestLogdir:
    def test_tensorboard_lists_the_embeddings(self, tensorboard):
        get, embeddings = tensorboard
        assert json.loads(get("runs")) == ["."]
        info = json.loads(get("info", run="."))["embeddings"]
        assert [(entry["tensorName"], tuple(entry["tensorShape"])) for entry in info] == [
            (name, embedding.vectors.shape) for name, embedding in embeddings.items()
        ]

    @pytest.mark.parametrize("name", ["train", "test"])
    def test_tensorboard_reads_everything_back(self, tensorboard, name):
        get, embeddings = tensorboard
        embedding = embeddings[name]
        vectors = np.frombuffer(get("tensor", run=".", name=name), np.float32).reshape(embedding.vectors.shape)
        np.testing.assert_array_equal(vectors, embedding.vectors)
        rows = [line.split("\t") for line in get("metadata", run=".", name=name).decode().splitlines()]
        assert rows[0] == list(embedding.metadata) == ["class", "camera", "index"]
        assert [tuple(column) for column in zip(*rows[1:], strict=True)] == list(embedding.metadata.values())
        entry = next(e for e in json.loads(get("info", run="."))["embeddings"] if e["tensorName"] == name)
        assert entry["sprite"]["singleImageDim"] == [6, 5]
        np.testing.assert_array_equal(tiles(get("sprite_image", run=".", name=name), embedding), embedding.images)

    @settings(max_examples=50, deadline=None)
    @given(hnp.arrays(np.float32, (3, 4), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)))
    def test_text_gives_every_number_back(self, vectors):
        text = projector._vectors_tsv(vectors).decode()
        back = np.array([line.split("\t") for line in text.splitlines()], np.float32)
        np.testing.assert_array_equal(back, vectors)

    def test_leaves_other_files_alone_and_overwrites_its_own(self, tmp_path):
        (tmp_path / "events.out.tfevents.1").write_text("kept")
        write_logdir(tmp_path, example())
        write_logdir(tmp_path, example(n_points=9))
        assert (tmp_path / "events.out.tfevents.1").read_text() == "kept"
        assert len((tmp_path / "test_vectors.tsv").read_text().splitlines()) == 9
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "events.out.tfevents.1",
            "projector_config.pbtxt",
            "test_metadata.tsv",
            "test_sprite.png",
            "test_vectors.tsv",
        ]

    def test_two_columns_become_three(self, tmp_path):
        vectors = np.array([[1, 2], [3, 4]])
        text = (write_logdir(tmp_path, Embedding("flat", vectors)) / "flat_vectors.tsv").read_text()
        assert text == "1\t2\t0\n3\t4\t0\n"


@pytest.mark.parametrize("write", [write_logdir, lambda *arguments: write_page(*arguments, title="Title")])
class TestBothWriters:
    @pytest.mark.parametrize(
        ("embeddings", "message"),
        [
            ([], "embeddings holds nothing; it must hold one or more Embedding objects"),
            ([np.eye(3)], "embeddings holds a ndarray; it must hold one or more Embedding objects"),
            ([example("a"), example("A")], "embeddings has two named 'a'; names must differ, case ignored"),
        ],
    )
    def test_refuse(self, write, embeddings, message, tmp_path):
        with pytest.raises(ArgumentError, match=message):
            write(tmp_path / "new", embeddings)
        assert not (tmp_path / "new").exists()

    def test_name_a_folder_that_cannot_be_written(self, write, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(
            DataError, match=r"folder is '.*file' \(File exists\); it must be a folder that can be written"
        ):
            write(tmp_path / "file", example())

    def test_leave_whole_files_only(self, write, tmp_path, monkeypatch):
        """A disk that fills up half-way: the earlier files stay as they were, and no temporary one is left."""
        write(tmp_path, example())
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "replace", full)
        with pytest.raises(DataError, match="No space left on device"):
            write(tmp_path, example(seed=5))
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_files_can_be_read_by_a_web_server(self, write, tmp_path):
        write(tmp_path, example())
        assert all(path.stat().st_mode & 0o044 == 0o044 for path in tmp_path.iterdir())


def page_constant(page, name):
    """Read a JSON constant out of the page's script."""
    return json.loads(re.search(f"^const {name} = (.*);$", page.read_text(encoding="utf-8"), re.MULTILINE)[1])


def content(address):
    return base64.b64decode(address.partition(";base64,")[2])


class TestPage:
    def test_holds_every_embedding(self, tmp_path):
        embeddings = [example("train", n_points=11, channels=3), example("test", seed=1)]
        page = write_page(tmp_path / "deep" / "page", embeddings, title="Garments")
        assert sorted(path.name for path in page.parent.iterdir()) == ["index.html", "projector_binary.js"]
        config, files = page_constant(page, "config"), page_constant(page, "files")
        for embedding, entry in zip(embeddings, config["embeddings"], strict=True):
            assert entry["tensorName"] == embedding.name
            vectors = np.frombuffer(content(files[entry["tensorPath"]]), "<f4").reshape(entry["tensorShape"])
            np.testing.assert_array_equal(vectors, embedding.vectors)
            assert content(files[entry["metadataPath"]]).decode().startswith("class\tcamera\tindex\n")
            images = tiles(content(entry["sprite"]["imagePath"]), embedding)
            np.testing.assert_array_equal(images, embedding.images)

    def test_program_is_tensorboards_own_with_its_notice(self, tmp_path):
        page = write_page(tmp_path, example(), title="Garments")
        source = importlib.resources.files("tensorboard") / "plugins" / "projector" / "tf_projector_plugin"
        assert (tmp_path / "projector_binary.js").read_bytes() == (source / "projector_binary.js").read_bytes()
        text = page.read_text(encoding="utf-8")
        assert "Licensed under the Apache License, Version 2.0" in text
        assert "The TensorFlow Authors" in text

    def test_asks_for_nothing_but_its_program(self, tmp_path):
        text = write_page(tmp_path, example(), title="Garments").read_text(encoding="utf-8")
        assert set(re.findall(r'(?:src|href)="(?!data:)([^"]*)"', text)) == {"projector_binary.js"}
        assert "url(" not in text

    def test_text_cannot_break_out(self, tmp_path):
        nasty = '</script><script>alert("1")</script>'
        page = write_page(tmp_path, Embedding("e", np.eye(3), [nasty, "b", "c"]), title=f"<title> & {nasty}")
        text = page.read_text(encoding="utf-8")
        assert text.count("</script>") == 3
        assert "alert(" not in text.split("<script>")[0].replace("alert(&quot;", "")
        assert page_constant(page, "categories")["label"] == [nasty, "b", "c"]

    def test_a_value_has_one_place_in_the_colours_of_all_embeddings(self, tmp_path):
        first = Embedding("first", np.eye(4), {"id": ["id 10", "id 9", "id 2", "id 2"]})
        second = Embedding("second", np.eye(3), {"id": ["id 1", "id 10", "id 2"], "many": ["a", "b", "c"]})
        page = write_page(tmp_path, [first, second], title="Colours")
        categories = page_constant(page, "categories")
        assert categories["id"] == ["id 1", "id 2", "id 9", "id 10"]
        assert categories["many"] == ["a", "b", "c"]

    def test_columns_with_many_values_are_left_to_the_projector(self, tmp_path):
        page = write_page(tmp_path, Embedding("e", np.eye(51), np.arange(51)), title="Many")
        assert page_constant(page, "categories") == {}

    @pytest.mark.parametrize("title", ["", "  ", None])
    def test_refuses_a_blank_title(self, tmp_path, title):
        with pytest.raises(ArgumentError, match="title is .*; it must be text that is not blank"):
            write_page(tmp_path, example(), title=title)

    def test_says_that_tensorboard_is_missing(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        with pytest.raises(CourseError, match="tensorboard, which holds the projector, is not installed"):
            write_page(tmp_path / "page", example(), title="Garments")
        assert not (tmp_path / "page").exists()

    def test_says_that_tensorboard_has_changed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
        with pytest.raises(CourseError, match=r"tensorboard \S+ does not hold the projector"):
            write_page(tmp_path / "page", example(), title="Garments")
        (tmp_path / "plugins/projector/tf_projector_plugin").mkdir(parents=True)
        (tmp_path / "plugins/projector/tf_projector_plugin/projector_binary.html").write_text("no notice")
        with pytest.raises(CourseError, match=r"tensorboard \S+ does not hold the projector"):
            write_page(tmp_path / "page", example(), title="Garments")


class TestFrame:
    def test_refers_to_the_page_from_the_working_folder(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        page = write_page("02 fashion/projector", example(), title='Garments & "more"')
        for given_page in (page, str(page), tmp_path / page):
            frame = page_frame(given_page, height=480)
            assert (frame.src, frame.title, frame.height) == (
                "02%20fashion/projector/index.html",
                'Garments & "more"',
                480,
            )
        text = frame._repr_html_()
        assert 'src="02%20fashion/projector/index.html"' in text
        assert 'title="Garments &amp; &quot;more&quot;"' in text
        assert 'loading="lazy"' in text
        assert 'height="480"' in text
        assert '<a href="02%20fashion/projector/index.html"' in text

    def test_refuses(self, tmp_path, monkeypatch):
        (tmp_path / "inside").mkdir()
        page = write_page(tmp_path / "outside", example(), title="Garments")
        (tmp_path / "other.html").write_text("<title>Other</title>")
        monkeypatch.chdir(tmp_path / "inside")
        with pytest.raises(ArgumentError, match="page is '.*index.html'; it must lie under the working folder"):
            page_frame(page)
        for wrong in (tmp_path / "missing.html", tmp_path / "other.html", tmp_path, None):
            with pytest.raises(ArgumentError, match="page is .*; it must be a page that write_page returned"):
                page_frame(wrong)
        with pytest.raises(ArgumentError, match="height is 10; it must be an integer of at least 100"):
            page_frame(page, height=10)


def test_import_is_cheap():
    """Neither TensorBoard nor IPython nor pandas is loaded with the module."""
    code = (
        "import sys, course_utils.projector; print(*{'tensorboard', 'IPython', 'pandas', 'keras'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
