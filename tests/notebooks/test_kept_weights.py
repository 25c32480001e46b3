"""`train=False`: a chapter that loads the weights of the full run has the full run's numbers of its first seed."""

import pytest

from book_runner import execute, plan
from book_runner.project import find_project, noted, read_notebook, read_record
from book_runner.reference import kept_cards, read_reference
from course_utils import datasets

PROJECT = find_project(__file__)
# Enough for a page; the test images are all there, so that their numbers are those of the full run.
SMALL = {"train": False, "train_limit": 600, "test_limit": 10_000, "embedding_limit": 60}


def kept_chapters():
    return [name for name in PROJECT.names if kept_cards(PROJECT.kept(name))]


@pytest.mark.parametrize("name", kept_chapters())
def test_what_is_kept_is_whole(name):
    problem = read_reference(PROJECT, name).problem
    assert not problem or problem.startswith("the chapter has changed since")


@pytest.mark.slow
@pytest.mark.skipif(datasets.find("fashion_mnist") is None, reason="needs the real data, COURSE_DATA_DIR")
def test_loaded_weights_give_the_numbers_of_the_first_training(tmp_path, monkeypatch):
    name = "02_fashion_mlp"
    if name not in kept_chapters():
        pytest.skip("the full run of this chapter has not been kept")
    full = read_record(PROJECT.reference(name))["records"]
    cards = {card["network"]: card for card in kept_cards(PROJECT.kept(name))}
    (job,) = plan.points(PROJECT, name, [SMALL], "full")
    monkeypatch.setenv("COURSE_REFERENCE_DIR", str(PROJECT.book / "reference"))
    log = tmp_path / "log"
    said = execute.perform(job, execute.noting(PROJECT, name), tmp_path, log, {}, print, execute.Processes())
    assert "error" not in said, log.read_text()
    # The same weights, on another kind of processor, may decide one or two of 10,000 images otherwise.
    cells = read_notebook(tmp_path / f"{name}.ipynb")["cells"]
    here = {each["name"]: each for each in noted(cells, "record")}
    assert here["n_runs"]["value"] == 1
    for number in ("first_accuracy", "first_low", "first_high"):
        assert here[number]["value"] == pytest.approx(full[number]["value"], abs=2e-4), number
    networks = {"test_accuracy": "mlp", "better_accuracy": "one_cycle", "shuffled_accuracy": "shuffled"}
    for number, network in networks.items():
        assert here[number]["value"] == pytest.approx(cards[network]["accuracy"], abs=2e-4), number
