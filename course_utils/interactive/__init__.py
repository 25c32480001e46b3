"""Widgets: what a chapter shows, to be touched in the page by mouse, finger and keyboard; no kernel, no network.

Each function returns a :class:`Widget`, which a notebook displays and the book's site shows.
"""

from course_utils.interactive.ask import ask_networks
from course_utils.interactive.confusion import confusion_explorer
from course_utils.interactive.descent import descent_toy
from course_utils.interactive.gallery import ranked_galleries
from course_utils.interactive.kernel import kernel_playground
from course_utils.interactive.layers import layer_walk
from course_utils.interactive.network import LAYERS, export
from course_utils.interactive.widget import NAMES, Widget, assets, pack, sprite, take_apart

__all__ = [
    "LAYERS",
    "NAMES",
    "Widget",
    "ask_networks",
    "assets",
    "confusion_explorer",
    "descent_toy",
    "export",
    "kernel_playground",
    "layer_walk",
    "pack",
    "ranked_galleries",
    "sprite",
    "take_apart",
]
