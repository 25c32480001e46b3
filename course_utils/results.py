"""Numbers, findings and checks: what a notebook leaves behind for the book.

A recorded number travels as the metadata of a hidden notebook output. So it needs no side file, it survives
papermill, and the runner reads it from the executed notebook, for the text to set with ``{number}``.
Outside a notebook the same calls only fill this process's own log. What is not as a function describes it is an
:class:`~course_utils.errors.ArgumentError`.
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

from course_utils.errors import ArgumentError, CourseError, check_choice, moved_names, require

__all__ = ["Finding", "Record", "check", "compare", "finding", "once", "provenance", "record", "recorded", "reported"]

__getattr__ = moved_names(__name__, {"Claim": "course_utils.results.Finding", "claim": "course_utils.results.finding"})

METADATA_KEY = "course"
# An output needs at least one representation; one that no front end knows stays invisible.
_INVISIBLE = "application/papermill.record/text/plain"

# This process's records by name: `compare` looks them up, and a name recorded again replaces its value.
_records = {}
# Names that this process has given to `once`: two pieces of work under one name would be taken for each other.
_begun = set()


@dataclasses.dataclass(frozen=True)
class Record:
    """What :func:`record` keeps of one measurement, as its arguments describe it."""

    name: str
    value: object
    unit: str | None
    context: dict


@dataclasses.dataclass(frozen=True)
class Finding:
    """What :func:`finding` states, as its arguments describe it, and whether this run bears it out (`holds`)."""

    statement: str
    holds: bool
    evidence: str
    needs: str

    def _repr_html_(self):
        mark, word, css = self._mark()
        evidence = f' <span class="finding-evidence">{html.escape(self.evidence)}</span>' if self.evidence else ""
        return (
            f'<p class="finding finding-{css}"><span class="finding-mark" role="img" aria-label="{word}">{mark}</span> '
            f"{html.escape(self.statement)}{evidence}</p>"
        )

    def __repr__(self):
        mark, word, _ = self._mark()
        return " ".join(part for part in (mark, f"({word})", self.statement, self.evidence) if part)

    def _mark(self):
        if self.needs == "full" and os.environ.get("COURSE_PROFILE") != "full":
            return "◌", "needs the full profile", "open"
        return ("✔", "holds", "holds") if self.holds else ("✘", "does not hold", "fails")


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of text under a notebook cell; `style` is its class in the book's style sheet."""

    text: str
    style: str

    def __repr__(self):
        return self.text

    def _repr_html_(self):
        return f'<p class="{self.style}">{html.escape(self.text)}</p>'


def record(name=None, /, *values, unit=None, exact=False, **context):
    """Keep a number for the text, the ledger and the records of the run; or several, each by its name.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores. The text shows it with ``{number}`name:.3f```.
    *values : float, int, bool, str or sequence of float
        What was measured, of Python or NumPy. Numbers must be finite.
    unit : str, optional
        The unit, ``"s"`` for instance. Shares and counts have none.
    exact : bool, optional
        Whether every run must have this value, whatever its data and seeds: a small run then verifies the full run.
    **context
        More to keep with the value, such as ``low`` and ``high``, the ends of its interval. None and NaN say that there
        is none, as after a single run. Without `name` and `value`, these are the numbers to keep.

    Examples
    --------
    >>> record("test_accuracy", 0.885, low=0.879, high=0.891)
    >>> record(fit_seconds=12.5, predict_seconds=0.3, unit="s")
    >>> recorded()["test_accuracy"].value, recorded()["fit_seconds"].unit
    (0.885, 's')
    """
    if name is None and not values and context:
        for each, number in context.items():
            record(each, number, unit=unit, exact=exact)
        return
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name):
        raise ArgumentError(f"name is {name!r}; it must be lower-case letters, digits and underscores")
    (value,) = values or (context.pop("value", None),)
    if exact:
        context["exact"] = True
    known = {key: None if _missing(item) else _plain(f"{name}, {key}", item) for key, item in context.items()}
    entry = Record(name, _plain(name, value), unit, known)
    _records[name] = entry
    tell_runner("record", dataclasses.asdict(entry))


def finding(statement, holds, *, evidence="", needs="quick"):
    """State something that the data may prove wrong, and show whether this run bears it out.

    Parameters
    ----------
    statement : str
        One sentence. It is the same in every run: the numbers go into `evidence`.
    holds : bool
        Whether the run bears it out.
    evidence : str, optional
        The numbers that decide.
    needs : {"quick", "full"}, optional
        ``"full"`` for a finding that small data cannot decide; it is then shown as open outside the full profile.

    Returns
    -------
    Finding
        Shown as a sentence with a mark when it ends a notebook cell.

    Examples
    --------
    >>> finding("The network beats chance.", 0.88 > 0.1, evidence="0.88 against 0.10")
    ✔ (holds) The network beats chance. 0.88 against 0.10
    """
    holds = _verdict(statement, holds)
    check_choice("needs", needs, ["quick", "full"])
    made = Finding(statement, holds, evidence, needs)
    tell_runner("finding", dataclasses.asdict(made))
    return made


def check(statement, holds, *, evidence=""):
    """Insist on something that must hold whatever the data are: an identity, a count, two ways to one result.

    It is not counted among the findings: where it does not hold, the code is wrong, and the notebook stops.

    Parameters
    ----------
    statement, holds, evidence : str, bool, str
        As in :func:`finding`.

    Returns
    -------
    Line
        Shown when it ends a notebook cell. If the statement does not hold, there is a ``CourseError`` instead.

    Examples
    --------
    >>> check("The two layers hold all parameters.", 100_480 + 1_290 == 101_770)
    Checked: The two layers hold all parameters.
    """
    if not _verdict(statement, holds):
        raise CourseError(f"this must hold, and does not: {statement} {evidence}".rstrip())
    return Line(f"Checked: {statement} {evidence}".rstrip(), "check")


def _verdict(statement, holds):
    """Return whether a statement holds, as a plain truth value."""
    if not isinstance(statement, str) or not statement.strip():
        raise ArgumentError(f"statement is {statement!r}; it must be a sentence")
    holds = holds.item() if hasattr(holds, "item") and getattr(holds, "ndim", 1) == 0 else holds
    if not isinstance(holds, bool):
        raise ArgumentError(f"holds is {holds!r}; it must be True or False")
    return holds


def provenance(dataset):
    """Note which data the notebook used, what :func:`course_utils.datasets.load` returned, and show it as one line.

    Examples
    --------
    >>> from course_utils import datasets
    >>> toy = datasets.load("mnist", source="synthetic", train_limit=20, test_limit=20)
    >>> provenance(toy).text == toy.provenance.line()
    True
    """
    facts = dataset.provenance
    tell_runner("data", dataclasses.asdict(facts))
    return Line(facts.line(), f"provenance provenance-{facts.kind.replace(' ', '-')}")


def once(name, work, *, folder=None):
    """Do a piece of work that takes long, unless an interrupted run of the same notebook has finished it before.

    The runner gives each notebook a folder for this, until the notebook has run to its end or anything changes that
    it depends on. Without the runner the work is just done.

    Parameters
    ----------
    name : str
        Unique in the notebook, such as ``"CNN, run 0"``.
    work : callable
        Called without arguments. What it returns must survive pickling: networks of Keras do, lambdas do not. It must
        not depend on random numbers drawn before, so let it begin with :func:`course_utils.training.set_seed`.
    folder : str or pathlib.Path, optional
        A folder that the work fills, such as logs of TensorBoard; it is brought back too.

    Returns
    -------
    object
        What `work` returned, now or then.

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
        start, value = time.perf_counter(), work()
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
    >>> record("n_images", 1000)
    >>> recorded()["n_images"].value
    1000
    """
    return dict(_records)


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

    Examples
    --------
    >>> reported("02_fashion_mlp")["test_accuracy"]["value"]
    0.8852
    """
    chapters = _reported_file()
    check_choice("chapter", chapter, chapters)
    return chapters[chapter]


def compare(chapter):
    """Set what this notebook recorded beside what was reported for a chapter, as for :func:`reported`.

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
    pd = require("pandas", "course")
    rows = {
        name.replace("_", " "): [row["value"], entry.value, entry.value - row["value"], row["reason"]]
        for name, row in reported(chapter).items()
        if (entry := _records.get(name)) and not isinstance(row["value"], list)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["reported", "measured", "difference", "why"])


def tell_runner(kind, content):
    """Leave something with the notebook that only the runner reads; outside a notebook nothing happens.

    `kind` is ``"record"``, ``"finding"``, ``"data"`` or ``"answer"``, and `content` a dict that JSON can hold.
    """
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return
    from IPython.display import display

    display({_INVISIBLE: kind}, raw=True, metadata={METADATA_KEY: {"kind": kind, "content": content}})


def _missing(value):
    return value is None or (isinstance(value, numbers.Real) and math.isnan(value))


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
