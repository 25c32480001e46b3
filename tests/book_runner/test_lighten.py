import cv2
import matplotlib.pyplot as plt
import numpy as np
import pytest

from book_runner.site import lighten_site

PAGE = """<img src="logo.png"><article><i class="fa-solid fa-arrow-up"></i><img src="1.png"><p>text</p><img src="2.png">
<img loading="eager" src="3.png"></article>"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "projector.html").write_text('<img src="1.png"><img src="2.png">')
    return tmp_path


def test_the_script_of_icons_goes(site):
    scripts = '<script defer src="_static/scripts/{}.js?digest=1"></script>\n'
    (site / "page.html").write_text(scripts.format("fontawesome") + scripts.format("bootstrap") + PAGE)
    lighten_site(site)
    text = (site / "page.html").read_text()
    assert text.startswith(scripts.format("bootstrap") + '<img src="logo.png">')


def test_only_the_page_that_searches_loads_the_index(site):
    scripts = '<script src="_static/searchtools.js"></script>\n<script src="searchindex.js"></script>\n'
    for name in ("page.html", "search.html"):
        (site / name).write_text(scripts + PAGE)
    lighten_site(site)
    assert "search" not in (site / "page.html").read_text()
    assert (site / "search.html").read_text().startswith(scripts)


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
    assert np.array_equal(cv2.imread(str(photo)), before[photo][1])


def test_an_opaque_alpha_channel_goes_and_another_stays(site):
    (site / "_images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (300, 300, 4), dtype=np.uint8)
    clear, opaque = site / "_images" / "clear.png", site / "_images" / "opaque.png"
    cv2.imwrite(str(clear), pixels)
    pixels[..., 3] = 255
    cv2.imwrite(str(opaque), pixels)
    before = clear.read_bytes(), opaque.stat().st_size
    lighten_site(site)
    assert clear.read_bytes() == before[0]
    assert opaque.stat().st_size < 0.9 * before[1]
    assert np.array_equal(cv2.imread(str(opaque), cv2.IMREAD_UNCHANGED), pixels[..., :3])


def test_fonts_of_icons_that_nothing_names_go_and_the_others_need_no_file(site):
    styles = site / "_static" / "styles" / "pydata-sphinx-theme.css"
    fonts = site / "_static" / "fonts"
    styles.parent.mkdir(parents=True)
    fonts.mkdir()
    for kind in ("solid", "brands"):
        (fonts / f"fa-{kind}-400.woff2").write_bytes(kind.encode())
    face = "@font-face{{font-weight:1;src:url(../fonts/fa-{}-400.woff2) format(woff2)}}"
    styles.write_text(f"a{{}}{face.format('solid')}{face.format('regular')}{face.format('brands')}b{{}}")
    (site / "other.html").write_text('<article><i class="fa-brands fa-sun"></i></article>')
    lighten_site(site)
    inlined = "@font-face{{font-weight:1;src:url(data:font/woff2;base64,{}) format(woff2)}}"
    assert styles.read_text() == f"a{{}}{inlined.format('c29saWQ=')}{inlined.format('YnJhbmRz')}b{{}}"


def test_a_second_time_changes_nothing(site):
    lighten_site(site)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}
    lighten_site(site)
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()} == before


def test_withdrawn_roles_go_from_bibliographies(site):
    entry = '<article><div role="list" class="citation-list"><div class="citation" id="id1" role="doc-biblioentry">'
    (site / "references.html").write_text(f'{entry}<ul role="list"></ul></div></div></article>')
    lighten_site(site)
    expected = (
        '<article><div class="citation-list"><div class="citation" id="id1"><ul role="list"></ul></div></div></article>'
    )
    assert (site / "references.html").read_text() == expected
