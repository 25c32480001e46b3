"""Widgets: what a chapter shows, to be touched in the page by mouse, finger and keyboard; no kernel, no network.

Each function returns a :class:`Widget`, which a notebook displays and the book's site shows.
"""

from course_utils.interactive.ask import ask_networks
from course_utils.interactive.layers import layer_walk
from course_utils.interactive.network import LAYERS, export
from course_utils.interactive.widget import NAMES, Widget, assets, pack, sprite, take_apart

__all__ = [
    "LAYERS",
    "NAMES",
    "Widget",
    "ask_networks",
    "assets",
    "export",
    "layer_walk",
    "pack",
    "sprite",
    "take_apart",
]
