"""Ten kinds of drawn objects before scenes: the stand-in for CIFAR-10 (Krizhevsky, 2009)."""

import functools

import numpy as np

from course_utils.datasets.synthetic.canvas import Canvas
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
from course_utils.datasets.synthetic.object_shapes import DARK, DRAWINGS, LIGHT, SECOND, SHAPE

__all__ = ["OBJECT_NAMES", "objects"]

OBJECT_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_SIZE = 32
_STORED = 64
_CUTS = 72


@functools.cache
def _atlas():
    """Cut `_CUTS` objects of each class, (10 * _CUTS, 64, 64, 4): once a process, from a seed of its own."""
    rng = np.random.default_rng(20090408)
    cuts = []
    for draw in DRAWINGS:
        for _ in range(_CUTS):
            canvas = Canvas(side=256, origin=(0.5, 0.55), unit=90, layers=4)
            draw(canvas, rng)
            # A margin round the object, so that it can turn without losing its corners.
            cuts.append(np.pad(canvas.stored(_STORED - 8), ((4, 4), (4, 4), (0, 0))))
    return np.stack(cuts)


_PAINT = np.array(
    [
        (200, 200, 205), (235, 235, 232), (60, 62, 68), (25, 25, 30), (170, 30, 32), (40, 66, 140), (60, 110, 150),
        (40, 90, 60), (200, 170, 60), (150, 140, 120), (190, 100, 50),
    ]
)  # fmt: skip
_HULLS = np.array(
    [
        (225, 225, 222), (240, 240, 240), (180, 184, 190), (120, 126, 134), (60, 70, 90), (150, 40, 40), (40, 60, 110),
        (40, 42, 46),
    ]
)  # fmt: skip
_FURS = np.array(
    [
        (96, 66, 42), (140, 100, 62), (186, 146, 100), (70, 50, 38), (36, 32, 32), (150, 146, 142), (214, 206, 194),
        (120, 112, 104), (176, 110, 56),
    ]
)  # fmt: skip
_PLUMES = np.array(
    [
        (110, 90, 66), (70, 66, 64), (150, 130, 100), (40, 42, 50), (220, 218, 212), (60, 90, 140), (170, 60, 40),
        (190, 160, 60), (90, 110, 70),
    ]
)  # fmt: skip
_SLIMES = np.array(
    [
        (80, 120, 50), (120, 150, 60), (110, 92, 60), (84, 74, 52), (150, 120, 70), (60, 80, 50), (170, 70, 40),
        (60, 110, 100),
    ]
)  # fmt: skip
_COLOURS = (_HULLS, _PAINT, _PLUMES, _FURS, _FURS[:5], _FURS, _SLIMES, _FURS, _HULLS, _PAINT)

# Upper and lower colour of the scenes, and how likely each class stands in each: sky, sea, road, meadow, wood, room.
_UPPER = np.array([(150, 185, 220), (175, 195, 210), (170, 172, 170), (150, 170, 150), (70, 90, 60), (160, 140, 120)])
_LOWER = np.array([(190, 205, 220), (70, 110, 140), (110, 108, 106), (110, 140, 70), (90, 90, 60), (120, 92, 70)])
_PLACES = np.array(
    [
        (0.62, 0.06, 0.18, 0.08, 0.02, 0.04),
        (0.02, 0.03, 0.65, 0.15, 0.06, 0.09),
        (0.3, 0.12, 0.04, 0.24, 0.24, 0.06),
        (0.01, 0.01, 0.1, 0.16, 0.1, 0.62),
        (0.03, 0.02, 0.04, 0.47, 0.42, 0.02),
        (0.01, 0.04, 0.12, 0.34, 0.07, 0.42),
        (0.01, 0.12, 0.06, 0.29, 0.32, 0.2),
        (0.03, 0.03, 0.14, 0.55, 0.22, 0.03),
        (0.08, 0.82, 0.04, 0.02, 0.02, 0.02),
        (0.03, 0.03, 0.7, 0.14, 0.06, 0.04),
    ]
)


def _pick_rows(tables, rng):
    """One random row of each image's own table."""
    return np.stack([table[rng.integers(len(table))] for table in tables]).astype(np.float32)


def _scenes(labels, rng):
    """Backgrounds (n, 32, 32, 3): an upper and a lower zone, their texture, and clutter."""
    n = len(labels)
    chance = np.cumsum(_PLACES[labels], axis=1)
    place = np.minimum((rng.random((n, 1)) > chance).sum(axis=1), len(_UPPER) - 1)
    brightness = np.exp(rng.normal(0, 0.3, n)).astype(np.float32)[:, None]
    upper = (_UPPER[place] + rng.normal(0, 17, (n, 3))) * brightness
    lower = (_LOWER[place] + rng.normal(0, 17, (n, 3))) * brightness * np.exp(rng.normal(0, 0.15, (n, 1)))
    y = np.arange(_SIZE, dtype=np.float32)
    horizon, soft = one_each(rng.uniform(6, 28, n)), one_each(rng.choice([1, 3, 12], n))
    wave = random_field(rng, n, _SIZE, 5) * one_each(rng.gamma(1.5, 1.2, n))
    below = np.clip((y[:, None] - horizon + wave) / soft + 0.5, 0, 1)[..., None]
    scene = upper[:, None, None].astype(np.float32) * (1 - below) + lower[:, None, None].astype(np.float32) * below
    fine = random_field(rng, n, _SIZE, 22) * one_each(rng.gamma(1.5, 6, n)) * (0.35 + below[..., 0])
    blobs = random_field(rng, n, _SIZE, 6) * one_each(rng.gamma(1.8, 9, n))
    scene += (fine + blobs)[..., None]
    tint = rng.normal(0, 34, (n, 1, 1, 3)).astype(np.float32)
    clutter = np.clip(2.5 * (random_field(rng, n, _SIZE, 7) - one_each(rng.uniform(0.7, 2.2, n))), 0, 1)
    return scene + clutter[..., None] * tint


def _draw_objects(labels, rng):
    n = len(labels)
    mirrored = np.where(rng.random(n) < 0.5, -1, 1)
    scale = np.exp(rng.normal(-0.05, 0.2, n)).clip(0.5, 1.5)
    matrices = affine(
        source=_STORED,
        target=_SIZE,
        scale_x=mirrored * scale * np.exp(rng.normal(0, 0.13, n)),
        scale_y=scale,
        angle=rng.normal(0, 0.14, n) + np.where(labels == 0, rng.normal(0, 0.3, n), 0),
        shear=rng.normal(0, 0.12, n),
        shift_x=rng.normal(0, 2.4, n),
        shift_y=rng.normal(0.5, 2.2, n),
    )
    layers = warp(_atlas(), labels * _CUTS + rng.integers(0, _CUTS, n), matrices, _SIZE).astype(np.float32) / 255
    main = _pick_rows([_COLOURS[label] for label in labels], rng) + rng.normal(0, 12, (n, 3)).astype(np.float32)
    second = _pick_rows([_PAINT] * n, rng) * 0.6 + main * 0.4 + rng.normal(0, 18, (n, 3)).astype(np.float32)
    body = np.broadcast_to(main[:, None, None], (n, _SIZE, _SIZE, 3)).copy()
    body += (second[:, None, None] - body) * layers[..., SECOND, None]
    light = one_each(rng.uniform(20, 80, n)) * layers[..., LIGHT]
    coat = random_field(rng, n, _SIZE, 16) * one_each(rng.gamma(1.5, 9, n))
    patches = (random_field(rng, n, _SIZE, 5) > 0.6) * one_each(rng.normal(0, 55, n) * (rng.random(n) < 0.3))
    slope = one_each(rng.normal(-22, 18, n)) * np.linspace(-1, 1, _SIZE, dtype=np.float32)[:, None]
    body += (light + coat + patches + slope)[..., None]
    body *= 1 - layers[..., DARK, None] * one_each(rng.uniform(0.55, 0.95, n))[..., None]
    scene = _scenes(labels, rng)
    cover = layers[..., SHAPE]
    shadow = np.roll(cover, (2, 1), axis=(1, 2)) * one_each(rng.uniform(0, 0.35, n))
    images = scene * (1 - shadow[..., None])
    images += (body - images) * cover[..., None]
    gain = np.exp(rng.normal(0, 0.05, (n, 1, 1, 3)) + rng.normal(0, 0.18, (n, 1, 1, 1))).astype(np.float32)
    contrast = one_each(rng.uniform(0.55, 1.1, n))[..., None]
    images = (images - 128) * contrast + 128
    return images * gain + grain(rng, n, _SIZE, rng.gamma(2, 2.5, n))[..., None]


def objects(labels, *, rng):
    """Draw objects before scenes: ten classes as in CIFAR-10, with fur, paint, glass and clutter.

    Each image takes one of 72 drawings of its class, of two or three views each, and its own colours, texture, light,
    place, size and direction. Cats and dogs, deer and horses, cars and trucks share their build, as in life.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Classes 0 to 9, in the order of ``CLASS_NAMES["objects"]``.
    rng : numpy.random.Generator
        Source of all randomness.

    Returns
    -------
    ndarray of uint8, shape (n, 32, 32, 3)
        RGB.

    Raises
    ------
    ArgumentError
        If `labels` is not a 1-D integer array of values 0 to 9, or `rng` no generator.

    Examples
    --------
    >>> objects([1, 9], rng=np.random.default_rng(0)).shape
    (2, 32, 32, 3)
    """
    labels = check_ids("labels", labels, maximum=9)
    check_rng(rng)
    return in_chunks(_draw_objects, labels, rng, (_SIZE, _SIZE, 3))
