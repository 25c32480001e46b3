"""Garments in ten classes: the synthetic set for Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017)."""

import functools

import numpy as np

from course_utils.datasets.synthetic.drawing import affine, draw_labelled, grain, one_each, random_field, warp
from course_utils.datasets.synthetic.silhouettes import DARK, LIGHT, SECOND, SHAPE, Part, cut_atlas

__all__ = ["garments"]

_SIZE = 28
_STORED = 56
_CUTS = 80

# Seams and other lines are on the dark layer, trimmings on the light one, prints on the second colour's.
_BODY = Part("-10,14 12,12 22,0 52,12 50,50 46,95 52,152 -10,152", both=True)
_SHORT = Part("42,6 56,12 88,50 62,66 40,36", both=True)
_LONG = Part("42,6 58,14 84,140 62,145 42,46", both=True)
_HEM = Part("-50,144 50,144", LIGHT, width=12, chance=0.3)
_CUFFS = Part("62,136 84,132", LIGHT, width=11, both=True, chance=0.3)
_SEAMS = Part("46,12 44,34 48,50", DARK, width=3, both=True, chance=0.5)
_NECK = Part("22,2 14,12 -2,14", DARK, width=4, both=True, chance=0.5)
_FOLD = Part("20,70 26,120", DARK, width=4, chance=0.5)


def _front(chance):
    """An opening with buttons."""
    return (
        Part("0,14 0,150", DARK, width=6, chance=chance),
        *(Part(f"5,{y} 8,{y}", DARK, width=6, chance=chance) for y in (30, 60, 90, 120)),
    )


def _collar(chance):
    return Part("-2,28 14,-8 36,8 18,34", LIGHT, both=True, chance=chance)


def _print(chance):
    return Part("-22,48 24,50 18,84 -20,82", SECOND, chance=chance)


_TOP = (_BODY, _HEM, _SEAMS, _NECK, _FOLD)
_COAT = Part("-10,26 10,22 22,0 54,12 50,60 52,110 58,172 -10,172", both=True)
_DRESS = (
    Part("-10,16 10,14 20,0 34,8 32,44 26,85 46,205 -10,205", both=True),
    Part("-28,86 28,86", DARK, width=8, chance=0.5),
    Part("14,100 22,200", DARK, width=4, both=True, chance=0.5),
    _NECK,
)
_LEG = Part("-6,0 30,0 36,42 28,190 8,190 5,62 -6,58", both=True)
_SHOE = (
    Part("-98,112 -100,90 -76,76 -20,66 20,46 60,50 95,44 100,84 97,112"),
    Part("-100,104 100,100 100,124 -92,124", LIGHT),
    *(Part(f"{x},{y} {x + 22},{y + 12}", DARK, width=4, chance=0.7) for x, y in ((-28, 72), (-10, 62), (8, 52))),
    Part("20,60 30,20 92,18 98,60", chance=0.4),
    Part("0,100 30,60", SECOND, width=10, chance=0.5),
)
_BOOT = (
    Part("-98,140 -100,120 -70,104 -8,88 4,56 4,0 90,-2 92,60 98,140"),
    Part("-100,136 100,136", LIGHT, width=10, chance=0.5),
    Part("72,98 100,94 96,142 84,142", chance=0.5),
    Part("4,8 90,8", LIGHT, width=16, chance=0.35),
    Part("50,0 56,80", DARK, width=5, chance=0.5),
)
_BAG = (
    Part("-82,60 82,60 86,150 -86,150"),
    Part("-45,62 -40,10 0,-8 40,10 45,62", width=9, chance=0.7),
    Part("-82,92 0,104 82,92", DARK, width=4, chance=0.5),
    Part("-6,104 6,104", SECOND, width=14, chance=0.5),
    Part("-82,66 82,66", LIGHT, width=14, chance=0.4),
)

_VIEWS = (
    ((*_TOP, _SHORT, _print(0.4)),),
    ((_LEG, Part("-30,8 30,8", DARK, width=5), Part("0,6 0,58", DARK, width=3), _FOLD),),
    ((*_TOP, _LONG, _CUFFS, _print(0.3), _collar(0.12), *_front(0.06)),),
    (_DRESS, (*_DRESS, Part("26,4 36,8 58,44 40,52 26,30", both=True))),
    (
        (_COAT, _LONG, _SEAMS, _CUFFS, _collar(0.6), *_front(0.8)),
        (_BODY, _LONG, _SEAMS, _CUFFS, _collar(0.6), *_front(0.8)),
    ),
    (
        (
            Part("-100,112 0,116 100,110 100,132 -100,132", LIGHT),
            Part("-70,114 -46,84 -8,114", width=14),
            Part("10,112 40,72 96,76 96,112", width=10, chance=0.7),
        ),
        (
            Part("-100,118 -30,116 50,58 100,52 100,66 60,72 -22,132 -100,132", LIGHT),
            Part("82,60 100,60 96,132 86,132", chance=0.8),
            Part("-84,118 -52,86 -20,112", width=12),
        ),
    ),
    (
        (*_TOP, _LONG, _CUFFS, _collar(0.6), *_front(0.8)),
        (*_TOP, _SHORT, _collar(0.6), *_front(0.8), _print(0.1)),
    ),
    (_SHOE,),
    (_BAG,),
    (_BOOT,),
)


@functools.cache
def _atlas():
    return cut_atlas(_VIEWS, n_cuts=_CUTS, size=_STORED, seed=20170825)


def _textures(rng, n):
    """Cloth: plain, mottled, striped or checked; floats around 0, shape (n, 28, 28)."""
    kind = rng.random(n)
    x = np.arange(_SIZE, dtype=np.float32)
    period, phase = rng.uniform(2.2, 9, (2, n)), rng.uniform(0, 2 * np.pi, (2, n))
    wave_x, wave_y = (np.sin(2 * np.pi * x / period[k, :, None] + phase[k, :, None]) for k in (0, 1))
    cloth = one_each(kind < 0.15) * wave_y[:, :, None] + one_each((kind > 0.1) & (kind < 0.22)) * wave_x[:, None, :]
    cloth += random_field(rng, n, _SIZE, 14) * one_each((kind > 0.22) & (kind < 0.34))
    return cloth * one_each(rng.uniform(0.05, 0.5, n))


def _draw(labels, rng):
    n = len(labels)
    matrices = affine(
        source=_STORED,
        target=_SIZE,
        scale_x=rng.normal(0.97, 0.08, n).clip(0.75, 1.12),
        scale_y=rng.normal(0.97, 0.045, n).clip(0.8, 1.06),
        angle=rng.normal(0, 0.04, n),
        shear=rng.normal(0, 0.05, n),
        shift_x=rng.normal(0, 0.9, n),
        shift_y=rng.normal(0, 0.6, n),
    )
    picks = labels * _CUTS + rng.integers(0, _CUTS, n)
    layers = warp(_atlas(), picks, matrices, _SIZE).astype(np.float32) / 255
    tone = rng.beta(1.7, 1.2, n) * 215 + 32
    # A dark garment's lines are light and a light one's dark, mostly: some garments hardly show theirs.
    sign = np.where(rng.random(n) < tone / 300, -1, 1)
    cloth = one_each(tone) + 90 * _textures(rng, n)
    cloth += layers[..., DARK] * one_each(sign * (30 + rng.gamma(2.0, 28, n)))
    cloth += layers[..., LIGHT] * one_each(rng.normal(0, 45, n))
    cloth += layers[..., SECOND] * one_each(-sign * rng.uniform(20, 150, n))
    cloth += 14 * random_field(rng, n, _SIZE, 4) + one_each(rng.normal(0, 12, n)) * np.linspace(-1, 1, _SIZE)
    cloth += grain(rng, n, _SIZE, rng.gamma(2, 3, n))
    return layers[..., SHAPE] * np.clip(cloth, 12, 255)


def garments(labels, *, rng):
    """Garments in the ten classes of Fashion-MNIST, light on black.

    Each image takes one of 80 cuts of its class, and its own proportions, tone, cloth, trim and print. Shirts have
    the cut of T-shirts and pullovers, and coats that of pullovers, as in the original.
    Arguments and errors are those of :func:`plain_digits`; the images are uint8, shape (n, 28, 28, 1).

    Examples
    --------
    >>> garments([0, 9], rng=np.random.default_rng(0)).shape
    (2, 28, 28, 1)
    """
    return draw_labelled(_draw, labels, rng, (_SIZE, _SIZE, 1))
