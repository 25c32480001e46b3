"""What the generated pages are made of: texts, tables and boxes in Markdown."""

import datetime
import re

__all__ = ["box", "code", "cores_of", "date_of", "plain", "styled_table", "table", "two_columns"]


def plain(text):
    """Keep Markdown from reading anything into a text but its code."""
    parts = re.split(r"(`[^`]*`)", str(text).replace("\n", " "))
    return "".join(
        part.replace("|", "\\|") if part.startswith("`") else re.sub(r"([\\`*_{}\[\]<>$|~])", r"\\\1", part)
        for part in parts
    )


def code(text):
    """Make a text ready to stand between backquotes, in a table too."""
    return str(text).replace("`", "'").replace("\n", " ").replace("|", "\\|")


def cores_of(environment):
    """Say how many cores a run had."""
    return "1 core" if environment["cores"] == 1 else f"{environment['cores']} cores"


def date_of(record):
    """Write the day of a run."""
    date = datetime.date.fromisoformat(record["started"][:10])
    return f"{date.day} {date:%B %Y}"


def box(kind, title, text):
    """Set a text apart, under a title."""
    return f":::{{admonition}} {title}\n:class: {kind}\n{text}\n:::\n"


def table(rows, columns):
    """Lay rows out as a table, with a rule of alignment for each column; empty if there is no row."""
    lines = [f"| {' | '.join(row[column] for column in columns)} |" for row in rows]
    return "\n".join([f"| {' | '.join(columns)} |", f"|{'|'.join(columns.values())}|", *lines]) if lines else ""


def two_columns(head, facts):
    """Lay facts out as a table, a row for each with its name."""
    return "\n".join([f"| what | {head} |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts.items()), ""])


def styled_table(style, rows, columns, *, caption=""):
    """Write a table of a style that ``course.css`` knows; ``ledger.js`` makes those of the ledger sortable."""
    laid = table(rows, columns)
    return [f":::{{table}} {caption}".rstrip(), f":class: {style}", "", laid, ":::", ""] if laid else []
