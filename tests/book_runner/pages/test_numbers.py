"""Numbers in the text: what a page makes of them, and what it takes for a mistake."""

import json
import re
import subprocess
import sys

import nbformat
import pytest

from book_runner import execute, plan, site
from book_runner.check import verify_site
from book_runner.check.links import check_links
from book_runner.project import read_json
from course_utils import results
from course_utils.errors import RunnerError

RECORDING = """
from course_utils import results
results.record("share", 1 / 7, low=0.1, high=0.2, n_seeds=3, unit="s")
results.record("size", 1000)
results.record("size", 101770)
"""
HIDDEN = 'results.record(hidden=-0.5, worst="Shirt </script>")'
PROSE = """## A share of {number}`share:.1%`

It has {number}`size:,` parts, {number}`share:+.3f` of them red; {number}`hidden`, {number}`worst`.
Again {number}`size`, and [here {number}`size`](#a-share).

(a-share)=
### Another heading
"""


@pytest.fixture
def built(once):
    """A chapter that was run, with numbers in its text."""

    def make(make_project):
        project = make_project({"01_one": ["n = 2", RECORDING, HIDDEN]})
        notebook = nbformat.read(project.notebook("01_one"), as_version=4)
        notebook["cells"][3]["metadata"]["tags"] = ["remove-cell"]
        notebook["cells"].append(nbformat.v4.new_markdown_cell(PROSE))
        nbformat.write(notebook, project.notebook("01_one"))
        execute.run_jobs(project, plan.plan(project))

    return once(make)


def links(page):
    """The numbers of a page: attributes and text of each."""
    for attributes, text in re.findall('<a class="number" ([^>]*)>(.*?)</a>', page):
        yield dict(re.findall(r'([\w-]+)="(.*?)"', attributes)), text


def test_a_number_leads_to_its_cell_and_says_where_it_comes_from(built):
    assert site.build_site(built)
    page = (built.html / "notebooks" / "01_one.html").read_text()
    cell = nbformat.read(built.notebook("01_one"), as_version=4)["cells"][2]["id"]
    found = list(links(page))
    assert [(each["data-number"], each["data-format"], text) for each, text in found] == [
        ("share", ".1%", "14.3%"),
        ("size", ",", "101,770"),
        ("share", "+.3f", "+0.143"),
        ("hidden", "", "-0.5"),
        ("worst", "", "Shirt &lt;/script&gt;"),
        ("size", "", "101770"),
    ]
    # The page does not show the cell that made two of them.
    made = "#how-this-page-was-made"
    assert [each["href"] for each, _ in found] == [f"#cell-{cell}"] * 3 + [made] * 2 + [f"#cell-{cell}"]
    assert page.count(f'id="cell-{cell}"') == page.count('id="how-this-page-was-made"') == 1
    title = found[0][0]["title"]
    year = read_json(built.record("quick", "01_one"))["started"][:4]
    run = rf"this build's run, profile quick, \d+ \w+ {year}"
    assert re.fullmatch(rf"share: 0.142857 s \(0.1 to 0.2\), from {run}", title)
    # In a link, and in the list of contents, a number is text: no link holds another.
    assert '<a class="reference internal" href="#a-share">here 101770</a>' in page
    assert re.search(r'<a class="[^"]*nav-link" href="#a-share-of-14-3">A share of 14.3%</a>', page)
    assert check_links(built.html) == []


def test_the_facts_of_the_panel_stand_in_the_page_once(built):
    site.build_site(built)
    page = (built.html / "notebooks" / "01_one.html").read_text()
    (content,) = re.findall(r'<script type="application/json" id="number-facts">(.*?)</script>', page)
    facts = json.loads(content)
    assert set(facts["numbers"]) == {"share", "size", "hidden", "worst"}
    share, size = ({fact[0]: fact[1:] for fact in facts["numbers"][name]} for name in ("share", "size"))
    assert share["value"] == ["0.142857 s"]
    assert share["interval"] == ["0.1 to 0.2"]
    assert share["seeds"] == ["3"]
    assert share["made in"][1].startswith("#cell-")
    assert share["ledger"] == ["the reported numbers", "../book/ledger.html"]
    assert size["value"] == ["101,770"]
    assert "interval" not in size
    assert facts["numbers"]["worst"][0] == ["value", "Shirt </script>"]
    run = dict(facts["run"])
    assert run["run"] == "this build's run, profile quick"
    assert run["data"] == "none"
    assert set(run) == {"run", "date", "commit", "data", "machine"}
    # What only the runner reads is in the copy of the notebook and not on the page.
    assert "papermill.record" not in page
    assert site.build_site(built) is False
    assert verify_site(built.html) == ([], 6, 1)


def test_a_reported_number_leads_to_its_row_in_the_ledger(make_project):
    recording = "from course_utils import results\nresults.record('test_accuracy', 0.9)"
    project = make_project({"02_fashion_mlp": ["n = 2", recording]})
    path = project.notebook("02_fashion_mlp")
    notebook = nbformat.read(path, as_version=4)
    # The ledger links to the sections that show the reasons.
    labels = {row["proof"] for row in results.reported("02_fashion_mlp").values() if "proof" in row}
    proofs = "\n\n".join(f"({label})=\n## Reason {label}" for label in sorted(labels))
    notebook["cells"].append(nbformat.v4.new_markdown_cell(f"It is {{number}}`test_accuracy`.\n\n{proofs}"))
    nbformat.write(notebook, path)
    execute.run_jobs(project, plan.plan(project))
    site.build_site(project)
    page = (project.html / "notebooks" / "02_fashion_mlp.html").read_text()
    assert '["ledger", "beside the reported number", "../book/ledger.html#ledger-02-test_accuracy"]' in page
    assert 'id="ledger-02-test_accuracy"' in (project.html / "book" / "ledger.html").read_text()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{number}`shares:.3f`", "01_one has no number 'shares'; it recorded hidden, share, size, worst"),
        ("{number}`share:.3q`", "01_one: the format of share is '.3q', which does not fit 0.14285714285714285"),
        ("{number}`worst:.3f`", "01_one: the format of worst is '.3f', which does not fit 'Shirt </script>'"),
    ],
)
def test_a_number_that_cannot_be_set_fails_the_build(built, text, problem, add_prose):
    add_prose(built, f"It is {text}.")
    with pytest.raises(RunnerError, match=re.escape(problem)):
        site.build_site(built)


@pytest.mark.parametrize("text", ["share", "09_nine/share"])
def test_another_page_has_to_name_a_chapter(built, text):
    (built.book / "intro.md").write_text(f"# Title\n\nIt is {{number}}`{text}`.\n")
    with pytest.raises(RunnerError, match=f"`{text}` names no chapter; outside of chapters it must be CHAPTER/NUMBER"):
        site.build_site(built)


def test_another_page_shows_a_number_of_a_chapter_and_leads_there(built):
    (built.book / "intro.md").write_text("# Title\n\nIt is {number}`01_one/share:.3f`.\n")
    site.build_site(built)
    page = (built.html / "book" / "intro.html").read_text()
    links = re.findall(r'<a class="reference internal" href="../notebooks/01_one.html">(.*?)</a>', page)
    assert any("0.143" in link for link in links)


@pytest.mark.parametrize("cells", [["n = 2"], ["n = 2", "n / 0"]])
def test_without_a_whole_run_a_number_is_a_dash(make_project, cells, add_prose):
    project = make_project({"01_one": cells})
    add_prose(project, "It is {number}`share:.3f`.")
    if len(cells) == 2:
        execute.run_jobs(project, plan.plan(project))
    site.build_site(project)
    assert "<p>It is –.</p>" in (project.html / "notebooks" / "01_one.html").read_text()
    assert "has no number" not in (project.build / "logs" / "jupyter-book.log").read_text()


@pytest.mark.parametrize("builder", ["text", "latex"])
def test_elsewhere_a_number_is_text(built, tmp_path, builder):
    site.stage(built)
    command = [sys.executable, "-m", "sphinx", "-q", "-C", "-b", builder, "-D", "root_doc=notebooks/01_one"]
    command += ["-D", "extensions=myst_nb,book_runner.pages.numbers", "-D", "nb_execution_mode=off"]
    subprocess.run([*command, str(built.stage), str(tmp_path / "out")], check=True, capture_output=True)
    (path,) = (each for pattern in ("notebooks/01_one.txt", "*.tex") for each in (tmp_path / "out").glob(pattern))
    text = " ".join(path.read_text().replace("\\sphinxhyphen{}", "-").split())
    assert "It has 101,770 parts, +0.143 of them red; -0.5, Shirt" in text
