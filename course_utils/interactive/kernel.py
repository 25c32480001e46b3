"""A kernel that moves over a photograph."""

import numpy as np

from course_utils import images, plots
from course_utils.convolution import convolve, named_kernel
from course_utils.errors import ArgumentError, require
from course_utils.interactive.widget import Widget, drawn, sprite

__all__ = ["kernel_playground"]

EXERCISE = {
    "kernel 1 of the exercise": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "kernel 2 of the exercise": [[0, -1, 0], [-1, 8, -1], [0, -1, 0]],
}
_SIDES = (32, 256)  # pixels: smaller ones have no room for the largest kernel, larger ones are slow to follow
_SIDE = 128
_ALT = (
    "Three squares: the photograph in grey; what kernel 1 makes of it, grey with light and dark lines along edges; and "
    "what kernel 2 makes of it, the photograph with crisper edges."
)


def kernel_playground(photograph=None):
    """Let readers choose or type a kernel, move it over a photograph, and see products, sum and result.

    Each channel of a colour picture has the same kernel, times a factor of its own; the channels are summed, as
    :func:`course_utils.convolution.convolve` sums them for a kernel with four axes.

    Parameters
    ----------
    photograph : array_like of uint8, shape (h, w) or (h, w, 3), optional
        Grey or RGB, 32 to 256 pixels a side; scikit-learn's photograph of a flower if not given.

    Returns
    -------
    Widget

    Raises
    ------
    ArgumentError
        If `photograph` is not as described above.

    Examples
    --------
    >>> kernel_playground(np.zeros((64, 48), "uint8")).name
    'kernel'
    """
    photograph = _flower() if photograph is None else np.asarray(photograph)
    low, high = _SIDES
    shape = photograph.shape
    right = photograph.dtype == np.uint8 and (len(shape) == 2 or (len(shape) == 3 and shape[2] == 3))
    if not right or not all(low <= side <= high for side in shape[:2]):
        raise ArgumentError(
            f"photograph is {photograph.dtype} of shape {shape}; it must be uint8 of shape (h, w) or (h, w, 3), "
            f"with {low} to {high} pixels a side"
        )
    batch = photograph[None] if len(shape) == 3 else photograph[None, :, :, None]
    grey = images.to_grayscale(batch)
    data = {
        "grey": sprite(grey),
        "colour": sprite(batch) if len(shape) == 3 else None,
        "kernels": {name: np.asarray(kernel).tolist() for name, kernel in _presets().items()},
    }
    caption = (
        "A kernel on a photograph. Move the window with the pointer, a finger or the arrow keys: the products of "
        "pixels and weights are summed, and the sum is one pixel of the result."
    )
    return Widget("kernel", data, picture=_picture(grey[0, :, :, 0]), alt=_ALT, caption=caption)


def _flower():
    flower = require("sklearn.datasets", "course").load_sample_image("flower.jpg")
    left = (flower.shape[1] - flower.shape[0]) // 2
    return images.resize(flower[None, :, left : left + flower.shape[0]], _SIDE)[0]


def _presets():
    sized = {f"{name} {size} × {size}": (name, size) for name, size in [("box", 3), ("box", 7), ("gaussian", 5)]}
    return {
        **EXERCISE,
        "identity": named_kernel("identity"),
        **{label: named_kernel(name, size=size) for label, (name, size) in sized.items()},
        **{name.replace("_", " "): named_kernel(name) for name in ("sharpen", "laplacian", "sobel_x", "sobel_y")},
        "emboss": [[-2, -1, 0], [-1, 1, 1], [0, 1, 2]],
        "two pixels to the right": [[0] * 5, [0] * 5, [1, 0, 0, 0, 0], [0] * 5, [0] * 5],
    }


def _picture(grey):
    edges, crisp = (convolve(grey, kernel) for kernel in EXERCISE.values())
    panels = [grey, np.clip(edges, -128, 127) + 128, np.clip(crisp / 4, 0, 255)]
    titles = ["photograph", "kernel 1 (128 is zero)", "kernel 2, divided by 4"]
    return drawn(plots.show_grid(np.stack([panels[0][1:-1, 1:-1], *panels[1:]]), titles, columns=3, vmin=0, vmax=255))
