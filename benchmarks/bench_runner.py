"""What does the runner cost over plain papermill, and how does it scale?

Run with ``python benchmarks/bench_runner.py``; it takes some minutes on two cores, and only a quiet machine gives times
that mean something. Wall times are the least of several repeats.
"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import psutil
import yaml

from book_runner import plan
from book_runner.project import Project, cores

COURSE = [sys.executable, "-m", "book_runner.cli"]
CORES = cores()
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def write_project(folder, names):
    """A book of trivial notebooks: what they take is what it takes to run any notebook."""
    project = Project(Path(folder))
    project.notebooks.mkdir(parents=True)
    for name in names:
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("n = 1\nseed = 0")])
        notebook.cells[0].metadata["tags"] = ["parameters"]
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook.cells.append(nbformat.v4.new_code_cell("n + seed"))
        nbformat.write(notebook, project.notebook(name))
    (project.notebooks / "profiles.yml").write_text(yaml.safe_dump({name: {} for name in names}))
    (project.root / "_toc.yml").write_text("format: jb-book\n")
    return project


def seconds(*command, folder, **environment):
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=os.environ | environment)
    return time.perf_counter() - start


def least(function, repeats):
    return min(function() for _ in range(repeats))


def overhead(folder, repeats, count=6):
    """The same notebooks one after the other: a papermill command for each, and one run of the course."""
    project = write_project(folder, [f"{index:02}_n" for index in range(count)])

    def papermill():
        return sum(
            seconds(
                sys.executable, "-m", "papermill", project.notebook(f"{index:02}_n"), os.devnull, "--no-progress-bar",
                folder=folder, **ONE_THREAD,
            )
            for index in range(count)
        )  # fmt: skip

    def course():
        return seconds(*COURSE, "run", "--force", "--jobs", "1", folder=folder)

    # In turns, so that a busy minute of the machine hits both.
    pairs = [(papermill(), course()) for _ in range(repeats)]
    rival, ours = (min(times) / count for times in zip(*pairs, strict=True))
    unchanged = least(lambda: seconds(*COURSE, "run", folder=folder), repeats)
    print(f"papermill, a process a notebook   {rival:6.2f} s a notebook   1.00")
    print(f"course run --jobs 1               {ours:6.2f} s a notebook   {ours / rival:.2f}   (target: 1.10)")
    print(f"course run, nothing changed       {unchanged:6.2f} s              (target: 2)")


def scaling(folder, repeats, count=8):
    """A sweep of trivial notebooks by one worker and by as many as there are cores."""
    write_project(folder, ["01_n"])
    sweep = [*COURSE, "sweep", "01", "--seeds", f"0:{count}", "--force"]

    def here(workers):
        return least(lambda: seconds(*sweep, "--jobs", str(workers), folder=folder, **ONE_THREAD), repeats)

    def on_dask(workers):
        with dask_cluster(folder, workers) as address:
            return least(lambda: seconds(*sweep, "--dask", address, folder=folder), repeats)

    for name, run in (("--jobs", here), ("Dask workers", on_dask)):
        alone = run(1)
        for workers in (1, CORES) if CORES > 1 else (1,):
            taken = alone if workers == 1 else run(workers)
            print(f"{name} {workers:2}: {taken:6.1f} s, {alone / taken:.2f} times (target: {0.8 * workers:.1f})")


@contextlib.contextmanager
def dask_cluster(folder, workers):
    with contextlib.ExitStack() as stack:
        options = ["--no-dashboard", "--host", "127.0.0.1", "--port", "0"]
        line = stack.enter_context(_started("dask_scheduler", *options, says="Scheduler at:", folder=folder))
        address = line.split()[-1]
        for _ in range(workers):
            options = [address, "--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder)]
            stack.enter_context(_started("dask_worker", *options, says="Registered to:", folder=folder, **ONE_THREAD))
        yield address


@contextlib.contextmanager
def _started(part, *options, says, folder, **environment):
    command = [sys.executable, "-m", f"distributed.cli.{part}", *options]
    with subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield next(line for line in process.stdout if says in line)
        finally:
            process.kill()


def planning(folder, count=10_000):
    """Ten thousand queued jobs: the points of one sweep, and as many notebooks."""
    before = psutil.Process().memory_info().rss
    project = write_project(folder / "sweep", ["01_n"])
    print_planning("points of a sweep", project, before, lambda: plan.points(project, "01", _points(count)), count)
    names = [f"n{index:05}" for index in range(count)]
    project = write_project(folder / "notebooks", names)
    print_planning("notebooks", project, before, lambda: plan.plan(project), count)


def _points(count):
    return [{"n": index // 100, "seed": index % 100} for index in range(count)]


def print_planning(what, project, before, make, count):
    start = time.perf_counter()
    jobs = make()
    stale = sum(bool(plan.stale_reasons(project, job)) for job in jobs)
    taken, memory = time.perf_counter() - start, (psutil.Process().memory_info().rss - before) / 1e6
    if stale != count:
        raise SystemExit(f"{stale} of {count} jobs are stale; all must be")
    print(f"{count:,} {what}: {taken:.1f} s, {memory:.0f} MB (targets: 5 s, 500 MB)")


def main():
    parts = {"planning": planning, "overhead": overhead, "scaling": scaling}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=parts)
    options = parser.parse_args()
    for name, measure in parts.items():
        if options.only in (None, name):
            print(f"\n{name}")
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder)) if name == "planning" else measure(Path(folder), options.repeats)


if __name__ == "__main__":
    main()
