"""The ledger: every reported number and every finding, with what the runs say of them."""

from book_runner.pages.markdown import plain, styled_table, table
from course_utils import results
from course_utils.errors import ArgumentError

__all__ = ["comparison_table", "ledger_anchor", "ledger_page"]

_NUMBER_COLUMNS = {
    "number": "---",
    "reported": "---:",
    "full run": "---:",
    "this build": "---:",
    "difference": "---:",
    "why they differ": "---",
    "source": "---",
}
_FINDING_COLUMNS = {"chapter": "---", "finding": "---", "full run": "---", "this build": "---"}


def comparison_table(name, record, reference):
    """Set reported, full run and this build side by side; empty if nothing was reported for this chapter."""
    return table(_comparisons(name, record, reference), _NUMBER_COLUMNS)


def ledger_page(titles, records, references):
    """Write the ledger.

    `titles` are those of the notebooks, `records` those of this build and `references` those of the full run, by name.
    """
    numbers, findings = [], []
    for name in titles:
        chapter = {"chapter": f"{{doc}}`{name[:2]} </notebooks/{name}>`"}
        numbers += [
            chapter | row | {"number": f'<span id="{ledger_anchor(name, row["number"])}"></span>{row["number"]}'}
            for row in _comparisons(name, records.get(name), references.get(name))
        ]
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
        *styled_table("ledger", numbers, {"chapter": "---", **_NUMBER_COLUMNS}, caption="Reported numbers beside ours"),
        "(ledger-findings)=",
        "## Findings",
        "",
        *_finding_counts(findings),
        "✔ holds · ✘ does not hold · ◌ small data cannot decide it · – not run",
        "",
        *styled_table("ledger", findings, _FINDING_COLUMNS, caption="Findings and their verdicts"),
    ]
    return "\n".join(parts)


def ledger_anchor(name, number):
    """Name the place in the ledger where a reported number of a chapter stands.

    Examples
    --------
    >>> ledger_anchor("02_fashion_mlp", "test_accuracy")
    'ledger-02-test_accuracy'
    """
    return f"ledger-{name[:2]}-{number.replace(' ', '_')}"


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
            "finding": plain(statement),
            "full run": _verdict(fulls.get(statement), "full"),
            "this build": _verdict(builds.get(statement), (record or {}).get("profile")),
        }


def _verdict(finding, profile):
    if finding is None:
        return "–"
    if finding["needs"] == "full" and profile != "full":
        return "◌ needs the full profile" + (f"; here {plain(finding['evidence'])}" if finding["evidence"] else "")
    return f"{'✔' if finding['holds'] else '✘'} {plain(finding['evidence'])}".strip()


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
