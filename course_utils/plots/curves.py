"""Curves: how something goes on with epochs, data, depth or a setting."""

import itertools
from collections.abc import Mapping

import numpy as np

from course_utils.errors import ArgumentError
from course_utils.plots import style

__all__ = ["plot_gradient_norms", "plot_history", "plot_power_law", "plot_sweep"]


def plot_history(histories, *, metrics=("loss", "accuracy")):
    """Draw learning curves, one panel per metric: how training and validation go on from epoch to epoch.

    Parameters
    ----------
    histories : History, mapping, list of such, or mapping of str to any of these
        What ``fit`` returned, or its ``history`` mapping (``{"loss": […], "val_loss": […], …}``). A list
        holds the same network trained from several seeds: thin lines, and a thick one for their mean. A
        mapping from names compares networks.
    metrics : sequence of str
        What to draw; the validation curve is the metric's name with ``val_`` before it and may be missing.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> figure = plot_history({"loss": [2.0, 1.0], "val_loss": [2.1, 1.5]}, metrics=["loss"])
    >>> figure.axes[0].get_ylabel()
    'loss (cross-entropy, nats)'
    """
    groups = _history_groups(histories, metrics)
    n = len(metrics)
    figure, axes = style.subplots(n, figsize=(style.WIDTH, 0.5 + 2.7 * n), sharex=True, squeeze=False)
    for metric, ax in zip(metrics, axes[:, 0], strict=True):
        for i, (name, runs) in enumerate(groups.items()):
            _draw_runs(ax, [run[metric] for run in runs], *_run_style(name, "train", i))
            if all(f"val_{metric}" in run for run in runs):
                _draw_runs(ax, [run[f"val_{metric}"] for run in runs], *_run_style(name, "validation", i))
        ax.set_ylabel({"loss": "loss (cross-entropy, nats)", "accuracy": "accuracy (share)"}.get(metric, metric))
    ax.set_xlabel("epoch")
    style.whole_ticks(ax.xaxis, 8)
    style.legend_below(ax, 2)
    return figure


def plot_power_law(fit):
    """Draw a learning curve on log axes: the measured errors, the fitted power law, and where it leads.

    Parameters
    ----------
    fit : PowerLawFit
        From :func:`course_utils.evaluation.fit_power_law`.

    Returns
    -------
    matplotlib.axes.Axes
        The band is the 95% interval of one new measurement; the law is dashed where it extrapolates, up to four times
        the greatest size measured.

    Examples
    --------
    >>> from course_utils.evaluation import fit_power_law
    >>> plot_power_law(fit_power_law([1000, 2000, 4000], [0.4, 0.33, 0.29])).get_xscale()
    'log'
    """
    along = np.geomspace(fit.sizes.min(), 4 * fit.sizes.max(), 200)
    error, low, high = fit.predict(along)
    ax = style.new_axes(4.2)
    if np.isfinite(low).all():
        ax.fill_between(along, low, high, color=style.SKY, alpha=0.3, lw=0, label="95% interval of a new run")
    known = along <= fit.sizes.max()
    ax.plot(along[known], error[known], color=style.BLUE, label=f"error ∝ size$^{{-{fit.exponent:.2f}}}$")
    ax.plot(along[~known], error[~known], color=style.BLUE, ls="--", label="extrapolated")
    ax.plot(fit.sizes, fit.errors, "o", color=style.RED, ms=7, ls="none", label="measured", zorder=3)
    ax.set(xscale="log", yscale="log", xlabel="training images", ylabel="test error (share)")
    style.plain_log_ticks(ax.xaxis, "{x:,.0f}")
    style.plain_log_ticks(ax.yaxis, "{x:.3g}")
    style.legend_below(ax, 2)
    return ax


def plot_sweep(values, series, *, xlabel, ylabel="test accuracy (share)", reported=None, logarithmic=True):
    """Draw how a result follows a setting: one line per method, the mean over seeds with its 95% interval.

    Parameters
    ----------
    values : array_like of float, shape (n,)
        The settings, such as training-set sizes or penalties, not negative.
    series : mapping of str to sequence, each of length n
        By name of the method: a number, or a ``SeedSummary`` (mean and interval), for each setting.
    xlabel, ylabel : str
        What the axes are, with units.
    reported : mapping of str to sequence of float, optional
        Numbers of the original by name, NaN where there was none; drawn as diamonds.
    logarithmic : bool
        Whether the axis of the settings is logarithmic; 0 then has a place of its own at its left end.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> plot_sweep([0, 0.1, 1], {"L1": [0.5, 0.4, 0.1]}, xlabel="penalty (no unit)").get_xscale()
    'symlog'
    """
    values = np.asarray(values, dtype=float)
    ax = style.new_axes(4.2)
    for i, (name, results) in enumerate(series.items()):
        style.check_length(f"series {name!r}", results, len(values))
        means, low, high = np.array([style.centre_and_interval(result) for result in results]).T
        if np.isfinite(low).any():
            style.error_bars(ax, values, means, low, high)
        ax.plot(values, means, ms=6, label=name, zorder=4, **style.line_style(i))
    for i, (name, numbers) in enumerate((reported or {}).items()):
        style.check_length(f"reported {name!r}", numbers, len(values))
        look = {"color": style.RED, "fillstyle": "none" if i else "full", "ms": 7, "ls": "none"}
        ax.plot(values, numbers, "D", label=f"reported {name}".rstrip(), **look)
    if logarithmic and values.min() > 0:
        ax.set_xscale("log")
    elif logarithmic:
        ax.set_xscale("symlog", linthresh=values[values > 0].min(), linscale=0.5)
    ax.set_xticks(values, [f"{value:,.10g}" for value in values], rotation=45 if len(values) > 5 else 0)
    ax.xaxis.set_minor_formatter("")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    style.legend_below(ax, 2)
    return ax


def plot_gradient_norms(norms):
    """Draw how strong the gradient is at each layer, from the input on the left to the output on the right.

    Parameters
    ----------
    norms : mapping of str to sequence of float
        By network: one norm per layer, such as :func:`course_utils.training.gradient_norms` gives. Lengths may differ.

    Returns
    -------
    matplotlib.axes.Axes
        Networks of different depth are stretched to the same width.

    Examples
    --------
    >>> plot_gradient_norms({"plain": [1e-3, 0.1, 1.0], "residual": [0.5, 0.8, 1.0]}).get_yscale()
    'log'
    """
    ax = style.new_axes(4.0)
    for i, (name, values) in enumerate(norms.items()):
        ax.plot(np.linspace(0, 1, len(values)), values, ms=5, label=name, **style.line_style(i))
    ax.set(yscale="log", xlabel="place of the layer (0 input, 1 output)", ylabel="L2 norm of the kernel's gradient")
    style.legend_below(ax, 2)
    return ax


def _history_groups(histories, metrics):
    """Sort any legal form of histories into {name: [mapping, …]}."""
    if not isinstance(histories, Mapping) or any(metric in histories for metric in metrics):
        histories = {"": histories}
    groups = {str(name): _history_list(runs) for name, runs in histories.items()}
    if not groups or not all(groups.values()):
        raise ArgumentError("histories is empty; it must hold at least one history")
    for name, runs in groups.items():
        for run, metric in itertools.product(runs, metrics):
            if metric not in run:
                raise ArgumentError(f"history {name!r} has {sorted(run)}; it must have {metric!r}")
    return groups


def _history_list(runs):
    runs = [getattr(run, "history", run) for run in (runs if isinstance(runs, (list, tuple)) else [runs])]
    for run in runs:
        if not isinstance(run, Mapping):
            raise ArgumentError(
                f"a history is {type(run).__name__}; it must be what fit returned, or a mapping of curves"
            )
    return runs


def _run_style(name, split, i):
    """Label, colour and line: the line tells the split, and the colour the network."""
    if not name:
        return (split, style.BLUE, "-") if split == "train" else (split, style.RED, "--")
    return f"{name}, {split}", style.PALETTE[i % len(style.PALETTE)], ":" if split == "train" else "-"


def _draw_runs(ax, curves, label, colour, line):
    for curve in curves if len(curves) > 1 else []:
        ax.plot(np.arange(1, len(curve) + 1), curve, color=colour, ls=line, lw=0.8, alpha=0.5)
    # Runs that stopped early are shorter; the mean goes as far as all of them do.
    shortest = min(map(len, curves))
    mean = np.mean([curve[:shortest] for curve in curves], axis=0)
    ax.plot(np.arange(1, shortest + 1), mean, color=colour, ls=line, marker="o", ms=3.5, label=label)
