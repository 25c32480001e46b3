"""Fixtures that several test modules share."""

from pathlib import Path

import nbformat
import pytest
import yaml
from click.testing import CliRunner

from book_runner.cli import main
from book_runner.project import Project


def pytest_collection_modifyitems(items):
    """Begin with the files that take long, so that no worker is left with one at the end."""
    long = {item.path for item in items if any(map(item.get_closest_marker, ("browser", "slow")))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture
def make_project(tmp_path):
    """Write a small book: a name and its code cells each, the first of which holds the parameters."""

    def write(notebooks, profiles=None, *, tag="parameters"):
        folder = tmp_path / "project" / "notebooks"
        folder.mkdir(parents=True, exist_ok=True)
        for name, cells in notebooks.items():
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# Page {name}")])
            notebook["metadata"] = {
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                "language_info": {"name": "python"},
            }
            notebook["cells"] += [nbformat.v4.new_code_cell(source) for source in cells]
            notebook["cells"][1]["metadata"]["tags"] = [tag]
            nbformat.write(notebook, folder / f"{name}.ipynb")
        profiles = {name: {} for name in notebooks} if profiles is None else profiles
        (folder / "profiles.yml").write_text(yaml.safe_dump(profiles))
        project = Project(tmp_path / "project")
        project.book.mkdir(exist_ok=True)
        (project.book / "intro.md").write_text("# A small book\n")
        chapters = [{"file": f"notebooks/{name}"} for name in notebooks]
        toc = {"format": "jb-book", "root": "book/intro", "chapters": chapters}
        toc["chapters"] += [{"file": "book/ledger"}, {"file": "book/status"}]
        (project.root / "_toc.yml").write_text(yaml.safe_dump(toc))
        config = {
            "title": "A small book",
            "execute": {"execute_notebooks": "off"},
            "sphinx": {"extra_extensions": ["book_runner.pages.numbers"]},
        }
        (project.root / "_config.yml").write_text(yaml.safe_dump(config))
        return project

    return write


@pytest.fixture
def add_prose():
    """Add a text to the end of a chapter of a small book, of ``01_one`` unless told."""

    def add(project, text, chapter="01_one"):
        path = project.notebook(chapter)
        notebook = nbformat.read(path, as_version=4)
        notebook["cells"].append(nbformat.v4.new_markdown_cell(text))
        nbformat.write(notebook, path)

    return add


@pytest.fixture
def with_own_pages():
    """Give a small book what the real one has beside its chapters: package, data cards, change log."""

    def add(project):
        toc = yaml.safe_load((project.root / "_toc.yml").read_text())
        own = [{"file": "book/api", "sections": [{"glob": "book/api/*"}]}]
        toc["chapters"] += [*own, {"file": "book/data_cards"}, {"file": "book/changelog"}]
        (project.root / "_toc.yml").write_text(yaml.safe_dump(toc))
        (project.root / "CHANGELOG.md").write_text("# Change log\n\nIt all began.\n")
        config = yaml.safe_load((project.root / "_config.yml").read_text())
        settings = yaml.safe_load((Path(__file__).parents[1] / "_config.yml").read_text())["sphinx"]["config"]
        extensions = [name for name in settings["extensions"] if name.startswith(("sphinx.ext.", "book_runner."))]
        config["sphinx"] = {
            "extra_extensions": extensions,
            "config": {key: settings[key] for key in settings if key.startswith(("auto", "napoleon", "nitpick"))},
        }
        (project.root / "_config.yml").write_text(yaml.safe_dump(config))
        return project

    return add


@pytest.fixture
def course(monkeypatch):
    """Run a command line in a folder; give its result."""

    def call(folder, *arguments):
        monkeypatch.chdir(folder)
        return CliRunner().invoke(main, arguments)

    return call
