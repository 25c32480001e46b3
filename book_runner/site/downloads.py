"""Downloads: the notebook, the executed notebook and the PDF of a page, in the menu that each page has for them."""

import re
import shutil

from book_runner.project import write_text

__all__ = ["offer_downloads"]

_MENU = re.compile(r'(<div class="dropdown dropdown-download-buttons">.*?<ul class="dropdown-menu">)', re.S)
_OFFERED = re.compile(r"<!-- download -->.*?<!-- /download -->", re.S)
_EXECUTED = '<span class="btn__text-container">.ipynb</span>'
_PRINT = '<span class="btn__text-container">.pdf</span>'
_ITEM = (
    '<!-- download --><li><a href="{address}" download class="btn btn-sm dropdown-item" title="{title}">'
    '<span class="btn__icon-container"><i class="fas {icon}"></i></span>'
    '<span class="btn__text-container">{text}</span></a></li><!-- /download -->'
)


def offer_downloads(project, records):
    """Put what there is of each page into its download menu; `records` are those behind the chapters' pages."""
    for name in records:
        target = project.html / "downloads" / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.notebook(name), target)
    for page in sorted(project.html.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        if _MENU.search(text):
            write_text(page, _offer(project, records, page.relative_to(project.html), _OFFERED.sub("", text)))


def _offer(project, records, page, text):
    up = "../" * (len(page.parts) - 1)
    items, name = [], page.stem
    if page.parts[0] == "notebooks" and name in records:
        items.append(("downloads", f"{name}.ipynb", "fa-file", "notebook", "Download the notebook without outputs"))
        if records[name] and records[name]["state"] == "done":
            run = f"executed notebook ({records[name]['profile']} run)"
            text = text.replace(_EXECUTED, _EXECUTED.replace(".ipynb", run))
    text = text.replace(_PRINT, _PRINT.replace(".pdf", "print"))
    pdf = page.with_suffix(".pdf").as_posix()
    items.append(("pdf", pdf, "fa-file-pdf", "PDF", "Download this page as a PDF"))
    items.append(("pdf", "book.pdf", "fa-file-pdf", "PDF of the book", "Download the whole book as a PDF"))
    made = "".join(
        _ITEM.format(address=f"{up}{folder}/{file}", icon=icon, text=told, title=title)
        for folder, file, icon, told, title in items
        if (project.html / folder / file).is_file()
    )
    return _MENU.sub(lambda match: match[0] + made, text, count=1)
