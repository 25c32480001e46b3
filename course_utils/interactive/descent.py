"""Gradient descent on the losses of models with two weights."""

import dataclasses
from collections.abc import Callable

import numpy as np

from course_utils.errors import require
from course_utils.interactive.widget import Widget, drawn

__all__ = ["descent_toy"]

_GRID = 161  # points a side, in which the contour lines are looked for
_LEVELS = 14
_RATES = (0.05, 0.22)
_ALT = (
    "Contour lines of a loss over a weight and a bias, a long narrow valley. From the same start a small step size "
    "creeps along it, and a larger one jumps from side to side on its way to the lowest point."
)


@dataclasses.dataclass(frozen=True)
class _Problem:
    """A model with two weights a and b, its data, and which part of its loss is drawn."""

    title: str
    formula: str
    names: tuple
    x: tuple
    y: tuple
    loss: Callable  # (x, y, a, b): loss of each point
    box: tuple  # least and largest a, least and largest b; 5 to 4, as the map is, so that right angles are seen as such
    start: tuple
    rate: float


def _line(x, y, a, b):
    return (a * x + b - y) ** 2


def _classifier(x, y, a, b):
    # -ln of the probability of the right class, written so that nothing overflows.
    return np.logaddexp(0, a * x + b) - y * (a * x + b)


def _neuron(x, y, a, b):
    return (b * np.tanh(a * x) - y) ** 2


_PROBLEMS = {
    "line": _Problem(
        "a line, squared error", "ŷ = w · x + b", ("w", "b"),
        (0.0, 0.4, 0.9, 1.3, 1.8, 2.2, 2.6, 3.0), (0.6, 0.5, 1.3, 1.2, 1.9, 1.8, 2.6, 2.7),
        _line, (-3.25, 4.75, -2.8, 3.6), (-1.0, 3.0), 0.05,
    ),
    "classifier": _Problem(
        "two classes, cross-entropy", "p = 1 / (1 + e^−(w · x + b))", ("w", "b"),
        (-2.1, -1.6, -1.2, -0.7, -0.2, 0.5, -0.6, 0.1, 0.6, 1.1, 1.7, 2.2), (0,) * 6 + (1,) * 6,
        _classifier, (-3.5, 6.5, -4.0, 4.0), (-2.5, 3.0), 1.0,
    ),
    "neuron": _Problem(
        "one hidden neuron, squared error", "ŷ = v · tanh(w · x)", ("w", "v"),
        (-2.0, -1.5, -0.9, -0.4, 0.3, 0.8, 1.4, 2.1), (-1.4, -1.5, -1.1, -0.8, 0.5, 1.2, 1.3, 1.5),
        _neuron, (-3.75, 3.75, -3.0, 3.0), (0.1, -2.5), 0.05,
    ),
}  # fmt: skip


def descent_toy():
    """Let readers descend the loss of a model with two weights, step by step, with a step size of their choice.

    Three models on a few points each: a line under squared error, whose loss is a bowl; two classes under
    cross-entropy; and one hidden neuron, whose loss has two equally deep valleys and a saddle between them. The
    slopes are exact. Momentum is that of ``keras.optimizers.SGD``.

    Returns
    -------
    Widget

    Examples
    --------
    >>> sorted(descent_toy().data["problems"])
    ['classifier', 'line', 'neuron']
    """
    figure, axes = require("matplotlib.pyplot", "course").subplots(figsize=(5, 3.6), layout="constrained")
    problems = {}
    for name, problem in _PROBLEMS.items():
        lines = _contours(axes, problem)
        left = {key: value for key, value in dataclasses.asdict(problem).items() if key != "loss"}
        problems[name] = left | {"levels": lines, "limit": None}
    problems["line"]["limit"] = _largest_rate(np.array(_PROBLEMS["line"].x))
    caption = (
        "Each line joins weights of equal loss, as on a map. Choose a learning rate, then step: the path goes down "
        "at right angles to the lines, creeps if the rate is small, and leaves the map if it is too large."
    )
    return Widget("descent", {"problems": problems}, picture=_picture(figure, axes), alt=_ALT, caption=caption)


def _largest_rate(x):
    # A bowl is descended with rates below 2, divided by its largest curvature.
    curvatures = np.linalg.eigvalsh(2 * np.array([[np.mean(x * x), x.mean()], [x.mean(), 1]]))
    return float(2 / curvatures.max())


def mean_loss(problem, a, b):
    """The loss at weights of any shape."""
    x, y = np.array(problem.x), np.array(problem.y)
    return problem.loss(x, y, np.asarray(a)[..., None], np.asarray(b)[..., None]).mean(axis=-1)


def _contours(axes, problem):
    low_a, high_a, low_b, high_b = problem.box
    grid = np.meshgrid(np.linspace(low_a, high_a, _GRID), np.linspace(low_b, high_b, _GRID))
    losses = mean_loss(problem, *grid)
    # Closer together near the ground, where the ground is flat.
    levels = losses.min() + (losses.max() - losses.min()) * np.linspace(0, 1, _LEVELS + 1)[1:-1] ** 3
    axes.clear()
    found = axes.contour(*grid, losses, levels=levels, colors="#888888", linewidths=0.8)
    return [
        {"loss": float(f"{level:.3g}"), "lines": [_thinned(line) for line in lines if len(line) > 2]}
        for level, lines in zip(found.levels, found.allsegs, strict=True)
    ]


def _thinned(line):
    """Every second point is enough to draw it; the last one may close it."""
    return np.round([*line[:-1:2], line[-1]], 3).tolist()


def _picture(figure, axes):
    problem = _PROBLEMS["line"]
    _contours(axes, problem)
    x, y = np.array(problem.x), np.array(problem.y)
    for rate, marker in zip(_RATES, "o^", strict=True):
        path = [problem.start]
        for _ in range(25):
            a, b = path[-1]
            errors = a * x + b - y
            path.append((a - rate * 2 * np.mean(errors * x), b - rate * 2 * np.mean(errors)))
        axes.plot(*np.transpose(path), marker=marker, ms=4, lw=1.2, label=f"rate {rate}")
    low_a, high_a, low_b, high_b = problem.box
    axes.set(xlabel="weight w", ylabel="bias b", xlim=(low_a, high_a), ylim=(low_b, high_b), aspect="equal")
    axes.legend()
    return drawn(figure)
