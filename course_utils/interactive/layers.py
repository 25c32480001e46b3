"""Walk through a network layer by layer, down to the window and the weights that made one number."""

from course_utils.errors import ArgumentError, require
from course_utils.interactive.ask import check_labels, check_pictures
from course_utils.interactive.network import export
from course_utils.interactive.widget import Widget, drawn, sprite

__all__ = ["layer_walk"]

_SHOWN = 8


def layer_walk(network, samples, labels, class_names, *, caption="", dtype="float16"):
    """Let readers walk through a trained network, and see how each of its numbers is made.

    Parameters
    ----------
    network : keras.Model
        Trained, for inputs in [0, 1]. See :func:`~course_utils.interactive.export` for the layers that it may have.
    samples, labels, class_names : array_like, array_like of int, sequence of str
        Pictures as the network gets them, their classes, and the names of the classes; see
        :func:`~course_utils.interactive.ask_networks`.
    caption : str
        What readers are to look for.
    dtype : {"float16", "float32", "int8"}
        What the weights are stored as; see :func:`~course_utils.interactive.export`.

    Returns
    -------
    Widget

    Raises
    ------
    CourseError
        If an argument is not as described above, or pages cannot run a layer.

    Examples
    --------
    >>> import numpy as np
    >>> from course_utils import models
    >>> network, pictures = models.compact_convnet((4, 4, 4)), np.zeros((2, 32, 32, 3))
    >>> layer_walk(network, pictures, [3, 4], list("0123456789")).name
    'layers'
    """
    samples = check_pictures(samples)
    labels = check_labels(labels, len(samples), len(class_names))
    if network.input_shape[1:] != samples.shape[1:]:
        raise ArgumentError(f"network takes {network.input_shape[1:]}; samples are {samples.shape[1:]}")
    weights = export(network, dtype=dtype)
    data = {"classes": list(class_names), "labels": labels.tolist(), "samples": sprite(samples), "weights": weights}
    maps = _maps(network, samples[:1])
    alt = f"A picture, {class_names[labels[0]]}, and the first feature maps of the layers {', '.join(maps)}."
    return Widget("layers", data, picture=_figure(samples[0], maps), alt=alt, caption=caption)


def _maps(network, sample):
    """The outputs of the layers that make maps out of pictures, by their names."""
    # They load Keras, which a site that shows what is kept has not.
    from course_utils import models, training

    found = {}
    for layer in network.layers:
        if type(layer).__name__ in ("Conv2D", "MaxPooling2D", "AveragePooling2D"):
            predict = training.predictor(models.embedding_model(network, layer.name))
            found[layer.name] = predict((sample / 255).astype("float32"))[0]
    return found


def _figure(picture, maps):
    plt = require("matplotlib.pyplot", "course")
    rows = 1 + len(maps)
    figure, axes = plt.subplots(rows, _SHOWN, figsize=(8, 1.1 * rows), squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.set_axis_off()
    axes[0, 0].imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255)
    for row, (name, values) in zip(axes[1:], maps.items(), strict=True):
        row[0].set_title(name, loc="left", fontsize=10)
        for ax, channel in zip(row, range(values.shape[2]), strict=False):
            ax.imshow(values[..., channel], cmap="gray", vmin=values.min(), vmax=values.max())
    return drawn(figure)
