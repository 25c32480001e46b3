"""Re-ranking with k-reciprocal neighbours: two images are alike if each is among the other's nearest.

Zhong, Zheng, Cao and Li, "Re-ranking person re-identification with k-reciprocal encoding", CVPR 2017.
"""

import numpy as np
from scipy import sparse

from course_utils.errors import ArgumentError, check_choice, check_integer, check_number
from course_utils.retrieval.counting import ragged_positions
from course_utils.retrieval.distances import Features, pair_distances
from course_utils.retrieval.evaluation import rank_gallery

__all__ = ["RerankedDistances", "k_reciprocal"]

_ROWS = 2**10  # items whose neighbourhoods are expanded at a time


def k_reciprocal(probe, gallery, *, k1=20, k2=6, original_weight=0.3, metric="euclidean"):
    """Re-rank a gallery by the overlap of neighbourhoods.

    Each item is described by its k-reciprocal neighbours among probes and gallery together: those that have it among
    their own nearest, joined by the neighbours of those when they share two thirds of them. Two items are near if
    these descriptions overlap (Jaccard distance); a share of the original distance is added. No identities are used.

    Parameters
    ----------
    probe, gallery : array_like, shape (n_probes, n_features), (n_gallery, n_features)
        Feature rows.
    k1 : int
        Size of the neighbourhoods.
    k2 : int
        Neighbours over which descriptions are averaged, the item itself included; 1 for none.
    original_weight : float
        The authors' lambda, from 0 to 1: share of the original distance (squared, and divided by the largest
        of its row, as in the authors' program).
    metric : {"euclidean", "cosine"}
        The original distance.

    Returns
    -------
    RerankedDistances
        To be given to :func:`evaluate_retrieval` in place of a matrix of distances, with ``metric="precomputed"``.
        The matrix is computed row by row when it is read and never held.

    Notes
    -----
    Memory grows with the number of images times `k1` times `k2`, time with the square of the number of images.
    Distances are good to five digits, and equal images need not tie: which is the last neighbour, their order decides.

    Examples
    --------
    >>> from course_utils.retrieval import evaluate_retrieval
    >>> gallery = [[0.0], [0.8], [1.4], [2.0], [3.4], [4.0], [4.6], [5.2]]  # two clouds
    >>> ids = {"probe_ids": [2], "gallery_ids": [1, 1, 1, 1, 2, 2, 2, 2]}  # and a probe between them
    >>> round(evaluate_retrieval([[2.8]], gallery, **ids).mean_average_precision, 2)
    0.71
    >>> reranked = k_reciprocal([[2.8]], gallery, k1=3, k2=2)
    >>> round(evaluate_retrieval(reranked, None, **ids, metric="precomputed").mean_average_precision, 2)
    0.92
    """
    check_choice("metric", metric, ["euclidean", "cosine"])
    k1 = check_integer("k1", k1, minimum=1)
    k2 = check_integer("k2", k2, minimum=1)
    original_weight = check_number("original_weight", original_weight, minimum=0, maximum=1)
    features = Features(probe, gallery, metric)
    return RerankedDistances(features.probe, features.gallery, k1, k2, original_weight, metric)


class RerankedDistances:
    """The distances that :func:`k_reciprocal` defines, computed when rows are read.

    Attributes
    ----------
    shape : tuple of int
        Probes and gallery items.
    dtype : numpy.dtype
        float32.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, probe, gallery, k1, k2, original_weight, metric):
        self.shape = len(probe), len(gallery)
        self._weight = original_weight
        features = np.concatenate([probe, gallery])
        neighbours = _neighbours(features, max(k1, k2 - 1), metric)
        if metric == "cosine":
            features = features / np.linalg.norm(features, axis=1, keepdims=True)
        self._features = (features - features.mean(axis=0)).astype(np.float32)
        self._squares = np.einsum("ij,ij->i", self._features, self._features)
        farthest = np.concatenate([self._squared(rows).max(axis=1) for rows in _row_slices(len(features))])
        self._farthest = np.maximum(farthest, np.finfo(np.float32).tiny)
        codes = self._encode(features, neighbours, k1)
        if k2 > 1:
            near = neighbours[:, :k2]
            codes = _membership(near, np.full(near.shape, 1 / near.shape[1])) @ codes
        self._probe_codes, self._gallery_codes = codes[: len(probe)], codes[len(probe) :].tocsc()

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        """Return the distances of a slice of probes to the whole gallery, float32."""
        if not isinstance(rows, slice):
            raise ArgumentError(f"rows is {rows!r}; it must be a slice of probes, such as [0:100]")
        rows = slice(*rows.indices(len(self)))
        original = self._squared(rows)[:, self.shape[0] :] / self._farthest[rows, None]
        shared = np.stack([self._shared(probe) for probe in range(rows.start, rows.stop, rows.step)])
        # Descriptions sum to 1, so that the union of two is 2 minus what they share.
        jaccard = 1 - shared / (2 - shared)
        return ((1 - self._weight) * jaccard + self._weight * original).astype(np.float32)

    def _shared(self, probe):
        """Return how much of a probe's description each gallery item shares: the sum of minima."""
        code, items = self._probe_codes[[probe]], self._gallery_codes
        starts = items.indptr[code.indices]
        counts = items.indptr[code.indices + 1] - starts
        found = ragged_positions(starts, counts)
        smaller = np.minimum(items.data[found], np.repeat(code.data, counts))
        return np.bincount(items.indices[found], smaller, minlength=self.shape[1])

    def _squared(self, rows):
        """Return the squared distances of some items to all, probes before gallery, in float32."""
        products = self._features[rows] @ self._features.T
        return np.maximum(self._squares[rows, None] + self._squares - 2 * products, 0)

    def _encode(self, features, neighbours, k1):
        """Describe each item by weights of its expanded k-reciprocal neighbours; each row sums to 1."""
        reciprocal = _reciprocal(neighbours[:, : k1 + 1])
        half = _reciprocal(neighbours[:, : round(k1 / 2) + 1])
        half_sizes = half.sum(axis=1)
        blocks = []
        for rows in _row_slices(len(features)):
            own = reciprocal[rows]
            shared = (own @ half.T).multiply(own).tocoo()
            joining = shared.data > 2 / 3 * half_sizes[shared.col]
            joined = sparse.csr_array(
                (np.ones(joining.sum()), (shared.row[joining], shared.col[joining])), shape=own.shape
            )
            expanded = (own + joined @ half).tocoo()
            items = expanded.row + rows.start
            distances = pair_distances(features, items, features, expanded.col, "euclidean", in_threads=True)
            weights = np.exp(-distances / self._farthest[items])
            code = sparse.csr_array((weights, (expanded.row, expanded.col)), shape=own.shape)
            blocks.append(sparse.diags_array(1 / code.sum(axis=1)) @ code)
        return sparse.vstack(blocks, format="csr")


def _neighbours(features, k, metric):
    """Return for each item itself and its `k` nearest others, nearest first; fewer if there are fewer."""
    each = np.arange(len(features))
    k = min(k, len(features) - 1)
    if k == 0:
        return each[:, None]
    # Everybody is an identity and a camera of their own, so that only they themselves are left out.
    labels = dict.fromkeys(("probe_ids", "gallery_ids", "probe_cameras", "gallery_cameras"), each)
    nearest, _ = rank_gallery(features, features, k=k, metric=metric, protocol="cross_camera", **labels)
    return np.column_stack([each, nearest])


def _reciprocal(neighbours):
    """Return the 0-1 matrix of pairs that are in each other's list."""
    mutual = _membership(neighbours, np.ones(neighbours.shape))
    return mutual.multiply(mutual.T).tocsr()


def _membership(neighbours, values):
    n, k = neighbours.shape
    return sparse.csr_array((values.ravel(), neighbours.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))


def _row_slices(n):
    return [slice(start, min(start + _ROWS, n)) for start in range(0, n, _ROWS)]
