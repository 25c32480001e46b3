"""Subsets of labelled data: regrouped classes, held-out parts, nested samples that keep class shares.

What is not as a function describes it is an :class:`~course_utils.errors.ArgumentError`.
"""

import numpy as np

from course_utils.errors import ArgumentError, check_integer, check_number

__all__ = ["nested_subsets", "regroup", "split_validation", "stratified_order"]


def stratified_order(y, *, seed=0):
    """Order the items at random so that every prefix keeps the class shares.

    Item ``j`` (from 0, in random order) of a class with ``m`` members gets the key ``(j + 0.5) / m``;
    sorting by the key spreads each class evenly. A prefix then holds each class in proportion, as
    nearly as rounding allows, and prefixes are nested by construction.

    Parameters
    ----------
    y : array_like of int, shape (n,)
        Labels.
    seed : int
        Decides the order; the same seed gives the same order.

    Returns
    -------
    ndarray of intp, shape (n,)
        A permutation of the item numbers.

    Examples
    --------
    >>> y = np.repeat([0, 1], 50)
    >>> np.bincount(y[stratified_order(y)[:10]])
    array([5, 5])
    """
    y = _check_labels("y", y)
    rng = np.random.default_rng(check_integer("seed", seed, minimum=0))
    shuffled = rng.permutation(len(y)).astype(np.intp, copy=False)
    # Position of each item among its class, in the shuffled order: a stable sort brings each class together.
    by_class = np.argsort(y[shuffled], kind="stable")
    _, starts, counts = np.unique(y[shuffled][by_class], return_index=True, return_counts=True)
    within = np.arange(len(y)) - np.repeat(starts, counts)
    key = np.empty(len(y))
    key[by_class] = (within + 0.5) / np.repeat(counts, counts)
    return shuffled[np.argsort(key, kind="stable")]


def nested_subsets(y, sizes, *, seed=0):
    """Draw class-stratified samples of growing size, each contained in the next.

    Parameters
    ----------
    y, seed
        As for :func:`stratified_order`.
    sizes : iterable of int
        Sizes from 1 to n, strictly increasing.

    Returns
    -------
    list of ndarray of intp
        Item numbers, one array per size. Each array is the beginning of the next.

    Examples
    --------
    >>> y = np.tile(np.arange(10), 100)
    >>> small, large = nested_subsets(y, [20, 200], seed=3)
    >>> len(large), set(small) < set(large), np.bincount(y[small]).tolist()
    (200, True, [2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    """
    order = stratified_order(y, seed=seed)
    checked = []
    for size in sizes:
        size = check_integer("sizes", size, minimum=1, maximum=len(order))
        if checked and size <= checked[-1]:
            raise ArgumentError(f"sizes has {size} after {checked[-1]}; sizes must be strictly increasing")
        checked.append(size)
    return [order[:size] for size in checked]


def split_validation(x, y, *, fraction=None, n=None, seed=0):
    """Hold out a class-stratified part of the training data for validation.

    Parameters
    ----------
    x : array_like, shape (n_items, ...)
        Images.
    y : array_like of int, shape (n_items,)
        Labels.
    fraction : float, optional
        Share to hold out, between 0 and 1; rounded to whole items. Give this or `n`; neither part may be empty.
    n : int, optional
        Number of items to hold out.
    seed : int
        Decides which items are held out.

    Returns
    -------
    x_train, y_train, x_val, y_val : ndarray
        The items kept, in their old order, and the items held out.

    Examples
    --------
    >>> y = np.tile([0, 1, 2], 20)
    >>> x_train, y_train, x_val, y_val = split_validation(np.arange(60), y, fraction=1 / 6)
    >>> len(x_train), len(x_val), set(x_train) & set(x_val)
    (50, 10, set())
    """
    x, y = np.asarray(x), np.asarray(y)
    order = stratified_order(y, seed=seed)
    if len(x) != len(y):
        raise ArgumentError(f"x holds {len(x)} items, y {len(y)}; they must be as many")
    if (fraction is None) == (n is None):
        raise ArgumentError(f"fraction is {fraction!r}, n is {n!r}; exactly one of them must be given")
    if n is None:
        n = round(check_number("fraction", fraction, minimum=0, maximum=1) * len(y))
    n = check_integer("n", n, minimum=1, maximum=len(y) - 1)
    held_out, kept = order[:n], np.sort(order[n:])
    return x[kept], y[kept], x[held_out], y[held_out]


def regroup(labels, groups):
    """Give labels new classes by table look-up.

    Parameters
    ----------
    labels : array_like of int, shape (n,)
        Old labels, each of them in exactly one group.
    groups : dict of str to list of int, or array_like of int
        Either new class names, each with the old labels that it takes in (the new labels follow the order
        of the dict), or a table whose entry ``k`` is the new label of old label ``k``.

    Returns
    -------
    ndarray of int64, shape (n,)
        New labels.

    Examples
    --------
    >>> regroup([0, 1, 8, 9], {"Top": [0, 2, 3, 4, 6], "Bottom": [1, 5, 7, 9], "Accessories": [8]})
    array([0, 1, 2, 1])
    >>> regroup([0, 1, 8, 9], np.arange(10) // 2)
    array([0, 0, 4, 4])
    """
    labels = _check_labels("labels", labels)
    table = _table_of(groups) if isinstance(groups, dict) else _check_labels("groups", groups)
    missing = np.setdiff1d(labels, np.flatnonzero(table >= 0))
    if len(missing):
        raise ArgumentError(
            f"labels holds {missing[:10].tolist()}, which no group takes in; "
            f"groups covers {np.flatnonzero(table >= 0).tolist()}"
        )
    return table[labels.astype(np.intp)]


def _table_of(groups):
    owner = {}
    for new, (name, members) in enumerate(groups.items()):
        for old in members:
            old = check_integer(f"groups[{name!r}]", old, minimum=0)
            if old in owner:
                raise ArgumentError(f"groups takes in label {old} twice; a label belongs to one group")
            owner[old] = new
    table = np.full(max(owner, default=-1) + 1, -1, dtype=np.int64)
    table[list(owner)] = list(owner.values())
    return table


def _check_labels(name, labels):
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.size and not np.issubdtype(labels.dtype, np.integer)):
        raise ArgumentError(
            f"{name} has shape {labels.shape} and dtype {labels.dtype}; it must be a vector of integers"
        )
    return labels.astype(np.int64)
