"""What every chapter keeps to; `make lint` runs these too."""

import ast
import re
from pathlib import Path

import nbformat
import pytest
import yaml

from book_runner import answers, plan
from book_runner.project import Project
from course_utils import results

PROJECT = Project(Path(__file__).parents[2])
NAMES = sorted(path.stem for path in PROJECT.notebooks.glob("*.ipynb"))
COMMON = {"seed", "n_seeds", "epochs", "batch_size", "train_limit", "test_limit", "data_source", "data_dir"}
# Chapters that train nothing have no use for those.
WITHOUT_TRAINING = {"01_convolution"}


@pytest.fixture(params=NAMES)
def notebook(request):
    path = PROJECT.notebook(request.param)
    read = nbformat.read(path, as_version=4)
    nbformat.validate(read)
    read["name"] = request.param
    return read


def code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def prose(notebook):
    return "\n\n".join(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "markdown")


def test_there_are_notebooks():
    assert "02_fashion_mlp" in NAMES


def test_no_outputs_are_stored(notebook):
    assert not [cell["source"] for cell in code(notebook) if cell["outputs"] or cell["execution_count"]]


def test_cells_are_short(notebook):
    assert not [cell["source"] for cell in code(notebook) if len(cell["source"].splitlines()) > 30]


def test_the_anatomy_is_the_same_everywhere(notebook):
    headings = re.findall(r"^#+ (.*)$", prose(notebook), re.M)
    order = ["What went wrong in the original", "Doing better", "Exercises", "Summary"]
    assert [heading for heading in headings if heading in order] == order
    assert headings[0].startswith(notebook["name"][:2] + " · ")
    assert "What you will learn" in prose(notebook)
    # The question comes first.
    assert notebook["cells"][0]["source"].split("\n\n")[1].rstrip("*").endswith("?")


def test_the_common_parameters_are_there(notebook):
    declared = plan.declared_parameters(PROJECT.notebook(notebook["name"]))
    if notebook["name"] not in WITHOUT_TRAINING:
        assert set(declared) >= COMMON


def test_figures_have_alt_text(notebook):
    for cell in code(notebook):
        draws = re.search(r"\bplots\.(plot|show)_|plt\.subplots", cell["source"])
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")
        assert not draws or len(alt) > 30, cell["source"]


def test_three_exercises_with_solutions(notebook):
    text = prose(notebook)
    labels = re.findall(r":label: (\S+)", text)
    assert len(labels) >= 3
    for label in labels:
        assert "{solution-start} " + label in text
    assert [cell for cell in code(notebook) if "solution" in cell["metadata"].get("tags", [])]


def test_exercises_are_graded_and_have_an_answer_that_can_be_checked(notebook):
    # Reading them raises an error for an exercise whose answer is nowhere.
    # How hard it is: the number of stars that its text begins with.
    levels = [
        len(exercise.text) - len(exercise.text.lstrip("★"))
        for exercise in answers.exercises(notebook, notebook["name"])
    ]
    assert levels == sorted(levels)
    assert set(levels) == {1, 2, 3}


def test_no_cell_needs_what_a_solution_makes(notebook):
    # Students have none of it.
    made = set()
    inside = {i for each in answers.exercises(notebook, notebook["name"]) for i in range(each.start, each.stop)}
    for i, cell in enumerate(notebook["cells"]):
        if cell["cell_type"] != "code":
            continue
        body = ast.parse(re.sub(r"^\s*[%!].*$", "", cell["source"], flags=re.M))
        if i in inside:
            made |= {name for statement in body.body for name in top_level_names(statement)}
        else:
            names = [node for node in ast.walk(body) if isinstance(node, ast.Name)]
            own = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            assert not made & ({node.id for node in names} - own), cell["source"]
            made -= {name for statement in body.body for name in top_level_names(statement)}


def top_level_names(statement):
    """Names that a statement makes, those within its comprehensions and functions left out."""
    if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        return {statement.name}
    targets = getattr(statement, "targets", [getattr(statement, "target", None)])
    inner = [name for part in getattr(statement, "body", []) for name in top_level_names(part)]
    stored = [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]
    return {*inner, *stored}


def test_the_set_up_cell_is_the_same_everywhere(notebook):
    (cell,) = [cell for cell in code(notebook) if "setup" in cell["metadata"].get("tags", [])]
    first = nbformat.read(PROJECT.notebook(NAMES[0]), as_version=4)
    assert cell["source"] in [each["source"] for each in code(first)]
    assert "remove-cell" in cell["metadata"]["tags"]


def test_data_leave_a_line_of_provenance(notebook):
    source = "\n".join(cell["source"] for cell in code(notebook))
    assert ("datasets.load" in source) == ("results.provenance(" in source)


def test_no_tensorflow_by_name(notebook):
    for cell in code(notebook):
        assert not re.search(r"^\s*(import tensorflow|from tensorflow)|\btf\.", cell["source"], re.M)


def test_nothing_is_defined_in_two_notebooks():
    places = {}
    for name in NAMES:
        for cell in plan.code_cells(nbformat.read(PROJECT.notebook(name), as_version=4)):
            for node in ast.walk(ast.parse(re.sub(r"^\s*[%!].*$", "", cell, flags=re.M))):
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                    places.setdefault(node.name, set()).add(name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_findings_are_checked_and_numbers_recorded(notebook):
    source = "\n".join(cell["source"] for cell in code(notebook))
    assert source.count("results.finding(") >= 3
    told = set(re.findall(r"\{number\}`(\w+)", prose(notebook)))
    recorded, beginnings = recorded_names(source)
    assert {name for name in told - recorded if not name.startswith(beginnings)} == set()


def recorded_names(source):
    """Names that some code gives to `results.record`, and the fixed beginnings of those made with an f-string."""
    body = ast.parse(re.sub(r"^\s*[%!].*$", "", source, flags=re.M))
    mappings = {
        target.id: node.value
        for node in ast.walk(body)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    names, beginnings = set(), []
    for call in ast.walk(body):
        if not isinstance(call, ast.Call) or ast.unparse(call.func) != "results.record":
            continue
        if not call.args:
            for keyword in call.keywords:
                names |= {keyword.arg} if keyword.arg else keys(mappings.get(ast.unparse(keyword.value), keyword.value))
        elif isinstance(call.args[0], ast.Constant):
            names.add(call.args[0].value)
        elif isinstance(call.args[0], ast.JoinedStr) and isinstance(call.args[0].values[0], ast.Constant):
            beginnings.append(call.args[0].values[0].value)
    return names - {"unit", "exact"}, tuple(beginnings)


def keys(node):
    """Names in a dictionary, written with braces or as a call."""
    inside = node.keywords if isinstance(node, ast.Call) else getattr(node, "keys", [])
    return {each.arg if isinstance(each, ast.keyword) else getattr(each, "value", None) for each in inside}


def test_names_are_followed_in_each_form_that_records_them():
    source = """
results.record("alone", 1, low=0)
results.record(
    "apart", 2
)
results.record(f"many_{name}", 3)
results.record(one=1, two=2, unit="s", exact=True)
numbers = {"three": 3}
results.record(**numbers, four=4)
results.record(**dict(five=5))
results.record(name, 6)
"""
    names = {"alone", "apart", "one", "two", "three", "four", "five"}
    assert recorded_names(source) == (names, ("many_",))


def test_toc_profiles_and_notebooks_agree():
    toc = yaml.safe_load((PROJECT.root / "_toc.yml").read_text())
    listed = re.findall(r"notebooks/(\w+)", str(toc))
    assert sorted(listed) == NAMES
    for profile in plan.PROFILES:
        assert [job.name for job in plan.plan(PROJECT, profile)] == NAMES


def test_reported_numbers_belong_to_chapters():
    reported = results._reported_file()
    assert set(reported) - set(NAMES) == set()
    for name in reported:
        text = prose(nbformat.read(PROJECT.notebook(name), as_version=4))
        for row in results.reported(name).values():
            if "proof" in row:
                assert f"({row['proof']})=" in text, row["proof"]
