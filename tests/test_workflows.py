"""The workflows do what the Makefile does, and nothing of their own."""

import re
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


def test_there_are_the_workflows_that_the_book_needs():
    assert [path.stem for path in WORKFLOWS] == ["book", "colab", "links", "publish", "tests"]
    triggers = {path.stem: yaml.safe_load(path.read_text())[True] for path in WORKFLOWS}
    assert "pull_request" in triggers["tests"]
    assert "pull_request" in triggers["book"]
    for name in ("colab", "links", "publish"):
        assert re.fullmatch(r"\d+ \d+ \* \* (\*|\d)", triggers[name]["schedule"][0]["cron"])


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


def test_pythons_from_the_oldest_that_the_package_takes():
    (versions,) = re.findall(r'python: (\["3.*\])', (ROOT / ".github" / "workflows" / "tests.yml").read_text())
    assert yaml.safe_load(versions) == ["3.11", "3.12", "3.13"]
    assert 'requires-python = ">=3.11"' in (ROOT / "pyproject.toml").read_text()
