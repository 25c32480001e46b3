"""Characters of invented alphabets in many hands: the stand-in for Omniglot (Lake et al., 2015)."""

import dataclasses
import functools

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import check_ids, check_rng, keyed_rng
from course_utils.datasets.synthetic.strokes import pen_curve, read_strokes
from course_utils.errors import ArgumentError, check_integer

__all__ = ["characters"]

_SIZE = 105
_ALPHABET = 20

# Single strokes from (0, 0) to (1, 0), to be stretched, turned and placed.
_STROKES = tuple(
    read_strokes(text)[0]
    for text in (
        "0,0 100,0",
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

    Twenty characters in a row form an alphabet: they draw on the same few strokes, so they are alike.
    """
    alphabet = keyed_rng(seed, 3, identity // _ALPHABET)
    favourites = alphabet.choice(len(_STROKES), 4, replace=False)
    usual_count = alphabet.integers(2, 4)
    rng = keyed_rng(seed, 4, identity)
    strokes = []
    for _ in range(max(1, usual_count + rng.integers(-1, 2))):
        shape = _STROKES[favourites[rng.integers(len(favourites))]]
        start, end = _ANCHORS[rng.choice(len(_ANCHORS), 2, replace=False)]
        if strokes and rng.random() < 0.75:
            earlier = strokes[rng.integers(len(strokes))]
            start = earlier[rng.integers(len(earlier))]
        if rng.random() < 0.6:
            axis = rng.integers(2)
            end[axis] = start[axis]
        if np.linalg.norm(end - start) < 0.4:
            end = np.where(start > 0.5, start - 0.7, start + 0.7) * (1, 0.9)
        strokes.append(_place(shape, start, end, flip=rng.random() < 0.5))
    return tuple(strokes)


def _place(shape, start, end, *, flip):
    """Lay a stroke between two points."""
    along = end - start
    across = np.array([-along[1], along[0]]) * (-1 if flip else 1)
    return start + shape[:, :1] * along + shape[:, 1:] * across


@dataclasses.dataclass(frozen=True)
class _Hand:
    """How one drawer writes."""

    slant: float
    turn: float
    aspect: float
    size: float
    width: int
    jitter: float
    curl: float
    tremor: float
    loose_ends: float


@functools.lru_cache(maxsize=1024)
def _hand(seed, drawer):
    """Give one drawer a hand: a function of the seed and the number."""
    rng = keyed_rng(seed, 5, drawer)
    return _Hand(
        slant=rng.normal(0.05, 0.2),
        turn=rng.normal(0, 0.08),
        aspect=np.exp(rng.normal(0, 0.14)),
        size=rng.uniform(0.42, 0.68),
        width=int(rng.choice([2, 3, 4], p=[0.15, 0.6, 0.25])),
        jitter=rng.uniform(0.03, 0.075),
        curl=rng.normal(0, 0.1),
        tremor=rng.gamma(1.5, 0.004),
        loose_ends=rng.uniform(0, 0.07),
    )


def _write_stroke(points, hand, rng):
    """One stroke in one hand: points move, straight runs bend, ends are over- or undershot, the line trembles."""
    moved = points + rng.normal(0, hand.jitter, points.shape)
    moved[0] += (points[0] - points[1]) * rng.normal(0, hand.loose_ends)
    moved[-1] += (points[-1] - points[-2]) * rng.normal(0, hand.loose_ends)
    if len(moved) == 2:
        run = moved[1] - moved[0]
        middle = moved.mean(axis=0) + np.array([-run[1], run[0]]) * (hand.curl + rng.normal(0, 0.04))
        moved = np.stack([moved[0], middle, moved[1]])
    curve = pen_curve(moved)
    steps = rng.normal(0, 1, curve.shape)
    return curve + hand.tremor * cv2.GaussianBlur(steps, (1, 5), 0) * 2


def _write_character(strokes, hand, rng):
    """Write one character on paper, (105, 105) uint8: ink 0, paper 255."""
    curves = [_write_stroke(points, hand, rng) for points in strokes]
    everything = np.concatenate(curves)
    middle = (everything.min(axis=0) + everything.max(axis=0)) / 2
    angle = hand.turn + rng.normal(0, 0.06)
    cos, sin = np.cos(angle), np.sin(angle)
    size = _SIZE * hand.size * np.exp(rng.normal(0, 0.08))
    stretch = np.exp(rng.normal(0, 0.06)) * hand.aspect
    matrix = np.array([[cos, -sin], [sin, cos]]) @ np.array([[1, -hand.slant], [0, 1]]) * (stretch, 1 / stretch)
    extent = np.ptp((everything - middle) @ matrix.T, axis=0) * size
    size *= min(1.0, 0.94 * _SIZE / extent.max())
    room = np.maximum(0, (_SIZE - extent) / 2 - 4)
    centre = _SIZE / 2 + np.clip(rng.normal(0, 7, 2), -room, room)
    paper = np.full((_SIZE, _SIZE), 255, dtype=np.uint8)
    for curve in curves:
        pixels = np.round(((curve - middle) @ matrix.T * size + centre) * 16).astype(np.int32)
        cv2.polylines(paper, [pixels], False, 0, hand.width, cv2.LINE_8, 4)
    return paper


def characters(ids, drawers, *, seed, rng):
    """Write characters of invented alphabets, one hand a drawer: ink 0 on paper 255, as in Omniglot.

    The skeleton of a character is a function of ``(seed, id)``, a drawer's hand one of ``(seed, drawer)``: slant,
    size, proportions, width of the pen, unsteadiness, bending. What differs when the same drawer writes the same
    character again comes from `rng`. Ids 0 to 19 share an alphabet, 20 to 39 the next one, and so on.

    Parameters
    ----------
    ids : array_like of int, shape (n,)
        Characters, 0 or more.
    drawers : array_like of int, shape (n,)
        Drawers, 0 or more.
    seed : int
        Which world: other seeds have other alphabets and hands.
    rng : numpy.random.Generator
        Source of what changes from image to image.

    Returns
    -------
    ndarray of uint8, shape (n, 105, 105, 1)

    Raises
    ------
    ArgumentError
        If `ids` or `drawers` is not a 1-D integer array without negative values, their lengths differ, `seed` is no
        whole number of at least 0, or `rng` no generator.

    Examples
    --------
    >>> images = characters([5, 5], [1, 2], seed=0, rng=np.random.default_rng(0))
    >>> images.shape, np.unique(images).tolist()
    ((2, 105, 105, 1), [0, 255])
    """
    ids = check_ids("ids", ids)
    drawers = check_ids("drawers", drawers)
    check_rng(rng)
    if len(ids) != len(drawers):
        raise ArgumentError(f"drawers has {len(drawers)} values, ids {len(ids)}; it must have as many")
    seed = check_integer("seed", seed, minimum=0)
    images = np.empty((len(ids), _SIZE, _SIZE, 1), dtype=np.uint8)
    for image, identity, drawer in zip(images, ids.tolist(), drawers.tolist(), strict=True):
        image[:, :, 0] = _write_character(_skeleton(seed, identity), _hand(seed, drawer), rng)
    return images
