"""Run one notebook with papermill, in a process of its own, and say after each cell how far it is.

Started by :mod:`book_runner.execute` as ``python -m book_runner.worker JOB.json``. Its working folder
is the kernel's. Standard output carries one JSON object a line; standard error is the log.
"""

import datetime
import json
import os
import re
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.engines import NBClientEngine, papermill_engines
from traitlets.config import Config

__all__ = ["end_with_the_runner", "main"]

FAILED = 3
RUNNER_GONE = 4
_SAVE_EVERY = 5.0  # seconds
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class ReportingEngine(NBClientEngine):
    """papermill's engine, with a line of JSON after each cell, and times that a clock set back does not touch.

    It writes what the cells gave every few seconds. papermill does so before and after each cell, which costs a
    notebook of eighty cells two seconds.
    """

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, **kwargs):
        began, clock = nb_man.now(), time.monotonic()
        nb_man.now = lambda: began + datetime.timedelta(seconds=time.monotonic() - clock)
        complete, total, done = nb_man.cell_complete, len(nb_man.nb.cells), [0]

        def report(cell, **options):
            complete(cell, **options)
            done[0] += 1
            _say(cell=done[0], of=total)

        nb_man.cell_complete = report
        save = nb_man.save

        def save_seldom(**options):
            if (nb_man.now() - nb_man.last_save_time).total_seconds() >= _SAVE_EVERY:
                save(**options)

        nb_man.save = save_seldom
        _say(cell=0, of=total)
        try:
            return super().execute_managed_notebook(nb_man, kernel_name, **kwargs)
        finally:
            nb_man.save = save  # the engine's last act is to save the whole


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
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    papermill_engines.register("course", ReportingEngine)
    config = Config()
    # Kernels that start at the same time race for TCP ports; sockets in the file system have no ports.
    config.KernelManager.transport = "ipc"
    with tempfile.TemporaryDirectory(prefix="course-") as runtime:
        os.environ["JUPYTER_RUNTIME_DIR"] = runtime
        try:
            papermill.execute_notebook(
                job["input"],
                job["output"],
                parameters=job["parameters"],
                engine_name="course",
                kernel_name="python3",
                language="python",
                progress_bar=False,
                log_output=True,
                config=config,
            )
        except papermill.PapermillExecutionError as error:
            sys.stderr.write(_COLOURS.sub("", str(error)))
            _say(error=f"{error.ename}: {error.evalue}")
            return FAILED
        except DeadKernelError:
            _say(error="its kernel was killed from outside, as the system does when memory runs out")
            return FAILED
        except OSError as error:
            # The disk is full, for instance: papermill could not write what the cells gave.
            _say(error=f"{error.strerror}: {error.filename or job['output']}")
            return FAILED
        finally:
            # The kernel has been waited for, so its peak is among this process's children (KiB on Linux).
            _say(peak_memory_bytes=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    return 0


if __name__ == "__main__":
    end_with_the_runner()
    sys.exit(main(sys.argv[1]))
