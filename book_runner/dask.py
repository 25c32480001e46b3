"""Dask: the same jobs on the workers of a cluster.

What travels to a worker is a job, its notebook, and how the packages and the data are reached. The worker runs it as
:mod:`execute` does on this machine and sends back what it left, which is kept here. A worker that is lost takes nothing
along: Dask gives its jobs to another one.

The Dask process of a worker imports nothing of the packages until a job says where they are, so functions that are sent
are made by functions here: those are sent whole, not by name.
"""

import contextlib
import dataclasses
import io
import os
import queue
import socket
import tempfile
import urllib.parse
import uuid
import zipfile
from pathlib import Path

import course_utils
from book_runner import execute, plan
from book_runner.project import cores
from course_utils import datasets
from course_utils.errors import RunnerError

__all__ = ["end_jobs", "perform_job", "run_jobs"]

_ROOT = Path(course_utils.__file__).parents[1]
_PACKAGES = ("book_runner", "course_utils")
_TIMEOUT = 20
_PAUSE = 0.2

# On a worker: the processes under way, by the run that they belong to.
_under_way = {}


def run_jobs(project, jobs, address, *, force=False, upload=False, notify=lambda event: None):
    """Run the stale jobs on the cluster of a scheduler, ``tcp://host:8786``, as :func:`execute.run_jobs` does here.

    Each result is kept as soon as it is there. With `upload` the packages and the data that the jobs read are sent.
    Without, a worker takes the packages from the path that they have here, or else what is installed there, and the
    data from the folders of its own ``COURSE_DATA_DIR``, or else from those that are named here.
    """
    outcome, stale = execute.split(project, jobs, force=force, notify=notify)
    if not stale:
        return outcome
    run, happened = uuid.uuid4().hex, queue.SimpleQueue()
    with _connected(address) as client:
        client.subscribe_topic(run, lambda event: happened.put(execute.Event(*event[1])))
        waiting = _submit(client, project, execute.longest_first(project, stale), run, upload)
        try:
            while waiting:
                with contextlib.suppress(queue.Empty):
                    event = happened.get(timeout=_PAUSE)
                    # News of a job may be overtaken by its end.
                    if event.name not in outcome:
                        notify(event)
                # Futures are looked at: Dask would call back from a thread that it never ends.
                for future in [future for future in waiting if future.done()]:
                    event = _ended(project, waiting.pop(future), future)
                    outcome[event.name] = event.state
                    notify(event)
        finally:
            if waiting:
                client.cancel(list(waiting), force=True)
                client.run(_make_end(run))
    return outcome


@contextlib.contextmanager
def _connected(address):
    try:
        import dask
        from distributed import Client
    except ModuleNotFoundError:
        raise RunnerError("a cluster needs Dask: `pip install 'course-utils[cluster]'`") from None
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("tcp", "tls"):
        raise RunnerError(f"the scheduler's address is {address!r}; it must begin with tcp:// or tls://")
    try:
        # Before Dask starts its threads.
        socket.create_connection((parts.hostname, parts.port or 8786), timeout=_TIMEOUT).close()
        # Packages and data that were asked to be uploaded are large; there is nothing to be warned of.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
            client = Client(address, timeout=_TIMEOUT, set_as_default=False, name="course")
    except (OSError, ValueError) as error:
        raise RunnerError(f"no Dask scheduler answers at {address}: {error}") from None
    with client:
        yield client


def _submit(client, project, jobs, run, upload):
    """Hand the jobs to the scheduler; return them by their futures."""
    # Tasks, not scattered data: what a lost worker held is made again.
    parcel = client.submit(bytes, _packed(jobs), key=f"parcel-{run}") if upload else None
    notebooks = {
        name: client.submit(str, execute.noting(project, name), key=f"notebook-{name}-{run}")
        for name in {job.name for job in jobs}
    }
    place = {"root": str(_ROOT), "data_folders": execute.data_folders()}
    variables = {"KERAS_BACKEND": "tensorflow", "COURSE_TUNED_KERNELS": "1"}
    variables |= {name: os.environ[name] for name in variables if name in os.environ}
    futures = client.map(
        _make_perform(run, place, variables),
        [dataclasses.asdict(job) for job in jobs],
        [notebooks[job.name] for job in jobs],
        parcel=parcel,
        key=[f"{job.name}-{run}-{index}" for index, job in enumerate(jobs)],
    )
    return dict(zip(futures, jobs, strict=True))


def _packed(jobs):
    """Pack both packages, and the data that the jobs read and that are found here."""
    files = {f"packages/{path.relative_to(_ROOT)}": path for name in _PACKAGES for path in _files(_ROOT / name)}
    for name in {name for job in jobs for name in job.data if job.parameters.get("data_source") != "synthetic"}:
        if found := datasets.find(name):
            files |= {f"data/{path.relative_to(found.parent)}": path for path in _files(found)}
    return _zip(files)


def _files(path):
    inside = path.rglob("*") if path.is_dir() else [path]
    return [file for file in inside if file.is_file() and "__pycache__" not in file.parts]


def _zip(files):
    buffer = io.BytesIO()
    # Images are compressed already, and the network is faster than a packer.
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in sorted(files.items()):
            # With one date for all, so that the same files make the same bytes.
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return buffer.getvalue()


def _ended(project, job, future):
    """Keep what a job left; return the event that says how it ended."""
    if future.status != "finished":
        return execute.Event(job.label, "failed", message=_reason(future))

    def fetch(folder, log):
        said, files, text = future.result()
        log.write_text(text, encoding="utf-8")
        zipfile.ZipFile(io.BytesIO(files)).extractall(folder)
        return said

    event = execute.keep(project, job, fetch)
    future.release()
    return event


def _reason(future):
    from distributed import KilledWorker

    if future.status != "error":
        return "the connection to the scheduler was lost"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return "every worker that ran it died; a worker may have too little memory for it"
    return str(error) if isinstance(error, RunnerError) else f"{type(error).__name__}: {error}"


def _make_perform(run, place, variables):
    packages = _PACKAGES

    def perform(job, notebook, parcel=None):
        """Bring the packages in, on a worker that may never have seen them, or other versions of them."""
        import contextlib
        import hashlib
        import importlib
        import io
        import os
        import sys
        import tempfile
        import zipfile

        from distributed import get_worker

        worker, root, data = get_worker(), place["root"], os.environ.get("COURSE_DATA_DIR", place["data_folders"])
        if parcel is not None:
            folder = os.path.join(worker.local_directory, f"course-{hashlib.sha256(parcel).hexdigest()[:16]}")
            root, data = os.path.join(folder, "packages"), os.path.join(folder, "data")
            if not os.path.isdir(folder):
                unpacked = tempfile.mkdtemp(dir=worker.local_directory)
                zipfile.ZipFile(io.BytesIO(parcel)).extractall(unpacked)
                with contextlib.suppress(OSError):  # another thread was faster
                    os.rename(unpacked, folder)
        loaded = [sys.modules[name] for name in packages if name in sys.modules]
        if os.path.isdir(os.path.join(root, packages[0])):
            if not all(module.__file__.startswith(os.path.join(root, "")) for module in loaded):
                for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
                    del sys.modules[name]
            sys.path[:] = [root, *(path for path in sys.path if path != root)]
            importlib.invalidate_caches()
        from book_runner import dask

        return dask.perform_job(run, job, notebook, {**variables, "COURSE_DATA_DIR": data}, worker)

    return perform


def perform_job(run, job, notebook, variables, worker):
    """Run a job on a worker; return what it said of itself, its results as a ZIP archive, and its log."""
    job, processes = plan.Job(**job), _under_way.setdefault(run, execute.Processes())
    share = os.environ.get("OMP_NUM_THREADS") or max(1, cores() // worker.state.nthreads)
    paths = filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")])
    variables = {**execute.thread_limits(share), **variables, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory(prefix="course-", dir=worker.local_directory) as place:
        folder, log = Path(place, "run"), Path(place, "log")
        folder.mkdir()

        def notify(event):
            worker.log_event(run, dataclasses.astuple(event))

        said = execute.perform(job, notebook, folder, log, variables, notify, processes, check=True)
        if "refused" in said:
            raise RunnerError(
                f"the worker {worker.address} would run something else: {said['refused']}; "
                "give it the same files, or `--upload` yours"
            )
        left = [*_files(folder / job.name), folder / f"{job.name}.ipynb"]
        files = _zip({str(path.relative_to(folder)): path for path in left if path.is_file()})
        return said, files, log.read_text(encoding="utf-8", errors="replace")


def _make_end(run):
    def end():
        import sys

        if module := sys.modules.get("book_runner.dask"):
            module.end_jobs(run)

    return end


def end_jobs(run):
    """End, on a worker, the processes of a run that was interrupted."""
    if run in _under_way:
        _under_way[run].kill()
