"""Data cards: for each data set of the course what it is, what this build read, samples, licence and known issues."""

import json

import cv2
import numpy as np

from book_runner.pages.markdown import two_columns
from book_runner.project import digest, read_json, write_text
from course_utils import datasets

__all__ = ["card_files", "sample_sheet"]

_INTRODUCTION = [
    "What each data set is, and what this copy of the book was built from.",
    "*This build* says which files were read; `course data where` lists the folders in which they are looked for.",
]
_COLUMNS = 8
_SYNTHETIC_LIMIT = 500


def card_files(project):
    """Write the data-card page and its pictures: the files to stage, by their paths.

    A card is made anew only when what it shows has changed: reading every data set takes longer than all the rest of
    staging.
    """
    parts = ["# Data cards", "", *_INTRODUCTION, ""]
    files = {}
    for name in datasets.names():
        facts, picture = _card(project, name)
        files[f"book/cards/{name}.png"] = picture
        parts += _page_section(datasets.CATALOG[name], facts)
    return {"book/data_cards.md": "\n".join(parts).encode(), **files}


def sample_sheet(rows, *, columns=_COLUMNS, scale=2):
    """Lay images out in rows, as one PNG picture.

    The images of each row are of one size, shape (n, height, width, channels); those past `columns` are left out, and
    missing ones stay white. Each pixel is `scale` pixels wide.

    Examples
    --------
    >>> sample_sheet([np.zeros((3, 4, 4, 1), np.uint8)])[1:4]
    b'PNG'
    """
    height, width, channels = rows[0].shape[1:]
    sheet = np.full((len(rows), columns, height + 2, width + 2, channels), 255, np.uint8)
    for row, images in zip(sheet, rows, strict=True):
        shown = images[:columns]
        row[: len(shown), 1:-1, 1:-1] = shown
    picture = sheet.transpose(0, 2, 1, 3, 4).reshape(len(rows) * (height + 2), columns * (width + 2), channels)
    picture = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    # OpenCV writes blue first.
    return cv2.imencode(".png", picture[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


def _card(project, name):
    """Return the facts and the picture of a data set, from the last build where they still hold."""
    source = "local" if datasets.find(name) else "synthetic"
    fingerprint = datasets.fingerprint(name, source=source)
    noted, picture = project.build / "cards" / f"{name}.json", project.build / "cards" / f"{name}.png"
    facts = read_json(noted)
    if facts and facts["fingerprint"] == fingerprint and picture.is_file():
        content = picture.read_bytes()
        if digest(content) == facts["picture"]:
            return facts, content
    facts, content = _look(name, source)
    noted.parent.mkdir(parents=True, exist_ok=True)
    picture.write_bytes(content)
    facts |= {"fingerprint": fingerprint, "picture": digest(content)}
    write_text(noted, json.dumps(facts, indent=1))
    return facts, content


def _look(name, source):
    if datasets.CATALOG[name].task == "classification":
        limit = None if source == "local" else _SYNTHETIC_LIMIT
        data = datasets.load(name, source=source, train_limit=limit, test_limit=limit)
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
    facts = {
        "line": data.provenance.line(),
        "kind": data.provenance.kind,
        "counts": counts,
        "shape": list(images.shape[1:]),
    }
    return facts, sample_sheet(rows, scale=scale)


def _page_section(entry, facts):
    height, width, channels = facts["shape"]
    one_a_row = "class" if facts["counts"] else "identity"
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
        "this build": facts["line"],
    }
    parts = [f"## {entry.title}", "", two_columns("value", rows)]
    what = "Synthetic stand-ins" if facts["kind"] == "synthetic" and not entry.drawn else "Samples"
    alt = f"{what} for {entry.title}, one {one_a_row} a row, {_COLUMNS} images each."
    parts += [f"```{{image}} cards/{entry.name}.png", f":alt: {alt}", ":loading: lazy", "```", ""]
    parts += [f"{what}, one {one_a_row} a row.", ""]
    # A synthetic set has as many images as one asks for: its counts say nothing.
    if facts["counts"] and facts["kind"] != "synthetic":
        parts += ["| class | training images | test images |", "|---|---:|---:|"]
        parts += [f"| {label} | {train:,} | {test:,} |" for label, (train, test) in facts["counts"].items()] + [""]
    return parts
