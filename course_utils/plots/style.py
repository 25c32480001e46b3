"""The book's look, and what its figures share: colours, markers, axes, legends, intervals and checks."""

import numpy as np

from course_utils.errors import ArgumentError, require

__all__ = ["CLASS_COLOURS", "GREY", "LINES", "MARKERS", "PALETTE", "use_style"]

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#F0E442")
"""Okabe and Ito (2008): eight colours that people with any colour vision can tell apart, the palest last."""
BLUE, ORANGE, GREEN, RED, PINK, SKY, BLACK, YELLOW = PALETTE
GREY = "#767676"
"""For what is only there to compare with."""
WRONG = "#C1121F"  # a plainer red than Okabe and Ito's, for wrong predictions; ✗ says the same
CLASS_COLOURS = (*PALETTE[:7], "#8C510A", "#6A3D9A", GREY)
"""Colours of up to ten classes or methods."""
MARKERS = "osD^vP*Xd<>p"
"""Their markers: they differ too, since ten colours are too many to tell apart."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
"""Dashes of up to five lines."""
WIDTH = 5.0  # inches; at 11 points this is still readable on a phone's 360 pixels


def use_style():
    """Set the book's look for all figures that follow: colour-blind-safe colours, type of at least 11 points.

    Examples
    --------
    >>> import matplotlib
    >>> with matplotlib.rc_context():
    ...     use_style()
    ...     matplotlib.rcParams["font.size"]
    11.0
    """
    sizes = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    require("seaborn", "course").set_theme(
        style="whitegrid",
        palette=PALETTE,
        rc={
            **dict.fromkeys([*sizes, "legend.title_fontsize"], 11),
            "axes.titlesize": 12,
            "figure.figsize": (WIDTH, 3.6),
            "figure.dpi": 100,
            "savefig.dpi": 150,
            "figure.constrained_layout.use": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#dddddd",
            "lines.linewidth": 2,
            # Text stays text in SVG: it can be searched, and it is smaller.
            "svg.fonttype": "none",
        },
    )


def subplots(*shape, **options):
    """Make a figure and its axes, laid out so that nothing is cut off."""
    return require("matplotlib.pyplot", "course").subplots(*shape, layout="constrained", **options)


def new_axes(height, width=WIDTH):
    """The axes of a new figure."""
    return subplots(figsize=(width, height))[1]


def no_axes(*axes):
    """Take away axes that count nothing."""
    for ax in axes:
        ax.set(xticks=[], yticks=[])
        ax.set_axis_off()


def class_style(k):
    """Colour and marker of class k."""
    return {"color": CLASS_COLOURS[k % len(CLASS_COLOURS)], "marker": MARKERS[k % len(MARKERS)]}


def line_style(k):
    """Colour, marker and dashes of line k."""
    return {**class_style(k), "ls": LINES[k % len(LINES)]}


def class_axis(ax, class_names):
    """Name the classes along the vertical axis, the first on top."""
    ax.set_yticks(np.arange(len(class_names)), class_names)
    ax.set_ylim(len(class_names) - 0.5, -0.5)
    ax.grid(False, axis="y")


def whole_ticks(axis, most):
    """Put at most so many ticks on an axis, at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))


def plain_log_ticks(axis, pattern, *, subs=(1, 2, 5)):
    """Write 20,000 and 0.5 where a log axis would write powers of ten."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(pattern)
    axis.set_minor_formatter("")


def legend_below(ax, columns, **options):
    """Explain what is drawn below the axes, where it covers nothing."""
    options |= {"frameon": False, "handletextpad": 0.5, "columnspacing": 1}
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=columns, **options)


def error_bars(ax, x, y, low, high, *, horizontal=False):
    """Draw intervals around points that lie in them; where a bound is NaN there is none to draw."""
    centre = np.asarray(x if horizontal else y, dtype=float)
    # Rounding may put a bound a hair on the wrong side of the point itself.
    spread = np.maximum(0, [centre - np.asarray(low), np.asarray(high) - centre])
    label = None if "95% interval" in ax.get_legend_handles_labels()[1] else "95% interval"
    side = {"xerr" if horizontal else "yerr": spread}
    ax.errorbar(x, y, **side, fmt="none", ecolor=BLACK, elinewidth=1.3, capsize=3, label=label, zorder=3)


def centre_and_interval(result):
    """The number to draw, and its bounds, of a report, of a summary over seeds, or of a plain number."""
    if hasattr(result, "accuracy"):
        return result.accuracy, *result.interval
    if hasattr(result, "low"):
        return result.mean, result.low, result.high
    return float(result), np.nan, np.nan


def check_length(name, values, n, of="values"):
    """Refuse a sequence that has not one entry for each of `n` things."""
    if len(values) != n:
        raise ArgumentError(f"{name} has {len(values)} entries for {n} {of}; the numbers must be equal")


def check_labels(labels, n_classes):
    """Return labels as an array of integers."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or (labels.size and labels.dtype.kind not in "iu"):
        raise ArgumentError(f"labels has shape {labels.shape} and dtype {labels.dtype}; it must be (n,) integers")
    if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
        raise ArgumentError(
            f"labels run from {labels.min()} to {labels.max()}; with {n_classes} class_names "
            f"they must lie in 0 to {n_classes - 1}"
        )
    return labels.astype(int)
