"""A scheduler and two workers, each a process of its own, on this machine."""

import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

pytest.importorskip("distributed")

from book_runner import dask, plan, sweep
from book_runner.project import read_json

pytestmark = pytest.mark.timeout(180)
PACKAGE = Path(plan.__file__).parents[1]
RECORDING = """
from IPython.display import display
def keep(name, value):
    entry = {"name": name, "value": value, "unit": None, "context": {}}
    display({"text/plain": name}, raw=True, metadata={"course": {"kind": "record", "content": entry}})
import os, pathlib, course_utils
keep("double", 2 * n)
keep("package", course_utils.__file__)
keep("threads", os.environ["OMP_NUM_THREADS"])
pathlib.Path("01_one").mkdir(); pathlib.Path("01_one/page.html").write_text("hello")
"""
# The first run of n = 0 ends the Dask worker that runs it, as a machine that fails would.
DEADLY = """
import os, pathlib, psutil
there = pathlib.Path(mark)
if n == 0 and not there.exists():
    there.write_text("")
    psutil.Process().parent().parent().kill()
    psutil.Process().parent().wait()
"""


@pytest.fixture(autouse=True)
def no_thread_is_left():
    """Dask's threads end with the run: one that is alive when Python ends may take Python down."""
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    for thread in left:
        thread.join(timeout=10)
    assert not [thread for thread in left if thread.is_alive()]


@contextlib.contextmanager
def process(*command, says, folder, **environment):
    """Start a part of Dask, wait until it says that it is ready, and end it, with all of its children."""
    running = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in running.stdout:
            if says in line:
                break
        yield running, line
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(running.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()
        running.kill()
        running.stdout.close()
        running.wait()


@contextlib.contextmanager
def start_cluster(folder, workers=2, *, package=PACKAGE):
    """Start a scheduler and workers that know the package from a path, or not at all."""
    (folder / "elsewhere").mkdir(parents=True)
    options = ["--no-dashboard", "--host", "127.0.0.1", "--port", "0"]
    with contextlib.ExitStack() as stack:
        scheduler, line = stack.enter_context(
            process("distributed.cli.dask_scheduler", *options, says="Scheduler at:", folder=folder)
        )
        address = line.split()[-1]
        for index in range(workers):
            place = folder / f"worker{index}"
            options = [address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(place)]
            stack.enter_context(
                process(
                    "distributed.cli.dask_worker", *options, says="Registered to:", folder=folder / "elsewhere",
                    PYTHONPATH=str(package), OMP_NUM_THREADS="1",
                )
            )  # fmt: skip
        yield address, scheduler


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with start_cluster(tmp_path_factory.mktemp("cluster") / "dask") as (address, _):
        yield address


def course(project, *arguments):
    command = [sys.executable, "-m", "book_runner.cli", *arguments]
    return subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=120)


def test_chapters_run_on_the_cluster_as_they_do_here(make_project, address):
    project = make_project({"01_one": ["n = 2", RECORDING], "02_two": ["n = 2", "n / 0"]})
    result = course(project, "run", "--dask", address)
    assert result.returncode == 1, result.stderr
    assert "01_one running" in result.stdout
    assert "01_one done" in result.stdout
    assert "failed: 02_two: ZeroDivisionError: division by zero (log: _build/logs/quick/02_two.log)" in result.stdout
    record = read_json(project.record("quick", "01_one"))
    assert record["records"]["double"]["value"] == 4
    assert record["records"]["threads"]["value"] == "1"
    assert record["environment"]["threads"] == 1
    assert (project.artefacts("quick", "01_one") / "page.html").read_text() == "hello"
    assert "ZeroDivisionError" in project.log("quick", "02_two").read_text()
    # Nothing temporary stays behind, and what was run there is not run again here.
    left = sorted(path.name for path in (project.build / "executed" / "quick").iterdir())
    assert left == ["01_one", "01_one.ipynb", "02_two.ipynb"]
    assert "01_one fresh" in course(project, "run", "--only", "01").stdout


def test_a_worker_that_dies_takes_no_job_along(make_project, tmp_path):
    project = make_project({"01_one": [f"n = 0\nmark = {str(tmp_path / 'mark')!r}", DEADLY]})
    with start_cluster(tmp_path / "dask") as (address, _):
        result = course(project, "sweep", "01", "-g", "n=0,1,2", "--dask", address, "--out", "table.csv")
        assert result.returncode == 0, result.stdout + result.stderr
    assert (tmp_path / "mark").exists()
    assert [f"01_one (n={n}) done" in result.stdout for n in range(3)] == [True] * 3
    assert sweep.read_table(project.root / "table.csv")["state"].tolist() == ["done"] * 3


def test_upload_brings_package_and_data_to_workers_that_have_neither(make_project, tmp_path, monkeypatch):
    import numpy as np

    data = tmp_path / "data"
    data.mkdir()
    rng = np.random.default_rng(0)
    arrays = {
        f"{kind}_{part}": rng.integers(0, 10, (20, 28, 28) if kind == "x" else 20, dtype=np.uint8)
        for kind in "xy"
        for part in ("train", "test")
    }
    np.savez(data / "mnist.npz", **arrays)
    monkeypatch.setenv("COURSE_DATA_DIR", str(data))
    monkeypatch.setenv("COURSE_CACHE_DIR", str(tmp_path / "cache"))
    loading = (
        "from course_utils import datasets\n"
        "found = datasets.load('mnist', source='local', train_limit=5, test_limit=5)\n"
        "keep('images', len(found.x_train))"
    )
    project = make_project({"01_one": ["n = 2", RECORDING, loading]}, {"01_one": {"data": ["mnist"]}})
    for package in ("book_runner", "course_utils"):
        (tmp_path / "older" / package).mkdir(parents=True)
        (tmp_path / "older" / package / "__init__.py").write_text("")
    with start_cluster(tmp_path / "dask", 1, package=tmp_path / "older") as (address, _):
        result = course(project, "run", "--dask", address, "--upload")
        assert result.returncode == 0, result.stdout + result.stderr
    records = read_json(project.record("quick", "01_one"))["records"]
    assert str(tmp_path / "dask" / "worker0") in records["package"]["value"]
    assert records["images"]["value"] == 5
    assert "01_one: fresh" in course(project, "plan").stdout


def test_a_worker_with_other_files_says_so_instead_of_running(make_project, address):
    project = make_project({"01_one": ["n = 2", "from course_utils import results"]})
    (job,) = plan.plan(project)
    job.parts["modules"]["course_utils.results"] = "other"
    job.parts["Python"] = "3.0.0"
    events = []
    assert dask.run_jobs(project, [job], address, notify=events.append) == {"01_one": "failed"}
    assert "would run something else: course_utils/results.py changed; Python changed: 3.0.0 →" in events[-1].message
    assert not project.record("quick", "01_one").exists()


def test_ctrl_c_ends_what_runs_on_the_workers(make_project, address):
    project = make_project({"01_one": ["n = 2", "import os, time\nprint(os.getpid())\ntime.sleep(600)"]})

    def stop(event):
        if event.state == "running" and event.cell == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dask.run_jobs(project, plan.plan(project), address, notify=stop)
    kernels = [one for one in psutil.process_iter(["cmdline", "cwd"]) if str(project.root) in str(one.info["cwd"])]
    assert not kernels
    # The worker is free again.
    make_project({"01_one": ["n = 2"]})
    assert dask.run_jobs(project, plan.plan(project), address) == {"01_one": "done"}


def test_no_scheduler_is_said_at_once_and_what_stands_needs_none(make_project, monkeypatch):
    monkeypatch.setattr(dask, "_TIMEOUT", 1)
    project = make_project({"01_one": ["n = 2"]})
    with pytest.raises(dask.RunnerError, match="no Dask scheduler answers at tcp://127.0.0.1:9"):
        dask.run_jobs(project, plan.plan(project), "tcp://127.0.0.1:9")
    with pytest.raises(dask.RunnerError, match="no Dask scheduler answers at tcp://127.0.0.1:x"):
        dask.run_jobs(project, plan.plan(project), "tcp://127.0.0.1:x")
    with pytest.raises(dask.RunnerError, match="'http://x'; it must begin with tcp:// or tls://"):
        dask.run_jobs(project, plan.plan(project), "http://x")
    assert dask.run_jobs(project, [], "tcp://127.0.0.1:9") == {}


def test_a_scheduler_that_dies_ends_the_run_with_a_message(make_project, tmp_path):
    project = make_project({"01_one": ["n = 2", "import time\ntime.sleep(600)"]})
    events = []
    with start_cluster(tmp_path / "dask", 1) as (address, scheduler):

        def end(event):
            events.append(event)
            if event.state == "running":
                scheduler.kill()

        assert dask.run_jobs(project, plan.plan(project), address, notify=end) == {"01_one": "failed"}
    assert events[-1].message == "the connection to the scheduler was lost"


def test_nothing_of_the_package_is_needed_to_unpack_what_is_sent():
    """A worker that has never seen the package must be able to read the function that brings it."""
    from distributed.protocol.pickle import dumps

    for function in (dask._make_perform("run", {}, {}), dask._make_end("run")):
        code = "import pickle, sys; pickle.load(sys.stdin.buffer); print(json.dumps([m for m in sys.modules]))"
        code = f"import json\n{code}".replace("; print", "\nprint")
        found = subprocess.run(
            [sys.executable, "-P", "-c", code], input=dumps(function), capture_output=True, check=True, env={"PATH": ""}
        )
        assert not {"book_runner", "course_utils"} & set(json.loads(found.stdout))
