"""What the generators share: argument checks, batches of warps, random fields and soft masks."""

import functools

import cv2
import numpy as np

from course_utils.errors import ArgumentError, check_integer

__all__ = ["affine", "check_identities", "crop_square", "draw_labelled", "warp"]

_CHUNK = 256


def _check_ids(name, values, *, maximum=None):
    """Return `values` as a 1-D ``int64`` array if they are whole numbers from 0 to `maximum`; none at all are legal."""
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


def _check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng is {rng!r}; it must be a numpy.random.Generator")


def check_identities(ids, name, others, *, seed, rng):
    """Check what is drawn by identity, and return the pairs of an identity and another number, and the seed.

    `ids` and `others`, which messages call `name`, are integer arrays of shape (n,); all numbers and the `seed` are
    0 or more, and `rng` is a generator. Anything else is an :class:`ArgumentError`.

    Examples
    --------
    >>> check_identities([5, 6], "cameras", [1, 1], seed=0, rng=np.random.default_rng(0))
    ([(5, 1), (6, 1)], 0)
    """
    ids, others = _check_ids("ids", ids), _check_ids(name, others)
    _check_rng(rng)
    if len(ids) != len(others):
        raise ArgumentError(f"{name} has {len(others)} values, ids {len(ids)}; it must have as many")
    return list(zip(ids.tolist(), others.tolist(), strict=True)), check_integer("seed", seed, minimum=0)


def draw_labelled(draw, labels, rng, shape):
    """Check labels of ten classes, and draw their images a few hundred at a time, so that memory stays small.

    ``draw(labels, rng)`` returns numbers of shape ``(len(labels), *shape)`` on the scale 0 to 255; `labels`, shape
    (n,), are 0 to 9 and `rng` is a generator, or :class:`ArgumentError` is raised. Returns uint8, shape (n, *shape).

    Examples
    --------
    >>> draw_labelled(lambda labels, rng: labels + 300.0, [0, 1], np.random.default_rng(), (1, 1, 1)).ravel()
    array([255, 255], dtype=uint8)
    """
    labels = _check_ids("labels", labels, maximum=9)
    _check_rng(rng)
    images = np.empty((len(labels), *shape), dtype=np.uint8)
    for start in range(0, len(labels), _CHUNK):
        drawn = draw(labels[start : start + _CHUNK], rng)
        images[start : start + _CHUNK] = np.clip(drawn, 0, 255).reshape(-1, *shape)
    return images


def affine(*, source, target, scale_x, scale_y, angle, shear, shift_x, shift_y):
    """Build the matrices, float64 (n, 2, 3), that map the pixels of small images back to those of a large one.

    `source` and `target` are the sides, in pixels, of the (square) images read and written. All else has shape (n,):
    the magnification on top of ``target / source`` (1 fills the frame), the rotation in radians, the slant (horizontal
    shift for each unit of height), and the translation in target pixels.

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
    """Warp entry ``picks[i]`` of an atlas by ``matrices[i]``, an inverse map from :func:`affine`, for each image i.

    The atlas is uint8, shape (m, h, w) or (m, h, w, c) with c at most 4; the result (n, size, size) or
    (n, size, size, c).

    Examples
    --------
    >>> atlas = np.full((1, 4, 4), 9, dtype=np.uint8)
    >>> warp(atlas, np.zeros(1, dtype=int), np.array([[[2.0, 0, 0.5], [0, 2.0, 0.5]]]), 2).tolist()
    [[[9, 9], [9, 9]]]
    """
    warped = np.empty((len(picks), size, size, *atlas.shape[3:]), dtype=np.uint8)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    for image, pick, matrix in zip(warped, picks, matrices, strict=True):
        cv2.warpAffine(atlas[pick], matrix, (size, size), dst=image, flags=flags)
    return warped


def crop_square(layers, size):
    """Crop `layers`, uint8 (h, w, c), to what the first one shows, pad to a square, and shrink it to `size` pixels.

    Examples
    --------
    >>> spot = np.zeros((40, 40, 1), dtype=np.uint8)
    >>> spot[10:20, 30:34] = 255
    >>> crop_square(spot, 10)[0]
    array([  0,   0,   0, 255, 255, 255, 255,   0,   0,   0], dtype=uint8)
    """
    left, top, width, height = cv2.boundingRect(layers[..., 0])
    square = np.zeros((max(width, height), max(width, height), layers.shape[2]), dtype=np.uint8)
    row, column = (len(square) - height) // 2, (len(square) - width) // 2
    square[row : row + height, column : column + width] = layers[top : top + height, left : left + width]
    return cv2.resize(square, (size, size), interpolation=cv2.INTER_AREA)


@functools.cache
def _interpolation(size, cells):
    """Matrix (size, cells) that spreads `cells` values smoothly over `size` pixels."""
    identity = np.eye(cells, dtype=np.float32)
    return cv2.resize(identity, (cells, size), interpolation=cv2.INTER_CUBIC)


def random_field(rng, n, size, cells):
    """Make `n` smooth random fields: white noise on a grid of `cells` by `cells`, interpolated.

    `size` is a side or (height, width) in pixels. The fields are float32, shape (n, height, width), with a mean near
    0 and a standard deviation near 1.
    """
    height, width = (size, size) if np.isscalar(size) else size
    coarse = rng.standard_normal((n, cells, cells), dtype=np.float32)
    return _interpolation(height, cells) @ coarse @ _interpolation(width, cells).T


def grain(rng, n, size, strength):
    """Make grey noise as :func:`random_field` does, independent from pixel to pixel.

    `strength`, shape (n,), is the standard deviation in each image.
    """
    height, width = (size, size) if np.isscalar(size) else size
    return rng.standard_normal((n, height, width), dtype=np.float32) * one_each(strength)


def one_each(values):
    """Give per-image numbers, shape (n,), two trailing axes (float32), so that they broadcast over height and width."""
    return np.asarray(values, dtype=np.float32)[:, None, None]


def keyed_rng(seed, *keys):
    """Make a generator that depends on `seed` and `keys` alone, whatever was made before."""
    return np.random.default_rng([seed, *keys])
