"""The generated pages and page parts: how a page was made, the ledger, the status of the build."""

import re
import string

from course_utils import datasets, results
from course_utils.errors import ArgumentError

__all__ = ["banner", "colophon", "comparison_table", "ledger_page", "stand_ins", "status_page"]

_NUMBER_COLUMNS = {
    "number": "---",
    "reported": "---:",
    "full run": "---:",
    "this build": "---:",
    "difference": "---:",
    "why they differ": "---",
    "source": "---",
}
_STATUS_COLUMNS = {
    "notebook": "---",
    "state": "---",
    "profile": "---",
    "run": "---",
    "seconds": "---:",
    "peak memory (MiB)": "---:",
    "data": "---",
    "on": "---",
}
_FINDING_COLUMNS = {"chapter": "---", "finding": "---", "full run": "---", "this build": "---"}


def banner(record):
    """Say at the top of a page what a reader must know before believing its numbers.

    Parameters
    ----------
    record : dict or None
        The record of the run behind the page; None if the notebook never ran.

    Returns
    -------
    str
        Markdown; empty if there is nothing to say.
    """
    if record is None:
        return _admonition("danger", "This page has no results", "Its notebook has not been run in this build.")
    if record["state"] == "failed":
        where = next((i for i, cell in enumerate(record["cells"], 1) if cell["failed"]), None)
        place = f"Code cell {where} failed" if where else "The run failed"
        return _admonition("danger", "This page's notebook failed", f"{place}: `{_code(record['error'])}`")
    if drawn := stand_ins(record):
        return _admonition(
            "warning",
            "Made from procedural data",
            f"Drawn images stand in for {', '.join(f'`{name}`' for name in drawn)}: the real data were not "
            "at hand when this page was built. Its numbers are not those of the real data.",
        )
    return ""


def stand_ins(record):
    """List the data sets for which drawn images stood in; one that is drawn by nature stands in for nothing.

    Parameters
    ----------
    record : dict
        The record of a run.

    Returns
    -------
    list of str
        Names, sorted.
    """
    by_nature = {name for name, entry in datasets.CATALOG.items() if entry.drawn}
    procedural = {data["name"] for data in record["data"] if data["kind"] == "procedural"}
    return sorted(procedural - by_nature)


def comparison_table(name, record, reference):
    """Set reported, full run and this build side by side.

    Parameters
    ----------
    name : str
        The notebook.
    record, reference : dict or None
        This build's record, and the committed record of the full run.

    Returns
    -------
    str
        A Markdown table; empty if nothing was reported for this notebook.
    """
    return _markdown_table(_comparisons(name, record, reference), _NUMBER_COLUMNS)


def colophon(name, record, reference):
    """Write the last section of a page: its numbers beside the reported ones, and how it was made.

    Parameters
    ----------
    name : str
        The notebook.
    record, reference : dict or None
        This build's record, and the committed record of the full run.

    Returns
    -------
    str
        Markdown.
    """
    parts = []
    if table := comparison_table(name, record, reference):
        parts += ["## Reported, full run, this build", "", table, "", _reference_line(reference), ""]
    parts += ["## How this page was made", ""]
    if record is None:
        return "\n".join([*parts, "It was not: the notebook has not been run.", ""])
    environment = record["environment"]
    versions = ", ".join(f"{library} {version}" for library, version in environment["versions"].items())
    memory = record["peak_memory_bytes"]
    rows = {
        "profile": f"`{record['profile']}`",
        "run": f"{record['started'].replace('T', ' ').replace('+00:00', ' UTC')}, {record['seconds']:.0f} s"
        + (f", at most {memory / 2**20:,.0f} MiB of memory" if memory else ""),
        "machine": f"{environment['cores']} cores, {environment['machine']}, {environment['platform']}",
        "software": f"Python {environment['python']}, Keras on {environment['backend']}; {versions}",
        "parameters": ", ".join(f"`{key}={_code(repr(value))}`" for key, value in record["parameters"].items()),
        "data": "<br>".join(_data_line(data) for data in record["data"]) or "none",
        "key": f"`{record['key'][:12]}`",
    }
    parts += ["| what | this run |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items()), ""]
    return "\n".join(parts)


def ledger_page(titles, records, references):
    """Write the ledger: every reported number and every finding, with what the runs say of them.

    Parameters
    ----------
    titles : dict of str to str
        The notebooks' names and titles.
    records, references : dict of str to dict
        Records of this build, and of the full run.

    Returns
    -------
    str
        Markdown.
    """
    numbers, findings = [], []
    for name in titles:
        chapter = {"chapter": f"{{doc}}`{name[:2]} </notebooks/{name}>`"}
        numbers += [chapter | row for row in _comparisons(name, records.get(name), references.get(name))]
        findings += [chapter | row for row in _findings(records.get(name), references.get(name))]
    parts = [
        "# The ledger",
        "",
        "Every number that the coursework reported stands here beside ours,",
        "and every finding of the book with its verdict [below the numbers](#ledger-findings).",
        "*Full run* repeats the original sizes; *this build* is the run behind the pages you are reading.",
        "",
        "## Numbers",
        "",
        "The difference is that of the full run where there is one, and of this build where there is none.",
        "The reason links to the section that shows it. The letters name {doc}`the sources </book/intro>`.",
        "",
        *_styled_table(
            "ledger", numbers, {"chapter": "---", **_NUMBER_COLUMNS}, caption="Reported numbers beside ours"
        ),
        "(ledger-findings)=",
        "## Findings",
        "",
        *_finding_counts(findings),
        "✔ holds · ✘ does not hold · ◌ small data cannot decide it · – not run",
        "",
        *_styled_table("ledger", findings, _FINDING_COLUMNS, caption="Findings and their verdicts"),
    ]
    return "\n".join(parts)


def status_page(names, records, references):
    """Write the status of the build and of the full run: state, time and memory of each notebook, and what it ran on.

    Parameters
    ----------
    names : sequence of str
        The notebooks.
    records : dict of str to dict
        Records of this build.
    references : dict of str to dict
        Committed results of the full run.

    Returns
    -------
    str
        Markdown.
    """
    environments = []
    build, full = (
        [_status_row(name, runs.get(name), environments) for name in names] for runs in (records, references)
    )
    lines = [
        "# Status of this build",
        "",
        "What was run for this copy of the book, when, for how long, and on which data: the authors' *official* files,",
        "a *copy* of their images, an *own split* of them, a *user*'s data, or *procedural* ones, drawn by a program.",
        "",
    ]
    lines += _styled_table("status", build, _STATUS_COLUMNS)
    lines += [
        "## The full run",
        "",
        *_cost_of_full_run(references),
        "",
        *_styled_table("status", full, _STATUS_COLUMNS),
    ]
    lines += ["## Environments", "", "What the notebooks ran on, by the letters in the table above.", ""]
    rows = [_environment_row(*item) for item in zip(string.ascii_uppercase, environments, strict=False)]
    return "\n".join([*lines, _markdown_table(rows, dict.fromkeys(rows[0], "---")) if rows else "None yet.", ""])


def _cost_of_full_run(references):
    """Say what the full run took, or as much of it as there is."""
    done = [reference for reference in references.values() if reference]
    lines = ["The original sizes and epochs, on the real data; its results are the ledger's column *full run*."]
    if done:
        hours = sum(reference["seconds"] for reference in done) / 3600
        memory = max(reference["peak_memory_bytes"] or 0 for reference in done)
        lines.append(
            f"The {len(done)} notebooks below that have been run took {hours:.1f} hours together, one after the other "
            f"or side by side, and at most {memory / 2**30:.1f} GiB of memory each."
        )
    return lines


def _status_row(name, record, environments):
    row = dict.fromkeys(_STATUS_COLUMNS, "") | {"notebook": f"{{doc}}`/notebooks/{name}`", "state": "not run"}
    if record is None:
        return row
    if record["environment"] not in environments:
        environments.append(record["environment"])
    memory = record["peak_memory_bytes"]
    return row | {
        "state": record["state"],
        "profile": record["profile"],
        "run": record["started"][:16].replace("T", " "),
        "seconds": f"{record['seconds']:.0f}",
        "peak memory (MiB)": f"{memory / 2**20:,.0f}" if memory else "",
        "data": ", ".join(f"{data['name']} ({data['kind']})" for data in record["data"]),
        "on": string.ascii_uppercase[min(environments.index(record["environment"]), 25)],
    }


def _environment_row(letter, environment):
    cores = "1 core" if environment["cores"] == 1 else f"{environment['cores']} cores"
    return {
        "on": letter,
        "machine": f"{cores} ({environment.get('threads', '?')} for each notebook), "
        f"{environment['machine']}, {environment['platform']}",
        "software": f"Python {environment['python']}, Keras on {environment['backend']}",
        "versions": ", ".join(f"{library} {version}" for library, version in sorted(environment["versions"].items())),
    }


def _markdown_table(rows, columns):
    """Lay rows out as a Markdown table; empty if there is no row."""
    lines = [f"| {' | '.join(row[column] for column in columns)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(columns)} |", f"|{'|'.join(columns.values())}|", *lines])


def _styled_table(style, rows, columns, *, caption=""):
    """Write a table of a style that ``course.css`` knows; ``ledger.js`` makes those of the ledger sortable."""
    table = _markdown_table(rows, columns)
    return [f":::{{table}} {caption}".rstrip(), f":class: {style}", "", table, ":::", ""] if table else []


def _comparisons(name, record, reference):
    try:
        reported = results.reported(name)
    except ArgumentError:
        return
    for number, row in reported.items():
        yield {
            "number": number.replace("_", " "),
            "reported": _as_printed(row["value"]),
            "full run": _measured(reference, number),
            "this build": _measured(record, number),
            "difference": _difference(row["value"], {"full": reference, "build": record}, number),
            "why they differ": f"[{row['reason']}](#{row['proof']})" if "proof" in row else row["reason"],
            "source": f"[{row['source']}]",
        }


def _difference(reported, runs, number):
    """Subtract what was reported from what the first of the runs measured; of lists, say how far they are apart."""
    for name, run in runs.items():
        entry = _entry(run, number)
        if entry is None:
            continue
        value = entry["value"]
        if isinstance(value, list) != isinstance(reported, list) or isinstance(value, str):
            return "–"
        if not isinstance(value, list):
            return f"{_values(value - reported, sign='+')} ({name})"
        if len(value) != len(reported):
            return "–"
        gaps = [abs(ours - theirs) for ours, theirs in zip(value, reported, strict=True)]
        return f"up to {_values(max(gaps))} ({name})"
    return "–"


def _as_printed(value):
    """Show a reported number with the digits that it was reported with."""
    return " ".join(_as_printed(item) for item in value) if isinstance(value, list) else f"{value:,}"


def _entry(run, number):
    return ((run or {}).get("records") or {}).get(number)


def _measured(record, number):
    entry = _entry(record, number)
    if entry is None:
        return "–"
    context = entry["context"]
    low, high = context.get("low"), context.get("high")
    interval = f" ({_values(low)} to {_values(high)})" if None not in (low, high) else ""
    return _values(entry["value"]) + interval


def _values(value, *, sign=""):
    if isinstance(value, list):
        return " ".join(_values(item, sign=sign) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        text = f"{value:{sign},}"
    else:
        text = f"{value:{sign}.3f}" if abs(value) < 10 else f"{value:{sign},.1f}"
    return text.replace("-", "−")


def _findings(record, reference):
    builds = {finding["statement"]: finding for finding in (record or {}).get("findings", [])}
    fulls = {finding["statement"]: finding for finding in (reference or {}).get("findings", [])}
    for statement in dict.fromkeys([*builds, *fulls]):
        yield {
            "finding": _plain(statement),
            "full run": _verdict(fulls.get(statement), "full"),
            "this build": _verdict(builds.get(statement), (record or {}).get("profile")),
        }


def _verdict(finding, profile):
    if finding is None:
        return "–"
    if finding["needs"] == "full" and profile != "full":
        return "◌ needs the full profile" + (f"; here {_plain(finding['evidence'])}" if finding["evidence"] else "")
    return f"{'✔' if finding['holds'] else '✘'} {_plain(finding['evidence'])}".strip()


def _finding_counts(findings):
    """Say how many findings hold, in a sentence for each of the runs that there are."""
    sentences = []
    for column, run in (("this build", "In this build"), ("full run", "In the full run")):
        marks = [row[column][0] for row in findings if row[column] != "–"]
        if marks:
            open_ones = f", {marks.count('◌')} need the full profile" if "◌" in marks else ""
            sentences.append(
                f"{run} {marks.count('✔')} of {len(marks)} findings hold, {marks.count('✘')} do not{open_ones}."
            )
    return [*sentences, ""]


def _plain(text):
    """Keep Markdown from reading anything into a text but its code."""
    parts = re.split(r"(`[^`]*`)", str(text).replace("\n", " "))
    return "".join(
        part.replace("|", "\\|") if part.startswith("`") else re.sub(r"([\\`*_{}\[\]<>$|~])", r"\\\1", part)
        for part in parts
    )


def _data_line(data):
    digest = f", sha256 {data['sha256'][:12]}…" if data.get("sha256") else ""
    return f"{data.get('title') or data['name']}: {data['kind']}{digest}"


def _reference_line(reference):
    if reference is None:
        return "No full run of this chapter has been committed yet."
    environment = reference["environment"]
    return (
        f"The full run was made on {reference['started'][:10]} in {reference['seconds'] / 60:,.0f} minutes "
        f"({environment['cores']} cores, {environment['machine']}, Keras on {environment['backend']})."
    )


def _admonition(kind, title, text):
    return f":::{{admonition}} {title}\n:class: {kind}\n{text}\n:::\n"


def _code(text):
    return str(text).replace("`", "'").replace("\n", " ").replace("|", "\\|")
