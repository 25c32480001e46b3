import nbformat
import pytest
from click.testing import CliRunner
from nbclient import NotebookClient

from book_runner import answers, execute, plan, site, student
from book_runner.cli import main
from book_runner.project import noted
from course_utils import exercises
from course_utils.errors import RunnerError

EXERCISE = """```{exercise-start} How many?
:label: ex-01-many
```
★ Twice the number.
```{exercise-end}
```"""
CELLS = [
    ("markdown", EXERCISE, {}),
    ("markdown", "```{solution-start} ex-01-many\n:class: dropdown\n```", {}),
    ("markdown", "The secret is to double it.", {}),
    ("code", "twice = 2 * n", {"tags": ["solution"], "course": {"answer": "twice"}}),
    ("markdown", "```{solution-end}\n```", {}),
    ("code", "n + 1", {}),
]


def add_exercise(project, *, name="01_one", cells=CELLS):
    path = project.notebook(name)
    notebook = nbformat.read(path, as_version=4)
    for kind, source, metadata in cells:
        make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        notebook["cells"].append(make(source, metadata=metadata))
    nbformat.write(notebook, path)


@pytest.fixture
def built(once):
    def make(make_project):
        project = make_project({"01_one": ["n = 21"]})
        add_exercise(project)
        assert execute.run_jobs(project, plan.plan(project)) == {"01_one": "done"}

    return once(make)


def run(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3").execute()
    return notebook


def verdicts(notebook):
    checks = [cell for cell in notebook["cells"] if "self-check" in cell["metadata"].get("tags", [])]
    return [cell["outputs"][0]["data"]["text/plain"] for cell in checks]


def test_a_student_edition_has_no_solutions_and_checks_answers(built, tmp_path):
    assert student.student_edition(built, tmp_path / "students") == {"01_one": 1}
    path = tmp_path / "students" / "01_one.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert "secret" not in path.read_text()
    assert "twice = " not in path.read_text()
    assert "{solution" not in path.read_text()
    assert "### How many?" in path.read_text()
    (ran,) = verdicts(run(path))
    assert "no answer yet" in ran
    for answer, mark in (("42", "✔"), ("43", "✘")):
        (cell,) = [cell for cell in notebook["cells"] if "answer" in cell["metadata"].get("tags", [])]
        cell["source"] = cell["source"].replace("...", answer)
        nbformat.write(notebook, path)
        (ran,) = verdicts(run(path))
        assert ran.startswith(mark), ran
        cell["source"] = cell["source"].replace(answer, "...")
    assert "n=21" in ran


def test_the_command(built, tmp_path, monkeypatch):
    monkeypatch.chdir(built.root)
    done = CliRunner().invoke(main, ["student-edition", str(tmp_path / "students")])
    assert done.output == "01_one: 1 exercises\n"
    again = CliRunner().invoke(main, ["student-edition", str(tmp_path / "students")])
    assert again.exit_code == 1
    assert "is there and not empty; name a new folder" in again.output


def test_a_wrong_folder_is_left_alone(built, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(RunnerError, match="is there and not empty"):
        student.student_edition(built, tmp_path / "file")
    with pytest.raises(RunnerError, match="is not a folder"):
        student.student_edition(built, tmp_path / "gone" / "students")
    with pytest.raises(RunnerError, match="no single notebook"):
        student.student_edition(built, tmp_path / "students", only=["07"])
    assert not (tmp_path / "students").exists()
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    student.student_edition(built, tmp_path / "empty")


def test_nothing_is_written_where_a_notebook_has_not_run(built, tmp_path):
    built.record("quick", "01_one").unlink()
    with pytest.raises(RunnerError, match="01_one must run first"):
        student.student_edition(built, tmp_path / "students")
    assert [path.name for path in tmp_path.iterdir()] == ["project"]


def test_an_answer_of_another_kind_asks_for_metadata(make_project, tmp_path):
    project = make_project({"01_one": ["n = 21"]})
    cells = [(kind, source.replace("2 * n", "None"), metadata) for kind, source, metadata in CELLS]
    add_exercise(project, cells=cells)
    execute.run_jobs(project, plan.plan(project))
    with pytest.raises(RunnerError, match="no checkable answer to ex-01-many: twice is not a number"):
        student.student_edition(project, tmp_path / "students")


def test_metadata_name_the_answer_and_a_change_runs_the_notebook_again(built, tmp_path):
    path = built.notebook("01_one")
    notebook = nbformat.read(path, as_version=4)
    settings = {"answer": "twice / 10", "asks": "a tenth", "tolerance": 0.5}
    next(c for c in notebook["cells"] if "solution" in c["metadata"].get("tags", []))["metadata"]["course"] = settings
    nbformat.write(notebook, path)
    (job,) = plan.plan(built)
    assert plan.stale_reasons(built, job) == ["answers changed"]
    execute.run_jobs(built, [job])
    student.student_edition(built, tmp_path / "students")
    text = (tmp_path / "students" / "01_one.ipynb").read_text()
    assert "Put your answer here: a tenth." in text
    assert '\\"step\\": 0.5' in text


def test_what_the_last_line_shows_is_an_answer_too(make_project):
    project = make_project({"01_one": ["n = 21", "_, m = 1, 2"]})
    add_exercise(project, cells=[*CELLS[:3], ("code", "2 * n", {"course": {"answer": "_"}}), CELLS[4]])
    execute.run_jobs(project, plan.plan(project))
    executed = nbformat.read(project.executed("quick", "01_one"), as_version=4)
    (note,) = noted(executed["cells"], "answer")
    assert (note["label"], note["expression"]) == ("ex-01-many", "_")
    assert exercises.check_answer("ex-01-many", 42, note["key"]).state == "right"


def test_notes_are_on_no_page(built):
    site.stage(built)
    assert "exercises.note" not in (built.stage / "notebooks" / "01_one.ipynb").read_text()
    assert "exercises.note" in built.executed("quick", "01_one").read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cells: cells[:2], "the solution of ex-01-many has no end"),
        (lambda cells: cells[:1], "has no label, or no solution that names its label"),
        (lambda cells: [*cells[:3], cells[4]], "has no code"),
        (lambda cells: [*cells[:3], ("code", "a = 1", {}), cells[4]], "is nowhere"),
        (lambda cells: [*cells[:3], ("code", "a = 1", {"course": {"answer": "a +"}}), cells[4]], "a Python expression"),
        (
            lambda cells: [*cells[:3], ("code", "a = 1", {"course": {"tolerance": "b"}}), cells[4]],
            "has tolerance 'b'; it must be a number",
        ),
    ],
)
def test_faulty_exercises(make_project, change, message):
    project = make_project({"01_one": ["n = 21"]})
    add_exercise(project, cells=change(CELLS))
    with pytest.raises(RunnerError, match=message):
        answers.exercises(nbformat.read(project.notebook("01_one"), as_version=4), "01_one")
