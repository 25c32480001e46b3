import os
import signal
import subprocess
import sys
import time

import nbformat
import papermill
import psutil
import pytest

from book_runner import execute, plan, worker
from book_runner.project import read_json, record_validator
from course_utils.errors import RunnerError

RECORDING = [
    "n = 2",
    "from course_utils import results\nresults.record('double', 2 * n, unit='s', low=1.5)",
    "results.finding('Two is even.', n % 2 == 0, evidence=str(n))",
    "from course_utils import datasets\n"
    "toy = datasets.load('mnist', source='synthetic', train_limit=20, test_limit=20)\nresults.provenance(toy)",
    "import pathlib\npathlib.Path('01_one').mkdir()\npathlib.Path('01_one/page.html').write_text('hello')",
]


def run(project, profile="quick", **options):
    return execute.run_jobs(project, plan.plan(project, profile), **options)


def test_a_run_leaves_notebook_artefacts_and_record(make_project):
    project = make_project({"01_one": RECORDING})
    events = []
    assert run(project, notify=events.append) == {"01_one": "done"}
    record = read_json(project.record("quick", "01_one"))
    record_validator().validate(record)
    assert record["records"] == {"double": {"value": 4, "unit": "s", "context": {"low": 1.5}}}
    assert record["findings"] == [{"statement": "Two is even.", "holds": True, "evidence": "2", "needs": "quick"}]
    assert [(data["name"], data["kind"]) for data in record["data"]] == [("mnist", "synthetic")]
    assert len(record["cells"]) == 5
    assert record["peak_memory_bytes"] > 2**20
    assert (project.artefacts("quick", "01_one") / "page.html").read_text() == "hello"
    assert events[0].state == "waiting"
    assert events[-1].state == "done"
    assert max(event.cell for event in events) == 6
    # Nothing temporary stays behind.
    assert sorted(path.name for path in (project.build / "executed" / "quick").iterdir()) == [
        "01_one",
        "01_one.ipynb",
    ]


@pytest.mark.parametrize(("seconds", "saves"), [(3600.0, 2), (0.0, 2 + 2 * 6)])
def test_what_the_cells_gave_is_saved_every_few_seconds_and_at_the_end(make_project, monkeypatch, seconds, saves):
    source = make_project({"01_one": [f"print({k})" for k in range(5)]}).notebook("01_one")
    written, write = [], papermill.engines.write_ipynb
    monkeypatch.setattr(papermill.engines, "write_ipynb", lambda nb, path: (written.append(path), write(nb, path)))
    monkeypatch.setattr(worker, "_SAVE_EVERY", seconds)
    out = source.with_name("out.ipynb")
    worker.ReportingEngine.execute_notebook(
        papermill.iorw.load_notebook_node(str(source)), "python3", str(out), progress_bar=False
    )
    # Once before the first cell and once after the last, besides. The title is a cell, too.
    assert len(written) == saves
    assert [cell.outputs[0].text for cell in nbformat.read(out, 4).cells[1:]] == [f"{k}\n" for k in range(5)]


def test_what_stands_is_not_run_again(make_project):
    project = make_project({"01_one": ["n = 2", "n"]})
    run(project)
    before = project.record("quick", "01_one").read_bytes()
    assert run(project) == {"01_one": "fresh"}
    assert project.record("quick", "01_one").read_bytes() == before
    assert run(project, force=True) == {"01_one": "done"}


def test_profile_parameters_reach_the_notebook(make_project):
    cells = ["n = 2", "from course_utils import results\nresults.record('n', n)"]
    project = make_project({"01_one": cells}, {"01_one": {"full": {"n": 7}}})
    run(project, "full")
    assert read_json(project.record("full", "01_one"))["records"]["n"]["value"] == 7


def test_a_failed_cell_stops_neither_the_others_nor_the_next_run(make_project):
    project = make_project({"01_one": ["n = 2", "1 / 0", "n"], "02_two": ["n = 2", "n"]})
    assert run(project) == {"01_one": "failed", "02_two": "done"}
    record = read_json(project.record("quick", "01_one"))
    assert record["error"] == "ZeroDivisionError: division by zero"
    assert [cell["failed"] for cell in record["cells"]].count(True) == 1
    make_project({"01_one": ["n = 2", "1 / 1", "n"], "02_two": ["n = 2", "n"]})
    assert run(project) == {"01_one": "done", "02_two": "fresh"}


def test_a_notebook_that_hangs_is_stopped_with_its_kernel(make_project):
    cells = ["n = 2", "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)"]
    project = make_project({"01_one": cells}, {"01_one": {"time_limit": {"quick": 4}}})
    start = time.monotonic()
    assert run(project) == {"01_one": "failed"}
    assert time.monotonic() - start < 30
    assert "time limit of 4 s" in read_json(project.record("quick", "01_one"))["error"]
    ours = psutil.Process().children(recursive=True)
    assert not [child for child in ours if "ipykernel" in " ".join(child.cmdline())]


def test_a_kernel_that_is_killed_is_a_failed_run(make_project):
    project = make_project({"01_one": ["n = 2", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"]})
    assert run(project) == {"01_one": "failed"}
    assert read_json(project.record("quick", "01_one"))["error"]


def test_a_worker_that_is_killed_is_a_failed_run(make_project):
    project = make_project({"01_one": ["n = 2", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)"]})
    assert run(project) == {"01_one": "failed"}
    assert "SIGKILL" in read_json(project.record("quick", "01_one"))["error"]


def test_a_runner_that_is_killed_leaves_nothing_that_counts_as_done(make_project):
    project = make_project({"01_one": ["n = 2", "import time\ntime.sleep(60)"], "02_two": ["n = 2"]})
    command = [sys.executable, "-m", "book_runner.cli", "run", "--jobs", "1"]
    first = subprocess.Popen(command, cwd=project.root, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in first.stdout:
        if line.startswith("01_one running"):
            break
    workers = psutil.Process(first.pid).children(recursive=True)
    first.kill()
    first.wait()
    # Nobody is left to end the worker and its kernel: they must notice.
    assert workers
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert read_json(project.record("quick", "01_one")) is None
    (one, _) = plan.plan(project)
    assert plan.stale_reasons(project, one) == ["never run"]
    make_project({"01_one": ["n = 2"], "02_two": ["n = 2"]})
    again = subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "01_one done" in again.stdout


def piecewise(then):
    """Cells that do two long pieces of work, each noted in a file beside the book, and between them something else."""
    noted = (
        "import time\nfrom pathlib import Path\nfrom course_utils import results\n"
        "def work(name, folder):\n"
        "    with open(notes, 'a') as file:\n        file.write(name + ' ')\n"
        "    time.sleep(0.05)\n    Path(folder).mkdir()\n    Path(folder, 'log').write_text(name)\n"
        "    return {'value': name.upper()}\n"
    )
    first = "first = results.once('first', lambda: work('first', 'logs'), folder='logs')"
    second = "results.once('second', lambda: work('second', 'more'))"
    last = "results.record('found', first['value'] + Path('logs', 'log').read_text())"
    return ["n = 2\nnotes = ''", noted, first, then, second, last]


def test_what_an_interrupted_run_has_finished_is_not_done_again(make_project, tmp_path):
    notes, fatal = tmp_path / "notes", tmp_path / "fatal"
    fatal.touch()
    then = f"import os, signal\nif os.path.exists({str(fatal)!r}):\n    os.kill(os.getpid(), signal.SIGKILL)"
    project = make_project({"01_one": piecewise(then)}, {"01_one": {"quick": {"notes": str(notes)}}})
    assert run(project) == {"01_one": "failed"}
    assert notes.read_text() == "first "
    fatal.unlink()
    assert run(project) == {"01_one": "done"}
    assert notes.read_text() == "first second "
    record = read_json(project.record("quick", "01_one"))
    record_validator().validate(record)
    assert record["records"]["found"]["value"] == "FIRSTfirst"
    assert 0 < record["resumed_seconds"] < record["seconds"]
    assert not list((project.build / "unfinished").rglob("value"))
    # A run that is asked for again begins at the beginning.
    assert run(project, force=True) == {"01_one": "done"}
    assert notes.read_text() == "first second first second "
    assert read_json(project.record("quick", "01_one"))["resumed_seconds"] == 0


def test_finished_work_of_another_program_is_thrown_away(make_project, tmp_path):
    notes = tmp_path / "notes"
    profiles = {"01_one": {"quick": {"notes": str(notes)}}}
    assert run(make_project({"01_one": piecewise("1 / 0")}, profiles)) == {"01_one": "failed"}
    project = make_project({"01_one": piecewise("1 / 1")}, profiles)
    assert run(project) == {"01_one": "done"}
    assert notes.read_text() == "first first second "


def test_ctrl_c_ends_the_workers(make_project):
    project = make_project({"01_one": ["n = 2", "import time\ntime.sleep(600)"]})
    # A shell that starts the tests in the background has them ignore Ctrl-C, and the runner would inherit that.
    listening = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    command = [sys.executable, "-c", listening + "from book_runner.cli import main\nmain()", "run"]
    process = subprocess.Popen(command, cwd=project.root, stdout=subprocess.PIPE, text=True, start_new_session=True)
    for line in process.stdout:
        if line.startswith("01_one running"):
            break
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) != 0
    assert workers
    assert not psutil.wait_procs(workers, timeout=10)[1]
    assert not project.record("quick", "01_one").exists()


def test_two_runs_at_once_are_refused(make_project):
    project = make_project({"01_one": ["n = 2"]})
    with (
        execute.build_lock(project),
        pytest.raises(RunnerError, match=f"another run holds _build/: process {os.getpid()}"),
        execute.build_lock(project),
    ):
        pass
    with execute.build_lock(project):
        pass


def test_two_notebooks_at_a_time(make_project):
    pause = "import time\ntime.sleep(3)"
    project = make_project({f"0{i}_n": ["n = 2", pause] for i in range(1, 3)})
    start = time.monotonic()
    assert set(run(project, workers=2).values()) == {"done"}
    records = [read_json(project.record("quick", f"0{i}_n")) for i in range(1, 3)]
    assert time.monotonic() - start < sum(record["seconds"] for record in records)


def test_a_record_of_a_damaged_notebook_keeps_no_checksum(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text('{"cells": [')
    assert execute._read_output(path) == (None, None)
    assert not path.exists()


def test_outputs_of_other_tools_are_not_records():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    notebook.cells[0].outputs = [
        nbformat.v4.new_output("display_data", {"text/plain": "1"}, metadata={"scrapbook": {}})
    ]
    assert execute._gather(notebook)["records"] == {}


def test_the_schema_refuses_a_record_without_a_key():
    missing = {error.message for error in record_validator().iter_errors({"schema": 1, "name": "x"})}
    assert "'key' is a required property" in missing
