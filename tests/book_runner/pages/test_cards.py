"""Data cards: of the data that are here, of those that the full run read, and of none."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from book_runner.pages import cards
from book_runner.project import Project, read_json
from course_utils import datasets
from course_utils.errors import MissingExtraError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Where data may lie; there are none."""
    monkeypatch.setattr(datasets.local, "project_folder", lambda: None)
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


def write_mnist(folder):
    images = np.arange(20 * 28 * 28, dtype=np.uint8).reshape(20, 28, 28)
    parts = {"x_train": images, "y_train": np.arange(20) % 10, "x_test": images[:10], "y_test": np.arange(10)}
    np.savez(folder / "mnist.npz", **parts)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture)))


def section(files, title):
    page = files["book/data_cards.md"].decode()
    return page[page.index(f"## {title}\n") :].split("\n## ")[0]


def test_every_data_set_has_a_card_and_none_shows_drawn_images_in_place_of_its_own(make_project, folder):
    files = cards.card_files(make_project({"01_one": ["n = 1"]}))
    for name in datasets.names():
        entry = datasets.CATALOG[name]
        card = section(files, entry.title)
        assert entry.licence in card
        assert (f"book/cards/{name}.png" in files) == (f"cards/{name}.png" in card) == entry.drawn
        assert ("| this build | not at hand" in card) != entry.drawn
    assert pixels(files["book/cards/pedestrians.png"]).std() > 10


def test_data_that_are_here_are_counted_and_shown(make_project, folder, monkeypatch):
    write_mnist(folder)
    project = make_project({"01_one": ["n = 1"]})
    files = cards.card_files(project)
    card = section(files, "MNIST")
    assert "from mnist.npz" in re.search(r"^\| this build \| (.*)", card, re.M)[1]
    assert "| 7 | 2 | 1 |" in card
    assert pixels(files["book/cards/mnist.png"]).shape == (10 * 30 * 2, 8 * 30 * 2)
    # The second time nothing is read: the cards are those of the first time.
    monkeypatch.setattr(cards, "_look", None)
    assert cards.card_files(project) == files


def test_cards_that_are_kept_stand_where_the_data_are_not(make_project, folder):
    write_mnist(folder)
    project = make_project({"01_one": ["n = 1"]})
    here = cards.card_files(project)
    assert cards.keep_data_cards(project) == ["mnist", "pedestrians"]
    (folder / "mnist.npz").unlink()
    files = cards.card_files(project)
    assert files["book/cards/mnist.png"] == here["book/cards/mnist.png"]
    assert section(files, "MNIST") == section(here, "MNIST").replace("| this build |", "| full run |")
    # Who has not got the data keeps the card.
    assert cards.keep_data_cards(project) == ["pedestrians"]
    assert cards.card_files(project) == files


def test_cards_that_are_kept_do_where_nothing_reads_data(make_project, folder, monkeypatch):
    project = make_project({"01_one": ["n = 1"]})
    cards.keep_data_cards(project)

    def find(name):
        raise MissingExtraError("this needs pooch", name="pooch")

    monkeypatch.setattr(cards.datasets, "find", find)
    files = cards.card_files(project)
    assert "| full run | Synthetic pedestrians" in section(files, "Synthetic pedestrians")
    assert "book/cards/pedestrians.png" in files


def test_a_damaged_picture_is_made_again(make_project, folder):
    project = make_project({"01_one": ["n = 1"]})
    files = cards.card_files(project)
    (project.build / "cards" / "pedestrians.png").write_bytes(b"half a pic")
    assert cards.card_files(project) == files


def test_the_kept_cards_are_whole_small_and_of_this_catalog():
    folder = ROOT / "book" / "reference" / "cards"
    names = {path.stem for path in folder.iterdir()}
    # What the twelve chapters read.
    assert {"cifar10", "fashion_mnist", "mnist", "omniglot", "pedestrians", "svhn"} <= names <= {*datasets.names()}
    for name in names:
        facts, picture = cards._noted(folder, name)
        assert re.search(r"Licence: \w+", facts["line"])
        assert set(read_json(folder / f"{name}.json")) == {"counts", "fingerprint", "line", "picture", "shape"}
        assert pixels(picture).std() > 10
    assert sum(path.stat().st_size for path in folder.iterdir()) < 1_500_000
    assert Project(ROOT).kept("cards") == folder


def test_the_kept_cards_are_those_of_the_files_that_the_full_run_read():
    folder, compared = ROOT / "book" / "reference", 0
    for record in map(read_json, sorted(folder.glob("*.json"))):
        for data in record["data"]:
            compared += bool(data["sha256"])
            assert data["sha256"][:12] in cards._noted(folder / "cards", data["name"])[0]["line"], data["name"]
    assert compared


def test_a_sheet_holds_the_images_where_they_belong():
    rows = [np.full((2, 3, 3, 3), (255, 0, 0), np.uint8), np.full((9, 3, 3, 3), (0, 0, 255), np.uint8)]
    sheet = pixels(cards.sample_sheet(rows, columns=4, scale=1))
    assert sheet.shape == (10, 20, 3)
    assert sheet[2, 2].tolist() == [255, 0, 0]
    assert sheet[7, 17].tolist() == [0, 0, 255]
    assert sheet[2, 12].tolist() == [255, 255, 255]
