"""axe-core on every page of the built site, light and dark."""

import importlib.resources
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SITE = Path(__file__).parents[2] / "_build" / "html"
# The front page only leads on. What lies below a notebook is the projector, the application of TensorBoard, not ours.
PAGES = [
    path.relative_to(SITE).as_posix()
    for pattern in ("[!i]*.html", "book/**/*.html", "notebooks/*.html")
    for path in sorted(SITE.glob(pattern))
]
RUN = """async (themes) => {
    // Some colours fade into the new theme; half-way they have neither contrast.
    const fading = () => document.getAnimations().filter(
        (each) => each.playState === "running" && each.effect.getComputedTiming().endTime < Infinity);
    const found = {};
    for (const theme of themes) {
        document.documentElement.dataset.theme = theme;
        for (let all = fading(); all.length; all = fading())
            await Promise.allSettled(all.map((each) => each.finished));
        const { violations } = await axe.run(document, { resultTypes: ["violations"], iframes: false });
        found[theme] = violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .flatMap(({ id, nodes }) => nodes.map(({ html, any }) => [id, html.slice(0, 120), any[0]?.message ?? ""]));
    }
    return found;
}"""


@pytest.fixture(scope="module")
def axe():
    package = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    return (importlib.resources.files(package) / "axe.min.js").read_text(encoding="utf-8")


def violations(watched, address, axe):
    # A live projector in its frame takes long to draw, and axe does not look into it.
    watched.page.route("**/*projector/**", lambda route: route.abort())
    page = watched.open(address)
    page.evaluate(axe)
    return page.evaluate(RUN, ["light", "dark"])


@pytest.mark.parametrize("name", PAGES or ["index.html"])
def test_axe_finds_no_serious_violation(watch, axe, name):
    if not PAGES:
        pytest.skip("there is no site in _build/html; `make book` builds it")
    assert violations(watch(), (SITE / name).as_uri(), axe) == {"light": [], "dark": []}


def test_the_test_would_notice(watch, axe, tmp_path):
    page = '<!doctype html><html lang="en"><title>T</title><img src="data:,"><p style="color: #888">Pale on white.</p>'
    (tmp_path / "page.html").write_text(page)
    found = violations(watch(), (tmp_path / "page.html").as_uri(), axe)
    assert {rule for rule, *_ in found["light"]} == {"image-alt", "color-contrast"}
