"""Check: a rendered site in, a list of what is wrong with it out.

Nothing is fetched and no browser is needed; the pages are read as files. Each problem is one line that begins with the
page it is on, relative to the site's folder.
"""

import dataclasses
import html.parser
import re
import urllib.parse
from pathlib import Path

import yaml

from course_utils.errors import RunnerError

__all__ = [
    "check_external",
    "check_links",
    "check_outputs",
    "check_pages",
    "check_site",
    "check_weight",
    "site_pages",
    "toc_pages",
]

# The browser fetches what these attributes name, as it opens the page. An <a href> waits for a click.
_RESOURCES = {
    ("audio", "src"),
    ("embed", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("input", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("track", "src"),
    ("video", "poster"),
    ("video", "src"),
}
_WEIGHT_LIMIT = 3_000_000
_STYLE_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")
# These relations of a <link> say something about the page; all others make the browser fetch.
_SILENT_RELATIONS = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"}


def check_site(folder, toc):
    """Run every check of this module.

    Parameters
    ----------
    folder : str or path-like
        The rendered site, such as ``_build/html``.
    toc : str or path-like
        The book's ``_toc.yml``.

    Returns
    -------
    list of str
        One line a problem; empty if there is none.

    Raises
    ------
    RunnerError
        If `folder` holds no page, or `toc` cannot be read.
    """
    pages = _read_pages(folder)
    return [
        *check_pages(folder, toc),
        *_outputs(pages),
        *_links(Path(folder), pages),
        *_external(pages),
        *_external_styles(Path(folder)),
        *_heavy(Path(folder), pages, _WEIGHT_LIMIT),
    ]


def check_pages(folder, toc):
    """List the pages of the table of contents that the site lacks.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.
    toc : str or path-like
        The book's ``_toc.yml``.

    Returns
    -------
    list of str

    Raises
    ------
    RunnerError
        If `toc` cannot be read or names no page.
    """
    return [
        f"{page}: is in the table of contents, but not in the site"
        for page in ("index.html", *toc_pages(folder, toc))
        if not (Path(folder) / page).is_file()
    ]


def toc_pages(folder, toc):
    """List the pages of the table of contents, in its order; patterns stand for the pages that they fit.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.
    toc : str or path-like
        The book's ``_toc.yml``.

    Returns
    -------
    list of str
        Relative to `folder`, such as ``"notebooks/02_fashion_mlp.html"``.

    Raises
    ------
    RunnerError
        If `toc` cannot be read or names no page.
    """
    try:
        names = list(_toc_files(yaml.safe_load(Path(toc).read_text(encoding="utf-8")), Path(folder)))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunnerError(f"check_pages: toc is {str(toc)!r}, which cannot be read: {error}") from error
    if not names:
        raise RunnerError(f"check_pages: toc is {str(toc)!r}, which names no page; it must be a book's _toc.yml")
    return [f"{name}.html" for name in dict.fromkeys(names)]


def site_pages(folder):
    """List the pages of a site; what the themes leave below ``_static`` are templates, not pages.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.

    Returns
    -------
    list of pathlib.Path
        Sorted; empty if there is none.
    """
    folder = Path(folder)
    return [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.relative_to(folder).parts]


def check_outputs(folder):
    """List the cells that ended in an error, those tagged ``raises-exception`` aside.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.

    Returns
    -------
    list of str
    """
    return _outputs(_read_pages(folder))


def check_links(folder):
    """List the links, anchors, images and frames that lead nowhere within the site.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.

    Returns
    -------
    list of str
    """
    return _links(Path(folder), _read_pages(folder))


def check_external(folder):
    """List what a page would fetch from another host while it opens. Ordinary links to other hosts are fine.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.

    Returns
    -------
    list of str
    """
    return [*_external(_read_pages(folder)), *_external_styles(Path(folder))]


def check_weight(folder, *, limit=_WEIGHT_LIMIT):
    """List the pages that are too heavy for a slow line.

    A page weighs what it and all that it fetches take on disk, uncompressed: scripts, style sheets and the fonts that
    these name, and all images, also those that wait until a reader scrolls to them. Frames, such as a projector, do not
    count: they are loaded apart.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.
    limit : int, optional
        Bytes that a page may weigh.

    Returns
    -------
    list of str
    """
    return _heavy(Path(folder), _read_pages(folder), limit)


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


@dataclasses.dataclass(frozen=True)
class _Reference:
    """An address that a page names."""

    tag: str
    address: str
    line: int
    fetched: bool

    @property
    def parts(self):
        return urllib.parse.urlsplit(self.address)

    @property
    def is_internal(self):
        return not self.parts.scheme and not self.parts.netloc


class _Page(html.parser.HTMLParser):
    """What the checks need of one page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.references, self.error_lines = set(), [], []
        self._may_fail, self.is_article, self._in_style = False, False, False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = {name: value or "" for name, value in attributes}
        classes = attributes.get("class", "").split()
        self.is_article |= tag == "article"
        self._in_style = tag == "style"
        self._note_styles(tag, attributes.get("style", ""))
        for candidate in attributes.get("srcset", "").split(","):
            if candidate.strip():
                self._note(tag, candidate.split()[0], fetched=True)
        if "cell" in classes:
            self._may_fail = "tag_raises-exception" in classes
        if {"output", "traceback"} <= set(classes) and not self._may_fail:
            self.error_lines.append(self.getpos()[0])
        self.anchors.update(value for name, value in attributes.items() if name == "id" or (tag, name) == ("a", "name"))
        for name, value in attributes.items():
            if (tag, name) in _RESOURCES or (tag, name) == ("a", "href"):
                self._note(tag, value, fetched=tag != "a" and not self._is_silent(tag, attributes))
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "refresh":
            self._note(tag, attributes.get("content", "").partition("url=")[2], fetched=True)

    def handle_endtag(self, tag):
        self._in_style = False

    def handle_data(self, data):
        if self._in_style:
            self._note_styles("style", data)

    def _note_styles(self, tag, text):
        for address in _STYLE_ADDRESS.findall(text):
            self._note(tag, address, fetched=True)

    def _is_silent(self, tag, attributes):
        return tag == "link" and attributes.get("rel", "").lower() in _SILENT_RELATIONS

    def _note(self, tag, address, *, fetched):
        self.references.append(_Reference(tag, address.strip(), self.getpos()[0], fetched))


def _read_pages(folder):
    """Read every page of a site, by its path relative to the site's folder."""
    folder = Path(folder)
    paths = site_pages(folder)
    if not paths:
        raise RunnerError(f"check_site: folder is {str(folder)!r}, which holds no page; build the site first")
    return {path.relative_to(folder): _Page(path.read_text(encoding="utf-8")) for path in paths}


def _outputs(pages):
    return [f"{name}:{line}: a cell ended in an error" for name, page in pages.items() for line in page.error_lines]


def _external(pages):
    return [
        f"{name}:{reference.line}: <{reference.tag}> fetches {reference.address} from another host"
        for name, page in pages.items()
        for reference in page.references
        if reference.fetched and (reference.parts.netloc or reference.parts.scheme in ("http", "https"))
    ]


def _external_styles(folder):
    """List the style sheets that fetch from another host; those that no page uses are no exception."""
    return [
        f"{path.relative_to(folder)}: fetches {address} from another host"
        for path in sorted(folder.rglob("*.css"))
        for address in _STYLE_ADDRESS.findall(path.read_text(encoding="utf-8"))
        if address.startswith(("http:", "https:", "//"))
    ]


def _heavy(folder, pages, limit):
    problems = []
    for name, page in pages.items():
        files = _loaded(folder, name, page)
        total = sum(path.stat().st_size for path in files)
        if page.is_article and total > limit:
            largest = sorted(files, key=lambda path: -path.stat().st_size)[:3]
            told = ", ".join(f"{path.relative_to(folder)} {path.stat().st_size:,}" for path in largest)
            problems.append(f"{name}: weighs {total:,} bytes, the limit is {limit:,}; most of it: {told}")
    return problems


def _loaded(folder, name, page):
    """Return the files that a page needs, itself included."""
    files = {(folder / name).resolve()}
    for reference in page.references:
        if reference.fetched and reference.is_internal and reference.tag not in ("iframe", "meta"):
            files.add((folder / name.parent / urllib.parse.unquote(reference.parts.path)).resolve())
    for sheet in [path for path in files if path.suffix == ".css" and path.is_file()]:
        fonts = _STYLE_ADDRESS.findall(sheet.read_text(encoding="utf-8"))
        files.update((sheet.parent / font.partition("?")[0]).resolve() for font in fonts if ".woff2" in font)
    return {path for path in files if path.is_file() and path.is_relative_to(folder.resolve())}


def _links(folder, pages):
    problems = []
    for name, page in pages.items():
        for reference in page.references:
            if reference.is_internal:
                fault = _fault(folder, pages, name, reference.parts)
                if fault:
                    problems.append(f"{name}:{reference.line}: <{reference.tag}> names {reference.address!r}, {fault}")
    return problems


def _fault(folder, pages, name, parts):
    """Say why an address within the site leads nowhere; None if it does not."""
    path = urllib.parse.unquote(parts.path)
    if path.startswith("/"):
        return "which is wrong from disk, or below another path: it must be relative"
    target = (folder / name.parent / path).resolve() if path else (folder / name).resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.is_relative_to(folder.resolve()):
        return "which lies outside the site"
    if not target.is_file():
        return "which is not there"
    anchor = urllib.parse.unquote(parts.fragment)
    page = pages.get(target.relative_to(folder.resolve()))
    if anchor and page is not None and anchor not in page.anchors:
        return "but that page has no such anchor"
    return None
