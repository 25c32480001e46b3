"""Every notebook as Colab runs it: in an empty folder, where everything is installed but the book's package.

The chapter of the README's command runs to its end, by that command. The others run as far as their data, one after
the other in one kernel, whose start takes longer than that. With COURSE_COLAB=whole in the environment all of them
run to their ends.
"""

import json
import os
import re
import shlex
import site
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import nbformat
import pytest

from book_runner import plan
from book_runner.project import Project

pytestmark = pytest.mark.slow

PROJECT = Project(Path(__file__).parents[2])
NAMES = sorted(path.stem for path in PROJECT.notebooks.glob("*.ipynb"))
# As little work as a chapter can do. What it says of it is another matter.
SMALL = {
    # The spread over seeds needs two.
    "n_seeds": 2,
    "epochs": 1,
    "train_limit": 400,
    "test_limit": 200,
    "data_source": "synthetic",
    "image_size": 64,
    "largest_image": 64,
    "largest_kernel": 7,
    "repeats": 1,
}
PIP = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    backend = tomllib.loads((PROJECT.root / "pyproject.toml").read_text())["build-system"]["build-backend"]
    build = f"import {backend} as backend; print(backend.build_wheel({str(folder)!r}))"
    name = subprocess.run([sys.executable, "-c", build], cwd=PROJECT.root, capture_output=True, text=True, check=True)
    return folder / name.stdout.split()[-1]


def environment_like_colabs(folder):
    """The libraries, `google.colab`, and no `course_utils`; give its Python."""
    environment, libraries = folder / "environment", folder / "libraries"
    venv.create(environment, symlinks=True)
    libraries.mkdir()
    for packages in map(Path, site.getsitepackages()):
        for path in packages.iterdir():
            if "course_utils" not in path.name and "course-utils" not in path.name:
                (libraries / path.name).symlink_to(path)
    stub = folder / "stub" / "google" / "colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text('"""Stands in for the module that only Colab has."""\n')
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "layers.pth").write_text(f"{libraries}\n{stub.parents[1]}\n")
    return environment / "bin" / "python"


@pytest.fixture
def colab(tmp_path):
    return environment_like_colabs(tmp_path)


def variables(**more):
    """This environment's variables, without what would lead to the book's folder."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "PYTHON"))}
    return own | {"TF_CPP_MIN_LOG_LEVEL": "3"} | more


def python(colab, code, folder, *, check=True):
    command = [colab, "-c", code]
    return subprocess.run(command, cwd=folder, env=variables(), capture_output=True, text=True, check=check)


def report_of_pip(folder):
    """Where pip leaves what the set-up cell made it install."""
    return folder.with_name(f"{folder.name}-pip.json")


def papermill(colab, wheel, folder, *arguments):
    """Run a notebook in an empty folder, with the wheel for what the set-up cell installs; give what it said."""
    folder.mkdir()
    environment = variables(COURSE_PACKAGE=str(wheel), PIP_REPORT=str(report_of_pip(folder)), **PIP)
    command = [colab, "-m", "papermill", *arguments, "--kernel", "python3", "--no-progress-bar"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    found = python(colab, "import course_utils; print(course_utils.__file__)", folder, check=False).stdout
    assert found.startswith(str(colab.parents[1])), done.stderr[-3000:]
    return done


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4)["cells"] if cell["cell_type"] == "code"]


def test_the_environment_lacks_the_package(colab, tmp_path):
    code = "import importlib.util as u, google.colab, keras; print(u.find_spec('course_utils'))"
    assert python(colab, code, tmp_path).stdout.strip() == "None"


def test_the_readmes_command_works_from_any_folder_and_installs_the_package(colab, wheel, tmp_path):
    readme = (PROJECT.root / "README.md").read_text()
    (command,) = re.findall(r"^ *papermill (.*)$", readme, re.MULTILINE)
    notebook, output, *options = shlex.split(command)
    options += ["-p", "data_source", "synthetic", "-p", "n_seeds", "1"]
    done = papermill(colab, wheel, tmp_path / "content", PROJECT.root / notebook, output, *options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(cell["execution_count"] for cell in code_cells(tmp_path / "content" / output))
    # The set-up cell asked for the extra that brings what the chapters call.
    installed = json.loads(report_of_pip(tmp_path / "content").read_text())["install"]
    assert [(each["metadata"]["name"], each.get("requested_extras")) for each in installed] == [
        ("course-utils", ["course"])
    ]
    assert (tmp_path / "content" / Path(notebook).stem / "projector" / "index.html").is_file()


@pytest.fixture(scope="module")
def ran(wheel, tmp_path_factory):
    """All chapters in one kernel, each in its own folder and with no name of the one before; cells by chapter."""
    folder = tmp_path_factory.mktemp("colab")
    together = nbformat.v4.new_notebook()
    for name in NAMES:
        cells = code_cells(PROJECT.notebook(name))
        if os.environ.get("COURSE_COLAB") != "whole":
            loads = [i for i, cell in enumerate(cells) if "results.provenance(" in cell["source"]]
            # The chapter on convolutions loads no data.
            del cells[min(loads or [6]) + 1 :]
        declared = plan.declared_parameters(PROJECT.notebook(name))
        small = "\n".join(f"{key} = {SMALL.get(key, value)!r}" for key, value in declared.items())
        (after,) = [i for i, cell in enumerate(cells, 1) if "parameters" in cell["metadata"].get("tags", [])]
        (folder / name).mkdir()
        first = f"%reset -f\n%cd -q {folder / name}"
        cells = [nbformat.v4.new_code_cell(first), *cells[:after], nbformat.v4.new_code_cell(small), *cells[after:]]
        # A chapter that fails does not keep those after it from running.
        for cell in cells:
            cell["metadata"] = {"chapter": name, "tags": ["raises-exception"]}
        together["cells"] += cells
    nbformat.write(together, folder / "together.ipynb")
    papermill(environment_like_colabs(folder), wheel, folder / "content", folder / "together.ipynb", "out.ipynb")
    done = code_cells(folder / "content" / "out.ipynb")
    return {name: [cell for cell in done if cell["metadata"].get("chapter") == name] for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_with_the_installed_package(ran, name):
    errors = [out["traceback"] for cell in ran[name] for out in cell["outputs"] if out["output_type"] == "error"]
    assert errors == []
    assert len(ran[name]) >= 5
    assert all(cell["execution_count"] for cell in ran[name])


def test_without_an_address_the_set_up_cell_says_what_to_do(colab, tmp_path):
    notebook = nbformat.read(PROJECT.notebook(NAMES[0]), as_version=4)
    (cell,) = [cell for cell in notebook["cells"] if "setup" in cell["metadata"].get("tags", [])]
    code = cell["source"].replace('repository = "', 'repository = "" and "')
    done = python(colab, code, tmp_path, check=False)
    assert done.returncode == 1
    assert "pip install" in done.stderr
