"""The API pages, which are made from the package itself: a page for each public module and sub-package.

It is a Sphinx extension as well, which sets the docstrings of these pages.
"""

import ast
import importlib.util
import inspect
import re
from collections.abc import Mapping
from pathlib import Path

import course_utils
from book_runner.project import digest

__all__ = ["api_files", "public_modules", "setup"]

# What modules of the package load as they are imported. Where the book is only read, these are not installed: Sphinx
# then takes stand-ins for them, which leave docstrings and signatures as they are.
_OPTIONAL = ("cv2", "keras", "tensorflow")
# A type as napoleon sets it, if it names values: (*{"sum", "mean"}, optional*).
_TYPE = re.compile(r'\(\*([^*]*"[^*]*)\*\)')
_VALUE = re.compile(r'\{[^}]*\}|"[^"]*"')
_INTRODUCTION = """# The package

`course_utils` does the work of the chapters, and is tested by itself.
Each module has a page, made from its docstrings; every example there is run as a test.
Import what you need, for instance `from course_utils import datasets, evaluation`. `import course_utils` alone is
instant: a module loads when it is first used, and only those that build or train networks load Keras.
Every name is in the {ref}`index <genindex>`.

What is not documented here belongs to others: [NumPy](https://numpy.org/doc/stable/), [SciPy](https://docs.scipy.org/doc/scipy/),
[scikit-learn](https://scikit-learn.org/stable/), [Keras](https://keras.io/api/), [OpenCV](https://docs.opencv.org/4.x/).

| module | what it is for |
|---|---|
"""


def public_modules():
    """List the modules and sub-packages that users import, with the first line of their docstrings."""
    names = []
    for name in course_utils.__all__:
        nested = sorted(_source(name).parent.glob("*/__init__.py")) if _source(name).name == "__init__.py" else []
        names += [name, *(f"{name}.{path.parent.name}" for path in nested)]
    return {name: _summary(name) for name in names}


def api_files():
    """Write the pages of the modules: the files to stage, by their paths.

    A sub-package's page holds what its own ``__all__`` names. The pages name the state of the source: what autodoc
    reads is not part of the staged tree, and a page whose docstrings have changed must not be taken for an old one.
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


def setup(app):
    """Let Sphinx use the module as an extension."""
    app.connect("config-inited", _stand_in_for_what_is_missing)
    app.connect("autodoc-process-signature", _set_signature)
    # After napoleon, whose place is 500.
    app.connect("autodoc-process-docstring", _set_docstring, priority=600)
    return {"parallel_read_safe": True}


def _stand_in_for_what_is_missing(app, config):
    missing = [name for name in _OPTIONAL if importlib.util.find_spec(name) is None]
    config.autodoc_mock_imports = [*config.autodoc_mock_imports, *missing]


def _set_signature(app, what, name, obj, options, signature, annotation):
    """Take the signature of a class that is derived from a stand-in from its own beginning; the stand-in has any."""
    if what != "class" or not getattr(obj, "__sphinx_mock__", False) or "__init__" not in vars(obj):
        return None
    own = inspect.signature(obj.__init__)
    return str(own.replace(parameters=list(own.parameters.values())[1:])), annotation


def _set_docstring(app, what, name, obj, options, lines):
    """Set values as code, so that they can be copied: in a text, quotation marks become curly."""
    lines[:] = [_TYPE.sub(lambda found: "(" + _VALUE.sub(r"``\g<0>``", found[1]) + ")", line) for line in lines]
    if what == "data" and isinstance(obj, Mapping):
        lines[1:1] = ["", *(f"- ``{key!r}``: {value}" for key, value in obj.items()), ""]


def _source(name):
    return Path(importlib.util.find_spec(f"course_utils.{name}").origin)


def _summary(name):
    docstring = ast.get_docstring(ast.parse(_source(name).read_text(encoding="utf-8")))
    return docstring.partition("\n\n")[0].replace("\n", " ")


def _state(name):
    path = _source(name)
    paths = sorted(path.parent.rglob("*.py")) if path.name == "__init__.py" else [path]
    return digest([digest(path.read_bytes()) for path in paths])
