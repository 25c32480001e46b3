"""A bad argument is named with the value found and what is legal."""

import numpy as np
import pytest

from course_utils import plots
from course_utils.errors import ArgumentError

NAMES = ["T-shirt", "Trouser", "Bag"]


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
        (lambda: plots.plot_history(3), "a history is int"),
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
