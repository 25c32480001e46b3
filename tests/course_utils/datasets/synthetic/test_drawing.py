"""What the generators share."""

import numpy as np
import pytest

from course_utils.datasets.synthetic.drawing import affine, crop_square, grain, random_field, warp

STILL = {"scale_x": 1.0, "scale_y": 1.0, "angle": 0.0, "shear": 0.0, "shift_x": 0.0, "shift_y": 0.0}


def warped(image, **changes):
    pose = {name: np.full(1, value) for name, value in {**STILL, **changes}.items()}
    matrices = affine(source=len(image), target=len(image), **pose)
    return warp(image[None], np.zeros(1, dtype=int), matrices, len(image))[0]


def test_warps_do_what_they_are_called():
    image = np.random.default_rng(0).integers(0, 256, (9, 9), dtype=np.uint8)
    np.testing.assert_array_equal(warped(image), image)
    np.testing.assert_array_equal(warped(image, shift_x=2.0, shift_y=1.0)[1:, 2:], image[:-1, :-2])
    np.testing.assert_array_equal(warped(image, scale_x=-1.0), image[:, ::-1])
    np.testing.assert_allclose(warped(image, angle=np.pi / 2)[1:-1, 1:-1], np.rot90(image, -1)[1:-1, 1:-1], atol=1)


@pytest.mark.parametrize("size", [32, (40, 20)])
def test_fields_and_grain_have_the_spread_that_they_promise(size):
    rng = np.random.default_rng(0)
    field = random_field(rng, 300, size, 8)
    assert field.shape == (300, *np.broadcast_to(size, 2))
    assert abs(field.mean()) < 0.05
    assert 0.7 < field.std() < 1.1
    np.testing.assert_allclose(grain(rng, 2, size, [3.0, 9.0]).std(axis=(1, 2)), [3, 9], rtol=0.1)


def test_a_crop_keeps_proportions_and_all_layers():
    layers = np.zeros((60, 80, 2), dtype=np.uint8)
    layers[5:45, 50:70, 0] = 255
    layers[5:45, 50:60, 1] = 100
    small = crop_square(layers, 20)
    assert (small[:, 5:15, 0] == 255).all()
    assert (small[:, 5:10, 1] == 100).all()
    assert small.sum() == 255 * 200 + 100 * 100
