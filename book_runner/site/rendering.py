"""Rendering: the staged tree in, a static site out."""

import json
import os
import shutil
import subprocess
import sys

from book_runner.project import digest, read_json, write_text
from book_runner.reference import lay_out
from book_runner.site.downloads import offer_downloads
from book_runner.site.lightening import lighten_site
from book_runner.site.staging import stage
from book_runner.widgets import FOLDER
from course_utils.errors import RunnerError

__all__ = ["build_site", "rendered_profile", "unshown_references"]


def build_site(project, profile="quick", *, pages="reference", runs=True):
    """Stage and render the site; return False if nothing had changed since last time.

    The arguments are those of :func:`stage`. If Jupyter Book warns, of a dead link, a missing number or a broken
    directive, that is a `RunnerError`.
    """
    shown = stage(project, profile, pages=pages, runs=runs)
    fingerprint = _fingerprint(project)
    noted = project.build / "site.json"
    if (read_json(noted) or {}).get("fingerprint") == fingerprint and (project.html / "index.html").is_file():
        return False
    noted.unlink(missing_ok=True)
    incomplete = any(page.record is None or page.record["state"] != "done" for page in shown.values())
    _render(project, strict=not incomplete)
    lighten_site(project.html)
    _copy_artefacts(project, profile, shown)
    _copy_records(project, shown)
    # They were printed from pages that are gone.
    shutil.rmtree(project.html / "pdf", ignore_errors=True)
    offer_downloads(project, {name: page.record for name, page in shown.items()})
    problems = {name: page.problem for name, page in shown.items() if page.problem}
    write_text(noted, json.dumps({"fingerprint": fingerprint, "profile": profile, "problems": problems}))
    return True


def rendered_profile(project):
    """Say which profile's results the rendered site shows; ``"quick"`` if no site was rendered to its end."""
    return (read_json(project.build / "site.json") or {}).get("profile", "quick")


def unshown_references(project):
    """Say for each chapter of the rendered site why it does not show its full run, where it was to show it."""
    return (read_json(project.build / "site.json") or {}).get("problems", {})


def _fingerprint(project):
    files = sorted(path for path in project.stage.rglob("*") if path.is_file())
    return digest([[path.relative_to(project.stage).as_posix(), digest(path.read_bytes())] for path in files])


def _render(project, *, strict):
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(project.stage)]
    # All pages, because each one holds the list of chapters, and because Sphinx warns of a page only when it reads it.
    command += ["--path-output", str(project.root), "--all", "-n", "--keep-going", "-q", *(["-W"] if strict else [])]
    environment = {**os.environ, "NO_COLOR": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run(
        command, cwd=project.root, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    told = (run.stdout + run.stderr).replace(f"{project.root}/", "")
    log = project.build / "logs" / "jupyter-book.log"
    write_text(log, told)
    if run.returncode != 0 or not (project.html / "index.html").is_file():
        warnings = [line for line in told.splitlines() if "WARNING" in line or "ERROR" in line]
        raise RunnerError(
            "jupyter-book could not build the site without warnings:\n"
            + "\n".join(warnings[:20] or told.splitlines()[-20:])
            + f"\nAll of it is in {log.relative_to(project.root)}"
        )


def _copy_artefacts(project, profile, shown):
    """Put beside each page what its run wrote for it, and nothing that no page shows; and what widgets share."""
    shutil.rmtree(project.html / "_static" / FOLDER, ignore_errors=True)
    if (programs := project.stage / FOLDER).is_dir():
        shutil.copytree(programs, project.html / "_static" / FOLDER)
    for name, page in shown.items():
        target = project.html / "notebooks" / name
        shutil.rmtree(target, ignore_errors=True)
        if page.edition == "reference":
            lay_out(project, name, target)
        elif page.record is not None and project.artefacts(profile, name).is_dir():
            shutil.copytree(project.artefacts(profile, name), target, ignore=shutil.ignore_patterns("weights"))
        if (data := project.stage / "notebooks" / name / FOLDER).is_dir():
            shutil.copytree(data, target / FOLDER)


def _copy_records(project, shown):
    """Put the records behind the pages beside them: `course verify` compares both, in any copy of the site."""
    target = project.html / "records"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(project.stage / "records", target)
    write_text(target / "index.json", json.dumps({"chapters": sorted(shown)}))
