"""Curves go through the numbers that were given."""

import numpy as np
import pytest

from course_utils import evaluation, plots


def curves(loss=(2.0, 1.0, 0.5), validation=(2.1, 1.4, 1.2)):
    accuracy, val_accuracy = (tuple(1 - value / 4 for value in values) for values in (loss, validation))
    return {"loss": loss, "val_loss": validation, "accuracy": accuracy, "val_accuracy": val_accuracy}


def test_history_of_one_network_shows_both_splits_in_both_panels():
    figure = plots.plot_history(curves())
    assert len(figure.axes) == 2
    for ax, metric in zip(figure.axes, ("loss", "accuracy"), strict=True):
        train, validation = ax.lines
        np.testing.assert_array_equal(train.get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(train.get_ydata(), curves()[metric])
        np.testing.assert_allclose(validation.get_ydata(), curves()[f"val_{metric}"])
        assert train.get_linestyle() != validation.get_linestyle()


def test_history_of_several_seeds_shows_thin_lines_and_their_mean():
    runs = [curves((2.0, 1.0, 0.5)), curves((1.0, 0.5))]
    figure = plots.plot_history(runs, metrics=["loss"])
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() < 1]
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() >= 1]
    assert len(thin) == 4
    np.testing.assert_allclose(thick[0].get_ydata(), [1.5, 0.75])


def test_history_takes_what_fit_returns_and_names_of_networks():
    class History:
        history = curves()

    figure = plots.plot_history({"MLP": History(), "CNN": [History(), History()]})
    labels = [text.get_text() for text in figure.legends[0].texts]
    assert labels == ["MLP, train", "MLP, validation", "CNN, train", "CNN, validation"]


def test_history_without_validation_draws_training_only():
    figure = plots.plot_history({"loss": [1, 2]}, metrics=["loss"])
    assert [line.get_label() for line in figure.axes[0].lines] == ["train"]


def test_a_power_law_is_dashed_where_it_extrapolates():
    fit = evaluation.fit_power_law([100, 200, 400], [0.5, 0.42, 0.36])
    ax = plots.plot_power_law(fit)
    dashed = next(line for line in ax.lines if line.get_label() == "extrapolated")
    assert dashed.get_xdata().min() > 400
    assert dashed.get_xdata().max() == pytest.approx(1600)
    np.testing.assert_allclose(dashed.get_ydata(), fit.predict(dashed.get_xdata())[0])


def test_a_sweep_puts_its_ticks_at_the_settings():
    ax = plots.plot_sweep([5000, 10_000], {"S": [0.5, 0.6]}, xlabel="images", reported={"[C]": [0.49, np.nan]})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["5,000", "10,000"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.5, 0.6])
    assert ax.lines[1].get_label() == "reported [C]"
