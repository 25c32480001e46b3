"""Exercises are numbered within their chapter: 2.1, 2.2, and so on, whatever stands before them in the book.

It is a Sphinx extension. Sphinx counts through the whole book where sections have no numbers.
"""

import re

__all__ = ["setup"]


def setup(app):
    """Let Sphinx use the module as an extension."""
    # Sphinx gives its own numbers at this event, with the usual priority of 500.
    app.connect("env-get-updated", _number_exercises, priority=600)
    return {"parallel_read_safe": True}


def _number_exercises(app, env):
    for page, numbered in env.toc_fignumbers.items():
        if chapter := re.match(r"notebooks/(\d+)_", page):
            for place, label in enumerate(numbered.get("exercise", {}), 1):
                numbered["exercise"][label] = (int(chapter[1]), place)
    return []
