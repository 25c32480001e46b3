"""Widgets of chapters: executed cells tagged ``widget`` in, what the site shows of them out.

A widget cell is executed like any other. What it shows is taken apart into ``ID.html``, the figure that stands in the
page, and ``ID.js``, its data, where ID is the cell's id. Those two are what is kept of a full run, so that pages show
them without running anything. :func:`make_widgets` makes them without the rest of a chapter.
"""

import shutil
import tempfile
from pathlib import Path

import nbformat

from book_runner import execute, plan
from book_runner.project import read_notebook, write_text
from course_utils.errors import RunnerError
from course_utils.interactive import take_apart

__all__ = ["FOLDER", "LARGEST_DATA", "kept_widgets", "make_widgets", "widget_cells", "widgets_of", "write_widgets"]

FOLDER = "widgets"
"""Where they lie in the folder of a chapter, kept or in the site."""

LARGEST_DATA = 6_000_000
"""Bytes that the data of all widgets of a page may have."""

_NEEDED_TAGS = {"setup", "parameters", "widget"}


def widget_cells(notebook):
    """List the code cells that are tagged ``widget``."""
    cells = (cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    return [cell for cell in cells if "widget" in cell["metadata"].get("tags", [])]


def widgets_of(notebook, name):
    """Take the widgets of an executed chapter apart.

    Returns
    -------
    dict of str to tuple of str
        For each cell that shows one, by its id, the figure and the script with the data.
    """
    found = {}
    for cell in widget_cells(notebook):
        for output in cell["outputs"]:
            text = output.get("data", {}).get("text/html", "")
            if parts := take_apart(text, f"{name}/{cell['id']}"):
                found[cell["id"]] = parts
    return found


def kept_widgets(folder):
    """Read the widgets that are kept in the folder of a chapter; by the cell's id, as :func:`widgets_of`."""
    figures = sorted((folder / FOLDER).glob("*.html"))
    pairs = {path.stem: (path, path.with_suffix(".js")) for path in figures if path.with_suffix(".js").is_file()}
    return {key: tuple(path.read_text(encoding="utf-8") for path in pair) for key, pair in pairs.items()}


def write_widgets(folder, widgets):
    """Write widgets into the folder of a chapter, and drop what was there of others."""
    size = sum(len(script.encode()) for _, script in widgets.values())
    if size > LARGEST_DATA:
        raise RunnerError(f"the data of its widgets have {size:,} bytes; a page may have {LARGEST_DATA:,}")
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    for key, parts in widgets.items():
        for ending, text in zip((".html", ".js"), parts, strict=True):
            write_text(folder / FOLDER / f"{key}{ending}", text)


def make_widgets(project, name, *, notify=lambda event: None):
    """Make the widgets of a chapter again from the weights that its full run kept, without repeating that run.

    Executed are the set-up, the parameters of the profile ``full``, with ``train=False`` where there is such a
    parameter, and the widget cells. Those that need more than that are made by the full run alone.

    Returns
    -------
    dict of str to tuple of str
        As :func:`widgets_of`.

    Raises
    ------
    RunnerError
        If a cell fails, or none shows a widget.
    """
    notebook = read_notebook(project.notebook(name))
    notebook["cells"] = [cell for cell in notebook["cells"] if _NEEDED_TAGS & {*cell["metadata"].get("tags", [])}]
    wanted = {"train": False} if "train" in plan.declared_parameters(project.notebook(name)) else {}
    (job,) = plan.points(project, name, [wanted], "full")
    project.build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".widgets.", dir=project.build) as made:
        folder, log = Path(made), Path(made, "log")
        said = execute.perform(job, nbformat.writes(notebook), folder, log, {}, notify, execute.Processes())
        if "error" in said:
            raise RunnerError(f"its widgets need more than the parameters and kept weights: {said['error']}")
        widgets = widgets_of(read_notebook(folder / f"{name}.ipynb"), name)
    if not widgets:
        raise RunnerError("no cell tagged 'widget' shows a widget")
    return widgets
