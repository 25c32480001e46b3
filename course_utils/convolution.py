"""Two-dimensional convolution, written out in several ways that agree.

A network's "convolution" is a *cross-correlation*: the kernel is laid on the image as it is, multiplied and
summed. The convolution of signal processing turns the kernel by 180 degrees first. :func:`convolve` does
either, by a plain loop that one can read, by the forms that make it fast, or by the fastest of them.
"""

import math
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import fft as scipy_fft

from course_utils.errors import ArgumentError, check_choice, check_integer, check_number, require

__all__ = ["KERNELS", "METHODS", "convolve", "named_kernel", "output_shape"]

METHODS = ("auto", "loop", "shift", "windows", "im2col", "fft", "opencv")
"""What the `method` of :func:`convolve` may be."""

# These two would let a NaN reach pixels whose window does not hold it, or drop it under a zero weight.
_FINITE_ONLY = ("fft", "opencv")

# im2col copies every pixel once for each weight: it works through blocks of rows of at most so many numbers (32 MB).
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
    result is ``out[y, x] = sum over i, j of kernel[i, j] * padded[s*y + d*i, s*x + d*j]``, of height
    ``(h + pad - span) // s + 1`` with ``span = d * (kh - 1) + 1`` (Dumoulin and Visin, arXiv:1603.07285).

    Parameters
    ----------
    image : array_like of numbers, shape (h, w), (h, w, c) or (n, h, w, c)
        One channel, one image, or a batch. Booleans count as 0 and 1.
    kernel : array_like of numbers, shape (kh, kw) or (kh, kw, c_in, c_out)
        With two axes, each channel by itself; with four, as a network's layer: summed over the input channels.
    padding : int, pair of int, pair of pairs of int, or str
        Zeros laid around the image: on every side (0, the default, is Keras' "valid"), ``(rows, columns)``, or
        ``((top, bottom), (left, right))``; ``"same"`` for a result of the image's size divided by the stride and
        rounded up, as in Keras; ``"full"`` for every position at which kernel and image overlap.
    strides, dilation : int or pair of int
        Steps between neighbouring results, and between neighbouring weights, in pixels (rows, columns).
    mode : {"correlate", "convolve"}
        Whether the kernel is used as it is or turned by 180 degrees.
    method : {"auto", "loop", "shift", "windows", "im2col", "fft", "opencv"}
        They differ in speed and rounding only. "loop" is the definition, pixel by pixel; "shift" adds one shifted
        image per weight; "windows" contracts a view of all windows with einsum; "im2col" copies the windows into
        rows of a matrix; "fft" multiplies spectra; "opencv" is ``cv2.filter2D``; "auto" picks one by the shapes.

    Returns
    -------
    ndarray of float32 or float64, shape (oh, ow), (oh, ow, c) or (n, oh, ow, c)
        float32 if `image` is float16 or float32, else float64: an image of bytes never wraps around.

    Raises
    ------
    ArgumentError
        If an argument is not as above, the channels do not match, the kernel spans more than the padded image, or
        values are not finite and `method` is "fft" or "opencv". Elsewhere NaN stays in the windows that hold it.

    Examples
    --------
    >>> image = np.array([[0, 0, 0, 0], [0, 0, 255, 255], [0, 0, 255, 255]], dtype=np.uint8)
    >>> convolve(image, [[-1, 1]])
    array([[  0.,   0.,   0.],
           [  0., 255.,   0.],
           [  0., 255.,   0.]])
    >>> convolve(image, [[-1, 1]], mode="convolve").min().item()
    -255.0
    """
    image, kernel = _numbers("image", image), _numbers("kernel", kernel)
    check_choice("mode", mode, ("correlate", "convolve"))
    check_choice("method", method, METHODS)
    geometry = _checked_geometry(image.shape, kernel.shape, padding, strides, dilation)
    dtype = np.float32 if image.dtype.char in "ef" else np.float64
    kernel = np.ascontiguousarray(kernel[::-1, ::-1] if mode == "convolve" else kernel, dtype=dtype)
    finite = np.isfinite(kernel).all() and (image.dtype.kind != "f" or np.isfinite(image).all())
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
        The shapes of `image` and `kernel`.
    padding, strides, dilation
        As in :func:`convolve`, as are the errors.

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> output_shape((200, 200), (3, 3))
    (198, 198)
    >>> output_shape((128, 28, 28, 1), (3, 3, 1, 32), padding="same", strides=2)
    (128, 14, 14, 32)
    """
    image_shape = _shape("image_shape", image_shape)
    kernel_shape = _shape("kernel_shape", kernel_shape)
    size = _checked_geometry(image_shape, kernel_shape, padding, strides, dilation).size
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
        return np.pad([[1.0]], size // 2)
    if sigma is None:
        sigma = 0.3 * ((size - 1) / 2 - 1) + 0.8
    elif check_number("sigma", sigma) <= 0:
        raise ArgumentError(f"sigma is {sigma!r}; it must be a number above 0")
    offsets = np.arange(size) - size // 2
    bell = np.exp(-(offsets**2) / (2.0 * sigma**2))
    bell /= bell.sum()
    return np.outer(bell, bell)


def _numbers(name, value):
    try:
        array = np.asarray(value)
    except ValueError:
        raise ArgumentError(f"{name} has rows of unequal length; it must be a full array") from None
    if array.dtype.kind not in "fuib":
        raise ArgumentError(f"{name} has dtype {array.dtype}; it must hold real numbers")
    return array


def _shape(name, value):
    try:
        sides = tuple(value)
    except TypeError:
        raise ArgumentError(f"{name} is {value!r}; it must be a sequence of integers") from None
    return tuple(check_integer(name, side, minimum=0) for side in sides)


def _checked_geometry(image_shape, kernel_shape, padding, strides, dilation):
    if isinstance(padding, str):
        padding = (check_choice("padding", padding, ("same", "full")),) * 2
    else:
        padding = tuple(_pair("padding", side, minimum=0) for side in _two("padding", padding))
    strides, dilation = _pair("strides", strides, minimum=1), _pair("dilation", dilation, minimum=1)
    return _geometry(image_shape, kernel_shape, padding, strides, dilation)


def _two(name, value):
    """Return one value twice, or a pair as it is."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, (list, tuple)):
        return value, value
    if len(value) != 2:
        raise ArgumentError(f"{name} is {value!r}; it must be an integer or a pair (rows, columns)")
    return value


def _pair(name, value, *, minimum):
    rows, columns = _two(name, value)
    return check_integer(name, rows, minimum=minimum), check_integer(name, columns, minimum=minimum)


# On small images the arithmetic of shapes would take longer than the sums.
@lru_cache(maxsize=256)
def _geometry(image_shape, kernel_shape, padding, strides, dilation):
    sides, weights = _checked_sides(image_shape, kernel_shape)
    axes = zip(sides, weights, padding, strides, dilation, strict=True)
    before, after, span, size = zip(*(_along_one_axis(*axis) for axis in axes), strict=True)
    padded = tuple(map(sum, zip(sides, before, after, strict=True)))
    if min(size) < 1:
        raise ArgumentError(
            f"kernel spans {span[0]}x{span[1]} pixels, the padded image has {padded[0]}x{padded[1]}; "
            "the kernel must fit into the padded image"
        )
    fastest = _fastest(sides, padded, span, size, kernel_shape)
    return _Geometry(before, after, strides, dilation, span, size, fastest)


def _along_one_axis(side, weights, padding, stride, dilation):
    """Return the zeros before and after the image, the pixels that the kernel spans, and the number of results."""
    span = dilation * (weights - 1) + 1
    if padding == "same":
        total = max((-(-side // stride) - 1) * stride + span - side, 0)
        padding = total // 2, total - total // 2
    elif padding == "full":
        padding = span - 1, span - 1
    return *padding, span, (side + sum(padding) - span) // stride + 1


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


def _checked_sides(image, kernel):
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


# -- the ways to compute it ----------------------------------------------------------------------------------
# Each takes images (n, h, w, c_in), weights (kh, kw, c_in, c_out) of the same dtype, and a _Geometry, and returns
# (n, oh, ow, c_out). They always correlate; convolve() has turned the kernel where that was asked for.


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


def _padded(batch, geometry):
    (top, left), (bottom, right) = geometry.before, geometry.after
    return np.pad(batch, ((0, 0), (top, bottom), (left, right), (0, 0)))


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
        # With one channel the sum over channels is a product, which broadcasting does faster than a matrix product.
        result += shifted * kernel[i, j, 0] if kernel.shape[2] == 1 else shifted @ kernel[i, j]
    return result


def _windows(batch, kernel, geometry):
    return np.einsum("nyxcij,ijcd->nyxd", _windows_of(_padded(batch, geometry), geometry), kernel)


def _im2col(batch, kernel, geometry):
    windows = _windows_of(_padded(batch, geometry), geometry).transpose(0, 1, 2, 4, 5, 3)
    matrix = kernel.reshape(-1, kernel.shape[3])
    result = np.empty((len(batch), *geometry.size, kernel.shape[3]), dtype=batch.dtype)
    rows = max(1, _IM2COL_BLOCK // (geometry.size[1] * len(matrix)))
    for image, output in zip(windows, result, strict=True):
        for top in range(0, len(output), rows):
            block = image[top : top + rows]
            output[top : top + rows] = (block.reshape(-1, len(matrix)) @ matrix).reshape(*block.shape[:2], -1)
    return result


def _fft(batch, kernel, geometry):
    # A circular correlation as long as the padded image: what wraps around falls outside the result.
    batch = _padded(batch, geometry)
    shape = tuple(scipy_fft.next_fast_len(side, real=True) for side in batch.shape[1:3])
    (down, across), (oh, ow) = geometry.strides, geometry.size
    spectrum = scipy_fft.rfft2(_dilated(kernel, geometry), shape, axes=(0, 1)).conj()
    result = np.empty((len(batch), oh, ow, kernel.shape[3]), dtype=batch.dtype)
    for image, output in zip(batch, result, strict=True):
        product = np.einsum("yxc,yxcd->yxd", scipy_fft.rfft2(image, shape, axes=(0, 1)), spectrum)
        correlation = scipy_fft.irfft2(product, shape, axes=(0, 1))
        output[:] = correlation[: oh * down : down, : ow * across : across]
    return result


def _opencv(batch, kernel, geometry):
    result = np.empty((len(batch), *geometry.size, kernel.shape[3]), dtype=batch.dtype)
    for image, output in zip(batch, result, strict=True):
        for channel in range(kernel.shape[3]):
            parts = [
                _opencv_plane(image[:, :, source], kernel[:, :, source, channel], geometry)
                for source in range(kernel.shape[2])
            ]
            output[:, :, channel] = np.sum(parts, axis=0)
    return result


def _opencv_plane(plane, kernel, geometry):
    cv2 = require("cv2", "course")
    (top, left), (bottom, right), strides, _, span, (oh, ow), _ = geometry
    depth = cv2.CV_32F if kernel.dtype == np.float32 else cv2.CV_64F
    # OpenCV would read bytes by itself, but then it sums in single precision.
    plane = plane.astype(kernel.dtype, copy=False)
    kernel = _dilated(kernel, geometry)
    # OpenCV's border of zeros reaches as far as the kernel does: more padding than that is laid around the image.
    if top + bottom >= span[0] or left + right >= span[1]:
        plane = cv2.copyMakeBorder(plane, top, bottom, left, right, cv2.BORDER_CONSTANT)
        top = left = 0
    # The anchor is the weight that lies on the pixel: with it at the padding, the first result is the first window.
    result = cv2.filter2D(plane, depth, kernel, anchor=(left, top), borderType=cv2.BORDER_CONSTANT)
    return result[:: strides[0], :: strides[1]][:oh, :ow]


def _dilated(kernel, geometry):
    rows, columns = geometry.dilation
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
