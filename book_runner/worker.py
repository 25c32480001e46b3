"""Run one notebook with papermill, in a process of its own, and say after each cell how far it is.

Started by :func:`execute.perform` as ``python -m book_runner.worker JOB.json``. Its working folder is the kernel's.
Standard output carries one JSON object per line; standard error is the log.
"""

import datetime
import json
import os
import re
import sys
import tempfile
import threading
import time
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from traitlets.config import Config

from book_runner import kernel
from book_runner.project import machine, noted, read_notebook

__all__ = ["ReportingEngine", "end_with_the_runner", "main"]

FAILED = 3
RUNNER_GONE = 4
REFUSED = 5
_SAVE_EVERY = 5.0  # seconds
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class _Progress(NotebookExecutionManager):
    """Says how many cells are done, keeps time by a clock that nobody sets back, and saves every few seconds.

    papermill saves before and after each cell, which costs a notebook of eighty cells two seconds.
    """

    def __init__(self, nb, **options):
        self._began, self._clock, self._next_save, self._done = super().now(), time.monotonic(), 0.0, 0
        super().__init__(nb, progress_bar=False, **options)

    def now(self):
        return self._began + datetime.timedelta(seconds=time.monotonic() - self._clock)

    def save(self, **options):
        if self.end_time is not None or time.monotonic() >= self._next_save:
            super().save(**options)
            self._next_save = time.monotonic() + _SAVE_EVERY

    def cell_complete(self, cell, **options):
        super().cell_complete(cell, **options)
        self._done += 1
        _say(cell=self._done, of=len(self.nb.cells))


class ReportingEngine(NBClientEngine):
    """papermill's engine, with a :class:`_Progress` in place of its own manager."""

    @classmethod
    def execute_notebook(cls, nb, kernel_name, output_path=None, progress_bar=False, log_output=False, **options):
        progress = _Progress(nb, output_path=output_path, log_output=log_output)
        progress.notebook_start()
        _say(cell=0, of=len(nb.cells))
        try:
            cls.execute_managed_notebook(progress, kernel_name, log_output=log_output, **options)
        finally:
            progress.notebook_complete()
        return progress.nb


def _say(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def end_with_the_runner():
    """Stop at once when the runner has died, however it died; the kernel then ends by itself."""

    def wait():
        sys.stdin.read()
        os._exit(RUNNER_GONE)

    threading.Thread(target=wait, daemon=True).start()


def main(job_file):
    """Execute the notebook that a job file names; return the exit code."""
    given = json.loads(Path(job_file).read_text(encoding="utf-8"))
    job = given["job"]
    _say(environment=machine())
    if given["check"] and (found := _differences(job)):
        _say(refused="; ".join(found))
        return REFUSED
    papermill_engines.register("course", ReportingEngine)
    config = Config()
    # Kernels that start at the same time race for TCP ports; sockets in the file system have no ports.
    if os.name == "posix":
        config.KernelManager.transport = "ipc"
    arguments, variables = kernel.start_options()
    # Nor may the path of a socket be long, as the folder for temporary files is on macOS.
    with tempfile.TemporaryDirectory(prefix="course-", dir="/tmp" if sys.platform == "darwin" else None) as runtime:
        os.environ |= variables | {"JUPYTER_RUNTIME_DIR": runtime}
        try:
            papermill.execute_notebook(
                given["input"],
                given["output"],
                parameters=job["injected"],
                engine_name="course",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                log_output=True,
                config=config,
                extra_arguments=arguments,
            )
        except papermill.PapermillExecutionError as error:
            sys.stderr.write(_COLOURS.sub("", str(error)))
            return _failed(f"{error.ename}: {error.evalue}")
        except DeadKernelError:
            return _failed("its kernel was killed from outside, as the system does when memory runs out")
        except OSError as error:
            # The disk is full, for instance: papermill could not write what the cells gave.
            return _failed(f"{error.strerror}: {error.filename or given['output']}")
        finally:
            _say(peak_memory_bytes=_peak_memory())
    # Data that were not here before may have been fetched by the run.
    if not all(found.startswith("sha256:") for found in job["parts"]["data"].values()):
        from book_runner import plan

        cells = read_notebook(Path(given["output"]))["cells"]
        _say(parts=plan.parts_after_run(plan.Job(**job), noted(cells, "data")))
    return 0


def _failed(error):
    _say(error=error)
    return FAILED


def _differences(job):
    """Say what is different here from where the run was planned: its record would be of another run than it says."""
    from book_runner import plan

    here = plan.parts_here(plan.Job(**job))
    return plan.differences({part: job["parts"][part] for part in here}, here)


def _peak_memory():
    """The largest memory of the kernel: it has been waited for, so it is among this process's children."""
    if os.name != "posix":
        return 0  # Windows does not say
    import resource

    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes on macOS, KiB elsewhere


if __name__ == "__main__":
    end_with_the_runner()
    sys.exit(main(sys.argv[1]))
