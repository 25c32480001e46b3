"""The drawing of a network shows every layer and every connection, to the eye and in words."""

import os
import re
from xml.etree import ElementTree

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

pytest.importorskip("keras")

from course_utils import architecture, models, plots, training
from course_utils.plots import show_architecture

BUILDERS = {
    "fashion_mlp": models.fashion_mlp,
    "fashion_model_4": lambda: models.fashion_model(4),
    "resnet_8": lambda: models.resnet_v1(8),
    "plain_8": lambda: models.resnet_v1(8, shortcuts=False),
    "augmented": lambda: training.with_augmentation(models.svhn_dcnn(), training.digit_augmentation()),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_diagram_is_an_accessible_self_contained_svg_of_every_layer(name):
    model = BUILDERS[name]()
    drawing = show_architecture(model)
    root = ElementTree.fromstring(drawing.svg)
    space = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{space}svg"
    assert root.get("role") == "img"
    identifiers = {element.get("id") for element in root.iter() if element.get("id")}
    assert set(root.get("aria-labelledby").split()) == identifiers
    assert root.find(f"{space}desc").text == drawing.text
    table = models.describe(model)
    assert len(root.findall(f"{space}rect")) == len(table)
    assert all(f"{layer}: " in drawing.text for layer in table.index)
    # Nothing is loaded from anywhere, and nothing runs.
    assert not re.search(r"href|url\(|<script|<style|@import", drawing.svg)
    width, height = map(float, root.get("viewBox").split()[2:])
    assert width <= 360
    for box in root.findall(f"{space}rect"):
        left, top, wide, high = (float(box.get(key)) for key in ("x", "y", "width", "height"))
        assert left >= 0
        assert left + wide <= width
        assert top + high <= height
    assert drawing.svg in drawing._repr_html_()
    assert drawing._repr_svg_() == drawing.svg


def test_the_diagram_of_a_resnet_shows_its_shortcuts():
    text = show_architecture(models.resnet_v1(8)).text
    assert "stack1_block1_add: Add, output 28×28×16, after stem and stack1_block1b_conv" in text
    assert "stack2_block1_add: Add, output 14×14×32, after stack2_block1_shortcut and stack2_block1b_conv" in text
    arrows = show_architecture(models.resnet_v1(8)).svg.count('fill="none"')
    straight = show_architecture(models.resnet_v1(8, shortcuts=False)).svg.count('fill="none"')
    layers = len(models.resnet_v1(8, shortcuts=False).layers)
    assert straight == layers - 1
    # Three additions on the way, three shortcuts to them, two of which lead through a convolution.
    assert arrows == straight + 3 + 3 + 2


def test_the_old_addresses_warn_and_work():
    for module, name in ((models, "diagram"), (architecture, "diagram"), (architecture, "Diagram")):
        with pytest.warns(FutureWarning, match=f"{module.__name__}.{name} is now course_utils.plots."):
            assert getattr(module, name) in (plots.show_architecture, plots.Diagram)
