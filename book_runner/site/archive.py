"""Archive: a rendered site in, one zip file out, to be carried to where there is no network."""

import zipfile

from book_runner.project import read_json
from course_utils.errors import RunnerError

__all__ = ["zip_site"]

_NAME = "deep-vision-measured"
# The first date that a zip file can hold: the file shall not depend on when it was made.
_DATE = (1980, 1, 1, 0, 0, 0)
_READ_ME = """\
Deep Vision, Measured
=====================

This is the whole book. Unpack it, then open index.html in a browser: double-click it.
It needs no network, no server and no installation, only JavaScript.

What each chapter shows:

{chapters}

Text and figures: CC BY 4.0. Code: MIT License. Images of the data sets: as their cards in the book say.
"""


def zip_site(project):
    """Pack the rendered site, with a ``README.txt`` that says how to open it and which runs it shows.

    The same site makes the same file, byte by byte: ``_build/deep-vision-measured.zip``, which unpacks to one folder.
    """
    if not (project.html / "index.html").is_file():
        raise RunnerError(f"{project.html.relative_to(project.root)}/ holds no site; `make read` builds one")
    files = {path.relative_to(project.html).as_posix(): path for path in project.html.rglob("*") if path.is_file()}
    target = project.build / f"{_NAME}.zip"
    draft = target.with_suffix(".draft")
    try:
        with zipfile.ZipFile(draft, "w") as archive:
            _add(archive, "README.txt", _read_me(project).encode())
            # What begins with a dot is what Sphinx keeps for its next build.
            for name in sorted(name for name in files if not name.startswith(".")):
                _add(archive, name, files[name].read_bytes())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target


def _add(archive, name, content):
    entry = zipfile.ZipInfo(f"{_NAME}/{name}", _DATE)
    # As on Unix, wherever it was made.
    entry.create_system, entry.external_attr = 3, 0o644 << 16
    archive.writestr(entry, content, zipfile.ZIP_DEFLATED, 9)


def _read_me(project):
    lines = [f"  {name}: {_run(read_json(project.stage / 'records' / f'{name}.json'))}" for name in project.names]
    return _READ_ME.format(chapters="\n".join(lines))


def _run(noted):
    """Say which run a page shows, from what staging noted of it."""
    record = noted and noted["record"]
    if not record:
        return "no results"
    # A run of files that no commit held has none.
    commit = f", commit {record['commit']}" if record.get("commit") else ""
    return f"{record['profile']} run of {record['started'][:10]}{commit}"
