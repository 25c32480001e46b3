"""Changed: which pages of the book a change of its files can touch."""

import subprocess
from pathlib import PurePosixPath

import nbformat

from book_runner.plan import code_cells, reachable_modules
from course_utils.errors import RunnerError

__all__ = ["changed_pages"]


def changed_pages(project, since):
    """List the pages that may differ from those of an earlier commit.

    Parameters
    ----------
    project : Project
        The checkout, a Git repository.
    since : str
        A branch, tag or commit. Only what was changed after it went its own way counts.

    Returns
    -------
    dict of str to str
        For each page, relative to the site, what changed.

    Raises
    ------
    RunnerError
        If Git does not know the commit.
    """
    files = _changed_files(project, since)
    pages = {}
    for file in files:
        path = PurePosixPath(file)
        if path.parts[0] in ("book", "notebooks") and path.suffix in (".md", ".ipynb"):
            pages[str(path.with_suffix(".html"))] = "its source"
    for notebook in sorted(project.notebooks.glob("*.ipynb")):
        modules = reachable_modules(code_cells(nbformat.read(notebook, as_version=4)))
        touched = [name for name, path in sorted(modules.items()) if _in_repository(name, path) in files]
        if touched:
            pages.setdefault(f"notebooks/{notebook.stem}.html", ", ".join(touched))
    return pages


def _changed_files(project, since):
    # A name that begins with a hyphen would be taken for an option.
    command = ["git", "diff", "--name-only", "--end-of-options", f"{since}...HEAD"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RunnerError(f"changed: since is {since!r}; it must be a commit: {done.stderr.strip().splitlines()[0]}")
    return done.stdout.split("\n")[:-1]


def _in_repository(module, path):
    """Where a module lies below the repository's root, as Git names it."""
    depth = module.count(".") + 1 + (path.name == "__init__.py")
    return "/".join(path.parts[-depth:])
