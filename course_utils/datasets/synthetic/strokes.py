"""Glyphs written with a pen, and handwritten digits made of them: the synthetic set for MNIST.

A glyph is kept as a distance map: how far each pixel lies inside the ink (positive) or outside it. Distances
survive warping, and the weight and softness of the stroke can then be chosen for each image.
"""

import functools

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import affine, draw_labelled, one_each, warp

__all__ = ["DIGITS", "distance_map", "pen_curve", "plain_digits", "read_strokes"]

GLYPH_SIZE = 64
GLYPH_HEIGHT = 44
_LEVELS = 8.0
_OVERSAMPLE = 2
_MARGIN = 12
_HANDS = 160

# Strokes through points "x,y", in hundredths of a glyph's height, y down; a bar lifts the pen; a repeated
# point is a corner. Each glyph has several ways to be written.
_DIGITS = (
    (  # zero
        "50,0 18,20 10,50 20,85 50,100 80,85 90,50 82,20 50,0",
        "65,2 30,12 10,50 25,93 60,98 88,60 80,15 45,3",
    ),
    (  # one
        "50,0 50,100",
        "30,20 55,0 55,0 55,100",
        "30,22 52,0 52,0 52,100 | 25,100 80,100",
    ),
    (  # two
        "10,24 25,5 55,0 85,22 70,52 8,100 8,100 92,100",
        "12,20 40,0 80,12 75,45 40,85 15,97 12,82 30,80 60,95 95,90",
        "5,15 35,2 70,10 80,35 60,70 20,98 8,88 25,78 100,98",
        "20,5 60,0 75,25 50,65 5,95 5,95 50,92 100,85",
    ),
    (  # three
        "12,15 42,0 80,14 72,38 38,47 38,47 | 38,47 38,47 78,55 88,78 50,100 8,86",
        "10,0 85,0 85,0 42,40 42,40 85,60 75,92 40,100 8,88",
    ),
    (  # four
        "22,0 6,55 6,55 95,55 | 74,2 68,100",
        "68,0 5,66 5,66 97,66 | 68,0 68,100",
        "15,2 12,40 45,52 80,42 80,42 | 82,0 78,50 70,100",
    ),
    (  # five
        "85,0 22,0 22,0 16,43 16,43 | 16,43 16,43 50,36 87,60 75,92 40,100 8,88",
        "25,3 20,42 20,42 60,40 85,68 60,97 10,95 | 25,3 95,0",
        "40,5 25,40 25,40 60,45 68,70 45,97 5,95 | 38,6 100,0",
        "90,5 45,3 20,35 55,52 75,75 45,100 10,92",
    ),
    (  # six
        "75,2 35,22 10,62 25,95 60,99 88,75 60,50 13,70",
        "50,0 20,40 15,80 50,100 80,82 70,60 40,60 17,82",
    ),
    (  # seven
        "5,2 92,2 92,2 58,50 38,100",
        "5,2 90,2 90,2 40,100 | 28,50 85,47",
        "8,18 10,2 10,2 90,4 90,4 55,100",
    ),
    (  # eight
        "82,15 50,0 17,16 30,40 70,58 88,82 50,100 12,82 32,57 72,38 82,15",
        "50,0 20,12 22,36 50,46 78,36 80,12 50,0 | 50,46 15,62 15,88 50,100 85,88 85,62 50,46",
    ),
    (  # nine
        "86,20 55,0 15,15 18,42 55,50 86,22 86,22 | 86,20 86,20 84,60 74,100",
        "85,30 75,5 35,2 12,28 35,52 75,48 87,28 | 87,25 86,65 62,95 20,96",
    ),
)


def read_strokes(text):
    """Read strokes from their compact form: points ``x,y`` in hundredths, a bar between strokes.

    Returns a list of float64 arrays, shape (k, 2).

    Examples
    --------
    >>> [stroke.tolist() for stroke in read_strokes("50,0 50,100")]
    [[[0.5, 0.0], [0.5, 1.0]]]
    """
    return [np.array([point.split(",") for point in stroke.split()], dtype=float) / 100 for stroke in text.split("|")]


DIGITS = tuple(tuple(read_strokes(style) for style in styles) for styles in _DIGITS)
"""For each digit its ways to be written, a list of strokes each."""


def pen_curve(points, samples=10):
    """Run a smooth curve through points (a uniform Catmull-Rom spline).

    `points`, shape (k, 2), are at least two; a repeated one is a corner. The curve has `samples` points for each step
    between two of them, and the last one: float64, shape ((k - 1) * samples + 1, 2).

    Examples
    --------
    >>> pen_curve([(0, 0), (1, 0), (1, 1)], samples=2)[:, 0]
    array([0.    , 0.5   , 1.    , 1.0625, 1.    ])
    """
    points = np.asarray(points, dtype=float)
    padded = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = (padded[k : len(padded) - 3 + k, None] for k in range(4))
    t = np.linspace(0, 1, samples, endpoint=False)[None, :, None]
    curve = 0.5 * (
        2 * start
        + (end - before) * t
        + (2 * before - 5 * start + 4 * end - after) * t**2
        + (3 * start - before - 3 * end + after) * t**3
    )
    return np.concatenate([curve.reshape(-1, 2), points[-1:]])


def vary_strokes(strokes, rng, *, jitter, join=0.0):
    """Write the same strokes once more, by another hand: smooth curves, float64, shape (m, 2) each.

    `strokes` are as in `DIGITS`. Each point moves by a normal `jitter`, in glyph heights; with the probability `join`
    the pen stays down, and a stroke runs into the next one.
    """
    moved = []
    for stroke in strokes:
        points = np.asarray(stroke, dtype=float)
        noise = rng.normal(0, jitter, points.shape)
        repeated = np.all(points[1:] == points[:-1], axis=1)
        noise[1:][repeated] = noise[:-1][repeated]
        if moved and rng.random() < join:
            moved[-1] = np.concatenate([moved[-1], points + noise])
        else:
            moved.append(points + noise)
    return [pen_curve(points) for points in moved]


def distance_map(curves, widths, *, by_mass=False):
    """Ink curves on a square and turn the ink into a distance map, uint8 (GLYPH_SIZE, GLYPH_SIZE).

    `curves`, shape (m, 2) each, and `widths`, the pen's at each point, shape (m,), are in glyph heights. In the middle
    is the centre of the bounding box, or with `by_mass` that of the ink, as in MNIST.

    Examples
    --------
    >>> glyph = distance_map([np.array([(0.0, 0.0), (0.0, 1.0)])], [np.full(2, 0.1)])
    >>> bool(glyph[32, 32] > 128 > glyph[32, 2])
    True
    """
    side = GLYPH_SIZE * _OVERSAMPLE
    unit = GLYPH_HEIGHT * _OVERSAMPLE
    everything = np.concatenate(curves)
    middle = (everything.min(axis=0) + everything.max(axis=0)) / 2
    ink = np.zeros((side, side), dtype=np.uint8)
    for curve, width in zip(curves, widths, strict=True):
        pixels = np.round(((curve - middle) * unit + side / 2) * 16).astype(np.int32)
        thickness = np.maximum(1, np.round(width * unit)).astype(int)
        for start, end, thick in zip(pixels[:-1], pixels[1:], thickness, strict=False):
            cv2.line(ink, start, end, 255, int(thick), cv2.LINE_8, 4)
    if by_mass:
        moments = cv2.moments(ink, True)
        shift = (side - 1) / 2 - np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        dx, dy = np.round(shift).clip(-_MARGIN, _MARGIN)
        ink = cv2.warpAffine(ink, np.array([[1, 0, dx], [0, 1, dy]]), (side, side))
    return encode_distance(ink)


def encode_distance(ink):
    """Turn a mask of twice the stored size (0 is paper) into a distance map: 128 on the edge, more inside."""
    inside = cv2.distanceTransform(np.uint8(ink > 127), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(np.uint8(ink <= 127), cv2.DIST_L2, 5)
    signed = cv2.resize(inside - outside, (GLYPH_SIZE, GLYPH_SIZE), interpolation=cv2.INTER_AREA) / _OVERSAMPLE
    return np.clip(np.round(128 + _LEVELS * signed), 0, 255).astype(np.uint8)


def decode_distance(warped, scale):
    """Read distances in target pixels back from warped maps (n, h, w): float32, positive inside the ink.

    `scale`, shape (n,), says how many target pixels a pixel of the stored map makes.
    """
    return (warped.astype(np.float32) - 128) * one_each(scale / _LEVELS)


def _pen_widths(curve, rng):
    """Width along a curve: it swings slowly as a hand does, and tapers."""
    t = np.linspace(0, 1, len(curve))
    wave = np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * t + rng.random()))
    taper = 1 - 0.15 * rng.random() * t**2
    return 0.09 * (1 + 0.15 * wave) * taper


def _write(styles, rng):
    curves = vary_strokes(styles[rng.integers(len(styles))], rng, jitter=0.045, join=0.1)
    squeeze = rng.uniform(0.55, 0.95)
    curves = [curve * (squeeze, 1) for curve in curves]
    return distance_map(curves, [_pen_widths(curve, rng) for curve in curves], by_mass=True)


@functools.cache
def _digit_atlas():
    """Each digit by `_HANDS` hands, (10 * _HANDS, 64, 64), from a seed of its own."""
    rng = np.random.default_rng(19981101)
    return np.stack([_write(styles, rng) for styles in DIGITS for _ in range(_HANDS)])


def _draw(labels, rng):
    n = len(labels)
    scale_x, scale_y = rng.normal(1, 0.13, n), rng.normal(1, 0.08, n)
    matrices = affine(
        source=GLYPH_SIZE,
        target=28,
        scale_x=scale_x,
        scale_y=scale_y,
        angle=rng.normal(0, 0.15, n),
        shear=rng.normal(-0.15, 0.28, n),
        shift_x=rng.normal(0, 0.5, n),
        shift_y=rng.normal(0, 0.5, n),
    )
    warped = warp(_digit_atlas(), labels * _HANDS + rng.integers(0, _HANDS, n), matrices, 28)
    distance = decode_distance(warped, 28 / GLYPH_SIZE * np.sqrt(np.abs(scale_x * scale_y)))
    weight = rng.normal(0.15, 0.35, n)
    softness = rng.uniform(0.9, 1.6, n)
    ink = np.clip(0.5 + (distance + one_each(weight)) / one_each(softness), 0, 1)
    return 255 * ink


def plain_digits(labels, *, rng):
    """Handwritten digits as in MNIST (LeCun et al., 1998): white on black, centred by mass.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Classes 0 to 9, in the order of ``CLASS_NAMES["plain_digits"]``.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28, 1)

    Examples
    --------
    >>> plain_digits([4, 2], rng=np.random.default_rng(0)).shape
    (2, 28, 28, 1)
    """
    return draw_labelled(_draw, labels, rng, (28, 28, 1))
