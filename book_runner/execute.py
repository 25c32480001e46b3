"""Execute: stale notebooks in, executed notebooks and records out.

Each notebook runs in a process of its own. Its output is written to a folder of its own and moved into place when the
run is over, the record last. So a run that was cut short, by whatever, is never taken for a finished one.
"""

import contextlib
import dataclasses
import datetime
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import filelock
import nbformat
import psutil

from book_runner.answers import NOTE_TAG, with_notes
from book_runner.plan import stale_reasons
from book_runner.project import (
    commit_of_results,
    cores,
    digest,
    machine,
    noted,
    read_json,
    read_notebook,
    read_record,
    record_validator,
    write_text,
)
from course_utils import results
from course_utils.errors import RunnerError

__all__ = [
    "Event",
    "Processes",
    "build_lock",
    "data_folders",
    "keep",
    "longest_first",
    "noting",
    "perform",
    "run_jobs",
    "split",
    "thread_limits",
]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
                     "TF_NUM_INTEROP_THREADS")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that the progress display shows."""

    name: str  # the job's label
    state: str  # waiting, fresh, running, done or failed
    cell: int = 0  # cells done, of so many; both 0 when that is not known
    of: int = 0
    seconds: float = 0.0  # since the notebook was started
    message: str = ""  # why it runs, or why it failed


@contextlib.contextmanager
def build_lock(project):
    """Hold the project's build folder: two runs at once would write over each other.

    A second run is refused at once, with the process that holds the folder.
    """
    holder = project.build / "lock.json"
    lock = filelock.FileLock(project.build / "lock", timeout=0)
    try:
        project.build.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        who = read_json(holder) or {}
        raise RunnerError(
            f"another run holds {project.build.name}/: process {who.get('process', 'unknown')}, "
            f"started {who.get('started', 'at an unknown time')}; wait for it or stop it"
        ) from None
    except OSError as error:
        raise RunnerError(f"cannot write below {project.build.name}/: {_told(error)}") from None
    try:
        # A full disk is found job by job: what stands can still be used.
        with contextlib.suppress(OSError):
            write_text(holder, json.dumps({"process": os.getpid(), "started": _now()}))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def run_jobs(project, jobs, *, force=False, workers=1, notify=lambda event: None):
    """Run the stale ones of the jobs that :func:`plan.plan` listed, or all with `force`, by so many workers at a time.

    The cores are shared out among the workers. `notify` is called with an :class:`Event` whenever something happens,
    always from the calling thread. Returned is for each job, by its label, ``"fresh"``, ``"done"`` or ``"failed"``.
    """
    outcome, stale = split(project, jobs, force=force, notify=notify)
    environment = thread_limits(max(1, cores() // workers))
    events, processes, under_way = queue.SimpleQueue(), Processes(), len(stale)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            for job in longest_first(project, stale):
                pool.submit(_run, project, job, environment, events.put, processes).add_done_callback(events.put)
            while under_way:
                event = events.get()
                if isinstance(event, Future):
                    # What goes wrong in a notebook or on the disk is an event; a fault of our own is raised here.
                    event = event.result()
                    outcome[event.name] = event.state
                    under_way -= 1
                notify(event)
        finally:
            # After Ctrl-C, or a fault of our own, nothing may be left running.
            pool.shutdown(wait=False, cancel_futures=True)
            processes.kill()
    return outcome


def split(project, jobs, *, force=False, notify=lambda event: None):
    """Tell what still stands from what has to run: the outcome of the first, and a list of the second."""
    outcome, stale = {}, []
    for job in jobs:
        reasons = ["forced"] if force else stale_reasons(project, job)
        if reasons:
            stale.append(job)
        else:
            outcome[job.label] = "fresh"
        notify(Event(job.label, "waiting" if reasons else "fresh", message="; ".join(reasons)))
    # Left by runs that were killed; the lock says that none of them is alive.
    for place in {project.executed(*job.place).parent for job in stale}:
        for leftover in place.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
    for job in stale:
        for kept in project.unfinished(*job.place).glob("*"):
            if force or kept.name != job.key:
                shutil.rmtree(kept, ignore_errors=True)
    return outcome, stale


def longest_first(project, jobs):
    """Sort jobs by the time that they last took, so that the last one running is a short one."""
    records = {job.label: read_record(project.record(*job.place)) or {} for job in jobs}
    return sorted(jobs, key=lambda job: -records[job.label].get("seconds", float("inf")))


class Processes:
    """The worker processes under way, so that they can all be ended."""

    def __init__(self):
        self._lock, self._running, self._closed = threading.Lock(), set(), False

    @contextlib.contextmanager
    def start(self, command, **options):
        with self._lock:
            self.check()
            process = subprocess.Popen(command, **options)
            self._running.add(process)
        try:
            yield process
        finally:
            _kill_tree(process)
            with self._lock:
                self._running.discard(process)

    def check(self):
        """Raise if the workers were ended: what they left is not a result."""
        if self._closed:
            raise RunnerError("interrupted")

    def kill(self):
        with self._lock:
            self._closed = True
            for process in self._running:
                _kill_tree(process)


def _kill_tree(process):
    """End a worker and its kernel; nothing happens where they have ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
    process.wait()


def _run(project, job, environment, notify, processes):
    """Run one job on this machine and keep what it left; return the event that says how it ended."""
    unfinished = project.unfinished(*job.place) / job.key

    def run(folder, log):
        unfinished.mkdir(parents=True, exist_ok=True)
        resumed = results.seconds_of_finished(unfinished)
        variables = environment | {"COURSE_UNFINISHED": str(unfinished)}
        said = perform(job, noting(project, job.name), folder, log, variables, notify, processes)
        return said | {"seconds": said["seconds"] + resumed, "resumed_seconds": round(resumed, 2)}

    event = keep(project, job, run)
    if event.state == "done":
        shutil.rmtree(unfinished.parent, ignore_errors=True)
    return event


def noting(project, name):
    """Return the text of the notebook that is run: the chapter, and cells that note the answers of its exercises."""
    return nbformat.writes(with_notes(read_notebook(project.notebook(name)), name))


def keep(project, job, run):
    """Keep what a run leaves: all of it is moved into place when the run is over, the record last.

    `run` is called with a new folder, for the executed notebook and its artefacts, and the file of the log; it returns
    what the run said of itself, as :func:`perform` does. Returned is the :class:`Event` that says how it ended. What
    the disk does not take is a failed run, without a record.
    """
    executed, log, record_file = project.executed(*job.place), project.log(*job.place), project.record(*job.place)
    try:
        for place in (executed.parent, log.parent):
            place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{job.name}.", dir=executed.parent))
        try:
            # A commit made while it runs is not what made it.
            commit = commit_of_results(project)
            record = _record(job, run(folder, log), folder) | {"commit": commit}
            record_validator().validate(record)
            record_file.unlink(missing_ok=True)
            for left, target in ((folder / job.name, project.artefacts(*job.place)), (_output(job, folder), executed)):
                if target.is_dir():
                    shutil.rmtree(target)
                if left.exists():
                    os.replace(left, target)
                else:
                    target.unlink(missing_ok=True)
            write_text(record_file, json.dumps(record, indent=1, sort_keys=True) + "\n")
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        return Event(job.label, "failed", message=f"could not be run or kept: {_told(error)}")
    except RunnerError as error:
        return Event(job.label, "failed", message=str(error))
    return Event(job.label, record["state"], seconds=record["seconds"], message=record["error"] or "")


def _output(job, folder):
    return folder / f"{job.name}.ipynb"


def _told(error):
    """Say what the operating system said, without the number that Python puts before it."""
    return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror or error)


def perform(job, notebook, folder, log, environment, notify, processes, *, check=False):
    """Run one job on this machine, to its end, its time limit, or the death of its process.

    `notebook` is the text that :func:`noting` gives. The kernel works in `folder` and leaves its results there; the
    file `log` takes what the process says besides. The process gets the variables of `environment` besides those of
    this one, and `processes` can end it from outside. `notify` is called with an :class:`Event` after each cell, from
    this thread. With `check` nothing is run that is different here from where it was planned.

    Returned is what the process said: ``started``, ``seconds``, ``environment``, ``peak_memory_bytes``, ``error``, or
    why it ``refused``, or the ``parts`` that the run has changed.
    """
    source, job_file = folder / "noting.ipynb", folder / "job.json"
    source.write_text(notebook, encoding="utf-8")
    content = {"input": str(source), "output": str(_output(job, folder)), "job": dataclasses.asdict(job)}
    job_file.write_text(json.dumps(content | {"check": check}))
    said, late, clock = {"started": _now()}, threading.Event(), time.monotonic()
    command = [sys.executable, "-m", "book_runner.worker", str(job_file)]
    with (
        log.open("w", encoding="utf-8") as log_file,
        processes.start(
            command,
            cwd=folder,
            env=os.environ | _environment(job) | environment,
            # The worker reads nothing from here: that this end closes tells it that the runner is gone.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        timer = threading.Timer(job.time_limit, lambda: (late.set(), _kill_tree(process)))
        timer.start()
        try:
            for line in process.stdout:
                said.update(json.loads(line))
                notify(Event(job.label, "running", said.get("cell", 0), said.get("of", 0), time.monotonic() - clock))
            code = process.wait()
        finally:
            timer.cancel()
    processes.check()
    if late.is_set():
        said["error"] = f"stopped after its time limit of {job.time_limit:g} s"
    elif code < 0:
        said["error"] = f"its process was ended by {signal.Signals(-code).name}"
    elif code > 0:
        said.setdefault("error", "its process ended with an error; the log says which")
    return said | {"seconds": time.monotonic() - clock}


def thread_limits(threads):
    """The variables by which numerical libraries are told how many threads they may use."""
    return dict.fromkeys(_THREAD_VARIABLES, str(threads))


def data_folders():
    """The folders of ``COURSE_DATA_DIR``, made absolute: the kernel works elsewhere than the user."""
    folders = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)
    return os.pathsep.join(str(Path(folder).resolve()) for folder in folders if folder)


def _environment(job):
    return {
        "COURSE_DATA_DIR": data_folders(),
        "COURSE_PROFILE": job.profile,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _record(job, said, folder):
    notebook, executed_sha256 = _read_output(_output(job, folder))
    parts = said.get("parts", job.parts)
    return {
        "schema": 1,
        "name": job.name,
        "profile": job.profile,
        "state": "failed" if "error" in said else "done",
        "error": said.get("error"),
        "key": digest(parts),
        "parts": parts,
        "parameters": job.parameters,
        "started": said["started"],
        "seconds": round(said["seconds"], 2),
        "resumed_seconds": said.get("resumed_seconds", 0),
        "peak_memory_bytes": said.get("peak_memory_bytes"),
        "executed_sha256": executed_sha256,
        "environment": said.get("environment") or machine(),
        **_gather(notebook),
    }


def _read_output(path):
    """Read what papermill wrote; a worker that was killed while writing leaves nothing that can be read."""
    try:
        return read_notebook(path), digest(path.read_bytes())
    except (FileNotFoundError, RunnerError):
        path.unlink(missing_ok=True)
        return None, None


def _gather(notebook):
    """Collect what the cells recorded, found and loaded."""
    cells = [
        cell
        for cell in (notebook["cells"] if notebook else [])
        if cell["cell_type"] == "code" and NOTE_TAG not in cell["metadata"].get("tags", [])
    ]
    times = [cell["metadata"].get("papermill", {}) for cell in cells]
    loaded = noted(cells, "data")
    return {
        "records": {content.pop("name"): content for content in noted(cells, "record")},
        "findings": noted(cells, "finding"),
        "data": [content for place, content in enumerate(loaded) if content not in loaded[:place]],
        "cells": [{"seconds": each.get("duration"), "failed": bool(each.get("exception"))} for each in times],
    }


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
