"""Numbers in the text: each comes from the record of the run that its page shows, and leads to the cell that made it.

It is a Sphinx extension: in a chapter ``{number}`test_accuracy:.3f``` sets a recorded number by its name and a format.
On a page of the site that is a link to the cell. On other pages ``{number}`02_fashion_mlp/test_accuracy:.3f``` sets a
number of a chapter and leads there. The facts that ``numbers.js`` shows in a panel stand once in the page,
for all of its numbers. Elsewhere, in LaTeX for instance, a number is plain text.
"""

import json
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.util import logging

from book_runner.pages.ledger import ledger_anchor
from book_runner.pages.markdown import cores_of, date_of
from book_runner.project import noted, read_json
from course_utils import results
from course_utils.errors import ArgumentError

__all__ = ["Number", "setup"]

_LEDGER = "book/ledger"
_ID = "id"
# Where a number leads whose cell the page does not show.
_MADE = "how-this-page-was-made"
_UNKNOWN = "–"


class Number(nodes.inline):
    """A number in the text of a chapter: its name and format, what its title says, and the cell that made it."""


def setup(app):
    """Let Sphinx use the module as an extension."""
    app.add_role("number", _set_number)
    # Whatever is no HTML treats it as the text in a line that it is.
    app.add_node(Number, html=(_begin_link, _end_link))
    app.connect("source-read", _prepare)
    app.connect("doctree-read", _lead_to_cells)
    app.connect("html-page-context", _add_facts)
    return {"parallel_read_safe": True}


def _shown(env, docname):
    """Return the chapter of a page, and what staging noted of the run that it shows; twice None for other pages."""
    folder, _, name = docname.rpartition("/")
    return (name, read_json(Path(env.srcdir) / "records" / f"{name}.json")) if folder == "notebooks" else (None, None)


def _set_number(role, raw, text, line, inliner, options=None, content=None):
    """Set a number; what cannot be set is a warning, unless its chapter has not been run to its end."""
    env = inliner.document.settings.env
    (name, page), (number, _, style) = _shown(env, env.docname), text.partition(":")
    problem, elsewhere = "", page is None and "/" in number
    if elsewhere:
        chapter, _, number = number.partition("/")
        name, page = _shown(env, f"notebooks/{chapter}")
    if page is None:
        problem = f"{{number}}`{text}` names no chapter; outside of chapters it must be CHAPTER/NUMBER"
    elif page["record"] is not None:
        recorded = page["record"]["records"]
        if number in recorded:
            value = recorded[number]["value"]
            try:
                if elsewhere:
                    return [_link_to(env.docname, name, format(value, style), _sentence(page, number))], []
                told = {"title": _sentence(page, number), "cell": page["born"].get(number)}
                return [Number(raw, format(value, style), number=number, style=style, **told)], []
            except (TypeError, ValueError):
                problem = f"{name}: the format of {number} is {style!r}, which does not fit {value!r}; .3f or , might"
        elif page["record"]["state"] == "done":
            problem = f"{name} has no number {number!r}; it recorded {', '.join(sorted(recorded)) or 'none'}"
    if problem:
        logging.getLogger(__name__).warning(problem, location=(env.docname, line))
    return [nodes.Text(_UNKNOWN)], []


def _link_to(docname, chapter, text, title):
    """A number that stands outside of its chapter: a link to the chapter's page."""
    link = addnodes.pending_xref(
        text, refdoc=docname, refdomain="std", reftype="doc", reftarget=f"/notebooks/{chapter}", refexplicit=True
    )
    link += nodes.inline(text, text, classes=["number"], title=title)
    return link


def _prepare(app, docname, source):
    """Have a chapter's cells carry their ids into the page, and none of what only the runner and `verify` read."""
    if not str(app.env.doc2path(docname)).endswith(".ipynb"):
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["metadata"][_ID] = cell.get("id")
            cell["outputs"] = [output for output in cell["outputs"] if not noted([{"outputs": [output]}], "record")]
    source[0] = json.dumps(notebook)


def _lead_to_cells(app, document):
    """Give each cell of a page an anchor, and have each number lead to one that is there."""
    anchors = set()
    for cell in document.findall(nodes.container):
        if cell.get("nb_element") == "cell_code" and (found := cell["cell_metadata"].get(_ID)):
            anchors.add(f"cell-{found}")
            cell["ids"].append(f"cell-{found}")
    for number in document.findall(Number):
        anchor = f"cell-{number['cell']}"
        number["anchor"] = anchor if anchor in anchors else _MADE


def _begin_link(translator, node):
    # A heading's number stands in the list of contents too, where all of the heading is a link already.
    node["linked"] = _is_free(node)
    if node["linked"]:
        attributes = {"href": f"#{node['anchor']}", "title": node["title"]}
        attributes |= {"data-number": node["number"], "data-format": node["style"]}
        translator.body.append(translator.starttag(node, "a", "", CLASS="number", **attributes))


def _end_link(translator, node):
    if node["linked"]:
        translator.body.append("</a>")


def _is_free(node):
    while node := node.parent:
        if isinstance(node, nodes.reference):
            return False
    return True


def _add_facts(app, docname, template, context, document):
    """Put what the panel shows into the page, once."""
    found = {node["number"]: node["anchor"] for node in document.findall(Number)} if document is not None else {}
    if not found:
        return
    name, page = _shown(app.env, docname)
    ledger = app.builder.get_relative_uri(docname, _LEDGER)
    numbers = {number: _facts(name, page, number, anchor, ledger) for number, anchor in found.items()}
    content = json.dumps({"numbers": numbers, "run": _run_facts(page)}, ensure_ascii=False)
    # A text in it must not end the script.
    content = content.replace("</", "<\\/")
    context["body"] += f'<script type="application/json" id="number-facts">{content}</script>\n'


def _facts(name, page, number, anchor, ledger):
    """List what is known of a number: what it is, the text, and the address that it leads to, if any."""
    entry = page["record"]["records"][number]
    seeds = entry["context"].get("n_seeds")
    hidden = anchor == _MADE
    facts = [
        ["value", f"{_exact(entry['value'])} {entry['unit'] or ''}".rstrip()],
        ["interval", _interval(entry)],
        ["seeds", _exact(seeds) if seeds else ""],
        ["made in", "a cell that the page does not show" if hidden else "this cell", f"#{anchor}"],
    ]
    if _is_reported(name, number):
        facts.append(["ledger", "beside the reported number", f"{ledger}#{ledger_anchor(name, number)}"])
    else:
        facts.append(["ledger", "the reported numbers", ledger])
    return [fact for fact in facts if fact[1]]


def _run_facts(page):
    """List what is known of the run behind a page."""
    record = page["record"]
    environment, commit = record["environment"], record.get("commit")
    data = [
        f"{each['name']}, {each['kind']}" + (f", sha256 {each['sha256'][:12]}" if each.get("sha256") else "")
        for each in record["data"]
    ]
    return [
        ["run", _edition(page)],
        ["date", f"{date_of(record)}, {record['started'][11:16]} UTC"],
        ["commit", commit[:12] if commit else "none: files had changed since the last one"],
        ["data", "; ".join(data) or "none"],
        ["machine", f"{cores_of(environment)}, {environment['machine']}, {environment['platform']}"],
    ]


def _sentence(page, number):
    """Say the essentials, for a reader who has no panel."""
    entry = page["record"]["records"][number]
    value = f"{_exact(entry['value'])} {entry['unit'] or ''}".rstrip()
    interval = f" ({_interval(entry)})" if _interval(entry) else ""
    return f"{number.replace('_', ' ')}: {value}{interval}, from {_edition(page)}, {date_of(page['record'])}"


def _edition(page):
    if page["shown"] == "reference":
        return "the full run"
    return f"this build's run, profile {page['record']['profile']}"


def _interval(entry):
    low, high = entry["context"].get("low"), entry["context"].get("high")
    return "" if None in (low, high) else f"{_exact(low)} to {_exact(high)}"


def _exact(value):
    """Write a value with more digits than the text has, in words that a reader sees."""
    if isinstance(value, list):
        return " ".join(map(_exact, value))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return (f"{value:,}" if isinstance(value, int) else f"{value:.6g}").replace("-", "−")


def _is_reported(name, number):
    try:
        return number in results.reported(name)
    except ArgumentError:
        return False
