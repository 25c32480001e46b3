"""Which triplets of a batch to learn from."""

import numpy as np

from course_utils.errors import check_choice, check_number, require

__all__ = ["batch_hard_triplets", "semi_hard_triplets"]


def batch_hard_triplets(embeddings, ids):
    """Find for each embedding its farthest positive and its nearest negative in the batch (Hermans et al. 2017).

    Parameters
    ----------
    embeddings : tensor, shape (n, n_features)
        One batch, such as :class:`PKBatches` gives.
    ids : tensor of int, shape (n,)
        Identities.

    Returns
    -------
    positive, negative : tensor of int, shape (n,)
        Positions in the batch. An embedding is never its own positive.
    valid : tensor of bool, shape (n,)
        False where the batch has no other image of the identity, or none of another identity; `positive` and
        `negative` then mean nothing.

    Examples
    --------
    >>> positive, negative, valid = batch_hard_triplets([[0.0], [1.0], [3.0], [4.5]], [7, 7, 7, 8])
    >>> np.array(positive).tolist(), np.array(negative).tolist(), np.array(valid).tolist()
    ([2, 2, 0, 0], [3, 3, 3, 2], [True, True, True, False])
    """
    ops = require("keras", "course").ops
    distances, same, different = _batch_relations(embeddings, ids)
    positive = ops.argmax(ops.where(same, distances, -1.0), axis=1)
    negative = ops.argmin(ops.where(different, distances, np.inf), axis=1)
    return positive, negative, ops.logical_and(ops.any(same, axis=1), ops.any(different, axis=1))


def semi_hard_triplets(embeddings, ids, *, margin=1.0):
    """Find for each anchor and positive the nearest negative that is farther than the positive (Schroff et al. 2015).

    Only a negative within the margin counts: ``d(a, p) < d(a, n) < d(a, p) + margin``. Memory grows with the cube of
    the batch.

    Parameters
    ----------
    embeddings, ids
        As in :func:`batch_hard_triplets`.
    margin : float or "soft"
        As in :func:`triplet_loss`; ``"soft"`` has no margin, so all negatives farther than the positive count.

    Returns
    -------
    negative : tensor of int, shape (n, n)
        ``negative[a, p]`` is a position in the batch.
    valid : tensor of bool, shape (n, n)
        Whether `a` and `p` are two images of one identity and have such a negative.

    Examples
    --------
    >>> negative, valid = semi_hard_triplets([[0.0], [1.0], [-1.5], [-9.0]], [7, 7, 8, 8], margin=1.0)
    >>> np.argwhere(np.array(valid)).tolist(), int(negative[0, 1])
    ([[0, 1]], 2)
    """
    ops = require("keras", "course").ops
    check_margin(margin)
    distances, same, different = _batch_relations(embeddings, ids)
    distances = ops.sqrt(distances)
    to_positive, to_negative = distances[:, :, None], distances[:, None, :]
    eligible = ops.logical_and(different[:, None, :], to_negative > to_positive)
    if margin != "soft":
        eligible = ops.logical_and(eligible, to_negative < to_positive + margin)
    negative = ops.argmin(ops.where(eligible, to_negative, np.inf), axis=2)
    return negative, ops.logical_and(same, ops.any(eligible, axis=2))


def _batch_relations(embeddings, ids):
    """Return squared distances, and which pairs are of one identity (not with oneself) and of two."""
    ops = require("keras", "course").ops
    # Mining chooses, it does not teach: no gradient flows through the choice.
    embeddings = ops.stop_gradient(ops.convert_to_tensor(embeddings))
    squares = ops.sum(ops.square(embeddings), axis=1)
    distances = squares[:, None] + squares[None] - 2 * ops.matmul(embeddings, ops.transpose(embeddings))
    return ops.maximum(distances, 0.0), *pairs(ids)


def pairs(ids):
    """Return which pairs of a batch are of one identity (not with oneself), and which of two."""
    ops = require("keras", "course").ops
    ids = ops.reshape(ops.convert_to_tensor(ids), (-1,))
    alike = ops.equal(ids[:, None], ids[None])
    others = ops.logical_not(ops.eye(ops.shape(ids)[0], dtype="bool"))
    return ops.logical_and(alike, others), ops.logical_not(alike)


def check_margin(margin):
    if isinstance(margin, str):
        check_choice("margin", margin, ["soft"])
    else:
        check_number("margin", margin, minimum=0)
