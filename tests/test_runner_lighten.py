import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils.runner.lighten import lighten_site

ICONS = (
    'var i={monero:[496,512,[],"f3d0","M352"],"arrow-up":[384,512,[8593],"f062","M1"],'
    'sun:[512,512,[],"f1",["M1","M2"]],xmark:[1,2,[],"f0","M0"],last:[1,2,[],"f9","M9"]};'
)
PAGE = """<img src="logo.png"><article><i class="fa-solid fa-arrow-up"></i><img src="1.png"><p>text</p><img src="2.png">
<img loading="eager" src="3.png"></article>"""


@pytest.fixture
def site(tmp_path):
    scripts = tmp_path / "_static" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "fontawesome.js").write_text(ICONS)
    (scripts / "theme.js").write_text('add("fa-solid fa-xmark")')
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "projector.html").write_text('<img src="1.png"><img src="2.png">')
    return tmp_path


def test_icons_that_nothing_names_go(site):
    lighten_site(site)
    kept = (site / "_static" / "scripts" / "fontawesome.js").read_text()
    assert kept == 'var i={"arrow-up":[384,512,[8593],"f062","M1"],xmark:[1,2,[],"f0","M0"],last:[1,2,[],"f9","M9"]};'


def test_images_below_the_first_wait(site):
    lighten_site(site)
    text = (site / "page.html").read_text()
    assert '<img src="logo.png"><article>' in text
    assert '<img src="1.png"><p>' in text
    assert '<img loading="lazy" src="2.png">' in text
    assert '<img loading="eager" src="3.png">' in text
    assert "lazy" not in (site / "projector.html").read_text()


def test_charts_get_a_palette_and_photographs_stay(site):
    (site / "_images").mkdir()
    chart, photo = site / "_images" / "chart.png", site / "_images" / "photo.png"
    figure, axes = plt.subplots()
    axes.plot(np.sin(np.arange(50)), label="a curve")
    axes.legend()
    figure.savefig(chart)
    plt.close(figure)
    cv2.imwrite(str(photo), np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    before = {path: (path.read_bytes(), cv2.imread(str(path)).astype(int)) for path in (chart, photo)}
    lighten_site(site)
    assert chart.stat().st_size < 0.6 * len(before[chart][0])
    assert np.abs(cv2.imread(str(chart)) - before[chart][1]).max() <= 16
    assert photo.read_bytes() == before[photo][0]


def test_a_second_time_changes_nothing(site):
    lighten_site(site)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}
    lighten_site(site)
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()} == before
