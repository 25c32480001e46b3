"""Numbers beside each other: ours and the reported ones, what is reached and what it costs."""

import itertools

import numpy as np

from course_utils.errors import ArgumentError
from course_utils.plots import style

__all__ = ["plot_cost", "plot_reported", "plot_runs", "plot_times"]


def plot_reported(names, measured, *, reported=None, intervals=None, quantity="test accuracy (share)"):
    """Draw measured numbers, with their intervals, beside the ones that were reported.

    Parameters
    ----------
    names : sequence of str, length n
        What each number belongs to, such as a network.
    measured : array_like of float, shape (n,)
        Our numbers.
    reported : array_like of float, shape (n,), optional
        The numbers of the original; NaN where there was none.
    intervals : array_like of float, shape (n, 2), optional
        Lower and upper bounds of `measured`; NaN where there is none.
    quantity : str
        What the numbers are, with the unit: the label of the axis.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = plot_reported(["SVM", "network"], [0.21, 0.75], reported=[0.595, 0.92])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['SVM', 'network']
    """
    y = np.arange(len(names))
    measured = _floats("measured", measured, (len(names),))
    ax = style.new_axes(1.5 + 0.42 * len(names))
    if reported is not None:
        reported = _floats("reported", reported, (len(names),))
        ax.hlines(y, measured, reported, color="#bbbbbb", lw=3, zorder=1)
        ax.plot(reported, y, "D", color=style.RED, mec="white", ms=9, ls="none", label="reported", zorder=3)
    if intervals is not None:
        low, high = _floats("intervals", intervals, (len(names), 2)).T
        style.error_bars(ax, measured, y, low, high, horizontal=True)
    ax.plot(measured, y, "o", color=style.BLUE, ms=8, ls="none", label="measured", zorder=4)
    style.class_axis(ax, names)
    ax.set_xlabel(quantity)
    style.legend_below(ax, 3)
    return ax


def plot_runs(names, runs, *, reported=None, quantity="test accuracy (share)"):
    """Draw every run as a dot, a row for each method or class: what the seed moves is seen, and not summed up.

    Parameters
    ----------
    names : sequence of str, length n
        What each row is.
    runs : sequence of n array_like of float, each of shape (runs,)
        The measured numbers; rows may have different numbers of runs.
    reported : array_like of float, shape (n,), optional
        Numbers of the original; NaN where there was none.
    quantity : str
        What the numbers are, with the unit: the label of the axis.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = plot_runs(["linear", "network"], [[0.83, 0.84], [0.87, 0.88, 0.86]])
    >>> [len(line.get_xdata()) for line in ax.lines[::2]]
    [2, 3]
    """
    style.check_length("runs", runs, len(names), "names")
    ax = style.new_axes(1.5 + 0.38 * len(names))
    for y, values in enumerate(runs):
        values = _floats(f"runs of {names[y]!r}", values, (len(values),))
        look = {"color": style.BLUE, "mec": "white", "alpha": 0.75, "ms": 9, "ls": "none"}
        ax.plot(values, np.full(len(values), y), "o", label="" if y else "one run each", zorder=3, **look)
        ax.plot(values.mean(), y, "|", color=style.BLACK, ms=16, mew=2, label="" if y else "their mean", zorder=2)
    if reported is not None:
        reported = _floats("reported", reported, (len(names),))
        ax.plot(reported, np.arange(len(names)), "D", color=style.RED, mec="white", ms=8, ls="none", label="reported")
    style.class_axis(ax, names)
    ax.set_xlabel(quantity)
    style.legend_below(ax, 3)
    return ax


def plot_cost(costs, results, *, xlabel, ylabel="test accuracy (share)"):
    """Draw what each method reaches against what it costs, each method with its name beside it.

    Parameters
    ----------
    costs : mapping of str to float
        Cost by method, greater than 0, such as the seconds of training.
    results : mapping of str to float, or to ClassifierReport or SeedSummary
        The result of the same methods; of a report the accuracy, and the intervals where there are such.
    xlabel, ylabel : str
        What the axes are, with units.

    Returns
    -------
    matplotlib.axes.Axes
        The axis of the costs is logarithmic.

    Examples
    --------
    >>> seconds, accuracies = {"SVM": 0.5, "network": 83}, {"SVM": 0.21, "network": 0.75}
    >>> [text.get_text() for text in plot_cost(seconds, accuracies, xlabel="training time (s)").texts]
    ['SVM', 'network']
    """
    if not costs or set(costs) != set(results):
        raise ArgumentError(
            f"costs are of {sorted(costs)}, results of {sorted(results)}; both must be of the same methods"
        )
    if min(costs.values()) <= 0:
        raise ArgumentError(f"costs has a value of {min(costs.values())}; all must be greater than 0")
    ax = style.new_axes(4.0)
    points = {}
    for i, (name, cost) in enumerate(costs.items()):
        mean, low, high = style.centre_and_interval(results[name])
        points[name] = cost, mean
        style.error_bars(ax, [cost], [mean], [low], [high])
        ax.plot([cost], [mean], ms=9, ls="none", zorder=4, **style.class_style(i))
    ax.set(xscale="log", xlabel=xlabel, ylabel=ylabel)
    # Costs of one or two orders of magnitude would else get a single tick, and nobody could read the scale.
    ratio = max(costs.values()) / min(costs.values())
    subs = (1,) if ratio >= 100 else (1, 2, 5) if ratio >= 10 else (1, 1.5, 2, 3, 4, 5, 6, 8)
    style.plain_log_ticks(ax.xaxis, "{x:,.10g}", subs=subs)
    ax.margins(x=0.15, y=0.15)
    _name_points(ax, points)
    return ax


def plot_times(sizes, times, *, xlabel):
    """Draw how long each method takes as the work grows, on log axes, each line with its name at its end.

    Parameters
    ----------
    sizes : array_like of float, shape (n,)
        How large the work is, greater than 0.
    times : mapping of str to array_like of float, each of shape (n,)
        Milliseconds by method, greater than 0.
    xlabel : str
        What `sizes` are, with the unit.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> ax = plot_times([3, 7], {"loop": [400, 410], "fft": [20, 21]}, xlabel="side of the kernel (pixels)")
    >>> [text.get_text() for text in ax.texts]
    ['fft', 'loop']
    """
    sizes = np.asarray(sizes, dtype=float)
    ax = style.new_axes(4.4, 6.0)
    for k, (name, values) in enumerate(times.items()):
        ax.plot(sizes, _floats(f"times of {name!r}", values, sizes.shape), ms=6, **style.line_style(k))
    ax.set(xscale="log", yscale="log", xlabel=xlabel, ylabel="time (ms)")
    ax.set_xticks(sizes, [f"{size:g}" for size in sizes])
    ax.xaxis.set_minor_formatter("")
    style.plain_log_ticks(ax.yaxis, "{x:g}", subs=(1,))
    low, high = np.log(ax.get_ylim())
    place = -1.0
    for name, values in sorted(times.items(), key=lambda item: item[1][-1]):
        # Names that would lie over one another are moved up.
        place = max((np.log(values[-1]) - low) / (high - low), place + 0.075)
        colour = style.class_style(list(times).index(name))["color"]
        ax.text(1.02, place, name, transform=ax.transAxes, va="center", color=colour)
    return ax


def _name_points(ax, points):
    """Write each name beside its point: the first of eight places where it covers no other name and no point."""
    from matplotlib.transforms import Bbox

    ax.figure.draw_without_rendering()  # only now are the places in the figure final
    places = ax.transData.transform(list(points.values()))
    taken = [Bbox.from_bounds(x - 8, y - 8, 16, 16) for x, y in places]
    for (name, point), (across, _) in zip(points.items(), ax.transAxes.inverted().transform(places), strict=True):
        text = ax.annotate(name, point, xytext=(0, 0), textcoords="offset points", va="center")
        # Names run towards the middle if they can, so that none leaves the figure.
        inwards = 8 if across <= 0.5 else -8
        for side, up in itertools.product((inwards, -inwards), (10, -10, 20, -20)):
            text.set(position=(side, up), ha="left" if side > 0 else "right")
            if not text.get_window_extent().count_overlaps(taken):
                break
        taken.append(text.get_window_extent())


def _floats(name, values, shape):
    values = np.asarray(values, dtype=float)
    if values.shape != shape:
        raise ArgumentError(f"{name} has shape {values.shape}; it must be {shape}")
    return values
