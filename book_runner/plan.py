"""Plan: which notebooks there are, with which parameters, whether their last run still stands, what a change touches.

A run stands as long as everything that it was made from is unchanged. Those parts are kept in its record one by one,
not only as one hash, so that :func:`stale_reasons` can say *why* a notebook has to run again.
"""

import ast
import dataclasses
import functools
import itertools
import os
import platform
import subprocess
from pathlib import Path, PurePosixPath

import yaml

import course_utils
from book_runner.answers import NOTE_TAG, answers_digest
from book_runner.project import digest, read_notebook, read_record
from course_utils import datasets, results
from course_utils.errors import CourseError, RunnerError

__all__ = [
    "PROFILES",
    "Job",
    "changed_pages",
    "code_cells",
    "declared_parameters",
    "differences",
    "last_run",
    "parts_after_run",
    "parts_here",
    "plan",
    "points",
    "reachable_modules",
    "reference_reasons",
    "stale_reasons",
]

PROFILES = ("quick", "full")
"""Minutes on two cores, and the sizes of the originals."""
_DEFAULT_TIME_LIMIT = {"quick": 600, "full": 6 * 3600}
_PACKAGE = Path(course_utils.__file__).parent
# Cells that do not define a run, and those that papermill and the runner add.
_UNTIED_TAGS = {
    "setup",
    "widget",
    "bookkeeping",
    "parameters",
    "injected-parameters",
    "papermill-error-cell-tag",
    NOTE_TAG,
}


@dataclasses.dataclass(frozen=True)
class Job:
    """One notebook to be run with one set of parameters."""

    name: str  # the notebook's file name without its ending
    profile: str
    parameters: dict  # every parameter of the notebook with the value it gets
    injected: dict  # those that the profile or a sweep sets
    data: tuple  # names of the data sets that ``profiles.yml`` says the notebook reads
    time_limit: float  # seconds after which the run is stopped
    parts: dict  # everything that the result depends on, by kind
    point: dict = dataclasses.field(default_factory=dict)  # the parameters that a sweep sets; empty for a chapter

    @property
    def key(self):
        """One hash of all the parts."""
        return digest(self.parts)

    @property
    def label(self):
        """What people call it: the notebook, and for a point of a sweep its parameters."""
        values = ", ".join(f"{name}={value}" for name, value in self.point.items())
        return f"{self.name} ({values})" if values else self.name

    @functools.cached_property
    def place(self):
        """Folder and name, below ``executed/``, ``results/`` and ``logs/``, of what the run leaves.

        A point of a sweep is found by all of its parameters, so every sweep that holds it shares its run.
        """
        if not self.point:
            return self.profile, self.name
        return f"sweeps/{self.name}", digest([self.profile, self.parameters])[:16]


def plan(project, profile="quick", only=()):
    """List the jobs of a profile.

    Everything is checked before anything runs: a parameter that a notebook does not have, or of another type, a
    missing ``parameters`` tag, an entry without a notebook, a notebook without an entry. `only` has the names, or
    unambiguous beginnings of names (``02``), of the notebooks wanted; all if it is empty.
    """
    if profile not in PROFILES:
        raise RunnerError(f"profile is {profile!r}; it must be one of {', '.join(PROFILES)}")
    entries = _read_profiles(project)
    names = [_resolve(name, entries) for name in only] or sorted(entries)
    return [_job(project, profile, name, entries[name]) for name in dict.fromkeys(names)]


def points(project, name, wanted, profile="quick"):
    """List the jobs of a sweep: one notebook with many sets of parameters.

    What all of them share is looked up once, so that ten thousand take seconds. Each item of `wanted` holds the
    parameters that a point sets; the others are the profile's.
    """
    (base,) = plan(project, profile, [name])
    fingerprint = functools.cache(
        lambda dataset, data_dir, source: _fingerprint(dataset, {"data_dir": data_dir, "data_source": source})
    )
    jobs = []
    for point in wanted:
        _check_parameters(f"{base.name}.ipynb", point, base.parameters)
        parameters, injected = {**base.parameters, **point}, {**base.injected, **point}
        where = parameters.get("data_dir"), parameters.get("data_source", "auto")
        data = {dataset: fingerprint(dataset, *where) for dataset in base.data}
        parts = {**base.parts, "parameters": parameters, "data": data}
        jobs.append(dataclasses.replace(base, parameters=parameters, injected=injected, parts=parts, point=point))
    return jobs


def stale_reasons(project, job):
    """Say why a job has to run."""
    record, problem = last_run(project, *job.place)
    return [problem] if problem else differences(record["parts"], job.parts)


def last_run(project, profile, name):
    """Return the record of a run, None if it is absent or damaged, and what is wrong with the run, "" if nothing is."""
    path, executed = project.record(profile, name), project.executed(profile, name)
    record, problem = read_record(path), ""
    if record is None:
        problem = "its record is damaged" if path.exists() else "never run"
    elif record["state"] != "done":
        problem = "the last run failed"
    elif not executed.is_file() or digest(executed.read_bytes()) != record["executed_sha256"]:
        problem = "the executed notebook is missing or was changed"
    return record, problem


def parts_after_run(job, loaded):
    """Return the parts of a job once it has run: data that were not here before may have been fetched by the run.

    They are looked up again; `loaded` are the data that the run noted, each with its ``name`` and ``kind``.
    """
    real = {data["name"] for data in loaded if data["kind"] != "synthetic"}
    data = {
        dataset: found if found.startswith("sha256:") or dataset not in real else _fingerprint(dataset, job.parameters)
        for dataset, found in job.parts["data"].items()
    }
    return {**job.parts, "data": data}


def parts_here(job):
    """Look up those parts of a planned job that may differ on another machine: modules, data, Python, Keras backend."""
    return _surroundings(job.parts["modules"], job.data, job.parameters)


def code_cells(notebook):
    """The code of a notebook, cell by cell: what its result depends on.

    Prose and outputs are left out, and so is the set-up cell, which does nothing where the package is installed.
    """
    return _code(notebook, {"setup"})


def reference_reasons(project, name, record, executed):
    """Say why a full run is no longer one of a chapter as it is now; nothing if it still is.

    What defines it are the code cells (but for set-up, widgets and bookkeeping), the parameters of the full profile and
    the reported numbers. Modules, lock file and machine are noted in the record; they do not make it another run.
    `record` and `executed` (a notebook) are what the full run left.
    """
    source = read_notebook(project.notebook(name))
    entry = _read_profiles(project)[name]
    # The parameters' cell holds the quick values, and is compared by value.
    pairs = itertools.zip_longest(_code(executed, _UNTIED_TAGS), _code(source, _UNTIED_TAGS))
    reasons = [f"code cell {place} changed" for place, (then, now) in enumerate(pairs, 1) if then != now][:1]
    now = {
        "parameters": {**_declared(source, f"{name}.ipynb"), **(entry.get("full") or {})},
        "reported": _reported(name),
    }
    return reasons + differences(record["parts"], now)


def _code(notebook, without):
    """The code cells that have none of these tags."""
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [cell["source"] for cell in cells if not without & set(cell["metadata"].get("tags", []))]


def declared_parameters(path):
    """Read the parameters of a notebook and their defaults.

    One cell is tagged ``parameters``; it holds nothing but ``name = literal`` lines.
    """
    return _declared(read_notebook(path), path.name)


def _declared(notebook, where):
    tagged = [cell for cell in notebook["cells"] if "parameters" in cell["metadata"].get("tags", [])]
    if len(tagged) != 1:
        raise RunnerError(f"{where}: {len(tagged)} cells are tagged 'parameters'; exactly one must be")
    try:
        statements = ast.parse(tagged[0]["source"]).body
    except SyntaxError as error:
        raise RunnerError(f"{where}: line {error.lineno} is not valid Python: {error.msg}") from None
    found = {}
    for statement in statements:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(target, ast.Name):
            raise RunnerError(f"{where}: the parameters cell may hold only lines such as 'epochs = 5'")
        try:
            found[target.id] = ast.literal_eval(statement.value)
        except ValueError:
            raise RunnerError(
                f"{where}: parameter {target.id} is not a plain value; "
                "it must be a number, text, True, False, None, or a list or dict of these"
            ) from None
    return found


def reachable_modules(cells):
    """Find the modules of the package that some code can reach.

    The sources are parsed, not imported: an import counts wherever it stands, also within a function. Who reaches a
    sub-package can reach all of its modules, because some of them load only when they are used.

    Modules that other modules need are included. Returned are the dotted name and the file of each.

    Examples
    --------
    >>> sorted(reachable_modules(["from course_utils import errors"]))
    ['course_utils', 'course_utils.errors']
    """
    found = {}
    waiting = [name for cell in cells for name in _imported(_parse_cell(cell))]
    if _PACKAGE.name in waiting:
        # A bare `import course_utils` can reach everything by attribute.
        waiting.extend(_modules_in(_PACKAGE))
    while waiting:
        name = waiting.pop()
        path = _module_file(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting.extend(_imports_of_file(path))
        if path.name == "__init__.py" and path.parent != _PACKAGE:
            waiting.extend(_modules_in(path.parent))
        # Importing a module imports the packages around it.
        waiting.append(name.rpartition(".")[0])
    return found


def _read_profiles(project):
    path = project.notebooks / "profiles.yml"
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise RunnerError(f"{path.name} is missing; it must list the notebooks beside it") from None
    except yaml.YAMLError as error:
        raise RunnerError(f"{path.name} is not valid YAML: {error}") from None
    if not isinstance(entries, dict):
        raise RunnerError(f"{path.name} holds a {type(entries).__name__}; it must map notebook names to their profiles")
    present = set(project.names)
    if missing := sorted(set(entries) - present):
        raise RunnerError(f"{path.name} names {', '.join(missing)}; there is no such notebook beside it")
    if unlisted := sorted(present - set(entries)):
        raise RunnerError(f"{path.name} lacks an entry for {', '.join(unlisted)}; every notebook needs one")
    for name, entry in entries.items():
        _check_entry(f"{path.name}: {name}", entry)
    return entries


def _check_entry(where, entry):
    legal = {"data", "time_limit", *PROFILES}
    if not isinstance(entry, dict) or not set(entry) <= legal:
        found = sorted(set(entry) - legal) if isinstance(entry, dict) else entry
        raise RunnerError(f"{where} holds {found!r}; legal keys are {', '.join(sorted(legal))}")
    for key in ("time_limit", *PROFILES):
        if not isinstance(entry.get(key) or {}, dict):
            raise RunnerError(f"{where}: {key} is {entry[key]!r}; it must be a mapping")
    if not isinstance(entry.get("data", []), list):
        raise RunnerError(f"{where}: data is {entry['data']!r}; it must be a list of data sets")


def _resolve(name, entries):
    name = Path(name).stem if str(name).endswith(".ipynb") else str(name)
    matches = [entry for entry in sorted(entries) if entry == name] or [
        e for e in sorted(entries) if e.startswith(name)
    ]
    if len(matches) != 1:
        found = f"it fits {', '.join(matches)}" if matches else "there is none"
        raise RunnerError(
            f"no single notebook is meant by {name!r}: {found}; legal names are {', '.join(sorted(entries))}"
        )
    return matches[0]


def _job(project, profile, name, entry):
    path = project.notebook(name)
    notebook = read_notebook(path)
    declared, injected = _declared(notebook, path.name), dict(entry.get(profile) or {})
    _check_parameters(path.name, injected, declared)
    parameters, data = {**declared, **injected}, tuple(entry.get("data", []))
    limits = {**_DEFAULT_TIME_LIMIT, **(entry.get("time_limit") or {})}
    parts = _parts(project, name, notebook, parameters, data)
    return Job(name, profile, parameters, injected, data, limits[profile], parts)


def _check_parameters(notebook, values, declared):
    for name, value in values.items():
        if name not in declared:
            raise RunnerError(f"{notebook} has no parameter {name!r}; its parameters are {', '.join(declared)}")
        default = declared[name]
        whole = isinstance(default, float) and type(value) is int
        if default is not None and type(value) is not type(default) and not whole:
            raise RunnerError(
                f"{notebook}: parameter {name} is {value!r}; it must be of type {type(default).__name__}, "
                f"as its default {default!r}"
            )


def _parts(project, name, notebook, parameters, data):
    cells = code_cells(notebook)
    lock = project.root / "requirements.lock"
    return {
        "code": digest(cells),
        "answers": answers_digest(notebook),
        "parameters": parameters,
        "reported": _reported(name),
        "lock file": digest(lock.read_bytes()) if lock.is_file() else None,
        **_surroundings(reachable_modules(cells), data, parameters),
    }


def _reported(name):
    try:
        return digest(results.reported(name))
    except CourseError:  # of a chapter that repeats nothing
        return digest({})


def _surroundings(modules, data, parameters):
    files = {module: _module_file(module) for module in sorted(modules)}
    return {
        "modules": {module: path and _module_state(path) for module, path in files.items()},
        "data": {dataset: _fingerprint(dataset, parameters) for dataset in data},
        "Python": platform.python_version(),
        "Keras backend": os.environ.get("KERAS_BACKEND", "tensorflow"),
    }


def _module_state(path):
    """Hash a module with the files beside it that bear its name, such as the page that the projector fills in."""
    return digest(b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.stem}.*"))))


def _fingerprint(dataset, parameters):
    return datasets.fingerprint(
        dataset, data_dir=parameters.get("data_dir"), source=parameters.get("data_source", "auto")
    )


def differences(before, now):
    """Say in which parts two runs of a job differ: one text per difference, in the order of `now`.

    Examples
    --------
    >>> differences({"parameters": {"epochs": 2}, "code": "a"}, {"parameters": {"epochs": 3}, "code": "b"})
    ['parameters changed: epochs 2 → 3', 'code changed']
    """
    reasons = []
    for part, value in now.items():
        if part not in before:
            reasons.append(f"{part} was not noted")
        elif isinstance(value, dict):
            reasons.extend(_changes(part, before[part], value))
        elif before[part] != value:
            reasons.append(
                f"{part} changed"
                if part in ("code", "answers", "reported", "lock file")
                else f"{part} changed: {before[part]} → {value}"
            )
    return reasons


def _changes(part, before, now):
    for item in sorted(set(before) | set(now)):
        old, new = before.get(item), now.get(item)
        if old == new:
            continue
        if part == "modules":
            path = _module_file(item)
            yield f"{_in_repository(path) if path else item} changed"
        elif part == "data":
            yield f"data changed: {item}"
        else:
            yield f"{part} changed: {item} {old} → {new}"


def _parse_cell(source):
    """Parse a cell without its magics, which are no Python; a cell that is not valid fails when it runs."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:
        return ast.Module(body=[], type_ignores=[])


def _imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module != _PACKAGE.name:
                yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def _imports_of_file(path):
    return tuple(_imported(ast.parse(path.read_text(encoding="utf-8"))))


def _modules_in(folder):
    paths = [path.relative_to(_PACKAGE.parent).with_suffix("") for path in folder.rglob("*.py")]
    return [".".join(path.parts).removesuffix(".__init__") for path in paths]


def _module_file(name):
    head, *rest = name.split(".")
    if head != _PACKAGE.name:
        return None
    path = _PACKAGE.joinpath(*rest)
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file() and candidate.is_relative_to(_PACKAGE):
            return candidate
    return None


def _in_repository(path):
    """Where a module lies below the repository's root, as Git names it."""
    return path.relative_to(_PACKAGE.parent).as_posix()


def changed_pages(project, since):
    """List the pages that may differ from those of an earlier commit.

    Only what was changed after this branch and that commit went their own ways counts. Returned is for each page,
    relative to the site, what changed.
    """
    # A name that begins with a hyphen would be taken for an option.
    command = ["git", "diff", "--name-only", "--end-of-options", f"{since}...HEAD"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RunnerError(f"since is {since!r}; it must be a commit: {done.stderr.strip().splitlines()[0]}")
    files = done.stdout.split("\n")[:-1]
    paths = [PurePosixPath(file) for file in files]
    pages = {
        str(path.with_suffix(".html")): "its source"
        for path in paths
        if path.parts[0] in ("book", "notebooks") and path.suffix in (".md", ".ipynb")
    }
    for name in project.names:
        modules = reachable_modules(code_cells(read_notebook(project.notebook(name))))
        if touched := [module for module, path in sorted(modules.items()) if _in_repository(path) in files]:
            pages.setdefault(f"notebooks/{name}.html", ", ".join(touched))
    return pages
