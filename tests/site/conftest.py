"""One headless Chromium that notes what goes wrong in a page, a small web server, and the built site with its pages.

Each page of the site is opened once from the web server, on a desk, and once from disk, on a phone; all of its faults
are collected then.
"""

import functools
import http.server
import importlib.resources
import shutil
import threading
import urllib.parse
from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "_build" / "html"

# Software rendering gives WebGL without a graphics card. The rest keeps the browser from calling home.
CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader",
]
# Colours fade when the theme changes; half-way they have neither contrast.
FADED = """async () => {
    const fading = () => document.getAnimations().filter(
        (each) => each.playState === "running" && each.effect.getComputedTiming().endTime < Infinity);
    for (let all = fading(); all.length; all = fading())
        await Promise.allSettled(all.map((each) => each.finished));
}"""
# Formulas are set, pictures are there, those far down too, and what their coming moved is drawn.
LOADED = """async () => {
    window.scrollTo(0, document.documentElement.scrollHeight);
    await window.MathJax?.startup?.promise;
    await document.fonts.ready;
    await Promise.allSettled([...document.images].map((image) => { image.loading = "eager"; return image.decode(); }));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
}"""
BARE = """images => images.filter((image) => !image.alt || image.alt.includes('/')).map((image) => image.src)"""
FONT_SIZES = "elements => elements.map((element) => parseFloat(getComputedStyle(element).fontSize))"
# Colours apart, two themes that show the same elements have the same faults.
AXE = """async () => {
    const shown = () => [...document.querySelectorAll("*")].map((each) => each.checkVisibility()).join();
    // Of what axe looks at unless told otherwise, the rules that can find something grave.
    const grave = axe._audit.rules
        .filter(({ enabled, impact }) => enabled && !["minor", "moderate"].includes(impact))
        .filter(({ tags }) => !tags.includes("experimental") && !tags.includes("deprecated"))
        .map(({ id }) => id);
    // Words of one kind in one block of code look alike: the first of them is looked at.
    for (const block of document.querySelectorAll(".highlight pre")) {
        const seen = new Set();
        for (const word of [...block.children].filter(({ attributes, children }) => !children.length
            && [...attributes].every(({ name }) => name === "class")))
            if (seen.has(word.className)) word.replaceWith(word.textContent); else seen.add(word.className);
        block.normalize();
    }
    const found = {};
    let before = null;
    for (const theme of ["light", "dark"]) {
        document.documentElement.dataset.theme = theme;
        await (FADED)();
        const rules = before === shown() ? ["color-contrast", "link-in-text-block"] : grave;
        before = shown();
        const { violations } = await axe.run(document, { runOnly: rules, resultTypes: ["violations"], iframes: false });
        found[theme] = violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => [id, html.slice(0, 120), any[0]?.message ?? ""]));
    }
    return found;
}""".replace("FADED", FADED)
FRAME = '<!doctype html><html lang="en"><title>Projector</title>'
PHONE = {"width": 390, "height": 844, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


class WatchedPage:
    """A browser page that collects its console errors, failed loads and requests to other hosts."""

    def __init__(self, page):
        self.page = page
        self.problems = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"script error: {error}"))
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failure)
        page.on("response", self._on_response)

    def open(self, url):
        self.page.goto(url)
        return self.page

    def fade(self):
        """Wait until no colour changes any more."""
        self.page.evaluate(FADED)

    def _on_console(self, message):
        # The software renderer's notes on its own speed say nothing about the page.
        if message.type in ("error", "warning") and "GL Driver Message" not in message.text:
            self.problems.append(f"console {message.type}: {message.text}")

    def _on_request(self, request):
        address = urllib.parse.urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.problems.append(f"request to another host: {request.url}")

    def _on_failure(self, request):
        self.problems.append(f"request failed: {request.url[:200]} ({request.failure})")

    def _on_response(self, response):
        if response.status >= 400:
            self.problems.append(f"HTTP {response.status}: {response.url[:200]}")


class _StrictHandler(http.server.SimpleHTTPRequestHandler):
    """Serve files as strict hosts do: the browser may not guess a type."""

    def end_headers(self):
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, *arguments):
        """Keep the test output clean."""


@pytest.fixture(scope="session")
def chromium():
    """A headless Chromium with WebGL."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


def new_page(chromium, width=1000, height=640, **options):
    context = chromium.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(60_000)
    return WatchedPage(context.new_page())


@pytest.fixture
def watch(chromium):
    """Open watched pages: ``watch(width=…, height=…)``."""
    opened = []

    def open_page(**options):
        opened.append(new_page(chromium, **options))
        return opened[-1]

    yield open_page
    for watched in opened:
        watched.page.context.close()


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
def axe():
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (importlib.resources.files(package) / "axe.min.js").read_text(encoding="utf-8")


def violations(page, axe):
    """What axe-core finds in the light and in the dark theme that is serious or critical."""
    page.evaluate(axe)
    return page.evaluate(AXE)


@pytest.fixture(scope="session")
def tabs(chromium):
    """One tab as on a desk and one as on a phone, for all pages: style sheets, programs and fonts are read once."""
    both = new_page(chromium), new_page(chromium, **PHONE)
    for watched in both:
        # The projector is slow, and has tests of its own.
        watched.page.route("**/projector/**", lambda route: route.fulfill(body=FRAME, content_type="text/html"))
    yield both
    for watched in both:
        watched.page.context.close()


@pytest.fixture(scope="session")
def visit(tabs, serve, axe):
    """Look for all faults of a page: ``visit(folder, name)`` gives those there are, by their kind."""
    desk, phone = tabs

    def look(folder, name):
        found = {}
        page = open_whole(desk, f"{serve(folder)}/{name}")
        found["without alternative text"] = page.locator("article img").evaluate_all(BARE)
        # A copy: axe reads style sheets by itself, and not always where they are.
        found["from the web server"] = [*desk.problems]
        found |= violations(page, axe)

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
