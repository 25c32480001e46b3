"""The built site in a real browser, as a reader meets it: from a web server and from disk."""

import re

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(params=["http", "file"])
def address(request, site, serve):
    return serve(site) if request.param == "http" else site.as_uri()


def projector_chapters(site):
    """Pages that show a projector in a frame."""
    pages = [path.relative_to(site) for path in sorted(site.rglob("*.html"))]
    pages = [page for page in pages if "<iframe" in (site / page).read_text(encoding="utf-8")]
    if not pages:
        pytest.skip("no page of this site has a projector")
    # What lies below _static are the themes' templates.
    return [page.as_posix() for page in pages if "_static" not in page.parts]


def test_front_page_leads_into_the_book(watch, address):
    watched = watch()
    page = watched.open(f"{address}/index.html")
    page.wait_for_url(re.compile("/book/"))
    assert page.locator("article h1").is_visible()
    assert watched.problems == []


def test_menus_open_on_a_phone_and_fold_on_a_desk(watch, address):
    page = watch(width=390, height=844).open(f"{address}/book/mistakes.html")
    for button, words in (("Toggle primary sidebar", "Glossary"), ("Toggle secondary sidebar", "State carried over")):
        page.get_by_role("button", name=button).click()
        page.locator("dialog[open]").get_by_text(words).wait_for()
        page.keyboard.press("Escape")
        page.locator("dialog[open]").wait_for(state="detached")
    page = watch(width=1300, height=900).open(f"{address}/book/mistakes.html")
    chapters = page.locator("#pst-primary-sidebar").get_by_text("Glossary")
    chapters.wait_for()
    page.get_by_role("button", name="Toggle primary sidebar").click()
    chapters.wait_for(state="hidden")


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


def ledger(watch, address):
    """Open the ledger; return its page and a function that gives the visible rows of a table, cell by cell."""
    watched = watch(width=1280, height=900)
    page = watched.open(f"{address}/book/ledger.html")

    def rows(table):
        return table.locator("tbody tr:visible").evaluate_all(
            "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
        )

    return watched, page, rows


def test_ledger_is_sorted_from_the_keyboard(watch, address):
    watched, page, rows = ledger(watch, address)
    table = page.locator("table.ledger").first
    column = [header.strip() for header in table.locator("th").all_inner_texts()].index("reported")
    before = rows(table)
    header = table.locator("th").nth(column)
    header.get_by_role("button", name="reported").focus()
    for order in ("ascending", "descending"):
        page.keyboard.press("Enter")
        assert header.get_attribute("aria-sort") == order
        values = [float(row[column].split()[0].replace(",", "")) for row in rows(table)]
        assert values == sorted(values, reverse=order == "descending")
        assert len(set(values)) > 5
        assert sorted(rows(table)) == sorted(before)
    # Only one column is the sorted one, and what is missing comes last both ways.
    difference = table.get_by_role("button", name="difference")
    for _ in range(2):
        difference.click()
        missing = [row[5] == "–" for row in rows(table)]
        assert missing == sorted(missing)
    assert table.locator("[aria-sort]").count() == 1
    assert watched.problems == []


def test_ledger_is_filtered_by_words_chapter_and_state(watch, address):
    watched, page, rows = ledger(watch, address)
    for table, controls in zip(page.locator("table.ledger").all(), page.locator(".ledger-controls").all(), strict=True):
        everything = rows(table)
        count = controls.locator("output")
        assert count.inner_text() == f"{len(everything)} of {len(everything)} rows"
        controls.get_by_label("Rows that contain").fill("ACCURACY test")
        found = rows(table)
        assert 0 < len(found) < len(everything)
        assert all("accuracy" in " ".join(row).lower() for row in found)
        assert count.inner_text() == f"{len(found)} of {len(everything)} rows"
        controls.get_by_label("Rows that contain").fill("")
        chapter = controls.get_by_label("Chapter").locator("option").all_inner_texts()[1]
        controls.get_by_label("Chapter").select_option(chapter)
        found = rows(table)
        assert found == [row for row in everything if row[0] == chapter]
        assert found
        controls.get_by_label("Chapter").select_option("all")
        options = controls.get_by_label("State").locator("option").all_inner_texts()
        sizes = []
        for option in options[1:]:
            controls.get_by_label("State").select_option(option)
            sizes.append(len(rows(table)))
        assert sum(sizes) == len(everything)
        assert min(sizes) > 0
    findings = page.locator("table.ledger").last
    controls.get_by_label("State").select_option("holds")
    assert {row[3][0] for row in rows(findings)} == {"✔"}
    assert watched.problems == []


def test_ledger_is_whole_without_a_script(watch, site):
    scripted = watch().open((site / "book/ledger.html").as_uri())
    bare = watch(java_script_enabled=False).open((site / "book/ledger.html").as_uri())
    assert bare.locator(".ledger-controls").count() == 0
    assert bare.locator("table.ledger tbody tr").count() == scripted.locator("table.ledger tbody tr").count() > 50
    assert bare.locator("table.ledger th").first.is_visible()


@pytest.fixture
def numbered(site):
    """A chapter that has numbers in its text."""
    for path in sorted(site.glob("notebooks/*.html")):
        if path.read_text(encoding="utf-8").count('<a class="number"') > 3:
            return path.relative_to(site).as_posix()
    pytest.skip("no chapter of this site has been run")


def test_a_number_opens_its_panel_from_the_keyboard_and_by_mouse(watch, address, numbered):
    watched = watch()
    page = watched.open(f"{address}/{numbered}")
    panel, numbers = page.get_by_role("dialog"), page.locator("a.number")

    def is_open_for(number):
        panel.wait_for()
        assert panel.locator("strong").inner_text() == number.get_attribute("data-number").replace("_", " ")
        told = set(panel.locator("dt").all_inner_texts())
        assert {"value", "made in", "run", "date", "commit", "data", "machine", "ledger"} <= told
        assert panel.evaluate("panel => panel.contains(document.activeElement)")

    def is_closed_again(number):
        panel.wait_for(state="hidden")
        assert number.evaluate("number => number === document.activeElement")

    numbers.nth(1).focus()
    page.keyboard.press("Enter")
    is_open_for(numbers.nth(1))
    page.keyboard.press("Escape")
    is_closed_again(numbers.nth(1))
    numbers.nth(2).click()
    is_open_for(numbers.nth(2))
    page.mouse.click(3, 3)
    is_closed_again(numbers.nth(2))
    numbers.nth(2).click()
    panel.get_by_role("button", name="Close").click()
    is_closed_again(numbers.nth(2))
    # Its links lead to the cell, and to the ledger.
    numbers.first.click()
    panel.get_by_role("link").first.click()
    panel.wait_for(state="hidden")
    assert page.url.endswith(numbers.first.get_attribute("href"))
    numbers.first.click()
    panel.get_by_role("link").last.click()
    page.locator("table.ledger").first.wait_for()
    assert watched.problems == []


def test_a_number_leads_to_its_cell_without_a_script(watch, site, numbered):
    page = watch(java_script_enabled=False).open((site / numbered).as_uri())
    number = page.locator("a.number[href^='#cell-']").first
    assert re.search(
        r"from (the full run|this build's run, profile \w+), \d+ \w+ \d{4}$", number.get_attribute("title")
    )
    number.click()
    assert page.locator(".cell:target").is_visible()


@pytest.mark.parametrize("width", [390, 1280])
def test_an_open_panel_has_no_fault(watch, site, axe, numbered, width):
    watched = watch(width=width, height=844)
    page = watched.open((site / numbered).as_uri())
    page.locator("a.number").nth(1).click()
    box = page.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate(axe)
    for theme in ("light", "dark"):
        page.locator("html").evaluate("(html, theme) => { html.dataset.theme = theme; }", theme)
        watched.fade()
        found = page.evaluate("axe.run('#number-panel').then(({ violations }) => violations.map(({ id }) => id))")
        assert found == []


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
    watched = watch(color_scheme="light")
    page = watched.open((site / name).as_uri())
    seen = {}
    for _ in range(3):
        theme = page.locator("html").get_attribute("data-theme")
        watched.fade()
        seen[theme] = luminance(page, "body", "backgroundColor"), contrast(page)
        page.locator(".theme-switch-button:visible").first.click()
    assert set(seen) == {"light", "dark"}
    assert seen["light"][0] > 0.8
    assert seen["dark"][0] < 0.1
    assert min(contrast for _, contrast in seen.values()) >= 4.5


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


def test_projectors_in_their_own_pages_load_without_a_complaint(watch, site, address):
    for path in sorted(site.glob("notebooks/*/**/*.html")):
        watched = watch()
        page = watched.open(f"{address}/{path.relative_to(site).as_posix()}")
        page.get_by_text(re.compile(r"Points: \d\d+")).wait_for()
        page.context.close()
        assert watched.problems == [], path
