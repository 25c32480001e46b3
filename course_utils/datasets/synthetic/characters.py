"""Characters of invented alphabets in many hands: the synthetic set for Omniglot (Lake et al., 2015)."""

import functools

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import check_identities, crop_square, draw_labelled, keyed_rng
from course_utils.datasets.synthetic.strokes import pen_curve, read_strokes

__all__ = ["characters", "kuzushiji_like"]

_SIZE = 105
_ALPHABET = 20
_KANA_SEED = 20181204
_KANA_DRAWERS = 500

# Single strokes from (0, 0) to (1, 0), to be stretched, turned and placed.
_STROKES = tuple(
    read_strokes(text)[0]
    for text in (
        "0,0 50,0 100,0",
        "0,0 50,-25 100,0",
        "0,0 20,-45 80,-45 100,0",
        "0,0 80,0 80,0 100,35",
        "0,0 75,0 100,-25 75,-45",
        "0,0 40,-35 60,35 100,0",
        "0,0 35,-30 35,-30 65,30 65,30 100,0",
        "0,0 60,-10 85,-40 60,-60 45,-30 100,0",
        "0,0 0,-45 0,-45 100,-45 100,-45 100,0",
        "0,0 25,-30 50,0 75,-30 100,0",
        "0,0 45,-60 100,-30 70,20 20,15",
    )
)
_ANCHORS = np.array([(x, y) for y in (0.0, 0.5, 1.0) for x in (0.0, 0.5, 1.0)])


@functools.lru_cache(maxsize=8192)
def _skeleton(seed, identity):
    """Invent one character, a tuple of strokes in the unit square: a function of the seed and the number.

    Twenty characters in a row form an alphabet: they share the same few strokes, so they are alike.
    """
    favourites = keyed_rng(seed, 3, identity // _ALPHABET).choice(len(_STROKES), 4, replace=False)
    rng = keyed_rng(seed, 4, identity)
    strokes = []
    for _ in range(rng.integers(2, 5)):
        shape = _STROKES[rng.choice(favourites)]
        start, end = rng.permutation(_ANCHORS)[:2]
        if strokes and rng.random() < 0.75:
            start = rng.choice(strokes[rng.integers(len(strokes))])
        if np.linalg.norm(end - start) < 0.4:
            end = np.where(start > 0.5, start - 0.7, start + 0.7)
        along = end - start
        across = np.array([-along[1], along[0]]) * rng.choice([-1, 1])
        strokes.append(start + shape[:, :1] * along + shape[:, 1:] * across)
    return tuple(strokes)


@functools.lru_cache(maxsize=1024)
def _hand(seed, drawer):
    """One drawer's slant, proportions and size as a matrix, the pen's width in pixels, and the unsteadiness."""
    rng = keyed_rng(seed, 5, drawer)
    aspect = np.exp(rng.normal(0, 0.14))
    matrix = np.array([[aspect, -rng.normal(0.05, 0.23)], [rng.normal(0, 0.12), 1 / aspect]]) * rng.uniform(0.42, 0.68)
    return matrix, int(rng.integers(2, 5)), rng.uniform(0.03, 0.08)


def _write(seed, identity, drawer, rng):
    """Write one character on paper, (105, 105) uint8: ink 0, paper 255."""
    matrix, width, jitter = _hand(seed, drawer)
    matrix = matrix + rng.normal(0, 0.04, (2, 2))
    curves = [
        pen_curve(points + rng.normal(0, jitter, points.shape)) @ matrix.T for points in _skeleton(seed, identity)
    ]
    everything = np.concatenate(curves)
    low, high = everything.min(axis=0), everything.max(axis=0)
    unit = _SIZE * min(1.0, 0.94 / (high - low).max())
    room = np.maximum(0, (_SIZE - (high - low) * unit) / 2 - 4)
    centre = _SIZE / 2 + np.clip(rng.normal(0, 7, 2), -room, room)
    paper = np.full((_SIZE, _SIZE), 255, dtype=np.uint8)
    for curve in curves:
        pixels = np.round(((curve - (low + high) / 2) * unit + centre) * 16).astype(np.int32)
        cv2.polylines(paper, [pixels], False, 0, width, cv2.LINE_8, 4)
    return paper


def characters(ids, drawers, *, seed, rng):
    """Characters of invented alphabets, one hand per drawer: ink 0 on paper 255, as in Omniglot.

    The skeleton of a character is a function of ``(seed, id)``, a drawer's hand one of ``(seed, drawer)``: slant,
    size, proportions, width of the pen, unsteadiness. What differs when the same drawer writes the same character
    again comes from `rng`. Ids 0 to 19 share an alphabet, 20 to 39 the next one, and so on.
    Arguments and errors are those of :func:`pedestrians`, with drawers in place of cameras; the images are uint8,
    shape (n, 105, 105, 1).

    Examples
    --------
    >>> images = characters([5, 5], [1, 2], seed=0, rng=np.random.default_rng(0))
    >>> images.shape, np.unique(images).tolist()
    ((2, 105, 105, 1), [0, 255])
    """
    pairs, seed = check_identities(ids, "drawers", drawers, seed=seed, rng=rng)
    images = np.empty((len(pairs), _SIZE, _SIZE, 1), dtype=np.uint8)
    for image, (identity, drawer) in zip(images, pairs, strict=True):
        image[:, :, 0] = _write(seed, identity, drawer, rng)
    return images


def _draw_kana(labels, rng):
    """Three of the invented characters for each class, cropped and shrunk."""
    forms, drawers = 3 * labels + rng.integers(0, 3, len(labels)), rng.integers(0, _KANA_DRAWERS, len(labels))
    written = (_write(_KANA_SEED, int(form), int(drawer), rng) for form, drawer in zip(forms, drawers, strict=True))
    return np.stack([crop_square(255 - paper[..., None], 28) for paper in written])


def kuzushiji_like(labels, *, rng):
    """Ten classes of invented characters, three forms each, in place of Kuzushiji-MNIST (Clanuwat et al., 2018).

    Light on black. They stand in for the ten syllables and do not look like them.
    Arguments and errors are those of :func:`plain_digits`; the images are uint8, shape (n, 28, 28, 1).

    Examples
    --------
    >>> kuzushiji_like([0, 1, 2], rng=np.random.default_rng(0)).shape
    (3, 28, 28, 1)
    """
    return draw_labelled(_draw_kana, labels, rng, (28, 28, 1))
