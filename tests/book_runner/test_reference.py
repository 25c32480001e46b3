"""Reference results: what is kept of the full run, and what is not."""

import json
import shutil
import subprocess
import tomllib

import nbformat
import pytest

from book_runner import execute, pages, plan, reference, site
from book_runner.check.evidence import other_numbers
from book_runner.project import digest
from book_runner.reference import keep_references, read_reference
from course_utils.errors import CourseError

GOOD = ["x = 1", "from course_utils import results\nresults.record('double', 2 * x)"]


def git(project, *words):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(["git", *identity, *words], cwd=project.root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def committed(once):
    def make(make_project):
        project = make_project({"01_good": GOOD, "02_bad": ["x = 1", "1 / 0"], "03_absent": GOOD})
        git(project, "init", "--quiet")
        git(project, "add", ".")
        git(project, "commit", "--quiet", "-m", "all")
        execute.run_jobs(project, plan.plan(project, "full", ["01", "02"]))

    return once(make)


def test_keeps_what_has_been_run_and_says_why_not_the_rest(committed):
    left = keep_references(committed)
    assert set(left) == {"02_bad", "03_absent"}
    assert "never run" in left["03_absent"]
    kept = json.loads(committed.reference("01_good").read_text())
    assert kept["records"]["double"]["value"] == 2
    assert kept["profile"] == "full"
    assert kept["commit"] == git(committed, "rev-parse", "HEAD")
    assert not committed.reference("02_bad").exists()


def test_a_stale_result_does_not_replace_the_reference(committed):
    keep_references(committed)
    before = committed.reference("01_good").read_text()
    committed.notebook("01_good").write_text(committed.notebook("01_good").read_text().replace("2 * x", "3 * x"))
    git(committed, "commit", "--quiet", "-am", "changed")
    assert "code" in keep_references(committed, ["01"])["01_good"]
    assert committed.reference("01_good").read_text() == before


def test_results_of_uncommitted_code_are_refused(committed):
    with committed.notebook("01_good").open("a") as file:
        file.write("\n")
    execute.run_jobs(committed, plan.plan(committed, "full", ["01"]), force=True)
    assert "no commit holds" in keep_references(committed, ["01"])["01_good"]
    assert not committed.reference("01_good").exists()


def test_outside_of_git_the_commit_is_not_known(make_project, monkeypatch):
    project = make_project({"01_good": GOOD})
    monkeypatch.setenv("GIT_DIR", str(project.root / "absent"))
    execute.run_jobs(project, plan.plan(project, "full"))
    assert "no commit holds" in keep_references(project)["01_good"]


# What a chapter leaves beside its page: a projector, its log directory, other data, weights with their card.
LEAVES = """
import json, pathlib
from course_utils import results

for folder in ("projector", "logdir", "others", "weights"):
    pathlib.Path("01_rich", folder).mkdir(parents=True)
pathlib.Path("01_rich/projector/index.html").write_text("vz-projector " * 1000)
pathlib.Path("01_rich/projector/projector_binary.js").write_text("program")
pathlib.Path("01_rich/logdir/projector_config.pbtxt").write_text("embeddings {}")
pathlib.Path("01_rich/logdir/test_vectors.tsv").write_text("1\t2")
pathlib.Path("01_rich/others/kernels.js").write_text("data = [1]")
pathlib.Path("01_rich/weights/net.npz").write_bytes(b"weights")
card = {
    "network": "net", "chapter": "01_rich", "n_parameters": 1234, "sha256": "ab" * 32, "recipe": "Adam, 2 epochs",
    "seed": 0, "seconds": 3.0, "accuracy": 0.75, "low": 0.7, "high": 0.8, "n_test": 100, "failures": ["It errs."],
    "data": {"title": "Toy", "kind": "official", "licence": "CC0", "citation": ""},
}
pathlib.Path("01_rich/weights/net.json").write_text(json.dumps(card))
results.record("double", 2 * x)
results.record("size", 7, exact=True)
"""
PICTURE = """
import matplotlib.pyplot as plt
plt.plot([1, 2]);
"""
FINDING = "from course_utils import results\nresults.finding('X is one.', x == 1)"


def make_rich(make_project):
    project = make_project({"01_rich": ["x = 1", LEAVES, PICTURE, FINDING]}, {"01_rich": {"full": {"x": 2}}})
    git(project, "init", "--quiet")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "all")
    execute.run_jobs(project, plan.plan(project, "full"))
    assert keep_references(project) == {}
    return project


@pytest.fixture
def rich(once):
    """A chapter whose full run is kept."""
    return once(make_rich)


@pytest.fixture
def both(once):
    """The same, and the run of this build."""

    def make(make_project):
        project = make_rich(make_project)
        execute.run_jobs(project, plan.plan(project))

    return once(make)


def test_what_is_kept_of_a_run(rich):
    folder = rich.kept("01_rich")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "notebook.ipynb", "projector/index.html.gz", "others/kernels.js", "weights/net.npz", "weights/net.json",
        "weights/README.md",
    }  # fmt: skip
    record = json.loads(rich.reference("01_rich").read_text())
    assert record["files"] == {file: digest((folder / file).read_bytes()) for file in files}
    text = (folder / "notebook.ipynb").read_text()
    assert "papermill" not in text.replace("papermill.record", "")
    assert str(rich.root) not in text
    card = (folder / "weights" / "README.md").read_text()
    for fact in ("## net", "1,234 numbers", "Adam, 2 epochs; seed 0", "0.7500", "0.7000 to 0.8000", "CC0", "It errs."):
        assert fact in card
    # Kept again, it is the same to the byte.
    before = {file: (folder / file).read_bytes() for file in files}
    assert keep_references(rich) == {}
    assert before == {file: (folder / file).read_bytes() for file in files}


def test_pictures_are_kept_in_less(rich):
    def size(path):
        cells = nbformat.read(path, as_version=4)["cells"]
        return sum(
            len(output.get("data", {}).get("image/png", "")) for cell in cells for output in cell.get("outputs", [])
        )

    assert 0 < size(rich.kept("01_rich") / "notebook.ipynb") < size(rich.executed("full", "01_rich"))


def test_a_page_shows_the_kept_run_and_sets_this_one_beside_it(both):
    assert site.build_site(both)
    page = (both.html / "notebooks" / "01_rich.html").read_text()
    assert "Results of the full run" in page
    assert git(both, "rev-parse", "HEAD")[:8] in page
    assert "x=2" in page
    beside = both.html / "notebooks" / "01_rich"
    assert (beside / "projector" / "index.html").read_text().startswith("vz-projector")
    assert (beside / "projector" / "projector_binary.js").stat().st_size > 1_000_000
    assert (beside / "others" / "kernels.js").is_file()
    assert not (beside / "weights").exists()
    # The ledger holds both: the finding fell in the full run and holds in this one.
    ledger = (both.html / "book" / "ledger.html").read_text()
    assert "✘" in ledger
    assert "✔" in ledger


def test_pages_run_shows_this_run_under_its_banner(both):
    assert site.stage(both, pages="run")["01_rich"].edition == "run"
    text = (both.stage / "notebooks" / "01_rich.ipynb").read_text()
    assert "Small data, few epochs: not findings" in text
    assert "Results of the full run" not in text
    with pytest.raises(CourseError, match="pages is 'both'"):
        site.stage(both, pages="both")


def test_a_build_for_reading_needs_no_run_and_ignores_those_there_are(rich):
    assert site.stage(rich)["01_rich"].edition == "reference"
    execute.run_jobs(rich, plan.plan(rich))
    page = site.stage(rich, runs=False)["01_rich"]
    assert (page.edition, page.run) == ("reference", None)


def change(project, old, new):
    path = project.notebook("01_rich")
    path.write_text(path.read_text().replace(old, new))


def damage(project, file, content=None):
    path = project.book / "reference" / file
    path.write_bytes(content) if content is not None else path.unlink()


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda project: change(project, "2 * x", "3 * x"), "the chapter has changed since: code cell 1 changed"),
        (lambda project: damage(project, "01_rich.json", b"{}"), "01_rich.json is damaged"),
        (lambda project: damage(project, "01_rich.json"), "no full run is kept"),
        (lambda project: damage(project, "01_rich/weights/net.npz"), "01_rich/weights/net.npz is missing"),
        (lambda project: damage(project, "01_rich/notebook.ipynb", b"{"), "01_rich/notebook.ipynb is damaged"),
        (lambda project: shutil.rmtree(project.kept("01_rich")), "01_rich/notebook.ipynb is missing"),
    ],
)
def test_a_page_falls_back_to_this_run_and_says_why(both, harm, problem):
    harm(both)
    page = site.stage(both)["01_rich"]
    assert page.edition == "run"
    assert page.problem.startswith(problem)
    assert problem in (both.stage / "notebooks" / "01_rich.ipynb").read_text()


def test_what_does_not_define_a_run_leaves_it_current(rich):
    """Prose, quick parameters, and cells of set-up, widgets and bookkeeping."""
    path = rich.notebook("01_rich")
    notebook = nbformat.read(path, as_version=4)
    notebook["cells"][0]["source"] += "\n\nMore words."
    notebook["cells"].insert(3, nbformat.v4.new_code_cell("1 + 1", metadata={"tags": ["bookkeeping"]}))
    notebook["cells"].insert(2, nbformat.v4.new_code_cell("2 + 2", metadata={"tags": ["widget"]}))
    nbformat.write(notebook, path)
    change(rich, "x = 1", "x = 9")
    assert read_reference(rich, "01_rich").problem == ""
    (rich.notebooks / "profiles.yml").write_text("01_rich: {full: {x: 3}}")
    assert read_reference(rich, "01_rich").problem == "the chapter has changed since: parameters changed: x 2 → 3"


def test_too_large_a_file_is_not_kept_and_nothing_is_lost(rich, monkeypatch):
    before = rich.reference("01_rich").read_bytes()
    monkeypatch.setattr(reference, "LARGEST_FILE", 1000)
    assert "at most 1,000 are kept" in keep_references(rich)["01_rich"]
    monkeypatch.setattr(reference, "LARGEST_FILE", 10**6)
    monkeypatch.setattr(reference, "LARGEST_WHOLE", 1000)
    assert "book/reference/ would have" in keep_references(rich)["01_rich"]
    assert rich.reference("01_rich").read_bytes() == before
    assert read_reference(rich, "01_rich").problem == ""
    assert [path.name for path in (rich.book / "reference").iterdir() if path.name.startswith(".")] == []


def test_checksums_of_weights_go_into_the_package(rich):
    package = rich.root / "course_utils"
    package.mkdir()
    (package / "weights.toml").write_text('address = "https://example.org"\n\n[sha256]\n"gone" = "1"\n')
    keep_references(rich)
    found = tomllib.loads((package / "weights.toml").read_text())
    assert found["address"] == "https://example.org"
    assert set(found["sha256"]) == {"01_rich/weights/net.npz", "01_rich/weights/net.json"}


def test_this_run_decides_again(both):
    page = site.stage(both)["01_rich"]
    found = pages.agreement(page.reference, page.run)
    assert found.findings == {"X is one.": False}
    assert found.numbers == {"size": True}
    assert "1 of 1 numbers" in found.sentence()
    assert "Decided otherwise: X is one." in found.sentence()
    assert other_numbers(page.reference, page.run) == []
    page.run["records"]["size"]["value"] = 8
    assert "is 8 in this run and 7 in the full run" in other_numbers(page.reference, page.run)[0]
