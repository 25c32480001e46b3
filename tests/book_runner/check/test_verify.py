"""`course verify` on a small copy of a site, each time with one fault planted."""

import functools
import http.server
import json
import threading

import pytest

from book_runner.check import verify_site
from course_utils.errors import RunnerError

NAME = "01_one"
RECORD = {
    "schema": 1, "name": NAME, "profile": "full", "state": "done", "error": None, "key": "0" * 64, "parts": {},
    "parameters": {}, "commit": "abc", "started": "2026-01-02T03:04:05+00:00", "seconds": 1, "peak_memory_bytes": None,
    "executed_sha256": None, "findings": [], "data": [], "cells": [],
    "environment": {"python": "3", "platform": "p", "machine": "m", "cores": 1, "backend": "b", "versions": {}},
    "records": {"share": {"value": 1 / 7, "unit": None, "context": {}},
                "worst": {"value": "Shirt & co", "unit": None, "context": {}}},
}  # fmt: skip
PAGE = """<p>It is <a class="number" data-format=".3f" data-number="share" href="#x" title="t">0.143</a>, of
<a href="y">0.1</a> <a class="number" data-format="" data-number="worst" href="#x" title="t">Shirt &amp; co</a>.</p>"""


def output(number, value):
    left = {"kind": "record", "content": {"name": number, "value": value}}
    return {"output_type": "display_data", "data": {}, "metadata": {"course": left}}


@pytest.fixture
def copy(tmp_path):
    """A sound copy, and what writes a file of it."""

    def write(path, content):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    # The first value was replaced in the run.
    outputs = [output("share", 0.5), output("share", 1 / 7), output("worst", "Shirt & co")]
    write("records/index.json", {"chapters": [NAME]})
    write(f"records/{NAME}.json", {"shown": "reference", "record": RECORD, "born": {}})
    write(f"notebooks/{NAME}.html", PAGE)
    write(f"_sources/notebooks/{NAME}.ipynb", {"cells": [{"cell_type": "markdown"}, {"outputs": outputs}]})
    return write


def test_a_sound_copy_has_no_problem(copy, tmp_path, course):
    assert verify_site(tmp_path) == ([], 2, 1)
    result = course(tmp_path, "verify", ".")
    assert (result.exit_code, result.output) == (
        0, "2 numbers on 1 pages: each is its record's, and its run left it\n",
    )  # fmt: skip


def test_an_address_is_verified_as_a_folder_is(copy, tmp_path):
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *arguments: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert verify_site(f"{address}/index.html") == ([], 2, 1)
        with pytest.raises(RunnerError, match=r"elsewhere', in which records/index.json cannot be read"):
            verify_site(f"{address}/elsewhere")
        server.shutdown()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (">0.143<", ">0.144<", "shows '0.144' as share, and its record has '0.143'"),
        (">0.143<", "><", "shows '' as share, and its record has '0.143'"),
        (".3f", ".2f", "shows '0.143' as share, and its record has '0.14'"),
        ('"share"', '"shares"', "shows '0.143' as shares, which its record does not have"),
        ('data-format=""', 'data-format=".3f"', """shows 'Shirt & co' as worst, and its record has "'Shirt & co'\""""),
    ],
)
def test_a_number_on_the_page_must_be_its_records(copy, tmp_path, course, old, new, problem):
    copy(f"notebooks/{NAME}.html", PAGE.replace(old, new))
    assert verify_site(tmp_path)[0] == [f"notebooks/{NAME}.html: {problem}"]
    result = course(tmp_path, "verify", ".")
    assert result.exit_code == 1
    assert result.output == f"notebooks/{NAME}.html: {problem}\n1 problems, 2 numbers on 1 pages\n"


@pytest.mark.parametrize(
    ("outputs", "problem"),
    [
        ([output("worst", "Shirt & co")], f"has no number share, and the record has {1 / 7}"),
        ([output("share", 0.1), output("worst", "Shirt & co")], f"has 0.1 as share, and the record has {1 / 7}"),
    ],
)
def test_a_number_of_a_record_must_be_its_runs(copy, tmp_path, outputs, problem):
    copy(f"_sources/notebooks/{NAME}.ipynb", {"cells": [{"outputs": outputs}]})
    assert verify_site(tmp_path)[0] == [f"_sources/notebooks/{NAME}.ipynb: {problem}"]


def test_a_full_run_names_its_commit(copy, tmp_path):
    for profile, found in (("quick", []), ("full", [f"records/{NAME}.json: names no commit that made the full run"])):
        copy(f"records/{NAME}.json", {"record": RECORD | {"commit": None, "profile": profile}})
        assert verify_site(tmp_path)[0] == found


def test_a_chapter_that_was_not_run_has_no_number(copy, tmp_path):
    copy(f"records/{NAME}.json", {"shown": "run", "record": None, "born": {}})
    problems, _, _ = verify_site(tmp_path)
    assert f"notebooks/{NAME}.html: shows '0.143' as share, which its record does not have" in problems
    assert problems[-1] == f"records/{NAME}.json: names no run: the chapter was not run for this copy"


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        ("records/index.json", "{", "records/index.json is damaged: Expecting"),
        ("records/index.json", [], "records/index.json is damaged: it must be a JSON object"),
        ("records/index.json", {"chapters": 1}, "records/index.json is damaged: it must list the chapters"),
        (f"records/{NAME}.json", {"record": {"name": NAME}}, f"records/{NAME}.json is damaged: it holds no record"),
        (f"_sources/notebooks/{NAME}.ipynb", "\0", f"{NAME}.ipynb is damaged"),
    ],
)
def test_damage_is_told_in_one_line(copy, tmp_path, course, path, content, message):
    copy(path, content)
    result = course(tmp_path, "verify", ".")
    assert result.exit_code == 1
    assert message in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    "path", ["records/index.json", f"records/{NAME}.json", f"notebooks/{NAME}.html", f"_sources/notebooks/{NAME}.ipynb"]
)
def test_what_is_missing_is_named(copy, tmp_path, path):
    (tmp_path / path).unlink()
    with pytest.raises(RunnerError, match=rf"site is '{tmp_path}', in which {path} cannot be read: No such file"):
        verify_site(tmp_path)
