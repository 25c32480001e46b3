"""Figures of the book: each function draws a result or some arrays and returns the Axes (or the Figure).

Nothing here computes results or shows windows. The only thing that outlives a call is :func:`use_style`.
Figures are narrow with large type, so that they stay readable on a phone, and no figure tells things apart by colour
alone. An argument that is not as described raises an :class:`~course_utils.errors.ArgumentError`.
"""

from course_utils.plots.architecture import Diagram, show_architecture
from course_utils.plots.classes import plot_class_counts, plot_confusion, plot_embedding, plot_per_class
from course_utils.plots.costs import plot_cost, plot_reported, plot_runs, plot_times
from course_utils.plots.curves import plot_gradient_norms, plot_history, plot_power_law, plot_sweep
from course_utils.plots.diagrams import (
    plot_descent,
    show_channel_sum,
    show_convolution,
    show_network,
    show_positions,
    show_receptive_field,
)
from course_utils.plots.images import show_grid, show_image, show_prediction, show_predictions
from course_utils.plots.retrieval import plot_cmc, show_ranked_gallery
from course_utils.plots.style import CLASS_COLOURS, GREY, LINES, MARKERS, PALETTE, use_style

__all__ = [
    "CLASS_COLOURS",
    "GREY",
    "LINES",
    "MARKERS",
    "PALETTE",
    "Diagram",
    "plot_class_counts",
    "plot_cmc",
    "plot_confusion",
    "plot_cost",
    "plot_descent",
    "plot_embedding",
    "plot_gradient_norms",
    "plot_history",
    "plot_per_class",
    "plot_power_law",
    "plot_reported",
    "plot_runs",
    "plot_sweep",
    "plot_times",
    "show_architecture",
    "show_channel_sum",
    "show_convolution",
    "show_grid",
    "show_image",
    "show_network",
    "show_positions",
    "show_prediction",
    "show_predictions",
    "show_ranked_gallery",
    "show_receptive_field",
    "use_style",
]
