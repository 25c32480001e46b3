"""Silhouettes cut out of polygons and lines: what garments and objects are made of.

A view of a thing is a tuple of parts. Each cut of it is bent a little, its points are moved, and parts that need
not be there are left out now and then: the rest of the variety comes when images are made of cuts.
"""

import dataclasses

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import crop_square
from course_utils.datasets.synthetic.strokes import read_strokes

__all__ = ["DARK", "LIGHT", "SECOND", "SHAPE", "cut_atlas"]

SHAPE, DARK, LIGHT, SECOND = range(4)
"""Grey layers of a cut: the whole shape; dark parts, light parts, and parts of a second colour."""

_SIDE = 240
_UNIT = 70


@dataclasses.dataclass(frozen=True)
class Part:
    """A polygon with rounded corners, or a line."""

    points: str  # ``x,y`` in hundredths, x to the right of the middle and y down
    layer: int = SHAPE  # what the part is painted on, besides the shape
    width: int = 0  # of a line, in hundredths; 0 fills the polygon
    both: bool = False  # whether its mirror image left of x = 0 is painted too
    chance: float = 1.0  # probability that a cut has it


def cut_atlas(views, *, n_cuts, size, seed, jitter=0.03, bend=0.05):
    """Cut `n_cuts` silhouettes of each class: uint8, shape (len(views) * n_cuts, size, size, 4).

    `views` holds the views of each class, tuples of parts; every cut takes one of them. `jitter` and `bend` are the
    standard deviations of each point's own move, and of the waves that move all points.

    Examples
    --------
    >>> kite = (Part("0,0 30,30 0,100", both=True), Part("0,0 0,100", DARK, width=3))
    >>> cut_atlas([[kite]], n_cuts=2, size=28, seed=0).shape
    (2, 28, 28, 4)
    """
    rng = np.random.default_rng(seed)
    cuts = []
    for each in views:
        for _ in range(n_cuts):
            view = each[rng.integers(len(each))]
            cuts.append(crop_square(_cut(view, rng, jitter, bend), size))
    return np.stack(cuts)


def _cut(view, rng, jitter, bend):
    layers = [np.zeros((_SIDE, _SIDE), dtype=np.uint8) for _ in range(4)]
    frequency, phase = rng.normal(0, 2, (2, 2)), rng.uniform(0, 2 * np.pi, 2)
    push = rng.normal(0, bend, (2, 2))
    stretch = np.exp(rng.normal(0, 0.1, 2))
    for part in view:
        if rng.random() > part.chance:
            continue
        tone = int(rng.integers(100, 256))
        points = read_strokes(part.points)[0]
        points += rng.normal(0, jitter, points.shape)
        points += np.sin(points @ frequency + phase) @ push
        points *= stretch
        for side in (1, -1) if part.both else (1,):
            _paint(layers[SHAPE], points * (side, 1), part.width, 255)
            if part.layer != SHAPE:
                _paint(layers[part.layer], points * (side, 1), part.width, tone)
    return np.stack(layers, axis=-1)


def _paint(plane, points, width, value):
    if width == 0:
        points = _round_corners(points)
    pixels = np.round((points * _UNIT + (_SIDE / 2, _SIDE / 3)) * 16).astype(np.int32)
    if width:
        cv2.polylines(plane, [pixels], False, value, max(1, round(width * _UNIT / 100)), cv2.LINE_AA, 4)
    else:
        cv2.fillPoly(plane, [pixels], value, cv2.LINE_AA, 4)


def _round_corners(points):
    """Cut the corners of a closed polygon (Chaikin)."""
    following = np.roll(points, -1, axis=0)
    return np.stack([0.8 * points + 0.2 * following, 0.2 * points + 0.8 * following], axis=1).reshape(-1, 2)
