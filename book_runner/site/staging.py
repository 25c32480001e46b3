"""Staging: chapters, their executed copies, prose and records in, the tree that Jupyter Book renders out.

Each executed copy stands at its source's own path. So links to the source (the Colab button, say) are right, and the
sources themselves never hold outputs.
"""

import copy
import json

import nbformat
import yaml

from book_runner import pages
from book_runner.answers import NOTE_TAG
from book_runner.project import digest, noted, read_json, read_notebook, read_record

__all__ = ["merge", "stage"]

_ANNOUNCEMENT = "This copy of the book was made from synthetic data: its numbers are not those of the real data sets."
_LOG = "WARNING:tensorflow:"
# What papermill and the runner add to a notebook.
_ADDED_TAGS = {"injected-parameters", "papermill-error-cell-tag", NOTE_TAG}


def stage(project, profile="quick"):
    """Write the tree that Jupyter Book renders; return the record behind each chapter's page, or None.

    Pages that take time to make are made only if the table of contents names them.
    """
    names = project.names
    records = {name: _standing(project, profile, name) for name in names}
    references = {name: read_json(project.reference(name)) for name in names}
    files, titles = _prose(project), {}
    for name in names:
        notebook = _staged_notebook(project, profile, name, records[name], references[name])
        files[f"notebooks/{name}.ipynb"] = nbformat.writes(notebook).encode()
        titles[name] = notebook["cells"][0]["source"].splitlines()[0].lstrip("# ")
        shown = {"shown": "run", "record": records[name], "born": _born(notebook["cells"])}
        files[f"records/{name}.json"] = json.dumps(shown, indent=1, sort_keys=True).encode()
    toc = files["_toc.yml"] = (project.root / "_toc.yml").read_bytes()
    files["_config.yml"] = _config(project, records).encode()
    files["book/ledger.md"] = pages.ledger_page(titles, records, references).encode()
    files["book/status.md"] = pages.status_page(names, records, references).encode()
    if b"book/api" in toc:
        files |= pages.api_files()
    if b"book/mistakes" in toc:
        files["book/mistakes.md"] = pages.mistakes_page(project).encode()
    if b"book/changelog" in toc:
        files["book/changelog.md"] = (project.root / "CHANGELOG.md").read_bytes()
    if b"book/data_cards" in toc:
        files |= pages.card_files(project)
    _mirror(files, project.stage)
    return records


def merge(source, executed):
    """Put the outputs of an executed notebook into a copy of its source, whose prose may be newer.

    The code cells of both are the same, apart from what papermill and the runner add.
    """
    merged = copy.deepcopy(source)
    outputs = [cell for cell in executed["cells"] if cell["cell_type"] == "code" and not _ADDED_TAGS & _tags(cell)]
    injected = [cell for cell in executed["cells"] if "injected-parameters" in _tags(cell)]
    cells = []
    for cell in merged["cells"]:
        cells.append(cell)
        if cell["cell_type"] != "code":
            continue
        ran = outputs.pop(0) if outputs else None
        if ran is not None and ran["source"] == cell["source"]:
            cell["outputs"] = [output for output in copy.deepcopy(ran["outputs"]) if not _silent(output)]
            cell["execution_count"] = ran["execution_count"]
        if "parameters" in _tags(cell):
            cells.extend(copy.deepcopy(injected))
    merged["cells"] = cells
    _drop_repeated_records(cells)
    return merged


def _tags(cell):
    return set(cell["metadata"].get("tags", []))


def _silent(output):
    """Outputs that no reader needs: what only the runner reads, and the logging of libraries, which names local paths.

    Those of `record` stay: they carry the numbers for the text. In a notebook TensorFlow logs to standard output; what
    a cell prints itself stays.
    """
    lines = output.get("text", "").splitlines() if output["output_type"] == "stream" else []
    is_log = bool(lines) and all(line.startswith(_LOG) for line in lines)
    left = [noted([{"outputs": [output]}], kind) for kind in ("finding", "data")]
    return output.get("name") == "stderr" or is_log or any(left)


def _drop_repeated_records(cells):
    """Keep the last of several records of one name, as the record file does: the text may use it only once."""
    seen = set()
    for cell in reversed(cells):
        kept = []
        for output in reversed(cell.get("outputs", [])):
            names = {content["name"] for content in noted([{"outputs": [output]}], "record")}
            if not names & seen:
                kept.append(output)
            seen |= names
        if cell["cell_type"] == "code":
            cell["outputs"] = kept[::-1]


def _born(cells):
    """Say which cell made each number of a page, by the cell's id."""
    return {content["name"]: cell["id"] for cell in cells for content in noted([cell], "record")}


def _standing(project, profile, name):
    """Read a record; None where it is damaged, or its executed notebook is another one."""
    record, executed = read_record(project.record(profile, name)), project.executed(profile, name)
    found = digest(executed.read_bytes()) if executed.is_file() else None
    return record if record is not None and record["executed_sha256"] == found else None


def _staged_notebook(project, profile, name, record, reference):
    notebook = read_notebook(project.notebook(name))
    if record is not None and record["executed_sha256"]:
        notebook = merge(notebook, read_notebook(project.executed(profile, name)))
    if text := pages.banner(record):
        notebook["cells"].insert(1, nbformat.v4.new_markdown_cell(text, id="banner"))
    notebook["cells"].append(nbformat.v4.new_markdown_cell(pages.colophon(name, record, reference), id="colophon"))
    return notebook


def _prose(project):
    return {
        path.relative_to(project.root).as_posix(): path.read_bytes()
        for path in sorted(project.book.rglob("*"))
        if path.is_file() and "reference" not in path.relative_to(project.book).parts
    }


def _config(project, records):
    config = yaml.safe_load((project.root / "_config.yml").read_text(encoding="utf-8"))
    if any(record and pages.stand_ins(record) for record in records.values()):
        config.setdefault("html", {})["announcement"] = _ANNOUNCEMENT
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _mirror(files, folder):
    """Make a folder hold just these files; those that stay the same keep their date, so Sphinx skips them."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if path.is_file() and path.read_bytes() == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
