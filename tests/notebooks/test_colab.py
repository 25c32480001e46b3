"""Every notebook as Colab runs it: alone, in an empty folder, where everything is installed but the book's package.

One chapter runs to its end, the others as far as their data, which takes a minute or two. With COURSE_COLAB=whole in
the environment all of them run to their ends.
"""

import json
import os
import site
import subprocess
import sys
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
WHOLE = NAMES if os.environ.get("COURSE_COLAB") == "whole" else ["02_fashion_mlp"]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = f"import flit_core.buildapi; print(flit_core.buildapi.build_wheel({str(folder)!r}))"
    name = subprocess.run([sys.executable, "-c", build], cwd=PROJECT.root, capture_output=True, text=True, check=True)
    return folder / name.stdout.strip()


@pytest.fixture
def colab(tmp_path):
    """An environment like Colab's: the libraries, `google.colab`, and no `course_utils`; give its Python."""
    environment, libraries = tmp_path / "environment", tmp_path / "libraries"
    venv.create(environment, symlinks=True)
    libraries.mkdir()
    for folder in map(Path, site.getsitepackages()):
        for path in folder.iterdir():
            if "course_utils" not in path.name and "course-utils" not in path.name:
                (libraries / path.name).symlink_to(path)
    stub = tmp_path / "stub" / "google" / "colab"
    stub.mkdir(parents=True)
    (stub / "__init__.py").write_text('"""Stands in for the module that only Colab has."""\n')
    (own,) = environment.glob("lib/python*/site-packages")
    (own / "layers.pth").write_text(f"{libraries}\n{stub.parents[1]}\n")
    return environment / "bin" / "python"


def run(colab, name, folder, **environment):
    folder.mkdir()
    notebook = PROJECT.notebook(name)
    read = nbformat.read(notebook, as_version=4)
    if name not in WHOLE:
        loads = [i for i, cell in enumerate(read["cells"]) if "results.provenance(" in cell["source"]]
        # The chapter on convolutions loads no data.
        del read["cells"][min(loads or [12]) + 1 :]
    nbformat.write(read, folder / notebook.name)
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("COURSE_", "PYTHON"))}
    quiet = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [colab, "-m", "papermill", notebook.name, "out.ipynb", "--kernel", "python3", "--no-progress-bar"]
    for name, value in plan.declared_parameters(notebook).items():
        command += ["-y", json.dumps({name: SMALL.get(name, value)})]
    return subprocess.run(
        command, cwd=folder, env={**variables, **quiet, **environment}, capture_output=True, text=True, check=False
    )


def test_the_environment_lacks_the_package(colab, tmp_path):
    code = "import importlib.util as u, google.colab, keras; print(u.find_spec('course_utils'))"
    said = subprocess.run([colab, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "None"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_installs_the_package_and_runs(colab, wheel, tmp_path, name):
    done = run(colab, name, tmp_path / "content", COURSE_PACKAGE=str(wheel))
    assert done.returncode == 0, done.stderr[-3000:]
    where = [colab, "-c", "import course_utils; print(course_utils.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(tmp_path / "environment"))
    ran = nbformat.read(tmp_path / "content" / "out.ipynb", as_version=4)
    assert all(cell["execution_count"] for cell in ran["cells"] if cell["cell_type"] == "code")


def test_without_an_address_the_set_up_cell_says_what_to_do(colab, tmp_path):
    notebook = nbformat.read(PROJECT.notebook(NAMES[0]), as_version=4)
    (cell,) = [cell for cell in notebook["cells"] if "setup" in cell["metadata"].get("tags", [])]
    code = cell["source"].replace('repository = "', 'repository = "" and "')
    done = subprocess.run([colab, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install" in done.stderr
