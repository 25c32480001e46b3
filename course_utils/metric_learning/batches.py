"""Batches of pairs and triplets by index arithmetic: NumPy only, for any framework."""

from dataclasses import dataclass

import numpy as np

from course_utils.errors import ArgumentError, check_integer

__all__ = ["PKBatches", "pair_batches", "triplet_batches"]


@dataclass(frozen=True, eq=False)
class _IdentityIndex:
    """Images grouped by identity: those of identity `i` are ``order[start[i]:start[i] + size[i]]``.

    Drawing a positive or a negative then is arithmetic on positions in `order`, whatever the number of identities.
    """

    order: np.ndarray
    start: np.ndarray
    size: np.ndarray
    identity_at: np.ndarray  # identity of each position in order
    paired: np.ndarray  # positions in order whose identity has two images or more

    @classmethod
    def of(cls, images, ids):
        ids = np.asarray(ids)
        if ids.ndim != 1 or len(ids) != len(images):
            raise ArgumentError(
                f"ids has shape {ids.shape}; it must have one entry for each of the {len(images)} images"
            )
        identities, identity, size = np.unique(ids, return_inverse=True, return_counts=True)
        if len(identities) < 2:
            raise ArgumentError(f"ids names {len(identities)} identities; it must name at least 2")
        order = np.argsort(identity, kind="stable")
        identity_at = identity[order]
        paired = np.flatnonzero(size[identity_at] > 1)
        if not len(paired):
            raise ArgumentError(
                "ids has no identity with two images; at least one is needed, since an anchor is never its own positive"
            )
        return cls(order, np.cumsum(size) - size, size, identity_at, paired)

    def positives(self, anchors, rng):
        """Draw for each anchor position another position of the same identity."""
        identity = self.identity_at[anchors]
        place = rng.integers(self.size[identity] - 1)
        place += place >= anchors - self.start[identity]
        return self.start[identity] + place

    def negatives(self, anchors, rng):
        """Draw for each anchor position one of another identity, all equally likely."""
        identity = self.identity_at[anchors]
        place = rng.integers(len(self.order) - self.size[identity])
        return place + self.size[identity] * (place >= self.start[identity])


def pair_batches(images, ids, *, batch_size, rng):
    """Yield endless batches of image pairs, half of one identity, half of two.

    Parameters
    ----------
    images : ndarray, shape (n, ...)
        Anything that can be indexed by image.
    ids : array_like, shape (n,)
        Identities: two or more, of which one or more have two images. Those with one image appear only in pairs of two
        identities.
    batch_size : int
        Pairs in a batch, even.
    rng : numpy.random.Generator
        Source of the draws.

    Yields
    ------
    left, right : ndarray, shape (batch_size, ...)
        The images of the pairs. Same identity in the first half, different ones in the second.
    same : ndarray of float32, shape (batch_size,)
        1 for a pair of one identity, 0 for a pair of two.

    Examples
    --------
    >>> images, ids = np.arange(6)[:, None], np.array([0, 0, 0, 1, 1, 2])
    >>> batches = pair_batches(images, ids, batch_size=4, rng=np.random.default_rng(0))
    >>> left, right, same = next(batches)
    >>> same
    array([1., 1., 0., 0.], dtype=float32)
    >>> ids[left[:, 0]] == ids[right[:, 0]]
    array([ True,  True, False, False])
    """
    images = np.asarray(images)
    batch_size = check_integer("batch_size", batch_size, minimum=2)
    if batch_size % 2:
        raise ArgumentError(f"batch_size is {batch_size}; it must be even")
    return _pairs(images, _IdentityIndex.of(images, ids), batch_size // 2, _check_rng(rng))


def _pairs(images, index, half, rng):
    same = np.repeat(np.float32([1, 0]), half)
    while True:
        alike = index.paired[rng.integers(len(index.paired), size=half)]
        unlike = rng.integers(len(index.order), size=half)
        left = np.concatenate([alike, unlike])
        right = np.concatenate([index.positives(alike, rng), index.negatives(unlike, rng)])
        yield *images[index.order[np.stack([left, right])]], same.copy()


def triplet_batches(images, ids, *, batch_size, rng):
    """Yield endless batches of random triplets: anchor, positive, negative.

    Parameters
    ----------
    images, ids
        As in :func:`pair_batches`; identities with one image appear only as negatives.
    batch_size : int
        Triplets in a batch.
    rng : numpy.random.Generator
        Anchors are uniform over the images that have a positive, positives over the anchor's identity without the
        anchor, negatives over all images of other identities.

    Yields
    ------
    anchor, positive, negative : ndarray, shape (batch_size, ...)
        The images of the triplets.

    Examples
    --------
    >>> images, ids = np.arange(6)[:, None], np.array([0, 0, 0, 1, 1, 2])
    >>> batches = triplet_batches(images, ids, batch_size=3, rng=np.random.default_rng(0))
    >>> anchor, positive, negative = next(batches)
    >>> bool((ids[anchor] == ids[positive]).all() and (anchor != positive).all())
    True
    >>> bool((ids[anchor] != ids[negative]).all())
    True
    """
    images = np.asarray(images)
    batch_size = check_integer("batch_size", batch_size, minimum=1)
    return _triplets(images, _IdentityIndex.of(images, ids), batch_size, _check_rng(rng))


def _triplets(images, index, batch_size, rng):
    while True:
        anchors = index.paired[rng.integers(len(index.paired), size=batch_size)]
        positions = np.stack([anchors, index.positives(anchors, rng), index.negatives(anchors, rng)])
        yield tuple(images[index.order[positions]])


class PKBatches:
    """Endless batches of P identities with K different images each, which batch-hard mining needs.

    Identities with fewer than K images are left out; `n_left_out` says how many. At least P must be left.

    Parameters
    ----------
    images, ids
        As in :func:`pair_batches`.
    n_identities : int
        P, at least 2.
    n_images : int
        K, at least 2.
    rng : numpy.random.Generator
        Source of the draws: P different identities, then K different images of each, all equally likely.

    Attributes
    ----------
    batch_size : int
        ``n_identities * n_images``.
    n_left_out : int
        Identities that have fewer than `n_images` images.

    Examples
    --------
    >>> images, ids = np.arange(7)[:, None], np.array([5, 5, 5, 6, 6, 7, 8])
    >>> batches = PKBatches(images, ids, n_identities=2, n_images=2, rng=np.random.default_rng(0))
    >>> batches.n_left_out
    2
    >>> batch, batch_ids = next(batches)
    >>> batch.shape, sorted(batch_ids.tolist())
    ((4, 1), [5, 5, 6, 6])
    """

    def __init__(self, images, ids, *, n_identities, n_images, rng):
        self._images = np.asarray(images)
        self._ids = np.asarray(ids)
        self._n_identities = check_integer("n_identities", n_identities, minimum=2)
        self._n_images = check_integer("n_images", n_images, minimum=2)
        self._rng = _check_rng(rng)
        self._index = _IdentityIndex.of(self._images, self._ids)
        self._eligible = np.flatnonzero(self._index.size >= n_images)
        self.batch_size = self._n_identities * self._n_images
        self.n_left_out = len(self._index.size) - len(self._eligible)
        if len(self._eligible) < n_identities:
            raise ArgumentError(
                f"{len(self._eligible)} identities have at least {n_images} images; n_identities is "
                f"{n_identities}, so at least as many must"
            )

    def __iter__(self):
        return self

    def __next__(self):
        """Return the next batch: images, shape (P·K, ...), and their ids, shape (P·K,), identity by identity."""
        chosen = self._rng.choice(len(self._eligible), self._n_identities, replace=False)
        chosen = self._eligible[chosen]
        places = _distinct(self._index.size[chosen], self._n_images, self._rng)
        picked = self._index.order[(self._index.start[chosen, None] + places).ravel()]
        return self._images[picked], self._ids[picked]


def _distinct(sizes, count, rng):
    """Draw for each size `count` different integers below it, every set equally likely (Floyd's method)."""
    picked = np.empty((len(sizes), count), np.intp)
    for column in range(count):
        last = sizes - count + column
        drawn = rng.integers(last + 1)
        repeated = (picked[:, :column] == drawn[:, None]).any(axis=1)
        picked[:, column] = np.where(repeated, last, drawn)
    return picked


def _check_rng(rng):
    if not isinstance(rng, np.random.Generator):
        raise ArgumentError(f"rng is {rng!r}; it must be a numpy.random.Generator, such as np.random.default_rng(0)")
    return rng
