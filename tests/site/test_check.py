"""The checks of a rendered site, each on a small site with one fault planted."""

import pytest

from book_runner.check.links import check_external, check_links, check_outputs, check_pages, check_site, check_weight
from course_utils.errors import RunnerError

INDEX = '<meta http-equiv="Refresh" content="0; url=book/intro.html" />'
INTRO = """<!doctype html>
<html lang="en"><head>
<link rel="stylesheet" href="../_static/course.css?digest=1">
<link rel="canonical" href="https://example.org/book/intro.html">
<script src="../_static/course.js"></script>
</head><body id="top">
<h1 id="welcome">Welcome</h1>
<a href="#welcome">here</a> <a href="">the same page</a> <a href="#">top</a>
<a href="../notebooks/02%20mlp.html#r%C3%A9sum%C3%A9">chapter</a>
<a href="../notebooks/02%20mlp">its folder</a>
<a href="https://example.org/elsewhere">another host</a> <a href="mailto:someone@example.org">a letter</a>
<img src="data:image/png;base64,AAAA" alt=""> <img src="../_images/one.png" alt="One">
</body></html>
"""
CHAPTER = """<!doctype html>
<html lang="en"><body>
<a name="old-anchor"></a><section id="résumé"></section>
<a href="../book/intro.html#welcome">back</a> <a href="#old-anchor">old</a>
<div class="cell docutils container"><div class="cell_output docutils container">
<div class="output stderr">a warning</div>
</div></div>
<div class="cell tag_raises-exception docutils container"><div class="cell_output docutils container">
<div class="output traceback highlight-ipythontb">an error on purpose</div>
</div></div>
<iframe src="02 mlp/index.html?theme=dark" title="Projector"></iframe>
</body></html>
"""
TOC = """format: jb-book
root: book/intro
parts:
  - caption: Chapters
    chapters:
      - file: notebooks/02 mlp.ipynb
        sections:
          - file: book/appendix
  - caption: Elsewhere
    chapters:
      - url: https://example.org/other-book
"""


@pytest.fixture
def site(tmp_path):
    files = {
        "_toc.yml": TOC,
        "html/index.html": INDEX,
        "html/book/intro.html": INTRO,
        "html/book/appendix.html": "<h1>Appendix</h1>",
        "html/notebooks/02 mlp.html": CHAPTER,
        "html/notebooks/02 mlp/index.html": "<h1>Projector</h1>",
        "html/_static/course.css": "",
        "html/_static/course.js": "",
        "html/_static/theme.html": "<link rel=stylesheet href=\"{{ pathto('style.css') }}\">",
        "html/_images/one.png": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def add(site, page, text):
    """Plant a line at the end of a page; return its number."""
    path = site / "html" / page
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines, text]), encoding="utf-8")
    return len(lines) + 1


def test_sound_site_has_no_problem(site):
    assert check_site(site / "html", site / "_toc.yml") == []


@pytest.mark.parametrize("page", ["index.html", "book/intro.html", "notebooks/02 mlp.html", "book/appendix.html"])
def test_finds_a_missing_page(site, page):
    (site / "html" / page).unlink()
    problem = f"{page}: is in the table of contents, but not in the site"
    assert check_pages(site / "html", site / "_toc.yml") == [problem]
    assert problem in check_site(site / "html", site / "_toc.yml")


def test_finds_a_failed_cell_but_not_an_intended_error(site):
    cell = '<div class="cell docutils container"><div class="output traceback highlight-ipythontb">an error</div></div>'
    line = add(site, "notebooks/02 mlp.html", cell)
    problem = f"notebooks/02 mlp.html:{line}: a cell ended in an error"
    assert check_outputs(site / "html") == [problem]
    assert check_site(site / "html", site / "_toc.yml") == [problem]


@pytest.mark.parametrize(
    ("planted", "fault"),
    [
        ('<a href="gone.html">', "<a> names 'gone.html', which is not there"),
        ('<a href="INTRO.html">', "<a> names 'INTRO.html', which is not there"),
        ('<a href="intro.html#gone">', "<a> names 'intro.html#gone', but that page has no such anchor"),
        ('<a href="#gone">', "<a> names '#gone', but that page has no such anchor"),
        ('<img src="../_images/two.png" alt="">', "<img> names '../_images/two.png', which is not there"),
        (
            '<iframe src="../notebooks/03/index.html">',
            "<iframe> names '../notebooks/03/index.html', which is not there",
        ),
        ('<script src="../_static/gone.js"></script>', "<script> names '../_static/gone.js', which is not there"),
        ('<link rel="next" href="gone.html">', "<link> names 'gone.html', which is not there"),
        ('<a href="../_images">', "<a> names '../_images', which is not there"),
        (
            '<a href="/book/intro.html">',
            "<a> names '/book/intro.html', which is wrong from disk, or below another path: it must be relative",
        ),
        ('<a href="../../_toc.yml">', "<a> names '../../_toc.yml', which lies outside the site"),
        ('<meta http-equiv="refresh" content="0; url=gone.html">', "<meta> names 'gone.html', which is not there"),
    ],
)
def test_finds_a_broken_link(site, planted, fault):
    line = add(site, "book/appendix.html", planted)
    problem = f"book/appendix.html:{line}: {fault}"
    assert check_links(site / "html") == [problem]
    assert check_site(site / "html", site / "_toc.yml") == [problem]


@pytest.mark.parametrize(
    ("planted", "tag"),
    [
        ('<script src="https://cdn.example.org/math.js"></script>', "script"),
        ('<link rel="stylesheet" href="https://cdn.example.org/math.js">', "link"),
        ('<link href="https://cdn.example.org/math.js" rel="preconnect">', "link"),
        ('<img src="https://cdn.example.org/math.js" alt="">', "img"),
        ('<iframe src="https://cdn.example.org/math.js"></iframe>', "iframe"),
        ('<meta http-equiv="Refresh" content="0; url=https://cdn.example.org/math.js">', "meta"),
        ('<img src="../_images/one.png" srcset="https://cdn.example.org/math.js 2x" alt="">', "img"),
        ('<p style="background: url(https://cdn.example.org/math.js)">', "p"),
        ('<style>@import "https://cdn.example.org/math.js";</style>', "style"),
    ],
)
def test_finds_a_fetch_from_another_host(site, planted, tag):
    line = add(site, "book/appendix.html", planted)
    problem = f"book/appendix.html:{line}: <{tag}> fetches https://cdn.example.org/math.js from another host"
    assert check_external(site / "html") == [problem]
    assert check_site(site / "html", site / "_toc.yml") == [problem]


def test_an_address_without_a_scheme_is_another_host_too(site):
    add(site, "book/appendix.html", '<script src="//cdn.example.org/math.js"></script>')
    assert len(check_external(site / "html")) == 1
    assert check_links(site / "html") == []


def test_finds_a_style_sheet_that_fetches_from_another_host(site):
    (site / "html" / "_static" / "course.css").write_text("@font-face { src: url('//fonts.example.org/a.woff2') }")
    problem = "_static/course.css: fetches //fonts.example.org/a.woff2 from another host"
    assert check_external(site / "html") == [problem]
    assert check_site(site / "html", site / "_toc.yml") == [problem]


def test_finds_a_heavy_page(site):
    add(site, "book/intro.html", "<article></article>")
    assert check_weight(site / "html") == []
    (site / "html" / "_images" / "one.png").write_bytes(bytes(2_000_000))
    assert check_weight(site / "html") == []
    (site / "html" / "_static" / "big.woff2").write_bytes(bytes(1_500_000))
    (site / "html" / "_static" / "course.css").write_text("@font-face { src: url(big.woff2?v=1) }")
    (problem,) = check_weight(site / "html")
    assert problem.startswith("book/intro.html: weighs 3,50")
    assert "the limit is 3,000,000; most of it: _images/one.png 2,000,000, _static/big.woff2 1,500,000" in problem
    assert check_site(site / "html", site / "_toc.yml") == [problem]
    assert check_weight(site / "html", limit=4_000_000) == []


def test_frames_do_not_count_as_weight(site):
    add(site, "notebooks/02 mlp.html", "<article></article>")
    (site / "html" / "notebooks" / "02 mlp" / "index.html").write_bytes(b" " * 4_000_000)
    assert check_weight(site / "html") == []


def test_refuses_a_folder_without_pages(site):
    (site / "empty").mkdir()
    with pytest.raises(RunnerError, match=r"folder is '.*empty', which holds no page; build the site first"):
        check_site(site / "empty", site / "_toc.yml")


@pytest.mark.parametrize(("text", "message"), [("[unclosed", "cannot be read"), ("format: jb-book", "names no page")])
def test_refuses_a_bad_table_of_contents(site, text, message):
    (site / "_toc.yml").write_text(text)
    with pytest.raises(RunnerError, match=f"toc is '.*_toc.yml', which {message}"):
        check_pages(site / "html", site / "_toc.yml")


def test_refuses_a_missing_table_of_contents(site):
    with pytest.raises(RunnerError, match=r"toc is '.*gone.yml', which cannot be read"):
        check_pages(site / "html", site / "gone.yml")
