"""The commands and the code that the README shows are run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language):
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", README, re.M | re.S)
    return [re.sub(rf"^{indent}", "", text, flags=re.M) for indent, text in found]


@pytest.mark.filterwarnings("ignore::course_utils.errors.SyntheticDataWarning")
def test_the_package_example_runs():
    (example,) = blocks("python")
    names = {}
    exec(example, names)
    assert names["report"].accuracy > 0.6


@pytest.mark.slow
def test_the_papermill_command_works_from_any_folder(tmp_path):
    (command,) = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("papermill ")]
    _, notebook, output, *options = shlex.split(command)
    papermill = Path(sys.executable).with_name("papermill")
    run = [papermill, ROOT / notebook, output, *options, "-p", "data_source", "synthetic", "-p", "n_seeds", "1"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = nbformat.read(tmp_path / output, as_version=4)["cells"]
    ran = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in ran)
    assert (tmp_path / "02_fashion_mlp" / "projector" / "index.html").is_file()


def test_the_course_commands_exist():
    from book_runner.cli import main

    for block in blocks("bash"):
        for line in block.splitlines():
            if line.startswith("course "):
                command = main
                for word in line.split()[1:]:
                    command = command.commands[word]
