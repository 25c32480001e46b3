"""The workflows do what the Makefile does, and nothing of their own."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# What no make target can do: room on the runner's disk, and an issue on GitHub.
OF_THE_RUNNER = {"Make room for the image", "Say so"}


def jobs():
    for path in WORKFLOWS:
        # YAML takes the key `on` for a truth value.
        for name, job in yaml.safe_load(path.read_text())["jobs"].items():
            yield pytest.param(path, job, id=f"{path.stem}-{name}")


@pytest.mark.parametrize(("path", "job"), list(jobs()))
def test_every_step_calls_a_target_that_exists(path, job):
    assert job.get("timeout-minutes", 360) <= 360
    for step in job["steps"]:
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w/-]+@v\d+", step["uses"])
        elif step.get("name") not in OF_THE_RUNNER:
            target = re.match(r"make (?:--silent )?([a-z]+)\b", step["run"])
            assert target, step["run"]
            assert re.search(rf"^{target[1]}:", MAKEFILE, re.M), target[1]
            assert target[1] in re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_do_no_more_than_they_need(path):
    workflow = yaml.safe_load(path.read_text())
    writes = {name for name, right in workflow["permissions"].items() if right == "write"}
    assert writes == ({"issues"} if path.stem == "colab" else set())
    # A title of a pull request within a command would be run as one.
    assert not re.search(r"run:.*\$\{\{ *github\.(event|head_ref)", path.read_text())


def test_the_oldest_python_is_the_same_everywhere():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    oldest = re.fullmatch(r">=(3\.\d+)", settings["project"]["requires-python"])[1]
    tested = {
        int(minor)
        for line in re.findall(r"python: .*", (ROOT / ".github" / "workflows" / "tests.yml").read_text())
        for minor in re.findall(r'"3\.(\d+)"', line)
    }
    assert f"3.{min(tested)}" == oldest
    assert tested == set(range(min(tested), max(tested) + 1))
    assert len(tested) >= 3
    assert f"--python-version {oldest} " in MAKEFILE
    assert f"sys.version_info >= ({oldest.replace('.', ', ')})" in MAKEFILE
    assert settings["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert f"Python {oldest} or newer" in (ROOT / "README.md").read_text()
