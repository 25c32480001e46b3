"""The reference pages that are made from the package itself: a page for each public module.

It is a Sphinx extension as well, which sets the docstrings of these pages.
"""

import ast
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

import course_utils
from book_runner.project import digest

__all__ = ["api_files", "public_modules", "setup"]

# These two are the book's own machinery: their documentation is the command line's help.
_MACHINERY = {"cli", "runner"}
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
    """List the modules that users import, with the first line of their docstrings.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> public_modules()["images"]
    'Batches of images, shape (n, height, width, channels): vectors, floats, sizes and grey values.'
    """
    return {name: _summary(name) for name in _public_names()}


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
        ]
        borrowed = _borrowed(name)
        if borrowed:
            lines += [f"   :exclude-members: {', '.join(borrowed)}"]
        lines += ["```", ""]
        if borrowed:
            lines += ["## From other modules", "", f"These can be had from `{name}` as well:", ""]
            lines += [f"- {{py:obj}}`{each} <course_utils.{name}.{each}>`" for each in borrowed] + [""]
        files[f"book/api/{name}.md"] = "\n".join(lines).encode()
    return files


def setup(app):
    """Let Sphinx use the module as an extension."""
    # After napoleon, whose place is 500.
    app.connect("autodoc-process-docstring", _set_docstring, priority=600)
    app.connect("missing-reference", _lead_home)
    return {"parallel_read_safe": True}


def _set_docstring(app, what, name, obj, options, lines):
    """Set values as code, so that they can be copied: in a text, quotation marks become curly."""
    lines[:] = [_TYPE.sub(lambda found: "(" + _VALUE.sub(r"``\g<0>``", found[1]) + ")", line) for line in lines]
    if what == "data" and isinstance(obj, Mapping):
        lines[1:1] = ["", *(f"- ``{key!r}``: {value}" for key, value in obj.items()), ""]


def _lead_home(app, env, node, text):
    """Let a link to what a module borrows lead to where it is documented."""
    module, _, member = node.get("reftarget", "").removeprefix("course_utils.").partition(".")
    if node.get("refdomain") != "py" or module not in _public_names() or member not in (found := _borrowed(module)):
        return None
    target = f"course_utils.{found[member]}.{member}"
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, node["reftype"], target, node, text)


def _borrowed(name):
    """List what a module offers and another public one holds, with the name of that."""
    tree = ast.parse(_source(name).read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    found = {
        alias.name: module
        for node in imports
        for alias in node.names
        if (module := node.module.removeprefix("course_utils.")) in course_utils.__all__
    }
    offered = next(ast.literal_eval(node.value) for node in tree.body if _is_all(node))
    return {member: found[member] for member in offered if member in found}


def _is_all(node):
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _public_names():
    return [name for name in course_utils.__all__ if name not in _MACHINERY]


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
