"""Staging: chapters, their executed copies, prose and records in, the tree that Jupyter Book renders out.

Each executed copy stands at its source's own path. So links to the source (the Colab button, say) are right, and the
sources themselves never hold outputs.
"""

import copy
import dataclasses
import json
import re

import nbformat
import yaml

from book_runner.answers import NOTE_TAG
from book_runner.pages import (
    api_files,
    card_files,
    colophon,
    ledger_page,
    mistakes_page,
    model_cards_page,
    opening,
    stand_ins,
    status_page,
)
from book_runner.project import digest, noted, read_notebook, read_record
from book_runner.reference import read_reference
from book_runner.widgets import FOLDER, kept_widgets, widget_cells, widgets_of
from course_utils import interactive
from course_utils.errors import RunnerError, check_choice

__all__ = ["EDITIONS", "Page", "merge", "stage"]

EDITIONS = ("reference", "run")
"""What pages may show: the full run that is kept, or this build's run."""

_ANNOUNCEMENT = "This copy of the book was made from synthetic data: its numbers are not those of the real data sets."
_LOG = "WARNING:tensorflow:"
# A line of a page of prose, where the widget of a chapter's cell is shown.
_WIDGET = re.compile(r"^\{widget\} (\w+)/([\w-]+)$", re.MULTILINE)
_NO_WIDGET = "*This build has no data for it: no run of its chapter is kept, and none was made.*"
# What papermill and the runner add to a notebook.
_ADDED_TAGS = {"injected-parameters", "papermill-error-cell-tag", NOTE_TAG}


@dataclasses.dataclass(frozen=True)
class Page:
    """What the page of a chapter shows.

    Attributes
    ----------
    edition : {"reference", "run"}
        The full run that is kept, or the run of this build.
    record : dict or None
        Of the run that it shows; None if there is none.
    run, reference : dict or None
        The records of this build and of the full run, for the tables that set them side by side.
    problem : str
        Why the full run is not shown; empty if it is, or was not asked for.
    """

    edition: str
    record: dict | None
    run: dict | None
    reference: dict | None
    problem: str = ""


def stage(project, profile="quick", *, pages="reference", runs=True):
    """Write the tree that Jupyter Book renders; return the :class:`Page` of each chapter.

    Pages that take time to make are made only if the table of contents names them.

    Parameters
    ----------
    project, profile : Project, {"quick", "full"}
        Which book, and which of its runs.
    pages : {"reference", "run"}
        Whether a chapter shows the full run that is kept, as long as it is one of the chapter as it is now, or always
        this build's run.
    runs : bool
        Whether this build has runs at all; a build for reading has none.
    """
    check_choice("pages", pages, EDITIONS)
    shown, files, titles, widgets = {}, _prose(project), {}, {}
    for name in project.names:
        page, notebook = _page(project, profile if runs else None, name, pages)
        shown[name] = page
        widgets[name] = _with_figures(project, name, page, notebook)
        files[f"notebooks/{name}.ipynb"] = nbformat.writes(notebook).encode()
        titles[name] = notebook["cells"][0]["source"].splitlines()[0].lstrip("# ")
        noted_of_page = {"shown": page.edition, "record": page.record, "born": _born(notebook["cells"])}
        files[f"records/{name}.json"] = json.dumps(noted_of_page, indent=1, sort_keys=True).encode()
    of_runs = {name: page.run for name, page in shown.items()}
    of_references = {name: page.reference for name, page in shown.items()}
    toc = files["_toc.yml"] = (project.root / "_toc.yml").read_bytes()
    files["_config.yml"] = _config(project, [page.record for page in shown.values()]).encode()
    files["book/ledger.md"] = ledger_page(titles, of_runs, of_references).encode()
    files["book/status.md"] = status_page(project.names, of_runs, of_references).encode()
    if b"book/api" in toc:
        files |= api_files()
    if b"book/mistakes" in toc:
        files["book/mistakes.md"] = mistakes_page(project).encode()
    if b"book/model_cards" in toc:
        files["book/model_cards.md"] = model_cards_page(project).encode()
    if b"book/changelog" in toc:
        files["book/changelog.md"] = (project.root / "CHANGELOG.md").read_bytes()
    if b"book/data_cards" in toc:
        files |= card_files(project)
    files |= _widget_files(project, files, widgets)
    _mirror(files, project.stage)
    return shown


def _with_figures(project, name, page, notebook):
    """Let the widget cells of a page show figures; return the widgets.

    A page that shows the full run has its widgets; another has those of its own run, or else what is kept.
    """
    kept, own = kept_widgets(project.kept(name)), widgets_of(notebook, name)
    widgets = own | kept if page.edition == "reference" else kept | own
    cells = {cell["id"]: cell for cell in widget_cells(notebook)}
    for key in widgets.keys() & cells.keys():
        cells[key]["outputs"] = [nbformat.v4.new_output("display_data", {"text/html": widgets[key][0]})]
    return {key: parts for key, parts in widgets.items() if key in cells}


def _widget_files(project, files, widgets):
    """What widgets need beside the pages: shared programs, data; and the pages of prose that show some of them."""
    made = {f"{FOLDER}/{name}": content for name, content in interactive.assets().items() if any(widgets.values())}
    for name, parts in widgets.items():
        made |= {f"notebooks/{name}/{FOLDER}/{key}.js": script.encode() for key, (_, script) in parts.items()}

    def figure(match):
        name, key = match.groups()
        if name not in project.names:
            raise RunnerError(f"a page of the book shows the widget {name}/{key}; there is no chapter {name}")
        parts = widgets[name].get(key)
        return f"```{{raw}} html\n{parts[0]}```" if parts else _NO_WIDGET

    prose = {name: content.decode() for name, content in files.items() if name.endswith(".md")}
    return made | {name: _WIDGET.sub(figure, text).encode() for name, text in prose.items() if _WIDGET.search(text)}


def merge(source, executed):
    """Put the outputs of an executed notebook into a copy of its source, whose prose may be newer.

    The code cells of both are the same, apart from what papermill and the runner add.
    """
    merged = copy.deepcopy(source)
    ran_cells = [cell for cell in executed["cells"] if cell["cell_type"] == "code" and not _ADDED_TAGS & _tags(cell)]
    # A cell keeps its id when others are put in or taken out, as bookkeeping may be.
    by_id = {cell["id"]: cell for cell in ran_cells}
    injected = [cell for cell in executed["cells"] if "injected-parameters" in _tags(cell)]
    cells = []
    for cell in merged["cells"]:
        cells.append(cell)
        if cell["cell_type"] != "code":
            continue
        ran = by_id.get(cell["id"])
        if ran is not None and ran["source"] == cell["source"]:
            cell["outputs"] = [output for output in copy.deepcopy(ran["outputs"]) if not _silent(output)]
            cell["execution_count"] = ran["execution_count"]
        if "parameters" in _tags(cell):
            cells.extend(copy.deepcopy(injected))
    merged["cells"] = cells
    return merged


def _tags(cell):
    return set(cell["metadata"].get("tags", []))


def _silent(output):
    """Outputs that no reader needs: what only the runner reads, and the logging of libraries, which names local paths.

    Those of `record` stay: the copy of the notebook beside the page proves its numbers (`course verify`). In a notebook
    TensorFlow logs to standard output; what a cell prints itself stays.
    """
    lines = output.get("text", "").splitlines() if output["output_type"] == "stream" else []
    is_log = bool(lines) and all(line.startswith(_LOG) for line in lines)
    left = [noted([{"outputs": [output]}], kind) for kind in ("finding", "data")]
    return output.get("name") == "stderr" or is_log or any(left)


def _born(cells):
    """Say which cell made each number of a page, by the cell's id."""
    return {content["name"]: cell["id"] for cell in cells for content in noted([cell], "record")}


def _standing(project, profile, name):
    """Read a record; None where it is damaged, or its executed notebook is another one."""
    record, executed = read_record(project.record(profile, name)), project.executed(profile, name)
    found = digest(executed.read_bytes()) if executed.is_file() else None
    return record if record is not None and record["executed_sha256"] == found else None


def _page(project, profile, name, pages):
    """Return what the page of a chapter shows, and its notebook."""
    run = _standing(project, profile, name) if profile else None
    kept = read_reference(project, name)
    source = read_notebook(project.notebook(name))
    if pages == "reference" and kept.notebook is not None:
        page = Page("reference", kept.record, run, kept.record)
        notebook = merge(source, kept.notebook)
    else:
        page = Page("run", run, run, kept.record, kept.problem if pages == "reference" else "")
        executed = run is not None and run["executed_sha256"]
        notebook = merge(source, read_notebook(project.executed(profile, name))) if executed else source
    first, last = opening(page), colophon(name, page)
    notebook["cells"].insert(1, nbformat.v4.new_markdown_cell(first, id="opening"))
    notebook["cells"].append(nbformat.v4.new_markdown_cell(last, id="colophon"))
    return page, notebook


def _prose(project):
    return {
        path.relative_to(project.root).as_posix(): path.read_bytes()
        for path in sorted(project.book.rglob("*"))
        if path.is_file() and "reference" not in path.relative_to(project.book).parts
    }


def _config(project, records):
    config = yaml.safe_load((project.root / "_config.yml").read_text(encoding="utf-8"))
    if any(record and stand_ins(record) for record in records):
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
