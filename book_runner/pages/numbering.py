"""Figures and exercises: both are numbered within their chapter, 2.1, 2.2, and so on.

It is a Sphinx extension. A figure's number and caption are the paragraph below it, ``**Figure 2.1.** …``: Jupyter and
Colab show it too. It gets a class for the style sheet. Exercises are counted here, because Sphinx counts through the
whole book where sections have no numbers.
"""

import re

from docutils import nodes

__all__ = ["setup"]

_CAPTION = re.compile(r"Figure \d+\.\d+\.")


def setup(app):
    """Let Sphinx use the module as an extension."""
    app.connect("doctree-read", _mark_captions)
    # Sphinx gives its own numbers at this event, with the usual priority of 500.
    app.connect("env-get-updated", _number_exercises, priority=600)
    return {"parallel_read_safe": True}


def _mark_captions(app, document):
    for paragraph in document.findall(nodes.paragraph):
        # MyST may begin a paragraph with an empty text.
        first = next((child for child in paragraph if child.astext()), None)
        if isinstance(first, nodes.strong) and _CAPTION.fullmatch(first.astext()):
            paragraph["classes"].append("caption-below")


def _number_exercises(app, env):
    for page, numbered in env.toc_fignumbers.items():
        if chapter := re.match(r"notebooks/(\d+)_", page):
            for place, label in enumerate(numbered.get("exercise", {}), 1):
                numbered["exercise"][label] = (int(chapter[1]), place)
    return []
