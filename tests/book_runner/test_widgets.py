"""Widgets of chapters: what is kept of them, what pages show, and how they are made without a full run."""

import json
import subprocess

import nbformat
import pytest

from book_runner import execute, plan, reference, site, widgets
from book_runner.check.links import check_links
from book_runner.project import digest, read_notebook
from course_utils.errors import RunnerError

TRAINS = "if train:\n    trained = n\nelse:\n    raise ValueError('it must not be run')"
SHOWS = """
import numpy as np, base64
from course_utils import interactive
black = interactive.sprite(np.zeros((1, 4, 4), "uint8"))["image"]
picture = base64.b64decode(black.partition(",")[2])
interactive.Widget("ask", {"n": n, "train": train}, picture=picture, alt="Black.")
"""


def commit(project):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "all", "--allow-empty"]):
        subprocess.run(["git", *words], cwd=project.root, capture_output=True, check=True)


def add_widget(project, source=SHOWS, key="asked"):
    notebook = read_notebook(project.notebook("01_one"))
    notebook["cells"].append(nbformat.v4.new_code_cell(source, id=key, metadata={"tags": ["widget"]}))
    nbformat.write(notebook, project.notebook("01_one"))


@pytest.fixture
def project(make_project):
    return make_project({"01_one": ["n = 1\ntrain = True", TRAINS]}, {"01_one": {"full": {"n": 7}}})


def run(project, profile="full"):
    commit(project)
    outcome = execute.run_jobs(project, plan.plan(project, profile))
    assert outcome == {"01_one": "done"}


def staged(project, file="notebooks/01_one.ipynb"):
    return (project.stage / file).read_text()


def data_of(script):
    return json.loads(script.removeprefix('course.data("01_one/asked", ').removesuffix(");\n"))


def test_what_is_kept_of_a_widget_and_how_it_is_shown(project):
    add_widget(project)
    run(project)
    assert reference.keep_references(project) == {}
    kept = widgets.kept_widgets(project.kept("01_one"))
    assert data_of(kept["asked"][1]) == {"n": 7, "train": True}
    files = json.loads(project.reference("01_one").read_text())["files"]
    for ending in ("html", "js"):
        path = project.kept("01_one") / "widgets" / f"asked.{ending}"
        assert files[f"widgets/asked.{ending}"] == digest(path.read_bytes())
    (cell,) = widgets.widget_cells(read_notebook(project.kept("01_one") / "notebook.ipynb"))
    assert cell["outputs"] == []

    # As `course read`: nothing is executed.
    (project.book / "intro.md").write_text("# A small book\n\n{widget} 01_one/asked\n")
    site.build_site(project, runs=False)
    for page in ("notebooks/01_one.html", "book/intro.html"):
        text = (project.html / page).read_text()
        assert text.count('data-course-id="01_one/asked"') == 1, page
        assert "IntersectionObserver" not in text
    assert (project.html / "notebooks/01_one/widgets/asked.js").read_text() == kept["asked"][1]
    assert {path.name for path in (project.html / "notebooks/01_one/widgets").iterdir()} == {"asked.js"}
    assert (project.html / "_static/widgets/core.js").is_file()
    assert check_links(project.html) == []
    (project.html / "notebooks/01_one/widgets/asked.js").unlink()
    assert {problem.partition(":")[0] for problem in check_links(project.html)} == {
        "notebooks/01_one.html",
        "book/intro.html",
    }


def test_a_widget_that_came_later_is_made_without_the_full_run(project):
    run(project)
    assert reference.keep_references(project) == {}
    add_widget(project)
    site.stage(project, runs=False)
    assert "data-course-id" not in staged(project)
    made = widgets.make_widgets(project, "01_one")
    # The training cell would have failed.
    assert data_of(made["asked"][1]) == {"n": 7, "train": False}
    reference.keep_widgets(project, "01_one", made)
    assert reference.read_reference(project, "01_one").problem == ""
    shown = site.stage(project, runs=False)
    assert shown["01_one"].edition == "reference"
    assert "data-course-id" in staged(project)
    # A damaged file is noticed, as any other that is kept.
    (project.kept("01_one") / "widgets" / "asked.js").write_text("")
    assert "widgets/asked.js is damaged" in reference.read_reference(project, "01_one").problem


def test_where_nothing_is_kept_the_page_shows_its_run(project):
    add_widget(project)
    (project.book / "intro.md").write_text("# A small book\n\n{widget} 01_one/asked\n\n{widget} 01_one/other\n")
    site.stage(project)
    assert "data-course-id" not in staged(project)
    run(project, "quick")
    site.stage(project)
    assert data_of(staged(project, "notebooks/01_one/widgets/asked.js")) == {"n": 1, "train": True}
    assert "data-course-id" in staged(project)
    assert "data-course-id" in staged(project, "book/intro.md")
    assert staged(project, "book/intro.md").count("no data for it") == 1
    # One that is kept without its run is better than none, and this build's own run better than that.
    reference.keep_widgets(project, "01_one", widgets.make_widgets(project, "01_one"))
    site.stage(project)
    assert data_of(staged(project, "notebooks/01_one/widgets/asked.js"))["n"] == 1
    site.stage(project, runs=False)
    assert data_of(staged(project, "notebooks/01_one/widgets/asked.js"))["n"] == 7


def test_a_page_of_prose_names_a_chapter_that_is_there(project):
    (project.book / "intro.md").write_text("# A small book\n\n{widget} 09_none/asked\n")
    with pytest.raises(RunnerError, match="there is no chapter 09_none"):
        site.stage(project)


def test_what_cannot_be_made_says_why_and_leaves_what_is_kept(project, course):
    add_widget(project)
    told = course(project.root, "widgets", "--only", "01")
    assert told.exit_code == 0, told.output
    assert told.output == "01_one: asked\n"
    before = (project.kept("01_one") / "widgets" / "asked.js").read_bytes()
    add_widget(project, "trained + 1", "needy")
    told = course(project.root, "widgets")
    assert told.exit_code == 1
    assert "need more than the parameters and kept weights: NameError: name 'trained'" in told.output
    large = {"asked": ("<figure>", "x" * (reference.LARGEST_FILE + 1))}
    with pytest.raises(RunnerError, match=r"widgets/asked\.js would have 4,000,001 bytes"):
        reference.keep_widgets(project, "01_one", large)
    with pytest.raises(RunnerError, match="6,000,002 bytes"):
        reference.keep_widgets(project, "01_one", dict.fromkeys("ab", ("", "x" * 3000001)))
    assert (project.kept("01_one") / "widgets" / "asked.js").read_bytes() == before


def test_a_chapter_without_widgets_has_none_to_make(project):
    with pytest.raises(RunnerError, match="no cell tagged 'widget'"):
        widgets.make_widgets(project, "01_one")
