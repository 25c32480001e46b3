"""Verify: a built or published copy of the site in, a list of the numbers on its pages that no run bears out, out.

A copy holds all that this needs: ``records/`` has the record behind each chapter's page, a number says its name and its
format in ``data-`` attributes, and ``_sources/notebooks/`` has the executed notebooks, in which each run left its
numbers.
"""

import http.client
import json
import re
import urllib.request
from pathlib import Path

from bs4 import BeautifulSoup, SoupStrainer

from book_runner.project import noted, record_validator
from course_utils.errors import RunnerError

__all__ = ["verify_site"]

_TIMEOUT = 60


def verify_site(site):
    """Compare the numbers on the chapters' pages with the records, and the records with the runs.

    `site` is the folder of a site, such as ``_build/html``, or the address of a published one, ``https://HOST/PATH``.
    Returned are the problems, one line each, how many numbers were compared, and on the pages of how many chapters. It
    is a `RunnerError` if there is no site, or a file of it is missing or damaged.
    """
    read = _Reader(str(site))
    problems, n_numbers = [], 0
    chapters = read.json("records/index.json").get("chapters")
    if not isinstance(chapters, list) or not all(isinstance(name, str) for name in chapters):
        raise RunnerError(f"{read.place('records/index.json')} is damaged: it must list the chapters")
    for name in chapters:
        path = f"records/{name}.json"
        page = read.json(path)
        record = page.get("record")
        if record is not None and not record_validator().is_valid(record):
            raise RunnerError(f"{read.place(path)} is damaged: it holds no record of a run")
        shown = _numbers(read.text(f"notebooks/{name}.html"))
        n_numbers += len(shown)
        problems += [f"notebooks/{name}.html: {problem}" for problem in _unlike_record(shown, record)]
        if record is None:
            problems.append(f"{path}: names no run: the chapter was not run for this copy")
            continue
        if record["profile"] == "full" and not record.get("commit"):
            problems.append(f"{path}: names no commit that made the full run")
        source = f"_sources/notebooks/{name}.ipynb"
        problems += [f"{source}: {problem}" for problem in _unlike_run(record, read.json(source).get("cells", []))]
    return problems, n_numbers, len(chapters)


def _unlike_record(shown, record):
    """List the numbers of a page that are not what the record says, written as the page asks for it."""
    recorded = record["records"] if record else {}
    for number, style, text in shown:
        if number not in recorded:
            yield f"shows {text!r} as {number}, which its record does not have"
            continue
        value = recorded[number]["value"]
        try:
            expected = format(value, style)
        except (TypeError, ValueError):
            expected = repr(value)
        if text != expected:
            yield f"shows {text!r} as {number}, and its record has {expected!r}"


def _unlike_run(record, cells):
    """List the numbers of a record that its run did not leave in the executed notebook."""
    # A number that is recorded again replaces its value.
    left = {content["name"]: content["value"] for content in noted(cells, "record")}
    for number, entry in record["records"].items():
        if number not in left:
            yield f"has no number {number}, and the record has {entry['value']!r}"
        elif left[number] != entry["value"]:
            yield f"has {left[number]!r} as {number}, and the record has {entry['value']!r}"


class _Reader:
    """Reads the files of a site from a folder or from a web server."""

    def __init__(self, site):
        self._remote = re.match("https?://", site) is not None
        self._site = site.removesuffix("index.html").rstrip("/") if self._remote else site

    def place(self, path):
        return f"{self._site}/{path}"

    def text(self, path):
        try:
            return self._bytes(path).decode("utf-8")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RunnerError(
                f"site is {self._site!r}, in which {path} cannot be read: {getattr(error, 'strerror', None) or error}; "
                "it must be a copy of the book's site, such as _build/html"
            ) from error

    def json(self, path):
        try:
            content = json.loads(self.text(path))
        except json.JSONDecodeError as error:
            raise RunnerError(f"{self.place(path)} is damaged: {error}") from error
        if not isinstance(content, dict):
            raise RunnerError(f"{self.place(path)} is damaged: it must be a JSON object")
        return content

    def _bytes(self, path):
        if not self._remote:
            return (Path(self._site) / path).read_bytes()
        with urllib.request.urlopen(self.place(path), timeout=_TIMEOUT) as answer:
            return answer.read()


def _numbers(text):
    """Gather the numbers of a page: name, format and text of each."""
    numbers = SoupStrainer("a", {"data-number": True})
    found = BeautifulSoup(text, "html.parser", parse_only=numbers).find_all("a")
    return [(number["data-number"], number.get("data-format", ""), number.get_text()) for number in found]
