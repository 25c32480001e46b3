"""Execute: stale notebooks in, executed notebooks and records out.

Each notebook runs in a process of its own. Its output is written to a folder of its own and moved into place when the
run is over, the record last. So a run that was cut short, by whatever, is never taken for a finished one.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import os
import platform
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import filelock
import nbformat
import psutil

from book_runner.answers import NOTE_TAG, with_notes
from book_runner.plan import parts_after_run, stale_reasons
from book_runner.project import digest, read_json, read_record, record_validator, write_text
from course_utils import results
from course_utils.errors import RunnerError

__all__ = ["Event", "Processes", "build_lock", "keep", "longest_first", "perform", "run_jobs", "split", "thread_limits"]

_LIBRARIES = ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "numpy", "scipy", "scikit-learn",
              "opencv-python-headless", "matplotlib", "papermill", "jupyter-book")  # fmt: skip
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS",
                     "TF_NUM_INTEROP_THREADS")  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that the progress display shows.

    Attributes
    ----------
    name : str
        The job's label.
    state : {"waiting", "fresh", "running", "done", "failed"}
    cell, of : int
        Cells done, and cells there are; both 0 when that is not known.
    seconds : float
        Since the notebook was started.
    message : str
        Why it runs, or why it failed.
    """

    name: str
    state: str
    cell: int = 0
    of: int = 0
    seconds: float = 0.0
    message: str = ""


@contextlib.contextmanager
def build_lock(project):
    """Hold the project's build folder: two runs at once would write over each other.

    Raises
    ------
    RunnerError
        At once, with the process that holds it; or if the folder cannot be written to.
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
    """Run the stale jobs.

    Parameters
    ----------
    project : Project
        The checkout.
    jobs : sequence of Job
        What :func:`plan.plan` listed.
    force : bool, optional
        Run the fresh ones too.
    workers : int, optional
        Processes at a time; the cores are shared out among them.
    notify : callable, optional
        Called with an :class:`Event` whenever something happens, always from the calling thread.

    Returns
    -------
    dict of str to str
        ``"fresh"``, ``"done"`` or ``"failed"`` for each job, by its label.
    """
    outcome, stale = split(project, jobs, force=force, notify=notify)
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    environment = thread_limits(threads)
    events, runs, under_way = queue.SimpleQueue(), Processes(), len(stale)
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            futures = [
                pool.submit(_run, project, job, environment, events.put, runs) for job in longest_first(project, stale)
            ]
            while under_way:
                event = events.get()
                notify(event)
                if event.state in ("done", "failed"):
                    outcome[event.name] = event.state
                    under_way -= 1
        except BaseException:
            # Ctrl-C, or a fault of our own: nothing may be left running.
            pool.shutdown(wait=False, cancel_futures=True)
            runs.kill()
            raise
    for future in futures:
        # What went wrong in a notebook or on the disk is in the outcome; this raises what is a fault of our own.
        future.result()
    return outcome


def split(project, jobs, *, force=False, notify=lambda event: None):
    """Tell what still stands from what has to run.

    Parameters
    ----------
    project, jobs, force, notify
        As for :func:`run_jobs`.

    Returns
    -------
    outcome : dict of str to str
        ``"fresh"`` for each job that need not run.
    stale : list of Job
        The others.
    """
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

    def seconds(job):
        record = read_record(project.record(*job.place)) or {}
        return record.get("seconds", float("inf"))

    return sorted(jobs, key=lambda job: -seconds(job))


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
        """Raise if the workers were ended: what they left is no result."""
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


def _run(project, job, environment, notify, runs):
    """Run one job and keep what it left; the last event says how it ended, whatever happens."""
    try:
        place = project.executed(*job.place).parent
        place.mkdir(parents=True, exist_ok=True)
        log = project.log(*job.place)
        log.parent.mkdir(parents=True, exist_ok=True)
        unfinished = project.unfinished(*job.place) / job.key
        unfinished.mkdir(parents=True, exist_ok=True)
        resumed = results.seconds_of_finished(unfinished)
        environment = environment | {"COURSE_UNFINISHED": str(unfinished)}
        folder = Path(tempfile.mkdtemp(prefix=f".{job.name}.", dir=place))
        try:
            record = perform(job, project.notebook(job.name), folder, log, environment, notify, runs)
            record |= {"seconds": round(record["seconds"] + resumed, 2), "resumed_seconds": round(resumed, 2)}
            keep(project, job, record, folder)
            if record["state"] == "done":
                shutil.rmtree(unfinished.parent)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        notify(Event(job.label, "failed", message=f"could not be run or kept: {_told(error)}"))
    except BaseException as error:
        notify(Event(job.label, "failed", message=f"{type(error).__name__}: {error}"))
        raise
    else:
        notify(Event(job.label, record["state"], seconds=record["seconds"], message=record["error"] or ""))


def _told(error):
    """Say what the operating system said, without the number that Python puts before it."""
    return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror or error)


def perform(job, notebook, folder, log, environment, notify, runs):
    """Run one job in a folder, on whichever machine this is.

    Parameters
    ----------
    job : Job
        What to run.
    notebook : pathlib.Path
        Its source.
    folder : pathlib.Path
        Where the kernel works. The executed notebook is left in it, and the notebook's artefacts.
    log : pathlib.Path
        The file that takes what the process says.
    environment : dict of str to str
        Variables that the process gets besides those of this one.
    notify : callable
        Called with an :class:`Event` after each cell, from this thread.
    runs : Processes
        What can end the process from outside.

    Returns
    -------
    dict
        The record of the run.
    """
    started, clock = _now(), time.monotonic()
    environment = _environment(job) | environment
    run = _execute(job, notebook, folder, log, environment, notify, runs)
    runs.check()
    seconds = time.monotonic() - clock
    return _record(job, started, seconds, run, folder) | {"environment": _versions(environment)}


def _execute(job, notebook, folder, log, environment, notify, runs):
    """Run the worker to its end, its time limit, or its death; return what it said last."""
    clock = time.monotonic()
    order = folder / "job.json"
    output = folder / f"{job.name}.ipynb"
    noting = folder / "noting.ipynb"
    source = nbformat.read(notebook, as_version=4)
    nbformat.write(with_notes(source, job.name), noting)
    order.write_text(json.dumps({"input": str(noting), "output": str(output), "parameters": job.injected}))
    said, late = {}, threading.Event()
    command = [sys.executable, "-m", "book_runner.worker", str(order)]
    with (
        log.open("w", encoding="utf-8") as log_file,
        runs.start(
            command,
            cwd=folder,
            env=os.environ | environment,
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
            said["code"] = process.wait()
        finally:
            timer.cancel()
    if late.is_set():
        said["error"] = f"stopped after its time limit of {job.time_limit:g} s"
    elif said["code"] < 0:
        said["error"] = f"its process was ended by {signal.Signals(-said['code']).name}"
    elif said["code"] != 0:
        said.setdefault("error", "its process ended with an error; the log says which")
    return said


def thread_limits(threads):
    """The variables by which numerical libraries are told how many threads they may use."""
    return dict.fromkeys(_THREAD_VARIABLES, str(threads))


def _environment(job):
    # Folders may be given relative to where the user is; the kernel works elsewhere.
    folders = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)
    return {
        "COURSE_DATA_DIR": os.pathsep.join(str(Path(folder).resolve()) for folder in folders if folder),
        "COURSE_PROFILE": job.profile,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def _record(job, started, seconds, run, folder):
    notebook, executed_sha256 = None, None
    output = folder / f"{job.name}.ipynb"
    if output.is_file():
        notebook, executed_sha256 = _read_output(output)
    found = _gather(notebook)
    parts = parts_after_run(job, found["data"])
    return {
        "schema": 1,
        "name": job.name,
        "profile": job.profile,
        "state": "failed" if "error" in run else "done",
        "error": run.get("error"),
        "key": digest(parts),
        "parts": parts,
        "parameters": job.parameters,
        "started": started,
        "seconds": round(seconds, 2),
        "peak_memory_bytes": run.get("peak_memory_bytes"),
        "executed_sha256": executed_sha256,
        **found,
    }


def _read_output(path):
    """Read what papermill wrote; a worker that was killed while writing leaves nothing that can be read."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError):
        path.unlink()
        return None, None
    return notebook, digest(path.read_bytes())


def _gather(notebook):
    """Collect what the cells recorded, found and loaded."""
    records, findings, data, cells = {}, [], [], []
    for cell in notebook["cells"] if notebook else []:
        if cell["cell_type"] != "code" or NOTE_TAG in cell["metadata"].get("tags", []):
            continue
        times = cell["metadata"].get("papermill", {})
        cells.append({"seconds": times.get("duration"), "failed": bool(times.get("exception"))})
        for output in cell["outputs"]:
            left = output.get("metadata", {}).get(results.METADATA_KEY, {})
            kind, content = left.get("kind"), dict(left.get("content", {}))
            if kind == "record":
                records[content.pop("name")] = content
            elif kind == "finding":
                findings.append(content)
            elif kind == "data" and content not in data:
                data.append(content)
    return {"records": records, "findings": findings, "data": data, "cells": cells}


def keep(project, job, record, folder):
    """Move the results of a run into place, the record last.

    Parameters
    ----------
    project : Project
        The checkout.
    job : Job
        What was run.
    record : dict
        What :func:`perform` returned.
    folder : pathlib.Path
        Where it ran; on the same file system as the project's ``_build``.
    """
    record_validator().validate(record)
    place = project.record(*job.place)
    place.unlink(missing_ok=True)
    executed, artefacts = project.executed(*job.place), project.artefacts(*job.place)
    shutil.rmtree(artefacts, ignore_errors=True)
    if (folder / job.name).is_dir():
        os.replace(folder / job.name, artefacts)
    executed.unlink(missing_ok=True)
    if (folder / f"{job.name}.ipynb").is_file():
        os.replace(folder / f"{job.name}.ipynb", executed)
    write_text(place, json.dumps(record, indent=1, sort_keys=True) + "\n")


def _versions(environment):
    versions = {}
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": int(environment["OMP_NUM_THREADS"]),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "versions": versions,
    }


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
