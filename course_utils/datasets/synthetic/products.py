"""Products on shelves: the synthetic set for photographs of groceries (Klasson et al., 2019).

A product is a shape, its colours and a label; a camera is a visit to a shop, its light and its shelves; an image adds
place, turn, size and blur. Camera 0 shows the picture on the shelf: the product alone, upright, before white.
"""

import functools

import cv2
import numpy as np

from course_utils.datasets.synthetic.drawing import check_identities, keyed_rng, random_field

__all__ = ["products"]

_SIZE = 96
_WHITE = 250.0
_SHELF_PICTURE = 0


@functools.lru_cache(maxsize=2048)
def _package(seed, identity):
    """Paint one product, (96, 96, 3), and where it is: cartons, bottles and fruit, by two colours and a label's."""
    rng = keyed_rng(seed, 3, identity)
    body, stripe, label = rng.uniform(30, 245, (3, 3))
    paint = np.full((_SIZE, _SIZE, 3), body, dtype=np.float32)
    cover = np.zeros((_SIZE, _SIZE), dtype=np.float32)
    wide, tall = (int(side) for side in rng.uniform((14, 24), (28, 36)))
    shape = rng.integers(3)
    if shape == 2:
        cv2.ellipse(cover, (48, 48), (max(wide, 20), int(tall * 0.8)), 0, 0, 360, 1.0, -1)
        paint += 14 * random_field(rng, 1, _SIZE, int(rng.integers(4, 20)))[0, ..., None]
    else:
        cv2.rectangle(cover, (48 - wide, 48 - tall), (48 + wide, 48 + tall), 1.0, -1)
        if shape == 1:
            cv2.rectangle(cover, (40, 4), (56, 48 - tall), 1.0, -1)
        rows = np.sin(np.arange(_SIZE) * rng.uniform(0.1, 0.5) + rng.uniform(0, 6)) > rng.uniform(-0.5, 0.9)
        paint[rows] = stripe
        place = tuple(int(at) for at in rng.uniform(36, 60, 2))
        cv2.ellipse(paint, place, tuple(int(r) for r in rng.uniform(6, 16, 2)), 0, 0, 360, label.tolist(), -1)
    return paint, cover


def _photograph(identity, camera, seed, rng):
    paint, cover = _package(seed, identity)
    if camera == _SHELF_PICTURE:
        return paint * cover[..., None] + _WHITE * (1 - cover[..., None])
    shop = keyed_rng(seed, 4, camera)
    light, shelf = shop.normal(1, 0.12, 3) * shop.uniform(0.6, 1.1), shop.uniform(60, 190, 3)
    turn = cv2.getRotationMatrix2D((48, 48), rng.normal(0, 14), np.exp(rng.normal(0.05, 0.2)))
    turn[:, 2] += rng.normal(0, 6, 2)
    paint, cover = (cv2.warpAffine(layer, turn, (_SIZE, _SIZE)) for layer in (paint, cover))
    scene = shelf + 25 * random_field(rng, 1, _SIZE, 9)[0, ..., None]
    image = (paint * cover[..., None] + scene * (1 - cover[..., None])) * light * np.exp(rng.normal(0, 0.12))
    return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4)) + rng.normal(0, 4, image.shape)


def products(ids, cameras, *, seed, rng):
    """Products on shelves, 96 by 96; arguments and errors are those of :func:`pedestrians`.

    Camera 0 shows each product's picture on the shelf, the same each time.

    Examples
    --------
    >>> products([5, 5], [0, 2], seed=0, rng=np.random.default_rng(0)).shape
    (2, 96, 96, 3)
    """
    pairs, seed = check_identities(ids, "cameras", cameras, seed=seed, rng=rng)
    images = np.empty((len(pairs), _SIZE, _SIZE, 3), dtype=np.uint8)
    for image, (identity, camera) in zip(images, pairs, strict=True):
        image[...] = np.clip(_photograph(identity, camera, seed, rng), 0, 255)
    return images
