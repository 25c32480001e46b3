"""What every chapter keeps to; `make lint` runs these too."""

import ast
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml

from book_runner import answers, plan
from book_runner.project import Project, read_record
from course_utils import results

PROJECT = Project(Path(__file__).parents[2])
NAMES = sorted(path.stem for path in PROJECT.notebooks.glob("*.ipynb"))
COMMON = {"seed", "n_seeds", "epochs", "batch_size", "train_limit", "test_limit", "data_source", "data_dir"}
# Chapters that train nothing have no use for those.
WITHOUT_TRAINING = {"01_convolution"}
# The one list of chapters that the rules of a page do not hold for yet: they are not rewritten.
RUFF = tomllib.loads((PROJECT.notebooks / "ruff.toml").read_text(encoding="utf-8"))
NOT_YET = {name.removesuffix(".ipynb") for name in RUFF["format"]["exclude"]}
# A reader sees what cells with these tags show, and not their code.
HIDDEN = {"remove-cell", "remove-input", "hide-input"}


@pytest.fixture(params=NAMES)
def notebook(request):
    return read(request.param)


@pytest.fixture(params=[name for name in NAMES if name not in NOT_YET])
def page(request):
    """A chapter that keeps to the rules of a page."""
    return read(request.param)


def read(name):
    notebook = nbformat.read(PROJECT.notebook(name), as_version=4)
    nbformat.validate(notebook)
    notebook["name"] = name
    return notebook


def tags(cell):
    return set(cell["metadata"].get("tags", []))


def visible(notebook):
    """Code cells whose code a reader sees."""
    return [cell for cell in code(notebook) if not tags(cell) & HIDDEN]


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


# -- the rules of a page ------------------------------------------------------------------------------------------


def test_the_list_of_chapters_not_rewritten_names_chapters():
    assert set(NAMES) >= NOT_YET


def test_bookkeeping_is_out_of_sight(page):
    assert [cell["source"] for cell in visible(page) if "results." in cell["source"]] == []


def test_visible_code_fits_the_page(page):
    for cell in visible(page):
        lines = cell["source"].splitlines()
        assert len(lines) <= 20, cell["source"]
        assert max(map(len, lines), default=0) <= 79, cell["source"]


def test_a_chapter_that_trains_shows_its_network(page):
    if page["name"] in WITHOUT_TRAINING:
        return
    source = "\n".join(cell["source"] for cell in visible(page) if "solution" not in tags(cell))
    assert re.search(r"\.compile\(", source)
    assert re.search(r"\.fit\(", source)
    assert len(re.findall(r"\blayers\.[A-Z]", source)) >= 2


def test_the_network_of_chapter_02_is_the_one_that_later_chapters_build():
    keras = pytest.importorskip("keras")
    from course_utils import models

    (cell,) = [cell for cell in visible(read("02_fashion_mlp")) if cell["source"].startswith("def build_mlp(")]
    assert len(cell["source"].splitlines()) <= 15
    names = {"keras": keras, "layers": keras.layers}
    exec(cell["source"], names)  # the page's own code
    shown, kept = names["build_mlp"](), models.fashion_mlp()
    assert shown.count_params() == kept.count_params()
    facts = ("units", "activation")
    described = [
        [(type(layer), *(layer.get_config().get(fact) for fact in facts)) for layer in network.layers]
        for network in (shown, kept)
    ]
    # A functional network lists its input as a layer, a sequential one does not.
    assert described[0] == described[1][1:]


def test_every_figure_has_a_number_and_a_caption(page):
    chapter, cells, numbers = int(page["name"][:2]), page["cells"], []
    for i, cell in enumerate(cells):
        alt = cell["metadata"].get("mystnb", {}).get("image", {}).get("alt")
        if alt is None or "solution" in tags(cell):
            continue
        caption = re.match(rf"\*\*Figure {chapter}\.(\d+)\.\*\* (.+)", cells[i + 1]["source"])
        assert caption, cell["source"]
        # It says what the figure is, and, leaning, what to see in it.
        assert re.search(r"\*[^*]+\*$", caption[2]), caption[0]
        numbers.append(int(caption[1]))
    assert numbers == list(range(1, len(numbers) + 1))
    mentioned = {int(k) for k in re.findall(rf"Figures? {chapter}\.(\d+)", prose(page))}
    assert mentioned <= set(numbers)


def test_a_cell_shows_one_finding_or_check(page):
    # Only the last expression of a cell is shown: an earlier verdict would be counted and seen by nobody.
    for cell in code(page):
        statements = ast.parse(cell["source"]).body
        verdicts = [s for s in statements if re.match(r"results\.(finding|check)\(", ast.unparse(s))]
        assert verdicts in ([], statements[-1:]), cell["source"]


def test_a_page_says_what_it_needs_and_how_long_it_takes(page):
    box = page["cells"][1]["source"]
    assert "**You need**" in box
    assert re.search(r"\*\*Time:\*\* about \d+ minutes", box)


def test_exercises_ask_for_a_derivation_for_code_and_for_an_experiment(page):
    texts = [exercise.text for exercise in answers.exercises(page, page["name"])]
    assert any(re.search(r"on paper|[Dd]erive", text) for text in texts)
    assert any(re.search(r"\b[Ww]rite `\w+\(", text) for text in texts)
    assert any(re.search(r"[Pp]redict|that you expect", text) and text.startswith("★★★") for text in texts)


def test_terms_of_the_glossary_are_linked_where_they_first_stand(page):
    glossary = (PROJECT.book / "glossary.md").read_text(encoding="utf-8").split("{glossary}")[1]
    terms = {term.lower() for term in re.findall(r"^(?! |```)(\S.*)$", glossary, re.M)}
    assert unlinked(terms, page) == []


def unlinked(terms, page):
    """Terms that a page uses in a sentence before it links them to the glossary, or without doing so at all."""
    # The opening, the box, headings and captions are read before, or beside, the explanations.
    text = "\n\n".join(cell["source"] for cell in page["cells"][2:] if cell["cell_type"] == "markdown")
    text = text.split("## What went wrong in the original")[0]
    text = re.sub(r"\{term\}`(?:[^`<]*<)?([^`<>]+)>?`", r"⟦\1⟧", text)
    no_prose = r"^```.*?^```|\$\$.*?\$\$|\$[^$]*\$|\{\w+\}`[^`]*`|`[^`]*`|^#.*?$|^\*\*Figure.*?$"
    text = re.sub(no_prose, " ", text, flags=re.S | re.M)
    first = {term: re.search(rf"(?<![\w-]){re.escape(term)}(?![\w-])", text, re.I) for term in terms}
    return [
        f"{term}: {text[max(0, found.start() - 50) : found.end() + 10]!r}"
        for term, found in sorted(first.items())
        if found and text[found.start() - 1] != "⟦"
    ]


def test_a_term_that_is_not_linked_is_found():
    late, early = (
        {"cells": [{"cell_type": "markdown", "source": text} for text in ("title", "box", words)]}
        for words in ("A loss, or {term}`loss`.", "`loss` and a {term}`Loss <loss>`, then loss.")
    )
    assert len(unlinked({"loss"}, late)) == 1
    assert unlinked({"loss"}, early) == []


def test_intervals_of_the_kept_run_are_honest(page):
    path = PROJECT.book / "reference" / f"{page['name']}.json"
    for name, entry in read_record(path)["records"].items():
        low, high = entry["context"].get("low"), entry["context"].get("high")
        if low is None or high is None:
            continue
        assert entry["context"].get("n_seeds", 3) >= 3, name
        if name.endswith("accuracy"):
            assert 0 <= low <= entry["value"] <= high <= 1, name


def test_no_kept_page_prints_a_p_of_zero(page):
    text = (PROJECT.book / "reference" / page["name"] / "notebook.ipynb").read_text(encoding="utf-8")
    assert not re.search(r"\bp(?:[-_ ]?value)?\s*[=:]?\s*0\.0+(?![0-9])", text)


# -- exercises, findings, lists ------------------------------------------------------------------------------------


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
