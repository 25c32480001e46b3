import base64
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from course_utils.errors import ArgumentError
from course_utils.interactive import NAMES, Widget, assets, pack, sprite, take_apart

ROOT = Path(__file__).parents[3]
STATIC = ROOT / "course_utils" / "interactive" / "static"
PICTURE = base64.b64decode(sprite(np.zeros((1, 8, 8), "uint8"))["image"].partition(",")[2])
# A widget that shows what it got, in place of the real one: each test brings its own program.
ECHO = """<script>course.widget("ask", (root, data) => {
    root.append(JSON.stringify(data));
});</script>"""


def unpacked(packed):
    content = base64.b64decode(packed["base64"])
    return np.frombuffer(content, np.dtype(packed["dtype"]).newbyteorder("<")).reshape(packed["shape"])


def widget(data, **options):
    return Widget("ask", data, **{"picture": PICTURE, "alt": "Black.", **options})


# -- packing ---------------------------------------------------------------------------------------------------


@given(arrays("float64", array_shapes(), elements=st.floats(-60000, 60000)))
def test_what_is_packed_is_the_array_to_the_precision_asked_for(array):
    for dtype in ("float16", "float32"):
        assert np.array_equal(unpacked(pack(array, dtype)), array.astype(dtype))


@pytest.mark.parametrize(
    ("array", "dtype", "told"),
    [
        ([1.0, 1e5], "float16", "100000.0"),
        ([1.0, -1e5], "float16", "-100000.0"),
        ([256], "uint8", "256"),
        ([-1, 200], "uint8", "-1"),
        ([np.nan], "float32", "finite"),
        ([np.inf], "float32", "finite"),
        (["a"], "float32", "finite real numbers"),
        ([1e39], "float32", "1e+39"),
        ([1], "float64", "dtype is 'float64'"),
    ],
)
def test_what_cannot_be_packed_is_named(array, dtype, told):
    with pytest.raises(ArgumentError, match=re.escape(told)):
        pack(array, dtype)


@pytest.mark.parametrize("images", [np.zeros((2, 3, 3)), np.zeros((2, 3, 3, 2), "uint8"), np.zeros((0, 3, 3), "uint8")])
def test_a_sprite_is_made_of_pictures(images):
    with pytest.raises(ArgumentError, match="images is"):
        sprite(images)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"picture": b"GIF89a"}, "picture is b'GIF89a'"),
        ({"alt": " "}, "alt is ' '"),
        ({"data": {"a": np.zeros(2)}}, "ndarray is not JSON"),
        ({"data": {"a": float("nan")}}, "JSON"),
    ],
)
def test_a_widget_says_what_is_wrong_with_its_arguments(options, told):
    with pytest.raises(ArgumentError, match=re.escape(told)):
        widget(**{"data": {}, **options})
    with pytest.raises(ArgumentError, match="name is 'toy'; it must be one of 'ask'"):
        Widget("toy", {}, picture=PICTURE, alt="Black.")


# -- pieces of HTML --------------------------------------------------------------------------------------------

DATA = {"text": '</script><b> & "quoted" \u2028 ü', "numbers": [1, 2.5, None]}


def test_a_widget_taken_apart_is_its_figure_and_its_data(tmp_path):
    whole = widget(DATA, caption="Less < more")._repr_html_()
    figure, script = take_apart(f"<div>{whole}</div>", "02_fashion_mlp/ask")
    assert json.loads(re.fullmatch(r'course\.data\("02_fashion_mlp/ask", (.*)\);\n', script)[1]) == DATA
    assert 'data-course-src="../notebooks/02_fashion_mlp/widgets/ask.js"' in figure
    assert 'alt="Black."' in figure
    assert "<figcaption>Less &lt; more</figcaption>" in figure
    assert "quoted" not in figure
    # The programs are shared: what stands in the page only names them.
    assert "IntersectionObserver" in whole
    assert len(figure) < 1000
    assert take_apart(figure, "02_fashion_mlp/ask") is None


def test_stored_widgets_need_numpy_alone():
    code = "import sys, course_utils.interactive as i; i.take_apart('', 'a/b'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"keras", "tensorflow", "PIL", "matplotlib", "pandas", "cv2", "sklearn"} & set(loaded) == set()


def test_programs_keep_their_size():
    sources = {path.name: path.read_text() for path in STATIC.glob("*.js")}
    assert sum(len(text.splitlines()) for text in sources.values()) <= 2500
    shared = sum(len(assets()[name]) for name in ("core.js", "network.js", "widgets.css") if name in assets())
    for name in NAMES:
        assert shared + len(assets().get(f"{name}.js", b"")) <= 150_000, name


@pytest.mark.slow
def test_the_programs_are_in_the_wheel(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", tmp_path, ROOT],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"course_utils/interactive/static/{name}" for name in assets()} <= names


def test_programs_are_valid_and_strict():
    node = shutil.which("node")
    if node is None:
        pytest.skip("Node is not installed (Debian: apt-get install nodejs)")
    for path in sorted(STATIC.glob("*.js")):
        subprocess.run([node, "--check", path], check=True)
        text = path.read_text()
        assert '"use strict";' in text, path.name
        assert not re.search(r"^\s*var |[^=!]==[^=]\s*(?!null)|!=(?!=|\s*null)", text, re.M), path.name
        # The one address is a name: that of the language of drawings.
        assert not re.search(
            r"\bfetch\(|XMLHttpRequest|https?://(?!www\.w3\.org/2000/svg)|\beval\(|innerHTML|console\.", text
        ), path.name
        assert max(map(len, text.splitlines())) <= 120, path.name


# -- in a browser ----------------------------------------------------------------------------------------------


@pytest.mark.browser
def test_the_program_unpacks_what_python_packed(show):
    rng = np.random.default_rng(0)
    halves = rng.integers(0, 2**16, 3000).astype("uint16").view("float16")
    made = {
        "float16": np.concatenate([halves[np.isfinite(halves)], np.float16([0, 6e-8, 65504, -1e-5])]),
        "float32": rng.normal(size=(3, 4)).astype("float32"),
        "int32": rng.integers(-(2**31), 2**31, 9),
        "int8": rng.integers(-128, 128, 9),
        "uint16": rng.integers(0, 2**16, 9),
        "uint8": rng.integers(0, 256, (2, 2, 2)),
    }
    page = show(widget({}), wait=False).page
    for dtype, array in made.items():
        found = page.evaluate(
            "(packed) => { const { shape, values } = course.unpack(packed); return [shape, [...values]]; }",
            pack(array, dtype),
        )
        assert found[0] == list(array.shape)
        assert np.array_equal(found[1], array.ravel().astype("float64")), dtype


@pytest.mark.browser
@pytest.mark.parametrize("channels", [1, 3])
def test_the_program_reads_the_pixels_of_a_sprite(show, channels):
    images = np.random.default_rng(0).integers(0, 256, (7, 5, 4, channels), "uint8")
    page = show(widget({}), wait=False).page
    read = "async (packed) => { const s = await course.sprite(packed); return [0, 6].map((i) => [...s.values(i)]); }"
    assert np.array_equal(page.evaluate(read, sprite(images)), images[[0, 6]].reshape(2, -1))


@pytest.mark.browser
def test_a_widget_starts_when_it_comes_into_view_and_gets_its_data(watch, tmp_path):
    figure, script = take_apart(widget(DATA)._repr_html_(), "02_fashion_mlp/ask")
    book = tmp_path / "Ü b e r"
    for folder in ("notebooks/02_fashion_mlp/widgets", "_static/widgets"):
        (book / folder).mkdir(parents=True)
    (book / "notebooks/02_fashion_mlp/widgets/ask.js").write_text(script, encoding="utf-8")
    for name, content in assets().items():
        (book / "_static/widgets" / name).write_bytes(content)
    page = book / "notebooks" / "page.html"
    tall = '<!doctype html><meta charset="utf-8"><div style="height: 4000px"></div>'
    page.write_text(f"{tall}{figure}{ECHO.replace('<script>', '<script type=module>')}", encoding="utf-8")
    watched = watch()
    opened = watched.open(page.as_uri())
    opened.wait_for_function("window.course")
    assert opened.locator(".course-app").count() == 0
    assert opened.locator("script[src$='ask.js']").count() == 0
    opened.locator("figure").scroll_into_view_if_needed()
    opened.wait_for_selector("figure[data-course-started]")
    assert json.loads(opened.locator(".course-app").inner_text()) == DATA
    assert not opened.locator("figure > img").is_visible()
    opened.emulate_media(media="print")
    assert opened.locator("figure > img").is_visible()
    assert not opened.locator(".course-app").is_visible()
    assert watched.problems == []


@pytest.mark.browser
def test_what_fails_says_so_and_leaves_the_picture(watch, tmp_path):
    figure, _ = take_apart(widget(DATA)._repr_html_(), "02_fashion_mlp/ask")
    page = tmp_path / "page.html"
    core = (STATIC / "core.js").read_text()
    page.write_text(f"<!doctype html>{figure}<script>{core}</script>{ECHO}", encoding="utf-8")
    opened = watch().open(page.as_uri())
    assert "ask.js could not be loaded" in opened.locator("[role=alert]").inner_text()
    assert opened.locator("figure > img").is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("name", [name for name in NAMES if f"{name}.js" in assets()])
def test_a_program_that_stands_twice_in_a_page_is_no_error(show, name):
    twice = [Widget(name, {}, picture=PICTURE, alt="Black.")] * 2
    watched = show(*twice, wait=False)
    watched.page.wait_for_load_state()
    assert [problem for problem in watched.problems if "declared" in problem] == []


@pytest.mark.browser
def test_without_programs_the_picture_is_shown(show):
    watched = show(widget({}), wait=False, java_script_enabled=False)
    assert watched.page.locator("figure > img").is_visible()
