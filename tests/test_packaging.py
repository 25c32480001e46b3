"""What users install, import and read about must agree with itself."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import course_utils
from book_runner import execute, plan, reference
from book_runner.check import links

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(*extras):
    return [
        *PROJECT["dependencies"],
        *(line for extra in extras for line in PROJECT["optional-dependencies"][extra]),
    ]


def test_conda_users_get_the_same_list():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    assert sorted(pip) == sorted(set(requirements("course", "tensorflow", "book", "test")))
    assert f"python{PROJECT['requires-python']}" in conda


def test_the_lock_covers_every_requirement_with_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    locked = {line.split("==")[0] for line in lock.splitlines() if re.match(r"[a-z0-9_.-]+==", line)}
    for line in requirements("course", "tensorflow", "book", "cluster", "test"):
        name = re.match(r"[A-Za-z0-9_.-]+", line)[0].lower().replace("_", "-")
        assert name in locked, name
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock


@pytest.mark.parametrize(
    ("lock", "extras"),
    [("requirements.lock", ("course", "tensorflow", "book", "cluster", "test")), ("requirements-read.lock", ("book",))],
)
def test_a_lock_is_whole(lock, extras):
    """pip installs what it lists, and looks for nothing else."""
    text = (ROOT / lock).read_text()
    locked = {canonicalize_name(line.split("==")[0]) for line in text.splitlines() if re.match(r"[a-z0-9_.-]+==", line)}
    assert promised(*extras) - locked == set()
    assert "://" not in text
    assert "keras" in locked or lock == "requirements-read.lock"


def test_only_jupyter_book_has_an_upper_bound():
    everything = requirements(*PROJECT["optional-dependencies"])
    bounded = [line for line in everything if "<" in line.split(";")[0] or "==" in line.split(";")[0]]
    assert bounded == ["jupyter-book>=1.0.4.post1,<2"]


def test_every_dependency_says_what_it_saves():
    changelog = (ROOT / "CHANGELOG.md").read_text().lower()
    everything = requirements(*PROJECT["optional-dependencies"])
    for line in everything:
        name = re.match(r"[A-Za-z0-9_.-]+", line)[0].lower()
        assert re.sub(r"-cpu$", "", name) in changelog, name


def test_import_is_instant_and_loads_no_framework():
    code = (
        "import sys, time; t = time.perf_counter(); import course_utils; print(time.perf_counter() - t, *sys.modules)"
    )
    seconds, *modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(seconds) < 0.3
    assert not {"keras", "tensorflow", "numpy", "matplotlib"} & set(modules)


def promised(*extras):
    """Distributions that an installation with these extras brings, and what they need in turn."""
    found, new = set(), {(Requirement(line).name, "") for line in requirements(*extras)}
    while new:
        found |= new
        new = {pair for name, extra in new for pair in needs(name, extra)} - found
    return {canonicalize_name(name) for name, _ in found}


def needs(name, extra):
    """What one installed distribution requires: names, each with the extras asked for ("" for none)."""
    with contextlib.suppress(metadata.PackageNotFoundError):
        for need in map(Requirement, metadata.requires(name) or []):
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                yield from ((need.name, each) for each in ("", *need.extras))


def not_promised(*extras):
    """Modules that are installed here, and need not be in an environment with these extras."""
    kept = promised(*extras) | {canonicalize_name(PROJECT["name"])}
    return [
        module
        for module, homes in metadata.packages_distributions().items()
        if not kept & set(map(canonicalize_name, homes))
    ]


IMPORT_ALL = """
import importlib, importlib.abc, json, sys

refused, names = json.loads(sys.argv[1])
asked = set()

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        asked.add(name)
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not promised", name=name)

sys.meta_path.insert(0, Refuse())
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed[name] = str(error)
print(json.dumps([failed, sorted(asked)]))
"""


NEED_KERAS = {"course_utils.models", "course_utils.training"}
# The sweeps' tables and figures; whoever only reads the book makes none.
NEED_PANDAS = {"book_runner.sweep"}
RUNNER = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in (ROOT / "book_runner").rglob("[!_]*.py")}
BY_EXTRAS = {
    (): {f"course_utils.{name}" for name in course_utils.__all__} - NEED_KERAS,
    ("book",): RUNNER - NEED_PANDAS,
    ("course", "book"): NEED_PANDAS,
    ("course", "tensorflow"): NEED_KERAS,
}


@pytest.mark.parametrize("extras", BY_EXTRAS, ids=lambda extras: "-".join(extras) or "core")
def test_modules_import_with_what_their_extras_promise(extras):
    """As in an environment that holds nothing else: the import of anything more is refused."""
    refused = not_promised(*extras)
    heavy = () if "course" in extras else ("keras", "pandas", "cv2", "matplotlib", "tensorflow", "pooch")
    assert {"pytest", "distributed", *heavy} <= set(refused)
    command = [sys.executable, "-c", IMPORT_ALL, json.dumps([refused, sorted(BY_EXTRAS[extras])])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    failed, asked = json.loads(done.stdout)
    assert failed == {}
    # Only those who build a model wait for Keras.
    assert ("keras" in asked) == ("tensorflow" in extras)


# Python imports it as it starts, and so does every Python that is started from there.
WITHOUT = """
import importlib.machinery, json, os, sys

refused = json.loads(os.environ["REFUSED"])

class Without(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in refused else super().find_spec(name, path, target)

finders = importlib.machinery.PathFinder
sys.meta_path[:] = [Without if finder is finders else finder for finder in sys.meta_path]
"""


SHOWS_POINTS = """
import numpy as np
from course_utils import projector
points = projector.Embedding("e", np.eye(3))
projector.page_frame(projector.write_page("01_one/projector", points, title="Three points"))
"""


@pytest.mark.slow
def test_the_book_is_read_with_what_its_extra_promises(make_project, with_own_pages, tmp_path):
    """Nothing that reads data, draws, or trains is installed, and yet the pages say the same."""
    project = with_own_pages(make_project({"01_one": ["n = 2", SHOWS_POINTS]}))
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    for words in (["init"], ["add", "."], [*identity, "commit", "-m", "all"]):
        subprocess.run(["git", *words], cwd=project.root, capture_output=True, check=True)
    execute.run_jobs(project, plan.plan(project, "full"))
    assert reference.keep_references(project) == {}
    shutil.rmtree(project.build)
    everywhere = {**os.environ, "COURSE_DATA_DIR": "", "COURSE_CACHE_DIR": ""}
    pages = {}
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    for refused in ([], not_promised("book")):
        environment = {**everywhere, "PYTHONPATH": path, "REFUSED": json.dumps(refused)}
        shutil.rmtree(project.build, ignore_errors=True)
        command = [sys.executable, "-m", "book_runner.cli", "read"]
        done = subprocess.run(command, cwd=project.root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "(rendered in" in done.stdout
        for page in (project.html / "book" / "api").glob("*.html"):
            pages.setdefault(page.name, []).append(re.search(r"<article.*?</article>", page.read_text(), re.S)[0])
    assert {"keras", "tensorflow", "cv2", "pandas", "pooch"} <= set(refused)
    assert len(pages) > 10
    assert [name for name, (whole, read) in pages.items() if whole != read] == []
    assert "OneCycle" in pages["training.html"][1]
    chapter = (project.html / "notebooks" / "01_one.html").read_text()
    assert "Results of the full run" in chapter
    assert "Three points" in chapter
    assert (project.html / "notebooks/01_one/projector/projector_binary.js").stat().st_size > 1_000_000
    assert links.check_links(project.html) == []
    assert "not at hand" in (project.html / "book" / "data_cards.html").read_text()
    command = [sys.executable, "-c", "import keras"]
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 1


def test_an_unknown_submodule_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = course_utils.nothing


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == course_utils.__version__
    assert f"## {course_utils.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_make_targets_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text()
    for names in re.findall(r"^make ([a-z]+)|`make ([a-z]+)`", (ROOT / "README.md").read_text(), re.M):
        target = "".join(names)
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_looking_at_a_site_makes_do_with_the_small_environment(tmp_path):
    for name in ("Makefile", "pyproject.toml", "requirements.lock", "requirements-read.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())

    def commands(target):
        # `make test` would tell this make to name its folder.
        alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
        command = ["make", "-n", target]
        done = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    for target in ("read", "serve", "check"):
        told = commands(target)
        assert told[-1] == f".venv-read/bin/course {target}"
        assert any(line.endswith(" --no-compile -r requirements-read.lock") for line in told)
        assert not any(" -r requirements.lock" in line for line in told)
    assert commands("site-zip")[-2:] == [".venv-read/bin/course read", ".venv-read/bin/course site-zip"]
    # Where the other one is there, it will do.
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".installed").touch()
    assert commands("serve") == [".venv/bin/course serve"]
    assert commands("read")[-1] == ".venv-read/bin/course read"
