"""The projector page in a real browser: from a web server and from disk."""

import re

import cv2
import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

from course_utils.projector import Embedding, page_frame, write_page

pytestmark = pytest.mark.browser

N_TRAIN, N_TEST, N_COLUMNS = 90, 60, 12
CLASSES = ("circle", "cross", "square")


def shapes(labels):
    """One 16 x 16 drawing a label."""
    images = np.zeros((len(labels), 16, 16, 1), np.uint8)
    for image, label in zip(images, labels, strict=True):
        if label == 0:
            cv2.circle(image, (8, 8), 6, 255, 2)
        elif label == 1:
            cv2.line(image, (2, 2), (13, 13), 255, 2)
            cv2.line(image, (2, 13), (13, 2), 255, 2)
        else:
            cv2.rectangle(image, (3, 3), (12, 12), 255, 2)
    return images


def clusters(name, n_points, *, seed, images=True):
    """Three clusters well apart; the two seeds meet the classes in a different order."""
    rng = np.random.default_rng(seed)
    labels = np.roll(np.arange(n_points) % 3, seed)
    centres = 8 * np.eye(3, N_COLUMNS)
    vectors = centres[labels] + rng.normal(size=(n_points, N_COLUMNS))
    metadata = {"shape": [CLASSES[label] for label in labels]}
    return Embedding(name, vectors, metadata, shapes(labels) if images else None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    pair = [clusters("train", N_TRAIN, seed=0), clusters("test", N_TEST, seed=1)]
    write_page(folder / "images", pair, title="Shapes & <drawings>")
    plain = [clusters("train", N_TRAIN, seed=0, images=False), clusters("test", N_TEST, seed=1, images=False)]
    write_page(folder / "points", plain, title="Points")
    write_page(folder / "flat", Embedding("flat", plain[0].vectors[:, :2], plain[0].metadata), title="Two columns")
    write_page(
        folder / "bare",
        Embedding("bare", plain[0].vectors, images=shapes([0, 1, 2] * 30)),
        title="No metadata",
    )
    return folder


@pytest.fixture(params=["http", "file"])
def address(request, folder, serve):
    return serve(folder) if request.param == "http" else folder.as_uri()


def open_projector(watched, address, *, points=N_TRAIN):
    page = watched.open(f"{address}/index.html")
    wait_for_points(page, points)
    return page


def wait_for_points(page, points):
    page.get_by_text(f"Points: {points}").wait_for()
    page.locator("#notification-dialog").wait_for(state="hidden")


def choose(page, menu, option):
    """Pick an option of one of the data panel's menus (0 is the tensor, 1 the label, 2 the colour)."""
    panel = page.locator("vz-projector-data-panel")
    panel.locator("paper-dropdown-menu").nth(menu).click()
    panel.locator("paper-dropdown-menu").nth(menu).locator("paper-item", has_text=option).click()


def canvas_pixels(page):
    """Screenshot of the points alone, RGB."""
    page.wait_for_timeout(300)
    box = page.locator("#scatter canvas").first.bounding_box()
    png = page.screenshot(clip=box)
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1].astype(int)


def shown_shares(page, pixels):
    """Share of the pixels in each colour of the legend, by class."""
    rows = page.locator("vz-projector-legend .item").all()
    shares = {}
    for row in rows:
        name = row.locator(".label").inner_text()
        colour = row.locator(".shape").evaluate("element => getComputedStyle(element).backgroundColor")
        rgb = [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        shares[name] = (np.abs(pixels - rgb).max(axis=2) <= 24).mean(), rgb
    return shares


def coloured_share(page):
    """Share of the picture that is neither white nor grey."""
    pixels = canvas_pixels(page)
    return (pixels.max(axis=2) - pixels.min(axis=2) > 60).mean()


def separation(page, projection):
    """How far apart the classes lie in a projection: the silhouette, at most 1, near 0 when they are mixed."""
    points = page.evaluate(
        """(name) => document.querySelector("vz-projector").dataSet.points.map((point) =>
            [0, 1, 2].map((axis) => point.projections[`${name}-${axis}`]))""",
        projection,
    )
    return silhouette_score(points, np.arange(len(points)) % len(CLASSES))


def test_shows_points_and_every_tab_answers(watch, address):
    watched = watch()
    page = open_projector(watched, f"{address}/points")
    assert page.get_by_text(f"Dimension: {N_COLUMNS}").is_visible()
    pca = canvas_pixels(page)
    assert all(share > 0.0005 for share, _ in shown_shares(page, pca).values())

    panel = page.locator("vz-projector-projections-panel")
    panel.get_by_text("t-SNE", exact=True).click()
    panel.locator("p", has_text=re.compile(r"Iteration: \d{3}")).wait_for()
    panel.locator(".pause-tsne").click()
    assert separation(page, "tsne") > 0.2
    assert coloured_share(page) > 0.001

    panel.get_by_text("UMAP", exact=True).click()
    page.get_by_text("Optimizing UMAP").wait_for()
    panel.locator("#run-umap:not([disabled])").wait_for()
    page.locator("#notification-dialog").wait_for(state="hidden")
    assert separation(page, "umap") > 0.2
    assert coloured_share(page) > 0.001
    assert watched.problems == []


def test_second_tensor_keeps_the_colours_of_the_classes(watch, folder):
    watched = watch()
    page = open_projector(watched, f"{folder.as_uri()}/points")
    before = shown_shares(page, canvas_pixels(page))
    assert list(before) == sorted(CLASSES)
    assert len({tuple(rgb) for _, rgb in before.values()}) == len(CLASSES)
    choose(page, 0, "test")
    wait_for_points(page, N_TEST)
    after = shown_shares(page, canvas_pixels(page))
    assert {name: rgb for name, (_, rgb) in after.items()} == {name: rgb for name, (_, rgb) in before.items()}
    assert all(share > 0.0005 for share, _ in after.values()), after
    counts = page.locator("vz-projector-legend .info").all_inner_texts()
    assert counts == [str(N_TEST // 3)] * 3
    assert watched.problems == []


def test_colour_choice_survives_a_change_of_tensor(watch, folder):
    page = open_projector(watch(), f"{folder.as_uri()}/points")
    choose(page, 2, "No color map")
    page.locator("vz-projector-legend").wait_for(state="hidden")
    choose(page, 0, "test")
    wait_for_points(page, N_TEST)
    page.wait_for_timeout(500)
    assert page.locator("vz-projector-legend").is_hidden()


def test_thumbnails_are_drawn_in_place_of_points(watch, address):
    watched = watch()
    pixels = canvas_pixels(open_projector(watched, f"{address}/images"))
    # The drawings are bright lines on black squares; without thumbnails nothing is black.
    assert (pixels.max(axis=2) < 40).mean() > 0.01
    assert watched.problems == []


def test_thumbnails_match_their_points(watch, folder):
    """The nearest neighbour of a cross is a cross, and the list beside it shows a cross."""
    page = open_projector(watch(), f"{folder.as_uri()}/images")
    inspector = page.locator("vz-projector-inspector-panel")
    inspector.locator("input").first.fill("cross")
    inspector.locator(".matches-list a.label").first.click()
    neighbour = inspector.locator(".nn-list .neighbor").first
    neighbour.wait_for()
    assert neighbour.locator(".label").inner_text() == "cross"
    png = neighbour.locator(".sprite-image").screenshot()
    shown = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    shown = cv2.resize(shown, (16, 16), interpolation=cv2.INTER_AREA).astype(float).ravel()
    likeness = [np.corrcoef(shown, drawing.ravel())[0, 1] for drawing in shapes([0, 1, 2])]
    assert CLASSES[int(np.argmax(likeness))] == "cross"
    assert max(likeness) > 0.8


def test_neighbours_for_tsne_and_umap_are_the_nearest_by_cosine(watch, folder):
    """The projector by itself is wrong here, because the vectors are not of unit length."""
    page = open_projector(watch(), f"{folder.as_uri()}/points")
    found = page.evaluate(
        """async () => {
            const dataSet = document.querySelector("vz-projector").dataSet;
            const nearest = await dataSet.computeKnn(dataSet.points, 5);
            return nearest.map((row) => row.map((neighbour) => neighbour.dist));
        }"""
    )
    vectors = clusters("train", N_TRAIN, seed=0).vectors
    nearest, _ = NearestNeighbors(n_neighbors=5, metric="cosine").fit(vectors).kneighbors()
    np.testing.assert_allclose(found, nearest, atol=1e-3)


@pytest.mark.parametrize(("name", "dimension"), [("flat", 3), ("bare", N_COLUMNS)])
def test_two_columns_or_no_metadata_are_shown_too(watch, folder, name, dimension):
    watched = watch()
    page = open_projector(watched, f"{folder.as_uri()}/{name}")
    assert page.get_by_text(f"Dimension: {dimension}").is_visible()
    pixels = canvas_pixels(page)
    assert ((pixels.max(axis=2) - pixels.min(axis=2) > 60) | (pixels.max(axis=2) < 40)).mean() > 0.003
    assert watched.problems == []


@pytest.mark.parametrize(("width", "panes"), [(1280, 2), (760, 1), (390, 0)])
def test_points_have_room_at_every_width(watch, folder, width, panes):
    page = open_projector(watch(width=width, height=600), f"{folder.as_uri()}/points")
    shown = [page.locator(pane).is_visible() for pane in ("#left-pane", "#right-pane")]
    assert sum(shown) == panes
    assert page.locator("#scatter canvas").first.bounding_box()["width"] >= 380
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_frame_shows_the_page_when_it_comes_into_view(watch, folder, address, monkeypatch):
    monkeypatch.chdir(folder)
    frame = page_frame(folder / "images" / "index.html", height=500)
    head = '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Book</title>'
    chapter = f'{head}<div style="height: 9000px"></div>{frame._repr_html_()}'
    (folder / "chapter.html").write_text(chapter, encoding="utf-8")
    watched = watch(width=760)
    requests = []
    watched.page.on("request", lambda request: requests.append(request.url))
    page = watched.open(f"{address}/chapter.html")
    page.wait_for_timeout(500)
    # Browsers load late from web servers only.
    if address.startswith("http"):
        assert not any("images/" in url for url in requests), "the frame was loaded before it came into view"
    page.get_by_title("Shapes & <drawings>").scroll_into_view_if_needed()
    inside = page.frame_locator("iframe")
    inside.get_by_text(f"Points: {N_TRAIN}").wait_for()
    assert page.evaluate("scrollY") > 8000
    assert page.locator("iframe").bounding_box()["height"] == pytest.approx(500, abs=4)
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Open full size").click()
    opened.value.get_by_text(f"Points: {N_TRAIN}").wait_for()
    assert opened.value.title() == "Shapes & <drawings>"
    assert watched.problems == []


def test_says_so_when_there_is_no_script(watch, folder):
    page = watch(java_script_enabled=False).open(f"{folder.as_uri()}/points/index.html")
    assert page.locator("noscript").inner_text() == "The projector needs JavaScript and WebGL."
