"""Model cards: for each network whose weights are kept, where it comes from, how good it is, and where it fails."""

from book_runner.reference import kept_cards, model_cards

__all__ = ["model_cards_page"]

_INTRODUCTION = """# Model cards

The full run keeps the weights of its first training of each network that a page or a widget needs.
`papermill notebooks/NAME.ipynb out.ipynb -p train False` loads them instead of training.
A network here has learned from one small data set, for teaching; its accuracy is that of one training, the chapter's is
a mean over several.
"""


def model_cards_page(project):
    """Write the page of all kept networks, chapter by chapter."""
    parts = [_INTRODUCTION]
    for name in project.names:
        if cards := kept_cards(project.kept(name)):
            parts += [f"## Chapter {name[:2]}", "", f"{{doc}}`/notebooks/{name}`", "", model_cards(cards, level=3)]
    return "\n".join(parts if len(parts) > 1 else [*parts, "None are kept yet.", ""])
