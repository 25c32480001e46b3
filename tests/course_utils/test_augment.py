import pickle
from functools import partial

import cv2
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from course_utils import augment
from course_utils.augment import (
    AugmentedBatches,
    add_noise,
    compose,
    cutout,
    flip_horizontal,
    flip_vertical,
    random_crop,
    rotate,
)
from course_utils.errors import ArgumentError

TRANSFORMS = {
    "add_noise": partial(add_noise, std=0.2),
    "cutout": partial(cutout, max_size=7),
    "flip_horizontal": partial(flip_horizontal, probability=1),
    "flip_vertical": partial(flip_vertical, probability=1),
    "random_crop": partial(random_crop, min_size=5),
    "rotate": partial(rotate, degrees=40),
    "rotate far": partial(rotate, degrees=180),
}
EVERY = pytest.mark.parametrize("name", TRANSFORMS)

# These make values that the image did not have; the others move those it has.
MAKE_NEW_VALUES = {"add_noise", "cutout"}

# Nothing is left to do at these settings. Cropping to the full size needs the size.
WEAKEST = {
    "add_noise": partial(add_noise, std=0),
    "cutout": partial(cutout, max_size=0),
    "flip_horizontal": partial(flip_horizontal, probability=0),
    "flip_vertical": partial(flip_vertical, probability=0),
    "random_crop": partial(random_crop, min_size=(13, 11)),
    "rotate": partial(rotate, degrees=0),
}


def new_rng(seed=0):
    return np.random.default_rng(seed)


def images(shape, dtype=np.uint8, seed=0):
    """Blurred noise that uses the whole range."""
    x = scipy.ndimage.gaussian_filter(new_rng(seed).random(shape), (0, 1.5, 1.5, 0), mode="nearest")
    x = (x - x.min()) / (x.max() - x.min())
    return (x * 255).round().astype(dtype) if dtype == np.uint8 else x.astype(dtype)


def dots(n, row, column, side=41):
    """Images with one soft dot, so that where it went is known to a fraction of a pixel."""
    x = np.zeros((n, side, side, 1), dtype=np.float32)
    x[:, row, column] = 1
    return scipy.ndimage.gaussian_filter(x, (0, 1.5, 1.5, 0)) * 10


def centres(x):
    """Where the dots are: (rows, columns) from the middle of the image."""
    weights = x[..., 0] / x.sum(axis=(1, 2, 3))[:, None, None]
    offsets = np.arange(x.shape[1]) - (x.shape[1] - 1) / 2
    return (weights.sum(axis=2) * offsets).sum(axis=1), (weights.sum(axis=1) * offsets).sum(axis=1)


# -- what all transforms share -------------------------------------------------------------------------------


@EVERY
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_shape_dtype_and_range_stay_and_the_argument_is_left_alone(name, dtype, channels):
    x = images((6, 13, 11, channels), dtype)
    before = x.copy()
    result = TRANSFORMS[name](x, rng=new_rng())
    assert result.shape == x.shape
    assert result.dtype == dtype
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, x)
    np.testing.assert_array_equal(x, before)
    assert not np.array_equal(result, x)
    assert result.min() >= 0
    assert result.max() <= (255 if dtype == np.uint8 else 1)


@EVERY
def test_the_rng_decides_everything(name):
    x = images((6, 13, 11, 3))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    first, again, other = (TRANSFORMS[name](x, rng=new_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert "flip" in name or not np.array_equal(first, other)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("name", [name for name in TRANSFORMS if "flip" not in name])
def test_every_image_draws_its_own_parameters(name):
    x = np.repeat(images((1, 13, 11, 1), np.float32), 8, axis=0)
    result = TRANSFORMS[name](x, rng=new_rng())
    assert len({image.tobytes() for image in result}) >= 6


@EVERY
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_probability_is_the_share_of_images_that_change(name, dtype):
    x = images((400, 9, 9, 1), dtype)
    result = TRANSFORMS[name](x, probability=0.3, rng=new_rng())
    changed = (result != x).any(axis=(1, 2, 3)).sum()
    # A random draw may leave a chosen image as it was, so that the lower bound is loose.
    assert 60 <= changed <= scipy.stats.binom.ppf(0.9999, 400, 0.3)


@pytest.mark.parametrize("name", WEAKEST)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_strength_zero_is_the_identity_bit_by_bit(name, dtype):
    x = images((5, 13, 11, 3), dtype)
    if dtype != np.uint8:
        x[0, 0, 0] = -0.0, 1e-300, 5e-324
    result = WEAKEST[name](x, rng=new_rng())
    assert result.tobytes() == x.tobytes()
    assert not np.shares_memory(result, x)
    assert result.shape == x.shape
    assert result.dtype == dtype


@pytest.mark.parametrize(("transform", "strength"), [(add_noise, "std"), (rotate, "degrees")])
def test_a_strength_near_zero_is_near_the_identity(transform, strength):
    x = images((5, 13, 11, 3), np.float64)
    np.testing.assert_allclose(transform(x, **{strength: 1e-6}, rng=new_rng()), x, atol=1e-4)


@EVERY
def test_odd_batches(name):
    transform = TRANSFORMS[name]
    assert transform(np.zeros((0, 13, 11, 3), dtype=np.uint8), rng=new_rng()).shape == (0, 13, 11, 3)
    # A view of every second row and column, of images that are stored with the channels first.
    whole = np.moveaxis(images((4, 26, 3, 22), np.float32), 2, -1)
    view = whole[:, ::2, ::2]
    expected = transform(np.ascontiguousarray(view), rng=new_rng())
    np.testing.assert_array_equal(transform(view, rng=new_rng()), expected)
    # A black square of one pixel stays black, whatever moves it.
    if name not in MAKE_NEW_VALUES:
        least = {"min_size": 1} if name == "random_crop" else {}
        pixel = transform(np.zeros((2, 1, 1, 1), dtype=np.uint8), **least, rng=new_rng())
        np.testing.assert_array_equal(pixel, 0)


@pytest.mark.parametrize("name", sorted(set(TRANSFORMS) - MAKE_NEW_VALUES))
def test_images_do_not_leak_into_their_neighbours(name):
    x = np.zeros((3, 13, 11, 1), dtype=np.float32)
    x[1] = 1
    result = TRANSFORMS[name](x, rng=new_rng())
    np.testing.assert_array_equal(result[[0, 2]], 0)
    assert result[1].max() == 1


@EVERY
def test_one_tall_image_in_parts_gives_the_same(name, monkeypatch):
    x = images((9, 13, 11, 2), np.float64)
    whole = TRANSFORMS[name](x, rng=new_rng())
    monkeypatch.setattr(augment, "_ROWS_PER_CALL", 60)
    np.testing.assert_allclose(TRANSFORMS[name](x, rng=new_rng()), whole, atol=0.02)


def test_more_rows_than_opencv_takes_in_one_call():
    x = np.repeat(images((1, 28, 28, 1), np.float32), 1500, axis=0)
    result = rotate(x, degrees=1e-9, rng=new_rng())
    np.testing.assert_allclose(result, x, atol=1e-2)


# -- moving pixels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_flips_are_numpys(dtype):
    x = images((4, 7, 5, 3), dtype)
    np.testing.assert_array_equal(flip_horizontal(x, probability=1, rng=new_rng()), x[:, :, ::-1])
    np.testing.assert_array_equal(flip_vertical(x, probability=1, rng=new_rng()), x[:, ::-1])
    for flip, mirror in ((flip_horizontal, np.fliplr), (flip_vertical, np.flipud)):
        for image, result in zip(x, flip(x, probability=0.5, rng=new_rng()), strict=True):
            assert any(np.array_equal(result, legal) for legal in (image, mirror(image)))


def test_degrees_are_degrees():
    before = dots(3000, 20, 34)
    rows, columns = centres(rotate(before, degrees=10, rng=new_rng()))
    angles = np.degrees(np.arctan2(rows, columns))
    np.testing.assert_allclose(np.hypot(rows, columns), 14, atol=0.1)
    assert np.abs(angles).max() < 10.2
    assert scipy.stats.kstest(angles, scipy.stats.uniform(-10, 20).cdf).pvalue > 1e-4


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_warps_agree_with_scipy(dtype):
    x = images((5, 15, 12, 2), dtype)
    linear = new_rng(1).normal(0, 0.5, (2, 2, 5)) + np.eye(2)[:, :, None]
    result = augment._warped(x, linear)
    middle = np.array([7, 5.5])
    for i, image in enumerate(x):
        shift = middle - linear[:, :, i] @ middle
        for channel in range(2):
            expected = scipy.ndimage.affine_transform(
                image[..., channel].astype(np.float64), linear[:, :, i], shift, order=1, mode="grid-constant"
            )
            # OpenCV rounds coordinates to 1/32 pixel, and neighbours differ by up to half the range.
            tolerance = 6 if dtype == np.uint8 else 0.025
            np.testing.assert_allclose(result[i, ..., channel], expected, atol=tolerance)


def test_random_crop_is_a_resized_part_of_the_image():
    x = images((300, 30, 20, 1), np.float32)
    rng = new_rng(3)
    result = random_crop(x, min_size=(18, 9), rng=rng)
    # The same draws, image by image, through OpenCV's resize.
    rng = new_rng(3)
    rng.random(300)
    heights, widths = rng.integers([[18], [9]], [[30], [20]], (2, 300), endpoint=True)
    tops, lefts = rng.integers(0, [30 - heights, 20 - widths], endpoint=True)
    for image, crop, h, w, top, left in zip(x, result, heights, widths, tops, lefts, strict=True):
        part = image[top : top + h, left : left + w]
        expected = cv2.resize(part, (20, 30), interpolation=cv2.INTER_CUBIC).clip(0, 1)
        np.testing.assert_array_equal(crop[..., 0], expected)
    assert heights.min() == 18
    assert heights.max() == 30
    assert widths.min() == 9
    assert widths.max() == 20


def test_random_crop_does_not_swap_height_and_width():
    ramp = np.broadcast_to(np.linspace(0, 1, 30)[None, :, None, None], (50, 30, 12, 1)).copy()
    only_width = random_crop(ramp, min_size=(30, 4), rng=new_rng())
    np.testing.assert_allclose(only_width, ramp, atol=1e-6)
    only_height = random_crop(ramp, min_size=(10, 12), rng=new_rng())
    assert np.abs(only_height - ramp).max() > 0.3


# -- changing values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_cutout_covers_one_rectangle_with_one_colour(dtype):
    x = np.zeros((2000, 12, 10, 3), dtype=dtype)
    unit = 255 if dtype == np.uint8 else 1
    result = cutout(x, max_size=(4, 6), values=(0.2, 0.7), rng=new_rng()) / unit
    sides, places = [], np.zeros((12, 10))
    for image in result:
        rows, columns = np.nonzero(image.any(axis=2))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width
        assert len(np.unique(image[rows, columns], axis=0)) == 1
        sides.append((height, width))
        places[rows, columns] += 1
    assert set(sides) == {(height, width) for height in range(1, 5) for width in range(1, 7)}
    assert places.min() > 0
    colours = result[result > 0]
    assert 0.19 < colours.min() < 0.22
    assert 0.68 < colours.max() < 0.71


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("std", [0.01, 0.05])
def test_noise_has_the_standard_deviation_that_was_asked_for(dtype, std):
    unit = 255 if dtype == np.uint8 else 1
    x = np.full((50, 40, 40, 1), 128 if dtype == np.uint8 else 0.5, dtype=dtype)
    noise = (add_noise(x, std=std, rng=new_rng()).astype(np.float64) - x) / unit
    rounding = 1 / 12 / 255**2 if dtype == np.uint8 else 0
    assert noise.std() == pytest.approx(np.sqrt(std**2 + rounding), rel=0.01)
    assert abs(noise.mean()) < 4 * std / np.sqrt(noise.size) + 1e-9
    if dtype != np.uint8:
        assert scipy.stats.kstest(noise.ravel() / std, scipy.stats.norm.cdf).pvalue > 1e-4


def test_noise_is_clipped_and_never_wraps():
    x = np.array([0, 255], dtype=np.uint8).reshape(2, 1, 1, 1).repeat(30, axis=1)
    dark, light = add_noise(x, std=0.3, rng=new_rng())
    assert 0.2 < (dark == 0).mean() < 0.8
    assert dark.max() < 254
    assert 0.2 < (light == 255).mean() < 0.8
    assert light.min() > 1


# -- compose -------------------------------------------------------------------------------------------------


def test_compose_runs_in_order_with_one_rng():
    x = images((5, 9, 9, 1))
    steps = [partial(rotate, degrees=20), partial(add_noise, std=0.1), flip_horizontal]
    rng, expected = new_rng(7), x
    for step in steps:
        expected = step(expected, rng=rng)
    np.testing.assert_array_equal(compose(*steps)(x, rng=new_rng(7)), expected)
    assert not np.array_equal(compose(*steps[::-1])(x, rng=new_rng(7)), expected)
    nested = compose(compose(*steps[:2]), steps[2])
    np.testing.assert_array_equal(nested(x, rng=new_rng(7)), expected)


def test_compose_of_nothing_is_the_identity_and_pipelines_can_be_pickled():
    x = images((5, 9, 9, 1))
    np.testing.assert_array_equal(compose()(x, rng=new_rng()), x)
    pipeline = compose(flip_horizontal, partial(rotate, degrees=20))
    copy = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(copy(x, rng=new_rng()), pipeline(x, rng=new_rng()))


# -- errors --------------------------------------------------------------------------------------------------

X = np.zeros((2, 8, 6, 1), dtype=np.uint8)


@EVERY
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[0], r"x has shape \(8, 6, 1\); it must be \(n, h, w, c\)"),
        (X[:, :0], r"x has shape \(2, 0, 6, 1\)"),
        (X.astype(np.int64), "x has dtype int64; it must be uint8, float32 or float64"),
        (X.astype(np.float16), "x has dtype float16"),
        (X > 0, "x has dtype bool"),
        (X + np.float32(2), r"x has values from 2 to 2; floats must lie in \[0, 1\]"),
        (X - np.float64(0.5), "x has values from -0.5"),
        (X + np.float32(np.nan), "x has values from nan"),
    ],
)
def test_a_batch_that_is_none_is_an_error(name, x, message):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        TRANSFORMS[name](x, rng=new_rng())


@EVERY
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"probability": 1.5}, "probability is 1.5; it must be a number from 0 to 1"),
        ({"probability": "often"}, "probability is 'often'"),
        ({"rng": 0}, "rng is 0; it must be a numpy.random.Generator"),
        ({"rng": None}, "rng is None"),
    ],
)
def test_a_bad_probability_or_rng_is_an_error(name, options, message):
    small = {"min_size": 3} if name == "random_crop" else {"max_size": 3} if name == "cutout" else {}
    with pytest.raises(ArgumentError, match=f"^{message}"):
        TRANSFORMS[name](X, **{"rng": new_rng(), **small, **options})


@pytest.mark.parametrize(
    ("transform", "options", "message"),
    [
        (add_noise, {"std": -0.1}, "std is -0.1; it must be a number from 0 to 1"),
        (add_noise, {"std": 25}, "std is 25"),
        (cutout, {"max_size": 7}, "max_size is 7; it must be at most the images' 8x6 pixels"),
        (cutout, {"max_size": -1}, "max_size is -1"),
        (cutout, {"max_size": 2.5}, "max_size is 2.5"),
        (
            cutout,
            {"max_size": (1, 2, 3)},
            r"max_size is \(1, 2, 3\); it must be an integer or a pair",
        ),
        (cutout, {"max_size": 2, "values": 0}, "values is 0; it must be a pair"),
        (cutout, {"max_size": 2, "values": (0, 255)}, "values is 255"),
        (cutout, {"max_size": 2, "values": (0.9, 0.1)}, "values is .* not be above"),
        (random_crop, {"min_size": (8, 7)}, r"min_size is \(8, 7\); it must be at most"),
        (random_crop, {"min_size": 0}, "min_size is 0"),
        (rotate, {"degrees": 270}, "degrees is 270; it must be a number from 0 to 180"),
    ],
)
def test_bad_strengths_are_named(transform, options, message):
    with pytest.raises(ArgumentError, match=f"^{message}"):
        transform(X, **options, rng=new_rng())


def test_compose_needs_callables():
    with pytest.raises(ArgumentError, match=r"^one of transforms is 'rotate'; it must be callable"):
        compose(flip_horizontal, "rotate")


# -- batches for fit -----------------------------------------------------------------------------------------


def marked(n):
    """Images whose value is their label."""
    y = np.arange(n)
    return np.broadcast_to(y[:, None, None, None], (n, 4, 4, 1)).astype(np.uint8), y


def epoch_of(batches):
    parts = [batches[i] for i in range(len(batches))]
    return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epoch_holds_every_image_once_with_its_label(shuffle):
    x, y = marked(103)
    batches = AugmentedBatches(x, y, transform=compose(), batch_size=10, seed=3, shuffle=shuffle)
    assert len(batches) == 11
    assert [len(batches[i][1]) for i in (0, 9, 10)] == [10, 10, 3]
    orders = []
    for _ in range(3):
        images_seen, labels = epoch_of(batches)
        np.testing.assert_array_equal(images_seen[:, 0, 0, 0], labels)
        np.testing.assert_array_equal(np.sort(labels), y)
        orders.append(labels.tolist())
        batches.on_epoch_end()
    if shuffle:
        assert len(set(map(tuple, [*orders, y.tolist()]))) == 4
    else:
        assert orders == [y.tolist()] * 3


def test_batches_depend_on_seed_epoch_and_number_only():
    x, y = images((40, 9, 9, 1)), np.arange(40)
    transform = partial(rotate, degrees=30)
    first, again, other = (AugmentedBatches(x, y, transform=transform, batch_size=8, seed=seed) for seed in (1, 1, 2))
    backwards = [again[i][0] for i in reversed(range(5))][::-1]
    epochs = [epoch_of(first)]
    np.testing.assert_array_equal(epochs[0][0], np.concatenate(backwards))
    assert not np.array_equal(epoch_of(other)[0], epochs[0][0])
    first.on_epoch_end()
    epochs.append(epoch_of(first))
    by_label = [pixels[np.argsort(labels)] for pixels, labels in epochs]
    assert (by_label[0] != by_label[1]).any(axis=(1, 2, 3)).mean() > 0.9
    again.on_epoch_end()
    np.testing.assert_array_equal(epoch_of(again)[0], epochs[1][0])


def test_an_epoch_in_the_same_order_is_transformed_anew():
    x, y = images((40, 9, 9, 1)), np.arange(40)
    transform = partial(rotate, degrees=30)
    batches = AugmentedBatches(x, y, transform=transform, batch_size=8, seed=1, shuffle=False)
    before = epoch_of(batches)
    batches.on_epoch_end()
    after = epoch_of(batches)
    np.testing.assert_array_equal(before[1], after[1])
    assert (before[0] != after[0]).any(axis=(1, 2, 3)).mean() > 0.9


def test_every_image_may_come_at_every_place():
    x, y = marked(6)
    batches = AugmentedBatches(x, y, transform=compose(), batch_size=6, seed=0)
    counts = np.zeros((6, 6))
    for _ in range(1200):
        counts[np.arange(6), batches[0][1]] += 1
        batches.on_epoch_end()
    assert scipy.stats.chisquare(counts.ravel()).pvalue > 1e-4


def test_fit_learns_from_the_batches_and_repeats_exactly():
    import keras

    rng = new_rng()
    y = rng.integers(0, 2, 256)
    x = rng.random((256, 8, 8, 1), dtype=np.float32) * 0.5
    x[y == 1, 2:6, 2:6] += 0.5
    seen = []

    def transform(batch, *, rng):
        seen.append(batch.tobytes())
        return flip_horizontal(batch, rng=rng)

    def run():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)], name="linear")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"])
        batches = AugmentedBatches(x, y, transform=transform, batch_size=100, seed=5)
        return model.fit(batches, epochs=6, shuffle=False, verbose=0).history

    history = run()
    assert len(set(seen)) >= 6 * 3  # no epoch repeats the batches of another
    assert history["accuracy"][-1] > 0.95
    assert run() == history


@pytest.mark.parametrize(
    ("x", "y", "options", "message"),
    [
        (
            X,
            np.arange(3),
            {},
            r"x has shape \(2, 8, 6, 1\), y has shape \(3,\); they must have the same number",
        ),
        (X[:0], np.arange(0), {}, "at least 1"),
        (X, 1, {}, r"y has shape \(\)"),
        (X, np.arange(2), {"transform": None}, "transform is None; it must be callable"),
        (X, np.arange(2), {"batch_size": 0}, "batch_size is 0"),
        (X, np.arange(2), {"seed": None}, "seed is None"),
    ],
)
def test_bad_arguments_of_batches(x, y, options, message):
    with pytest.raises(ArgumentError, match=f"^.*{message}"):
        AugmentedBatches(x, y, **{"transform": compose(), "batch_size": 2, "seed": 0, **options})
