"""Figures: what is drawn is what was given, every axis says what it is, and nothing leaks into global state."""

import matplotlib as mpl
import numpy as np
import pytest

from course_utils import evaluation, plots, retrieval

NAMES = ["T-shirt", "Trouser", "Bag"]


def drawings(report):
    """Every function of the module that draws, called once."""
    rng = np.random.default_rng(1)
    images, labels = rng.random((6, 8, 8)), rng.integers(0, 3, 6)
    probabilities = rng.dirichlet(np.ones(3), 6)
    seeds = [evaluation.summarise_seeds(values) for values in rng.random((3, 4))]
    fit = evaluation.fit_power_law([100, 200, 400], [0.5, 0.42, 0.36])
    run = {
        "loss": [2, 1, 0.5],
        "val_loss": [2.1, 1.4, 1.2],
        "accuracy": [0.5, 0.7, 0.8],
        "val_accuracy": [0.4, 0.6, 0.7],
    }
    found = retrieval.evaluate_retrieval(
        rng.random((6, 2)), rng.random((6, 2)), probe_ids=range(6), gallery_ids=range(6)
    )
    return {
        "plot_class_counts": lambda: plots.plot_class_counts({"train": labels, "test": labels[:2]}, NAMES),
        "plot_cmc": lambda: plots.plot_cmc({"a": found, "b": found}),
        "plot_confusion": lambda: plots.plot_confusion(report),
        "plot_cost": lambda: plots.plot_cost({"a": 1, "b": 10}, {"a": report, "b": seeds[0]}, xlabel="time (s)"),
        "plot_descent": lambda: plots.plot_descent(np.square, lambda w: 2 * w, start=1, rates=[0.1, 1.05]),
        "plot_embedding": lambda: plots.plot_embedding(rng.random((6, 2)), labels, NAMES),
        "plot_gradient_norms": lambda: plots.plot_gradient_norms({"a": [1, 2, 3], "b": [0.1, 1]}),
        "plot_history": lambda: plots.plot_history([run, run]),
        "plot_per_class": lambda: plots.plot_per_class(report, reported=[0.8, 0.9, 0.7]),
        "plot_power_law": lambda: plots.plot_power_law(fit),
        "plot_reported": lambda: plots.plot_reported(["a", "b"], [0.5, 0.6], reported=[0.7, np.nan]),
        "plot_runs": lambda: plots.plot_runs(["a", "b"], [[0.5, 0.6], [0.7]], reported=[0.7, np.nan]),
        "plot_sweep": lambda: plots.plot_sweep(
            [0, 1, 10], {"L1": seeds, "L2": [0.1, 0.2, 0.3]}, xlabel="penalty (no unit)"
        ),
        "plot_times": lambda: plots.plot_times(
            [3, 7, 15], {"loop": [9, 9, 10], "fft": [2, 2, 2]}, xlabel="side (pixels)"
        ),
        "show_channel_sum": lambda: plots.show_channel_sum(images[:3], images[:3], images[:3].sum(0)),
        "show_convolution": lambda: plots.show_convolution(np.eye(4), np.ones((2, 2)), np.ones((3, 3)), at=(1, 2)),
        "show_positions": lambda: plots.show_positions(
            7, {"plain": {"kernel": 3}, "wide": {"kernel": 3, "dilation": 2}}
        ),
        "show_receptive_field": lambda: plots.show_receptive_field([(3, 1), (3, 2), (3, 1)]),
        "show_grid": lambda: plots.show_grid(images, labels, NAMES),
        "show_image": lambda: plots.show_image(images[0]),
        "show_network": lambda: plots.show_network(images[0], [64, 12, 3], NAMES),
        "show_prediction": lambda: plots.show_prediction(images[0], probabilities[0], 1, NAMES),
        "show_ranked_gallery": lambda: plots.show_ranked_gallery(
            images[:2], images, [[0, 1], [3, 1]], probe_ids=[0, 1], gallery_ids=range(6)
        ),
        "show_predictions": lambda: plots.show_predictions(images, probabilities, labels, NAMES),
    }


# The drawing of a network is no figure of Matplotlib; the other names are constants, types and the style.
DRAWING = [name for name in plots.__all__ if name.startswith(("plot_", "show_")) and name != "show_architecture"]


@pytest.mark.parametrize("name", DRAWING)
def test_every_figure_can_be_saved_is_labelled_and_leaves_the_settings_alone(name, report, tmp_path):
    before = dict(mpl.rcParams)
    drawn = drawings(report)[name]()
    assert dict(mpl.rcParams) == before
    figure = getattr(drawn, "figure", drawn)
    assert figure.get_figwidth() <= 7
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 2000
    for ax in figure.axes:
        # An axis with ticks says what they count; the panels above a shared axis leave that to the last one.
        if ax.get_xticks().size and any(label.get_text() and label.get_visible() for label in ax.get_xticklabels()):
            assert ax.get_xlabel(), name
        if ax.get_yticks().size and ax.get_yticklabels() and not is_class_axis(ax):
            assert ax.get_ylabel(), name


def is_class_axis(ax):
    """A class axis explains itself by its names."""
    return any(label.get_text() and not label.get_text()[:1].isdigit() for label in ax.get_yticklabels())


@pytest.mark.parametrize("name", DRAWING)
def test_a_figure_has_no_text_smaller_than_eleven_points(name, report):
    plots.use_style()
    drawn = drawings(report)[name]()
    figure = getattr(drawn, "figure", drawn)
    figure.canvas.draw()
    sizes = [text.get_fontsize() for text in figure.findobj(mpl.text.Text) if text.get_text() and text.get_visible()]
    assert min(sizes, default=11) >= 11


@pytest.mark.parametrize("name", DRAWING)
def test_nothing_is_cut_off_at_the_edge_of_a_figure(name, report):
    plots.use_style()
    drawn = drawings(report)[name]()
    figure = getattr(drawn, "figure", drawn)
    figure.canvas.draw()
    content = figure.get_tightbbox()
    assert content.x0 >= -0.05
    assert content.y0 >= -0.05
    assert content.x1 <= figure.get_figwidth() + 0.05
    assert content.y1 <= figure.get_figheight() + 0.05
