"""Every page of the built site but the chapters in a real browser."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"
# The front page only leads on.
PAGES = [
    path.relative_to(SITE).as_posix()
    for pattern in ("[!i]*.html", "book/**/*.html")
    for path in sorted(SITE.glob(pattern))
]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", PAGES or ["book"])
def test_a_page_has_no_fault(visit, name):
    assert visit(SITE, name) == {}


def test_the_visit_would_notice(visit, tmp_path):
    page = """<!doctype html><html lang="en"><title>T</title><link rel="icon" href="data:,">
        <article><img src="gone.png" loading="lazy" style="margin-top: 9000px">
        <p style="color: #888; font-size: 10px; width: 500px">Pale on white.</p>
        <div class="highlight"><pre><span class="k">if</span> <span class="k">else</span> <span class="c"># Pale</span>
        </pre></div><style>.c { color: #999 }</style></article>
        <script>setTimeout(() => console.error("late"), 1); fetch("https://example.org/").catch(() => null)</script>"""
    (tmp_path / "page.html").write_text(page)
    found = visit(tmp_path, "page.html")
    assert {rule for rule, *_ in found["light"]} == {"image-alt", "color-contrast"}
    assert [html for _, html, _ in found["light"] if "span" in html] == ['<span class="c"># Pale</span>']
    assert {rule for rule, *_ in found["dark"]} == {"color-contrast"}
    assert len(found["without alternative text"]) == 1
    assert found["wider than a phone"] >= 500
    assert found["too small on a phone"] == [10]
    for address in ("from the web server", "from disk"):
        complaints = "\n".join(found[address])
        for words in ("console error: late", "request to another host: https://example.org/", "gone.png"):
            assert words in complaints
