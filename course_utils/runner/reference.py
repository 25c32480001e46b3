"""The reference pages that are made from the package itself: a page for each public module, and the change log."""

import ast
import importlib.util
from pathlib import Path

import course_utils
from course_utils.runner.project import digest

__all__ = ["api_files", "public_modules"]

# These two are the book's own machinery: their documentation is the command line's help.
_MACHINERY = {"cli", "runner"}
_INTRODUCTION = """# The package

`course_utils` does the work of the chapters, and is tested by itself.
Each module has a page, made from its docstrings; every example there is run as a test.
`import course_utils` is instant: a module loads when it is first used,
and only those that build or train networks load Keras.

What is not documented here belongs to others: [NumPy](https://numpy.org/doc/stable/), [SciPy](https://docs.scipy.org/doc/scipy/),
[scikit-learn](https://scikit-learn.org/stable/), [Keras](https://keras.io/api/), [OpenCV](https://docs.opencv.org/4.x/).

| module | what it is for |
|---|---|
"""


def public_modules():
    """List the modules that users import, with the first line of their docstrings.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> public_modules()["images"]
    'Batches of images, shape (n, height, width, channels): vectors, floats, sizes and grey values.'
    """
    return {name: _summary(name) for name in course_utils.__all__ if name not in _MACHINERY}


def api_files():
    """Write the pages of the modules.

    The pages name the state of the source: what autodoc reads is no part of the staged tree, and a page whose
    docstrings have changed must not be taken for an old one.

    Returns
    -------
    dict of str to bytes
        The files to stage, by their paths.
    """
    modules = public_modules()
    rows = [f"| {{doc}}`{name} <api/{name}>` | {summary} |" for name, summary in modules.items()]
    files = {"book/api.md": (_INTRODUCTION + "\n".join(rows) + "\n").encode()}
    for name in modules:
        lines = [
            f"% Made from the docstrings of source {_state(name)[:12]}",
            f"# {name}",
            "",
            "```{eval-rst}",
            f".. automodule:: course_utils.{name}",
            "   :members:",
            "```",
            "",
        ]
        files[f"book/api/{name}.md"] = "\n".join(lines).encode()
    return files


def _source(name):
    return Path(importlib.util.find_spec(f"course_utils.{name}").origin)


def _summary(name):
    return (
        ast.get_docstring(ast.parse(_source(name).read_text(encoding="utf-8"))).partition("\n\n")[0].replace("\n", " ")
    )


def _state(name):
    path = _source(name)
    paths = sorted(path.parent.glob("*.py")) if path.name == "__init__.py" else [path]
    return digest([digest(path.read_bytes()) for path in paths])
