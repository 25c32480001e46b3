"""What users install, import and read about must agree with itself."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import course_utils

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

FLOORS = {
    "errors": 0,
    **dict.fromkeys(["datasets", "images", "convolution"], 1),
    "architecture": 1.5,
    "training": 1.5,
    **dict.fromkeys(["models", "metric_learning", "augment", "retrieval", "evaluation"], 2),
    **dict.fromkeys(["reranking", "retrieval_dask"], 2),
    **dict.fromkeys(["plots", "projector", "results"], 3),
    "exercises": 3.5,
    **dict.fromkeys(["runner", "cli"], 4),
}


def requirements(*extras):
    return [
        *PROJECT["dependencies"],
        *(line for extra in extras for line in PROJECT["optional-dependencies"][extra]),
    ]


def test_conda_users_get_the_same_list():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    assert sorted(pip) == sorted(set(requirements("tensorflow", "book", "test")))
    assert f"python{PROJECT['requires-python']}" in conda


def test_the_lock_covers_every_requirement_with_hashes():
    lock = (ROOT / "requirements.lock").read_text()
    locked = {line.split("==")[0] for line in lock.splitlines() if re.match(r"[a-z0-9_.-]+==", line)}
    for line in requirements("tensorflow", "book", "cluster", "test"):
        name = re.match(r"[A-Za-z0-9_.-]+", line)[0].lower().replace("_", "-")
        assert name in locked, name
    entries = re.split(r"\n(?=[a-z0-9])", lock)
    assert len(entries) > 100
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock


def test_only_jupyter_book_has_an_upper_bound():
    everything = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
    bounded = [line for line in everything if "<" in line.split(";")[0] or "==" in line.split(";")[0]]
    assert bounded == ["jupyter-book>=1.0.4.post1,<2"]


def test_every_dependency_says_what_it_saves():
    changelog = (ROOT / "CHANGELOG.md").read_text().lower()
    everything = [
        *PROJECT["dependencies"],
        *(line for lines in PROJECT["optional-dependencies"].values() for line in lines),
    ]
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


@pytest.mark.parametrize("name", [name for name in course_utils.__all__ if name not in ("models", "training")])
def test_only_models_imports_keras(name):
    code = f"import sys, course_utils; course_utils.{name}; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_submodule_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = course_utils.nothing


def test_modules_import_only_from_floors_below():
    package = Path(course_utils.__file__).parent
    checked = 0
    for path in package.rglob("*.py"):
        own = path.relative_to(package).with_suffix("").parts[0]
        if own == "__init__":
            continue
        for imported in _package_imports(path):
            if imported != own:
                checked += 1
                assert FLOORS[imported] < FLOORS[own] or FLOORS[own] == 4, f"{path.name} imports {imported}"
    assert checked > 20


def _package_imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "course_utils":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils."):
            yield node.module.split(".")[1]


def test_nothing_calls_tensorflow_by_name_but_the_deterministic_switch():
    package = Path(course_utils.__file__).parent
    naming = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) tensorflow", path.read_text(), re.M)
    ]
    assert naming == ["training.py"]


def test_public_names_are_sorted_documented_and_have_examples():
    package = Path(course_utils.__file__).parent
    for path in package.glob("*.py"):
        tree = ast.parse(path.read_text())
        public = next(
            (
                ast.literal_eval(n.value)
                for n in tree.body
                if isinstance(n, ast.Assign) and n.targets[0].id == "__all__"
            ),
            [],
        )
        assert public == sorted(public), path.name
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in public and not node.decorator_list:
                assert ast.get_docstring(node), f"{path.name}: {node.name}"


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == course_utils.__version__
    assert f"## {course_utils.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_make_targets_that_the_readme_names_exist():
    makefile = (ROOT / "Makefile").read_text()
    for names in re.findall(r"^make ([a-z]+)|`make ([a-z]+)`", (ROOT / "README.md").read_text(), re.M):
        target = "".join(names)
        assert re.search(rf"^{target}:", makefile, re.M), target
