"""Two-dimensional convolution, written out in several ways that agree.

A network's "convolution" is a *cross-correlation*: the kernel is laid on the image as it is, multiplied and
summed. The convolution of signal processing turns the kernel by 180 degrees first. :func:`convolve` does
either, by a plain loop that one can read, by the forms that make it fast, or by the fastest of them.
"""

import math
from functools import lru_cache, reduce
from types import MappingProxyType
from typing import NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft as scipy_fft

from course_utils.errors import ArgumentError, check_choice, check_integer, check_number

__all__ = ["KERNELS", "METHODS", "convolve", "named_kernel", "output_shape"]

METHODS = ("auto", "loop", "shift", "windows", "im2col", "fft", "opencv")
"""What the `method` of :func:`convolve` may be."""

_MODES = ("correlate", "convolve")

# These two would let a NaN reach pixels whose window does not hold it, or drop it under a zero weight.
_FINITE_ONLY = ("fft", "opencv")

# im2col copies every pixel once for each weight: it works through blocks of rows of at most so many numbers
# (32 MB).
_IM2COL_BLOCK = 4_000_000


class _Geometry(NamedTuple):
    """Where the kernel is laid on an image, in pairs (rows, columns), and the method that suits the shapes."""

    before: tuple[int, int]
    after: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    span: tuple[int, int]
    size: tuple[int, int]
    fastest: str


def convolve(image, kernel, *, padding=0, strides=1, dilation=1, mode="correlate", method="auto"):
    """Slide a kernel over an image, or over a batch of images, and sum the products.

    With ``mode="correlate"``, a kernel of ``kh`` by ``kw`` weights, stride ``s`` and dilation ``d``, the
    result is ``out[y, x] = sum over i, j of kernel[i, j] * padded[s*y + d*i, s*x + d*j]``.

    Parameters
    ----------
    image : array_like of numbers, shape (h, w), (h, w, c) or (n, h, w, c)
        One channel, one image, or a batch. Booleans count as 0 and 1.
    kernel : array_like of numbers, shape (kh, kw) or (kh, kw, c_in, c_out)
        Two axes: the same weights for every channel, each channel by itself. Four axes: the weights of a
        network's layer, summed over the input channels.
    padding : int, str, pair of int, or pair of pairs of int
        Zeros laid around the image: the same number on every side (the default, 0, is what Keras calls
        "valid"); ``(rows, columns)``; ``((top, bottom), (left, right))``; ``"same"`` for a result of the
        image's size divided by the stride and rounded up, where an odd zero goes to the bottom and the right
        as in Keras; ``"full"`` for every position at which kernel and image overlap.
    strides, dilation : int or pair of int
        Steps between neighbouring results, and between neighbouring weights, in pixels (rows, columns).
    mode : {"correlate", "convolve"}
        Whether the kernel is used as it is or turned by 180 degrees.
    method : {"auto", "loop", "shift", "windows", "im2col", "fft", "opencv"}
        How to compute it. They differ in speed and rounding only. ``"loop"`` is the definition, one output
        pixel at a time; ``"shift"`` adds one shifted image per weight; ``"windows"`` contracts a view of all
        windows with einsum; ``"im2col"`` copies the windows into the rows of a matrix; ``"fft"`` multiplies
        spectra; ``"opencv"`` calls ``cv2.filter2D``. ``"auto"`` picks the one that is fast for the shapes at
        hand.

    Returns
    -------
    ndarray of float32 or float64, shape (oh, ow), (oh, ow, c) or (n, oh, ow, c)
        float32 if `image` is float16 or float32, else float64: an image of bytes never wraps around or gets
        clipped.

    Raises
    ------
    ArgumentError
        If an argument is not of the kind above, if image or kernel has no pixels, if the channels do not
        match, if the kernel spans more than the padded image, or if image or kernel has NaN or infinite
        values and `method` is ``"fft"`` or ``"opencv"``. The other methods give NaN exactly where a window
        holds one.

    Notes
    -----
    The size of the result is ``(h + pad - span) // stride + 1`` with ``span = dilation * (kh - 1) + 1``, as in
    Dumoulin and Visin.

    References
    ----------
    Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[0, 0, 0, 0], [0, 0, 255, 255], [0, 0, 255, 255]], dtype=np.uint8)
    >>> convolve(image, [[-1, 1]])
    array([[  0.,   0.,   0.],
           [  0., 255.,   0.],
           [  0., 255.,   0.]])
    >>> convolve(image, [[-1, 1]], mode="convolve")
    array([[   0.,    0.,    0.],
           [   0., -255.,    0.],
           [   0., -255.,    0.]])
    >>> convolve(image, np.ones((3, 3, 1, 8)), padding="same")
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: kernel has shape (3, 3, 1, 8), image has shape (3, 4); a
    kernel with four axes needs an image with a channel axis
    """
    image, kernel = _numbers("image", image), _numbers("kernel", kernel)
    if mode not in _MODES:
        check_choice("mode", mode, _MODES)
    if method not in METHODS:
        check_choice("method", method, METHODS)
    geometry = _geometry("convolve", image.shape, kernel.shape, padding, strides, dilation)
    dtype = np.float32 if image.dtype.char in "ef" else np.float64
    kernel = np.ascontiguousarray(kernel[::-1, ::-1] if mode == "convolve" else kernel, dtype=dtype)
    finite = _all_finite(image) and _all_finite(kernel)
    if method == "auto":
        method = geometry.fastest if finite or geometry.fastest not in _FINITE_ONLY else "shift"
    elif method in _FINITE_ONLY and not finite:
        raise ArgumentError(
            f"method is {method!r}, and image or kernel has NaN or infinite values, which it would "
            "spread; it must be one of 'auto', 'loop', 'shift', 'windows', 'im2col'"
        )
    if method == "opencv" and image.ndim == kernel.ndim == 2:
        return _opencv_plane(image, kernel, geometry)
    # inf * 0 and inf - inf are NaN, as the docstring promises: no warning is due.
    with np.errstate(invalid="ignore"):
        return _in_layer_form(image.astype(dtype, copy=False), kernel, geometry, _IMPLEMENTATIONS[method])


def output_shape(image_shape, kernel_shape, *, padding=0, strides=1, dilation=1):
    """Return the shape of what :func:`convolve` gives for these shapes.

    Parameters
    ----------
    image_shape, kernel_shape : sequence of int
        As :func:`convolve` takes them: (h, w), (h, w, c) or (n, h, w, c), and (kh, kw) or (kh, kw, c_in,
        c_out).
    padding, strides, dilation
        As in :func:`convolve`.

    Returns
    -------
    tuple of int

    Raises
    ------
    ArgumentError
        As :func:`convolve`.

    Examples
    --------
    >>> output_shape((200, 200), (3, 3))
    (198, 198)
    >>> output_shape((128, 28, 28, 1), (3, 3, 1, 32), padding="same", strides=2)
    (128, 14, 14, 32)
    """
    image_shape = _shape("image_shape", image_shape)
    kernel_shape = _shape("kernel_shape", kernel_shape)
    size = _geometry("output_shape", image_shape, kernel_shape, padding, strides, dilation).size
    batch = image_shape[:1] if len(image_shape) == 4 else ()
    channels = kernel_shape[3:] if len(kernel_shape) == 4 else image_shape[2:][-1:]
    return batch + size + channels


# -- named kernels -------------------------------------------------------------------------------------------

KERNELS = MappingProxyType(
    {
        "box": "the mean of a square window; takes size",
        "edge": "8 times the pixel minus its 8 neighbours: 0 on flat areas, large on edges of any direction",
        "gaussian": "a weighted mean with a bell-shaped weight, sum 1; takes size and sigma",
        "identity": "1 in the middle, 0 around it: leaves the image as it is; takes size",
        "laplacian": "the 4 neighbours minus 4 times the pixel: the discrete Laplace operator",
        "sharpen": "5 times the pixel minus its 4 neighbours: the image plus its edges, sum 1",
        "sobel_x": "change from left to right, smoothed from top to bottom: finds vertical edges",
        "sobel_y": "change from top to bottom, smoothed from left to right: finds horizontal edges",
    }
)
"""The names that :func:`named_kernel` knows, with what each kernel does.

:meta hide-value:
"""

_FIXED_KERNELS = {
    "edge": ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1)),
    "laplacian": ((0, 1, 0), (1, -4, 1), (0, 1, 0)),
    "sharpen": ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    "sobel_x": ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)),
    "sobel_y": ((-1, -2, -1), (0, 0, 0), (1, 2, 1)),
}


def named_kernel(name, *, size=3, sigma=None):
    """Return one of the kernels that every course on images knows.

    Parameters
    ----------
    name : str
        A key of :data:`KERNELS`. The kernels are meant for ``mode="correlate"``.
    size : int
        Rows and columns, in pixels; odd. Only box, gaussian and identity come in sizes other than 3.
    sigma : float, optional
        Standard deviation of gaussian, in pixels; by default ``0.3 * ((size - 1) / 2 - 1) + 0.8``, OpenCV's
        rule.

    Returns
    -------
    ndarray of float64, shape (size, size)

    Raises
    ------
    ArgumentError
        If there is no such kernel, or not in that size.

    Examples
    --------
    >>> named_kernel("sharpen")
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    >>> float(named_kernel("gaussian", size=5, sigma=1.0).sum().round(12))
    1.0
    """
    check_choice("name", name, KERNELS)
    size = check_integer("size", size, minimum=1)
    if size % 2 == 0:
        raise ArgumentError(f"size is {size}; it must be odd, so that the kernel has a middle")
    if sigma is not None and name != "gaussian":
        raise ArgumentError(f"sigma is {sigma!r} for {name!r}; only 'gaussian' takes it")
    if name in _FIXED_KERNELS:
        if size != 3:
            raise ArgumentError(f"size is {size} for {name!r}; it must be 3")
        return np.array(_FIXED_KERNELS[name], dtype=np.float64)
    if name == "box":
        return np.full((size, size), 1.0 / size**2)
    if name == "identity":
        kernel = np.zeros((size, size))
        kernel[size // 2, size // 2] = 1.0
        return kernel
    return _gaussian(size, sigma)


def _gaussian(size, sigma):
    if sigma is None:
        sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    elif check_number("sigma", sigma) <= 0:
        raise ArgumentError(f"sigma is {sigma!r}; it must be a number above 0")
    offsets = np.arange(size) - size // 2
    bell = np.exp(-(offsets**2) / (2.0 * sigma**2))
    bell /= bell.sum()
    return np.outer(bell, bell)


# -- arguments -----------------------------------------------------------------------------------------------


def _numbers(name, value):
    try:
        array = np.asarray(value)
    except ValueError:
        raise ArgumentError(f"{name} has rows of unequal length; it must be a full array") from None
    if array.dtype.kind not in "fuib":
        raise ArgumentError(f"{name} has dtype {array.dtype}; it must hold real numbers")
    return array


def _all_finite(array):
    if array.dtype.kind != "f":
        return True
    # One pass at memory speed, on one thread: waking the threads of a dot product can take longer than the convolution.
    # Only a norm that overflowed needs the look at each value.
    plain = array.ndim == 2 and array.dtype.char in "fd"
    return (plain and math.isfinite(cv2.norm(array))) or bool(np.isfinite(array).all())


def _shape(name, value):
    try:
        sides = tuple(value)
    except TypeError:
        raise ArgumentError(f"{name} is {value!r}; it must be a sequence of integers") from None
    return tuple(check_integer(name, side, minimum=0) for side in sides)


def _geometry(function, image_shape, kernel_shape, padding, strides, dilation):
    try:
        return _cached_geometry(function, image_shape, kernel_shape, padding, strides, dilation)
    except TypeError:
        # An argument that cannot be a key of the cache: a list of numbers is fine, anything else gets its
        # error.
        parts = (_as_tuples(part) for part in (padding, strides, dilation))
        return _cached_geometry.__wrapped__(function, image_shape, kernel_shape, *parts)


def _as_tuples(value):
    if isinstance(value, (list, tuple, np.ndarray)):
        return tuple(_as_tuples(item) for item in value)
    return value


@lru_cache(maxsize=256, typed=True)
def _cached_geometry(function, image_shape, kernel_shape, padding, strides, dilation):
    sides, weights = _checked_sides(function, image_shape, kernel_shape)
    strides = _pair(function, "strides", strides, minimum=1)
    dilation = _pair(function, "dilation", dilation, minimum=1)
    span = tuple(d * (k - 1) + 1 for d, k in zip(dilation, weights, strict=True))
    before, after = _zeros_around(function, padding, sides, span, strides)
    padded = tuple(map(sum, zip(sides, before, after, strict=True)))
    if span[0] > padded[0] or span[1] > padded[1]:
        raise ArgumentError(
            f"kernel spans {span[0]}x{span[1]} pixels, the padded image has "
            f"{padded[0]}x{padded[1]}; "
            "the kernel must fit into the padded image"
        )
    size = tuple((p - w) // s + 1 for p, w, s in zip(padded, span, strides, strict=True))
    fastest = _fastest(sides, padded, span, size, kernel_shape)
    return _Geometry(before, after, strides, dilation, span, size, fastest)


def _fastest(sides, padded, span, size, kernel_shape):
    """Guess the fastest method; the constants were measured on two cores."""
    weights = kernel_shape[0] * kernel_shape[1]
    if len(kernel_shape) == 4 and kernel_shape[2:] != (1, 1):
        _, _, c_in, c_out = kernel_shape
        if c_in >= 8:
            return "shift"
        if weights >= 49 and c_in * c_out <= 32:
            return "fft"
        return "opencv" if c_in * c_out <= 4 else "im2col"
    nanoseconds = {
        "opencv": 3_000 + _opencv_nanoseconds(sides, span, weights),
        # The longer transform leaves the cache.
        "fft": 60_000 + math.prod(padded) * (12 if math.prod(padded) < 100_000 else 30),
        # Plain arithmetic wins where results are few: long strides, kernels as large as the image.
        "windows": 25_000 + math.prod(size) * weights,
    }
    fastest = min(nanoseconds, key=nanoseconds.get)
    return "im2col" if fastest == "windows" and math.prod(size) * weights < 60_000 else fastest


def _opencv_nanoseconds(sides, span, weights):
    """Estimate ``cv2.filter2D`` on doubles: sums for small kernels, Fourier transforms of tiles for others."""
    if math.prod(span) < 50:
        return 0.13 * math.prod(sides) * weights
    cost = 7
    for side, extent in zip(sides, span, strict=True):
        tile = min(side, max(4.5 * extent, 257 - extent))
        cost *= math.ceil(side / tile) * (tile + extent)
    return cost


def _checked_sides(function, image, kernel):
    """Check the two shapes; return the (rows, columns) of each."""
    if len(image) not in (2, 3, 4):
        raise ArgumentError(f"image has shape {image}; it must be (h, w), (h, w, c) or (n, h, w, c)")
    if len(kernel) not in (2, 4):
        raise ArgumentError(f"kernel has shape {kernel}; it must be (kh, kw) or (kh, kw, c_in, c_out)")
    # A batch of no images is legal, an image without pixels is not.
    if 0 in (image[1:] if len(image) == 4 else image):
        raise ArgumentError(f"image has shape {image}; every axis must have at least 1 entry")
    if 0 in kernel:
        raise ArgumentError(f"kernel has shape {kernel}; every axis must have at least 1 entry")
    if len(kernel) == 4:
        if len(image) == 2:
            raise ArgumentError(
                f"kernel has shape {kernel}, image has shape {image}; "
                "a kernel with four axes needs an image with a channel axis"
            )
        if image[-1] != kernel[2]:
            raise ArgumentError(f"kernel takes {kernel[2]} channels, image has {image[-1]}; the two must be equal")
    return (image[1:3] if len(image) == 4 else image[:2]), kernel[:2]


def _pair(function, name, value, *, minimum):
    if not isinstance(value, tuple):
        return (check_integer(name, value, minimum=minimum),) * 2
    if len(value) != 2:
        raise ArgumentError(f"{name} is {value!r}; it must be an integer or a pair (rows, columns)")
    return tuple(check_integer(name, item, minimum=minimum) for item in value)


def _zeros_around(function, padding, sides, span, strides):
    """Return the zeros laid before and after the image, each as (rows, columns)."""
    if isinstance(padding, str):
        check_choice("padding", padding, ("same", "full"))
        if padding == "full":
            return (span[0] - 1, span[1] - 1), (span[0] - 1, span[1] - 1)
        totals = [
            max((-(-side // stride) - 1) * stride + extent - side, 0)
            for side, stride, extent in zip(sides, strides, span, strict=True)
        ]
        return tuple(total // 2 for total in totals), tuple(total - total // 2 for total in totals)
    if isinstance(padding, tuple) and len(padding) == 2:
        rows, columns = (_pair(function, "padding", item, minimum=0) for item in padding)
        return (rows[0], columns[0]), (rows[1], columns[1])
    if isinstance(padding, tuple):
        raise ArgumentError(
            f"padding is {padding!r}; it must be an integer, 'same', 'full', (rows, columns) or "
            "((top, bottom), (left, right))"
        )
    both = _pair(function, "padding", padding, minimum=0)
    return both, both


# -- the ways to compute it ----------------------------------------------------------------------------------
# Each takes images (n, h, w, c_in), weights (kh, kw, c_in, c_out) of the same dtype, and a _Geometry, and
# returns (n, oh, ow, c_out). They always correlate; convolve() has turned the kernel where that was asked
# for.


def _in_layer_form(image, kernel, geometry, implementation):
    """Bring every legal pair of shapes to the one form that the implementations know, and back."""
    if kernel.ndim == 4:
        batch = image if image.ndim == 4 else image[None]
        result = implementation(batch, kernel, geometry)
        return result if image.ndim == 4 else result[0]
    # Each channel by itself: every channel becomes an image of one channel.
    planes = image if image.ndim == 2 else np.moveaxis(image, -1, -3)
    batch = planes.reshape(-1, *planes.shape[-2:], 1)
    result = implementation(batch, kernel[:, :, None, None], geometry)
    result = result.reshape(*planes.shape[:-2], *geometry.size)
    return result if image.ndim == 2 else np.ascontiguousarray(np.moveaxis(result, -3, -1))


def _padded(batch, geometry, shape=None):
    """Copy a batch into zeros; `shape` asks for more rows and columns than the padding alone."""
    (top, left), (bottom, right) = geometry.before, geometry.after
    n, h, w, c = batch.shape
    if shape is None:
        shape = (h + top + bottom, w + left + right)
        if shape == (h, w):
            return batch
    result = np.zeros((n, *shape, c), dtype=batch.dtype)
    result[:, top : top + h, left : left + w] = batch
    return result


def _windows_of(batch, geometry):
    """View a padded batch as all its windows, (n, oh, ow, c_in, kh, kw), without a copy."""
    windows = sliding_window_view(batch, geometry.span, axis=(1, 2))
    (down, across), (rows, columns) = geometry.strides, geometry.dilation
    return windows[:, ::down, ::across, :, ::rows, ::columns]


def _loop(batch, kernel, geometry):
    batch = _padded(batch, geometry)
    (down, across), (rows, columns) = geometry.strides, geometry.dilation
    result = np.zeros((len(batch), *geometry.size, kernel.shape[3]), dtype=batch.dtype)
    for image, output in zip(batch, result, strict=True):
        for y in range(geometry.size[0]):
            for x in range(geometry.size[1]):
                top, left = y * down, x * across
                window = image[top : top + geometry.span[0] : rows, left : left + geometry.span[1] : columns]
                for channel in range(kernel.shape[3]):
                    output[y, x, channel] = np.sum(window * kernel[:, :, :, channel])
    return result


def _shift(batch, kernel, geometry):
    batch = _padded(batch, geometry)
    (down, across), (rows, columns) = geometry.strides, geometry.dilation
    height, width = ((size - 1) * stride + 1 for size, stride in zip(geometry.size, geometry.strides, strict=True))
    result = np.zeros((len(batch), *geometry.size, kernel.shape[3]), dtype=batch.dtype)
    for i, j in np.ndindex(kernel.shape[:2]):
        top, left = i * rows, j * columns
        shifted = batch[:, top : top + height : down, left : left + width : across]
        # With one channel the sum over channels is a product, which broadcasting does faster than a matrix
        # product.
        result += shifted * kernel[i, j, 0] if kernel.shape[2] == 1 else shifted @ kernel[i, j]
    return result


def _windows(batch, kernel, geometry):
    return np.einsum("nyxcij,ijcd->nyxd", _windows_of(_padded(batch, geometry), geometry), kernel)


def _im2col(batch, kernel, geometry):
    windows = _windows_of(_padded(batch, geometry), geometry).transpose(0, 1, 2, 4, 5, 3)
    matrix = kernel.reshape(-1, kernel.shape[3])
    oh, ow = geometry.size
    result = np.empty((len(batch), oh, ow, kernel.shape[3]), dtype=batch.dtype)
    if oh * ow * len(matrix) <= _IM2COL_BLOCK:
        images, rows = max(1, _IM2COL_BLOCK // (oh * ow * len(matrix))), oh
    else:
        images, rows = 1, max(1, _IM2COL_BLOCK // (ow * len(matrix)))
    for first in range(0, len(batch), images):
        for top in range(0, oh, rows):
            block = windows[first : first + images, top : top + rows]
            target = result[first : first + images, top : top + rows]
            target[:] = (block.reshape(-1, len(matrix)) @ matrix).reshape(target.shape)
    return result


def _fft(batch, kernel, geometry):
    # A circular correlation as long as the padded image: what wraps around falls outside the result.
    needed = [h + b + a for h, b, a in zip(batch.shape[1:3], geometry.before, geometry.after, strict=True)]
    shape = tuple(scipy_fft.next_fast_len(side, real=True) for side in needed)
    (down, across), (oh, ow) = geometry.strides, geometry.size
    spectrum = scipy_fft.rfft2(_dilated(kernel, geometry), shape, axes=(0, 1)).conj()
    result = np.empty((len(batch), oh, ow, kernel.shape[3]), dtype=batch.dtype)
    for image, output in zip(batch, result, strict=True):
        image_spectrum = scipy_fft.rfft2(_padded(image[None], geometry, shape)[0], axes=(0, 1))
        product = np.einsum("yxc,yxcd->yxd", image_spectrum, spectrum)
        correlation = scipy_fft.irfft2(product, shape, axes=(0, 1))
        output[:] = correlation[: oh * down : down, : ow * across : across]
    return result


def _opencv(batch, kernel, geometry):
    result = np.empty((len(batch), *geometry.size, kernel.shape[3]), dtype=batch.dtype)
    for image, output in zip(batch, result, strict=True):
        planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(image, 2, 0)]
        for channel in range(kernel.shape[3]):
            weights = np.moveaxis(kernel[:, :, :, channel], 2, 0)
            parts = [_opencv_plane(*pair, geometry) for pair in zip(planes, weights, strict=True)]
            output[:, :, channel] = reduce(np.add, parts)
    return result


def _opencv_plane(plane, kernel, geometry):
    (top, left), (bottom, right), strides, _, span, (oh, ow), _ = geometry
    depth = cv2.CV_32F if kernel.dtype == np.float32 else cv2.CV_64F
    # OpenCV would read bytes by itself, but then it sums in single precision.
    if plane.dtype != kernel.dtype:
        plane = plane.astype(kernel.dtype)
    kernel = _dilated(kernel, geometry)
    # OpenCV's border of zeros reaches as far as the kernel does: more padding than that is laid around the
    # image.
    if top + bottom >= span[0] or left + right >= span[1]:
        plane = cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_CONSTANT)
        top = left = 0
    # The anchor is the weight that lies on the pixel: with it at the padding, the first result is the first
    # window.
    result = cv2.filter2D(plane, depth, kernel, anchor=(left, top), borderType=cv2.BORDER_CONSTANT)
    return result[:: strides[0], :: strides[1]][:oh, :ow]


def _dilated(kernel, geometry):
    (rows, columns) = geometry.dilation
    if rows == columns == 1:
        return kernel
    result = np.zeros(geometry.span + kernel.shape[2:], dtype=kernel.dtype)
    result[::rows, ::columns] = kernel
    return result


_IMPLEMENTATIONS = {
    "loop": _loop,
    "shift": _shift,
    "windows": _windows,
    "im2col": _im2col,
    "fft": _fft,
    "opencv": _opencv,
}
