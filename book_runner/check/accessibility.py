"""Accessibility: a rendered site in, a list of what readers who do not see it would miss out.

What needs a browser, such as contrast, is tested with axe-core in ``tests/site``. This needs none: every build does it.
"""

from pathlib import Path

from bs4 import BeautifulSoup, SoupStrainer

from book_runner.site import site_pages

__all__ = ["check_accessibility"]

_PICTURES = (".png", ".svg", ".jpg", ".jpeg")


def check_accessibility(folder):
    """List the figures without alternative text, the tables without headers and the frames without a title.

    Only the article of a page is looked at: the rest is the theme's. The name of a file is not an alternative text.
    Each problem is one line, which begins with the page and the line on it.
    """
    folder, problems = Path(folder), []
    for path in site_pages(folder):
        article = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser", parse_only=SoupStrainer("article"))
        for part in article.find_all(["img", "iframe", "table"]):
            if fault := _fault(part):
                problems.append(f"{path.relative_to(folder)}:{part.sourceline}: {fault}")
    return problems


def _fault(part):
    words = part.get("alt", "").strip()
    if part.name == "img" and (not words or words == part.get("src") or words.lower().endswith(_PICTURES)):
        return "a figure has no alternative text (of a cell: its metadata, mystnb, image, alt)"
    if part.name == "iframe" and not part.get("title", "").strip():
        return "a frame has no title"
    if part.name == "table" and not _has_headers(part):
        return "a table has no headers"
    return None


def _has_headers(table):
    # Sphinx lays its index out in columns with tables that are none. A header in an inner table is that table's.
    headers = (header for header in table.find_all("th") if header.find_parent("table") is table)
    return "indextable" in table.get("class", []) or any(headers)
