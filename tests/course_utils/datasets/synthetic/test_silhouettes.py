"""Silhouettes: parts are painted where and as often as they say."""

import numpy as np

from course_utils.datasets.synthetic.silhouettes import DARK, SHAPE, Part, cut_atlas

BODY = Part("-5,0 60,0 40,100 -5,100", both=True)


def cuts(*parts, n=40, **options):
    return cut_atlas([[parts]], n_cuts=n, size=32, seed=0, **options)


def test_both_sides_are_alike():
    shapes = cuts(BODY)[..., SHAPE].astype(float)
    assert np.abs(shapes - shapes[:, :, ::-1]).mean() < 12
    assert np.abs(shapes - shapes[:, ::-1]).mean() > 12


def test_no_two_cuts_are_alike():
    assert len(np.unique(cuts(BODY).reshape(40, -1), axis=0)) == 40


def test_a_part_appears_as_often_as_its_chance_says():
    for chance, low, high in ((0, 0, 0), (0.5, 0.35, 0.65), (1, 1, 1)):
        dark = cuts(BODY, Part("0,20 0,80", DARK, width=10, chance=chance), n=200)[..., DARK]
        assert low <= (dark.max(axis=(1, 2)) > 0).mean() <= high


def test_every_part_belongs_to_the_shape():
    atlas = cuts(BODY, Part("50,20 120,20", DARK, width=10)).astype(int)
    assert (atlas[..., DARK] <= atlas[..., SHAPE] + 1).all()


def test_cuts_stand_class_by_class_and_take_every_view():
    wide, high = (Part("-80,40 80,40", width=20),), (Part("0,0 0,160", width=20),)
    atlas = cut_atlas([[wide], [high], [wide, high]], n_cuts=20, size=32, seed=0)
    shape = atlas[..., SHAPE].reshape(3, 20, 32, 32) > 127
    rows, columns = shape.any(axis=3).sum(axis=2), shape.any(axis=2).sum(axis=2)
    assert (columns[0] > rows[0]).all()
    assert (rows[1] > columns[1]).all()
    assert 0 < (rows[2] > columns[2]).sum() < 20
