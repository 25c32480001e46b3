import cv2
import numpy as np

from book_runner.pages import cards
from course_utils import datasets


def test_every_data_set_has_a_card(make_project, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA_DIR", "")
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    project = make_project({"01_one": ["n = 1"]})
    files = cards.card_files(project)
    page = files["book/data_cards.md"].decode()
    for name in datasets.names():
        entry = datasets.CATALOG[name]
        assert f"## {entry.title}\n" in page
        assert entry.licence in page
        picture = cv2.imdecode(np.frombuffer(files[f"book/cards/{name}.png"], np.uint8), cv2.IMREAD_COLOR)
        assert picture.std() > 10
    # The second time nothing is read: the cards are those of the first time.
    monkeypatch.setattr(cards, "_look", None)
    assert cards.card_files(project) == files


def test_a_damaged_picture_is_made_again(make_project, monkeypatch):
    monkeypatch.setattr(cards.datasets, "find", lambda name: None)
    project = make_project({"01_one": ["n = 1"]})
    facts, content = cards._card(project, "mnist")
    (project.build / "cards" / "mnist.png").write_bytes(b"half a pic")
    assert cards._card(project, "mnist") == (facts, content)


def test_a_sheet_holds_the_images_where_they_belong():
    rows = [np.full((2, 3, 3, 3), (255, 0, 0), np.uint8), np.full((9, 3, 3, 3), (0, 0, 255), np.uint8)]
    sheet = cv2.imdecode(np.frombuffer(cards.sample_sheet(rows, columns=4, scale=1), np.uint8), cv2.IMREAD_COLOR)
    assert sheet.shape == (10, 20, 3)
    assert sheet[2, 2].tolist() == [0, 0, 255]
    assert sheet[7, 17].tolist() == [255, 0, 0]
    assert sheet[2, 12].tolist() == [255, 255, 255]
