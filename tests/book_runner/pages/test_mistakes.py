import tomllib
from pathlib import Path

import course_utils
from book_runner.pages import mistakes
from book_runner.project import Project

PROJECT = Project(Path(__file__).parents[3])
KINDS = tomllib.loads((PROJECT.book / "mistakes.toml").read_text())["kind"]
ROWS = [row for kind in KINDS for row in kind["mistakes"]]


def test_every_chapter_has_its_mistakes():
    assert {row["chapter"][:2] for row in ROWS} == {f"{number:02}" for number in range(1, 13)}
    names = [kind["name"] for kind in KINDS]
    assert len(set(names)) == len(names) >= 7
    assert all(len(kind["mistakes"]) > 1 and kind["about"] for kind in KINDS)


def test_every_mistake_says_what_how_and_with_what():
    for row in ROWS:
        assert set(row) - {"habit"} == {"chapter", "section", "what", "notice", "catch"}
        assert all(row[key][-1] in ".?" for key in ("what", "notice"))
        assert "|" not in "".join(row[key] for key in ("what", "notice"))
        assert row["catch"]
        for tool in row["catch"]:
            module, name = tool.split(".")
            assert name in getattr(course_utils, module).__all__, tool


def test_every_mistake_is_measured_in_a_section_that_exists():
    for row in ROWS:
        path = PROJECT.notebook(row["chapter"])
        assert not path.is_file() or row["section"] in mistakes.sections(path), (row["chapter"], row["section"])


def test_a_mistake_is_linked_as_far_as_its_chapter_is_written(make_project):
    project = make_project({"01_one": ["n = 1"], "02_two": ["n = 1"]})
    notebook = project.notebook("01_one")
    cell = "# Page 01_one"
    notebook.write_text(notebook.read_text().replace(cell, f"{cell}\\n\\n(the-label)=\\n## A turned 6: is it a 9?"))
    row = 'what = "w.", notice = "n.", catch = ["results.finding"]'
    places = [("01_one", "A turned 6: is it a 9?"), ("01_one", "the-label"), ("02_two", "Gone"), ("03_three", "Gone")]
    rows = [f'{{chapter = "{chapter}", section = "{section}", {row}}},' for chapter, section in places]
    text = '[[kind]]\nname = "A kind"\nabout = "About it."\nmistakes = [\n' + "\n".join(rows) + "\n]\n"
    (project.book / "mistakes.toml").write_text(text)
    lines = mistakes.mistakes_page(project).splitlines()
    assert [line.split(" | ")[-1] for line in lines if line.startswith("| w.")] == [
        "[01 · A turned 6: is it a 9?](../notebooks/01_one.ipynb#a-turned-6-is-it-a-9) |",
        "[01 · The label](#the-label) |",
        "{doc}`02 </notebooks/02_two>` |",
        "chapter 03 |",
    ]
    assert "{py:obj}`results.finding <course_utils.results.finding>`" in "\n".join(lines)
