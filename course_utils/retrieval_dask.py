"""Retrieval on a cluster is now part of :mod:`course_utils.retrieval`; this address goes with the next release."""

from course_utils.errors import moved_names

__getattr__ = moved_names(__name__, {"evaluate_on_cluster": "course_utils.retrieval.evaluate_on_cluster"})
