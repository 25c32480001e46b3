"""Fixtures that several test modules share: a small book, and a headless Chromium that notes what goes wrong."""

import functools
import importlib.resources
import shutil
import urllib.parse
from pathlib import Path

import nbformat
import pytest
import yaml
from click.testing import CliRunner

from book_runner.cli import main
from book_runner.project import Project

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


def pytest_collection_modifyitems(items):
    """Begin with the files that take long, so that no worker is left with one at the end."""
    long = {item.path for item in items if any(map(item.get_closest_marker, ("browser", "slow")))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def write_project():
    """Write a small book to a folder: a name and its code cells each, the first of which holds the parameters."""

    def write(root, notebooks, profiles=None, *, tag="parameters"):
        folder = root / "notebooks"
        folder.mkdir(parents=True, exist_ok=True)
        for name, cells in notebooks.items():
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(f"# Page {name}")])
            notebook["metadata"] = {
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                "language_info": {"name": "python"},
            }
            notebook["cells"] += [nbformat.v4.new_code_cell(source) for source in cells]
            notebook["cells"][1]["metadata"]["tags"] = [tag]
            nbformat.write(notebook, folder / f"{name}.ipynb")
        profiles = {name: {} for name in notebooks} if profiles is None else profiles
        (folder / "profiles.yml").write_text(yaml.safe_dump(profiles))
        project = Project(root)
        project.book.mkdir(exist_ok=True)
        (project.book / "intro.md").write_text("# A small book\n")
        chapters = [{"file": f"notebooks/{name}"} for name in notebooks]
        toc = {"format": "jb-book", "root": "book/intro", "chapters": chapters}
        toc["chapters"] += [{"file": "book/ledger"}, {"file": "book/status"}]
        (project.root / "_toc.yml").write_text(yaml.safe_dump(toc))
        config = {
            "title": "A small book",
            "execute": {"execute_notebooks": "off"},
            "sphinx": {"extra_extensions": ["book_runner.pages.numbers"]},
        }
        (project.root / "_config.yml").write_text(yaml.safe_dump(config))
        return project

    return write


@pytest.fixture
def make_project(write_project, tmp_path):
    """Write a small book to a folder of the test's own."""
    return functools.partial(write_project, tmp_path / "project")


@pytest.fixture(scope="session")
def _made():
    return {}


@pytest.fixture
def once(write_project, tmp_path, tmp_path_factory, _made):
    """A copy of a small book that is made, and run, once a session: ``once(make)``; `make` is given `make_project`."""

    def copy(make):
        key = make.__module__, make.__qualname__
        if key not in _made:
            root = tmp_path_factory.mktemp("made") / "project"
            make(functools.partial(write_project, root))
            _made[key] = root
        shutil.copytree(_made[key], tmp_path / "project", symlinks=True)
        return Project(tmp_path / "project")

    return copy


@pytest.fixture
def add_prose():
    """Add a text to the end of a chapter of a small book, of ``01_one`` unless told."""

    def add(project, text, chapter="01_one"):
        path = project.notebook(chapter)
        notebook = nbformat.read(path, as_version=4)
        notebook["cells"].append(nbformat.v4.new_markdown_cell(text))
        nbformat.write(notebook, path)

    return add


@pytest.fixture
def with_own_pages():
    """Give a small book what the real one has beside its chapters: package, data cards, change log."""

    def add(project):
        toc = yaml.safe_load((project.root / "_toc.yml").read_text())
        own = [{"file": "book/api", "sections": [{"glob": "book/api/*"}]}]
        toc["chapters"] += [*own, {"file": "book/data_cards"}, {"file": "book/changelog"}]
        (project.root / "_toc.yml").write_text(yaml.safe_dump(toc))
        (project.root / "CHANGELOG.md").write_text("# Change log\n\nIt all began.\n")
        config = yaml.safe_load((project.root / "_config.yml").read_text())
        settings = yaml.safe_load((Path(__file__).parents[1] / "_config.yml").read_text())["sphinx"]["config"]
        extensions = [name for name in settings["extensions"] if name.startswith(("sphinx.ext.", "book_runner."))]
        config["sphinx"] = {
            "extra_extensions": extensions,
            "config": {key: settings[key] for key in settings if key.startswith(("auto", "napoleon", "nitpick"))},
        }
        (project.root / "_config.yml").write_text(yaml.safe_dump(config))
        return project

    return add


@pytest.fixture
def course(monkeypatch):
    """Run a command line in a folder; give its result."""

    def call(folder, *arguments):
        monkeypatch.chdir(folder)
        return CliRunner().invoke(main, arguments)

    return call


# -- a browser ----------------------------------------------------------------------------------------------------


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


@pytest.fixture(scope="session")
def new_page(chromium):
    """Open a watched page, which the caller closes: ``new_page(width=…, height=…)``."""

    def open_page(width=1000, height=640, **options):
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(60_000)
        return WatchedPage(context.new_page())

    return open_page


@pytest.fixture
def watch(new_page):
    """Open watched pages: ``watch(width=…, height=…)``."""
    opened = []

    def open_page(**options):
        opened.append(new_page(**options))
        return opened[-1]

    yield open_page
    for watched in opened:
        watched.page.context.close()


@pytest.fixture(scope="session")
def axe():
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (importlib.resources.files(package) / "axe.min.js").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def violations(axe):
    """What axe-core finds in the light and in the dark theme that is serious or critical: ``violations(page)``."""

    def look(page):
        page.evaluate(axe)
        return page.evaluate(AXE)

    return look
