import nbformat
import pytest
from click.testing import CliRunner

from book_runner.check import check_accessibility
from book_runner.cli import main

PAGE = """<!doctype html>
<html lang="en"><body><img src="theme.png"><table><tr><td>layout of the theme</td></tr></table>
<article>
<img src="../_images/one.png" alt="A shoe.">
<table><thead><tr><th>class</th></tr></thead><tr><td><table><tr><th>a</th></tr></table></td></tr></table>
<iframe src="x.html" title="Projector"></iframe>
</article>
<img src="theme.png"></body></html>
"""
BARE = "a figure has no alternative text (of a cell: its metadata, mystnb, image, alt)"


def test_a_sound_page_has_no_problem(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "_static" / "template.html").write_text('<article><img src="x"></article>')
    (tmp_path / "page.html").write_text(PAGE)
    assert check_accessibility(tmp_path) == []


@pytest.mark.parametrize(
    ("planted", "problem"),
    [
        ('<img src="one.png">', BARE),
        ('<img src="one.png" alt="">', BARE),
        ('<img src="one.png" alt=" ">', BARE),
        ('<img src="one.png" alt="../_images/0a1b.png">', BARE),
        ("<table><tr><td>1</td></tr></table>", "a table has no headers"),
        ("<table><tr><th>a</th><td><table>\n<tr><td>1</td></tr></table></td></tr></table>", "a table has no headers"),
        ('<iframe src="x.html"></iframe>', "a frame has no title"),
        ('<iframe src="x.html" title=""></iframe>', "a frame has no title"),
    ],
)
def test_finds_what_is_missing(tmp_path, planted, problem):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "page.html").write_text(PAGE.replace("</article>", f"{planted}\n</article>"))
    assert check_accessibility(tmp_path) == [f"book/page.html:7: {problem}"]


def test_a_figure_without_alternative_text_fails_the_build(make_project, monkeypatch):
    drawing = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    project = make_project({"01_one": ["n = 2", drawing]})
    monkeypatch.chdir(project.root)
    failed = CliRunner().invoke(main, ["book"])
    assert failed.exit_code == 1
    assert f"notebooks/01_one.html:{failed.output.split('01_one.html:')[1].split(':')[0]}: {BARE}" in failed.output
    assert CliRunner().invoke(main, ["check"]).exit_code == 1
    notebook = nbformat.read(project.notebook("01_one"), as_version=4)
    notebook["cells"][2]["metadata"]["mystnb"] = {"image": {"alt": "A line that rises."}}
    nbformat.write(notebook, project.notebook("01_one"))
    assert CliRunner().invoke(main, ["book"]).exit_code == 0
