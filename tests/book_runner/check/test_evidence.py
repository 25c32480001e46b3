import json

import nbformat
import pytest
from click.testing import CliRunner

from book_runner.check import evidence
from book_runner.cli import main

RECORDS = {
    "accuracy": {"value": 0.8852, "unit": None, "context": {"low": 0.8789, "high": 0.8913}},
    "class_accuracy": {"value": [0.645, 0.976], "unit": None, "context": {}},
    "n_parameters": {"value": 101770, "unit": None, "context": {}},
    "seconds": {"value": 12.31, "unit": "s", "context": {}},
    "worst_class": {"value": "shirt", "unit": None, "context": {}},
    "sampled": {"value": True, "unit": None, "context": {}},
}


def typed(*cells):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(cell) for cell in cells])
    return evidence.typed_numbers(notebook, {"records": RECORDS})


@pytest.mark.parametrize(
    ("text", "number", "name"),
    [
        ("It gets 0.885 of them right.", "0.885", "accuracy"),
        ("It gets .8852 of them right.", ".8852", "accuracy"),
        ("It gets 88.5 % right.", "88.5 %", "accuracy"),
        ("It gets **89%** right.", "89 %", "accuracy"),
        ("It gets 89 per cent.", "89 %", "accuracy"),
        ("Somewhere from 0.879 to 1.", "0.879", "accuracy"),
        ("- the shirt is at .645\n- the rest is better", ".645", "class_accuracy"),
        ("There are 101,770 parameters.", "101,770", "n_parameters"),
        ("There are 101770, all told.", "101770", "n_parameters"),
        ("It takes 12 seconds.", "12", "seconds"),
        ("It takes 12.3 s.", "12.3", "seconds"),
        ("| method | score |\n|---|---|\n| ours | 0.885 |", "0.885", "accuracy"),
        (":::{admonition} Note\n:class: tip\nIt gets 0.885.\n:::", "0.885", "accuracy"),
        ("### Half of it, or 0.885", "0.885", "accuracy"),
    ],
)
def test_a_result_that_is_typed_is_found(text, number, name):
    (problem,) = typed("Nothing here.", text)
    assert problem.startswith(f"'{number}' is typed by hand in “")
    assert f"recorded it as {name}: use {{number}}" in problem


@pytest.mark.parametrize(
    "text",
    [
        "It gets {number}`accuracy:.3f` right.",
        "It gets `0.885` right.",
        "```python\nx = 0.885\n```",
        "It gets $0.885$ right, or $$\n0.885\n$$",
        "See [this](https://example.org/0.885/page) and <https://example.org/0.885>.",
        "It gets 0.886 right, and 0.9, and 86 %.",
        "A 95 % interval, 89 % intervals too.",
        "[B] had a test accuracy of .8852.",
        "The original had 0.8852. And the report's 101,770 too.",
        "It takes 12 steps, or 12.4 of them, or 20 s.",
        "In 2022 it had 28 × 28 pixels, and 101,771 parameters; version 1.0.8852.",
        "An image was 0.8852x, or x0.885.",
        "(label-0.885)=\n## Heading",
        "Well, 0.885.\n\n<!-- typed: 0.885, the share that the book of 1936 gives -->",
        "It is 1 or 0.",
        "**Figure 0.885.** Like Figure 0.8852, it has a number.",
        "The full profile has 101,770 of them.",
    ],
)
def test_what_is_no_typed_result_is_left_alone(text):
    assert typed(text) == []


def test_a_profile_is_no_excuse_for_a_result():
    assert len(typed("The full profile gets 0.885 of them right.")) == 1


def test_a_quotation_ends_with_its_sentence():
    assert typed("The report had .8852. Our network has .8852 too.") != []


def test_an_exception_holds_for_its_own_number_and_cell_only():
    assert len(typed("It is 0.885 and 0.879. <!-- typed: 0.885 -->", "It is 0.885.")) == 2


def test_only_the_full_run_can_contradict_a_finding():
    findings = [
        {"statement": "It wins.", "holds": False, "evidence": "1 to 2", "needs": needs} for needs in ("quick", "full")
    ]
    findings.append({"statement": "It loses.", "holds": True, "evidence": "1 to 2", "needs": "quick"})
    assert evidence.failed_findings({"profile": "quick", "findings": findings}) == []
    assert (
        evidence.failed_findings({"profile": "full", "findings": findings})
        == ["the full run contradicts the finding 'It wins.' (1 to 2)"] * 2
    )


def build(project, monkeypatch, *options):
    monkeypatch.chdir(project.root)
    return CliRunner().invoke(main, ["book", *options])


def test_a_finding_that_fails_in_the_full_profile_fails_the_build(make_project, monkeypatch):
    cell = (
        "from course_utils import results\nresults.finding('Two is odd.', n % 2 == 1, evidence='n is 2', needs='full')"
    )
    project = make_project({"01_one": ["n = 2", cell]})
    quick = build(project, monkeypatch)
    assert quick.exit_code == 0
    assert "◌ needs the full profile; here n is 2" in (project.html / "book" / "ledger.html").read_text()
    full = build(project, monkeypatch, "--profile", "full")
    assert full.exit_code == 1
    assert "notebooks/01_one.ipynb: the full run contradicts the finding 'Two is odd.' (n is 2)" in full.output
    # The site is there all the same, and says so.
    assert "✘ n is 2" in (project.html / "book" / "ledger.html").read_text()
    checked = CliRunner().invoke(main, ["check"])
    assert checked.exit_code == 1
    assert "contradicts the finding" in checked.output


def test_a_typed_result_fails_the_build_until_it_is_set_by_its_name(make_project, monkeypatch):
    project = make_project({"01_one": ["n = 2", "from course_utils import results\nresults.record('share', 1 / 7)"]})
    notebook = json.loads(project.notebook("01_one").read_text())
    prose = nbformat.v4.new_markdown_cell("It gets 0.143 of them right.")
    project.notebook("01_one").write_text(json.dumps({**notebook, "cells": [*notebook["cells"], prose]}))
    result = build(project, monkeypatch)
    assert result.exit_code == 1
    assert "notebooks/01_one.ipynb: '0.143' is typed by hand in “It gets 0.143 of them right.”" in result.output
    prose["source"] = "It gets {number}`share:.3f` of them right."
    project.notebook("01_one").write_text(json.dumps({**notebook, "cells": [*notebook["cells"], prose]}))
    assert build(project, monkeypatch).exit_code == 0
