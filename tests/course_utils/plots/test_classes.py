"""Bars, cells and points are those of the data, class by class."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from course_utils import evaluation, plots
from course_utils.errors import ArgumentError

NAMES = ["T-shirt", "Trouser", "Bag"]


@pytest.mark.parametrize("name", ["plot_confusion", "plot_per_class"])
def test_a_plot_draws_into_the_axes_it_is_given(name, report):
    ax = plt.subplots()[1]
    assert getattr(plots, name)(report, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_bars_count_the_images():
    ax = plots.plot_class_counts({"train": [0, 0, 2], "test": [2]}, NAMES)
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [[2, 0, 1], [0, 0, 1]]
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES


def test_confusion_shows_per_cent_of_the_rows(report):
    shares = plots.plot_confusion(report)
    shown = [text.get_text() or "0" for text in shares.texts]
    assert list(map(int, shown)) == np.round(100 * report.confusion_normalised.ravel()).astype(int).tolist()
    assert shares.get_xlabel() == "predicted class"


def test_confusion_with_a_class_without_images_is_drawn():
    ax = plots.plot_confusion(evaluation.evaluate_predictions([0], [0], class_names=["x", "y"]))
    assert [text.get_text() for text in ax.texts if text.get_text()] == ["100"]


def test_per_class_bars_are_the_recalls_with_their_intervals(report):
    ax = plots.plot_per_class(report, reported=[0.8, 0.9, 0.7])
    bars = next(c for c in ax.containers if isinstance(c, mpl.container.BarContainer))
    np.testing.assert_allclose([bar.get_width() for bar in bars], report.per_class["recall"])
    whiskers = next(c for c in ax.collections if isinstance(c, mpl.collections.LineCollection)).get_segments()
    np.testing.assert_allclose([segment[:, 0] for segment in whiskers], report.per_class[["low", "high"]])
    diamonds = [line for line in ax.lines if line.get_label() == "reported"]
    np.testing.assert_array_equal(diamonds[0].get_xdata(), [0.8, 0.9, 0.7])


def test_reported_values_must_be_one_a_class(report):
    with pytest.raises(ArgumentError, match="reported has 2 entries for 3 classes"):
        plots.plot_per_class(report, reported=[0.1, 0.2])


def test_an_embedding_draws_each_class_once():
    points, labels = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
    ax = plots.plot_embedding(points, labels, NAMES, method="PCA")
    for k, scatter in enumerate(ax.collections):
        np.testing.assert_array_equal(scatter.get_offsets(), points[labels == k])
    assert [text.get_text() for text in ax.figure.legends[0].texts] == NAMES
