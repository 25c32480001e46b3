"""`CONTRIBUTING.md` promises that a chapter takes three things; here it gets just those."""

from pathlib import Path

import nbformat
import yaml
from click.testing import CliRunner

from book_runner.cli import main

GUIDE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


def test_a_new_chapter_takes_a_notebook_a_line_and_an_entry(make_project, monkeypatch):
    project = make_project({"01_one": ["n = 1"]})
    monkeypatch.chdir(project.root)
    assert CliRunner().invoke(main, ["book"]).exit_code == 0

    notebook = nbformat.read(project.notebook("01_one"), as_version=4)
    notebook["cells"][0]["source"] = "# A new chapter"
    nbformat.write(notebook, project.notebook("02_new"))
    toc = yaml.safe_load((project.root / "_toc.yml").read_text())
    toc["chapters"].append({"file": "notebooks/02_new"})
    (project.root / "_toc.yml").write_text(yaml.safe_dump(toc))
    profiles = project.notebooks / "profiles.yml"
    profiles.write_text(profiles.read_text() + "02_new: {}\n")

    result = CliRunner().invoke(main, ["book"])
    assert result.exit_code == 0, result.output
    assert "01_one fresh" in result.output
    assert "02_new done" in result.output
    assert "A new chapter" in (project.html / "notebooks" / "02_new.html").read_text()
    assert "A new chapter" in (project.html / "notebooks" / "01_one.html").read_text()


def test_the_guide_names_the_three_things_and_files_that_exist():
    for thing in ("notebooks/NN_name.ipynb", "_toc.yml", "notebooks/profiles.yml"):
        assert thing in GUIDE
    root = Path(__file__).parent.parent
    packages = [root / "course_utils", root / "book_runner"]
    folders = [root, *packages, *(path for package in packages for path in package.rglob("*") if path.is_dir())]
    table = [line for line in GUIDE.splitlines() if line.startswith("| ") and "`" in line]
    # A dozen rows: the names of the files say the rest.
    assert 10 <= len(table) <= 14
    for name in (name for line in table for name in line.split("`")[1::2]):
        # `make` is a command, not a file.
        assert name == "make" or any((folder / name).exists() for folder in folders), name
