"""Site: executed notebooks, prose and records in, a static site out.

The pages are rendered from a *staged* tree, in which each executed copy stands at its source's own path. So links to
the source (the Colab button, say) are right, and the sources themselves never hold outputs.
"""

import copy
import json
import os
import shutil
import subprocess
import sys

import nbformat
import yaml

from book_runner.answers import NOTE_TAG
from book_runner.downloads import offer_downloads
from book_runner.lighten import lighten_site
from book_runner.pages.api import api_files
from book_runner.pages.cards import card_files
from book_runner.pages.ledger import banner, colophon, ledger_page, stand_ins, status_page
from book_runner.pages.mistakes import mistakes_page
from book_runner.project import digest, read_json, read_record, write_text
from course_utils.errors import RunnerError
from course_utils.results import METADATA_KEY

__all__ = ["build_site", "merge", "rendered_profile", "stage"]

_ANNOUNCEMENT = "This copy of the book was made from procedural data: its numbers are not those of the real data sets."
_LOG = "WARNING:tensorflow:"
# What papermill and the runner add to a notebook, besides the injected parameters.
_ADDED_TAGS = {"papermill-error-cell-tag", NOTE_TAG}


def build_site(project, profile="quick"):
    """Stage and render the site.

    Parameters
    ----------
    project : Project
        The checkout.
    profile : {"quick", "full"}
        Whose results the pages show.

    Returns
    -------
    bool
        False if nothing had changed since the site was last rendered.

    Raises
    ------
    RunnerError
        If Jupyter Book warns: a dead link, a missing number, a broken directive.
    """
    records = stage(project, profile)
    fingerprint = _fingerprint(project)
    noted = project.build / "site.json"
    if (read_json(noted) or {}).get("fingerprint") == fingerprint and (project.html / "index.html").is_file():
        return False
    noted.unlink(missing_ok=True)
    incomplete = any(record is None or record["state"] != "done" for record in records.values())
    _render(project, strict=not incomplete)
    lighten_site(project.html)
    _copy_artefacts(project, profile, records)
    # They were printed from pages that are no more.
    shutil.rmtree(project.html / "pdf", ignore_errors=True)
    offer_downloads(project, records)
    write_text(noted, json.dumps({"fingerprint": fingerprint, "profile": profile}))
    return True


def rendered_profile(project):
    """Say whose results the rendered site shows.

    Parameters
    ----------
    project : Project
        The checkout.

    Returns
    -------
    {"quick", "full"}
        ``"quick"`` if no site was rendered to its end.
    """
    return (read_json(project.build / "site.json") or {}).get("profile", "quick")


def stage(project, profile="quick"):
    """Write the tree that Jupyter Book renders.

    Parameters
    ----------
    project : Project
        The checkout.
    profile : {"quick", "full"}
        Whose results the pages show.

    Returns
    -------
    dict of str to dict or None
        The record behind each page.
    """
    names = sorted(path.stem for path in project.notebooks.glob("*.ipynb"))
    records = {name: _standing(project, profile, name) for name in names}
    references = {name: read_json(project.reference(name)) for name in names}
    files, titles = _prose(project), {}
    for name in names:
        notebook = _staged_notebook(project, profile, name, records[name], references[name])
        files[f"notebooks/{name}.ipynb"] = nbformat.writes(notebook).encode()
        titles[name] = notebook["cells"][0]["source"].splitlines()[0].lstrip("# ")
    files["_toc.yml"] = (project.root / "_toc.yml").read_bytes()
    files["_config.yml"] = _config(project, records).encode()
    files["book/ledger.md"] = ledger_page(titles, records, references).encode()
    files["book/status.md"] = status_page(names, records, references).encode()
    if b"book/api" in files["_toc.yml"]:
        files.update(api_files())
    if b"book/mistakes" in files["_toc.yml"]:
        files["book/mistakes.md"] = mistakes_page(project).encode()
    if b"book/changelog" in files["_toc.yml"]:
        files["book/changelog.md"] = (project.root / "CHANGELOG.md").read_bytes()
    # Cards take a while to make the first time; a book without the page goes without.
    if b"book/data_cards" in files["_toc.yml"]:
        files.update(card_files(project))
    _mirror(files, project.stage)
    return records


def merge(source, executed):
    """Put the outputs of an executed notebook into its source, whose prose may be newer.

    Parameters
    ----------
    source, executed : nbformat.NotebookNode
        The code cells of both are the same, apart from what papermill adds.

    Returns
    -------
    nbformat.NotebookNode
        A new notebook.
    """
    merged = copy.deepcopy(source)
    outputs = [cell for cell in executed["cells"] if cell["cell_type"] == "code" and not _added(cell)]
    injected = [cell for cell in executed["cells"] if "injected-parameters" in cell["metadata"].get("tags", [])]
    cells = []
    for cell in merged["cells"]:
        cells.append(cell)
        if cell["cell_type"] != "code":
            continue
        ran = outputs.pop(0) if outputs else None
        if ran is not None and ran["source"] == cell["source"]:
            cell["outputs"] = [output for output in copy.deepcopy(ran["outputs"]) if not _silent(output)]
            cell["execution_count"] = ran["execution_count"]
        if "parameters" in cell["metadata"].get("tags", []):
            cells.extend(copy.deepcopy(injected))
    merged["cells"] = cells
    _drop_repeated_records(cells)
    return merged


def _added(cell):
    tags = set(cell["metadata"].get("tags", []))
    return bool(tags & {"injected-parameters", *_ADDED_TAGS})


def _silent(output):
    """Outputs that no reader needs: what only the runner reads, and the logging of libraries, which names local paths.

    Those of `record` stay: they carry the numbers for the text.
    """
    if output.get("name") == "stderr" or _is_log(output):
        return True
    return output.get("metadata", {}).get(METADATA_KEY, {}).get("kind") in ("finding", "data")


def _is_log(output):
    """In a notebook TensorFlow logs to standard output; what a cell prints itself stays."""
    lines = output.get("text", "").splitlines() if output["output_type"] == "stream" else []
    return bool(lines) and all(line.startswith(_LOG) for line in lines)


def _drop_repeated_records(cells):
    """Keep the last of several records of one name, as the record file does: the text may use it only once."""
    seen = set()
    for cell in reversed(cells):
        kept = []
        for output in reversed(cell.get("outputs", [])):
            course = output.get("metadata", {}).get(METADATA_KEY, {})
            if course.get("kind") == "record":
                if course["content"]["name"] in seen:
                    continue
                seen.add(course["content"]["name"])
            kept.append(output)
        if cell["cell_type"] == "code":
            cell["outputs"] = kept[::-1]


def _standing(project, profile, name):
    """Read a record; None where it is damaged, or its executed notebook is another one."""
    record, executed = read_record(project.record(profile, name)), project.executed(profile, name)
    found = digest(executed.read_bytes()) if executed.is_file() else None
    return record if record is not None and record["executed_sha256"] == found else None


def _staged_notebook(project, profile, name, record, reference):
    notebook = nbformat.read(project.notebook(name), as_version=4)
    executed = project.executed(profile, name)
    if record is not None and executed.is_file():
        notebook = merge(notebook, nbformat.read(executed, as_version=4))
    if text := banner(record):
        notebook["cells"].insert(1, nbformat.v4.new_markdown_cell(text, id="banner"))
    notebook["cells"].append(nbformat.v4.new_markdown_cell(colophon(name, record, reference), id="colophon"))
    return notebook


def _prose(project):
    return {
        path.relative_to(project.root).as_posix(): path.read_bytes()
        for path in sorted(project.book.rglob("*"))
        if path.is_file() and "reference" not in path.relative_to(project.book).parts
    }


def _config(project, records):
    config = yaml.safe_load((project.root / "_config.yml").read_text(encoding="utf-8"))
    if any(record and stand_ins(record) for record in records.values()):
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


def _fingerprint(project):
    files = sorted(path for path in project.stage.rglob("*") if path.is_file())
    return digest([[path.relative_to(project.stage).as_posix(), digest(path.read_bytes())] for path in files])


def _render(project, *, strict):
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(project.stage)]
    # All pages, because each one holds the list of chapters, and because Sphinx warns of a page only when it reads it.
    command += ["--path-output", str(project.root), "--all", "-n", "--keep-going", "-q", *(["-W"] if strict else [])]
    environment = {**os.environ, "NO_COLOR": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(
        command, cwd=project.root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    told = (run.stdout + run.stderr).replace(f"{project.root}/", "")
    log = project.build / "logs" / "jupyter-book.log"
    write_text(log, told)
    if run.returncode != 0 or not (project.html / "index.html").is_file():
        warnings = [line for line in told.splitlines() if "WARNING" in line or "ERROR" in line]
        raise RunnerError(
            "jupyter-book could not build the site without warnings:\n"
            + "\n".join(warnings[:20] or told.splitlines()[-20:])
            + f"\nAll of it is in {log.relative_to(project.root)}"
        )


def _copy_artefacts(project, profile, records):
    for name in records:
        target = project.html / "notebooks" / name
        shutil.rmtree(target, ignore_errors=True)
        if project.artefacts(profile, name).is_dir():
            shutil.copytree(project.artefacts(profile, name), target)
