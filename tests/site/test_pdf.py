"""The PDFs of a small book, printed by a real Chromium."""

import re
import shutil

import nbformat
import pytest
import yaml
from click.testing import CliRunner

from book_runner import execute, pdf, plan, site
from book_runner.check import check_site
from book_runner.cli import main
from course_utils.errors import RunnerError

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def _chromium():
    if shutil.which("chromium") is None and shutil.which("google-chrome") is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture
def built(once):
    def make(make_project):
        project = make_project({"01_one": ["n = 2", "2 * n"], "02_two": ["n = 3"]})
        path = project.notebook("02_two")
        notebook = nbformat.read(path, as_version=4)
        links = "[the first](01_one.ipynb), [above](#a-section), [elsewhere](https://example.org/)"
        prose = f"## A section\n\nSee {links}, $x^2$."
        notebook["cells"].append(nbformat.v4.new_markdown_cell(prose))
        nbformat.write(notebook, path)
        config = project.root / "_config.yml"
        settings = yaml.safe_load(config.read_text())
        settings["sphinx"] = {"config": {"myst_heading_anchors": 3}}
        config.write_text(yaml.safe_dump(settings))
        execute.run_jobs(project, plan.plan(project))
        site.build_site(project)

    return once(make)


@pytest.mark.usefixtures("_chromium")
def test_every_page_and_the_book_are_printed_and_offered(built, monkeypatch):
    page = built.html / "notebooks" / "02_two.html"
    assert "pdf/" not in page.read_text()
    assert 'href="../downloads/02_two.ipynb"' in page.read_text()
    assert "executed notebook" in page.read_text()
    monkeypatch.chdir(built.root)
    done = CliRunner().invoke(main, ["pdf"])
    assert "6 files in _build/html/pdf/" in done.output, done.output
    for address in ("../downloads/02_two.ipynb", "../pdf/notebooks/02_two.pdf", "../pdf/book.pdf"):
        assert page.read_text().count(f'href="{address}"') == 1
        assert (page.parent / address).is_file()
    # Each address that the menus offer leads somewhere.
    assert [problem for problem in check_site(built.html, built.root / "_toc.yml") if "pdf" in problem] == []
    chapter = (built.html / "pdf" / "notebooks" / "02_two.pdf").read_bytes()
    book = (built.html / "pdf" / "book.pdf").read_bytes()
    for printed in (chapter, book):
        assert printed.startswith(b"%PDF-")
        assert b"/Outlines" in printed
        assert b"(https://example.org/)" in printed
        assert b"file:" not in printed
        assert str(built.root).encode() not in printed
    # A chapter knows its own sections only; in the book a link to another chapter leads to its first page.
    targets = [re.findall(rb"/Dest /([\w#.-]+)", printed) for printed in (chapter, book)]
    assert set(targets[0]) == {b"a-section", b"how-this-page-was-made"}
    assert {b"page-0", b"page-1", b"page-2", b"page-2--a-section"} <= set(targets[1])
    assert targets[1].count(b"page-1") > targets[1].count(b"page-0")
    assert b"(A section)" in book
    assert not re.search(rb"/Title .(FEFF)?(.{4,})\2[)>]", book)
    assert len(re.findall(rb"/Type /Page\b", book)) >= 6
    assert not list(built.html.glob("tmp*"))


@pytest.mark.usefixtures("_chromium")
def test_a_new_site_offers_no_old_pdfs(built):
    pdf.make_pdfs(built)
    (built.book / "intro.md").write_text("# Another beginning\n")
    site.build_site(built)
    assert not (built.html / "pdf").exists()
    assert "pdf/" not in (built.html / "book" / "intro.html").read_text()


@pytest.mark.parametrize(
    ("title", "mended"),
    [
        (b"/Title (OneOne)\n", b"/Title (One)   \n"),
        (b"/Title <FEFF0041004200410042>/", b"/Title <FEFF00410042>        /"),
        (b"/Title (Many ways)/Title (aab)", b"/Title (Many ways)/Title (aab)"),
        (b"/Title <FEFF00410042>", b"/Title <FEFF00410042>"),
        (b"/Note (OneOne)", b"/Note (OneOne)"),
    ],
)
def test_doubled_titles_are_mended_and_no_byte_moves(title, mended):
    assert len(mended) == len(title)
    assert pdf._single_titles(title) == mended


def test_without_a_site_or_a_browser(make_project, monkeypatch):
    project = make_project({"01_one": ["n = 2"]})
    with pytest.raises(RunnerError, match="there is no site yet"):
        pdf.make_pdfs(project)
    project.html.mkdir(parents=True)
    (project.html / "index.html").write_text("the book")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RunnerError, match="Chromium is not installed"):
        pdf.make_pdfs(project)
