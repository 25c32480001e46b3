"""Numbers and claims that a notebook leaves behind for the book.

A recorded number travels as the metadata of a hidden notebook output. So it needs no side file, it survives
papermill, MyST-NB can set it in the text with ``{glue:text}``, and the runner reads it from the executed notebook.
Outside a notebook the same calls only fill this process's own log.
"""

import dataclasses
import functools
import hashlib
import html
import importlib.resources
import math
import numbers
import os
import pickle
import re
import shutil
import sys
import tempfile
import time
import tomllib
from pathlib import Path

from course_utils.errors import ArgumentError, check_choice

__all__ = ["Claim", "Record", "claim", "clear", "compare", "once", "provenance", "record", "recorded", "reported"]

METADATA_KEY = "course"
_GLUE_PREFIX = "application/papermill.record/"
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")

# This process's records by name: `compare` looks them up, and a name recorded again replaces its value.
_records = {}
# Names that this process has given to `once`: two pieces of work under one name would be taken for each other.
_begun = set()


@dataclasses.dataclass(frozen=True)
class Record:
    """One measured number (or short text) with what is needed to read it.

    Attributes
    ----------
    name : str
        Lower case with underscores, unique in its notebook.
    value : float, int, bool, str or list of float
        What was measured.
    unit : str or None
        ``"s"``, ``"images/s"``; None for shares and counts.
    context : dict
        Anything that helps to read the value: ``low`` and ``high`` of its interval, ``n_seeds``.
    """

    name: str
    value: object
    unit: str | None
    context: dict


@dataclasses.dataclass(frozen=True)
class Claim:
    """One sentence of the book that a run can prove wrong.

    Attributes
    ----------
    statement : str
        The sentence.
    holds : bool
        Whether this run bears it out.
    evidence : str
        The numbers it rests on.
    needs : {"quick", "full"}
        The smallest profile that can decide it.
    """

    statement: str
    holds: bool
    evidence: str
    needs: str

    def _repr_html_(self):
        mark, word, css = self._verdict()
        evidence = f' <span class="claim-evidence">{html.escape(self.evidence)}</span>' if self.evidence else ""
        return (
            f'<p class="claim claim-{css}"><span class="claim-mark" role="img" aria-label="{word}">{mark}</span> '
            f"{html.escape(self.statement)}{evidence}</p>"
        )

    def __repr__(self):
        mark, word, _ = self._verdict()
        return " ".join(part for part in (mark, f"({word})", self.statement, self.evidence) if part)

    def _verdict(self):
        if self.needs == "full" and os.environ.get("COURSE_PROFILE") != "full":
            return "◌", "needs the full profile", "open"
        return ("✔", "holds", "holds") if self.holds else ("✘", "does not hold", "fails")


def record(name, value, *, unit=None, **context):
    """Keep a number for the text, the ledger and the records of the run.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores. The text shows it with ``{glue:text}`name:.3f```.
    value : float, int, bool, str or sequence of float
        What was measured; NumPy scalars and arrays are taken as well. Numbers must be finite.
    unit : str, optional
        The unit, ``"s"`` for instance. Shares and counts have none.
    **context
        More to keep with the value, such as ``low`` and ``high``, the ends of its interval. None and NaN say that there
        is none, as after a single run.

    Raises
    ------
    ArgumentError
        If the name is not of that form, or a value is neither a finite number nor text.

    Examples
    --------
    >>> record("test_accuracy", 0.885, low=0.879, high=0.891)
    >>> recorded()["test_accuracy"].value
    0.885
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ArgumentError(f"name is {name!r}; it must be lower-case letters, digits and underscores")
    plain = {key: _plain_context(f"{name}, {key}", item) for key, item in context.items()}
    entry = Record(name, _plain(name, value), unit, plain)
    _records[name] = entry
    text = repr(entry.value) if not isinstance(entry.value, str) else entry.value
    _emit(
        {f"{_GLUE_PREFIX}text/plain": text},
        {"scrapbook": {"name": name, "mime_prefix": _GLUE_PREFIX}},
        "record",
        dataclasses.asdict(entry),
    )


def claim(statement, holds, *, evidence="", needs="quick"):
    """State something that this run must bear out, and show whether it does.

    Parameters
    ----------
    statement : str
        One sentence. It is the same in every run: the numbers go into `evidence`.
    holds : bool
        Whether the run bears it out.
    evidence : str, optional
        The numbers that decide.
    needs : {"quick", "full"}, optional
        ``"full"`` for a claim that small data cannot decide; it is then shown as open outside the full profile.

    Returns
    -------
    Claim
        Shown as a sentence with a mark when it ends a notebook cell.

    Raises
    ------
    ArgumentError
        If `statement` is empty, `holds` is not a truth value, or `needs` is not a profile.

    Examples
    --------
    >>> claim("The network beats chance.", 0.88 > 0.1, evidence="0.88 against 0.10")
    ✔ (holds) The network beats chance. 0.88 against 0.10
    """
    if not isinstance(statement, str) or not statement.strip():
        raise ArgumentError(f"statement is {statement!r}; it must be a sentence")
    holds = holds.item() if hasattr(holds, "item") and getattr(holds, "ndim", 1) == 0 else holds
    if not isinstance(holds, bool):
        raise ArgumentError(f"holds is {holds!r}; it must be True or False")
    check_choice("needs", needs, ["quick", "full"])
    made = Claim(statement, holds, evidence, needs)
    _emit({}, {}, "claim", dataclasses.asdict(made))
    return made


def provenance(dataset):
    """Note which data the notebook used, and show it as one line.

    Parameters
    ----------
    dataset : Dataset or ReIDDataset
        What :func:`course_utils.datasets.load` returned.

    Returns
    -------
    ProvenanceLine
        Shown as one line when it ends a notebook cell.

    Examples
    --------
    >>> from course_utils import datasets
    >>> toy = datasets.load("fashion_mnist", source="synthetic", train_limit=20, test_limit=20)
    >>> provenance(toy).kind
    'procedural'
    """
    facts = dataclasses.asdict(dataset.provenance)
    _emit({}, {}, "data", facts)
    return ProvenanceLine(facts["kind"], dataset.provenance.line())


@dataclasses.dataclass(frozen=True)
class ProvenanceLine:
    """One line about where data came from, marked when they are procedural."""

    kind: str
    text: str

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return f'<p class="provenance provenance-{self.kind.replace(" ", "-")}">{html.escape(self.text)}</p>'


def once(name, work, *, folder=None):
    """Do a piece of work that takes long, unless an interrupted run of the same notebook has finished it before.

    The runner gives each notebook a folder for this. It keeps the folder until the notebook has run to its end, and
    throws it away as soon as anything changes that the notebook depends on. Without the runner the work is just done.

    Parameters
    ----------
    name : str
        What tells the work from all other work in the notebook, such as ``"CNN, run 0"``.
    work : callable
        Called without arguments. What it returns must survive pickling: networks of Keras do, lambdas do not. It must
        not depend on random numbers drawn before, so let it begin with :func:`course_utils.training.set_seed`.
    folder : str or pathlib.Path, optional
        A folder that the work fills, such as logs of TensorBoard. It is kept and brought back too.

    Returns
    -------
    object
        What `work` returned, now or then.

    Raises
    ------
    ArgumentError
        If `name` has been used before in this notebook, under the runner.

    Examples
    --------
    >>> once("the answer", lambda: 6 * 7)
    42
    """
    if "COURSE_UNFINISHED" not in os.environ:
        return work()
    if name in _begun:
        raise ArgumentError(f"name is {name!r}, which other work in this notebook has; it must be another")
    _begun.add(name)
    unfinished = Path(os.environ["COURSE_UNFINISHED"])
    done = unfinished / hashlib.sha256(name.encode()).hexdigest()[:16]
    if not done.is_dir():
        start = time.perf_counter()
        value = work()
        # Complete or not there at all: the folder gets its name last.
        draft = Path(tempfile.mkdtemp(prefix=".", dir=unfinished))
        (draft / "seconds").write_text(str(time.perf_counter() - start), encoding="utf-8")
        (draft / "value").write_bytes(pickle.dumps(value))
        if folder is not None:
            shutil.copytree(folder, draft / "folder")
        draft.rename(done)
        return value
    if folder is not None:
        # What an interrupted attempt left in it would be mixed up with what is brought back.
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(done / "folder", folder)
    return pickle.loads((done / "value").read_bytes())


def seconds_of_finished(unfinished):
    """Return how long the work took that :func:`once` finds finished in a folder of the runner."""
    return sum(float(path.read_text(encoding="utf-8")) for path in unfinished.glob("[!.]*/seconds"))


def recorded():
    """Return this process's records by name.

    Returns
    -------
    dict of str to Record

    Examples
    --------
    >>> clear()
    >>> recorded()
    {}
    """
    return dict(_records)


def clear():
    """Forget this process's records."""
    _records.clear()


@functools.cache
def _reported_file():
    text = (importlib.resources.files("course_utils") / "reported.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def reported(chapter):
    """Return the numbers that the original coursework reported for one chapter.

    Parameters
    ----------
    chapter : str
        The notebook's name, ``"02_fashion_mlp"``.

    Returns
    -------
    dict of str to dict
        For each number its ``value``, ``source`` (the report and its part) and ``reason`` (why ours may differ); a
        ``unit`` and a ``proof`` (the section that shows the reason) where there is one.

    Raises
    ------
    ArgumentError
        If no chapter of that name is in the file.

    Examples
    --------
    >>> reported("02_fashion_mlp")["test_accuracy"]["value"]
    0.8852
    """
    chapters = _reported_file()
    check_choice("chapter", chapter, chapters)
    return chapters[chapter]


def compare(chapter):
    """Set what this notebook recorded beside what was reported.

    Parameters
    ----------
    chapter : str
        The notebook's name, ``"02_fashion_mlp"``.

    Returns
    -------
    pandas.DataFrame
        One row a reported number that was also recorded: ``reported``, ``measured``, ``difference`` and ``why``.

    Examples
    --------
    >>> record("test_accuracy", 0.88)
    >>> float(compare("02_fashion_mlp").loc["test accuracy", "reported"])
    0.8852
    """
    import pandas as pd

    rows = {}
    for name, row in reported(chapter).items():
        entry = _records.get(name)
        if entry is None or isinstance(row["value"], list):
            continue
        rows[name.replace("_", " ")] = {
            "reported": row["value"],
            "measured": entry.value,
            "difference": entry.value - row["value"],
            "why": row["reason"],
        }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["reported", "measured", "difference", "why"])


def _plain_context(name, value):
    missing = value is None or (isinstance(value, numbers.Real) and math.isnan(value))
    return None if missing else _plain(name, value)


def _plain(name, value):
    """Return `value` as what JSON can hold, or say what is wrong with it."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    raise ArgumentError(f"the value of {name} is {value!r}; it must be finite numbers, text, or True or False")


def _emit(data, metadata, kind, content):
    """Send an output that only the runner and myst-nb read; without a notebook there is nobody to send it to."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return
    from IPython.display import display

    # An output needs at least one representation; one that no front end knows stays invisible.
    data = data or {f"{_GLUE_PREFIX}text/plain": kind}
    display(data, raw=True, metadata={**metadata, METADATA_KEY: {"kind": kind, "content": content}})
