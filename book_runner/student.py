"""Student edition: executed notebooks in, notebooks without solutions but with self-checks out."""

import copy
import os
import shutil
import tempfile
from pathlib import Path

import nbformat

from book_runner.answers import exercises
from book_runner.plan import plan, stale_reasons
from book_runner.project import noted, read_json, read_notebook
from course_utils.errors import RunnerError

__all__ = ["student_edition", "student_notebook"]


def student_edition(project, folder, *, profile="quick", only=()):
    """Write each notebook with its solutions emptied, and a self-check for each exercise, to a new or empty folder.

    The notebooks have been run as they stand: the self-checks compare with what the solutions gave. The folder appears
    whole or not at all. Returned is how many exercises each notebook has; `profile` and `only` are as for `plan.plan`.
    """
    folder = Path(folder).resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunnerError(f"{folder} is there and not empty; name a new folder")
    if not folder.parent.is_dir():
        raise RunnerError(f"{folder.parent} is not a folder; the new one is made in an existing one")
    written, notebooks = {}, {}
    for job in plan(project, profile, only):
        if reasons := stale_reasons(project, job):
            raise RunnerError(f"{job.name} must run first ({'; '.join(reasons)}): `course run`")
        source = read_notebook(project.notebook(job.name))
        executed = read_notebook(project.executed(profile, job.name))
        notes = {note["label"]: note for note in noted(executed["cells"], "answer")}
        record = read_json(project.record(profile, job.name))
        notebooks[job.name] = student_notebook(source, notes, job.name, _made_from(record))
        written[job.name] = len(exercises(source, job.name))
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, notebook in notebooks.items():
            nbformat.write(notebook, draft / f"{name}.ipynb")
        draft.chmod(0o755)
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return written


def student_notebook(source, notes, name, made_from=""):
    """Return a copy of a chapter, which messages call `name`, with its solutions emptied.

    `notes` hold for each exercise, by its label, what its executed solution noted; `made_from` is what a self-check
    says beside a wrong answer.
    """
    edition = copy.deepcopy(source)
    cells = edition["cells"]
    # From the end, so that the places of those before stay.
    for exercise in reversed(exercises(source, name)):
        note = notes.get(exercise.label, {})
        if note.get("key") is None:
            raise RunnerError(
                f"{name} has no checkable answer to {exercise.label}: {exercise.answer} is not a number, a word or a "
                "table of these; name another in the metadata of the solution cell"
            )
        cells[exercise.start : exercise.stop] = _empty(exercise, note, made_from)
        cells[exercise.cell]["source"] = f"### {exercise.title}\n\n{exercise.text}"
    return edition


def _empty(exercise, note, made_from):
    # Names of Python cannot hold the hyphens of a label.
    answer = exercise.label.replace("-", "_")
    asked = exercise.asks or f"what the solution calls `{exercise.answer}`"
    prompt = f"# Put your answer here: {asked}.\n{answer} = ..."
    arguments = (repr(exercise.label), answer, repr(note["key"]), f"made_from={made_from!r}")
    test = "# Self-check: run this cell to see whether your answer is right.\nfrom course_utils import exercises\n\n"
    test += "\n".join(["exercises.check_answer(", *(f"    {argument}," for argument in arguments), ")"])
    made = []
    for part, code, tags in (("answer", prompt, ["answer"]), ("check", test, ["self-check"])):
        cell = nbformat.v4.new_code_cell(code, id=f"{part}-{exercise.label}"[:64])
        cell["metadata"]["tags"] = tags
        made.append(cell)
    return made


def _made_from(record):
    parameters = ", ".join(f"{name}={value!r}" for name, value in record["parameters"].items() if name != "data_dir")
    data = "; ".join(f"{each['name']} ({each['kind']})" for each in record["data"])
    return (
        f"The check was made by the {record['profile']} run of this build, with {parameters}"
        + (f", on {data}" if data else "")
        + "."
    )
