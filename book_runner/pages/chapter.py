"""What is added to a chapter's page: at its top whose results it shows, at its end its numbers and how it was made."""

import dataclasses

from book_runner.pages.ledger import comparison_table
from book_runner.pages.markdown import box, code, cores_of, date_of, two_columns
from course_utils import datasets

__all__ = ["Agreement", "agreement", "colophon", "opening", "stand_ins"]


def opening(page):
    """Say at the top of a page whose results it shows, and what a reader must know before believing them."""
    record = page.record
    if page.edition == "reference":
        return f":::{{container}} edition\n**Results of the full run** of {_run_line(record)}\n:::\n"
    why = f" The full run is not shown: {code(page.problem)}." if page.problem else ""
    if record is None:
        return box("danger", "This page has no results", f"Its notebook has not been run in this build.{why}")
    if record["state"] == "failed":
        where = next((i for i, cell in enumerate(record["cells"], 1) if cell["failed"]), None)
        place = f"Code cell {where} failed" if where else "The run failed"
        return box("danger", "This page's notebook failed", f"{place}: `{code(record['error'])}`{why}")
    parts = []
    if record["profile"] == "quick":
        text = (
            "This page shows a quick run that this build made: it proves that the chapter works. What the full run "
            f"found stands in the tables at the end of the page and in {{doc}}`the ledger </book/ledger>`.{why}"
        )
        parts.append(box("warning", "Small data, few epochs: not findings", text))
    else:
        parts.append(f":::{{container}} edition\n**Results of this build's run** of {_run_line(record)}{why}\n:::\n")
    if drawn := stand_ins(record):
        text = (
            f"Drawn images stand in for {', '.join(f'`{name}`' for name in drawn)}: the real data were not "
            "at hand when this page was built. Its numbers are not those of the real data."
        )
        parts.append(box("warning", "Made from synthetic data", text))
    return "\n".join(parts)


def _run_line(record):
    """Say in a line when, from which commit and on which machine a run was made."""
    environment = record["environment"]
    commit = f", commit `{record['commit'][:8]}`" if record.get("commit") else ""
    return (
        f"{date_of(record)}{commit}, {cores_of(environment)} ({environment['machine']}). "
        f"[How this page was made](#made-{record['name']})."
    )


@dataclasses.dataclass(frozen=True)
class Agreement:
    """How far this build's run bears out the full run."""

    findings: dict  # for each finding that small data can decide, whether both runs decide it alike
    numbers: dict  # for each number recorded with ``exact=True``, whether both runs have it

    def sentence(self):
        """Say it."""
        alike = [f"{sum(each.values())} of {len(each)}" for each in (self.findings, self.numbers)]
        text = (
            f"This build's run was checked against it: {alike[0]} findings that small data can decide come out the "
            f"same, and {alike[1]} numbers that must not depend on the run are equal."
        )
        others = [statement for statement, same in self.findings.items() if not same]
        return text + (f" Decided otherwise: {' '.join(others)}" if others else "")


def agreement(reference, run):
    """Decide again, from this build's run, what the full run found; both are records."""
    here = {each["statement"]: each["holds"] for each in run["findings"]}
    findings = {each["statement"]: each["holds"] for each in reference["findings"] if each["needs"] == "quick"}
    numbers = {name: each["value"] for name, each in reference["records"].items() if each["context"].get("exact")}
    return Agreement(
        {statement: here[statement] == holds for statement, holds in findings.items() if statement in here},
        {name: run["records"][name]["value"] == value for name, value in numbers.items() if name in run["records"]},
    )


def stand_ins(record):
    """List the data sets for which drawn images stood in; one that is drawn by nature stands in for nothing."""
    by_nature = {name for name, entry in datasets.CATALOG.items() if entry.drawn}
    synthetic = {data["name"] for data in record["data"] if data["kind"] == "synthetic"}
    return sorted(synthetic - by_nature)


def colophon(name, page):
    """Write the last section of a page: its numbers beside the reported ones, and how it was made."""
    parts = []
    if table := comparison_table(name, page.run, page.reference):
        parts += ["## Reported, full run, this build", "", table, "", *_reference_lines(page), ""]
    parts += [f"(made-{name})=", "## How this page was made", ""]
    if page.record is None:
        return "\n".join([*parts, "The notebook has not been run.", ""])
    shown = "the full run" if page.edition == "reference" else "this build's run"
    return "\n".join([*parts, two_columns(shown, _facts(page.record))])


def _facts(record):
    environment, memory = record["environment"], record["peak_memory_bytes"]
    versions = ", ".join(f"{library} {version}" for library, version in environment["versions"].items())
    return {
        "profile": f"`{record['profile']}`",
        "run": f"{record['started'].replace('T', ' ').replace('+00:00', ' UTC')}, {record['seconds']:.0f} s"
        + (f", at most {memory / 2**20:,.0f} MiB of memory" if memory else ""),
        "machine": f"{cores_of(environment)}, {environment['machine']}, {environment['platform']}",
        "software": f"Python {environment['python']}, Keras on {environment['backend']}; {versions}",
        "parameters": ", ".join(f"`{key}={code(repr(value))}`" for key, value in record["parameters"].items()),
        "data": "<br>".join(_data_line(data) for data in record["data"]) or "none",
        "commit": f"`{record['commit']}`" if record.get("commit") else "none: files had changed since the last one",
        "key": f"`{record['key'][:12]}`",
    }


def _data_line(data):
    digest = f", sha256 {data['sha256'][:12]}…" if data.get("sha256") else ""
    return f"{data.get('title') or data['name']}: {data['kind']}{digest}"


def _reference_lines(page):
    if page.reference is None:
        return ["No full run of this chapter has been kept yet."]
    environment = page.reference["environment"]
    lines = [
        f"The full run was made on {page.reference['started'][:10]} in {page.reference['seconds'] / 60:,.0f} minutes "
        f"({cores_of(environment)}, {environment['machine']}, Keras on {environment['backend']})."
    ]
    if page.edition == "reference" and page.run is not None and page.run["state"] == "done":
        lines.append(agreement(page.reference, page.run).sentence())
    return lines
