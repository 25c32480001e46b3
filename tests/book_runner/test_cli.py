import subprocess
import sys
import urllib.request

import pytest

from course_utils import datasets


def test_run_plan_and_site(make_project, course):
    project = make_project({"01_one": ["n = 2"]})
    assert "stale: never run" in course(project.root, "plan").output
    first = course(project.root, "run")
    assert first.exit_code == 0
    assert "01_one done" in first.output
    assert "01_one: fresh" in course(project.root / "notebooks", "plan").output
    again = course(project.root, "book")
    assert again.exit_code == 0
    assert "01_one fresh" in again.output
    assert "_build/html/index.html" in again.output
    assert "(unchanged)" in course(project.root, "site").output


def test_a_failed_notebook_gives_exit_code_1_and_still_a_site(make_project, course):
    project = make_project({"01_one": ["n = 2", "n / 0"], "02_two": ["n = 2"]})
    result = course(project.root, "book", "--jobs", "1")
    assert result.exit_code == 1
    assert "failed: 01_one: ZeroDivisionError: division by zero (log: _build/logs/quick/01_one.log)" in result.output
    assert (project.html / "notebooks" / "01_one.html").is_file()
    assert "02_two done" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--profile", "fast"], "'fast' is not one of 'quick', 'full'"),
        (["run", "--only", "07"], "no single notebook is meant by '07'"),
        (["run", "--jobs", "0"], "0 is not in the range x>=1"),
        (["serve"], "there is no site yet"),
        (["bake"], "No such command 'bake'"),
    ],
)
def test_wrong_calls_say_what_is_legal(make_project, course, arguments, message):
    result = course(make_project({"01_one": ["n = 2"]}).root, *arguments)
    assert result.exit_code != 0
    assert message in result.output
    assert "Traceback" not in result.output


def test_outside_a_book(tmp_path, course):
    result = course(tmp_path, "plan")
    assert result.exit_code == 1
    assert "is in no book" in result.output


def test_serve_shows_the_site(make_project):
    project = make_project({"01_one": ["n = 2"]})
    project.html.mkdir(parents=True)
    (project.html / "index.html").write_text("the book")
    command = [sys.executable, "-m", "book_runner.cli", "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            address = server.stdout.readline().split()[4]
            assert urllib.request.urlopen(address, timeout=10).read() == b"the book"
        finally:
            server.terminate()


def test_data_commands(tmp_path, monkeypatch, course):
    monkeypatch.setenv("COURSE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    assert str(tmp_path) in course(tmp_path, "data", "where").output.splitlines()
    listed = course(tmp_path, "data", "list")
    assert listed.exit_code == 0
    assert "Fashion-MNIST" in listed.output
    assert course(tmp_path, "data", "verify", "mnist").exit_code == 1
    (tmp_path / "mnist.npz").write_bytes(b"no archive")
    broken = course(tmp_path, "data", "verify")
    assert broken.exit_code == 1
    assert "mnist.npz" in broken.output
    assert "is not one of" in course(tmp_path, "data", "fetch", "imagenet").output


def test_check_looks_at_the_site(make_project, course):
    project = make_project({"01_one": ["n = 2"]})
    assert "Error" in course(project.root, "check").output
    course(project.root, "book")
    assert course(project.root, "check").output == "0 problems in _build/html/\n"
    page = project.html / "notebooks" / "01_one.html"
    page.write_text(page.read_text().replace("</main>", '<img src="gone.png" alt="gone"></main>'))
    broken = course(project.root, "check")
    assert broken.exit_code == 1
    assert "gone.png" in broken.output


def test_read_shows_what_is_kept_and_no_run_of_this_build(make_project, course):
    project = make_project({"01_one": ["n = 2"]})
    course(project.root, "run")
    result = course(project.root, "read")
    assert result.exit_code == 0
    assert "01_one does not show its full run: no full run is kept" in result.output
    assert f"opens from disk, too: {(project.html / 'index.html').as_uri()}" in result.output
    assert "This page has no results" in (project.html / "notebooks" / "01_one.html").read_text()
    assert "(unchanged)" in course(project.root, "read").output


def test_reference_keeps_cards_by_themselves(make_project, monkeypatch, course):
    monkeypatch.setattr(datasets, "find", lambda name: None)
    project = make_project({"01_one": ["n = 2"]})
    assert course(project.root, "reference", "--cards").output == "kept: pedestrians\n"
    kept = project.book / "reference" / "cards"
    assert {path.name for path in kept.iterdir()} == {"pedestrians.json", "pedestrians.png"}
