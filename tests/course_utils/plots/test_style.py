"""Colours and type that all can read."""

import sys

import matplotlib as mpl
import pytest
from matplotlib.colors import to_hex

from course_utils import plots
from course_utils.errors import CourseError
from course_utils.plots import style


def test_palette_colours_differ_in_lightness_or_hue_for_all():
    assert len(set(plots.PALETTE)) == 8
    assert len({tuple(style.class_style(k).values()) for k in range(10)}) == 10
    assert len({style.class_style(k)["marker"] for k in range(10)}) == 10


def test_use_style_sets_the_palette_and_readable_type():
    plots.use_style()
    cycle = [to_hex(entry["color"]).upper() for entry in mpl.rcParams["axes.prop_cycle"]]
    assert cycle == list(plots.PALETTE)
    assert mpl.rcParams["font.size"] >= 11


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "seaborn", None)
    with pytest.raises(CourseError, match=r"needs seaborn: pip install 'course-utils\[course\]'"):
        plots.use_style()
