"""The built site in a real browser, as a reader meets it: from a web server and from disk."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"


@pytest.fixture(scope="module")
def site():
    if not (SITE / "index.html").is_file():
        pytest.skip("there is no site in _build/html; `make book` builds it")
    return SITE


@pytest.fixture(params=["http", "file"])
def address(request, site, serve):
    return serve(site) if request.param == "http" else site.as_uri()


def site_pages(site):
    """Paths of all pages; what lies below _static are the themes' templates."""
    pages = [path.relative_to(site) for path in sorted(site.rglob("*.html"))]
    return [page.as_posix() for page in pages if "_static" not in page.parts]


def projector_chapters(site):
    """Pages that show a projector in a frame."""
    pages = [page for page in site_pages(site) if "<iframe" in (site / page).read_text(encoding="utf-8")]
    if not pages:
        pytest.skip("no page of this site has a projector")
    return pages


def test_every_page_loads_without_a_complaint(watch, site, address):
    complaints = {}
    for name in site_pages(site):
        watched = watch()
        page = watched.open(f"{address}/{name}")
        page.keyboard.press("End")
        page.wait_for_timeout(500)
        if watched.problems:
            complaints[name] = watched.problems
        page.context.close()
    assert complaints == {}


def test_front_page_leads_into_the_book(watch, address):
    page = watch().open(f"{address}/index.html")
    page.wait_for_url(re.compile("/book/"))
    assert page.locator("article h1").is_visible()


def test_search_finds_confusion(watch, address):
    watched = watch()
    page = watched.open(f"{address}/search.html?q=confusion")
    page.get_by_text(re.compile("Search finished")).wait_for()
    results = page.locator("#search-results li a")
    assert results.count() >= 1
    # From disk the browser does not let the search fetch the excerpts below its results, and complains.
    if address.startswith("http"):
        page.wait_for_load_state("networkidle")
        assert watched.problems == []
    results.first.click()
    page.get_by_text(re.compile("confusion", re.IGNORECASE)).first.wait_for()


def luminance(page, selector, style):
    """Relative luminance (WCAG 2) of an element's colour."""
    value = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{style}")
    channels = np.array([float(part) for part in re.findall(r"[\d.]+", value)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(page):
    shades = [luminance(page, "body", "backgroundColor"), luminance(page, "article p", "color")]
    return (max(shades) + 0.05) / (min(shades) + 0.05)


@pytest.mark.parametrize("name", ["book/intro.html", "notebooks/02_fashion_mlp.html"])
def test_theme_switch_turns_the_page_dark_and_back(watch, site, name):
    page = watch(color_scheme="light").open((site / name).as_uri())
    seen = {}
    for _ in range(3):
        theme = page.locator("html").get_attribute("data-theme")
        page.wait_for_timeout(500)
        seen[theme] = luminance(page, "body", "backgroundColor"), contrast(page)
        page.locator(".theme-switch-button:visible").first.click()
    assert set(seen) == {"light", "dark"}
    assert seen["light"][0] > 0.8
    assert seen["dark"][0] < 0.1
    assert min(contrast for _, contrast in seen.values()) >= 4.5


def test_pages_fit_a_phone(watch, site):
    faults = []
    for name in site_pages(site):
        if re.match(r"notebooks/.*/", name):
            continue  # A projector in its own page, made for a wide window.
        watched = watch(width=390, height=844, device_scale_factor=2, is_mobile=True, has_touch=True)
        page = watched.open((site / name).as_uri())
        page.wait_for_timeout(200)
        width = page.evaluate("document.documentElement.scrollWidth")
        if width > 390:
            faults.append(f"{name} is {width} pixels wide")
        sizes = page.locator("article p").evaluate_all(
            "elements => elements.map((element) => parseFloat(getComputedStyle(element).fontSize))"
        )
        if sizes and min(sizes) < 12:
            faults.append(f"{name} has text of {min(sizes)} pixels")
        page.context.close()
    assert faults == []


def test_projector_in_the_page_shows_points(watch, site, address):
    for name in projector_chapters(site):
        watched = watch(width=1280, height=800)
        page = watched.open(f"{address}/{name}")
        frame = page.locator("iframe").first
        frame.scroll_into_view_if_needed()
        assert frame.get_attribute("title")
        inside = frame.content_frame
        inside.get_by_text(re.compile(r"Points: \d\d+")).wait_for()
        inside.locator("#notification-dialog").wait_for(state="hidden")
        page.wait_for_timeout(500)
        png = inside.locator("#scatter canvas").first.screenshot()
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)
        assert (pixels.max(axis=2) - pixels.min(axis=2) > 60).mean() > 0.005, f"{name}: the projector is blank"
        assert watched.problems == [], name


def test_figures_have_alternative_text(watch, site):
    for name in projector_chapters(site):
        page = watch().open((site / name).as_uri())
        bare = page.locator("article img").evaluate_all(
            "images => images.filter((image) => !image.alt || image.alt.includes('/')).map((image) => image.src)"
        )
        assert bare == [], f"{name}: these figures have no alternative text"
