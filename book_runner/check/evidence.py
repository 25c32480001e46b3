"""Evidence: chapters and the records of their runs in, a list of what the runs do not bear out, out.

Three things must not happen in a book whose numbers come from runs: that a number of a run stands in the text typed by
hand, where the next run will leave it behind, that the full run contradicts a finding, and that two runs disagree on
what does not depend on the run.
"""

import dataclasses
import re

from book_runner.pages import agreement
from book_runner.project import read_notebook, read_record
from book_runner.reference import read_reference

__all__ = ["check_evidence"]

# A sentence that speaks of the coursework quotes it, and a quotation may hold numbers.
_QUOTATION = re.compile(r"\[[A-E]\]|\b(originals?|original's|report(s|ed|'s)?|coursework|homework|assignment)\b", re.I)
# A sentence that names a profile gives its settings: how many images, how large a batch.
_SETTING = re.compile(r"\b(full|quick) (profile|version|run)\b", re.I)
_ALLOWED = re.compile(r"<!--\s*typed:(.*?)-->", re.S)
_NUMBER = re.compile(
    r"(?<![\w.,])(?P<digits>\d{1,3}(?:,\d{3})+|\d*\.\d+|\d+)(?![\d\w]|[.,]\d)(?P<percent>\s?%|\s+per\s?cent)?"
    r"(?P<seconds>\s+(?:s|seconds?)\b)?(?P<stock>\s+(?:confidence\s+)?intervals?\b)?"
)
# What is not prose, in the order in which it is taken out: comments, code, formulas, roles, code in a line, addresses.
_NO_PROSE = [
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"^(?P<fence>`{3,})(?!\s*\{).*?^(?P=fence)\s*$", re.S | re.M),
    re.compile(r"^\s*(`{3,}|:{3,}|:[\w-]+:|\([^)\s]+\)=).*$", re.M),
    re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$", re.S),
    re.compile(r"\{[\w:.+-]+\}`[^`]*`"),
    re.compile(r"`[^`\n]*`"),
    re.compile(r"\]\([^)]*\)|<https?://[^>]*>"),
    re.compile(r"\b(Figure|Exercise)s? \d+\.\d+"),
]
_LEAST_COUNT = 100


@dataclasses.dataclass(frozen=True)
class _Typed:
    """A number in the text."""

    text: str
    kind: str
    value: float
    decimals: int

    def shows(self, measured, unit):
        """Whether the number is this measured value, as a writer would round it."""
        if self.kind == "count":
            return isinstance(measured, int) and measured == self.value
        if self.kind == "time" and unit != "s":
            return False
        return round(measured * (100 if self.kind == "percentage" else 1), self.decimals) == self.value


def check_evidence(project, profile="quick"):
    """Run the checks of this module on every chapter that a profile executed; each problem is one line."""
    problems = []
    for name in project.names:
        if record := read_record(project.record(profile, name)):
            found = [*typed_numbers(read_notebook(project.notebook(name)), record), *failed_findings(record)]
            kept = read_reference(project, name)
            found += other_numbers(kept.record, record) if kept.notebook is not None else []
            problems += [f"notebooks/{name}.ipynb: {problem}" for problem in found]
    return problems


def other_numbers(reference, record):
    """List the numbers that no run may change and that this run has otherwise than the full run; both are records."""
    return [
        f"{number} was recorded with exact=True, and is {record['records'][number]['value']!r} in this run and "
        f"{reference['records'][number]['value']!r} in the full run"
        for number, same in agreement(reference, record).numbers.items()
        if not same
    ]


def failed_findings(record):
    """List the findings that the full run contradicts. A small run contradicts nothing: its page shows the ✘."""
    if record["profile"] != "full":
        return []
    return [
        f"the full run contradicts the finding {finding['statement']!r} ({finding['evidence']})"
        for finding in record["findings"]
        if not finding["holds"]
    ]


def typed_numbers(notebook, record):
    """List the numbers in the text of a chapter that were typed by hand although its run recorded them.

    Looked at are decimals of three significant digits or more, percentages, times in seconds, and counts from a
    hundred up. Code, formulas, roles and addresses are not text; a sentence that names the original, the report or a
    source ([A] to [E]) is a quotation, and one that names a profile may give its counts. A number that is right as it
    stands is allowed by a comment in its cell, which no reader sees:
    ``<!-- typed: 1,000, the size of the set as it was published -->``.
    """
    problems = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        allowed = {match["digits"] for text in _ALLOWED.findall(cell["source"]) for match in _NUMBER.finditer(text)}
        for sentence in _sentences(cell["source"]):
            for typed in _numbers(sentence):
                if typed.kind == "count" and _SETTING.search(sentence):
                    continue
                name = _recorded_as(typed, record["records"])
                if name and typed.text.rstrip(" %") not in allowed:
                    place = sentence if len(sentence) <= 80 else f"{sentence[:77]}…"
                    problems.append(
                        f"{typed.text!r} is typed by hand in “{place}”, and the run recorded it as "
                        f"{name}: use {{number}}, or allow it with <!-- typed: {typed.text} … --> in the same cell"
                    )
    return problems


def _sentences(markdown):
    """Yield the sentences that are the chapter's own."""
    for pattern in _NO_PROSE:
        markdown = pattern.sub("\n" if pattern.flags & re.M else " ", markdown)
    for block in re.split(r"\n\s*\n|\n\s*(?=[-*#|]|\d+\.\s)", markdown):
        for sentence in re.split(r"(?<=[.!?])[*_]*\s+", block):
            if not _QUOTATION.search(sentence):
                yield " ".join(sentence.split())


def _numbers(sentence):
    """Yield the numbers of a sentence that look like results."""
    for match in _NUMBER.finditer(sentence):
        digits = match["digits"].replace(",", "")
        decimals = len(digits.partition(".")[2])
        significant = len(digits.replace(".", "").lstrip("0"))
        if match["percent"]:
            # "A 95 % interval" is a name, not a result.
            if not match["stock"]:
                yield _Typed(match["digits"] + " %", "percentage", float(digits), decimals)
        elif match["seconds"] and significant > 1:
            yield _Typed(match["digits"], "time", float(digits), decimals)
        elif decimals and significant >= 3:
            yield _Typed(match["digits"], "decimal", float(digits), decimals)
        elif not decimals and int(digits) >= _LEAST_COUNT:
            yield _Typed(match["digits"], "count", int(digits), 0)


def _recorded_as(typed, records):
    for name, entry in records.items():
        context = entry["context"]
        values = entry["value"] if isinstance(entry["value"], list) else [entry["value"]]
        for value in [*values, context.get("low"), context.get("high")]:
            if isinstance(value, (int, float)) and not isinstance(value, bool) and typed.shows(value, entry["unit"]):
                return name
    return None
