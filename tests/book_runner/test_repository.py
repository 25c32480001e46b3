import json
import shutil
from pathlib import Path

import nbformat
import pytest
import yaml
from click.testing import CliRunner

from book_runner import execute, plan, site
from book_runner.cli import main
from book_runner.project import Project
from book_runner.site import public_address, set_repository
from course_utils.errors import RunnerError

ROOT = Path(__file__).parents[2]
URL = "https://github.com/someone/a-book"
COLAB = "https://colab.research.google.com/github/someone/a-book/blob/main/notebooks/01_one.ipynb"
SETUP = 'import os\n\nrepository = ""  # written by `course set-repository`'


@pytest.fixture
def book(make_project):
    """A small book with the real `_config.yml` and README, and a set-up cell."""
    project = make_project({"01_one": ["n = 2"]})
    (project.root / "course_utils").mkdir()
    for name in ("_config.yml", "README.md", "course_utils/weights.toml"):
        shutil.copy(ROOT / name, project.root / name)
    for name in ("_static", "_extra", "references.bib"):
        copy = shutil.copytree if (ROOT / "book" / name).is_dir() else shutil.copy
        copy(ROOT / "book" / name, project.book / name)
    notebook = nbformat.read(project.notebook("01_one"), as_version=4)
    notebook["cells"].insert(1, nbformat.v4.new_code_cell(SETUP, metadata={"tags": ["remove-cell", "setup"]}))
    nbformat.write(notebook, project.notebook("01_one"))
    set_repository(project, "")
    return project


def contents(project):
    names = ("_config.yml", "README.md", "course_utils/weights.toml", "notebooks/01_one.ipynb")
    return {name: (project.root / name).read_text() for name in names}


def test_set_change_and_unset(book):
    before = contents(book)
    assert public_address(book) == ""
    changed = ["_config.yml", "README.md", "course_utils/weights.toml", "notebooks/01_one.ipynb"]
    assert set_repository(book, f"{URL}.git") == changed
    after = contents(book)
    assert public_address(book) == URL
    assert yaml.safe_load(after["_config.yml"])["launch_buttons"]["colab_url"] == "https://colab.research.google.com"
    assert f"git clone {URL}" in after["README.md"]
    raw = 'address = "https://raw.githubusercontent.com/someone/a-book/main/book/reference"'
    assert raw in after["course_utils/weights.toml"]
    cells = json.loads(after["notebooks/01_one.ipynb"])["cells"]
    assert f'repository = "{URL}"  # written' in "".join(cells[1]["source"])
    assert set_repository(book, f"{URL}/") == []
    other = "https://codeberg.org/someone/other"
    assert set_repository(book, other) == changed
    assert URL not in str(contents(book))
    # Colab opens nothing from there.
    assert "colab" not in yaml.safe_load(contents(book)["_config.yml"])["launch_buttons"]
    assert set_repository(book, "") == changed
    assert contents(book) == before


def test_another_address_makes_no_notebook_stale(book):
    (job,) = plan.plan(book)
    set_repository(book, URL)
    (again,) = plan.plan(book)
    assert again.key == job.key


@pytest.mark.parametrize(
    "url",
    [
        *("github.com/a/b", "http://github.com/a/b", "https://github.com/a", "https://github.com/a/b/tree/main"),
        *("git@host:a/b", "https://github.com/a/b?c=d", "https://github.com/a b/c", 'https://github.com/a/b"c'),
        *("https:///a/b", "https://me:pw@host/a/b"),
    ],
)
def test_wrong_addresses(book, url):
    before = contents(book)
    with pytest.raises(RunnerError, match=r"it must (be of the form https://HOST/OWNER/NAME|end in /OWNER/NAME)"):
        set_repository(book, url)
    assert contents(book) == before


def test_a_file_without_its_place_stops_everything(book):
    before = contents(book)
    with pytest.raises(RunnerError, match="branch is 'a b'"):
        set_repository(book, URL, branch="a b")
    (book.root / "README.md").write_text("# No marks")
    with pytest.raises(RunnerError, match=r"README.md lacks the lines"):
        set_repository(book, URL)
    (book.root / "README.md").write_text(before["README.md"])
    (book.root / "course_utils" / "weights.toml").write_text("[sha256]\n")
    with pytest.raises(RunnerError, match="course_utils/weights.toml has no line 'address"):
        set_repository(book, URL)
    (book.root / "course_utils" / "weights.toml").write_text(before["course_utils/weights.toml"])
    path = book.notebook("01_one")
    path.write_text(before["notebooks/01_one.ipynb"].replace("repository = ", "address = "))
    with pytest.raises(RunnerError, match=r"01_one.ipynb has no set-up cell with a line"):
        set_repository(book, URL)
    assert (book.root / "_config.yml").read_text() == before["_config.yml"]


def test_the_command(book, monkeypatch):
    monkeypatch.chdir(book.root)
    done = CliRunner().invoke(main, ["set-repository", URL])
    assert done.output.splitlines()[:2] == ["changed: _config.yml", "changed: README.md"]
    assert done.output.splitlines()[-1] == "changed: notebooks/01_one.ipynb"
    assert CliRunner().invoke(main, ["set-repository", URL]).output == "nothing to change\n"
    assert "Error: the address is 'x'" in CliRunner().invoke(main, ["set-repository", "x"]).output


def test_pages_have_a_colab_button_only_with_an_address(book):
    execute.run_jobs(book, plan.plan(book))
    page = book.html / "notebooks" / "01_one.html"
    site.build_site(book)
    assert "colab" not in page.read_text()
    set_repository(book, URL)
    site.build_site(book)
    assert f'href="{COLAB}"' in page.read_text()


def test_the_real_book_can_be_given_an_address(tmp_path):
    root = tmp_path / "book"
    (root / "course_utils").mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml", "README.md", "course_utils/weights.toml"):
        shutil.copy(ROOT / name, root / name)
    shutil.copytree(ROOT / "notebooks", root / "notebooks")
    project = Project(root)
    set_repository(project, "")
    changed = set_repository(project, URL)
    assert set(changed) == {
        "_config.yml",
        "README.md",
        "course_utils/weights.toml",
        *(f"notebooks/{p.name}" for p in root.glob("notebooks/*.ipynb")),
    }
    for path in root.glob("notebooks/*.ipynb"):
        nbformat.validate(nbformat.read(path, as_version=4))
