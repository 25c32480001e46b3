"""Every chapter of the built site in a real browser; `test_pages.py` looks at the other pages."""

import re
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"
CHAPTERS = [path.relative_to(SITE).as_posix() for path in sorted(SITE.glob("notebooks/*.html"))]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", CHAPTERS or ["notebooks"])
def test_a_chapter_has_no_fault(visit, name):
    assert visit(SITE, name) == {}


RUFF = tomllib.loads((Path(__file__).parents[2] / "notebooks" / "ruff.toml").read_text(encoding="utf-8"))
# Chapters that the rules of a page hold for; tests/notebooks has the rules that the sources show.
REWRITTEN = [name for name in CHAPTERS if f"{Path(name).stem}.ipynb" not in RUFF["format"]["exclude"]]
OVERFLOWING = """blocks => blocks.filter((block) => block.scrollWidth > block.clientWidth + 1)
    .map((block) => block.textContent.slice(0, 80))"""


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", REWRITTEN or ["notebooks"])
def test_no_code_scrolls_sideways_on_a_desk(watch, name):
    page = watch(width=1280, height=900).open((SITE / name).as_uri())
    code = page.locator(".cell_input pre")
    # Solutions are folded away; opened, they have the same width.
    page.evaluate("document.querySelectorAll('.toggle-hidden').forEach((e) => e.classList.remove('toggle-hidden'))")
    assert code.count() > 10
    assert code.evaluate_all(OVERFLOWING) == []


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", CHAPTERS or ["notebooks"])
def test_exercises_are_numbered_within_the_chapter(name):
    page = (SITE / name).read_text(encoding="utf-8")
    chapter = int(Path(name).stem[:2])
    numbers = re.findall(r'class="admonition-title"><span class="caption-number">Exercise ([\d.]+)', page)
    assert numbers == [f"{chapter}.{k}" for k in range(1, len(numbers) + 1)]
    assert len(numbers) >= 3


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", REWRITTEN or ["notebooks"])
def test_figures_have_captions_and_no_p_is_printed_as_zero(watch, name):
    page = watch(width=1280, height=900).open((SITE / name).as_uri())
    # Figures that the cells drew; those of solutions left out, and widgets, which have captions of their own.
    figures = page.locator("article div.cell_output img:not(.solution *, .course-widget *)")
    captions = page.locator("article p.caption-below")
    assert captions.count() == figures.count() > 5
    assert not re.search(r"\bp(?:[-_ ]?value)?\s*[=:]?\s*0\.0+(?![0-9])", page.locator("article").inner_text())
