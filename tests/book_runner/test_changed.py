import subprocess

import nbformat
import pytest
from click.testing import CliRunner

from book_runner.changed import changed_pages
from book_runner.cli import main
from course_utils.errors import RunnerError


@pytest.fixture
def repository(make_project):
    """A book under Git, with an empty file for each module that its notebooks use."""
    project = make_project({"01_one": ["n = 2"], "02_two": ["n = 2", "from course_utils import datasets"]})
    for name in ("course_utils/errors.py", "course_utils/datasets/__init__.py", "book_runner/cli.py"):
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text("")
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def git(project, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


def commit(project):
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "a change")


def test_sources_and_modules_touch_pages(repository):
    assert changed_pages(repository, "HEAD") == {}
    (repository.book / "intro.md").write_text("# Anew\n")
    (repository.root / "course_utils" / "cli.py").write_text("new = 1\n")
    commit(repository)
    assert changed_pages(repository, "HEAD~1") == {"book/intro.html": "its source"}
    (repository.root / "course_utils" / "datasets" / "__init__.py").write_text("new = 1\n")
    commit(repository)
    found = {"notebooks/02_two.html": "course_utils.datasets"}
    assert changed_pages(repository, "HEAD~1") == found
    assert changed_pages(repository, "HEAD~2") == {"book/intro.html": "its source", **found}
    notebook = nbformat.read(repository.notebook("02_two"), as_version=4)
    notebook["cells"][0]["source"] = "# Another"
    nbformat.write(notebook, repository.notebook("02_two"))
    commit(repository)
    assert changed_pages(repository, "HEAD~2") == {"notebooks/02_two.html": "its source"}


def test_only_the_own_branch_counts(repository):
    git(repository, "switch", "--quiet", "--create", "mine")
    git(repository, "switch", "--quiet", "main")
    (repository.book / "intro.md").write_text("# Of others\n")
    commit(repository)
    git(repository, "switch", "--quiet", "mine")
    assert changed_pages(repository, "main") == {}


@pytest.mark.parametrize("since", ["nowhere", "--output=stolen"])
def test_unknown_commits(repository, since):
    with pytest.raises(RunnerError, match=f"since is '{since}'; it must be a commit: "):
        changed_pages(repository, since)
    assert sorted(path.name for path in repository.root.iterdir() if "stolen" in path.name) == []


def test_the_command(repository, monkeypatch):
    monkeypatch.chdir(repository.root)
    done = CliRunner().invoke(main, ["changed", "--since", "HEAD"])
    assert done.output == "No page has changed.\n"
    (repository.book / "intro.md").write_text("# Anew\n")
    commit(repository)
    done = CliRunner().invoke(main, ["changed", "--since", "HEAD~1"])
    assert done.output == "- `book/intro.html`: its source\n"
