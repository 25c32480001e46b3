"""Links: a rendered site in, a list of what its pages name and do not have, and of cells that failed, out.

Nothing is fetched and no browser is needed; the pages are read as files. Each problem is one line that begins with the
page it is on, relative to the site's folder.
"""

import dataclasses
import re
import urllib.parse
from pathlib import Path

from bs4 import BeautifulSoup

from book_runner.site import site_pages, toc_pages
from course_utils.errors import RunnerError

__all__ = ["check_site"]

# The browser fetches what these attributes name, as it opens the page. An <a href> waits for a click.
_WITH_SOURCE = ("audio", "embed", "iframe", "img", "input", "script", "source", "track", "video")
_RESOURCES = {("link", "href"), ("object", "data"), ("video", "poster"), *((tag, "src") for tag in _WITH_SOURCE)}
_WEIGHT_LIMIT = 3_000_000
_STYLE_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s]+)""")
# These relations of a <link> say something about the page; all others make the browser fetch.
_SILENT_RELATIONS = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"}


def check_site(folder, toc):
    """Run every check of this module on a rendered site, such as ``_build/html``, and the book's ``_toc.yml``."""
    pages = _read_pages(folder)
    checks = (check_outputs, check_links, check_external, check_weight)
    return [*check_pages(folder, toc), *(problem for check in checks for problem in check(folder, pages))]


def check_pages(folder, toc):
    """List the pages of the table of contents that the site lacks."""
    return [
        f"{page}: is in the table of contents, but not in the site"
        for page in ("index.html", *toc_pages(folder, toc))
        if not (Path(folder) / page).is_file()
    ]


def check_outputs(folder, pages=None):
    """List the cells that ended in an error, those tagged ``raises-exception`` aside."""
    pages = pages or _read_pages(folder)
    return [f"{name}:{line}: a cell ended in an error" for name, page in pages.items() for line in page.error_lines]


def check_external(folder, pages=None):
    """List what a page would fetch from another host while it opens. Ordinary links to other hosts are fine.

    Style sheets that no page uses are not excepted.
    """
    pages = pages or _read_pages(folder)
    return [
        f"{name}:{reference.line}: <{reference.tag}> fetches {reference.address} from another host"
        for name, page in pages.items()
        for reference in page.references
        if reference.fetched and (reference.parts.netloc or reference.parts.scheme in ("http", "https"))
    ] + [
        f"{path.relative_to(folder)}: fetches {address} from another host"
        for path in sorted(Path(folder).rglob("*.css"))
        for address in _STYLE_ADDRESS.findall(path.read_text(encoding="utf-8"))
        if address.startswith(("http:", "https:", "//"))
    ]


def check_weight(folder, pages=None, *, limit=_WEIGHT_LIMIT):
    """List the pages that are too heavy for a slow line.

    A page weighs what it and all that it fetches take on disk, uncompressed: scripts, style sheets and the fonts that
    these name, and all images, also those that wait until a reader scrolls to them. Frames, such as a projector, do not
    count: they are loaded apart.
    """
    problems, folder = [], Path(folder)
    for name, page in (pages or _read_pages(folder)).items():
        files = _loaded(folder, name, page)
        total = sum(path.stat().st_size for path in files)
        if page.is_article and total > limit:
            largest = sorted(files, key=lambda path: -path.stat().st_size)[:3]
            told = ", ".join(f"{path.relative_to(folder)} {path.stat().st_size:,}" for path in largest)
            problems.append(f"{name}: weighs {total:,} bytes, the limit is {limit:,}; most of it: {told}")
    return problems


def check_links(folder, pages=None):
    """List the links, anchors, images and frames that lead nowhere within the site."""
    problems, folder = [], Path(folder)
    pages = pages or _read_pages(folder)
    for name, page in pages.items():
        for reference in page.references:
            if reference.is_internal and (fault := _fault(folder, pages, name, reference.parts)):
                problems.append(f"{name}:{reference.line}: <{reference.tag}> names {reference.address!r}, {fault}")
    return problems


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


class _Page:
    """What the checks need of one page."""

    def __init__(self, text):
        page = BeautifulSoup(text, "html.parser")
        self.is_article = page.find("article") is not None
        # Cells that are to fail end in an error on purpose.
        errors = page.select(".output.traceback")
        self.error_lines = [each.sourceline for each in errors if not each.find_parent(class_="tag_raises-exception")]
        self.anchors = {tag["id"] for tag in page.find_all(id=True)}
        self.anchors |= {tag["name"] for tag in page.find_all("a", {"name": True})}
        self.references = [
            _Reference(tag.name, address.strip(), tag.sourceline, fetched)
            for tag in page.find_all(True)
            for address, fetched in _addresses(tag)
        ]


def _addresses(tag):
    """Yield the addresses that a tag names, and whether the browser fetches what is there as it opens the page."""
    styles = tag.get("style", "") + (tag.string or "" if tag.name == "style" else "")
    candidates = [candidate.split()[0] for candidate in tag.get("srcset", "").split(",") if candidate.strip()]
    yield from ((address, True) for address in [*_STYLE_ADDRESS.findall(styles), *candidates])
    silent = tag.name == "a" or (tag.name == "link" and " ".join(tag.get("rel", [])).lower() in _SILENT_RELATIONS)
    for name, value in tag.attrs.items():
        if (tag.name, name) in _RESOURCES or (tag.name, name) == ("a", "href"):
            yield value, not silent
    # The data of a widget are fetched when it comes into view.
    if "data-course-src" in tag.attrs:
        yield tag["data-course-src"], False
    if tag.name == "meta" and tag.get("http-equiv", "").lower() == "refresh":
        yield tag.get("content", "").partition("url=")[2], True


def _read_pages(folder):
    """Read every page of a site, by its path relative to the site's folder."""
    folder = Path(folder)
    paths = site_pages(folder)
    if not paths:
        raise RunnerError(f"folder is {str(folder)!r}, which holds no page; build the site first")
    return {path.relative_to(folder): _Page(path.read_text(encoding="utf-8")) for path in paths}


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
