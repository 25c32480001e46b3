"""Lightening: a rendered site in, the same site with less to load out."""

import base64
import re
from pathlib import Path

from book_runner.pictures import compressed
from book_runner.project import write_text
from book_runner.site.tree import site_pages

__all__ = ["lighten_site"]

_ICON_SCRIPT = re.compile(r"<script[^>]*/fontawesome\.js[^>]*></script>\n?")
_SEARCH_SCRIPT = re.compile(r'<script src="[^"]*\b(searchtools|language_data|searchindex)\.js[^"]*"></script>\n?')
_FONT = re.compile(r"@font-face\{[^}]*/fa-(brands|regular|solid)-\d+\.woff2[^}]*\}")
_FONT_FILE = re.compile(r"url\(([^)]*\.woff2)\)")
# docutils gives bibliographies roles that have been withdrawn, in an order that readers' tools refuse.
_WITHDRAWN = re.compile(r' role="list"(?= class="citation-list")|(?<=") role="doc-biblioentry"')
_IMAGE = re.compile(r"<img\b[^>]*>")


def lighten_site(folder):
    """Take out of a rendered site what none of its pages uses, and let images wait until they are scrolled to.

    The index of all words is loaded by the page that searches it, and by no other. The theme has its icons twice:
    as a font, and as a script that is half of what a page loads. The script goes, and so do fonts of icons of a
    kind that no page names; the others are put into the style sheet, because browsers load no fonts from disk. All
    images of an article but the first are loaded when a reader comes near them. Charts are stored with a palette of
    256 colours, a third of their size, where no pixel changes visibly by that; photographs lose no more than an
    alpha channel that is opaque everywhere. Roles that ARIA has withdrawn go from bibliographies.
    """
    folder = Path(folder)
    kinds = {"solid"}
    for page in site_pages(folder):
        # Projectors and the like are pages of their own making.
        text = page.read_text(encoding="utf-8")
        if "<article" in text:
            kinds |= {kind for kind in ("brands", "regular") if f"fa-{kind}" in text}
            if page.name != "search.html":
                text = _SEARCH_SCRIPT.sub("", text)
            write_text(page, _with_lazy_images(_WITHDRAWN.sub("", _ICON_SCRIPT.sub("", text))))
    for image in folder.glob("_images/*.png"):
        content = image.read_bytes()
        if (smaller := compressed(content)) != content:
            image.write_bytes(smaller)
    styles = folder / "_static" / "styles" / "pydata-sphinx-theme.css"
    if styles.is_file():
        text = styles.read_text(encoding="utf-8")
        write_text(styles, _FONT.sub(lambda font: _inlined(styles, font[0]) if font[1] in kinds else "", text))


def _inlined(styles, font):
    """Put the file that a font names into its place."""

    def data(address):
        content = base64.b64encode((styles.parent / address[1]).read_bytes()).decode()
        return f"url(data:font/woff2;base64,{content})"

    return _FONT_FILE.sub(data, font)


def _with_lazy_images(text):
    start = text.index("<article")
    first = True

    def wait(match):
        nonlocal first
        tag, first_now = match[0], first
        first = False
        return tag if first_now or " loading=" in tag else tag.replace("<img", '<img loading="lazy"', 1)

    return text[:start] + _IMAGE.sub(wait, text[start:])
