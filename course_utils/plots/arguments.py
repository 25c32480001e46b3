"""Checks of what the drawing functions are given."""

import numpy as np

from course_utils.errors import ArgumentError


def check_length(name, values, n, of="values"):
    """Refuse a sequence that has not one entry for each of `n` things."""
    if len(values) != n:
        raise ArgumentError(f"{name} has {len(values)} entries for {n} {of}; the numbers must be equal")


def check_images(name, images, *, batch=True):
    """Return images (or, without `batch`, one image) as an array, grey ones without an axis of channels."""
    images, rank = np.asarray(images), 3 if batch else 2
    if images.ndim == rank + 1 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.size == 0 or not (images.ndim == rank or (images.ndim == rank + 1 and images.shape[-1] == 3)):
        shape = "n, h, w" if batch else "h, w"
        raise ArgumentError(f"{name} has shape {images.shape}; it must be ({shape}), ({shape}, 1) or ({shape}, 3)")
    return images


def check_labels(labels, n_classes):
    """Return labels as an array of integers."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
        raise ArgumentError(f"labels has shape {labels.shape} and dtype {labels.dtype}; it must be (n,) integers")
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        raise ArgumentError(
            f"labels run from {labels.min()} to {labels.max()}; with {n_classes} class_names "
            f"they must lie in 0 to {n_classes - 1}"
        )
    return labels.astype(int)


def check_probabilities(probabilities, n_classes):
    """Return probabilities as an array, one row for each image."""
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim != 2 or probabilities.shape[1] != n_classes:
        raise ArgumentError(
            f"probabilities has shape {probabilities.shape}; with {n_classes} class_names it must be (n, {n_classes})"
        )
    sums = probabilities.sum(axis=1)
    if not (np.all(probabilities >= 0) and np.allclose(sums, 1, atol=1e-3)):
        raise ArgumentError(
            f"probabilities has rows with sums {sums.min():.3g} to {sums.max():.3g} and least value "
            f"{probabilities.min():.3g}; each row must be non-negative with sum 1 (evaluation.softmax makes it so)"
        )
    return probabilities
