"""Figures: what is drawn is what was given, every axis says what it is, and nothing leaks into global state."""

import itertools

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_utils import evaluation, plots, retrieval
from course_utils.errors import ArgumentError

NAMES = ["T-shirt", "Trouser", "Bag"]


@pytest.fixture(autouse=True)
def _close_figures():
    with mpl.rc_context():
        yield
        plt.close("all")


@pytest.fixture
def report():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    return evaluation.evaluate_predictions(
        np.where(rng.random(90) < 0.7, y, rng.integers(0, 3, 90)), y, class_names=NAMES
    )


def curves(loss=(2.0, 1.0, 0.5), validation=(2.1, 1.4, 1.2)):
    accuracy, val_accuracy = (tuple(1 - value / 4 for value in values) for values in (loss, validation))
    return {"loss": loss, "val_loss": validation, "accuracy": accuracy, "val_accuracy": val_accuracy}


def drawings(report):
    """Every function of the module that draws, called once."""
    rng = np.random.default_rng(1)
    images, labels = rng.random((6, 8, 8)), rng.integers(0, 3, 6)
    probabilities = rng.dirichlet(np.ones(3), 6)
    seeds = [evaluation.summarise_seeds(values) for values in rng.random((3, 4))]
    fit = evaluation.fit_power_law([100, 200, 400], [0.5, 0.42, 0.36])
    found = retrieval.evaluate_retrieval(
        rng.random((6, 2)), rng.random((6, 2)), probe_ids=range(6), gallery_ids=range(6)
    )
    return {
        "plot_class_counts": lambda: plots.plot_class_counts({"train": labels, "test": labels[:2]}, NAMES),
        "plot_cmc": lambda: plots.plot_cmc({"a": found, "b": found}),
        "plot_confusion": lambda: plots.plot_confusion(report),
        "plot_cost": lambda: plots.plot_cost({"a": 1, "b": 10}, {"a": report, "b": seeds[0]}, xlabel="time (s)"),
        "plot_embedding": lambda: plots.plot_embedding(rng.random((6, 2)), labels, NAMES),
        "plot_gradient_norms": lambda: plots.plot_gradient_norms({"a": [1, 2, 3], "b": [0.1, 1]}),
        "plot_history": lambda: plots.plot_history([curves(), curves((2, 1, 0.7))]),
        "plot_per_class": lambda: plots.plot_per_class(report, reported=[0.8, 0.9, 0.7]),
        "plot_power_law": lambda: plots.plot_power_law(fit),
        "plot_reported": lambda: plots.plot_reported(["a", "b"], [0.5, 0.6], reported=[0.7, np.nan]),
        "plot_sweep": lambda: plots.plot_sweep(
            [0, 1, 10], {"L1": seeds, "L2": [0.1, 0.2, 0.3]}, xlabel="penalty (no unit)"
        ),
        "show_grid": lambda: plots.show_grid(images, labels, NAMES),
        "show_image": lambda: plots.show_image(images[0]),
        "show_prediction": lambda: plots.show_prediction(images[0], probabilities[0], 1, NAMES),
        "show_ranked_gallery": lambda: plots.show_ranked_gallery(
            images[:2], images, [[0, 1], [3, 1]], probe_ids=[0, 1], gallery_ids=range(6)
        ),
        "show_predictions": lambda: plots.show_predictions(images, probabilities, labels, NAMES),
    }


DRAWING = [name for name in plots.__all__ if name != "use_style"]


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


@pytest.mark.parametrize("name", ["plot_confusion", "plot_per_class"])
def test_a_plot_draws_into_the_axes_it_is_given(name, report):
    ax = plt.subplots()[1]
    assert getattr(plots, name)(report, ax=ax) is ax
    assert len(plt.get_fignums()) == 1


def test_palette_colours_differ_in_lightness_or_hue_for_all():
    assert len(set(plots.PALETTE)) == 8
    assert len({plots._class_style(k) for k in range(10)}) == 10
    assert len({plots._class_style(k)[1] for k in range(10)}) == 10


def test_use_style_sets_the_palette_and_readable_type():
    plots.use_style()
    cycle = [to_hex(entry["color"]).upper() for entry in mpl.rcParams["axes.prop_cycle"]]
    assert cycle == list(plots.PALETTE)
    assert mpl.rcParams["font.size"] >= 11


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 1), (6, 7, 3)])
def test_an_image_is_drawn_as_it_is(shape):
    image = np.random.default_rng(0).random(shape)
    ax = plots.show_image(image)
    np.testing.assert_array_equal(ax.images[0].get_array(), image.squeeze())
    # A colour bar for grey images only.
    assert len(ax.figure.axes) == (1 if shape[-1] == 3 else 2)


def test_a_grid_shares_one_grey_scale_and_shows_every_image():
    images = np.stack([np.full((4, 4), value) for value in (0.0, 0.5, 1.0)])
    figure = plots.show_grid(images, ["one", "two", "a very long caption"], columns=2)
    assert len(figure.axes) == 3
    assert {ax.images[0].get_clim() for ax in figure.axes} == {(0.0, 1.0)}
    assert figure.axes[2].get_xlabel() == "a very long\ncaption"


def test_bars_count_the_images():
    ax = plots.plot_class_counts({"train": [0, 0, 2], "test": [2]}, NAMES)
    assert [[bar.get_width() for bar in bars] for bars in ax.containers] == [[2, 0, 1], [0, 0, 1]]
    assert [label.get_text() for label in ax.get_yticklabels()] == NAMES


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


def test_confusion_shows_counts_or_per_cent_of_the_rows(report):
    counts = plots.plot_confusion(report, normalise=False)
    shown = [text.get_text() or "0" for text in counts.texts]
    assert list(map(int, shown)) == report.confusion.ravel().tolist()
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


@pytest.mark.parametrize(("label", "mark", "colour"), [(1, "✓", plots.BLUE), (2, "✗", plots.WRONG)])
def test_a_prediction_is_marked_by_sign_and_colour(label, mark, colour):
    figure = plots.show_prediction(np.zeros((4, 4)), [0.1, 0.7, 0.2], label, NAMES)
    top, bottom = figure.axes
    assert top.get_title() == f"{mark} Trouser, 70%"
    assert top.title.get_color() == colour
    assert [bar.get_width() for bar in bottom.patches] == [0.1, 0.7, 0.2]
    ticks = [text.get_text() for text in bottom.get_yticklabels()]
    assert ticks[label] == f"{NAMES[label]} (true)"


def test_a_grid_of_predictions_names_the_true_class_of_the_wrong_ones_only():
    figure = plots.show_predictions(np.zeros((2, 4, 4)), [[0.9, 0.1, 0], [0.9, 0.1, 0]], [0, 2], NAMES)
    right, wrong = figure.axes
    assert right.get_xlabel() == "✓ T-shirt, 90%"
    assert wrong.get_xlabel() == "✗ T-shirt, 90%\n(true: Bag)"
    assert right.xaxis.label.get_color() == plots.BLUE
    assert wrong.xaxis.label.get_color() == plots.WRONG


def test_an_embedding_draws_each_class_once():
    points, labels = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
    ax = plots.plot_embedding(points, labels, NAMES, method="PCA")
    for k, scatter in enumerate(ax.collections):
        np.testing.assert_array_equal(scatter.get_offsets(), points[labels == k])
    assert [text.get_text() for text in ax.figure.legends[0].texts] == NAMES


def test_reported_and_measured_stand_on_one_line_with_the_interval():
    ax = plots.plot_reported(["a", "b"], [0.5, 0.6], reported=[0.9, np.nan], intervals=[[0.4, 0.6], [0.55, 0.65]])
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["measured"].get_xdata(), [0.5, 0.6])
    np.testing.assert_array_equal(lines["reported"].get_xdata(), [0.9, np.nan])
    np.testing.assert_array_equal(lines["measured"].get_ydata(), lines["reported"].get_ydata())


def test_a_power_law_is_dashed_where_it_extrapolates():
    fit = evaluation.fit_power_law([100, 200, 400], [0.5, 0.42, 0.36])
    ax = plots.plot_power_law(fit, sizes=[100, 4000])
    dashed = next(line for line in ax.lines if line.get_label() == "extrapolated")
    assert dashed.get_xdata().min() > 400
    assert dashed.get_xdata().max() == pytest.approx(4000)
    np.testing.assert_allclose(dashed.get_ydata(), fit.predict(dashed.get_xdata())[0])


def test_a_sweep_puts_its_ticks_at_the_settings():
    ax = plots.plot_sweep([5000, 10_000], {"S": [0.5, 0.6]}, xlabel="images", reported={"[C]": [0.49, np.nan]})
    assert [text.get_text() for text in ax.get_xticklabels()] == ["5,000", "10,000"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.5, 0.6])
    assert ax.lines[1].get_label() == "reported [C]"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plots.show_image(np.zeros((2, 2, 2))),
            r"image has shape \(2, 2, 2\); it must be \(h, w\)",
        ),
        (lambda: plots.show_grid(np.zeros((0, 4, 4))), r"images has shape \(0, 4, 4\)"),
        (lambda: plots.show_grid(np.zeros((2, 4, 4)), [0]), "labels has 1 entries for 2 images"),
        (lambda: plots.show_grid(np.zeros((1, 4, 4)), [3], NAMES), "labels run from 3 to 3; .* 0 to 2"),
        (lambda: plots.show_grid(np.zeros((1, 4, 4)), columns=0), "columns is 0"),
        (lambda: plots.plot_class_counts([0.5], NAMES), "labels has shape .* float64"),
        (lambda: plots.plot_history([]), "histories is empty"),
        (lambda: plots.plot_history({}), "histories is empty"),
        (lambda: plots.plot_history(3), "plot_history: a history is int"),
        (lambda: plots.plot_history({"loss": [1]}), "has .*; it must have 'accuracy'"),
        (lambda: plots.plot_embedding(np.zeros((3, 3)), [0, 1, 2], NAMES), r"points has shape \(3, 3\)"),
        (lambda: plots.show_prediction(np.zeros((4, 4)), [0.5, 0.1, 0.1], 0, NAMES), "sums 0.7 to 0.7"),
        (lambda: plots.show_prediction(np.zeros((4, 4)), [0.5, 0.5], 0, NAMES), r"must be \(n, 3\)"),
        (lambda: plots.show_prediction(np.zeros((4, 4)), [1, 0, 0], 3, NAMES), "label is 3; .* from 0 to 2"),
        (
            lambda: plots.show_predictions(np.zeros((2, 4, 4)), [[1, 0, 0]], [0, 1], NAMES),
            "2 images, 2 labels and 1 rows",
        ),
        (lambda: plots.plot_reported(["a"], [1, 2]), r"measured has shape \(2,\); it must be \(1,\)"),
        (lambda: plots.plot_sweep([1, 2], {"a": [1]}, xlabel="x"), "series 'a' has 1 entries for 2 values"),
        (lambda: plots.plot_cost({"a": 1}, {"b": 1}, xlabel="x"), "must be of the same methods"),
        (lambda: plots.plot_cost({"a": 0}, {"a": 1}, xlabel="x"), "costs has a value of 0"),
    ],
)
def test_a_bad_argument_is_named_with_what_is_legal(call, message):
    with pytest.raises(ArgumentError, match=message):
        call()


def test_reported_values_must_be_one_a_class(report):
    with pytest.raises(ArgumentError, match="reported has 2 values for 3 classes"):
        plots.plot_per_class(report, reported=[0.1, 0.2])


@pytest.mark.parametrize("costs", [{"a": 12, "b": 18}, {"a": 7, "b": 14}, {"a": 0.3, "b": 4.5}, {"a": 0.5, "b": 80}])
def test_costs_can_be_read_off_their_axis(costs):
    ax = plots.plot_cost(costs, {"a": 0.5, "b": 0.6}, xlabel="time (s)")
    low, high = ax.get_xlim()
    assert sum(low <= tick <= high for tick in ax.get_xticks()) >= 2


def test_names_of_costs_cover_neither_each_other_nor_points():
    costs = {"random triplets": 320, "hardest triplets": 200, "the same": 200, "far away": 9}
    results = {"random triplets": 0.395, "hardest triplets": 0.41, "the same": 0.405, "far away": 0.1}
    ax = plots.plot_cost(costs, results, xlabel="time (s)")
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    places = ax.transData.transform([(costs[name], results[name]) for name in costs])
    assert not any(box.contains(*place) for box in boxes for place in places)
    assert all(ax.figure.bbox.x0 <= box.x0 and box.x1 <= ax.figure.bbox.x1 for box in boxes)
