"""A page that shows one widget, opened from disk: from a folder with spaces and umlauts, as on a USB stick."""

import pytest

from course_utils.interactive import assets

PHONE = {"width": 390, "height": 844, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}
PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'


@pytest.fixture
def show(watch, tmp_path):
    """Show widgets as a notebook does and wait until they have started: ``show(widget, …, phone=False)``."""

    def open_page(*widgets, phone=False, wait=True, **options):
        folder = tmp_path / "Mein Stick, Übung 1"
        folder.mkdir(exist_ok=True)
        page = folder / "page.html"
        body = "".join(widget._repr_html_() for widget in widgets)
        page.write_text(f"{PAGE}<title>Widget</title><main><h1>Widget</h1>{body}</main>", encoding="utf-8")
        watched = watch(**(PHONE if phone else {}), **options)
        watched.open(page.as_uri())
        if wait:
            watched.page.wait_for_selector("figure[data-course-started]")
        return watched

    return open_page


@pytest.fixture
def programs(watch):
    """Open an empty page with some of the programs: ``programs("core.js", "network.js")``."""

    def open_page(*names):
        page = watch().open("about:blank")
        for name in names:
            page.add_script_tag(content=assets()[name].decode())
        return page

    return open_page
