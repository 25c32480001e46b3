"""Cards: what each data set is, what was read of it, and its issues; where each kept network comes from, and fails."""

import io
import json

import numpy as np
from PIL import Image

from book_runner.pages.markdown import two_columns
from book_runner.project import digest, read_json, write_text
from book_runner.reference import kept_cards, model_cards
from course_utils import datasets
from course_utils.errors import MissingExtraError

__all__ = ["card_files", "keep_data_cards", "model_cards_page", "sample_sheet"]

_INTRODUCTION = [
    "What each data set is, and what this copy of the book was built from.",
    "*This build* says which files were read, *full run* which ones that run read, where a data set is not at hand.",
    "`course data where` lists the folders in which data are looked for.",
]
_MODELS = """# Model cards

The full run keeps the weights of its first training of each network that a page or a widget needs.
`papermill notebooks/NAME.ipynb out.ipynb -p train False` loads them instead of training.
A network here has learned from one small data set, for teaching; its accuracy is that of one training, the chapter's is
a mean over several.
"""
_COLUMNS = 8


def card_files(project):
    """Write the data-card page and its pictures: the files to stage, by their paths.

    A data set that is not at hand has the card that :func:`keep_data_cards` kept, so that a book can be read with no
    data and with nothing installed that reads them. No images are drawn in place of a data set that nobody has read.
    """
    parts = ["# Data cards", "", *_INTRODUCTION, ""]
    files = {}
    for name in datasets.names():
        reader, card = "this build", _card(project, name)
        if card is None:
            reader, card = "full run", _noted(project.kept("cards"), name)
        facts = None
        if card is not None:
            facts, files[f"book/cards/{name}.png"] = card
        parts += _page_section(datasets.CATALOG[name], facts, reader)
    return {"book/data_cards.md": "\n".join(parts).encode(), **files}


def keep_data_cards(project):
    """Keep the cards of the data sets at hand in ``book/reference/cards/``; return their names.

    Cards of other data sets stay as they are, so that a machine which has only some of the data loses none.
    """
    cards = {name: _card(project, name) for name in datasets.names()}
    kept = {name: card for name, card in cards.items() if card is not None}
    for name, card in kept.items():
        _note(project.kept("cards"), name, *card)
    return sorted(kept)


def model_cards_page(project):
    """Write the page of all kept networks, chapter by chapter."""
    parts = [_MODELS]
    for name in project.names:
        if cards := kept_cards(project.kept(name)):
            parts += [f"## Chapter {name[:2]}", "", f"{{doc}}`/notebooks/{name}`", "", model_cards(cards, level=3)]
    return "\n".join(parts if len(parts) > 1 else [*parts, "None are kept yet.", ""])


def sample_sheet(rows, *, columns=_COLUMNS, scale=2):
    """Lay images out in rows, as one PNG picture.

    The images of each row are of one size, shape (n, height, width, channels); those past `columns` are left out, and
    missing ones stay white. Each pixel is `scale` pixels wide.
    """
    height, width, channels = rows[0].shape[1:]
    sheet = np.full((len(rows), columns, height + 2, width + 2, channels), 255, np.uint8)
    for row, images in zip(sheet, rows, strict=True):
        shown = images[:columns]
        row[: len(shown), 1:-1, 1:-1] = shown
    picture = sheet.transpose(0, 2, 1, 3, 4).reshape(len(rows) * (height + 2), columns * (width + 2), channels)
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    content = io.BytesIO()
    Image.fromarray(picture[..., 0] if channels == 1 else picture).save(content, "PNG", optimize=True)
    return content.getvalue()


def _card(project, name):
    """Return the facts and the picture of a data set, or None if it is not at hand.

    They are those of the last build where these still hold: reading every data set takes longer than all the rest of
    staging.
    """
    folder = project.build / "cards"
    try:
        source = "local" if datasets.find(name) else "synthetic"
        if source == "synthetic" and not datasets.CATALOG[name].drawn:
            return None
        fingerprint = datasets.fingerprint(name, source=source)
        card = _noted(folder, name)
        if card is None or card[0]["fingerprint"] != fingerprint:
            facts, picture = _look(name, source)
            card = facts | {"fingerprint": fingerprint}, picture
            _note(folder, name, *card)
        return card
    # Where the book is only read, neither the user's cache folder is known nor a picture decoded.
    except MissingExtraError:
        return None


def _noted(folder, name):
    """Read a card from a folder; None if there is none, or it is damaged."""
    facts, picture = read_json(folder / f"{name}.json"), folder / f"{name}.png"
    if facts is None or not picture.is_file():
        return None
    content = picture.read_bytes()
    return (facts, content) if digest(content) == facts["picture"] else None


def _note(folder, name, facts, picture):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.png").write_bytes(picture)
    write_text(folder / f"{name}.json", json.dumps(facts | {"picture": digest(picture)}, indent=1) + "\n")


def _look(name, source):
    if datasets.CATALOG[name].task == "classification":
        data = datasets.load(name, source=source)
        groups, images = data.y_train, data.x_train
        counts = {
            label: [int(np.sum(part == k)) for part in (data.y_train, data.y_test)]
            for k, label in enumerate(data.class_names)
        }
        n_rows, scale = 10, 2
    else:
        limits = {} if source == "local" else {"train_ids": 20, "test_ids": 20}
        data = datasets.load_reid(name, source=source, **limits)
        groups, images, counts = data.train.ids, data.train.images, {}
        n_rows, scale = 4, 1
    rows = [images[groups == group][:_COLUMNS] for group in np.unique(groups)[:n_rows]]
    facts = {"line": data.provenance.line(), "counts": counts, "shape": list(images.shape[1:])}
    return facts, sample_sheet(rows, scale=scale)


def _page_section(entry, facts, reader):
    height, width, channels = entry.shape if facts is None else facts["shape"]
    rows = {
        "task": entry.task,
        "images": f"{height} × {width}, {'grey' if channels == 1 else 'RGB'}",
        "official size": f"{entry.n_train:,} for training, {entry.n_test:,} for testing"
        if entry.n_train
        else "as many as asked for",
        "licence": entry.licence,
        "citation": entry.citation or "none",
        "home": f"<{entry.homepage}>" if entry.homepage else "this project",
        "known issues": " ".join(entry.issues) or "none",
    }
    if facts is None:
        rows["this build"] = "not at hand: a notebook that asks for it gets drawn images, and says so"
        return [f"## {entry.title}", "", two_columns("value", rows)]
    parts = [f"## {entry.title}", "", two_columns("value", rows | {reader: facts["line"]})]
    one_a_row = "class" if facts["counts"] else "identity"
    alt = f"Samples for {entry.title}, one {one_a_row} a row, {_COLUMNS} images each."
    parts += [f"```{{image}} cards/{entry.name}.png", f":alt: {alt}", ":loading: lazy", "```", ""]
    parts += [f"Samples, one {one_a_row} a row.", ""]
    if facts["counts"]:
        parts += ["| class | training images | test images |", "|---|---:|---:|"]
        parts += [f"| {label} | {train:,} | {test:,} |" for label, (train, test) in facts["counts"].items()] + [""]
    return parts
