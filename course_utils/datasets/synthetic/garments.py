"""Drawn garments: the stand-in for Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017)."""

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

__all__ = ["GARMENT_NAMES", "garments"]

GARMENT_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_SIZE = 28
_STORED = 56
_CUTS = 80
# Layers: the shape, dark lines, contrasting trim, the place of a print. Points are in garment units: x to the right of
# the middle, y down from the shoulder line.
_SHAPE, _LINES, _TRIM, _PRINT = range(4)


def _between(rng, low, high):
    return rng.uniform(low, high)


def _torso(canvas, rng, *, sleeve, hem, half_width, flare=0.0, neck_depth=None):
    """Draw body and sleeves; return the neck's half width and depth.

    `sleeve` is the sleeve's length: 0 for none, 0.35 short, 1.3 long.
    """
    neck = _between(rng, 0.14, 0.27)
    depth = _between(rng, 0.06, 0.26) if neck_depth is None else neck_depth
    shoulder = half_width + _between(rng, -0.02, 0.1)
    slope = _between(rng, 0.05, 0.16)
    armpit = np.array([half_width, slope + _between(rng, 0.33, 0.5)])
    waist = half_width * (1 - _between(rng, 0, 0.16))
    body = [
        (0, depth),
        (neck * 0.75, depth * 0.7),
        (neck, 0),
        (shoulder * 0.96, slope),
        armpit,
        (waist, 0.55 * hem + 0.2),
        (half_width + flare, hem),
        (0, hem + _between(rng, -0.02, 0.06)),
    ]
    canvas.fill([*body, *((-x, y) for x, y in reversed(body[1:-1]))], smooth=1)
    if sleeve > 0:
        _sleeves(canvas, rng, np.array([shoulder * 0.93, slope * 0.8]), armpit, sleeve)
    if rng.random() < 0.6:
        canvas.line([(-neck, 0), (-neck * 0.7, depth * 0.8), (0, depth), (neck * 0.7, depth * 0.8), (neck, 0)], _LINES)
    if rng.random() < 0.35:
        canvas.line([(-half_width - flare, hem - 0.05), (half_width + flare, hem - 0.05)], _TRIM, 255, 0.12)
    for _ in range(rng.integers(0, 4)):
        x, y = _between(rng, -waist, waist) * 0.8, _between(rng, 0.5, hem * 0.8)
        canvas.line([(x, y), (x + _between(rng, -0.1, 0.1), y + _between(rng, 0.1, 0.5))], _LINES, value=90, width=0.04)
    return neck, depth


def _sleeves(canvas, rng, shoulder, armpit, length):
    angle = _between(rng, 0.1, 0.32) if length > 0.7 else _between(rng, 0.35, 0.95)
    along = np.array([np.sin(angle), np.cos(angle)])
    inward = np.array([-along[1], along[0]])
    cuff = _between(rng, 0.17, 0.24) if length > 0.7 else _between(rng, 0.26, 0.38)
    tip = shoulder + along * length
    outline = [shoulder, tip, tip + inward * cuff, armpit + np.array([-0.02, 0.02]), armpit * (0.7, 0.8)]
    canvas.mirror_fill(outline, smooth=1)
    if rng.random() < 0.6:
        canvas.mirror_line([shoulder, (shoulder + armpit) / 2 + (-0.03, 0), armpit], _LINES)
    if rng.random() < 0.4:
        canvas.mirror_line([tip - along * 0.05, tip - along * 0.05 + inward * cuff], _TRIM, 255, 0.11)
    if rng.random() < 0.12:
        canvas.mirror_fill(outline, _TRIM, 200, smooth=1)


def _print(canvas, rng):
    """Mark where a picture or lettering sits on the chest."""
    x, y = _between(rng, -0.08, 0.08), _between(rng, 0.45, 0.75)
    kind = rng.integers(3)
    if kind == 0:
        for row in range(rng.integers(1, 4)):
            half = _between(rng, 0.1, 0.3)
            canvas.line([(x - half, y + row * 0.14), (x + half, y + row * 0.14)], _PRINT, 255, 0.08)
    elif kind == 1:
        turns = np.linspace(0, 2 * np.pi, 9)[:-1]
        radius = _between(rng, 0.12, 0.28) * (1 + 0.35 * rng.standard_normal(8).clip(-1, 1))
        canvas.fill(np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1), _PRINT)
    else:
        canvas.line([(x + 0.2, y), (x + 0.3, y + 0.02)], _PRINT, 255, 0.1)


def _placket(canvas, rng, neck, depth, hem, *, reach=1.0):
    """The front opening, with buttons or a zip."""
    x = _between(rng, -0.04, 0.04)
    bottom = depth + (hem - depth) * reach
    canvas.line([(x, depth), (x, bottom)], _LINES, value=int(_between(rng, 150, 255)), width=_between(rng, 0.02, 0.05))
    for y in np.arange(depth + 0.1, bottom, _between(rng, 0.18, 0.35)):
        canvas.line([(x + 0.05, y), (x + 0.07, y)], _LINES, width=0.05)


def _collar(canvas, rng, neck, depth, size):
    points = [(0, depth + size * 0.3), (neck, -0.05), (neck + size * 0.5, 0.08), (size * 0.6, depth + size)]
    canvas.mirror_fill(points, _SHAPE, 255, 0)
    canvas.mirror_fill(points, _TRIM, int(_between(rng, 60, 255)), 0)
    canvas.mirror_line([points[3], points[0]], _LINES)


def _t_shirt(canvas, rng):
    sleeveless = rng.random() < 0.15
    sleeve = 0.0 if sleeveless else _between(rng, 0.22, 0.62)
    half_width = _between(rng, 0.4, 0.62)
    hem = _between(rng, 1.35, 1.75)
    _torso(canvas, rng, sleeve=sleeve, hem=hem, half_width=half_width, flare=_between(rng, -0.04, 0.08))
    if rng.random() < 0.5:
        _print(canvas, rng)
    if rng.random() < 0.08:
        _placket(canvas, rng, 0.2, 0.15, hem, reach=0.25)


def _trouser(canvas, rng):
    waist, length = _between(rng, 0.24, 0.36), _between(rng, 1.6, 2.1)
    hip = waist + _between(rng, 0.02, 0.12)
    apart = _between(rng, 0.0, 0.12)
    ankle = _between(rng, 0.11, 0.26)
    crotch = _between(rng, 0.42, 0.65)
    outer = apart + ankle + _between(rng, 0.0, 0.08)
    leg = [
        (0, 0),
        (waist, 0),
        (hip, crotch * 0.7),
        (outer + 0.03, length * 0.65),
        (outer, length),
        (outer - ankle, length),
        (0.02 + apart * 0.3, crotch + 0.15),
        (-0.02, crotch),
    ]
    canvas.mirror_fill(leg, smooth=1)
    canvas.line([(-waist, 0.08), (waist, 0.08)], rng.choice([_LINES, _TRIM]), 255, 0.04)
    canvas.line([(0, 0.06), (0, crotch)], _LINES)
    if rng.random() < 0.5:
        canvas.mirror_line([(waist * 0.5, 0.1), (waist * 0.95, 0.32)], _LINES)
    if rng.random() < 0.5:
        canvas.mirror_line(
            [(outer - ankle / 2, crotch + 0.2), (outer - ankle / 2, length)], _LINES, value=110, width=0.05
        )
    if rng.random() < 0.4:
        canvas.mirror_fill(
            [(outer - ankle, length - 0.15), (outer, length - 0.15), (outer, length), (0.1, length)], _TRIM
        )


def _pullover(canvas, rng):
    hem = _between(rng, 1.3, 1.7)
    sleeve = hem * _between(rng, 0.82, 1.02)
    depth = _between(rng, 0.02, 0.2)
    neck, depth = _torso(
        canvas,
        rng,
        sleeve=sleeve,
        hem=hem,
        half_width=_between(rng, 0.42, 0.6),
        neck_depth=depth,
        flare=_between(rng, -0.08, 0.04),
    )
    extra = rng.random()
    if extra < 0.35:
        _print(canvas, rng)
    elif extra < 0.5:
        canvas.fill([(-neck, 0.1), (-neck * 0.9, -0.12), (neck * 0.9, -0.12), (neck, 0.1)], smooth=0)
        canvas.line([(-neck, 0.06), (neck, 0.06)], _LINES)
    elif extra < 0.62:
        _collar(canvas, rng, neck, depth, _between(rng, 0.15, 0.3))
    elif extra < 0.72:
        _placket(canvas, rng, neck, depth, hem, reach=_between(rng, 0.2, 1.0))


def _dress(canvas, rng):
    kind = rng.random()
    if kind < 0.45:
        sleeve = 0.0
    elif kind < 0.75:
        sleeve = _between(rng, 0.2, 0.5)
    else:
        sleeve = _between(rng, 0.7, 1.25)
    hem = _between(rng, 1.75, 2.35)
    half_width = _between(rng, 0.28, 0.42)
    flare = _between(rng, -0.06, 0.3) * rng.random()
    _torso(canvas, rng, sleeve=sleeve, hem=hem, half_width=half_width, flare=flare)
    if rng.random() < 0.5:
        y = _between(rng, 0.7, 1.0)
        canvas.line([(-half_width, y), (half_width, y)], rng.choice([_LINES, _TRIM]), 255, _between(rng, 0.03, 0.1))
    if flare > 0.08:
        canvas.mirror_line(
            [(half_width * 0.4, 1.0), (half_width * 0.7 + flare * 0.5, hem)], _LINES, value=110, width=0.05
        )
    if rng.random() < 0.12:
        _placket(canvas, rng, 0.2, 0.15, hem)


def _coat(canvas, rng):
    hem = _between(rng, 1.3, 1.95)
    sleeve = min(hem, 1.55) * _between(rng, 0.82, 1.0)
    neck, depth = _torso(
        canvas,
        rng,
        sleeve=sleeve,
        hem=hem,
        half_width=_between(rng, 0.42, 0.6),
        flare=_between(rng, -0.06, 0.1),
        neck_depth=_between(rng, 0.08, 0.35),
    )
    if rng.random() < 0.82:
        _placket(canvas, rng, neck, depth, hem)
    if rng.random() < 0.6:
        _collar(canvas, rng, neck, depth, _between(rng, 0.12, 0.5))
    elif rng.random() < 0.5:
        canvas.fill([(-neck - 0.1, 0.1), (-neck, -0.18), (neck, -0.18), (neck + 0.1, 0.1)], smooth=2)
        canvas.line([(-neck, 0.05), (0, depth), (neck, 0.05)], _LINES, width=0.05)
    if rng.random() < 0.45:
        y = _between(rng, 0.85, 1.1)
        canvas.mirror_line([(0.15, y), (0.36, y + _between(rng, -0.05, 0.2))], _LINES)
    if rng.random() < 0.2:
        canvas.line([(-0.5, 0.95), (0.5, 0.95)], _LINES, 200, 0.07)


def _shirt(canvas, rng):
    kind = rng.random()
    hem = _between(rng, 1.35, 1.8)
    if kind < 0.55:
        sleeve, half_width = hem * _between(rng, 0.8, 1.0), _between(rng, 0.42, 0.58)
    elif kind < 0.87:
        sleeve, half_width = _between(rng, 0.25, 0.65), _between(rng, 0.42, 0.62)
    else:
        sleeve, half_width = 0.0, _between(rng, 0.36, 0.56)
    neck, depth = _torso(canvas, rng, sleeve=sleeve, hem=hem, half_width=half_width, flare=_between(rng, -0.05, 0.1))
    front = rng.random()
    if front < 0.55:
        _placket(canvas, rng, neck, depth, hem)
    elif front < 0.7:
        _placket(canvas, rng, neck, depth, hem, reach=_between(rng, 0.2, 0.5))
    elif front < 0.78:
        _print(canvas, rng)
    if rng.random() < 0.55:
        _collar(canvas, rng, neck, depth, _between(rng, 0.12, 0.25))
    if rng.random() < 0.25:
        canvas.line([(0.18, 0.55), (0.36, 0.55), (0.36, 0.75), (0.18, 0.75), (0.18, 0.55)], _LINES)


def _sole(canvas, rng, *, length, lift, thickness, y):
    """A sole from the toe (left) to the heel; the heel is raised by `lift`."""
    heel, toe = length / 2, -length / 2
    points = [
        (toe, y - 0.03),
        (toe + 0.35 * length, y - thickness * 0.4),
        (heel - 0.35, y - lift - thickness),
        (heel, y - lift - thickness),
        (heel, y - lift),
        (heel - 0.35, y - lift),
        (toe + 0.35 * length, y + 0.03),
        (toe + 0.02, y + 0.03),
    ]
    canvas.fill(points, smooth=1)
    canvas.fill(points, _TRIM, smooth=1)


def _heel(canvas, rng, *, length, lift, y, width):
    heel = length / 2
    base = heel - _between(rng, 0.0, 0.1)
    canvas.fill([(heel - width * 1.5, y - lift), (heel, y - lift - 0.05), (base, y), (base - width, y)], smooth=0)


def _sandal(canvas, rng):
    length, y = 2.0, 1.3
    high = rng.random() < 0.4
    lift = _between(rng, 0.45, 1.0) if high else _between(rng, 0.0, 0.14)
    thickness = _between(rng, 0.08, 0.14) if high else _between(rng, 0.1, 0.28)
    _sole(canvas, rng, length=length, lift=lift, thickness=thickness, y=y)
    if high and rng.random() < 0.7:
        _heel(canvas, rng, length=length, lift=lift, y=y, width=_between(rng, 0.07, 0.25))
    elif lift > 0.1:
        canvas.fill([(-0.3, y), (1, y - lift), (1, y + 0.03), (-0.4, y + 0.03)], smooth=0)
    width = _between(rng, 0.07, 0.2)
    for _ in range(rng.integers(1, 4)):
        x = _between(rng, -0.9, -0.1)
        base = y - 0.05 - max(0.0, x + 0.3) * lift * 0.7
        height = _between(rng, 0.22, 0.5)
        arch = [
            (x, base),
            (x + 0.1, base - height * 0.8),
            (x + 0.28, base - height),
            (x + 0.5, base - lift * 0.3),
        ]
        canvas.line(arch, _SHAPE, 255, width)
        canvas.line(arch, _LINES, 120, 0.03)
    if rng.random() < 0.7:
        top = y - lift - thickness - _between(rng, 0.3, 0.75)
        strap = [(0.2, top + 0.12), (0.55, top), (0.95, top + 0.08), (0.97, y - lift - thickness)]
        canvas.line(strap, _SHAPE, 255, _between(rng, 0.06, 0.16))
        if rng.random() < 0.5:
            canvas.line([(0.25, top + 0.1), (-0.25, y - 0.3 - lift * 0.3)], _SHAPE, 255, 0.1)
    if rng.random() < 0.25:
        canvas.fill([(0.5, y - lift), (0.6, y - lift - 0.5), (0.95, y - lift - 0.55), (1, y - lift)], smooth=1)


def _shoe_upper(canvas, rng, *, height, throat, toe_height, y, lean=0.0):
    """The closed upper of a shoe: toe to the left, opening at the top right."""
    outline = [
        (-0.98, y),
        (-1.0, y - toe_height * 0.6),
        (-0.75, y - toe_height),
        (throat, y - toe_height - (height - toe_height) * _between(rng, 0.3, 0.6)),
        (throat + 0.35, y - height),
        (0.62 + lean, y - height + _between(rng, -0.04, 0.1)),
        (0.95 + lean, y - height - _between(rng, -0.06, 0.08)),
        (1.0, y - height * 0.5),
        (0.97, y),
    ]
    canvas.fill(outline, smooth=2)


def _laces(canvas, rng, *, left, right, top, bottom):
    for t in np.linspace(0, 1, rng.integers(3, 6)):
        x, y = left + (right - left) * t, bottom + (top - bottom) * t
        canvas.line([(x - 0.08, y), (x + 0.16, y + 0.12)], _LINES, width=0.04)


def _sneaker(canvas, rng):
    y, height, toe = 1.2, _between(rng, 0.5, 0.8), _between(rng, 0.2, 0.34)
    if rng.random() < 0.12:
        height = _between(rng, 0.8, 1.05)
    throat = _between(rng, -0.4, 0.0)
    _shoe_upper(canvas, rng, height=height, throat=throat, toe_height=toe, y=y)
    sole = [(-1.0, y - 0.1), (1.0, y - _between(rng, 0.1, 0.2)), (1.0, y + 0.05), (-0.9, y + 0.05)]
    canvas.fill(sole, smooth=1)
    canvas.fill(sole, _TRIM, smooth=1)
    canvas.line([(-1, y - 0.12), (1, y - 0.16)], _LINES)
    if rng.random() < 0.75:
        _laces(canvas, rng, left=throat - 0.1, right=throat + 0.35, top=y - height + 0.05, bottom=y - toe - 0.05)
    for _ in range(rng.integers(0, 4)):
        x = _between(rng, -0.4, 0.6)
        stripe = [(x, y - 0.15), (x + _between(rng, 0.05, 0.4), y - height * _between(rng, 0.5, 0.8))]
        canvas.line(stripe, rng.choice([_LINES, _TRIM, _PRINT]), 255, _between(rng, 0.04, 0.12))
    if rng.random() < 0.4:
        canvas.fill([(-1, y - toe), (-0.65, y - toe), (-0.55, y - 0.1), (-1, y - 0.1)], _TRIM, 200)


def _bag(canvas, rng):
    half, height = _between(rng, 0.6, 1.0), _between(rng, 0.75, 1.5)
    taper = _between(rng, -0.25, 0.18)
    top = 0.6
    body = [(-half - taper, top), (half + taper, top), (half, top + height), (-half, top + height)]
    canvas.fill(body, smooth=int(rng.integers(0, 3)))
    kind = rng.random()
    reach = _between(rng, 0.3, 0.8)
    width = _between(rng, 0.05, 0.12)
    grip = half * _between(rng, 0.3, 0.85)
    turns = np.linspace(np.pi, 2 * np.pi, 24)
    if kind < 0.7:
        handle = np.stack([grip * np.cos(turns), top + 0.05 + reach * np.sin(turns)], axis=1)
        canvas.line(handle, _SHAPE, 255, width)
        canvas.line(handle, _TRIM, int(_between(rng, 0, 255)), width)
    elif kind < 0.8:
        strap = np.stack([(half + taper - 0.05) * np.cos(turns), top + 0.15 + 0.25 * np.sin(turns)], axis=1)
        canvas.line(strap, _SHAPE, 255, width)
    if rng.random() < 0.5:
        flap = top + height * _between(rng, 0.2, 0.65)
        canvas.line([(-half, flap), (0, flap + _between(rng, 0, 0.2)), (half, flap)], _LINES, width=0.04)
    if rng.random() < 0.4:
        canvas.fill([(-half - taper, top), (half + taper, top), (half, top + 0.2), (-half, top + 0.2)], _TRIM, 220, 0)
    if rng.random() < 0.5:
        canvas.line([(-0.05, top + height * 0.4), (0.05, top + height * 0.4)], _PRINT, 255, 0.14)
    if rng.random() < 0.35:
        canvas.mirror_line([(half * 0.6, top), (half * 0.55, top + height)], rng.choice([_LINES, _TRIM]), 255, 0.06)


def _ankle_boot(canvas, rng):
    y = 1.5
    lift = _between(rng, 0.25, 0.85) if rng.random() < 0.5 else 0.0
    height = _between(rng, 0.95, 1.6)
    throat = _between(rng, -0.25, 0.15)
    toe = _between(rng, 0.26, 0.4)
    lean = _between(rng, -0.12, 0.05)
    upper = [
        (-0.98, y),
        (-1.0, y - toe * 0.6),
        (-0.75, y - toe),
        (throat - 0.1, y - toe - 0.25 - lift * 0.5),
        (throat + _between(rng, 0.0, 0.15), y - lift * 0.6 - height * 0.65),
        (throat + _between(rng, 0.0, 0.2), y - lift - height * 0.95),
        (0.9 + lean, y - lift - height),
        (0.95, y - lift - 0.4),
        (1.0, y - lift),
        (0.45, y - lift),
        (-0.2, y),
    ]
    canvas.fill(upper, smooth=2)
    if lift:
        _heel(canvas, rng, length=2.0, lift=lift, y=y, width=_between(rng, 0.1, 0.35))
    else:
        sole = [(-1, y - 0.1), (1, y - 0.12), (1, y + 0.06), (0.5, y + 0.06), (0.45, y), (-0.9, y + 0.04)]
        canvas.fill(sole, smooth=0)
        canvas.fill(sole, _TRIM, smooth=0)
    if rng.random() < 0.4:
        _laces(
            canvas,
            rng,
            left=throat - 0.2,
            right=throat + 0.15,
            top=y - lift - height * 0.85,
            bottom=y - toe - 0.2,
        )
    if rng.random() < 0.35:
        canvas.line([(throat + 0.1, y - lift - height + 0.1), (0.95, y - lift - height + 0.1)], _TRIM, 255, 0.2)
    if rng.random() < 0.5:
        x = _between(rng, 0.3, 0.6)
        canvas.line([(x, y - lift - height), (x + _between(rng, -0.1, 0.2), y - lift - 0.2)], _LINES, width=0.05)
    if rng.random() < 0.3:
        canvas.line([(throat, y - lift - height * 0.5), (0.95, y - lift - height * 0.45)], _LINES, 255, 0.08)


_DRAW = (_t_shirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _ankle_boot)


@functools.cache
def _atlas():
    """Cut `_CUTS` garments of each class, (10 * _CUTS, 56, 56, 4): once a process, from a seed of its own."""
    rng = np.random.default_rng(20170825)
    cuts = []
    for draw in _DRAW:
        for _ in range(_CUTS):
            canvas = Canvas(side=320, origin=(0.5, 1 / 7), unit=110, layers=4)
            draw(canvas, rng)
            cuts.append(canvas.stored(_STORED))
    return np.stack(cuts)


def _textures(rng, n):
    """Cloth: plain, mottled, striped or checked; floats around 0, shape (n, 28, 28)."""
    kind = rng.random(n)
    x = np.arange(_SIZE, dtype=np.float32)
    period, phase = rng.uniform(2.2, 9, (2, n)), rng.uniform(0, 2 * np.pi, (2, n))
    wave_x, wave_y = (np.sin(2 * np.pi * x / period[k, :, None] + phase[k, :, None]) for k in (0, 1))
    across = one_each((kind < 0.12) | ((kind > 0.18) & (kind < 0.24)))
    down = one_each((kind > 0.12) & (kind < 0.24))
    cloth = across * wave_y[:, :, None].clip(-0.5, 0.5) + down * wave_x[:, None, :].clip(-0.5, 0.5)
    spots = random_field(rng, n, _SIZE, 14) * one_each((kind > 0.24) & (kind < 0.36)) * 0.6
    return (cloth + spots) * one_each(rng.uniform(0.1, 0.9, n))


def _draw_garments(labels, rng):
    n = len(labels)
    picks = labels * _CUTS + rng.integers(0, _CUTS, n)
    width = rng.normal(0.97, 0.08, n).clip(0.75, 1.12)
    matrices = affine(
        source=_STORED,
        target=_SIZE,
        scale_x=width,
        scale_y=rng.normal(0.97, 0.045, n).clip(0.8, 1.06),
        angle=rng.normal(0, 0.04, n),
        shear=rng.normal(0, 0.05, n),
        shift_x=rng.normal(0, 0.9, n),
        shift_y=rng.normal(0, 0.6, n),
    )
    layers = warp(_atlas(), picks, matrices, _SIZE).astype(np.float32) / 255
    tone = rng.beta(1.7, 1.2, n) * 215 + 32
    # A dark garment's lines are light and a light one's dark, mostly: some garments hardly show theirs.
    sign = np.where(rng.random(n) < tone / 300, -1, 1)
    cloth = one_each(tone) + 90 * _textures(rng, n)
    cloth += layers[..., _LINES] * one_each(sign * rng.gamma(2.0, 28, n).clip(0, 170))
    cloth += layers[..., _TRIM] * one_each(rng.normal(0, 45, n) * (rng.random(n) < 0.65))
    picture = random_field(rng, n, _SIZE, 10)
    cloth += layers[..., _PRINT] * (one_each(-sign * rng.uniform(20, 150, n)) + 40 * picture)
    cloth += 14 * random_field(rng, n, _SIZE, 4) + one_each(rng.normal(0, 12, n)) * np.linspace(-1, 1, _SIZE)
    cloth += grain(rng, n, _SIZE, rng.gamma(2, 3, n))
    return layers[..., _SHAPE] * np.clip(cloth, 12, 255)


def garments(labels, *, rng):
    """Draw garments: ten classes as in Fashion-MNIST, light on black.

    Each image takes one of 80 cut patterns of its class, and its own proportions, tone, cloth, trim and
    print. Shirts borrow the cut of T-shirts, pullovers and coats, and coats that of pullovers, as in the
    original.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Classes 0 to 9, in the order of ``CLASS_NAMES["garments"]``.
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
    >>> images = garments([0, 9], rng=np.random.default_rng(0))
    >>> images.shape, images.dtype
    ((2, 28, 28, 1), dtype('uint8'))
    """
    labels = check_ids("labels", labels, maximum=9)
    check_rng(rng)
    return in_chunks(_draw_garments, labels, rng, (_SIZE, _SIZE, 1))
