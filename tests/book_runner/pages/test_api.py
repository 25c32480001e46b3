import importlib
import inspect

import course_utils
from book_runner import site
from book_runner.pages import api


def test_every_public_module_has_a_page_and_a_line():
    files = api.api_files()
    overview = files["book/api.md"].decode()
    names = list(api.public_modules())
    assert set(course_utils.__all__) <= set(names)
    assert set(files) == {"book/api.md", *(f"book/api/{name}.md" for name in names)}
    for name in names:
        assert f".. automodule:: course_utils.{name}\n" in files[f"book/api/{name}.md"].decode()
        first_line = inspect.getdoc(importlib.import_module(f"course_utils.{name}")).splitlines()[0]
        assert f"| {{doc}}`{name} <api/{name}>` | {first_line}" in overview


def test_a_package_within_a_package_has_a_page_of_its_own(tmp_path, monkeypatch):
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "__init__.py").write_text('"""What it is."""\n')
    (tmp_path / "outer" / "__init__.py").write_text('"""The outer one."""\n')
    monkeypatch.setattr(api.course_utils, "__all__", ["outer"])
    monkeypatch.setattr(api, "_source", lambda name: tmp_path.joinpath(*name.split("."), "__init__.py"))
    assert api.public_modules() == {"outer": "The outer one.", "outer.inner": "What it is."}


def test_a_page_changes_with_its_source(monkeypatch, tmp_path):
    before = api.api_files()
    changed = tmp_path / "errors.py"
    changed.write_text(api._source("errors").read_text() + "\n# Another line.\n")
    find = api._source
    monkeypatch.setattr(api, "_source", lambda name: changed if name == "errors" else find(name))
    after = api.api_files()
    assert [name for name in before if before[name] != after[name]] == ["book/api/errors.md"]


def test_pages_hold_docstrings_and_links_between_modules(make_project, with_own_pages):
    project = with_own_pages(make_project({"01_one": ["n = 2"]}))
    assert site.build_site(project)
    page = (project.html / "book" / "api" / "retrieval.html").read_text()
    assert "cmc_curve" in page
    assert "non-decreasing, at most 1" in page
    assert 'href="errors.html#course_utils.errors.ArgumentError"' in page
    # Values can be copied, and attributes that share a line keep their names.
    assert 'class="pre">&quot;cross_camera&quot;}</span>' in page
    assert "<strong>n_probes, n_valid_probes</strong>" in page
    assert "It all began." in (project.html / "book" / "changelog.html").read_text()
