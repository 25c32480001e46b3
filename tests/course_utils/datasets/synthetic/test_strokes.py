"""Pen strokes and distance maps."""

import cv2
import numpy as np

from course_utils.datasets.synthetic.strokes import (
    DIGITS,
    GLYPH_SIZE,
    decode_distance,
    encode_distance,
    pen_curve,
    vary_strokes,
)


def test_a_curve_passes_through_its_points():
    points = np.random.default_rng(0).random((6, 2))
    np.testing.assert_allclose(pen_curve(points, samples=7)[::7], points, atol=1e-12)


def test_corners_stay_corners_when_strokes_are_varied():
    """A point that is written twice moves as one."""
    stroke = np.array([(0.0, 0.0), (0.5, 1.0), (0.5, 1.0), (1.0, 0.0)])
    (curve,) = vary_strokes([stroke], np.random.default_rng(0), jitter=0.1)
    np.testing.assert_allclose(curve[10], curve[20], atol=1e-12)


def test_strokes_run_together_when_the_pen_stays_down():
    strokes = DIGITS[4][0]
    assert len(strokes) == 2
    assert len(vary_strokes(strokes, np.random.default_rng(0), jitter=0.01, join=1.0)) == 1
    assert len(vary_strokes(strokes, np.random.default_rng(0), jitter=0.01)) == 2


def test_distances_survive_being_stored():
    ink = np.zeros((2 * GLYPH_SIZE, 2 * GLYPH_SIZE), dtype=np.uint8)
    cv2.circle(ink, (64, 64), 30, 255, -1)
    distance = decode_distance(encode_distance(ink)[None], np.ones(1))[0]
    offset = np.arange(GLYPH_SIZE) - (GLYPH_SIZE - 1) / 2
    true = 15 - np.hypot(offset, offset[:, None])
    near = np.abs(true) < 10
    np.testing.assert_allclose(distance[near], true[near], atol=0.7)
