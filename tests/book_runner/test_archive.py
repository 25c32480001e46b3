"""The site as one file."""

import json
import zipfile

import pytest

from book_runner import execute, plan, site
from book_runner.check import links
from course_utils.errors import RunnerError


@pytest.fixture
def built(once):
    def make(make_project):
        project = make_project({"01_one": ["n = 2"], "02_two": ["n = 2"]})
        execute.run_jobs(project, plan.plan(project, "quick", ["01"]))
        site.build_site(project)

    return once(make)


def test_it_unpacks_to_a_site_without_a_dead_link(built, course, tmp_path):
    told = course(built.root, "site-zip")
    assert told.exit_code == 0
    assert told.output.startswith("_build/deep-vision-measured.zip: ")
    with zipfile.ZipFile(built.build / "deep-vision-measured.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(tmp_path / "stick")
    folder = tmp_path / "stick" / "deep-vision-measured"
    assert [path.name for path in (tmp_path / "stick").iterdir()] == [folder.name]
    assert links.check_links(folder) == []
    assert links.check_external(folder) == []
    assert (folder / "notebooks" / "01_one.html").read_bytes() == (built.html / "notebooks/01_one.html").read_bytes()
    (folder / "notebooks" / "01_one.html").unlink()
    assert links.check_links(folder) != []


def test_the_same_site_is_the_same_file_whenever_it_is_packed(built):
    first = site.zip_site(built).read_bytes()
    for page in built.html.rglob("*.html"):
        page.touch()
    assert site.zip_site(built).read_bytes() == first
    with zipfile.ZipFile(built.build / "deep-vision-measured.zip") as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    assert names[1:] == sorted(names[1:])
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert not any("/." in name for name in names)
    assert [path.name for path in built.build.glob("*.draft")] == []


def test_it_says_how_to_open_it_and_what_it_shows(built):
    noted = built.stage / "records" / "01_one.json"
    shown = json.loads(noted.read_text())
    shown["record"] |= {"started": "2026-11-20T10:00:00+00:00", "profile": "full", "commit": "c0ffee"}
    noted.write_text(json.dumps(shown))
    with zipfile.ZipFile(site.zip_site(built)) as archive:
        text = archive.read("deep-vision-measured/README.txt").decode()
    assert "open index.html in a browser" in text
    assert "  01_one: full run of 2026-11-20, commit c0ffee\n" in text
    assert "  02_two: no results\n" in text


def test_without_a_site_there_is_nothing_to_pack(make_project):
    with pytest.raises(RunnerError, match="_build/html/ holds no site; `make read` builds one"):
        site.zip_site(make_project({"01_one": ["n = 2"]}))
