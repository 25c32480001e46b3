"""The page of the build's state: what was run, when, for how long, on what, and the same of the full run."""

from book_runner.pages.markdown import cores_of, styled_table

__all__ = ["status_page"]

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


def status_page(names, records, references):
    """Write the status of the build and of the full run: state, time and memory of each notebook, and what it ran on.

    `records` are those of this build and `references` those of the full run, by the notebooks' names.
    """
    build, full = ([_status_row(name, runs.get(name)) for name in names] for runs in (records, references))
    lines = [
        "# Status of this build",
        "",
        "What was run for this copy of the book, when, for how long, and on which data: the authors' *official* files,",
        "a *copy* of their images, an *own split* of them, a *user*'s data, or *synthetic* ones, drawn by a program.",
        "Each chapter's page says at its end which versions of the libraries its run had.",
        "",
    ]
    lines += styled_table("status", build, _STATUS_COLUMNS)
    lines += ["## The full run", "", *_cost_of_full_run(references), "", *styled_table("status", full, _STATUS_COLUMNS)]
    return "\n".join(lines)


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


def _status_row(name, record):
    row = dict.fromkeys(_STATUS_COLUMNS, "") | {"notebook": f"{{doc}}`/notebooks/{name}`", "state": "not run"}
    if record is None:
        return row
    memory, environment = record["peak_memory_bytes"], record["environment"]
    return row | {
        "state": record["state"],
        "profile": record["profile"],
        "run": record["started"][:16].replace("T", " "),
        "seconds": f"{record['seconds']:.0f}",
        "peak memory (MiB)": f"{memory / 2**20:,.0f}" if memory else "",
        "data": ", ".join(f"{data['name']} ({data['kind']})" for data in record["data"]),
        "on": f"{cores_of(environment)}, {environment['machine']}, Keras on {environment['backend']}",
    }
