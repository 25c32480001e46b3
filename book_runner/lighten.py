"""Lighten: a rendered site in, the same site with less to load out."""

import io
import re
from pathlib import Path

import numpy as np
from PIL import Image

from book_runner.check.site import site_pages
from book_runner.project import write_text

__all__ = ["lighten_site"]

_ICON = re.compile(r'("?)([\w-]+)\1:\[\d+,\d+,\[[^\]]*\],"\w+",(?:"[^"]*"|\[[^\]]*\])\],')
_FONT = re.compile(r"@font-face\{[^}]*/fa-(brands|regular)-\d+\.woff2[^}]*\}")
_USE = re.compile(r"\bfa-([a-z0-9-]+)")
# More colours than that has no chart.
_MOST_COLOURS = 50_000
_LEAST_VISIBLE = 16
# docutils gives bibliographies roles that have been withdrawn, in an order that readers' tools refuse.
_WITHDRAWN = re.compile(r' role="list"(?= class="citation-list")|(?<=") role="doc-biblioentry"')
_IMAGE = re.compile(r"<img\b[^>]*>")


def lighten_site(folder):
    """Take out of a site what none of its pages uses, and let images wait until they are scrolled to.

    The theme carries two thousand icons, half of what a page loads; those that no page names go, and so do the fonts of
    icons of a kind that none names. All images of an article but the first are loaded when a reader comes near them.
    Charts are stored with a palette of 256 colours, a third of their size, where no pixel changes visibly by that;
    photographs lose no more than an alpha channel that is opaque everywhere. Roles that ARIA has withdrawn go from
    bibliographies.

    Parameters
    ----------
    folder : str or path-like
        The rendered site.
    """
    folder = Path(folder)
    pages = site_pages(folder)
    for page in pages:
        # Projectors and the like are pages of their own making.
        text = page.read_text(encoding="utf-8")
        if "<article" in text:
            write_text(page, _WITHDRAWN.sub("", _with_lazy_images(text)))
    for image in folder.glob("_images/*.png"):
        _compress(image)
    scripts = {path for path in (folder / "_static").rglob("*.js") if "mathjax" not in path.parts}
    scripts -= {icons := folder / "_static" / "scripts" / "fontawesome.js"}
    used = {name for path in (*pages, *scripts) for name in _USE.findall(path.read_text(encoding="utf-8"))}
    _cut(icons, _ICON, lambda match: match[2] in used)
    _cut(folder / "_static" / "styles" / "pydata-sphinx-theme.css", _FONT, lambda match: match[1] in used)


def _cut(path, pattern, is_used):
    """Take out of a file what fits the pattern and is not used."""
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        write_text(path, pattern.sub(lambda match: match[0] if is_used(match) else "", text))


def _compress(path):
    """Store an image in less, without a visible change: an opaque alpha channel goes, a chart gets a palette."""
    with Image.open(path) as image:
        if image.mode not in ("RGB", "RGBA") or image.getextrema()[-1][0] < 255 * (image.mode == "RGBA"):
            return
        image = image.convert("RGB")
    stored = [_png(image)]
    if image.getcolors(_MOST_COLOURS) is not None:
        reduced = image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        change = np.abs(np.asarray(reduced.convert("RGB"), dtype=int) - np.asarray(image, dtype=int)).max()
        if change <= _LEAST_VISIBLE:
            stored.append(_png(reduced))
    smallest = min(stored, key=len)
    if len(smallest) < path.stat().st_size:
        path.write_bytes(smallest)


def _png(image):
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


def _with_lazy_images(text):
    start = text.index("<article")
    first = True

    def wait(match):
        nonlocal first
        tag, first_now = match[0], first
        first = False
        return tag if first_now or " loading=" in tag else tag.replace("<img", '<img loading="lazy"', 1)

    return text[:start] + _IMAGE.sub(wait, text[start:])
