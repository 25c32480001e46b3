"""Random changes to batches of images, which leave the label true.

Every transform takes a batch `x`, an ndarray of uint8 or of floats in [0, 1], shape (n, h, w, c), and a
``numpy.random.Generator``, `rng`; draws other parameters for every image; and returns a new batch of the same shape and
dtype. Only a share `probability` of the images is changed, on average. Strengths are in honest units: degrees, pixels,
shares of the range of grey values. A strength of 0 returns the batch as it was, bit by bit. What is not as described is
an :class:`~course_utils.errors.ArgumentError`.

Chain transforms with :func:`compose`, and feed them to ``model.fit`` with :func:`AugmentedBatches`.
"""

import math
from functools import lru_cache, partial

import numpy as np
from scipy.special import ndtri

from course_utils.errors import ArgumentError, check_integer, check_number, require

__all__ = [
    "AugmentedBatches",
    "add_noise",
    "compose",
    "cutout",
    "flip_horizontal",
    "flip_vertical",
    "random_crop",
    "rotate",
]

_DTYPES = (np.uint8, np.float32, np.float64)

# Resampling works through the batch in parts of so many pixels: their coordinates stay in the cache, and neither NumPy
# nor OpenCV wakes its threads, which for so little work costs more than it saves. OpenCV takes at most 32,767 rows.
_PIXELS_PER_CALL = 16384
_ROWS_PER_CALL = 16384


# -- moving pixels -------------------------------------------------------------------------------------------


def flip_horizontal(x, *, probability=0.5, rng):
    """Mirror images left to right.

    Examples
    --------
    >>> x = np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1)
    >>> flip_horizontal(x, probability=1, rng=np.random.default_rng(0))[0, :, :, 0]
    array([[2, 1, 0],
           [5, 4, 3]], dtype=uint8)
    """
    x = _checked_batch(x)
    return _sometimes(x, lambda images: images[:, :, ::-1].copy(), strength=1, probability=probability, rng=rng)


def flip_vertical(x, *, probability=0.5, rng):
    """Mirror images top to bottom.

    Examples
    --------
    >>> x = np.arange(6, dtype=np.uint8).reshape(1, 2, 3, 1)
    >>> flip_vertical(x, probability=1, rng=np.random.default_rng(0))[0, :, :, 0]
    array([[3, 4, 5],
           [0, 1, 2]], dtype=uint8)
    """
    x = _checked_batch(x)
    return _sometimes(x, lambda images: images[:, ::-1].copy(), strength=1, probability=probability, rng=rng)


def rotate(x, *, degrees, probability=1.0, rng):
    """Turn each image about its middle, with linear interpolation; the corners that come free are black.

    Parameters
    ----------
    x, probability, rng
        See the module.
    degrees : float
        Angles are uniform from ``-degrees`` to ``degrees``, which is from 0 to 180.

    Examples
    --------
    >>> x = np.zeros((2, 28, 28, 1), dtype=np.float32)
    >>> x[:, 13:15, 4:24] = 1
    >>> turned = rotate(x, degrees=30, rng=np.random.default_rng(2))
    >>> [image[:, 6].argmax().item() for image in turned]
    [11, 17]
    """
    x = _checked_batch(x)
    degrees = check_number("degrees", degrees, minimum=0, maximum=180)

    def turned(images):
        angles = np.deg2rad(rng.uniform(-degrees, degrees, len(images)))
        cos, sin = np.cos(angles), np.sin(angles)
        return _warped(images, np.array([[cos, -sin], [sin, cos]]))

    return _sometimes(x, turned, strength=degrees, probability=probability, rng=rng)


def random_crop(x, *, min_size, probability=1.0, rng):
    """Cut a random rectangle out of each image and resize it to full size, with cubic interpolation.

    Parameters
    ----------
    x, probability, rng
        See the module.
    min_size : int or pair of int
        Smallest side of the rectangle in pixels, the same both ways or (height, width). Its height is uniform
        from there to ``h``, its width to ``w``, and so is its place. At the full size nothing is cut.

    Examples
    --------
    >>> x = np.zeros((1, 28, 28, 1), dtype=np.uint8)
    >>> x[:, :, 14:] = 200
    >>> cropped = random_crop(x, min_size=(28, 7), rng=np.random.default_rng(1))
    >>> (cropped[0, 0, :, 0] > 100).sum().item()
    17
    """
    x = _checked_batch(x)
    full = np.array(x.shape[1:3])
    least = _sides("min_size", min_size, full, minimum=1)
    cv2 = require("cv2", "course")

    def cropped(images):
        n, h, w, c = images.shape
        sizes = rng.integers(least[:, None], full[:, None], (2, n), endpoint=True)
        rectangles = _placed(sizes, full, rng)
        result = np.empty_like(images)
        # OpenCV resizes one image in less time than it resamples one at given coordinates.
        for image, (top, left, bottom, right), target in zip(images, rectangles, result, strict=True):
            resized = cv2.resize(image[top:bottom, left:right], (w, h), interpolation=cv2.INTER_CUBIC)
            target[:] = resized.reshape(h, w, c)
        # Cubic interpolation overshoots at edges. OpenCV clips that for bytes.
        return result if result.dtype == np.uint8 else np.clip(result, 0, 1, out=result)

    return _sometimes(x, cropped, strength=(full - least).max(), probability=probability, rng=rng)


# -- changing values -----------------------------------------------------------------------------------------


def cutout(x, *, max_size, values=(0.0, 1.0), probability=1.0, rng):
    """Cover a random rectangle of each image with one random colour.

    Parameters
    ----------
    x, probability, rng
        See the module.
    max_size : int or pair of int
        Largest side of the rectangle in pixels, the same both ways or (height, width). Sides are uniform from
        1 to there, the place is uniform over those inside the image.
    values : pair of float
        The colour's channels are uniform between these shares of the full range: ``(0, 0)`` is always black.

    References
    ----------
    DeVries and Taylor, arXiv:1708.04552, 2017 (squares of one size and colour, partly outside); Zhong et al.,
    "Random erasing data augmentation", AAAI 2020 (random rectangles and colours, inside).

    Examples
    --------
    >>> x = np.zeros((1, 3, 5, 1))
    >>> cutout(x, max_size=3, values=(1, 1), rng=np.random.default_rng(1))[0, :, :, 0]
    array([[1., 1., 1., 0., 0.],
           [1., 1., 1., 0., 0.],
           [1., 1., 1., 0., 0.]])
    """
    x = _checked_batch(x)
    full = np.array(x.shape[1:3])
    most = _sides("max_size", max_size, full, minimum=0)
    if not isinstance(values, (list, tuple)) or len(values) != 2:
        raise ArgumentError(f"values is {values!r}; it must be a pair (low, high)")
    low, high = (check_number("values", value, minimum=0, maximum=1) for value in values)
    if low > high:
        raise ArgumentError(f"values is {values!r}; the first must not be above the second")

    def covered(images):
        n, _, _, c = images.shape
        sizes = rng.integers(1, most[:, None], (2, n), endpoint=True)
        rectangles = _placed(sizes, full, rng)
        colours = rng.uniform(low, high, (n, c))
        if images.dtype == np.uint8:
            colours = np.rint(colours * 255)
        result = images.copy()
        for image, (top, left, bottom, right), colour in zip(result, rectangles, colours, strict=True):
            image[top:bottom, left:right] = colour
        return result

    return _sometimes(x, covered, strength=most.min(), probability=probability, rng=rng)


def add_noise(x, *, std, probability=1.0, rng):
    """Add Gaussian noise, drawn for every value by itself, and clip to the range.

    Parameters
    ----------
    x, probability, rng
        See the module.
    std : float
        Standard deviation as a share of the full range: 0.1 is 25.5 grey values of 255. (It is the standard
        deviation, not the variance: 0.01 where 0.1 was meant cannot be seen.)

    Notes
    -----
    The noise takes one of 65,536 equally likely quantiles of the normal distribution: none is beyond 4.3
    standard deviations, and drawing them takes a fifth of the time.

    Examples
    --------
    >>> x = np.full((10, 28, 28, 1), 0.5)
    >>> noisy = add_noise(x, std=0.1, rng=np.random.default_rng(0))
    >>> round(float(noisy.std()), 2)
    0.1
    """
    x = _checked_batch(x)
    std = check_number("std", std, minimum=0, maximum=1)

    def noisy(images):
        quantiles = _normal_quantiles(_working_dtype(images.dtype))
        noise = quantiles.take(rng.integers(0, len(quantiles), images.shape, dtype=np.uint16))
        noise *= std * 255 if images.dtype == np.uint8 else std
        noise += images
        return _clipped(noise, images.dtype)

    return _sometimes(x, noisy, strength=std, probability=probability, rng=rng)


# -- putting transforms to work ------------------------------------------------------------------------------


def compose(*transforms):
    """Chain transforms into one.

    Parameters
    ----------
    *transforms : callable
        Each is called as ``transform(x, rng=rng)``: a function of this module with its options bound by
        ``functools.partial``, or your own. None at all give the identity.

    Returns
    -------
    callable
        ``pipeline(x, rng=rng)``, which runs them in this order; it can be pickled.

    Examples
    --------
    >>> pipeline = compose(flip_horizontal, partial(rotate, degrees=5), partial(cutout, max_size=8))
    >>> pipeline(np.zeros((32, 28, 28, 1), dtype=np.uint8), rng=np.random.default_rng(0)).shape
    (32, 28, 28, 1)
    """
    for transform in transforms:
        if not callable(transform):
            raise ArgumentError(f"one of transforms is {transform!r}; it must be callable as transform(x, rng=rng)")
    return partial(_one_after_another, transforms)


def _one_after_another(transforms, x, *, rng):
    for transform in transforms:
        x = transform(x, rng=rng)
    return x


def AugmentedBatches(x, y, *, transform, batch_size, seed, shuffle=True):
    """Make batches for ``model.fit`` that are shuffled and transformed anew in every epoch.

    What a batch holds depends on `seed`, the epoch and the batch's number only. The batches shuffle
    themselves: call ``model.fit(batches, shuffle=False)``, or Keras will shuffle their order once more, by
    Python's global random state.

    Parameters
    ----------
    x : ndarray of uint8 or float, shape (n, h, w, c)
        Images. They stay in memory as they are; a batch at a time is transformed.
    y : ndarray, shape (n, ...)
        Labels; at least one.
    transform : callable
        Called as ``transform(images, rng=rng)``; see :func:`compose`.
    batch_size : int
        Images in a batch; the last one may be smaller.
    seed : int
        Decides the order and the transforms of all epochs.
    shuffle : bool
        Whether every epoch has its own order.

    Returns
    -------
    keras.utils.PyDataset
        ``len(batches)`` batches ``(images, labels)``.

    Examples
    --------
    >>> x, y = np.zeros((100, 28, 28, 1), dtype=np.uint8), np.arange(100)
    >>> batches = AugmentedBatches(x, y, transform=flip_horizontal, batch_size=32, seed=0)
    >>> len(batches), batches[3][0].shape
    (4, (4, 28, 28, 1))
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or len(x) == 0:
        raise ArgumentError(
            f"x has shape {x.shape}, y has shape {y.shape}; they must have the same number of entries, at least 1"
        )
    if not callable(transform):
        raise ArgumentError(f"transform is {transform!r}; it must be callable as transform(images, rng=rng)")
    batch_size = check_integer("batch_size", batch_size, minimum=1)
    seed = check_integer("seed", seed, minimum=0)
    return _batches_class()(x, y, transform, batch_size, seed, bool(shuffle))


@lru_cache(maxsize=1)
def _batches_class():
    """Define the class on first use, because its base comes from Keras, which takes seconds to import."""
    keras = require("keras", "course")

    class Batches(keras.utils.PyDataset):
        def __init__(self, x, y, transform, batch_size, seed, shuffle):
            super().__init__()
            self._x, self._y, self._transform = x, y, transform
            self._batch_size, self._seed, self._shuffle = batch_size, seed, shuffle
            self._plan = self._plan_of_epoch(0)

        def __len__(self):
            return -(-len(self._x) // self._batch_size)

        def __getitem__(self, number):
            epoch, order = self._plan
            chosen = order[number * self._batch_size : (number + 1) * self._batch_size]
            rng = np.random.default_rng([self._seed, epoch, number])
            return self._transform(self._x[chosen], rng=rng), self._y[chosen]

        def on_epoch_end(self):
            """Plan the next epoch. Keras calls this after each one, and once before the first."""
            self._plan = self._plan_of_epoch(self._plan[0] + 1)

        def _plan_of_epoch(self, epoch):
            order = np.arange(len(self._x))
            if self._shuffle:
                np.random.default_rng([self._seed, epoch]).shuffle(order)
            return epoch, order

    return Batches


# -- arguments and machinery ---------------------------------------------------------------------------------


def _checked_batch(x):
    x = np.asarray(x)
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ArgumentError(f"x has shape {x.shape}; it must be (n, h, w, c) with pixels in it")
    if x.dtype not in _DTYPES:
        raise ArgumentError(f"x has dtype {x.dtype}; it must be uint8, float32 or float64")
    # Written so that NaN, which compares false, is caught too.
    if x.dtype != np.uint8 and x.size and not (x.min() >= 0 and x.max() <= 1):
        raise ArgumentError(f"x has values from {x.min():g} to {x.max():g}; floats must lie in [0, 1] (bytes / 255 do)")
    return x


def _sides(name, value, full, *, minimum):
    """Return (height, width) as an array; they must fit into images of the `full` size."""
    values = value if isinstance(value, (list, tuple)) else (value, value)
    if len(values) != 2:
        raise ArgumentError(f"{name} is {value!r}; it must be an integer or a pair (rows, columns)")
    sides = np.array([check_integer(name, item, minimum=minimum) for item in values])
    if (sides > full).any():
        raise ArgumentError(f"{name} is {value!r}; it must be at most the images' {full[0]}x{full[1]} pixels")
    return sides


def _sometimes(x, transform, *, strength, probability, rng):
    """Apply `transform` to a random share of the images, and to none if its strength is 0.

    The transform is given images that it must not change, and returns new ones.
    """
    probability = check_number("probability", probability, minimum=0, maximum=1)
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng is {rng!r}; it must be a numpy.random.Generator")
    chosen = np.flatnonzero(rng.random(len(x)) < probability)
    if not strength or not len(chosen):
        return x.copy()
    if len(chosen) == len(x):
        return transform(x)
    result = x.copy()
    result[chosen] = transform(x[chosen])
    return result


def _placed(sizes, full, rng):
    """Place rectangles of `sizes` (2, n) in images; return a list of (top, left, bottom, right)."""
    first = rng.integers(0, full[:, None] - sizes, endpoint=True)
    return np.concatenate([first, first + sizes]).T.tolist()


def _warped(images, linear):
    """Resample each image at ``linear @ (position - middle) + middle``, with linear interpolation.

    Coordinates are (row, column); `linear` is (2, 2, n). A part of the batch becomes one tall image, with black
    around each of its images as far as the coordinates reach, so that OpenCV resamples it in one call. Bytes are
    resampled as floats: OpenCV does that faster, and they are rounded once.
    """
    cv2 = require("cv2", "course")
    n, h, w, c = images.shape
    coefficients = np.empty((2, n, 3))
    coefficients[:, :, :2] = linear.transpose(0, 2, 1)
    coefficients[:, :, 2] = [[(h - 1) / 2], [(w - 1) / 2]]
    grid, corners = _positions(h, w)
    reach = coefficients @ corners
    outside = np.maximum(-reach.min(axis=(1, 2)), reach.max(axis=(1, 2)) - (h - 1, w - 1))
    # One more, because coordinates are rounded.
    rows, columns = (math.ceil(max(0, side)) + 1 for side in outside)
    floats = images.astype(_working_dtype(images.dtype), copy=False)
    result = np.empty_like(floats)
    tall = h + 2 * rows
    per_call = max(1, min(_ROWS_PER_CALL // tall, _PIXELS_PER_CALL // (h * w)))
    for first in range(0, n, per_call):
        inside = floats[first : first + per_call]
        part = np.zeros((len(inside), tall, w + 2 * columns, c), dtype=floats.dtype)
        part[:, rows : rows + h, columns : columns + w] = inside
        weights = coefficients[:, first : first + per_call].copy()
        weights[0, :, 2] += rows + tall * np.arange(len(part))
        weights[1, :, 2] += columns
        y, x = (weights.astype(np.float32).reshape(-1, 3) @ grid).reshape(2, -1, w)
        warped = cv2.remap(part.reshape(len(part) * tall, -1, c), x, y, cv2.INTER_LINEAR)
        result[first : first + per_call] = warped.reshape(-1, h, w, c)
    return _clipped(result, images.dtype)


@lru_cache(maxsize=16)
def _positions(h, w):
    """Return the pixels of an image, and its corners, as columns (row, column, 1) about the middle."""
    rows, columns = np.arange(h) - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    grid = np.stack([np.repeat(rows, w), np.tile(columns, h), np.ones(h * w)])
    return grid.astype(np.float32), grid[:, [0, w - 1, (h - 1) * w, h * w - 1]]


@lru_cache(maxsize=2)
def _normal_quantiles(dtype):
    quantiles = ndtri((np.arange(65536) + 0.5) / 65536)
    return (quantiles / quantiles.std()).astype(dtype)


def _working_dtype(dtype):
    return np.float32 if dtype == np.uint8 else dtype


def _clipped(values, dtype):
    """Bring freshly computed values into the range of images of this dtype."""
    if dtype != np.uint8:
        return np.clip(values, 0, 1, out=values)
    np.rint(values, out=values)
    return np.clip(values, 0, 255, out=values).astype(np.uint8)
