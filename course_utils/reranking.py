"""Re-ranking is now part of :mod:`course_utils.retrieval`; this address goes with the next release."""

from course_utils.errors import moved_names

__getattr__ = moved_names(
    __name__, {name: f"course_utils.retrieval.{name}" for name in ("RerankedDistances", "k_reciprocal")}
)
