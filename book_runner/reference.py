"""The full run: its records become the reference results that the book compares each build with."""

import json
import subprocess

from book_runner import plan
from book_runner.project import read_record, record_validator, write_text
from course_utils.errors import RunnerError

__all__ = ["keep_references"]

# Of the runner: what decides on a notebook's cells, how they are run, and what is recorded of them.
_MAKE_RESULTS = ("notebooks", "course_utils", "requirements.lock", *(f"book_runner/{name}.py" for name in
                 ("answers", "execute", "kernel", "plan", "project", "worker")))  # fmt: skip


def keep_references(project, only=()):
    """Copy the records of the full profile to ``book/reference/``, with the commit that made them.

    Returned is, for each notebook that was *not* kept, why: it has not been run, it failed, or what it was made from
    has changed since. Its reference stays as it was.

    Raises
    ------
    RunnerError
        If notebooks, packages or lock differ from the commit, so that nobody could make the results again.
    """
    commit = _commit(project)
    left = {}
    for job in plan.plan(project, "full", only):
        reasons = plan.stale_reasons(project, job)
        if reasons:
            left[job.name] = "; ".join(reasons)
            continue
        record = read_record(project.record("full", job.name)) | {"commit": commit}
        record_validator().validate(record)
        write_text(project.reference(job.name), json.dumps(record, indent=1, sort_keys=True) + "\n")
    return left


def _commit(project):
    def git(*words):
        return subprocess.run(["git", *words], cwd=project.root, capture_output=True, text=True, check=False)

    head = git("rev-parse", "HEAD")
    if head.returncode:
        raise RunnerError(f"the commit that made the results is not known: {head.stderr.strip()}")
    changed = git("diff", "--name-only", "HEAD", "--", *_MAKE_RESULTS).stdout.split()
    if changed:
        raise RunnerError(f"{', '.join(changed)}: not committed; results that are kept need a commit that makes them")
    return head.stdout.strip()
