"""House numbers: the synthetic set for SVHN's cropped digits (Netzer et al., 2011)."""

import functools

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import affine, draw_labelled, grain, one_each, random_field, warp
from course_utils.datasets.synthetic.strokes import (
    DIGITS,
    GLYPH_HEIGHT,
    GLYPH_SIZE,
    decode_distance,
    distance_map,
    encode_distance,
    vary_strokes,
)

__all__ = ["house_digits"]

_SIZE = 32
_RATIO = _SIZE / GLYPH_SIZE

# The text faces that ship with Matplotlib; system fonts would differ from machine to machine.
_FACES = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic"),
    *("DejaVuSerif-BoldItalic", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmb10", "cmss10", "cmtt10", "cmti10"),
)
_BLENDS = 50
_PENS = 70


def _face_outlines(face):
    """Ten digits of a typeface as lists of polygons."""
    from matplotlib import get_data_path
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    properties = FontProperties(fname=f"{get_data_path()}/fonts/ttf/{face}.ttf")
    return [TextPath((0, 0), str(digit), size=100, prop=properties).to_polygons() for digit in range(10)]


def _fill_outline(polygons):
    """Ink one glyph, `GLYPH_HEIGHT` high and in the middle, as a distance map."""
    points = np.concatenate(polygons)
    low, high = points.min(axis=0), points.max(axis=0)
    unit = 2 * GLYPH_HEIGHT / (high[1] - low[1])
    centred = [(polygon - (low + high) / 2) * (unit, -unit) + GLYPH_SIZE for polygon in polygons]
    ink = np.zeros((2 * GLYPH_SIZE, 2 * GLYPH_SIZE), dtype=np.uint8)
    cv2.fillPoly(ink, [np.round(polygon * 16).astype(np.int32) for polygon in centred], 255, cv2.LINE_8, 4)
    return encode_distance(ink)


def _pen_face(rng):
    """Ten digits of a pen-written face: one width, one squeeze, one way to write each."""
    width, squeeze = rng.uniform(0.07, 0.22), rng.uniform(0.45, 0.8)
    glyphs = []
    for styles in DIGITS:
        curves = vary_strokes(styles[rng.integers(len(styles))], rng, jitter=0.015)
        curves = [curve * (squeeze, 1 - width / 2) for curve in curves]
        glyphs.append(distance_map(curves, [np.full(len(curve), width) for curve in curves]))
    return np.stack(glyphs)


def _bulge(face, power):
    """Make a face squarer (power above 1) or leaner (below 1) by moving its pixels across."""
    half = GLYPH_HEIGHT / 2
    across = (np.arange(GLYPH_SIZE, dtype=np.float32) - (GLYPH_SIZE - 1) / 2) / half
    bulged = np.sign(across) * np.abs(across) ** power * half + (GLYPH_SIZE - 1) / 2
    map_x, map_y = np.meshgrid(bulged.astype(np.float32), bulged.astype(np.float32))
    return np.stack([cv2.remap(glyph, map_x, map_y, cv2.INTER_LINEAR) for glyph in face])


@functools.cache
def _typefaces():
    """All faces (f, 10, 64, 64) and the width (f, 10) of each glyph in stored pixels; made once per process.

    Typefaces, blends of two of them (the mean of two distance maps is a face between), and pen-written faces.
    """
    rng = np.random.default_rng(20111216)
    faces = [np.stack([_fill_outline(polygons) for polygons in _face_outlines(face)]) for face in _FACES]
    for _ in range(_BLENDS):
        first, second = rng.choice(len(_FACES), 2, replace=False)
        share = rng.uniform(0.3, 0.7)
        faces.append(np.uint8(np.round(share * faces[first] + (1 - share) * faces[second])))
    faces.extend(_pen_face(rng) for _ in range(_PENS))
    faces.extend([_bulge(face, rng.uniform(0.75, 1.25)) for face in faces])
    faces = np.stack(faces)
    inked = (faces > 128).any(axis=2)
    return faces, inked.sum(axis=2)


def _glyph_distances(labels, rng):
    """Distance to the ink of the labelled digit and of its neighbours, (n, 32, 32), in pixels."""
    n = len(labels)
    faces, widths = _typefaces()
    glyphs = faces.reshape(-1, GLYPH_SIZE, GLYPH_SIZE)
    face = rng.integers(0, len(faces), n)
    scale_y = rng.normal(1.1, 0.19, n).clip(0.65, 1.7)
    scale_x = scale_y * np.exp(rng.normal(-0.18, 0.23, n))
    pose = {"angle": rng.normal(0, 0.12, n), "shear": rng.normal(-0.05, 0.15, n)}
    shift_x, shift_y = rng.normal(0, 1.9, n), rng.normal(0, 1.4, n)
    scale = _RATIO * np.sqrt(scale_x * scale_y)
    gap = rng.gamma(2, 2.5, n) - 1
    distance = None
    for side in (0, -1, 1):
        digit = labels if side == 0 else rng.integers(0, 10, n)
        reach = side * ((widths[face, labels] + widths[face, digit]) / 2 + gap)
        along = _RATIO * scale_x * reach
        matrices = affine(
            source=GLYPH_SIZE,
            target=_SIZE,
            scale_x=scale_x,
            scale_y=scale_y,
            shift_x=shift_x + along * np.cos(pose["angle"]),
            shift_y=shift_y + along * np.sin(pose["angle"]) + abs(side) * rng.normal(0, 0.4, n),
            **pose,
        )
        warped = decode_distance(warp(glyphs, face * 10 + digit, matrices, _SIZE), scale)
        if side == 0:
            distance = warped
        else:
            present = one_each(rng.random(n) < 0.55)
            distance = np.where(present > 0, np.maximum(distance, warped), distance)
    return distance


def _colours(rng, n):
    """Colours of wall and digit, (n, 1, 1, 3) each: any contrast from faint to full, either one the lighter."""
    contrast = (18 + rng.gamma(2.2, 28, n)).clip(18, 190) * np.where(rng.random(n) < 0.5, -1, 1)
    room = 255 - np.abs(contrast)
    middle = np.abs(contrast) / 2 + room * rng.beta(1.5, 1.7, n)
    wall, digit = middle - contrast / 2, middle + contrast / 2
    hue = rng.choice([0.3, 0.9, 3.7, 3.9], n) + rng.normal(0, 0.7, n)
    return _tint(rng, wall, hue), _tint(rng, digit, hue + rng.normal(0, 1.2, n))


def _tint(rng, luma, hue):
    """Give a grey level a hue (radians around the grey axis) without changing its luma much."""
    n = len(luma)
    chroma = np.where(rng.random(n) < 0.09, rng.uniform(20, 75, n), rng.gamma(1.5, 7.5, n))
    blue_yellow, red_cyan = -np.cos(hue) * chroma, np.sin(hue) * chroma
    red, blue = red_cyan, blue_yellow
    green = -(0.299 * red + 0.114 * blue) / 0.587
    return (luma[:, None] + np.stack([red, green, blue], axis=1)).astype(np.float32)[:, None, None, :]


def _edges(rng, n):
    """Plates, frames and door posts: what lies beyond a line or a ring round the digit, (n, 32, 32), 0 to 1."""
    x = np.arange(_SIZE, dtype=np.float32) - (_SIZE - 1) / 2
    turn = rng.integers(0, 4, n) * np.pi / 2 + rng.normal(0, 0.1, n)
    along = one_each(np.cos(turn)) * x + one_each(np.sin(turn)) * x[:, None]
    ring = rng.random(n) < 0.2
    off_x, off_y = one_each(rng.normal(0, 2, ring.sum())), one_each(rng.normal(0, 2, ring.sum()))
    along[ring] = np.sqrt((x - off_x) ** 2 + (x[:, None] - off_y) ** 2)
    beyond = along - one_each(rng.uniform(9, 17, n) + 2 * ring)
    wide = np.where(rng.random(n) < 0.5, 99, rng.uniform(1, 4, n))
    inside = np.clip(beyond + 0.5, 0, 1) * np.clip(one_each(wide + 0.5) - beyond, 0, 1)
    return inside * one_each(rng.random(n) < 0.45)


@functools.cache
def _blurs():
    """Matrices (k, 32, 32), each of which blurs one axis.

    A Gaussian; a Gaussian sharpened afterwards, as cameras do; a shrinking to few pixels and back.
    """
    x = np.arange(_SIZE)
    matrices = [np.eye(_SIZE)]
    for sigma in np.linspace(0.4, 2.0, 9):
        bell = np.exp(-((x[:, None] - x) ** 2) / (2 * sigma**2))
        matrices.append(bell / bell.sum(axis=1, keepdims=True))
        halo = np.exp(-((x[:, None] - x) ** 2) / (2 * (sigma + 1.2) ** 2))
        halo = halo / halo.sum(axis=1, keepdims=True)
        matrices.append(1.6 * matrices[-1] - 0.6 * halo)
    for few in range(9, 28, 2):
        eye = np.eye(_SIZE, dtype=np.float32)
        shrunk = cv2.resize(eye, (_SIZE, few), interpolation=cv2.INTER_AREA)
        matrices.append(cv2.resize(shrunk, (_SIZE, _SIZE), interpolation=cv2.INTER_CUBIC))
    return np.stack(matrices).astype(np.float32)


def _blur(images, rng):
    """Blur each image by a randomly chosen matrix, mostly alike in both directions."""
    n = len(images)
    bank = _blurs()
    rows = rng.integers(0, len(bank), n)
    columns = np.where(rng.random(n) < 0.85, rows, rng.integers(0, len(bank), n))
    blurred = bank[rows] @ images.reshape(n, _SIZE, -1)
    blurred = blurred.reshape(n, _SIZE, _SIZE, 3).transpose(0, 2, 1, 3).reshape(n, _SIZE, -1)
    return (bank[columns] @ blurred).reshape(n, _SIZE, _SIZE, 3).transpose(0, 2, 1, 3)


def _light(rng, n):
    """Uneven light, (n, 32, 32): slopes in both directions and soft shadows."""
    slope = np.linspace(-1, 1, _SIZE, dtype=np.float32)
    light = random_field(rng, n, _SIZE, 4) * one_each(rng.gamma(1.5, 5, n))
    light += one_each(rng.normal(0, 14, n)) * slope
    light += one_each(rng.normal(0, 14, n)) * slope[:, None]
    return light


def _texture(rng, n):
    """What the wall is made of, (n, 32, 32): plaster, and boards now and then."""
    ground = random_field(rng, n, _SIZE, 14) * one_each(rng.gamma(1.2, 3, n))
    x = np.arange(_SIZE, dtype=np.float32)
    boards = np.sin(2 * np.pi * (x / rng.uniform(3, 12, (n, 1)) + rng.random((n, 1))))
    strength = rng.gamma(1.5, 8, n) * (rng.random(n) < 0.12)
    ground += (boards * strength[:, None])[:, :, None].astype(np.float32)
    return ground


def _relief(distance, cover, rng):
    """What an outline and a shadow add to the wall, and what a bevel adds to the digit, (n, 32, 32) each."""
    n = len(distance)
    ring = np.clip(distance + one_each(rng.uniform(1, 2.5, n)), 0, 1)
    lower, upper = np.roll(cover, (1, 1), axis=(1, 2)), np.roll(cover, (-1, -1), axis=(1, 2))
    around = ring * one_each(rng.normal(0, 50, n) * (rng.random(n) < 0.2))
    around -= lower * one_each(rng.uniform(10, 70, n) * (rng.random(n) < 0.25))
    return around, (lower - upper) * one_each(rng.normal(0, 40, n) * (rng.random(n) < 0.25))


def _draw(labels, rng):
    n = len(labels)
    weight, softness = rng.normal(0.2, 0.5, n), rng.uniform(0.8, 1.6, n)
    distance = _glyph_distances(labels, rng) + one_each(weight)
    cover = np.clip(0.5 + distance / one_each(softness), 0, 1)
    around, bevel = _relief(distance, cover, rng)
    worn = np.clip(random_field(rng, n, _SIZE, 8) - 1, 0, 1) * one_each(rng.random(n) < 0.3)
    cover *= 1 - worn

    wall, ink = _colours(rng, n)
    beyond, _ = _colours(rng, n)
    images = wall + (_texture(rng, n) + around)[..., None]
    images += (beyond - images) * _edges(rng, n)[..., None]
    images += (ink + bevel[..., None] - images) * cover[..., None]
    images += (_light(rng, n) + grain(rng, n, _SIZE, rng.gamma(1.2, 2.2, n)))[..., None]
    images = _blur(images, rng)
    return images + grain(rng, n, _SIZE, rng.gamma(1.5, 1.2, n))[..., None]


def house_digits(labels, *, rng):
    """Digits of house numbers as in SVHN's cropped format, neighbouring digits cut off at the sides.

    Typefaces that ship with Matplotlib, blends of them and pen-written faces; walls, plates, shadows, outlines,
    bevels, uneven light, wear, blur and noise. Either the digit or the wall is the lighter.
    Arguments and errors are those of :func:`plain_digits`; the images are RGB, uint8, shape (n, 32, 32, 3).

    Examples
    --------
    >>> house_digits([4, 2], rng=np.random.default_rng(0)).shape
    (2, 32, 32, 3)
    """
    return draw_labelled(_draw, labels, rng, (_SIZE, _SIZE, 3))
