"""Ask the networks of a chapter about a test picture, a drawing or an uploaded picture."""

from collections.abc import Mapping

import numpy as np

from course_utils.errors import ArgumentError, check_choice, require
from course_utils.interactive.network import export
from course_utils.interactive.widget import Widget, drawn, sprite

__all__ = ["ask_networks"]


def ask_networks(networks, samples, labels, class_names, *, scores, ground="", fit=False, caption="", dtype="float16"):
    """Let readers ask trained networks: what is this picture?

    Parameters
    ----------
    networks : dict of str to keras.Model
        Trained, by the names that readers see; all for the same classes and inputs in [0, 1]. See
        :func:`~course_utils.interactive.export` for the layers that they may have.
    samples : array_like, shape (n, height, width, 1 or 3)
        Test pictures as the networks get them: uint8, or float in [0, 1].
    labels : array_like of int, shape (n,)
        Their classes.
    class_names : sequence of str
        Names of the classes, in the order of the networks' outputs.
    scores : dict of str to (float, float, float)
        For each network, its accuracy on the test pictures and the ends of the 95% interval.
    ground : {"", "dark", "light"}
        What lies around the thing in the pictures that the networks were trained on. An uploaded picture whose edge is
        of the other kind is inverted, and drawings have this ground; empty: nothing is inverted, drawings are dark.
    fit : bool
        Whether the empty edge of drawings and uploaded pictures is cut away, as it was in the training pictures.
    caption : str
        What readers are to try.
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
    >>> from course_utils import models
    >>> pictures, names = np.zeros((2, 28, 28, 1)), list("0123456789")
    >>> ask_networks({"MLP": models.fashion_mlp()}, pictures, [3, 4], names, scores={"MLP": (0.5, 0.4, 0.6)}).name
    'ask'
    """
    check_choice("ground", ground, ("", "dark", "light"))
    samples = check_pictures(samples)
    labels = check_labels(labels, len(samples), len(class_names))
    if not isinstance(networks, Mapping) or not networks or set(scores) != set(networks):
        raise ArgumentError(f"scores has {sorted(scores)}; it must have the names of the networks, {sorted(networks)}")
    for name, model in networks.items():
        ends = model.input_shape[1:], model.output_shape[1:]
        if ends != (samples.shape[1:], (len(class_names),)):
            raise ArgumentError(
                f"networks: {name} takes {ends[0]} and gives {ends[1]}; samples are {samples.shape[1:]}, "
                f"and there are {len(class_names)} classes"
            )
    data = {
        "classes": list(class_names),
        "ground": ground,
        "fit": bool(fit),
        "samples": sprite(samples),
        "labels": labels.tolist(),
        "networks": [
            {"name": name, "score": [float(value) for value in scores[name]], "weights": export(model, dtype=dtype)}
            for name, model in networks.items()
        ],
    }
    answers = {name: _answer(model, samples[:1]) for name, model in networks.items()}
    told = ", ".join(f"{name} {class_names[each.argmax()]}, {each.max():.0%}" for name, each in answers.items())
    alt = f"A test picture, {class_names[labels[0]]}, and the probabilities that are answered: {told}."
    return Widget("ask", data, picture=_figure(samples[0], answers, class_names), alt=alt, caption=caption)


def check_labels(labels, n_samples, n_classes):
    """Give the classes of samples as an array, if they are that."""
    labels = np.asarray(labels)
    if labels.shape != (n_samples,) or labels.dtype.kind not in "iu" or not np.isin(labels, range(n_classes)).all():
        raise ArgumentError(f"labels is {labels!r:.60}; it must name one of {n_classes} classes for each sample")
    return labels


def check_pictures(samples):
    """Give pictures as uint8: what they were before they were scaled to [0, 1]."""
    samples = np.asarray(samples)
    if samples.ndim != 4 or samples.shape[3] not in (1, 3) or 0 in samples.shape:
        raise ArgumentError(f"samples has shape {samples.shape}; it must be (n, height, width, 1 or 3)")
    if samples.dtype == np.uint8:
        return samples
    if samples.dtype.kind != "f" or not (samples.min() >= 0 and samples.max() <= 1):
        raise ArgumentError(f"samples is {samples.dtype}; it must be uint8, or float from 0 to 1")
    return np.round(255 * samples).astype(np.uint8)


def _answer(model, samples):
    # It loads Keras, which a site that shows what is kept has not.
    from course_utils import evaluation, training

    given = training.predictor(model)((samples / 255).astype("float32"))[0]
    last = model.layers[-1].get_config()
    return given if last.get("activation") == "softmax" else evaluation.softmax(given[None])[0]


def _figure(picture, answers, class_names):
    plt = require("matplotlib.pyplot", "course")
    figure, axes = plt.subplots(1, 1 + len(answers), figsize=(3 + 2.6 * len(answers), 3.2), layout="constrained")
    axes[0].imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=255)
    axes[0].set_axis_off()
    for ax, (name, shares) in zip(axes[1:], answers.items(), strict=True):
        ax.barh(range(len(shares)), shares)
        ax.set(title=name, xlim=(0, 1), xlabel="probability", yticks=range(len(shares)), yticklabels=class_names)
        ax.invert_yaxis()
    return drawn(figure)
