"""Sweep: one notebook over a grid of parameters, gathered into one table.

Each point of the grid is a job like any chapter: it is planned, executed and recorded by the same code, and it is run
again only if something that it was made from has changed.
"""

import ast
import itertools
import json

import pandas as pd
from matplotlib.figure import Figure

from book_runner.project import read_record
from course_utils.errors import RunnerError

__all__ = ["check_ending", "draw", "gather", "grid_points", "read_table", "write_table"]

_ENDINGS = (".csv", ".parquet")


def grid_points(grid, seeds=None):
    """List every combination of a grid given as on the command line; the last parameter changes fastest.

    The grid has one ``NAME=VALUE,VALUE`` per parameter. A value is a Python literal, or text without quotes. The seeds
    ``A:B`` add the parameter ``seed`` with the values A, A + 1, up to B - 1.

    Examples
    --------
    >>> grid_points(["epochs=1,2", "source=local"], seeds="0:2")  # doctest: +NORMALIZE_WHITESPACE
    [{'epochs': 1, 'source': 'local', 'seed': 0}, {'epochs': 1, 'source': 'local', 'seed': 1},
     {'epochs': 2, 'source': 'local', 'seed': 0}, {'epochs': 2, 'source': 'local', 'seed': 1}]
    """
    axes = {}
    for text in grid:
        name, equals, values = text.partition("=")
        if not (name.isidentifier() and equals and values):
            raise RunnerError(f"grid is {text!r}; it must be of the form NAME=VALUE,VALUE")
        _add(axes, name, _values(values))
    if seeds is not None:
        _add(axes, "seed", _seeds(seeds))
    if not axes:
        raise RunnerError("the sweep varies nothing; give --grid NAME=VALUE,VALUE or --seeds A:B")
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def _add(axes, name, values):
    if name in axes:
        raise RunnerError(f"grid gives {name} twice; put all of its values into one, NAME=VALUE,VALUE")
    axes[name] = [value for index, value in enumerate(values) if repr(value) not in map(repr, values[:index])]


def _values(text):
    values = _literal(f"[{text}]")
    return values if isinstance(values, list) else [_literal(item.strip()) for item in text.split(",")]


def _literal(text):
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _seeds(text):
    first, colon, end = text.partition(":")
    if not (colon and first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise RunnerError(f"seeds is {text!r}; it must be of the form A:B with A below B, such as 0:5")
    return list(range(int(first), int(end)))


def gather(project, jobs, outcome):
    """Gather what the runs of a sweep recorded into one tidy table; `outcome` is that of :func:`execute.run_jobs`.

    Its columns are ``notebook``, ``profile``, ``state``; the parameters, those that the sweep sets first; each recorded
    value under its name, what belongs to it (``low``, ``high``) as ``NAME_low``; ``seconds``, ``peak_memory_mib``,
    ``started``, ``key``; the machine and the versions as ``machine.cores``, ``version.keras``. A recorded value whose
    name is also a parameter's is called ``NAME_recorded``. Failed runs have no results.
    """
    return pd.DataFrame([_row(project, job, outcome.get(job.label, "failed")) for job in jobs])


def _row(project, job, state):
    parameters = {**job.point, **job.parameters}
    row = {"notebook": job.name, "profile": job.profile, "state": state, **parameters}
    record = read_record(project.record(*job.place)) if state in ("done", "fresh") else None
    if record is None:
        return row
    # Whether this call ran it or an earlier one makes no difference to what was measured.
    row["state"] = "done"
    for name, entry in record["records"].items():
        column = f"{name}_recorded" if name in row else name
        row[column] = entry["value"]
        row |= {f"{column}_{key}": value for key, value in entry["context"].items()}
    memory = record["peak_memory_bytes"]
    machine = dict(record["environment"])
    versions = machine.pop("versions")
    return {
        **row,
        "seconds": record["seconds"],
        "peak_memory_mib": memory and memory / 2**20,
        "started": record["started"],
        "key": record["key"],
        **{f"machine.{name}": value for name, value in machine.items()},
        **{f"version.{library}": version for library, version in versions.items()},
    }


def write_table(table, path):
    """Write a table to a file, ``.csv`` or ``.parquet``; there, columns of more than one type become JSON texts."""
    check_ending(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.assign(**{name: _one_type(table[name]) for name in table.columns}).to_parquet(path, index=False)


def read_table(path):
    """Read a table that :func:`write_table` wrote."""
    check_ending(path)
    try:
        return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except FileNotFoundError:
        raise RunnerError(f"{path} does not exist; `course sweep --out {path}` writes it") from None
    except ValueError as error:
        raise RunnerError(f"{path} is not a table of a sweep: {error}") from None


def check_ending(path):
    """Raise a `RunnerError` unless a table can be written to a path of this ending."""
    if path.suffix not in _ENDINGS:
        raise RunnerError(f"{path.name} ends in {path.suffix!r}; it must end in {' or '.join(_ENDINGS)}")


def _one_type(column):
    kinds = {type(value) for value in column.dropna()} if column.dtype == object else set()
    mixed = len(kinds) > 1 or dict in kinds
    return column.map(json.dumps, na_action="ignore") if mixed else column


def draw(table, x, y, by=None):
    """Draw one column of a sweep's table over another.

    Runs that differ in neither `x` nor `by`, several seeds for instance, are one mark at their mean; the band reaches
    from the lowest to the highest of them. Each value of the column `by` has a line of its own.
    """
    import seaborn as sns

    for name in [name for name in (x, y, by) if name is not None]:
        if name not in table.columns:
            raise RunnerError(f"the table has no column {name!r}; its columns are {', '.join(table.columns)}")
    if not pd.api.types.is_numeric_dtype(table[y]):
        raise RunnerError(f"column {y!r} is not numeric; only numbers can be drawn")
    shown = table.dropna(subset=[x, y])
    if shown.empty:
        raise RunnerError(f"no run has both {x!r} and {y!r}: there is nothing to draw")
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    lines = {"hue": by, "style": by, "palette": "colorblind"} if by else {}
    is_numeric = pd.api.types.is_numeric_dtype(shown[x])
    categories = [*([] if is_numeric else [x]), *([by] if by else [])]
    shown = shown.assign(**{name: shown[name].astype(str) for name in categories})
    sns.lineplot(shown, x=x, y=y, errorbar=("pi", 100), markers=True if by else None, ax=axes, **lines)
    if not by:
        axes.lines[0].set_marker("o")
    if is_numeric and shown[x].min() > 0 and shown[x].max() / shown[x].min() >= 100:
        axes.set_xscale("log")
    axes.set(xlabel=x.replace("_", " "), ylabel=y.replace("_", " "))
    axes.grid(alpha=0.3)
    return figure
