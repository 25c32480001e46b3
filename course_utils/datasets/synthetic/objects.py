"""Ten kinds of objects before scenes: the synthetic set for CIFAR-10 (Krizhevsky, 2009)."""

import functools

import numpy as np

from course_utils.datasets.synthetic.drawing import affine, draw_labelled, grain, one_each, random_field, warp
from course_utils.datasets.synthetic.silhouettes import DARK, LIGHT, SECOND, SHAPE, Part, cut_atlas

__all__ = ["objects"]

_SIZE = 32
_STORED = 64
_CUTS = 72


def _spots(layer, radius, *places, both=False, chance=1.0):
    """Small discs, as eyes, wheels and lamps are."""
    r = radius
    return tuple(
        Part(f"{x - r},{y} {x},{y - r} {x + r},{y} {x},{y + r}", layer, both=both, chance=chance) for x, y in places
    )


def _legs(top, bottom, width, *places):
    return tuple(Part(f"{x},{top} {x + 4},{bottom}", width=width) for x in places)


# One view of each; most look to the left, and half of all images are mirrored later.
_FACE = (
    Part("-4,-55 35,-52 64,-10 56,35 25,58 -4,60", both=True),
    *_spots(DARK, 9, (26, -10), both=True),
)
_BODY = Part("-50,-29 50,-31 59,2 41,10 -46,10")
_VIEWS = (
    (  # airplane
        Part("-95,2 -80,-11 50,-11 95,-7 90,2 40,11 -75,11"),
        Part("60,-7 78,-42 97,-45 92,-5", SECOND),
        Part("-20,2 15,2 62,38 42,38", LIGHT),
        Part("0,-10 20,-10 50,-28 38,-28"),
        Part("-70,-3 60,-3", DARK, width=4, chance=0.7),
    ),
    (  # automobile
        Part("-100,28 -97,-4 -48,-14 95,-16 100,28"),
        Part("-50,-10 -28,-58 50,-58 75,-12"),
        Part("-38,-16 -24,-50 8,-50 8,-16", DARK),
        Part("16,-16 16,-50 46,-50 62,-16", DARK),
        *_spots(DARK, 21, (-62, 27), (62, 27)),
        Part("-95,12 98,12", LIGHT, width=4, chance=0.4),
    ),
    (  # bird
        Part("-45,-30 -10,-34 35,-5 50,25 20,34 -25,20 -50,-5"),
        Part("35,5 92,30 88,46 40,26", DARK),
        *_spots(SHAPE, 20, (-42, -34)),
        Part("-58,-42 -86,-32 -58,-28", SECOND),
        Part("-10,-16 40,8 20,18 -12,4", DARK),
        *_legs(25, 58, 4, -10, 8),
    ),
    (  # cat
        *_FACE,
        Part("62,-20 62,-98 12,-50", SECOND, both=True),
        *(Part(f"{x},-52 {x},-32", DARK, width=5, chance=0.5) for x in (-18, 0, 18)),
        *(Part(f"18,{y} 76,{y - 6}", LIGHT, width=3, both=True) for y in (22, 30)),
    ),
    (  # deer
        _BODY,
        *_legs(0, 84, 8, -40, -30, 38, 48),
        Part("-38,-14 -58,-62", width=19),
        Part("-54,-80 -70,-76 -92,-58 -86,-50 -56,-58"),
        Part("-58,-78 -66,-108 -84,-118", DARK, width=6, chance=0.6),
        Part("-54,-78 -46,-110 -30,-120", DARK, width=6, chance=0.6),
    ),
    (  # dog
        *_FACE,
        Part("52,-46 78,-20 76,48 54,40", DARK, both=True),
        Part("-28,14 28,14 26,60 -26,60", LIGHT),
        *_spots(DARK, 13, (0, 20)),
    ),
    (  # frog
        Part("-4,-36 40,-34 60,0 52,34 -4,44", both=True),
        Part("48,16 92,0 70,42 94,46", width=16, both=True),
        *_spots(SHAPE, 15, (28, -40), both=True),
        *_spots(DARK, 7, (28, -40), both=True),
        Part("-36,18 36,18 28,40 -28,40", LIGHT, chance=0.7),
        *_spots(DARK, 7, (-30, -14), (5, -22), (24, -6), chance=0.4),
    ),
    (  # horse
        _BODY,
        *_legs(0, 84, 12, -48, -34, 42, 56),
        Part("-44,-12 -70,-66", width=28),
        Part("-60,-92 -76,-84 -104,-46 -94,-38 -64,-62"),
        Part("-58,-90 -44,-66 -30,-32", DARK, width=12),
        Part("58,-26 74,0 68,46", DARK, width=14),
    ),
    (  # ship
        Part("-98,-4 95,4 84,40 -72,40"),
        Part("-76,30 86,30 82,40 -70,40", SECOND),
        Part("10,4 80,4 76,-32 14,-32", LIGHT),
        Part("24,-30 66,-30 64,-54 28,-54", LIGHT),
        Part("46,-54 46,-92", width=5),
        Part("-70,2 0,2 0,-18 -70,-18", SECOND, chance=0.6),
    ),
    (  # truck
        Part("-95,30 -95,-6 -88,-54 -52,-56 -52,30"),
        Part("-86,-14 -81,-46 -60,-46 -60,-14", DARK),
        Part("-95,32 100,32 100,18 -95,18", DARK),
        Part("-46,20 -46,-72 100,-72 100,20", SECOND),
        *_spots(DARK, 18, (-70, 36), (64, 36)),
    ),
)

_PAINTS = ((200, 200, 205), (60, 62, 68), (170, 30, 32), (40, 66, 140), (40, 90, 60), (200, 170, 60))
_HULLS = ((225, 225, 222), (180, 184, 190), (120, 126, 134), (60, 70, 90), (150, 40, 40), (40, 60, 110))
_FURS = ((96, 66, 42), (140, 100, 62), (186, 146, 100), (36, 32, 32), (150, 146, 142), (214, 206, 194))
_GREENS = ((80, 120, 50), (120, 150, 60), (110, 92, 60), (84, 74, 52), (170, 70, 40), (60, 110, 100))
_COLOURS = np.array(
    [_HULLS, _PAINTS, (*_FURS[:4], *_PAINTS[2:4]), _FURS, _FURS, _FURS, _GREENS, _FURS, _HULLS, _PAINTS], float
)

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


@functools.cache
def _atlas():
    cuts = cut_atlas([[view] for view in _VIEWS], n_cuts=_CUTS, size=_STORED - 8, seed=20090408)
    # A margin round the object, so that it can turn without losing its corners.
    return np.pad(cuts, ((0, 0), (4, 4), (4, 4), (0, 0)))


def _scenes(labels, rng):
    """Backgrounds (n, 32, 32, 3): an upper and a lower zone, their texture, and clutter."""
    n = len(labels)
    chance = np.cumsum(_PLACES[labels], axis=1)
    place = np.minimum((rng.random((n, 1)) > chance).sum(axis=1), len(_UPPER) - 1)
    brightness = np.exp(rng.normal(0, 0.3, n))[:, None]
    upper, lower = (
        ((table[place] + rng.normal(0, 17, (n, 3))) * brightness)[:, None, None].astype(np.float32)
        for table in (_UPPER, _LOWER)
    )
    horizon, soft = one_each(rng.uniform(6, 28, n)), one_each(rng.choice([1, 3, 12], n))
    wave = random_field(rng, n, _SIZE, 5) * one_each(rng.gamma(1.5, 1.2, n))
    below = np.clip((np.arange(_SIZE, dtype=np.float32)[:, None] - horizon + wave) / soft + 0.5, 0, 1)
    scene = upper + (lower - upper) * below[..., None]
    texture = random_field(rng, n, _SIZE, 22) * one_each(rng.gamma(1.5, 6, n)) * (0.35 + below)
    texture += random_field(rng, n, _SIZE, 6) * one_each(rng.gamma(1.8, 9, n))
    clutter = np.clip(2.5 * (random_field(rng, n, _SIZE, 7) - one_each(rng.uniform(0.7, 2.2, n))), 0, 1)
    tint = rng.normal(0, 34, (n, 1, 1, 3)).astype(np.float32)
    return scene + texture[..., None] + clutter[..., None] * tint


def _bodies(labels, layers, rng):
    """Colours of the objects (n, 32, 32, 3): two paints, lights, fur or rust, patches, and what is dark."""
    n = len(labels)
    main = _COLOURS[labels, rng.integers(0, 6, n)] + rng.normal(0, 12, (n, 3))
    second = 0.6 * _COLOURS[1, rng.integers(0, 6, n)] + 0.4 * main + rng.normal(0, 18, (n, 3))
    main, second = (colour[:, None, None].astype(np.float32) for colour in (main, second))
    body = main + (second - main) * layers[..., SECOND, None]
    relief = one_each(rng.uniform(20, 80, n)) * layers[..., LIGHT]
    relief += random_field(rng, n, _SIZE, 16) * one_each(rng.gamma(1.5, 9, n))
    relief += (random_field(rng, n, _SIZE, 5) > 0.6) * one_each(rng.normal(0, 55, n) * (rng.random(n) < 0.3))
    relief += one_each(rng.normal(-22, 18, n)) * np.linspace(-1, 1, _SIZE, dtype=np.float32)[:, None]
    return (body + relief[..., None]) * (1 - layers[..., DARK, None] * one_each(rng.uniform(0.55, 0.95, n))[..., None])


def _draw(labels, rng):
    n = len(labels)
    scale = np.exp(rng.normal(-0.05, 0.2, n)).clip(0.5, 1.5)
    matrices = affine(
        source=_STORED,
        target=_SIZE,
        scale_x=rng.choice([-1, 1], n) * scale * np.exp(rng.normal(0, 0.13, n)),
        scale_y=scale,
        angle=rng.normal(0, np.where(labels == 0, 0.33, 0.14)),
        shear=rng.normal(0, 0.12, n),
        shift_x=rng.normal(0, 2.4, n),
        shift_y=rng.normal(0.5, 2.2, n),
    )
    picks = labels * _CUTS + rng.integers(0, _CUTS, n)
    layers = warp(_atlas(), picks, matrices, _SIZE).astype(np.float32) / 255
    cover = layers[..., SHAPE]
    shadow = np.roll(cover, (2, 1), axis=(1, 2)) * one_each(rng.uniform(0, 0.35, n))
    images = _scenes(labels, rng) * (1 - shadow[..., None])
    images += (_bodies(labels, layers, rng) - images) * cover[..., None]
    gain = np.exp(rng.normal(0, 0.05, (n, 1, 1, 3)) + rng.normal(0, 0.18, (n, 1, 1, 1))).astype(np.float32)
    images = (images - 128) * one_each(rng.uniform(0.55, 1.1, n))[..., None] + 128
    return images * gain + grain(rng, n, _SIZE, rng.gamma(2, 2.5, n))[..., None]


def objects(labels, *, rng):
    """Objects before scenes: ten classes as in CIFAR-10, with fur, paint, glass and clutter.

    Each image takes one of 72 cuts of its class, and its own colours, texture, light, place, size and direction. Cats
    and dogs, deer and horses share their build, as in life.
    Arguments and errors are those of :func:`plain_digits`; the images are RGB, uint8, shape (n, 32, 32, 3).

    Examples
    --------
    >>> objects([1, 9], rng=np.random.default_rng(0)).shape
    (2, 32, 32, 3)
    """
    return draw_labelled(_draw, labels, rng, (_SIZE, _SIZE, 3))
