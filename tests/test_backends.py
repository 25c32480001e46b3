"""The same chapter on another Keras backend."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from book_runner.project import Project, read_record

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
@pytest.mark.timeout(2000)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_chapter_02_runs_unchanged(tmp_path, backend):
    """The quick profile as it stands: with the real images if they are at hand, with drawn ones if not."""
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    project = Project(tmp_path / "book")
    project.notebooks.mkdir(parents=True)
    name = "02_fashion_mlp"
    shutil.copy(ROOT / "notebooks" / f"{name}.ipynb", project.notebooks)
    profiles = yaml.safe_load((ROOT / "notebooks" / "profiles.yml").read_text())
    # Other backends may be slower on a CPU; the parameters are those of the book.
    profile = profiles[name] | {"time_limit": {"quick": 1800}}
    (project.notebooks / "profiles.yml").write_text(yaml.safe_dump({name: profile}))
    (project.root / "_toc.yml").write_text("format: jb-book\n")
    result = subprocess.run(
        [sys.executable, "-m", "book_runner.cli", "run", "--jobs", "1"],
        cwd=project.root,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    record = read_record(project.record("quick", name))
    assert record["environment"]["backend"] == record["parts"]["Keras backend"] == backend
    assert backend in record["environment"]["versions"]
    # Chance is one in ten; the originals and TensorFlow reach .88 with all of the real images.
    assert record["records"]["test_accuracy"]["value"] > 0.75
