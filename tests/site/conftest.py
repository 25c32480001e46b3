"""A headless Chromium that notes what goes wrong in a page, and a small web server on this machine."""

import functools
import http.server
import shutil
import threading
import urllib.parse

import pytest

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


@pytest.fixture
def watch(chromium):
    """Open watched pages: ``watch(width=…, height=…)``."""
    contexts = []

    def open_context(width=1000, height=640, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(60_000)
        contexts.append(context)
        return WatchedPage(context.new_page())

    yield open_context
    for context in contexts:
        context.close()


@pytest.fixture
def serve():
    """Serve a folder on this machine: ``serve(folder)`` gives its address."""
    servers = []

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
