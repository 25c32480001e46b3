"""Batches of images, shape (n, height, width, channels): vectors, floats, sizes and grey values."""

import numpy as np

from course_utils.errors import ArgumentError, check_choice, check_integer, require

__all__ = ["check_size", "resize", "to_float", "to_grayscale", "vectorise"]

# ITU-R BT.601 luma, in thousandths, so that uint8 images can be converted in whole numbers.
_LUMA_RGB = (299, 587, 114)

# Images are converted this many pixels at a time, so that the wider intermediate values stay in the cache.
_BLOCK_PIXELS = 1 << 18

# OpenCV's names for them.
_INTERPOLATIONS = {
    "nearest": "NEAREST",
    "bilinear": "LINEAR",
    "bicubic": "CUBIC",
    "area": "AREA",
    "lanczos": "LANCZOS4",
}


def vectorise(x):
    """Turn each image into one row of numbers.

    Parameters
    ----------
    x : array_like, shape (n, height, width, channels)
        A batch of images of any dtype; anything else is an ``ArgumentError``.

    Returns
    -------
    ndarray, shape (n, height * width * channels)
        The same values and dtype, row by row. A view where NumPy can make one.

    Examples
    --------
    >>> vectorise(np.zeros((5, 28, 28, 1))).shape
    (5, 784)
    """
    x = _check_batch(x)
    return x.reshape(len(x), x.shape[1] * x.shape[2] * x.shape[3])


def to_float(x):
    """Scale uint8 images to float32 in [0, 1].

    Parameters
    ----------
    x : array_like of uint8, any shape
        Images, in a batch or not. Floats are an ``ArgumentError``: they would be scaled twice.

    Returns
    -------
    ndarray of float32, the shape of `x`
        ``x / 255``.

    Examples
    --------
    >>> to_float(np.array([0, 51, 255], dtype=np.uint8))
    array([0. , 0.2, 1. ], dtype=float32)
    """
    x = np.asarray(x)
    if x.dtype != np.uint8:
        raise ArgumentError(f"x is of dtype {x.dtype}; it must be uint8")
    return np.divide(x, np.float32(255), dtype=np.float32)


def to_grayscale(x, *, channel_order="rgb"):
    """Turn colour images into grey ones by the ITU-R BT.601 luma, 0.299 R + 0.587 G + 0.114 B.

    Parameters
    ----------
    x : array_like of uint8 or float, shape (n, height, width, 3)
        Colour images. Grey ones, with 1 channel, come back unchanged.
    channel_order : {"rgb", "bgr"}
        Which colour stands first. OpenCV reads files as ``"bgr"``; every loader of this package gives ``"rgb"``.

    Returns
    -------
    ndarray of the dtype of `x`, shape (n, height, width, 1)
        For uint8, the exact weighted sum rounded to the nearest whole number (halves up).

    Raises
    ------
    ArgumentError
        If `x` is not a batch with 1 or 3 channels, is neither uint8 nor float, or `channel_order` is unknown.

    Examples
    --------
    >>> blue = np.array([[[[0, 0, 255]]]], dtype=np.uint8)
    >>> to_grayscale(blue).item(), to_grayscale(blue, channel_order="bgr").item()
    (29, 76)
    """
    x = _check_batch(x)
    check_choice("channel_order", channel_order, ["rgb", "bgr"])
    if x.shape[3] not in (1, 3):
        raise ArgumentError(f"x has {x.shape[3]} channels; it must have 1 or 3")
    if x.dtype != np.uint8 and not np.issubdtype(x.dtype, np.floating):
        raise ArgumentError(f"x is of dtype {x.dtype}; it must be uint8 or a float")
    if x.shape[3] == 1:
        return x
    weights = _LUMA_RGB if channel_order == "rgb" else _LUMA_RGB[::-1]
    if x.dtype != np.uint8:
        return x @ (np.array(weights, dtype=x.dtype) / x.dtype.type(1000))[:, None]
    return _luma_of_uint8(x, weights)


def resize(x, size, *, interpolation="auto"):
    """Change the height and width of every image in a batch.

    Parameters
    ----------
    x : array_like of uint8, float32 or float64, shape (n, height, width, channels)
        Images with 1 to 4 channels.
    size : int or (int, int)
        New height and width in pixels; one number gives a square.
    interpolation : {"auto", "nearest", "bilinear", "bicubic", "area", "lanczos"}
        ``"area"`` averages the pixels that a new pixel covers, which is what shrinking needs to avoid aliasing.
        ``"auto"`` is ``"area"`` where both sides shrink or stay, ``"bilinear"`` otherwise.

    Returns
    -------
    ndarray of the dtype of `x`, shape (n, size[0], size[1], channels)

    Raises
    ------
    ArgumentError
        If `x` is not such a batch, `size` is not positive, or `interpolation` is unknown.
    MissingExtraError
        If OpenCV is not installed: the work is its ``cv2.resize``, pixel centres at half-integers.

    Examples
    --------
    >>> checks = np.array([[0, 255], [255, 0]], dtype=np.uint8).reshape(1, 2, 2, 1)
    >>> resize(checks, 1).ravel()
    array([128], dtype=uint8)
    >>> resize(checks, (4, 6)).shape
    (1, 4, 6, 1)
    """
    cv2 = require("cv2", "course")
    x = _check_batch(x)
    height, width = check_size("size", size)
    check_choice("interpolation", interpolation, ["auto", *_INTERPOLATIONS])
    if x.dtype not in (np.uint8, np.float32, np.float64):
        raise ArgumentError(f"x is of dtype {x.dtype}; it must be uint8, float32 or float64")
    if not 1 <= x.shape[3] <= 4 or 0 in x.shape[1:3]:
        raise ArgumentError(f"x has shape {x.shape}; it must hold images of 1 to 4 channels, not empty ones")
    if interpolation == "auto":
        interpolation = "area" if height <= x.shape[1] and width <= x.shape[2] else "bilinear"
    flag = getattr(cv2, f"INTER_{_INTERPOLATIONS[interpolation]}")
    resized = np.empty((len(x), height, width, x.shape[3]), dtype=x.dtype)
    for image, target in zip(x, resized, strict=True):
        # OpenCV drops a single channel's axis.
        target[...] = cv2.resize(image, (width, height), interpolation=flag).reshape(target.shape)
    return resized


def check_size(name, size, *, maximum=None):
    """Return the (height, width) that argument `name` asks for: a pair, or one number for a square, up to `maximum`.

    Raises
    ------
    ArgumentError
        If `size` is not one or two positive whole numbers within the bound.

    Examples
    --------
    >>> check_size("size", 28)
    (28, 28)
    """
    pair = (size, size) if np.ndim(size) == 0 else tuple(size)
    if len(pair) != 2:
        raise ArgumentError(f"{name} is {size!r}; it must be one integer or (height, width)")
    return tuple(check_integer(name, side, minimum=1, maximum=maximum) for side in pair)


def _luma_of_uint8(x, weights):
    pixels = x.reshape(-1, 3)
    grey = np.empty(len(pixels), dtype=np.uint8)
    for start in range(0, len(pixels), _BLOCK_PIXELS):
        block = pixels[start : start + _BLOCK_PIXELS]
        total = np.full(len(block), 500, dtype=np.uint32)
        for channel, weight in enumerate(weights):
            total += np.uint32(weight) * block[:, channel]
        grey[start : start + len(block)] = total // 1000
    return grey.reshape(*x.shape[:3], 1)


def _check_batch(x):
    x = np.asarray(x)
    if x.ndim != 4:
        raise ArgumentError(f"x has shape {x.shape}; it must be a batch of images, (n, height, width, channels)")
    return x
