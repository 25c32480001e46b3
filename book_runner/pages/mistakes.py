"""The page that gathers the mistakes by kind; what is said of them stands in ``book/mistakes.toml``."""

import re
import tomllib

from book_runner.pages.markdown import styled_table
from book_runner.project import read_notebook

__all__ = ["mistakes_page", "sections"]

_COLUMNS = dict.fromkeys(("what happened", "how you notice it", "what catches it", "measured in"), "---")
_INTRODUCTION = """# Mistakes, by kind

Here are the mistakes of the original coursework. Each is easy to make, and thousands of people have made it; so have
we. They stand by their kinds: the next one will not look the same, and it will be of one of these kinds.

The last column leads to the section that repeats the mistake and measures it.
What catches it, or does the thing right from the start, is in {doc}`the package <api>`.
"""


def mistakes_page(project):
    """Write the page from ``book/mistakes.toml``.

    A mistake is linked to the section that measures it once that section is there.
    """
    kinds = tomllib.loads((project.book / "mistakes.toml").read_text(encoding="utf-8"))["kind"]
    found = {name: sections(project.notebook(name)) for name in project.names}
    parts = [_INTRODUCTION]
    for kind in kinds:
        rows = [
            dict(zip(_COLUMNS, (row["what"], row["notice"], _remedy(row), _place(row, found)), strict=True))
            for row in kind["mistakes"]
        ]
        parts += [f"## {kind['name']}", "", kind["about"], "", *styled_table("mistakes", rows, _COLUMNS)]
    return "\n".join(parts)


def sections(path):
    """Read where links to a notebook lead: the anchor of each heading by its text, and each label by itself."""
    cells = read_notebook(path)["cells"]
    prose = "\n\n".join(cell["source"] for cell in cells if cell["cell_type"] == "markdown")
    headings = re.findall(r"^##+ (.+?)\s*$", prose, re.M)
    labels = re.findall(r"^\((\S+)\)=\s*$", prose, re.M)
    anchors = {heading: re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return {heading: f"../notebooks/{path.name}#{anchor}" for heading, anchor in anchors.items()} | {
        label: f"#{label}" for label in labels
    }


def _remedy(row):
    # The role's link is checked when the site is built: a tool that is renamed fails the build.
    tools = ", ".join(f"{{py:obj}}`{name} <course_utils.{name}>`" for name in row["catch"])
    return f"{tools}. {row['habit']}" if "habit" in row else tools


def _place(row, found):
    chapter, section = row["chapter"], row["section"]
    if chapter not in found:
        return f"chapter {chapter[:2]}"
    if section not in found[chapter]:
        return f"{{doc}}`{chapter[:2]} </notebooks/{chapter}>`"
    # A label stands for its heading's text.
    text = section.replace("-", " ").capitalize() if section == section.lower() else section
    return f"[{chapter[:2]} · {text}]({found[chapter][section]})"
