import json
import subprocess
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from book_runner import plan
from book_runner.project import digest, find_project
from course_utils.errors import RunnerError


def put_record(project, job, **changes):
    """What `execute` leaves behind, as far as planning reads it."""
    executed = project.executed(job.profile, job.name)
    executed.parent.mkdir(parents=True, exist_ok=True)
    executed.write_text("{}")
    record = {
        "records": {},
        **{kind: [] for kind in ("findings", "data", "cells")},
        "schema": 1,
        "name": job.name,
        "profile": job.profile,
        "state": "done",
        "error": None,
        "key": job.key,
        "parts": job.parts,
        "parameters": job.parameters,
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "peak_memory_bytes": None,
        "executed_sha256": digest(executed.read_bytes()),
        "environment": {"python": "3", "platform": "x", "machine": "x", "cores": 1, "backend": "x", "versions": {}},
        **changes,
    }
    path = project.record(job.profile, job.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def test_a_job_carries_defaults_and_what_the_profile_sets(make_project):
    project = make_project({"01_one": ["n = 1\nname = 'a'", "n"]}, {"01_one": {"full": {"n": 5}}})
    (quick,) = plan.plan(project, "quick")
    (full,) = plan.plan(project, "full")
    assert quick.parameters == {"n": 1, "name": "a"}
    assert (full.parameters, full.injected) == ({"n": 5, "name": "a"}, {"n": 5})
    assert quick.key != full.key


def test_only_takes_beginnings_of_names(make_project):
    project = make_project({"01_one": ["n = 1"], "02_two": ["n = 1"]})
    assert [job.name for job in plan.plan(project, only=["02"])] == ["02_two"]
    with pytest.raises(RunnerError, match="meant by '0': it fits 01_one, 02_two"):
        plan.plan(project, only=["0"])
    with pytest.raises(RunnerError, match="there is none; legal names are 01_one, 02_two"):
        plan.plan(project, only=["03"])


@pytest.mark.parametrize(
    ("profiles", "message"),
    [
        (
            {"01_one": {"quick": {"epoch": 3}}},
            "01_one.ipynb has no parameter 'epoch'; its parameters are n, share",
        ),
        ({"01_one": {"quick": {"n": "3"}}}, "parameter n is '3'; it must be of type int"),
        ({"01_one": {"quick": {"n": True}}}, "parameter n is True; it must be of type int"),
        ({"01_one": {"fast": {}}}, r"\['fast'\]; legal keys are data, full, quick, time_limit"),
        ({"01_one": {}, "09_gone": {}}, "names 09_gone; there is no such notebook"),
        ({}, "lacks an entry for 01_one"),
        (["01_one"], "holds a list; it must map notebook names"),
    ],
)
def test_wrong_profiles_are_found_before_anything_runs(make_project, profiles, message):
    project = make_project({"01_one": ["n = 1\nshare = 0.5"]}, profiles)
    with pytest.raises(RunnerError, match=message):
        plan.plan(project)


def test_a_whole_number_is_a_legal_float(make_project):
    project = make_project({"01_one": ["share = 0.5"]}, {"01_one": {"quick": {"share": 1}}})
    assert plan.plan(project)[0].parameters == {"share": 1}


def test_a_profile_file_that_is_no_yaml(make_project):
    project = make_project({"01_one": ["n = 1"]})
    (project.notebooks / "profiles.yml").write_text("01_one: [")
    with pytest.raises(RunnerError, match=r"profiles\.yml is not valid YAML"):
        plan.plan(project)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("n = 1 + x", "parameter n is not a plain value"),
        ("import os", "may hold only lines such as 'epochs = 5'"),
        ("n = ", "line 1 is not valid Python"),
    ],
)
def test_a_parameters_cell_holds_only_literals(make_project, cell, message):
    with pytest.raises(RunnerError, match=message):
        plan.plan(make_project({"01_one": [cell]}))


def test_a_missing_parameters_tag_is_an_error(make_project):
    project = make_project({"01_one": ["n = 1"]}, tag="parameter")
    with pytest.raises(RunnerError, match=r"01_one\.ipynb: 0 cells are tagged 'parameters'; exactly one must be"):
        plan.plan(project)


def test_a_notebook_that_is_no_json(make_project):
    project = make_project({"01_one": ["n = 1"]})
    project.notebook("01_one").write_text("{")
    with pytest.raises(RunnerError, match=r"01_one\.ipynb is not a valid notebook"):
        plan.plan(project)


def test_reasons_name_what_changed(make_project):
    project = make_project({"01_one": ["n = 1", "n + 1"]})
    (job,) = plan.plan(project)
    assert plan.stale_reasons(project, job) == ["never run"]
    put_record(project, job)
    assert plan.stale_reasons(project, job) == []

    make_project({"01_one": ["n = 1", "n + 2"]})
    assert plan.stale_reasons(project, plan.plan(project)[0]) == ["code changed"]

    make_project({"01_one": ["n = 1", "n + 1"]}, {"01_one": {"quick": {"n": 3}}})
    assert plan.stale_reasons(project, plan.plan(project)[0]) == ["parameters changed: n 1 → 3"]


def test_prose_and_outputs_are_no_reason(make_project):
    project = make_project({"01_one": ["n = 1", "n + 1"]})
    (job,) = plan.plan(project)
    put_record(project, job)
    path = project.notebook("01_one")
    notebook = json.loads(path.read_text())
    notebook["cells"].insert(0, {"cell_type": "markdown", "id": "new", "metadata": {}, "source": ["# New prose"]})
    path.write_text(json.dumps(notebook))
    assert plan.stale_reasons(project, plan.plan(project)[0]) == []


def test_other_reasons(make_project, monkeypatch):
    project = make_project({"01_one": ["n = 1"]})
    (job,) = plan.plan(project)
    put_record(project, job, state="failed")
    assert plan.stale_reasons(project, job) == ["the last run failed"]
    put_record(project, job)
    project.executed("quick", "01_one").write_text("{ }")
    assert plan.stale_reasons(project, job) == ["the executed notebook is missing or was changed"]
    put_record(project, job)
    project.record("quick", "01_one").write_text("{ half a rec")
    assert plan.stale_reasons(project, job) == ["its record is damaged"]
    put_record(project, job)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert plan.stale_reasons(project, plan.plan(project)[0]) == ["Keras backend changed: tensorflow → jax"]


def test_a_changed_helper_is_a_reason_only_where_it_can_be_reached(make_project):
    project = make_project({"01_one": ["n = 1", "from course_utils import results"], "02_two": ["n = 1"]})
    one, two = plan.plan(project)
    assert "course_utils.results" in one.parts["modules"]
    assert two.parts["modules"] == {}
    changed = {**one.parts, "modules": {**one.parts["modules"], "course_utils.results": "other"}}
    put_record(project, one, parts=changed)
    assert plan.stale_reasons(project, one) == ["course_utils/results.py changed"]


def test_a_file_beside_a_module_that_bears_its_name_belongs_to_it(make_project, monkeypatch, tmp_path):
    project = make_project({"01_one": ["n = 1", "from course_utils import projector"]})
    module, page = tmp_path / "projector.py", tmp_path / "projector.html"
    find = plan._module_file
    monkeypatch.setattr(plan, "_module_file", lambda name: module if name.endswith(".projector") else find(name))
    module.write_text("n = 1")
    page.write_text("before")
    (before,) = plan.plan(project)
    page.write_text("after")
    (after,) = plan.plan(project)
    states = [job.parts["modules"]["course_utils.projector"] for job in (before, after)]
    assert states[0] != states[1]
    assert before.key != after.key


def test_reach_follows_imports_into_functions_and_packages():
    found = plan.reachable_modules(["%matplotlib inline\nfrom course_utils.datasets import load"])
    package = {f"course_utils.datasets.{path.stem}" for path in Path(plan.datasets.__file__).parent.glob("[!_]*.py")}
    assert {*package, "course_utils.datasets", "course_utils", "course_utils.errors"} <= set(found)
    assert all(plan._module_file(name) == path for name, path in found.items())
    assert "course_utils.exercises" not in found
    assert "course_utils.exercises" in plan.reachable_modules(["import course_utils"])
    assert plan.reachable_modules(["import numpy", "this is no python", "import book_runner.cli"]) == {}


def test_a_data_set_that_changes_is_a_reason(make_project, monkeypatch):
    project = make_project({"01_one": ["data_dir = ''"]}, {"01_one": {"data": ["fashion_mnist"]}})
    monkeypatch.setattr(plan.datasets, "fingerprint", lambda name, **options: "sha256:old")
    (job,) = plan.plan(project)
    put_record(project, job)
    monkeypatch.setattr(plan.datasets, "fingerprint", lambda name, **options: "sha256:new")
    assert plan.stale_reasons(project, plan.plan(project)[0]) == ["data changed: fashion_mnist"]


def test_a_folder_outside_any_book(tmp_path):
    with pytest.raises(RunnerError, match="is in no book"):
        find_project(tmp_path)


def test_ten_thousand_points_are_planned_in_seconds_and_little_memory(make_project):
    """The targets are 5 s and 500 MB; the test leaves room for a busy machine, the benchmark measures."""
    project = make_project({"01_one": ["n = 1\nrate = 0.5\nseed = 0", "from course_utils import evaluation"]})
    wanted = [{"n": i // 1000, "rate": i // 10 % 100 / 100, "seed": i % 10} for i in range(10_000)]
    before, start = psutil.Process().memory_info().rss, time.process_time()
    jobs = plan.points(project, "01", wanted)
    reasons = [plan.stale_reasons(project, job) for job in jobs]
    keys = {job.key for job in jobs}
    seconds, memory = time.process_time() - start, psutil.Process().memory_info().rss - before
    assert len(keys) == len({job.place for job in jobs}) == 10_000
    assert reasons == [["never run"]] * 10_000
    assert seconds < 15
    assert memory < 500e6


def test_data_that_a_run_fetched_belong_to_it(make_project, monkeypatch):
    """The first run of a machine with a network fetches; what it noted must stand when nothing else changes."""
    project = make_project({"01_one": ["n = 1"]}, {"01_one": {"data": ["mnist", "svhn"]}})
    monkeypatch.setattr(plan.datasets, "fingerprint", lambda name, **options: "procedural:1")
    (job,) = plan.plan(project)
    monkeypatch.setattr(plan.datasets, "fingerprint", lambda name, **options: "sha256:new")
    loaded = [{"name": "mnist", "kind": "official"}, {"name": "svhn", "kind": "procedural"}]
    assert plan.parts_after_run(job, loaded)["data"] == {"mnist": "sha256:new", "svhn": "procedural:1"}


@pytest.fixture
def repository(make_project):
    """A book under Git, with an empty file for each module that its notebooks use."""
    project = make_project({"01_one": ["n = 2"], "02_two": ["n = 2", "from course_utils import datasets"]})
    for name in ("course_utils/errors.py", "course_utils/datasets/__init__.py", "book_runner/cli.py"):
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text("")
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    return project


def git(project, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=project.root, check=True, capture_output=True)


def commit(project):
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "a change")


def test_sources_and_modules_touch_pages(repository):
    assert plan.changed_pages(repository, "HEAD") == {}
    (repository.book / "intro.md").write_text("# Anew\n")
    (repository.root / "course_utils" / "cli.py").write_text("new = 1\n")
    commit(repository)
    assert plan.changed_pages(repository, "HEAD~1") == {"book/intro.html": "its source"}
    (repository.root / "course_utils" / "datasets" / "__init__.py").write_text("new = 1\n")
    commit(repository)
    found = {"notebooks/02_two.html": "course_utils.datasets"}
    assert plan.changed_pages(repository, "HEAD~1") == found
    assert plan.changed_pages(repository, "HEAD~2") == {"book/intro.html": "its source", **found}
    notebook = nbformat.read(repository.notebook("02_two"), as_version=4)
    notebook["cells"][0]["source"] = "# Another"
    nbformat.write(notebook, repository.notebook("02_two"))
    commit(repository)
    assert plan.changed_pages(repository, "HEAD~2") == {"notebooks/02_two.html": "its source"}


def test_only_the_own_branch_counts(repository):
    git(repository, "switch", "--quiet", "--create", "mine")
    git(repository, "switch", "--quiet", "main")
    (repository.book / "intro.md").write_text("# Of others\n")
    commit(repository)
    git(repository, "switch", "--quiet", "mine")
    assert plan.changed_pages(repository, "main") == {}


@pytest.mark.parametrize("since", ["nowhere", "--output=stolen"])
def test_unknown_commits(repository, since):
    with pytest.raises(RunnerError, match=f"since is '{since}'; it must be a commit: "):
        plan.changed_pages(repository, since)
    assert sorted(path.name for path in repository.root.iterdir() if "stolen" in path.name) == []


def test_the_command_lists_changed_pages(repository, course):
    assert course(repository.root, "changed", "--since", "HEAD").output == "No page has changed.\n"
    (repository.book / "intro.md").write_text("# Anew\n")
    commit(repository)
    assert course(repository.root, "changed", "--since", "HEAD~1").output == "- `book/intro.html`: its source\n"
