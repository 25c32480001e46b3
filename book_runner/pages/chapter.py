"""What is added to a chapter's page: a warning at its top, and at its end its numbers and how it was made."""

from book_runner.pages.ledger import comparison_table
from book_runner.pages.markdown import box, code, two_columns
from course_utils import datasets

__all__ = ["banner", "colophon", "stand_ins"]


def banner(record):
    """Say at the top of a page what a reader must know before believing its numbers; empty if there is nothing."""
    if record is None:
        return box("danger", "This page has no results", "Its notebook has not been run in this build.")
    if record["state"] == "failed":
        where = next((i for i, cell in enumerate(record["cells"], 1) if cell["failed"]), None)
        place = f"Code cell {where} failed" if where else "The run failed"
        return box("danger", "This page's notebook failed", f"{place}: `{code(record['error'])}`")
    if drawn := stand_ins(record):
        return box(
            "warning",
            "Made from synthetic data",
            f"Drawn images stand in for {', '.join(f'`{name}`' for name in drawn)}: the real data were not "
            "at hand when this page was built. Its numbers are not those of the real data.",
        )
    return ""


def stand_ins(record):
    """List the data sets for which drawn images stood in; one that is drawn by nature stands in for nothing."""
    by_nature = {name for name, entry in datasets.CATALOG.items() if entry.drawn}
    procedural = {data["name"] for data in record["data"] if data["kind"] == "procedural"}
    return sorted(procedural - by_nature)


def colophon(name, record, reference):
    """Write the last section of a page: its numbers beside the reported ones, and how it was made."""
    parts = []
    if table := comparison_table(name, record, reference):
        parts += ["## Reported, full run, this build", "", table, "", _reference_line(reference), ""]
    parts += ["## How this page was made", ""]
    if record is None:
        return "\n".join([*parts, "The notebook has not been run.", ""])
    environment = record["environment"]
    versions = ", ".join(f"{library} {version}" for library, version in environment["versions"].items())
    memory = record["peak_memory_bytes"]
    rows = {
        "profile": f"`{record['profile']}`",
        "run": f"{record['started'].replace('T', ' ').replace('+00:00', ' UTC')}, {record['seconds']:.0f} s"
        + (f", at most {memory / 2**20:,.0f} MiB of memory" if memory else ""),
        "machine": f"{environment['cores']} cores, {environment['machine']}, {environment['platform']}",
        "software": f"Python {environment['python']}, Keras on {environment['backend']}; {versions}",
        "parameters": ", ".join(f"`{key}={code(repr(value))}`" for key, value in record["parameters"].items()),
        "data": "<br>".join(_data_line(data) for data in record["data"]) or "none",
        "key": f"`{record['key'][:12]}`",
    }
    return "\n".join([*parts, two_columns("this run", rows)])


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
