"""Reported and measured numbers, and names that can be read."""

import itertools

import numpy as np
import pytest

from course_utils import plots


def test_reported_and_measured_stand_on_one_line_with_the_interval():
    ax = plots.plot_reported(["a", "b"], [0.5, 0.6], reported=[0.9, np.nan], intervals=[[0.4, 0.6], [0.55, 0.65]])
    lines = {line.get_label(): line for line in ax.lines}
    np.testing.assert_array_equal(lines["measured"].get_xdata(), [0.5, 0.6])
    np.testing.assert_array_equal(lines["reported"].get_xdata(), [0.9, np.nan])
    np.testing.assert_array_equal(lines["measured"].get_ydata(), lines["reported"].get_ydata())


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
