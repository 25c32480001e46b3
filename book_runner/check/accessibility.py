"""Accessibility: a rendered site in, a list of what readers who do not see it would miss out.

What needs a browser, such as contrast, is tested with axe-core in ``tests/site``. This needs none: every build does it.
"""

import html.parser
from pathlib import Path

from book_runner.site import site_pages

__all__ = ["check_accessibility"]


def check_accessibility(folder):
    """List the figures without alternative text, the tables without headers and the frames without a title.

    Only the article of a page is looked at: the rest is the theme's. The name of a file is not an alternative text.
    Each problem is one line, which begins with the page and the line on it.
    """
    folder, problems = Path(folder), []
    for path in site_pages(folder):
        page = _Article(path.read_text(encoding="utf-8"))
        problems += [f"{path.relative_to(folder)}:{line}: {problem}" for line, problem in page.problems]
    return problems


class _Article(html.parser.HTMLParser):
    """Gathers what is wrong in the article of one page."""

    def __init__(self, text):
        super().__init__()
        self.problems, self._articles, self._tables = [], 0, []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        attributes = {name: value or "" for name, value in attributes}
        self._articles += tag == "article"
        if not self._articles:
            return
        if tag == "img" and _says_nothing(attributes.get("alt", ""), attributes.get("src", "")):
            self._note("a figure has no alternative text (of a cell: its metadata, mystnb, image, alt)")
        elif tag == "iframe" and not attributes.get("title", "").strip():
            self._note("a frame has no title")
        elif tag == "table":
            # Sphinx lays its index out in columns with tables that are none.
            self._tables.append((self.getpos()[0], "indextable" in attributes.get("class", "")))
        elif tag == "th" and self._tables:
            self._tables[-1] = (self._tables[-1][0], True)

    def handle_endtag(self, tag):
        if tag == "article":
            self._articles -= 1
        elif tag == "table" and self._tables:
            line, has_header = self._tables.pop()
            if not has_header:
                self.problems.append((line, "a table has no headers"))

    def _note(self, problem):
        self.problems.append((self.getpos()[0], problem))


def _says_nothing(alternative, address):
    words = alternative.strip()
    return not words or words == address or words.lower().endswith((".png", ".svg", ".jpg", ".jpeg"))
