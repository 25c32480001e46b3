"""Cluster: the same jobs on the workers of a Dask cluster.

What travels to a worker is an order: the job, its notebook, and how the package and the data are reached. The worker
runs it as :mod:`execute` does on this machine and sends back the record, the executed notebook and its artefacts, which
are kept here. A worker that is lost takes nothing along: Dask gives its orders to another one.

The Dask process of a worker imports nothing of this package until an order says where the package is, so functions
that are sent are made by functions here: those are sent whole, not by name.
"""

import contextlib
import dataclasses
import io
import os
import queue
import shutil
import socket
import tempfile
import threading
import uuid
import zipfile
from pathlib import Path

import course_utils
from book_runner import execute, plan
from book_runner.project import write_text
from course_utils import datasets
from course_utils.errors import RunnerError

__all__ = ["end_orders", "perform_order", "run_jobs"]

_PACKAGE = Path(course_utils.__file__).parent
_TIMEOUT = 20
_PAUSE = 0.2

# On a worker: the processes of the orders under way, by the run that they belong to.
_under_way = {}
_environment_lock = threading.Lock()


def run_jobs(project, jobs, address, *, force=False, upload=False, notify=lambda event: None):
    """Run the stale jobs on a cluster, and keep each result as soon as it is there.

    Parameters
    ----------
    project, jobs, force, notify
        As for :func:`execute.run_jobs`.
    address : str
        Of the Dask scheduler, ``tcp://host:8786``.
    upload : bool, optional
        Send the package and the data that the jobs read. If False, a worker takes the package from the path that it has
        here, or else what is installed there, and the data from the folders of its own ``COURSE_DATA_DIR``, or else
        from those that are named here.

    Returns
    -------
    dict of str to str
        As :func:`execute.run_jobs`.

    Raises
    ------
    RunnerError
        If no scheduler answers.
    """
    outcome, stale = execute.split(project, jobs, force=force, notify=notify)
    if not stale:
        return outcome
    _check_address(address)
    stale = execute.longest_first(project, stale)
    run, happened = uuid.uuid4().hex, queue.SimpleQueue()
    with _connected(address) as client:
        client.subscribe_topic(run, lambda event: happened.put(execute.Event(*event[1])))
        waiting = dict(zip(_submit(client, project, stale, run, upload), stale, strict=True))
        try:
            while waiting:
                with contextlib.suppress(queue.Empty):
                    event = happened.get(timeout=_PAUSE)
                    # News of a run may be overtaken by its end.
                    if event.name not in outcome:
                        notify(event)
                # Asked, not told: Dask tells by a thread of its own, which it never ends.
                for future in [future for future in waiting if future.done()]:
                    event = _ended(project, waiting.pop(future), future)
                    outcome[event.name] = event.state
                    notify(event)
        except BaseException:
            client.cancel(list(waiting), force=True)
            client.run(_make_end(run))
            raise
    return outcome


def _check_address(address):
    """Look whether anybody is there, before Dask starts its threads."""
    try:
        from distributed.comm import parse_address
        from distributed.comm.addressing import parse_host_port
    except ModuleNotFoundError:
        raise RunnerError("a cluster needs Dask: `pip install 'course-utils[cluster]'`") from None
    scheme, rest = parse_address(address)
    if scheme not in ("tcp", "tls"):
        raise RunnerError(f"the scheduler's address is {address!r}; it must begin with tcp:// or tls://")
    try:
        socket.create_connection(parse_host_port(rest, 8786), timeout=_TIMEOUT).close()
    except (OSError, ValueError) as error:
        raise RunnerError(f"no Dask scheduler answers at {address}: {error}") from None


@contextlib.contextmanager
def _connected(address):
    import dask
    from distributed import Client

    # A package, or data, that was asked to be uploaded is large; there is nothing to be warned of.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TiB"}):
        try:
            client = Client(address, timeout=_TIMEOUT, set_as_default=False, name="course")
        except OSError as error:
            raise RunnerError(f"no Dask scheduler answers at {address}: {error}") from None
        with client:
            yield client


def _submit(client, project, jobs, run, upload):
    # Tasks, not scattered data: what a lost worker held is made again.
    parcel = client.submit(bytes, _packed(jobs), key=f"parcel-{run}") if upload else None
    sources = {
        name: client.submit(bytes, project.notebook(name).read_bytes(), key=f"notebook-{name}-{run}")
        for name in {job.name for job in jobs}
    }
    common = {
        "run": run,
        "package": str(_PACKAGE.parent),
        "data_folders": _data_folders(),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }
    return client.map(
        _make_perform(),
        [{**common, "job": dataclasses.asdict(job)} for job in jobs],
        [sources[job.name] for job in jobs],
        parcel=parcel,
        key=[f"{job.name}-{run}-{index}" for index, job in enumerate(jobs)],
    )


def _data_folders():
    folders = os.environ.get("COURSE_DATA_DIR", "").split(os.pathsep)
    return os.pathsep.join(str(Path(folder).resolve()) for folder in folders if folder)


def _packed(jobs):
    """Pack the package, and the data that the jobs read and that are found here."""
    read = {name for job in jobs for name in job.data if job.parameters.get("data_source") != "synthetic"}
    found = map(datasets.find, sorted(read))
    files = {f"package/{path.relative_to(_PACKAGE.parent).as_posix()}": path for path in _sources(_PACKAGE)}
    for path in filter(None, found):
        inside = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        files |= {f"data/{file.relative_to(path.parent).as_posix()}": file for file in inside}
    return _zip(files)


def _sources(folder):
    return sorted(file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _zip(files):
    buffer = io.BytesIO()
    # Images are compressed already, and the network is faster than a packer.
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in files.items():
            # With one date for all, so that the same files make the same bytes.
            archive.writestr(zipfile.ZipInfo(name), path.read_bytes())
    return buffer.getvalue()


def _ended(project, job, future):
    """Keep what an order left; return the event that says how it ended."""
    if future.status != "finished":
        return execute.Event(job.label, "failed", message=_reason(future))
    folder = None
    try:
        record, files, log = future.result()
        write_text(project.log(*job.place), log)
        place = project.executed(*job.place).parent
        place.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{job.name}.", dir=place))
        zipfile.ZipFile(io.BytesIO(files)).extractall(folder)
        execute.keep(project, job, record, folder)
    except OSError as error:
        return execute.Event(job.label, "failed", message=f"could not be kept: {error.strerror}: {error.filename}")
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        future.release()
    return execute.Event(job.label, record["state"], seconds=record["seconds"], message=record["error"] or "")


def _reason(future):
    from distributed import KilledWorker

    if future.status != "error":
        return "the connection to the scheduler was lost"
    error = future.exception()
    if isinstance(error, KilledWorker):
        return "every worker that ran it died; a worker may have too little memory for it"
    return str(error) if isinstance(error, RunnerError) else f"{type(error).__name__}: {error}"


def _make_perform():
    def perform(order, source, parcel=None):
        """Bring the package in, on a worker that may never have seen it, or another version of it."""
        import hashlib
        import importlib
        import io
        import os
        import shutil
        import sys
        import tempfile
        import zipfile

        from distributed import get_worker

        worker, order = get_worker(), dict(order)
        if parcel is not None:
            folder = os.path.join(worker.local_directory, f"course-{hashlib.sha256(parcel).hexdigest()[:16]}")
            if not os.path.isdir(folder):
                unpacked = tempfile.mkdtemp(dir=worker.local_directory)
                zipfile.ZipFile(io.BytesIO(parcel)).extractall(unpacked)
                try:
                    os.rename(unpacked, folder)
                except OSError:
                    # Another thread was faster.
                    shutil.rmtree(unpacked)
            order["package"] = os.path.join(folder, "package")
            order["data_folders"] = os.path.join(folder, "data")
        elif "COURSE_DATA_DIR" in os.environ:
            order["data_folders"] = os.environ["COURSE_DATA_DIR"]
        if os.path.isdir(os.path.join(order["package"], "course_utils")):
            loaded = sys.modules.get("course_utils")
            if loaded is not None and not loaded.__file__.startswith(os.path.join(order["package"], "")):
                for name in [name for name in sys.modules if name.partition(".")[0] == "course_utils"]:
                    del sys.modules[name]
            sys.path[:] = [order["package"], *(path for path in sys.path if path != order["package"])]
            importlib.invalidate_caches()
        from book_runner import dask

        return dask.perform_order(order, source, worker)

    return perform


def perform_order(order, source, worker):
    """Run an order on a worker.

    Parameters
    ----------
    order : dict
        What the runner sent.
    source : bytes
        The notebook.
    worker : distributed.Worker
        Where this is.

    Returns
    -------
    record : dict
        The record of the run.
    files : bytes
        A ZIP archive of the executed notebook and its artefacts.
    log : str
        What the process said.

    Raises
    ------
    RunnerError
        If the package, the data or Python are not those that the runner planned with: the record would be of another
        run than its key says.
    """
    job = plan.Job(**order["job"])
    environment = {
        **execute.thread_limits(os.environ.get("OMP_NUM_THREADS") or _share(worker)),
        "COURSE_DATA_DIR": order["data_folders"],
        "KERAS_BACKEND": order["backend"],
        "PYTHONPATH": os.pathsep.join(filter(None, [str(_PACKAGE.parent), os.environ.get("PYTHONPATH")])),
    }
    with tempfile.TemporaryDirectory(prefix="course-", dir=worker.local_directory) as place:
        notebook, folder, log = (Path(place, name) for name in ("source.ipynb", "run", "log"))
        notebook.write_bytes(source)
        folder.mkdir()
        _check_surroundings(job, notebook, environment, worker)

        def notify(event):
            worker.log_event(order["run"], dataclasses.astuple(event))

        runs = _under_way.setdefault(order["run"], execute.Processes())
        record = execute.perform(job, notebook, folder, log, environment, notify, runs)
        left = [*_sources(folder / job.name), folder / f"{job.name}.ipynb"]
        files = _zip({str(path.relative_to(folder)): path for path in left if path.is_file()})
        return record, files, log.read_text(encoding="utf-8", errors="replace")


def _share(worker):
    return max(1, len(os.sched_getaffinity(0)) // worker.state.nthreads)


def _check_surroundings(job, notebook, environment, worker):
    with _environment_lock:
        before = {name: os.environ.get(name) for name in ("COURSE_DATA_DIR", "KERAS_BACKEND")}
        os.environ.update({name: environment[name] for name in before})
        try:
            here = plan.parts_here(job, notebook)
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
    if found := plan.differences({part: job.parts[part] for part in here}, here):
        raise RunnerError(
            f"the worker {worker.address} would run something else: {'; '.join(found)}; "
            "give it the same files, or `--upload` yours"
        )


def _make_end(run):
    def end():
        import sys

        if module := sys.modules.get("book_runner.dask"):
            module.end_orders(run)

    return end


def end_orders(run):
    """End, on a worker, the processes of a run that was interrupted."""
    if run in _under_way:
        _under_way.pop(run).kill()
