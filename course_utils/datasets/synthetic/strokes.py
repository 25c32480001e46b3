"""Glyphs drawn with a pen: handwritten digits (for MNIST) and cursive kana (for Kuzushiji-MNIST).

A glyph is kept as a distance map: how far each pixel lies inside the ink (positive) or outside it. Distances
survive warping, and the weight and softness of the stroke can then be chosen for each image.
"""

import functools

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import (
    affine,
    check_ids,
    check_rng,
    grain,
    in_chunks,
    one_each,
    random_field,
    warp,
)

__all__ = [
    "DIGITS",
    "DIGIT_NAMES",
    "GLYPH_HEIGHT",
    "GLYPH_SIZE",
    "KANA_NAMES",
    "decode_distance",
    "distance_map",
    "encode_distance",
    "kuzushiji_like",
    "pen_curve",
    "plain_digits",
    "read_strokes",
    "vary_strokes",
]

DIGIT_NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
KANA_NAMES = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

GLYPH_SIZE = 64
GLYPH_HEIGHT = 44
_LEVELS = 8.0
_OVERSAMPLE = 2
_MARGIN = 12

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

_KANA = (
    (  # o
        "10,27 72,24 | 40,0 40,40 36,85 15,95 10,75 50,50 90,65 65,97 | 75,8 97,25",
        "20,20 60,15 40,50 15,85 30,95 55,60 90,70 70,100 | 80,10 95,30",
    ),
    (  # ki
        "18,20 80,12 | 12,42 90,31 | 40,0 76,64 | 22,70 25,92 55,100 85,94",
        "15,15 85,10 30,35 90,35 40,60 70,70 30,85 60,100",
    ),
    (  # su
        "5,20 95,18 | 58,0 58,50 42,68 28,55 42,42 58,55 30,100",
        "10,15 90,12 55,30 60,75 40,98 25,80 | 30,45 40,60",
    ),
    (  # tsu
        "5,35 50,18 90,32 90,62 60,88 25,96",
        "10,10 18,75 30,50 45,20 50,70 75,10 92,50 75,95",
    ),
    (  # na
        "5,22 52,17 | 32,0 10,60 | 70,15 94,30 | 65,38 67,78 45,95 30,85 50,74 95,93",
        "10,20 60,15 20,60 75,30 60,75 35,95 30,78 90,95",
    ),
    (  # ha
        "12,5 6,50 14,95 20,80 | 35,28 95,26 | 68,3 70,78 50,95 38,85 55,74 96,93",
        "15,0 10,60 20,75 40,30 85,20 70,60 45,95 95,90",
    ),
    (  # ma
        "12,18 88,17 | 16,42 85,40 | 50,0 52,75 32,98 14,86 35,73 90,94",
        "20,12 80,8 25,35 85,33 50,55 45,90 20,90 85,100",
    ),
    (  # ya
        "5,45 50,20 88,20 85,45 58,52 | 54,0 63,16 | 22,10 52,100",
        "10,50 60,15 95,25 75,50 40,30 30,10 45,60 60,100",
    ),
    (  # re
        "28,0 28,100 | 5,25 32,22 5,80 5,80 55,22 66,50 70,92 100,80",
        "20,0 22,95 10,70 45,25 60,30 50,80 70,95 98,85",
    ),
    (  # wo
        "12,18 82,15 | 45,0 12,55 12,55 45,40 55,70 | 92,34 45,62 38,90 88,97",
        "20,10 75,12 30,50 60,45 85,35 35,70 40,97 90,95",
    ),
)


def read_strokes(text):
    """Read strokes from their compact form: points ``x,y`` in hundredths, a bar between strokes.

    Parameters
    ----------
    text : str
        For instance ``"50,0 50,100 | 20,100 80,100"``.

    Returns
    -------
    list of ndarray of float64, shape (k, 2)

    Examples
    --------
    >>> [stroke.tolist() for stroke in read_strokes("50,0 50,100")]
    [[[0.5, 0.0], [0.5, 1.0]]]
    """
    return [np.array([point.split(",") for point in stroke.split()], dtype=float) / 100 for stroke in text.split("|")]


DIGITS = tuple(tuple(read_strokes(style) for style in styles) for styles in _DIGITS)
KANA = tuple(tuple(read_strokes(style) for style in styles) for styles in _KANA)


def pen_curve(points, samples=10):
    """Run a smooth curve through points (a uniform Catmull-Rom spline).

    Parameters
    ----------
    points : array_like, shape (k, 2)
        At least two points; a repeated one is a corner.
    samples : int
        Points on the curve for each step between two given ones.

    Returns
    -------
    ndarray of float64, shape ((k - 1) * samples + 1, 2)

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
    """Write the same strokes once more, by another hand: points move, the pen may stay down between strokes.

    Parameters
    ----------
    strokes : list of array_like, shape (k, 2)
        As in `DIGITS`: points in glyph heights.
    rng : numpy.random.Generator
        Source of all randomness.
    jitter : float
        Standard deviation of each point's move, in glyph heights.
    join : float
        Probability that a stroke runs into the next one.

    Returns
    -------
    list of ndarray of float64, shape (m, 2)
        Smooth curves.

    Examples
    --------
    >>> [len(curve) for curve in vary_strokes(DIGITS[1][0], np.random.default_rng(0), jitter=0.02)]
    [11]
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


def distance_map(curves, *, widths, centre="box"):
    """Ink curves on a square and turn the ink into a distance map.

    Parameters
    ----------
    curves : list of ndarray, shape (m, 2)
        In glyph heights.
    widths : list of ndarray, shape (m,)
        Width of the pen at each point, in glyph heights.
    centre : {"box", "mass"}
        What is put in the middle: the bounding box, or the centre of the ink as in MNIST.

    Returns
    -------
    ndarray of uint8, shape (GLYPH_SIZE, GLYPH_SIZE)
        See :func:`decode_distance`.

    Examples
    --------
    >>> curve = np.array([(0.0, 0.0), (0.0, 1.0)])
    >>> glyph = distance_map([curve], widths=[np.full(2, 0.1)])
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
    if centre == "mass":
        moments = cv2.moments(ink, True)
        shift = (side - 1) / 2 - np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        dx, dy = np.round(shift).clip(-_MARGIN, _MARGIN)
        ink = cv2.warpAffine(ink, np.array([[1, 0, dx], [0, 1, dy]]), (side, side))
    return encode_distance(ink)


def encode_distance(ink):
    """Turn a mask of twice the stored size into a ``uint8`` distance map: 128 on the edge, more inside.

    Parameters
    ----------
    ink : ndarray of uint8, shape (2 * GLYPH_SIZE, 2 * GLYPH_SIZE)
        0 is paper.

    Returns
    -------
    ndarray of uint8, shape (GLYPH_SIZE, GLYPH_SIZE)

    Examples
    --------
    >>> int(encode_distance(np.zeros((128, 128), dtype=np.uint8)).max())
    0
    """
    inside = cv2.distanceTransform(np.uint8(ink > 127), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform(np.uint8(ink <= 127), cv2.DIST_L2, 5)
    signed = cv2.resize(inside - outside, (GLYPH_SIZE, GLYPH_SIZE), interpolation=cv2.INTER_AREA) / _OVERSAMPLE
    return np.clip(np.round(128 + _LEVELS * signed), 0, 255).astype(np.uint8)


def decode_distance(warped, scale):
    """Read distances in target pixels back from a warped ``uint8`` map.

    Parameters
    ----------
    warped : ndarray of uint8, shape (n, h, w)
        Maps after :func:`warp`.
    scale : ndarray, shape (n,)
        Target pixels for each pixel of the stored map.

    Returns
    -------
    ndarray of float32, shape (n, h, w)
        Positive inside the ink.

    Examples
    --------
    >>> decode_distance(np.full((1, 1, 1), 144, dtype=np.uint8), np.array([0.5]))
    array([[[1.]]], dtype=float32)
    """
    return (warped.astype(np.float32) - 128) * one_each(scale / _LEVELS)


def _pen_widths(curve, rng, *, width, swing):
    """Width along a curve: `width`, swinging slowly as a brush or a hand does."""
    t = np.linspace(0, 1, len(curve))
    wave = np.sin(2 * np.pi * (rng.uniform(0.3, 1.2) * t + rng.random()))
    taper = 1 - swing * rng.random() * t**2
    return width * (1 + swing * wave) * taper


def _write(styles, rng, *, jitter, join, width, swing, aspect, centre):
    curves = vary_strokes(styles[rng.integers(len(styles))], rng, jitter=jitter, join=join)
    squeeze = rng.uniform(*aspect)
    curves = [curve * (squeeze, 1) for curve in curves]
    widths = [_pen_widths(curve, rng, width=width, swing=swing) for curve in curves]
    return distance_map(curves, widths=widths, centre=centre)


_HANDS = 160


@functools.cache
def _digit_atlas():
    """Each digit by `_HANDS` hands, (10 * _HANDS, 64, 64), from a seed of its own."""
    rng = np.random.default_rng(19981101)
    how = {
        "jitter": 0.045,
        "join": 0.1,
        "width": 0.09,
        "swing": 0.15,
        "aspect": (0.55, 0.95),
        "centre": "mass",
    }
    return np.stack([_write(styles, rng, **how) for styles in DIGITS for _ in range(_HANDS)])


@functools.cache
def _kana_atlas():
    """Each kana by `_HANDS` brushes, (10 * _HANDS, 64, 64), from a seed of its own."""
    rng = np.random.default_rng(20181204)
    how = {"jitter": 0.06, "join": 0.45, "width": 0.09, "swing": 0.4, "aspect": (0.7, 1.15), "centre": "box"}
    return np.stack([_write(styles, rng, **how) for styles in KANA for _ in range(_HANDS)])


def _draw_digits(labels, rng):
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


def _draw_kana(labels, rng):
    n = len(labels)
    scale_x, scale_y = rng.normal(1.3, 0.12, n), rng.normal(1.32, 0.1, n)
    matrices = affine(
        source=GLYPH_SIZE,
        target=28,
        scale_x=scale_x,
        scale_y=scale_y,
        angle=rng.normal(0, 0.1, n),
        shear=rng.normal(0, 0.15, n),
        shift_x=rng.normal(0, 0.8, n),
        shift_y=rng.normal(0, 0.8, n),
    )
    warped = warp(_kana_atlas(), labels * _HANDS + rng.integers(0, _HANDS, n), matrices, 28)
    distance = decode_distance(warped, 28 / GLYPH_SIZE * np.sqrt(np.abs(scale_x * scale_y)))
    weight = rng.normal(0.2, 0.4, n)
    # A dry brush: the ink gives out in patches.
    worn = 0.25 * random_field(rng, n, 28, 9) * one_each(rng.random(n) < 0.6)
    ink = np.clip(0.5 + (distance + one_each(weight)) / 1.4 + worn * (distance > -1), 0, 1)
    return 255 * ink + grain(rng, n, 28, rng.uniform(0, 8, n))


def plain_digits(labels, *, rng):
    """Draw handwritten digits as in MNIST (LeCun et al., 1998): white on black, centred by mass.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Digits 0 to 9.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28, 1)

    Raises
    ------
    ArgumentError
        If `labels` is not a 1-D integer array of values 0 to 9, or `rng` no generator.

    Examples
    --------
    >>> plain_digits([4, 2], rng=np.random.default_rng(0)).shape
    (2, 28, 28, 1)
    """
    labels = check_ids("labels", labels, maximum=9)
    check_rng(rng)
    return in_chunks(_draw_digits, labels, rng, (28, 28, 1))


def kuzushiji_like(labels, *, rng):
    """Draw brushed kana in the manner of Kuzushiji-MNIST (Clanuwat et al., 2018).

    Ten syllables, a plain and a cursive form each; the skeletons are our own, not copies of historical hands.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Classes 0 to 9, in the order of ``CLASS_NAMES["kuzushiji_like"]``.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    ndarray of uint8, shape (n, 28, 28, 1)

    Raises
    ------
    ArgumentError
        If `labels` is not a 1-D integer array of values 0 to 9, or `rng` no generator.

    Examples
    --------
    >>> kuzushiji_like([0, 1, 2], rng=np.random.default_rng(0)).shape
    (3, 28, 28, 1)
    """
    labels = check_ids("labels", labels, maximum=9)
    check_rng(rng)
    return in_chunks(_draw_kana, labels, rng, (28, 28, 1))
