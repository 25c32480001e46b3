"""Figures of retrieval: the curves and frames that are drawn are those of the result."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from course_utils import plots, retrieval
from course_utils.errors import ArgumentError
from course_utils.plots import style


@pytest.fixture
def result():
    rng = np.random.default_rng(0)
    probe, gallery = rng.random((40, 3)), rng.random((40, 3))
    return retrieval.evaluate_retrieval(probe, gallery, probe_ids=np.arange(40), gallery_ids=np.arange(40))


def test_cmc_line_is_the_results_curve(result):
    ax = plots.plot_cmc({"a": result, "b": result}, max_rank=7)
    for line in ax.lines:
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 8))
        np.testing.assert_allclose(line.get_ydata(), result.cmc[:7])


def test_cmc_stops_at_the_end_of_the_gallery(result):
    assert plots.plot_cmc(result, max_rank=1000).lines[0].get_xdata()[-1] == 40


def test_cmc_band_holds_the_curve_and_has_a_binomial_width(result):
    ax = plots.plot_cmc(result, max_rank=20)
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    at_10 = corners[corners[:, 0] == 10, 1]
    share = result.cmc[9]
    assert at_10.min() < share < at_10.max()
    expected = 2 * 1.96 * np.sqrt(share * (1 - share) / 40)
    assert np.ptp(at_10) == pytest.approx(expected, rel=0.25)


def test_cmc_refuses_a_bad_rank(result):
    with pytest.raises(ArgumentError, match="max_rank"):
        plots.plot_cmc(result, max_rank=0)


def test_cmc_refuses_nothing():
    with pytest.raises(ArgumentError, match="results is empty"):
        plots.plot_cmc({})


def test_gallery_images_and_frames_are_the_ordered_ones():
    images = np.arange(5)[:, None, None] * np.ones((5, 6, 3))
    figure = plots.show_ranked_gallery(
        images[:2], images, [[3, 0, 1], [1, 4, 2]], probe_ids=[10, 11], gallery_ids=[10, 11, 12, 13, 14]
    )
    axes = np.reshape(figure.axes, (2, 4))
    shown = [[ax.images[0].get_array()[0, 0] for ax in row] for row in axes]
    assert shown == [[0, 3, 0, 1], [1, 1, 4, 2]]
    assert [ax.get_xlabel() for ax in axes[0]] == ["probe", "1 ✗", "2 ✓", "3 ✗"]
    frames = [to_hex(ax.spines["left"].get_edgecolor()).upper() for ax in axes[1, 1:]]
    assert frames == [style.GREEN, style.WRONG, style.WRONG]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": [[5]]}, "order runs from 5 to 5; it must lie in 0 to 2"),
        ({"order": [[-1]]}, "order runs from -1"),
        ({"order": [0]}, "order has shape"),
        ({"order": [[0.0]]}, "order has shape"),
        ({"probe_ids": [1, 2]}, "probe_ids"),
        ({"gallery_ids": [1, 2]}, "gallery_ids"),
    ],
)
def test_gallery_refuses_what_does_not_fit(changes, message):
    images = np.zeros((3, 4, 4))
    arguments = {"order": [[0]], "probe_ids": [1], "gallery_ids": [1, 2, 3]} | changes
    order = arguments.pop("order")
    with pytest.raises(ArgumentError, match=message):
        plots.show_ranked_gallery(images[:1], images, order, **arguments)
