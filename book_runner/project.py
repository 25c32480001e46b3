"""Where things lie in the book's repository, and reading and writing of its files."""

import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.resources
import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import jsonschema
import nbformat

from course_utils.errors import RunnerError
from course_utils.results import METADATA_KEY

__all__ = [
    "Project",
    "commit_of_results",
    "cores",
    "digest",
    "find_project",
    "machine",
    "noted",
    "read_json",
    "read_notebook",
    "read_record",
    "record_validator",
    "write_text",
]

_LIBRARIES = ("keras", "tensorflow-cpu", "tensorflow", "jax", "torch", "numpy", "scipy", "scikit-learn",
              "opencv-python-headless", "matplotlib", "papermill", "jupyter-book")  # fmt: skip


# What decides on a notebook's cells, how they are run, and what is recorded of them.
_MAKE_RESULTS = (
    "notebooks",
    "course_utils",
    ":!course_utils/weights.toml",
    "requirements.lock",
    *(f"book_runner/{name}.py" for name in ("answers", "execute", "kernel", "plan", "project", "worker")),
)


@dataclasses.dataclass(frozen=True)
class Project:
    """The folders of one checkout; `root` holds ``_toc.yml`` and ``notebooks/``."""

    root: Path

    @property
    def names(self):
        """The chapters, sorted."""
        return sorted(path.stem for path in self.notebooks.glob("*.ipynb"))

    @property
    def build(self):
        """Everything generated lies below this folder."""
        return self.root / "_build"

    @property
    def notebooks(self):
        return self.root / "notebooks"

    @property
    def book(self):
        return self.root / "book"

    @property
    def html(self):
        return self.build / "html"

    @property
    def stage(self):
        return self.build / "stage"

    def notebook(self, name):
        """The source of one chapter."""
        return self.notebooks / f"{name}.ipynb"

    def executed(self, profile, name):
        """The executed copy of one chapter."""
        return self.build / "executed" / profile / f"{name}.ipynb"

    def artefacts(self, profile, name):
        """What the chapter wrote beside its page: projector pages and the like."""
        return self.build / "executed" / profile / name

    def record(self, profile, name):
        """The record of one chapter's last run. It is written last: without it a run has not finished."""
        return self.build / "results" / profile / f"{name}.json"

    def log(self, profile, name):
        return self.build / "logs" / profile / f"{name}.log"

    def unfinished(self, profile, name):
        """What an interrupted run of one chapter has finished, in a folder for each key; see `results.once`."""
        return self.build / "unfinished" / profile / name

    def reference(self, name):
        """The committed results of the full run."""
        return self.book / "reference" / f"{name}.json"

    def kept(self, name):
        """What else is committed of the full run: the executed notebook, projector data, weights."""
        return self.book / "reference" / name


def find_project(start=None):
    """Find the checkout that holds a folder, the current one if not given."""
    start = Path(start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "_toc.yml").is_file() and (folder / "notebooks").is_dir():
            return Project(folder)
    raise RunnerError(f"{start} is in no book: neither it nor a folder above holds _toc.yml and notebooks/")


def commit_of_results(project):
    """Return the commit that holds all that makes results as it is now; None if there is no such commit."""
    # Results of files that no commit holds could not be made again by anybody.
    command = ["git", "status", "--branch", "--untracked-files=no", "--porcelain=v2", "--"]
    try:
        told = subprocess.run([*command, *_MAKE_RESULTS], cwd=project.root, capture_output=True, text=True, check=False)
    except FileNotFoundError:  # without Git
        return None
    lines = [line.split() for line in told.stdout.splitlines()]
    heads = [line[2] for line in lines if line[:2] == ["#", "branch.oid"] and line[2] != "(initial)"]
    return heads[0] if heads and all(line[0] == "#" for line in lines) else None


def cores():
    """How many cores this process may use; not every system says more than how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine():
    """Say where a run takes place: the machine, and the versions of the libraries that shape its numbers."""
    versions = {}
    for library in _LIBRARIES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[library] = importlib.metadata.version(library)
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "machine": platform.machine(),
        "cores": cores(),
        "threads": int(os.environ.get("OMP_NUM_THREADS") or cores()),
        "backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
        "versions": versions,
    }


def digest(data):
    """SHA-256 of bytes, text, or anything that JSON can hold."""
    if not isinstance(data, (bytes, str)):
        data = json.dumps(data, sort_keys=True)
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def write_text(path, text):
    """Write a file whole or not at all, and only if its content changes (its date tells Sphinx what to render)."""
    path = Path(path)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def read_json(path):
    """Read a JSON object; None if the file is absent, damaged, or holds something else."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, UnicodeDecodeError, json.JSONDecodeError):
        return None
    return content if isinstance(content, dict) else None


def read_record(path):
    """Read the record of a run; None if it is absent or is not what :func:`record_validator` takes for one."""
    record = read_json(path)
    return record if record is not None and record_validator().is_valid(record) else None


def read_notebook(path):
    """Read a notebook; damage is told in one line that names the file."""
    try:
        return nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        raise RunnerError(f"{path.name} is not a valid notebook: {error}") from None


def noted(cells, kind):
    """List what executed cells left for the runner in the metadata of their outputs; see `course_utils.results`."""
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    left = [output.get("metadata", {}).get(METADATA_KEY, {}) for output in outputs]
    return [dict(each["content"]) for each in left if each.get("kind") == kind]


@functools.cache
def record_validator():
    """Return what checks that a record fits ``record.schema.json``."""
    schema = json.loads((importlib.resources.files("book_runner") / "record.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)
