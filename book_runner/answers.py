"""Answers: which exercises a notebook has, and what the answer of each one is.

The answer of an exercise is what its solution cell's metadata names, ``{"course": {"answer": "steps.sum()"}}``, with a
``tolerance`` where the run decides the last digits, and ``asks``, what to answer in words. In an answer ``_`` is what
was shown last.
"""

import ast
import copy
import dataclasses
import re

import nbformat

from book_runner.project import digest
from course_utils.errors import RunnerError

__all__ = ["NOTE_TAG", "Exercise", "answers_digest", "exercises", "with_notes"]

NOTE_TAG = "answer-note"
"""Tag of the cells that note what a solution gave."""
_EXERCISE = re.compile(r"```\{exercise-start\} *(.*?)\n((?::\w+:.*\n)*)```\n(.*?)\n```\{exercise-end\}\n```", re.S)
_SOLUTION = re.compile(r"```\{solution-start\} *(\S+)")


@dataclasses.dataclass(frozen=True)
class Exercise:
    """One exercise with its solution."""

    label: str
    title: str
    text: str
    cell: int  # holds the exercise
    start: int  # cells from here
    stop: int  # to before here are the solution, its two markers included
    last_code: int  # the last code cell of the solution
    answer: str  # the expression of the answer
    tolerance: float | None
    asks: str  # what is asked for, in words; may be empty


def exercises(notebook, name):
    """List the exercises of a notebook, a source or an executed copy; messages call it by `name`.

    It is a `RunnerError` if an exercise has no solution, a solution no end or no code, or an answer wrong metadata.
    """
    cells = notebook["cells"]
    solutions = {match[1]: i for i, cell in _markdown(cells) if (match := _SOLUTION.search(cell["source"]))}
    found = []
    for i, cell in _markdown(cells):
        if match := _EXERCISE.search(cell["source"]):
            label = re.search(r":label: *(\S+)", match[2] or "")
            if label is None or label[1] not in solutions:
                raise RunnerError(f"{name}: exercise {match[1]!r} has no label, or no solution that names its label")
            found.append(_exercise(cells, name, i, match, label[1], solutions[label[1]]))
    return found


def with_notes(notebook, name):
    """Return a copy of a source that notes the answer of each solution as it runs, in cells tagged ``answer-note``."""
    noted = copy.deepcopy(notebook)
    for exercise in reversed(exercises(notebook, name)):
        # IPython's own `_` is no help once a notebook has used that name for something that it does not need.
        value = f"(lambda _=[None, *Out.values()][-1]: {exercise.answer})()"
        arguments = f"{exercise.label!r}, {exercise.answer!r}, {value}, tolerance={exercise.tolerance!r}"
        source = f"import course_utils.exercises\n\ncourse_utils.exercises.note({arguments});"
        cell = nbformat.v4.new_code_cell(source, id=f"note-{digest(exercise.label)[:8]}")
        cell["metadata"]["tags"] = [NOTE_TAG]
        noted["cells"].insert(exercise.last_code + 1, cell)
    return noted


def answers_digest(notebook):
    """Hash what the notes of a notebook's answers depend on, besides its code: a change asks for another run."""
    return digest([_settings(cell) for cell in notebook["cells"] if _settings(cell)])


def _markdown(cells):
    return [(i, cell) for i, cell in enumerate(cells) if cell["cell_type"] == "markdown"]


def _exercise(cells, name, place, match, label, start):
    stop = next((i for i, cell in _markdown(cells) if i > start and "{solution-end}" in cell["source"]), None)
    if stop is None:
        raise RunnerError(f"{name}: the solution of {label} has no end")
    code = [i for i in range(start, stop) if cells[i]["cell_type"] == "code"]
    if not code:
        raise RunnerError(f"{name}: the solution of {label} has no code; its answer must be computed")
    settings = next((_settings(cells[i]) for i in reversed(code) if _settings(cells[i])), {})
    where, tolerance = f"{name}: the answer of {label}", settings.get("tolerance")
    if tolerance is not None and (isinstance(tolerance, bool) or not isinstance(tolerance, (int, float))):
        raise RunnerError(f"{where} has tolerance {tolerance!r}; it must be a number")
    if "answer" not in settings:
        raise RunnerError(f'{where} is nowhere: the metadata of its cell must name it, {{"course": {{"answer": "…"}}}}')
    answer, asks = settings["answer"], settings.get("asks", "")
    _check_expression(where, answer)
    return Exercise(label, match[1].strip(), match[3], place, start, stop + 1, code[-1], answer, tolerance, asks)


def _settings(cell):
    return dict(cell["metadata"].get("course", {}))


def _check_expression(where, text):
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, TypeError):
        raise RunnerError(f"{where} is {text!r}; it must be a Python expression") from None
