import copy
import json
import re

import nbformat
import pytest

from book_runner import execute, pages, plan, site
from book_runner.pages import ledger
from book_runner.project import read_json
from course_utils import results
from course_utils.errors import RunnerError

CELLS = [
    "n = 2",
    "from course_utils import results\nresults.record('double', 2 * n)\nresults.record('double', 2 * n + 1)",
    "results.finding('Two is even.', n % 2 == 0, evidence='n is 2')",
    "import pathlib\npathlib.Path('01_one').mkdir()\npathlib.Path('01_one/page.html').write_text('hello')",
]


@pytest.fixture
def built(once):
    def make(make_project):
        project = make_project({"01_one": CELLS})
        execute.run_jobs(project, plan.plan(project))

    return once(make)


def test_a_site_has_pages_artefacts_and_numbers(built, add_prose):
    add_prose(built, "The number is {number}`double`.")
    assert site.build_site(built)
    page = (built.html / "notebooks" / "01_one.html").read_text()
    assert "The number is" in page
    assert re.search('<a class="number" [^>]*data-number="double"[^>]*>5</a>', page)
    assert read_json(built.html / "records" / "01_one.json")["record"]["records"]["double"]["value"] == 5
    assert "Two is even." in page
    assert "How this page was made" in page
    assert (built.html / "notebooks" / "01_one" / "page.html").read_text() == "hello"
    assert "Two is even." in (built.html / "book" / "ledger.html").read_text()
    assert "✔ n is 2" in (built.html / "book" / "ledger.html").read_text()
    # Nothing has changed, so nothing is rendered again.
    assert not site.build_site(built)


def test_new_prose_is_rendered_without_running_anything(built, add_prose):
    site.build_site(built)
    before = built.record("quick", "01_one").read_bytes()
    add_prose(built, "A sentence added later.")
    assert site.build_site(built)
    page = (built.html / "notebooks" / "01_one.html").read_text()
    assert "A sentence added later." in page
    assert "Two is even." in page
    assert built.record("quick", "01_one").read_bytes() == before


@pytest.mark.parametrize("prose", ["{number}`missing`", "[gone](gone.md)", "{ref}`nowhere`", "```{nonsense}\n```"])
def test_warnings_are_errors(built, prose, add_prose):
    add_prose(built, f"Text {prose}" if not prose.startswith("```") else prose)
    with pytest.raises(RunnerError, match="without warnings:\n.*WARNING"):
        site.build_site(built)
    # The failed site is not taken for a finished one.
    with pytest.raises(RunnerError):
        site.build_site(built)


def test_a_failed_notebook_has_a_page_that_says_so(make_project):
    project = make_project({"01_one": ["n = 2", "n / 0", "n"]})
    execute.run_jobs(project, plan.plan(project))
    assert site.build_site(project)
    page = (project.html / "notebooks" / "01_one.html").read_text()
    assert "This page’s notebook failed" in page.replace("'", "’")
    assert "Code cell 2 failed" in page
    assert "ZeroDivisionError" in page


def test_a_notebook_that_never_ran_has_a_page_that_says_so(make_project):
    project = make_project({"01_one": ["n = 2"]})
    site.build_site(project)
    assert "has not been run in this build" in (project.html / "notebooks" / "01_one.html").read_text()


def test_synthetic_data_put_a_banner_on_every_page(built):
    path = built.record("quick", "01_one")
    record = read_json(path)
    record["data"] = [{"name": "toy", "kind": "synthetic", "title": "Toy"}]
    path.write_text(json.dumps(record))
    site.build_site(built)
    for page in ("notebooks/01_one", "book/intro", "book/ledger", "book/status"):
        assert "made from synthetic data" in (built.html / f"{page}.html").read_text(), page
    assert "stand in for" in (built.html / "notebooks" / "01_one.html").read_text()


def test_pages_that_are_gone_leave_the_stage(built):
    (built.book / "extra.md").write_text("# Extra\n")
    site.stage(built)
    assert (built.stage / "book" / "extra.md").is_file()
    (built.book / "extra.md").unlink()
    site.stage(built)
    assert not (built.stage / "book" / "extra.md").exists()


def test_staging_twice_changes_no_file(built):
    site.stage(built)
    before = {path: path.stat().st_mtime_ns for path in built.stage.rglob("*") if path.is_file()}
    site.stage(built)
    assert before == {path: path.stat().st_mtime_ns for path in built.stage.rglob("*") if path.is_file()}


def test_merge_keeps_injected_parameters_and_ignores_changed_cells(built):
    source = nbformat.read(built.notebook("01_one"), as_version=4)
    executed = nbformat.read(built.executed("quick", "01_one"), as_version=4)
    injected = nbformat.v4.new_code_cell("n = 3", metadata={"tags": ["injected-parameters"]})
    executed["cells"].insert(2, injected)
    before = copy.deepcopy(source)
    merged = site.merge(source, executed)
    assert source == before
    assert [cell["source"] for cell in merged["cells"]][2] == "n = 3"
    changed = copy.deepcopy(source)
    changed["cells"][3]["source"] = "results.finding('Other.', True)"
    assert "Two is even" not in str(site.merge(changed, executed)["cells"][4]["outputs"])


def test_logging_of_libraries_stays_out_of_the_page(built):
    source = nbformat.read(built.notebook("01_one"), as_version=4)
    executed = nbformat.read(built.executed("quick", "01_one"), as_version=4)
    log = "WARNING:tensorflow:5 out of the last 13 calls triggered tf.function retracing.\n"
    streams = [("stdout", "printed\n"), ("stderr", "noise\n"), ("stdout", log), ("stdout", f"printed\n{log}")]
    executed["cells"][1]["outputs"] = [nbformat.v4.new_output("stream", name=name, text=text) for name, text in streams]
    outputs = site.merge(source, executed)["cells"][1]["outputs"]
    assert [output["text"] for output in outputs] == ["printed\n", f"printed\n{log}"]


def test_data_that_are_drawn_by_nature_stand_in_for_nothing():
    record = {"data": [{"name": "pedestrians", "kind": "synthetic"}, {"name": "svhn", "kind": "own split"}]}
    assert pages.stand_ins(record) == []
    record["data"].append({"name": "mnist", "kind": "synthetic"})
    assert pages.stand_ins(record) == ["mnist"]


def test_the_table_shows_intervals_and_gaps():
    record = {"records": {"test_accuracy": {"value": 0.88, "unit": None, "context": {"low": 0.87, "high": 0.89}}}}
    table = ledger.comparison_table("02_fashion_mlp", record, None)
    (row,) = [line for line in table.splitlines() if line.startswith("| test accuracy ")]
    assert "| 0.8852 | – | 0.880 (0.870 to 0.890) | −0.005 (build) |" in row
    assert ledger.comparison_table("99_none", record, None) == ""


def run(value):
    return {"records": {"class_accuracy": {"value": value, "unit": None, "context": {}}}}


def test_the_difference_is_that_of_the_full_run_where_there_is_one():
    reported = [0.9916, 0.9912, 0.978]
    build, full = run([value - 0.1 for value in reported]), run([0.9916, 1.0, 0.97])
    assert ledger._difference(reported, {"full": None, "build": build}, "class_accuracy") == "up to 0.100 (build)"
    assert ledger._difference(reported, {"full": full, "build": build}, "class_accuracy") == "up to 0.009 (full)"
    assert ledger._difference(reported, {"full": None, "build": None}, "class_accuracy") == "–"
    # What was recorded under that name is something else.
    assert ledger._difference(reported, {"full": run([0.9])}, "class_accuracy") == "–"
    assert ledger._difference(0.9, {"full": run([0.9])}, "class_accuracy") == "–"
    assert ledger._difference(75, {"full": run(1180)}, "class_accuracy") == "+1,105 (full)"


def test_the_ledger_holds_every_reported_number_and_every_finding_with_its_verdict():
    findings = [
        {"statement": statement, "holds": holds, "evidence": "1 | 2", "needs": needs}
        for statement, holds, needs in [
            ("`a*b` *wins*.", True, "quick"),
            ("It wins.", False, "quick"),
            ("All.", True, "full"),
        ]
    ]
    record = {"profile": "quick", "findings": findings, **run([0.5, 0.5, 0.5])}
    titles = {"03_fashion_regrouped": "03 · Groups", "99_none": "99 · Nothing reported"}
    page = ledger.ledger_page(titles, {"03_fashion_regrouped": record}, {"03_fashion_regrouped": None})
    chapter = "{doc}`03 </notebooks/03_fashion_regrouped>`"
    rows = [line for line in page.splitlines() if line.startswith(f"| {chapter}")]
    assert len(rows) == len(results.reported("03_fashion_regrouped")) + len(findings)
    reason = results.reported("03_fashion_regrouped")["class_accuracy"]["reason"]
    assert f"[{reason}](#is-it-the-imbalance)" in page
    assert '| <span id="ledger-03-class_accuracy"></span>class accuracy |' in page
    assert f"| {chapter} | `a*b` \\*wins\\*. | – | ✔ 1 \\| 2 |" in rows
    assert f"| {chapter} | It wins. | – | ✘ 1 \\| 2 |" in rows
    assert f"| {chapter} | All. | – | ◌ needs the full profile; here 1 \\| 2 |" in rows
    assert "In this build 1 of 3 findings hold, 1 do not, 1 need the full profile." in page
    assert "In the full run" not in page


def test_the_status_page_says_what_each_notebook_ran_on():
    here = {"python": "3.11.9", "platform": "Linux", "machine": "x86_64", "cores": 2, "threads": 1}
    here |= {"backend": "tensorflow", "versions": {"keras": "3.9.0"}}
    run = {"state": "done", "profile": "quick", "started": "2026-01-02T03:04:05+00:00", "seconds": 65.4, "data": []}
    run |= {"peak_memory_bytes": 2**30, "environment": here}
    page = pages.status_page(
        ["01_one", "02_two", "03_three", "04_four"],
        {"01_one": run, "02_two": run | {"environment": here | {"backend": "jax"}}, "03_three": run, "04_four": None},
        {"01_one": None, "02_two": run | {"profile": "full", "seconds": 4000}, "04_four": run | {"profile": "full"}},
    )
    build, full = page.split("## The full run")
    one, two, three, four = (line for line in build.splitlines() if line.startswith("| {doc}"))
    on = "2 cores, x86_64, Keras on tensorflow"
    assert one == f"| {{doc}}`/notebooks/01_one` | done | quick | 2026-01-02 03:04 | 65 | 1,024 |  | {on} |"
    assert two.endswith("| 2 cores, x86_64, Keras on jax |")
    assert three.endswith(f"| {on} |")
    assert four == "| {doc}`/notebooks/04_four` | not run |  |  |  |  |  |  |"
    assert "The 2 notebooks below that have been run took 1.1 hours together" in full
    assert "at most 1.0 GiB of memory each" in full
    assert f"| {{doc}}`/notebooks/02_two` | done | full | 2026-01-02 03:04 | 4000 | 1,024 |  | {on} |" in full
    nothing = pages.status_page(["01_one"], {}, {})
    assert "not run" in nothing
    assert "hours" not in nothing
