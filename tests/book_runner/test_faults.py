"""What may go wrong around a run: after each fault the message is right, finished work is kept, the next run completes.

Workers, kernels and the runner itself are killed in `test_execute`, Dask workers in `test_dask`.
"""

import errno
import json
import os
import shutil
import subprocess
import sys

import nbformat
import pytest

from book_runner import execute, plan, site
from book_runner.project import read_json

COURSE = [sys.executable, "-m", "book_runner.cli"]


def run(project, **options):
    return execute.run_jobs(project, plan.plan(project), **options)


def in_own_mounts(script, *arguments, **options):
    """Run a shell script that may mount file systems, which nobody else sees."""
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    return subprocess.run([*command, "sh", "-c", script, "sh", *arguments], capture_output=True, text=True, **options)


def can_mount(folder):
    return shutil.which("unshare") and in_own_mounts('mount -t tmpfs tmpfs "$1"', str(folder)).returncode == 0


def test_a_disk_that_is_really_full(make_project, tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("this user may not mount a small disk; the next test has the same fault without one")
    project = make_project({"01_one": ["n = 2", "n"], "02_two": ["n = 2", "print('x' * 3_000_000)"]})
    project.build.mkdir()
    script = """
        mount -t tmpfs -o size=1m tmpfs _build && shift
        "$@" run --jobs 1; echo "first: $?"
        mount -o remount,size=50m _build
        "$@" run --jobs 1; echo "second: $?"
    """
    result = in_own_mounts(script, "course", *COURSE, cwd=project.root, timeout=120)
    first, second = result.stdout.split("first: 1\n")
    assert "01_one done" in first
    assert "failed: 02_two: " in first
    assert "No space left on device" in first
    assert "01_one fresh" in second
    assert "02_two done" in second
    assert "second: 0" in second
    assert "Traceback" not in result.stdout + result.stderr


def test_a_full_disk_fails_the_jobs_that_meet_it_and_no_other(make_project, course, monkeypatch):
    names = {
        "02_two": (execute.tempfile, "mkdtemp"),
        "03_three": (execute.os, "replace"),
        "04_four": (execute, "write_text"),
    }
    project = make_project({name: ["n = 2"] for name in ("01_one", *names)})

    def fill(name, real):
        def full(*arguments, **options):
            if name in f"{arguments} {options}":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
            return real(*arguments, **options)

        return full

    with monkeypatch.context() as patched:
        for name, (module, function) in names.items():
            patched.setattr(module, function, fill(name, getattr(module, function)))
        result = course(project.root, "run", "--jobs", "2")
    assert result.exit_code == 1
    assert "01_one done" in result.output
    for name in names:
        message = f"could not be run or kept: No space left on device: {name}"
        assert f"failed: {name}: {message} (log: _build/" in result.output
    assert [plan.stale_reasons(project, job) for job in plan.plan(project)] == [[], *([["never run"]] * 3)]
    assert not list((project.build / "executed" / "quick").glob(".*"))
    assert run(project, workers=2) == {"01_one": "fresh", **dict.fromkeys(names, "done")}


def test_an_output_folder_that_nobody_can_write_to(make_project, course):
    project = make_project({"01_one": ["n = 2"]})
    # Modes do not stop root; in /sys nobody can make a file.
    project.build.symlink_to("/sys")
    for command in ("run", "book", "site"):
        result = course(project.root, command)
        assert result.exit_code == 1
        assert result.output.startswith("Error: cannot write below _build/: ")
        assert len(result.output.splitlines()) == 1
    project.build.unlink()
    project.build.write_text("a file in the folder's place")
    assert "Error: cannot write below _build/: " in course(project.root, "run").output


def test_a_results_folder_that_nobody_can_write_to(make_project, course):
    project = make_project({"01_one": ["n = 2"]})
    run(project)
    before = project.executed("quick", "01_one").read_bytes()
    results = project.build / "results"
    results.rename(project.build / "kept")
    results.symlink_to("/sys")
    result = course(project.root, "run")
    assert result.exit_code == 1
    assert "failed: 01_one: could not be run or kept: " in result.output
    results.unlink()
    (project.build / "kept").rename(results)
    project.executed("quick", "01_one").write_bytes(before)
    assert run(project) == {"01_one": "fresh"}


def test_a_damaged_record_counts_as_none(ran):
    path = ran.record("quick", "01_one")
    record = read_json(path)
    damaged = [record | {"parts": []}, record | {"cells": None}, {key: record[key] for key in record if key != "error"}]
    for text in ("{ half a rec", "[]", "\x00" * 100, "", *map(json.dumps, damaged)):
        path.write_text(text)
        assert plan.stale_reasons(ran, plan.plan(ran)[0]) == ["its record is damaged"]
        assert site.stage(ran)["01_one"].record is None
    assert run(ran) == {"01_one": "done"}


def test_a_damaged_executed_notebook_is_run_again(ran, course):
    executed = ran.executed("quick", "01_one")
    executed.write_bytes(executed.read_bytes()[:100])
    assert "stale: the executed notebook is missing or was changed" in course(ran.root, "plan").output
    # A site that is made before it was run again does not show half a page.
    assert site.stage(ran)["01_one"].record is None
    assert run(ran) == {"01_one": "done"}
    nbformat.validate(nbformat.read(executed, as_version=4))


@pytest.fixture
def ran(make_project):
    project = make_project({"01_one": ["n = 2"]})
    assert run(project) == {"01_one": "done"}
    return project


def test_dates_decide_nothing(ran):
    """A clock that went backwards leaves files and records from the future."""
    path = ran.record("quick", "01_one")
    path.write_text(json.dumps(read_json(path) | {"started": "2100-01-01T00:00:00+00:00"}))
    future = 4102444800
    for file in [file for file in ran.build.rglob("*") if file.is_file()]:
        os.utime(file, (future, future))
    assert plan.stale_reasons(ran, plan.plan(ran)[0]) == []
    notebook = nbformat.read(ran.notebook("01_one"), as_version=4)
    notebook["cells"][1]["source"] = "n = 3"
    nbformat.write(notebook, ran.notebook("01_one"))
    os.utime(ran.notebook("01_one"), (0, 0))
    assert "code changed" in plan.stale_reasons(ran, plan.plan(ran)[0])
    assert run(ran) == {"01_one": "done"}
    assert run(ran) == {"01_one": "fresh"}


def test_a_clock_that_goes_backwards_makes_no_negative_times(make_project):
    project = make_project({"01_one": ["n = 2", "n", "n"]})
    order = project.root / "job.json"
    output = project.root / "out.ipynb"
    job = {"injected": {"n": 1}, "parts": {"data": {}}}
    content = {"input": str(project.notebook("01_one")), "output": str(output), "job": job, "check": False}
    order.write_text(json.dumps(content))
    backwards = (
        "import datetime, itertools, sys\n"
        "from papermill.engines import NotebookExecutionManager\n"
        "from book_runner import worker\n"
        "hours = itertools.count()\n"
        "def now(self):\n"
        "    return datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC) - datetime.timedelta(hours=next(hours))\n"
        "NotebookExecutionManager.now = now\n"
        "sys.exit(worker.main(sys.argv[1]))\n"
    )
    subprocess.run([sys.executable, "-c", backwards, str(order)], check=True, cwd=project.root, capture_output=True)
    cells = execute._gather(nbformat.read(output, as_version=4))["cells"]
    assert all(0 <= cell["seconds"] < 60 for cell in cells)


def test_a_kernel_out_of_memory(make_project):
    killed = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    limited = (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\nfilled = bytearray(2**32)\nfilled[0]"
    )
    project = make_project({"01_one": ["n = 2", killed], "02_two": ["n = 2", limited], "03_three": ["n = 2"]})
    assert run(project, workers=2) == {"01_one": "failed", "02_two": "failed", "03_three": "done"}
    errors = [read_json(project.record("quick", name))["error"] for name in ("01_one", "02_two")]
    assert errors == ["its kernel was killed from outside, as the system does when memory runs out", "MemoryError: "]
    make_project({"01_one": ["n = 2"], "02_two": ["n = 2"], "03_three": ["n = 2"]})
    assert run(project, workers=2) == {"01_one": "done", "02_two": "done", "03_three": "fresh"}


def test_the_second_of_two_runs_says_who_holds_the_folder(make_project, course):
    project = make_project({"01_one": ["n = 2"]})
    with execute.build_lock(project):
        result = course(project.root, "run")
    assert result.exit_code == 1
    assert f"Error: another run holds _build/: process {os.getpid()}, started 20" in result.output
    assert course(project.root, "plan").exit_code == 0
