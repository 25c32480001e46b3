"""Every chapter of the built site in a real browser; `test_pages.py` looks at the other pages."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"
CHAPTERS = [path.relative_to(SITE).as_posix() for path in sorted(SITE.glob("notebooks/*.html"))]


@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("name", CHAPTERS or ["notebooks"])
def test_a_chapter_has_no_fault(visit, name):
    assert visit(SITE, name) == {}
