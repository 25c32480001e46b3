"""The commands and the code that the README and the practitioners' page show are run as they stand."""

import doctest
import re
import shlex
from pathlib import Path

import pytest

from book_runner import plan

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


def test_the_page_for_practitioners_runs():
    page = ROOT / "book" / "your_embeddings.md"
    options = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=options)
    assert failed == 0
    assert tried > 20


def test_the_papermill_command_sets_parameters_that_exist():
    """It is run in `tests/notebooks/test_colab.py`."""
    (command,) = [line for block in blocks("bash") for line in block.splitlines() if line.startswith("papermill ")]
    _, notebook, _, *options = shlex.split(command)
    assert options[::3] == ["-p"] * (len(options) // 3)
    assert set(options[1::3]) <= set(plan.declared_parameters(ROOT / notebook))


def test_the_course_commands_exist():
    from book_runner.cli import main

    for block in blocks("bash"):
        for line in block.splitlines():
            if line.startswith("course "):
                command = main
                for word in line.split()[1:]:
                    command = command.commands[word]
