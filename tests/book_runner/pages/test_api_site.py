"""The prose pages behind the book say what is so."""

import re
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[3]
CHAPTERS = {
    path.stem: "\n".join(
        cell["source"] for cell in nbformat.read(path, as_version=4)["cells"] if cell["cell_type"] == "markdown"
    )
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
}


def test_the_citation_is_that_of_the_citation_file():
    page = (ROOT / "book" / "cite.md").read_text()
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert page.count(facts["version"]) == 2
    assert page.count(facts["title"]) >= 2
    assert page.count(facts["authors"][0]["name"]) == 2
    assert page.count(facts["date-released"][:4]) == 2
    assert f"{{{facts['license']}}}" in page


@pytest.mark.parametrize(
    "message",
    [
        "another run holds",
        "stopped after its time limit",
        "is typed by hand in",
        "the full run contradicts the finding",
    ],
)
def test_messages_that_troubleshooting_quotes_exist(message):
    assert message in (ROOT / "book" / "troubleshooting.md").read_text()
    sources = [path.read_text() for path in (ROOT / "book_runner").rglob("*.py")]
    assert any(message in source for source in sources)


def test_commands_that_troubleshooting_names_exist():
    page = (ROOT / "book" / "troubleshooting.md").read_text()
    commands = (ROOT / "book_runner" / "cli.py").read_text()
    for name in re.findall(r"`course (\w+)", page):
        assert re.search(rf"^def {name}\w*\(", commands, re.M), name
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make (\w+)", page):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_terms_are_sorted_and_chapters_link_them():
    page = (ROOT / "book" / "glossary.md").read_text()
    # Two spellings of a term are two lines of one entry.
    entries = [entry.split("\n") for entry in re.findall(r"((?:^[\w-][\w -]*\n)+)  ", page, re.M)]
    terms = [term for entry in entries for term in entry]
    assert len(entries) > 30
    assert [entry[0] for entry in entries] == sorted((entry[0] for entry in entries), key=str.lower)
    linked = {term.lower() for text in CHAPTERS.values() for term in re.findall(r"\{term\}`([\w -]+)`", text)}
    assert len(linked) > 30
    assert linked <= {term.lower() for term in terms}


def test_no_term_is_linked_twice_in_a_chapter():
    for name, text in CHAPTERS.items():
        terms = [term.lower() for term in re.findall(r"\{term\}`([^`]+)`", text)]
        assert len(terms) == len(set(terms)), name
