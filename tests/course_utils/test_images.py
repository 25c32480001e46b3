import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_utils import images
from course_utils.errors import ArgumentError

COLOUR = hnp.arrays(np.uint8, st.tuples(st.integers(0, 3), st.integers(1, 6), st.integers(1, 6), st.just(3)))


@given(COLOUR)
def test_grey_of_uint8_is_the_exact_sum_rounded(x):
    exact = x.astype(int) @ [299, 587, 114] / 1000
    grey = images.to_grayscale(x)
    assert grey.dtype == np.uint8
    assert grey.shape == (*x.shape[:3], 1)
    assert (np.abs(grey[..., 0] - exact) <= 0.5).all()


def test_every_grey_level_keeps_its_value():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    assert np.array_equal(images.to_grayscale(np.repeat(levels, 3, axis=3)), levels)


@given(COLOUR.filter(lambda x: len(x) > 0))
def test_grey_agrees_with_opencv(x):
    theirs = np.stack([cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in x])
    assert np.abs(images.to_grayscale(x)[..., 0].astype(int) - theirs).max() <= 1


@given(COLOUR)
def test_channel_order_only_reverses_the_channels(x):
    assert np.array_equal(images.to_grayscale(x, channel_order="bgr"), images.to_grayscale(x[..., ::-1]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_grey_of_floats_keeps_their_dtype_and_scale(dtype):
    x = np.random.default_rng(0).random((4, 5, 6, 3)).astype(dtype)
    grey = images.to_grayscale(x)
    assert grey.dtype == dtype
    np.testing.assert_allclose(grey[..., 0], x @ np.array([0.299, 0.587, 0.114]), rtol=1e-6)


def test_many_pixels_go_in_blocks(monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (7, 9, 11, 3), dtype=np.uint8)
    whole = images.to_grayscale(x)
    monkeypatch.setattr(images, "_BLOCK_PIXELS", 13)
    assert np.array_equal(images.to_grayscale(x), whole)


def test_grey_images_come_back_unchanged():
    x = np.arange(12, dtype=np.uint8).reshape(1, 3, 4, 1)
    assert np.array_equal(images.to_grayscale(x), x)


@pytest.mark.parametrize(
    ("interpolation", "flag"),
    [
        ("nearest", cv2.INTER_NEAREST),
        ("bilinear", cv2.INTER_LINEAR),
        ("bicubic", cv2.INTER_CUBIC),
        ("area", cv2.INTER_AREA),
        ("lanczos", cv2.INTER_LANCZOS4),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_resize_is_opencvs_image_by_image(interpolation, flag, channels, dtype):
    x = np.random.default_rng(1).integers(0, 256, (3, 9, 12, channels)).astype(dtype)
    resized = images.resize(x, (5, 20), interpolation=interpolation)
    assert resized.dtype == dtype
    for image, ours in zip(x, resized, strict=True):
        assert np.array_equal(ours, cv2.resize(image, (20, 5), interpolation=flag).reshape(5, 20, channels))


def test_auto_averages_when_shrinking_and_interpolates_when_not():
    x = np.random.default_rng(2).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(images.resize(x, 4), images.resize(x, 4, interpolation="area"))
    assert np.array_equal(images.resize(x, (4, 9)), images.resize(x, (4, 9), interpolation="bilinear"))
    means = x.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    assert np.abs(images.resize(x, 4) - means).max() <= 0.5


def test_the_same_size_changes_nothing():
    x = np.random.default_rng(3).integers(0, 256, (2, 7, 5, 3), dtype=np.uint8)
    for interpolation in ("auto", "nearest", "bilinear", "bicubic", "area", "lanczos"):
        assert np.array_equal(images.resize(x, (7, 5), interpolation=interpolation), x)


def test_an_empty_batch_stays_empty():
    x = np.empty((0, 8, 8, 3), dtype=np.uint8)
    assert images.resize(x, 4).shape == (0, 4, 4, 3)
    assert images.to_grayscale(x).shape == (0, 8, 8, 1)
    assert images.vectorise(x).shape == (0, 192)


@settings(max_examples=20)
@given(COLOUR)
def test_vectors_hold_the_same_numbers(x):
    vectors = images.vectorise(x)
    assert np.array_equal(vectors.reshape(x.shape), x)
    assert vectors.dtype == x.dtype


def test_to_float_is_x_over_255_to_the_last_bit():
    x = np.arange(256, dtype=np.uint8)
    scaled = images.to_float(x)
    assert scaled.dtype == np.float32
    assert np.array_equal(scaled, (x / 255).astype(np.float32))
    assert np.array_equal(np.rint(scaled * 255), x)


BATCH = np.zeros((1, 4, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: images.vectorise(BATCH[0]), r"x has shape \(4, 4, 3\); it must be a batch"),
        (lambda: images.to_float(BATCH / 255), "x is of dtype float64; it must be uint8"),
        (lambda: images.to_grayscale(BATCH[..., :2]), "x has 2 channels; it must have 1 or 3"),
        (lambda: images.to_grayscale(BATCH.astype(int)), "x is of dtype int64"),
        (lambda: images.to_grayscale(BATCH, channel_order="hsv"), "channel_order is 'hsv'.*'rgb', 'bgr'"),
        (lambda: images.resize(BATCH, 0), "size is 0; it must be an integer of at least 1"),
        (lambda: images.resize(BATCH, (4, 4, 3)), r"size is \(4, 4, 3\)"),
        (lambda: images.resize(BATCH, 2.5), "size is 2.5"),
        (lambda: images.resize(BATCH, "28"), "size is '28'"),
        (lambda: images.check_size("image_size", 9_000, maximum=8_192), "image_size is 9000; .* from 1 to 8192"),
        (lambda: images.resize(BATCH, 4, interpolation="cubic"), "interpolation is 'cubic'.*'bicubic'"),
        (lambda: images.resize(BATCH.astype(int), 4), "x is of dtype int64"),
        (lambda: images.resize(BATCH[:, :0], 4), r"x has shape \(1, 0, 4, 3\)"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()
