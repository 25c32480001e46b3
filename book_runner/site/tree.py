"""Which pages a site has, and which ones its table of contents names."""

from pathlib import Path

import yaml

from course_utils.errors import RunnerError

__all__ = ["site_pages", "toc_pages"]


def site_pages(folder):
    """List the pages of a site; what the themes leave below ``_static`` are templates, not pages."""
    folder = Path(folder)
    return [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.relative_to(folder).parts]


def toc_pages(folder, toc):
    """List the pages of the table of contents, in its order; patterns stand for the pages that they fit."""
    try:
        names = list(_toc_files(yaml.safe_load(Path(toc).read_text(encoding="utf-8")), Path(folder)))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunnerError(f"toc is {str(toc)!r}, which cannot be read: {error}") from error
    if not names:
        raise RunnerError(f"toc is {str(toc)!r}, which names no page; it must be a book's _toc.yml")
    return [f"{name}.html" for name in dict.fromkeys(names)]


def _toc_files(entry, folder):
    """Walk a table of contents in Jupyter Book's format, and yield its pages without their endings."""
    if isinstance(entry, list):
        for item in entry:
            yield from _toc_files(item, folder)
    elif isinstance(entry, dict):
        # The root page comes first, wherever the file names it.
        for key, value in sorted(entry.items(), key=lambda item: item[0] != "root"):
            if key in ("root", "file"):
                yield str(Path(value).with_suffix("")) if Path(value).suffix in (".md", ".ipynb", ".rst") else value
            elif key == "glob":
                found = sorted(folder.glob(f"{value}.html"))
                yield from (path.relative_to(folder).with_suffix("").as_posix() for path in found)
            else:
                yield from _toc_files(value, folder)
