"""A small web server, and the built site with its pages.

Each page of the site is opened once from the web server, on a desk, and once from disk, on a phone; all of its faults
are collected then.
"""

import functools
import http.server
import threading
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "_build" / "html"

# Formulas are set, pictures are there, those far down too, and what their coming moved is drawn.
LOADED = """async () => {
    window.scrollTo(0, document.documentElement.scrollHeight);
    await window.MathJax?.startup?.promise;
    await document.fonts.ready;
    await Promise.allSettled([...document.images].map((image) => { image.loading = "eager"; return image.decode(); }));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}"""
# The name of a file is no text; "T-shirt/top" in a sentence is.
BARE = r"""images => images.filter(({ alt }) => !alt.trim() || /^\S*\/\S*$/.test(alt)).map((image) => image.src)"""
FONT_SIZES = "elements => elements.map((element) => parseFloat(getComputedStyle(element).fontSize))"
FRAME = '<!doctype html><html lang="en"><title>Projector</title>'
PHONE = {"width": 390, "height": 844, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


class _StrictHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files as strict hosts do: the browser may not guess a type."""

    def end_headers(self):
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *arguments):
        """Keep the test output clean."""


@pytest.fixture(scope="session")
def serve():
    """Serve a folder on this machine: ``serve(folder)`` gives its address."""
    servers = []

    @functools.cache
    def start(folder):
        handler = functools.partial(_StrictHandler, directory=folder)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


# -- the built site ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def site():
    if not (SITE / "index.html").is_file():
        pytest.skip("there is no site in _build/html; `make book` builds it")
    return SITE


@pytest.fixture(scope="session")
def tabs(new_page):
    """One tab as on a desk and one as on a phone, for all pages: style sheets, programs and fonts are read once."""
    both = new_page(), new_page(**PHONE)
    for watched in both:
        # The projector is slow, and has tests of its own.
        watched.page.route("**/projector/**", lambda route: route.fulfill(body=FRAME, content_type="text/html"))
    yield both
    for watched in both:
        watched.page.context.close()


@pytest.fixture(scope="session")
def visit(tabs, serve, violations):
    """Look for all faults of a page: ``visit(folder, name)`` gives those there are, by their kind."""
    desk, phone = tabs

    def look(folder, name):
        found = {}
        page = open_whole(desk, f"{serve(folder)}/{name}")
        found["without alternative text"] = page.locator("article img").evaluate_all(BARE)
        # A copy: axe reads style sheets by itself, and not always where they are.
        found["from the web server"] = [*desk.problems]
        found |= violations(page)

        page = open_whole(phone, (folder / name).as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        found["wider than a phone"] = width if width > PHONE["width"] else None
        sizes = page.locator("article p").evaluate_all(FONT_SIZES)
        found["too small on a phone"] = [size for size in sizes if size < 12]
        found["from disk"] = [*phone.problems]
        return {kind: faults for kind, faults in found.items() if faults}

    return look


def open_whole(watched, address):
    """Open a page in a tab and wait until all of it is there; what the page before left behind is forgotten."""
    watched.page.goto("about:blank")
    watched.problems.clear()
    page = watched.open(address)
    page.evaluate(LOADED)
    return page
