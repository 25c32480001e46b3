"""Moved: the table of layers is in :mod:`course_utils.models`, the drawing in :mod:`course_utils.plots`."""

from course_utils.errors import moved_names

__all__ = []

__getattr__ = moved_names(
    __name__,
    {
        "Diagram": "course_utils.plots.Diagram",
        "describe": "course_utils.models.describe",
        "diagram": "course_utils.plots.show_architecture",
    },
)
