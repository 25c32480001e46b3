"""What the procedural generators share: argument checks, batches of warps, random fields and soft masks."""

import functools

import cv2
import numpy as np

from course_utils.errors import ArgumentError

__all__ = [
    "affine",
    "check_ids",
    "check_rng",
    "grain",
    "in_chunks",
    "keyed_rng",
    "one_each",
    "random_field",
    "warp",
]

CHUNK = 256


def check_ids(name, values, *, maximum=None):
    """Return `values` as a 1-D ``int64`` array if they are whole numbers from 0 to `maximum`.

    Parameters
    ----------
    name : str
        The argument that the message names.
    values : array_like of int, shape (n,)
        Labels or identities; an empty list is legal.
    maximum : int, optional
        Largest legal value; by default there is none.

    Returns
    -------
    ndarray of int64, shape (n,)

    Raises
    ------
    ArgumentError
        If `values` is not one-dimensional, not of an integer dtype, or holds a value outside the bounds.

    Examples
    --------
    >>> check_ids("labels", [3, 0, 9], maximum=9)
    array([3, 0, 9])
    """
    array = np.asarray(values)
    if array.ndim != 1:
        raise ArgumentError(f"{name} has {array.ndim} dimensions; it must have 1")
    if array.size == 0:
        return np.zeros(0, dtype=np.int64)
    if not np.issubdtype(array.dtype, np.integer):
        raise ArgumentError(f"{name} has dtype {array.dtype}; it must be an integer dtype")
    extreme = array.min() if array.min() < 0 else array.max()
    if extreme < 0 or (maximum is not None and extreme > maximum):
        legal = "be 0 or more" if maximum is None else f"lie from 0 to {maximum}"
        raise ArgumentError(f"{name} holds {extreme}; every value must {legal}")
    return array.astype(np.int64)


def check_rng(rng):
    """Return `rng` if it is a NumPy ``Generator``.

    Parameters
    ----------
    rng : numpy.random.Generator
        The value to check.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ArgumentError
        If `rng` is anything else, a bare seed included.

    Examples
    --------
    >>> check_rng(7)
    Traceback (most recent call last):
    ...
    course_utils.errors.ArgumentError: rng is 7; it must be a numpy.random.Generator
    """
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng is {rng!r}; it must be a numpy.random.Generator")
    return rng


def in_chunks(draw, labels, rng, shape):
    """Fill a ``uint8`` array of images by drawing `CHUNK` of them at a time, so that memory stays small.

    Parameters
    ----------
    draw : callable
        ``draw(labels, rng)`` returns numbers of shape ``(len(labels), *shape)`` on the scale 0 to 255.
    labels : ndarray, shape (n, ...)
        What to draw.
    rng : numpy.random.Generator
        Source of all randomness, used in order.
    shape : tuple of int
        Height, width, channels.

    Returns
    -------
    ndarray of uint8, shape (n, *shape)

    Examples
    --------
    >>> in_chunks(lambda k, rng: np.full((len(k), 1, 1, 1), 300.0), np.arange(2), None, (1, 1, 1)).ravel()
    array([255, 255], dtype=uint8)
    """
    images = np.empty((len(labels), *shape), dtype=np.uint8)
    for start in range(0, len(labels), CHUNK):
        drawn = draw(labels[start : start + CHUNK], rng)
        images[start : start + CHUNK] = np.clip(drawn, 0, 255).reshape(-1, *shape)
    return images


def affine(*, source, target, scale_x, scale_y, angle, shear, shift_x, shift_y):
    """Build the matrices that map the pixels of a small image back to those of a large one.

    Parameters
    ----------
    source, target : int
        Side of the (square) image read and of the one written, in pixels.
    scale_x, scale_y : ndarray, shape (n,)
        Magnification on top of ``target / source``: 1 fills the frame.
    angle : ndarray, shape (n,)
        Rotation in radians.
    shear : ndarray, shape (n,)
        Slant: the horizontal shift for each unit of height.
    shift_x, shift_y : ndarray, shape (n,)
        Translation in target pixels.

    Returns
    -------
    ndarray of float64, shape (n, 2, 3)
        Inverse maps (target to source) as :func:`warp` wants them.

    Examples
    --------
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> scales = {"scale_x": one, "scale_y": one, "angle": zero, "shear": zero}
    >>> affine(source=4, target=2, **scales, shift_x=zero, shift_y=zero)
    array([[[2. , 0. , 0.5],
            [0. , 2. , 0.5]]])
    """
    cos, sin = np.cos(angle), np.sin(angle)
    ratio = target / source
    forward = np.empty((len(angle), 2, 2))
    forward[:, 0, 0] = ratio * scale_x * cos
    forward[:, 0, 1] = ratio * (scale_x * cos * shear - scale_y * sin)
    forward[:, 1, 0] = ratio * scale_x * sin
    forward[:, 1, 1] = ratio * (scale_x * sin * shear + scale_y * cos)
    inverse = np.linalg.inv(forward)
    centre = (target - 1) / 2 + np.stack([shift_x, shift_y], axis=1)
    offset = (source - 1) / 2 - np.einsum("nij,nj->ni", inverse, centre)
    return np.concatenate([inverse, offset[:, :, None]], axis=2)


def warp(atlas, picks, matrices, size):
    """Warp one atlas entry for each image.

    Parameters
    ----------
    atlas : ndarray of uint8, shape (m, h, w) or (m, h, w, c)
        The drawings, at most 4 channels each.
    picks : ndarray of int, shape (n,)
        Which drawing each image takes.
    matrices : ndarray, shape (n, 2, 3)
        Inverse maps from :func:`affine`.
    size : int or tuple of int
        Side of the images written, or their (height, width), in pixels.

    Returns
    -------
    ndarray of uint8, shape (n, height, width) or (n, height, width, c)

    Examples
    --------
    >>> atlas = np.full((1, 4, 4), 9, dtype=np.uint8)
    >>> warp(atlas, np.zeros(1, dtype=int), np.array([[[2.0, 0, 0.5], [0, 2.0, 0.5]]]), 2)
    array([[[9, 9],
            [9, 9]]], dtype=uint8)
    """
    height, width = (size, size) if np.isscalar(size) else size
    warped = np.empty((len(picks), height, width, *atlas.shape[3:]), dtype=np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for image, pick, matrix in zip(warped, picks, matrices, strict=True):
        cv2.warpAffine(atlas[pick], matrix, (width, height), dst=image, flags=flags)
    return warped


@functools.cache
def _interpolation(size, cells):
    """Matrix (size, cells) that spreads `cells` values smoothly over `size` pixels."""
    identity = np.eye(cells, dtype=np.float32)
    return cv2.resize(identity, (cells, size), interpolation=cv2.INTER_CUBIC)


def random_field(rng, n, size, cells):
    """Draw smooth random fields: white noise on a coarse grid, interpolated.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    n : int
        Number of fields.
    size : int or tuple of int
        Side, or (height, width), in pixels.
    cells : int
        Side of the coarse grid: more cells, finer grain.

    Returns
    -------
    ndarray of float32, shape (n, height, width)
        Mean near 0, standard deviation near 1.

    Examples
    --------
    >>> random_field(np.random.default_rng(0), 2, 8, 3).shape
    (2, 8, 8)
    """
    height, width = (size, size) if np.isscalar(size) else size
    coarse = rng.standard_normal((n, cells, cells), dtype=np.float32)
    return _interpolation(height, cells) @ coarse @ _interpolation(width, cells).T


def grain(rng, n, size, strength):
    """Draw grey noise, independent from pixel to pixel.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    n : int
        Number of images.
    size : int or tuple of int
        Side, or (height, width), in pixels.
    strength : ndarray, shape (n,)
        Standard deviation in each image.

    Returns
    -------
    ndarray of float32, shape (n, height, width)

    Examples
    --------
    >>> grain(np.random.default_rng(0), 2, 8, np.array([0.0, 5.0])).std(axis=(1, 2)) > 1
    array([False,  True])
    """
    height, width = (size, size) if np.isscalar(size) else size
    return rng.standard_normal((n, height, width), dtype=np.float32) * one_each(strength)


def one_each(values):
    """Give per-image numbers two trailing axes, so that they broadcast over height and width.

    Parameters
    ----------
    values : ndarray, shape (n,)
        One number an image.

    Returns
    -------
    ndarray of float32, shape (n, 1, 1)

    Examples
    --------
    >>> one_each(np.zeros(3)).shape
    (3, 1, 1)
    """
    return np.asarray(values, dtype=np.float32)[:, None, None]


def keyed_rng(seed, *keys):
    """Make a generator that depends on `seed` and `keys` alone, whatever was drawn before.

    Parameters
    ----------
    seed : int
        The data set's seed, 0 or more.
    *keys : int
        For instance the kind of thing drawn and its identity, each 0 or more.

    Returns
    -------
    numpy.random.Generator

    Examples
    --------
    >>> bool(keyed_rng(1, 5).random() == keyed_rng(1, 5).random())
    True
    """
    return np.random.default_rng([seed, *keys])
