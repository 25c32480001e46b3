"""Repository: the book's public address, written into the few files that need it.

``_config.yml`` is where it is kept: the buttons of the pages come from there. The set-up cells of the notebooks and the
README repeat it, because they are read on their own.
"""

import json
import re
import urllib.parse

import yaml

from book_runner.project import write_text
from course_utils.errors import RunnerError

__all__ = ["public_address", "set_repository"]

_CONFIG = ("# >>> written by `course set-repository`; without an address no page has a button that needs one\n",
           "# <<<\n")  # fmt: skip
_README = ("<!-- written by `course set-repository` -->\n", "<!-- end -->\n")
_WEIGHTS = "course_utils/weights.toml"
_ADDRESS_LINE = re.compile(r'^address = ".*"', re.M)
_SETUP_LINE = re.compile(r'^repository = ".*"', re.M)


def public_address(project):
    """Return the address that the book is published at as a repository; empty if there is none."""
    config = yaml.safe_load((project.root / "_config.yml").read_text(encoding="utf-8"))
    return (config.get("repository") or {}).get("url", "")


def set_repository(project, url, *, branch="main"):
    """Write the public address of the repository to ``_config.yml``, the set-up cells and the README.

    An empty address takes it out again. The files that were changed are returned; if the address is not of the form
    ``https://HOST/OWNER/NAME``, or a file lacks the place for it, nothing is changed.
    """
    url = _checked(url, branch)
    config = readme = raw = ""
    if url:
        config = f'repository:\n  url: {url}\n  branch: {branch}\n  path_to_book: ""\n'
        config += "launch_buttons:\n  notebook_interface: jupyterlab\n"
        readme = f"- **Get it**: `git clone {url}`\n"
        raw = f"{url}/raw/{branch}/book/reference"
    if url.startswith("https://github.com/"):
        # Colab opens what GitHub holds, and nothing else.
        path = urllib.parse.urlsplit(url).path
        config += "  colab_url: https://colab.research.google.com\n"
        colab = f"https://colab.research.google.com/github{path}/tree/{branch}/notebooks"
        readme += f"- **Colab**: [open a notebook]({colab}); its first cell installs the package.\n"
        raw = f"https://raw.githubusercontent.com{path}/{branch}/book/reference"
    files = {
        "_config.yml": _between(project.root / "_config.yml", _CONFIG, config),
        "README.md": _between(project.root / "README.md", _README, readme),
        _WEIGHTS: _weights(project.root / _WEIGHTS, raw),
        **{f"notebooks/{path.name}": _notebook(path, url) for path in sorted(project.notebooks.glob("*.ipynb"))},
    }
    changed = [name for name, text in files.items() if (project.root / name).read_text(encoding="utf-8") != text]
    for name in changed:
        write_text(project.root / name, files[name])
    return changed


def _checked(url, branch):
    if not isinstance(branch, str) or not re.fullmatch(r"[\w./-]+", branch):
        raise RunnerError(f"branch is {branch!r}; it must be letters, digits, and . _ / -")
    if url == "":
        return ""
    plain = url.removesuffix("/").removesuffix(".git")
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", plain):
        raise RunnerError(f"the address is {url!r}; it must be of the form https://HOST/OWNER/NAME")
    return plain


def _between(path, marks, inside):
    """Return a file's text with what lies between two marks replaced."""
    text = path.read_text(encoding="utf-8")
    start, end = text.find(marks[0]), text.find(marks[1], text.find(marks[0]))
    if start < 0 or end < 0:
        raise RunnerError(f"{path.name} lacks the lines {marks[0].strip()!r} and {marks[1].strip()!r}")
    return text[: start + len(marks[0])] + inside + text[end:]


def _weights(path, raw):
    """Return the list of kept weights with the address that their files are fetched from."""
    text = path.read_text(encoding="utf-8")
    if not _ADDRESS_LINE.search(text):
        raise RunnerError(f"{_WEIGHTS} has no line 'address = \"...\"'")
    return _ADDRESS_LINE.sub(f'address = "{raw}"', text)


def _notebook(path, url):
    """Return the notebook's text with the address in its set-up cell; no other byte changes."""
    text = path.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if "setup" in cell["metadata"].get("tags", [])]
    sources = ["".join(cell["source"]) for cell in cells]
    if len(sources) != 1 or not _SETUP_LINE.search(sources[0]):
        raise RunnerError(f"{path.name} has no set-up cell with a line 'repository = \"...\"'")
    line = _SETUP_LINE.search(sources[0])[0]
    return text.replace(json.dumps(line)[1:-1], json.dumps(f'repository = "{url}"')[1:-1], 1)
