"""Reference results: what is kept of the full run, and what is not."""

import json
import subprocess

import pytest

from book_runner import execute, plan
from book_runner.reference import keep_references
from course_utils.errors import RunnerError

GOOD = ["x = 1", "from course_utils import results\nresults.record('double', 2 * x)"]


def git(project, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=project.root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def committed(make_project):
    project = make_project({"01_good": GOOD, "02_bad": ["x = 1", "1 / 0"], "03_absent": GOOD})
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "all")
    execute.run_jobs(project, plan.plan(project, "full", ["01", "02"]))
    return project


def test_keeps_what_has_been_run_and_says_why_not_the_rest(committed):
    left = keep_references(committed)
    assert set(left) == {"02_bad", "03_absent"}
    assert "never run" in left["03_absent"]
    kept = json.loads(committed.reference("01_good").read_text())
    assert kept["records"]["double"]["value"] == 2
    assert kept["profile"] == "full"
    assert kept["commit"] == git(committed, "rev-parse", "HEAD")
    assert not committed.reference("02_bad").exists()


def test_a_stale_result_does_not_replace_the_reference(committed):
    keep_references(committed)
    before = committed.reference("01_good").read_text()
    committed.notebook("01_good").write_text(committed.notebook("01_good").read_text().replace("2 * x", "3 * x"))
    git(committed, "commit", "--quiet", "-am", "changed")
    assert "code" in keep_references(committed, ["01"])["01_good"]
    assert committed.reference("01_good").read_text() == before


def test_results_of_uncommitted_code_are_refused(committed):
    with committed.notebook("01_good").open("a") as file:
        file.write("\n")
    with pytest.raises(RunnerError, match=r"01_good\.ipynb: not committed"):
        keep_references(committed)
    assert not committed.reference("01_good").exists()


def test_outside_of_git_the_commit_is_not_known(make_project, monkeypatch):
    project = make_project({"01_good": GOOD})
    monkeypatch.setenv("GIT_DIR", str(project.root / "absent"))
    with pytest.raises(RunnerError, match="the commit that made the results is not known"):
        keep_references(project)
