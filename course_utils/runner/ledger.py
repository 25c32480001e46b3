"""The generated pages and page parts: how a page was made, the ledger, the status of the build."""

from course_utils import datasets, results
from course_utils.errors import ArgumentError

__all__ = ["banner", "colophon", "comparison_table", "ledger_page", "stand_ins", "status_page"]


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
    rows = list(_comparisons(name, record, reference))
    if not rows:
        return ""
    columns = ("number", "reported", "full run", "this build", "why they differ", "source")
    lines = [f"| {' | '.join(columns)} |", "|---|---:|---:|---:|---|---|"]
    lines += [f"| {' | '.join(row[column] for column in columns)} |" for row in rows]
    return "\n".join(lines)


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
    parts += ["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items()), ""]
    return "\n".join(parts)


def ledger_page(titles, records, references):
    """Write the ledger: every reported number and every claim, with what the runs say of them.

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
    parts = [
        "# The ledger",
        "",
        "Every number that the coursework reported stands here beside ours,",
        "and every claim of the book with its verdict.",
        "*Full run* repeats the original sizes; *this build* is the run behind the pages you are reading.",
        "",
        "## Numbers",
        "",
    ]
    for name, title in titles.items():
        if table := comparison_table(name, records.get(name), references.get(name)):
            parts += [f"### Numbers of {title}", "", _to_chapter(name), "", table, ""]
    parts += ["## Claims", ""]
    for name, title in titles.items():
        if rows := list(_claims(records.get(name), references.get(name))):
            parts += [
                f"### Claims of {title}",
                "",
                _to_chapter(name),
                "",
                "| claim | full run | this build |",
                "|---|---|---|",
            ]
            parts += [f"| {row['statement']} | {row['full']} | {row['build']} |" for row in rows]
            parts += [""]
    parts += ["✔ holds · ✘ does not hold · ◌ needs the full profile · – not run", ""]
    return "\n".join(parts)


def status_page(names, records):
    """Write the status of the build: state, time and memory of each notebook.

    Parameters
    ----------
    names : sequence of str
        The notebooks.
    records : dict of str to dict
        Records of this build.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# Status of this build",
        "",
        "| notebook | state | profile | run | seconds | peak memory (MiB) | data |",
        "|---|---|---|---|---:|---:|---|",
    ]
    for name in names:
        record = records.get(name)
        if record is None:
            lines.append(f"| {{doc}}`/notebooks/{name}` | not run | | | | | |")
            continue
        memory = record["peak_memory_bytes"]
        cells = [
            f"{{doc}}`/notebooks/{name}`",
            record["state"],
            record["profile"],
            record["started"][:16].replace("T", " "),
            f"{record['seconds']:.0f}",
            f"{memory / 2**20:,.0f}" if memory else "",
            ", ".join(f"{data['name']} ({data['kind']})" for data in record["data"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _to_chapter(name):
    return f"Measured in {{doc}}`/notebooks/{name}`."


def _comparisons(name, record, reference):
    try:
        reported = results.reported(name)
    except ArgumentError:
        return
    for number, row in reported.items():
        yield {
            "number": number.replace("_", " "),
            "reported": _values(row["value"]),
            "full run": _measured(reference, number),
            "this build": _measured(record, number),
            "why they differ": f"[{row['reason']}](#{row['proof']})" if "proof" in row else row["reason"],
            "source": f"[{row['source']}]",
        }


def _measured(record, number):
    entry = ((record or {}).get("records") or {}).get(number)
    if entry is None:
        return "–"
    context = entry["context"]
    low, high = context.get("low"), context.get("high")
    interval = f" ({_values(low)} to {_values(high)})" if None not in (low, high) else ""
    return _values(entry["value"]) + interval


def _values(value):
    if isinstance(value, list):
        return " ".join(_values(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.1f}"


def _claims(record, reference):
    builds = {claim["statement"]: claim for claim in (record or {}).get("claims", [])}
    fulls = {claim["statement"]: claim for claim in (reference or {}).get("claims", [])}
    for statement in dict.fromkeys([*builds, *fulls]):
        yield {
            "statement": statement,
            "full": _verdict(fulls.get(statement), "full"),
            "build": _verdict(builds.get(statement), (record or {}).get("profile")),
        }


def _verdict(claim, profile):
    if claim is None:
        return "–"
    if claim["needs"] == "full" and profile != "full":
        return "◌"
    return f"{'✔' if claim['holds'] else '✘'} {claim['evidence']}".strip()


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
