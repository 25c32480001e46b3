"""The full run: what is kept of it in ``book/reference/``, so that the pages show the book that was measured.

Of each chapter that is a record, ``NAME.json``, and in the folder ``NAME/`` the executed notebook with smaller
pictures, the data of projectors without their program, the data of widgets, and the weights of the first training of
each network with their model cards. The record is written last and holds the checksum of every file: a chapter that was
kept half, or damaged since, is never taken for a whole one.
"""

import base64
import dataclasses
import gzip
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import nbformat

from book_runner import plan
from book_runner.answers import NOTE_TAG
from book_runner.pictures import compressed
from book_runner.project import digest, read_json, read_notebook, read_record, record_validator, write_text
from book_runner.widgets import FOLDER, widget_cells, widgets_of, write_widgets
from course_utils import projector
from course_utils.errors import RunnerError

__all__ = ["Reference", "keep_references", "keep_widgets", "kept_cards", "lay_out", "model_cards", "read_reference"]

LARGEST_FILE, LARGEST_WHOLE = 4_000_000, 30_000_000
"""Bytes that one kept file, and all of them together, may have."""

_NOTEBOOK, _CARDS = "notebook.ipynb", "weights/README.md"
_PROGRAM = "projector_binary.js"
_CHECKSUMS = re.compile(r"^\[sha256\]\n.*", re.S | re.M)


@dataclasses.dataclass(frozen=True)
class Reference:
    """What is kept of a chapter's full run.

    Attributes
    ----------
    record : dict or None
        Of the run; None if there is none, or it is damaged.
    notebook : nbformat.NotebookNode or None
        Executed; None if pages cannot show the run.
    problem : str
        Why not; empty if they can.
    """

    record: dict | None
    notebook: nbformat.NotebookNode | None = None
    problem: str = ""


def keep_references(project, only=()):
    """Keep the full runs of chapters, one by one.

    Returned is, for each notebook that was *not* kept, why: it has not been run, it failed, it is no longer what was
    run, or what it left is too large. Its reference stays as it was.
    """
    left = {}
    for job in plan.plan(project, "full", only):
        try:
            _keep(project, job.name)
        except RunnerError as error:
            left[job.name] = str(error)
    _write_checksums(project)
    return left


def keep_widgets(project, name, widgets):
    """Keep the widgets that :func:`book_runner.widgets.make_widgets` made, beside what else is kept of their chapter.

    Raises
    ------
    RunnerError
        If they are too large; what was kept before stays.
    """
    folder, record = project.kept(name), read_record(project.reference(name))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder.parent))
    try:
        if folder.is_dir():
            shutil.copytree(folder, draft, dirs_exist_ok=True)
        draft.chmod(0o755)
        write_widgets(draft, widgets)
        files = _files(draft)
        _check_sizes(project, name, draft, files)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if record is not None:
        others = {file: checksum for file, checksum in record.get("files", {}).items() if not _is_widget(file)}
        new = {file: digest((folder / file).read_bytes()) for file in files if _is_widget(file)}
        _write_record(project, record | {"files": others | new})


def read_reference(project, name):
    """Read what is kept of a chapter's full run, and say why pages cannot show it where they cannot."""
    path, folder = project.reference(name), project.kept(name)
    record = read_record(path)
    if record is None:
        return Reference(None, problem=f"{path.name} is damaged" if path.exists() else "no full run is kept")
    if _NOTEBOOK not in record.get("files", {}):
        return Reference(record, problem="of the full run only the numbers are kept")
    for file, expected in record["files"].items():
        found = folder / file
        if not found.is_file():
            return Reference(record, problem=f"{name}/{file} is missing")
        if digest(found.read_bytes()) != expected:
            return Reference(record, problem=f"{name}/{file} is damaged, or of another run")
    executed = read_notebook(folder / _NOTEBOOK)
    if changes := plan.reference_reasons(project, name, record, executed):
        return Reference(record, problem="the chapter has changed since: " + "; ".join(changes))
    return Reference(record, executed)


def lay_out(project, name, target):
    """Put what a kept run shows beside its page into a folder of the site, a projector's data with its program.

    Widgets are put there as the page is staged.
    """
    folder = project.kept(name)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if inside.name == _NOTEBOOK or inside.parts[0] in ("weights", FOLDER):
            continue
        place = target / inside
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".gz":
            place.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            (place.parent / _PROGRAM).write_bytes(projector.program()[1])
        else:
            shutil.copyfile(path, place)


def kept_cards(folder):
    """Read the model cards of the weights that are kept in the folder of a chapter."""
    cards = [read_json(path) for path in sorted(folder.glob("weights/*.json"))]
    return [card for card in cards if card]


def model_cards(cards, *, level=2):
    """Write the model cards of some networks as Markdown, from what `course_utils.weights.keep` noted of them."""
    parts = []
    for card in cards:
        data = card["data"]
        parts += [
            f"{'#' * level} {card['network']}",
            "",
            f"- Weights: {card['n_parameters']:,} numbers, sha256 {card['sha256'][:12]}…, "
            f"in `{card['chapter']}/weights/{card['network']}.npz`.",
            f"- Recipe: {card['recipe']}; seed {card['seed']}; {card['seconds']:.0f} s of training.",
            f"- Test accuracy: {card['accuracy']:.4f}, 95% interval {card['low']:.4f} to {card['high']:.4f} "
            f"over {card['n_test']:,} images.",
            f"- Data: {data['title']} ({data['kind']}). Licence: {data['licence']}. {data['citation']}",
            f"- Known failures: {' '.join(card['failures'])}",
            "- Not for use beyond this course: nobody has tested it on pictures from elsewhere.",
            "",
        ]
    return "\n".join(parts)


def _keep(project, name):
    record, problem = plan.last_run(project, "full", name)
    if problem:
        raise RunnerError(f"{problem}: {record['error']}" if record and record["error"] else problem)
    executed = read_notebook(project.executed("full", name))
    if reasons := plan.reference_reasons(project, name, record, executed):
        raise RunnerError("; ".join(reasons))
    if not record.get("commit"):
        raise RunnerError("it was run from files that no commit holds, so that nobody could make the results again")
    target = project.kept(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=target.parent))
    try:
        _fill(draft, executed, project.artefacts("full", name))
        write_widgets(draft, widgets_of(executed, name))
        files = _files(draft)
        _check_sizes(project, name, draft, files)
        record |= {"files": {file: digest(path.read_bytes()) for file, path in files.items()}}
        record["executed_sha256"] = record["files"][_NOTEBOOK]
        record_validator().validate(record)
        # From here until the record is written nothing is taken for a kept run.
        project.reference(name).unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        draft.chmod(0o755)
        os.replace(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _write_record(project, record)


def _fill(folder, executed, artefacts):
    """Write into a folder what is kept of a run."""
    (folder / _NOTEBOOK).write_text(nbformat.writes(_slim(executed)) + "\n", encoding="utf-8")
    for path in sorted(path for path in artefacts.rglob("*") if path.is_file()):
        inside = path.relative_to(artefacts)
        # TensorBoard's own log directories hold the projector's data once more, as text.
        if path.name == _PROGRAM or (path.parent / "projector_config.pbtxt").is_file():
            continue
        place, content = folder / inside, path.read_bytes()
        if (path.parent / _PROGRAM).is_file():
            # Without a date inside, the same data give the same file.
            place, content = place.with_name(f"{place.name}.gz"), gzip.compress(content, 9, mtime=0)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    if cards := kept_cards(folder):
        text = f"# Model cards\n\nThe first training of each network in the full run.\n\n{model_cards(cards)}"
        (folder / _CARDS).write_text(text, encoding="utf-8")


def _slim(executed):
    """Take out of an executed notebook what only the runner needed, and where it ran; store its pictures in less."""
    slim = nbformat.from_dict(executed)
    slim["metadata"].pop("papermill", None)
    slim["cells"] = [cell for cell in slim["cells"] if NOTE_TAG not in cell["metadata"].get("tags", [])]
    for cell in widget_cells(slim):
        cell["outputs"] = []  # kept apart
    for cell in slim["cells"]:
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
        outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
        for output in outputs:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = base64.b64encode(compressed(base64.b64decode(data["image/png"]))).decode()
        if cell["cell_type"] == "code":
            cell["outputs"] = outputs
    return slim


def _write_record(project, record):
    write_text(project.reference(record["name"]), json.dumps(record, indent=1, sort_keys=True) + "\n")


def _files(folder):
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _is_widget(file):
    return file.startswith(f"{FOLDER}/")


def _check_sizes(project, name, draft, files):
    sizes = {file: path.stat().st_size for file, path in files.items()}
    largest = max(sizes, key=sizes.get)
    if sizes[largest] > LARGEST_FILE:
        raise RunnerError(f"{name}/{largest} would have {sizes[largest]:,} bytes; at most {LARGEST_FILE:,} are kept")
    others = [path for path in draft.parent.rglob("*") if path.is_file()]
    replaced = {name, draft.name, project.reference(name).name}
    others = [path for path in others if path.relative_to(draft.parent).parts[0] not in replaced]
    whole = sum(sizes.values()) + sum(path.stat().st_size for path in others)
    if whole > LARGEST_WHOLE:
        raise RunnerError(f"book/reference/ would have {whole:,} bytes with it; at most {LARGEST_WHOLE:,} are kept")


def _write_checksums(project):
    """Write the checksums of all kept weights to the package, which fetches the files where there is no checkout."""
    path = project.root / "course_utils" / "weights.toml"
    if not path.is_file():
        return
    sums = {
        f"{record['name']}/{file}": checksum
        for record in map(read_record, sorted(project.book.glob("reference/*.json")))
        for file, checksum in ((record or {}).get("files") or {}).items()
        if file.startswith("weights/") and file != _CARDS
    }
    lines = "".join(f'"{file}" = "{checksum}"\n' for file, checksum in sorted(sums.items()))
    write_text(path, _CHECKSUMS.sub(lambda _: f"[sha256]\n{lines}", path.read_text(encoding="utf-8")))
