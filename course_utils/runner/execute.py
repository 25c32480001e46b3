"""Execute: stale notebooks in, executed notebooks and records out.

Each notebook runs in a process of its own. Its output is written to a folder of its own and moved into place when the
run is over, the record last. So a run that was cut short, by whatever, is never taken for a finished one.
"""

import contextlib
import dataclasses
import datetime
import importlib.metadata
import importlib.resources
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
import jsonschema
import nbformat
import psutil

from course_utils import results
from course_utils.errors import RunnerError
from course_utils.runner.plan import parts_after_run, stale_reasons
from course_utils.runner.project import digest, read_json, write_text

__all__ = ["Event", "build_lock", "run_jobs"]

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
        The notebook.
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
        At once, with the process that holds it.
    """
    project.build.mkdir(parents=True, exist_ok=True)
    holder = project.build / "lock.json"
    lock = filelock.FileLock(project.build / "lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        who = read_json(holder) or {}
        raise RunnerError(
            f"another run holds {project.build.name}/: process {who.get('process', 'unknown')}, "
            f"started {who.get('started', 'at an unknown time')}; wait for it or stop it"
        ) from None
    try:
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
        ``"fresh"``, ``"done"`` or ``"failed"`` for each notebook.
    """
    outcome, stale = {}, []
    for job in jobs:
        reasons = ["forced"] if force else stale_reasons(project, job)
        if reasons:
            stale.append(job)
        else:
            outcome[job.name] = "fresh"
        notify(Event(job.name, "waiting" if reasons else "fresh", message="; ".join(reasons)))
    # The longest first, so that the last one running is a short one.
    stale.sort(key=lambda job: -_last_seconds(project, job))
    events, runs = queue.SimpleQueue(), _Processes()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        try:
            waiting = [pool.submit(_run, project, job, workers, events.put, runs) for job in stale]
            while not all(future.done() for future in waiting) or not events.empty():
                with contextlib.suppress(queue.Empty):
                    notify(events.get(timeout=0.1))
        except BaseException:
            # Ctrl-C, or a fault of our own: nothing may be left running.
            pool.shutdown(wait=False, cancel_futures=True)
            runs.kill()
            raise
    for job, future in zip(stale, waiting, strict=True):
        outcome[job.name] = future.result()
    return outcome


class _Processes:
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


def _run(project, job, workers, notify, runs):
    """Run one job and keep what it left; return its state."""
    started, clock = _now(), time.monotonic()
    place = project.build / "executed" / job.profile
    place.mkdir(parents=True, exist_ok=True)
    # Left by runs that were killed; the lock says that none of them is alive.
    for leftover in place.glob(f".{job.name}.*"):
        shutil.rmtree(leftover, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{job.name}.", dir=place))
    try:
        run = _execute(project, job, folder, workers, notify, runs, clock)
        runs.check()
        record = _record(job, started, time.monotonic() - clock, run, folder)
        _keep(project, job, record, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    notify(Event(job.name, record["state"], seconds=record["seconds"], message=record["error"] or ""))
    return record["state"]


def _execute(project, job, folder, workers, notify, runs, clock):
    """Run the worker to its end, its time limit, or its death; return what it said last."""
    output = folder / f"{job.name}.ipynb"
    order = folder / "job.json"
    order.write_text(
        json.dumps({"input": str(project.notebook(job.name)), "output": str(output), "parameters": job.injected})
    )
    log = project.log(job.profile, job.name)
    log.parent.mkdir(parents=True, exist_ok=True)
    said, late = {}, threading.Event()
    command = [sys.executable, "-m", "course_utils.runner.worker", str(order)]
    with (
        log.open("w", encoding="utf-8") as log_file,
        runs.start(
            command,
            cwd=folder,
            env=_environment(project, job, workers),
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
                notify(Event(job.name, "running", said.get("cell", 0), said.get("of", 0), time.monotonic() - clock))
            said["code"] = process.wait()
        finally:
            timer.cancel()
    if late.is_set():
        said["error"] = f"stopped after its time limit of {job.time_limit:g} s"
    elif said["code"] < 0:
        said["error"] = f"its process was ended by {signal.Signals(-said['code']).name}"
    elif said["code"] != 0:
        said.setdefault("error", f"could not be run; see {log.relative_to(project.root)}")
    return said


def _environment(project, job, workers):
    threads = str(max(1, len(os.sched_getaffinity(0)) // workers))
    # Folders may be given relative to where the user is; the kernel works elsewhere.
    folders = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)
    return {
        **os.environ,
        **dict.fromkeys(_THREAD_VARIABLES, threads),
        "COURSE_DATA_DIR": os.pathsep.join(str(Path(folder).resolve()) for folder in folders if folder),
        "COURSE_PROJECT": str(project.root),
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
    parts = parts_after_run(job)
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
        "environment": _versions(),
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
    """Collect what the cells recorded, claimed and loaded."""
    records, claims, data, cells = {}, [], [], []
    for cell in notebook["cells"] if notebook else []:
        if cell["cell_type"] != "code":
            continue
        times = cell["metadata"].get("papermill", {})
        cells.append({"seconds": times.get("duration"), "failed": bool(times.get("exception"))})
        for output in cell["outputs"]:
            left = output.get("metadata", {}).get(results.METADATA_KEY, {})
            kind, content = left.get("kind"), dict(left.get("content", {}))
            if kind == "record":
                records[content.pop("name")] = content
            elif kind == "claim":
                claims.append(content)
            elif kind == "data" and content not in data:
                data.append(content)
    return {"records": records, "claims": claims, "data": data, "cells": cells}


def _keep(project, job, record, folder):
    """Move the results of a run into place, the record last."""
    jsonschema.validate(record, _schema())
    place = project.record(job.profile, job.name)
    place.unlink(missing_ok=True)
    executed, artefacts = project.executed(job.profile, job.name), project.artefacts(job.profile, job.name)
    shutil.rmtree(artefacts, ignore_errors=True)
    if (folder / job.name).is_dir():
        os.replace(folder / job.name, artefacts)
    executed.unlink(missing_ok=True)
    if (folder / executed.name).is_file():
        os.replace(folder / executed.name, executed)
    write_text(place, json.dumps(record, indent=1, sort_keys=True) + "\n")


def _schema():
    return json.loads((importlib.resources.files("course_utils.runner") / "record.schema.json").read_text())


def _versions():
    versions = {}
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "versions": versions,
    }


def _last_seconds(project, job):
    record = read_json(project.record(job.profile, job.name)) or {}
    return record.get("seconds", float("inf"))


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
