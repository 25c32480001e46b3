"""PDF: a rendered site in, one PDF a page and one of the whole book out, printed by a headless Chromium."""

import contextlib
import html
import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

from book_runner.project import read_record
from book_runner.site import offer_downloads, public_address, rendered_profile, toc_pages
from course_utils.errors import RunnerError

__all__ = ["make_pdfs"]

_FLAGS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
_FOOTER = (
    '<div style="font: 8px sans-serif; width: 100%; margin: 0 15mm; display: flex; justify-content: space-between">'
    '<span>{title}</span><span><span class="pageNumber"></span> / <span class="totalPages"></span></span></div>'
)
# Only what is read: no bars, no buttons, no live projectors (a figure beside each shows the same points).
_PRINT_STYLE = """
.bd-header, .bd-header-article, .bd-sidebar, .bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-footer, .bd-footer,
.bd-footer-content, .announcement, .headerlink, .copybtn, iframe, .ledger-controls, #pst-back-to-top { display: none; }
html { font-size: 80%; }
.bd-article-container, .bd-main .bd-content, .bd-page-width { max-width: none; }
.bd-article { padding: 0; }
/* Headings fit on one line: in the outline Chromium puts no space between two. */
h1 { font-size: 20px !important; }
h2 { font-size: 17px !important; }
h3 { font-size: 14px !important; }
.book-page { break-before: page; }
.book-contents { break-after: page; }
.bd-article img { height: auto; max-height: 115mm; width: auto; }
img, tr, .finding, h1, h2, h3 { break-inside: avoid; }
h1, h2, h3 { break-after: avoid; }
pre { white-space: pre-wrap; }
.bd-article table { display: table; font-size: 80%; overflow-wrap: anywhere; }
"""
# In plain letters, or in hexadecimal digits of UTF-16.
_DOUBLED = re.compile(rb"/Title (?:(\()|(<FEFF))((?:[0-9A-F]{4})+|(?<=\()[^()]+)\3(?(1)\)|>)")
# Everything is there before the page is printed: images that wait, folded boxes, formulas.
_COMPLETE = """async () => {
  document.querySelectorAll("details").forEach(box => box.open = true);
  document.querySelectorAll(".toggle-hidden").forEach(box => box.classList.remove("toggle-hidden"));
  document.querySelectorAll("img[loading]").forEach(image => image.loading = "eager");
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  await document.fonts.ready;
}"""
# A link to another page of the site names a file of this machine; it leads to the published book, if there is one.
_LINKS_OUT = """base => document.querySelectorAll("a[href]").forEach(link => {
  const root = ROOT, to = link.href;
  if (!to.startsWith(root) || to.split("#")[0] === location.href.split("#")[0]) return;
  if (base) link.href = base + to.slice(root.length);
  else link.removeAttribute("href");
})"""
# An article for the book: its anchors get the page's name, and links between pages become links within the book.
_EXTRACT = """([root, pages, own]) => {
  const article = document.querySelector("article");
  const name = (page, anchor) => `${page}--${anchor}`;
  article.querySelectorAll("[id]").forEach(part => part.id = name(own, part.id));
  for (const attribute of ["for", "aria-labelledby", "aria-controls", "aria-describedby"])
    article.querySelectorAll(`[${attribute}]`).forEach(part => part.setAttribute(attribute,
      part.getAttribute(attribute).split(" ").map(anchor => name(own, anchor)).join(" ")));
  article.querySelectorAll("input[name]").forEach(part => part.name = name(own, part.name));
  article.querySelectorAll("img").forEach(image => image.setAttribute("src", image.src.replace(root, "")));
  article.querySelectorAll("a[href]").forEach(link => {
    const [to, anchor] = link.href.split("#");
    const page = to.startsWith(root) ? pages[decodeURIComponent(to.slice(root.length))] : null;
    if (page) link.setAttribute("href", "#" + (anchor ? name(page, decodeURIComponent(anchor)) : page));
    else if (to.startsWith(root)) link.removeAttribute("href");
  });
  article.querySelectorAll("iframe, script").forEach(part => part.remove());
  return [document.querySelector("article h1")?.firstChild?.textContent ?? own, article.innerHTML];
}"""


_SHEETS = """root => [...document.querySelectorAll("link[rel=stylesheet]")].map(link => link.href.replace(root, ""))"""


def make_pdfs(project, *, notify=lambda page: None):
    """Print each page of the site, and the whole book, and offer them in the pages' download menus.

    `notify` is called with the name of each file that is done. Returned are the paths of the PDFs, the book's last.
    """
    if not (project.html / "index.html").is_file():
        raise RunnerError("there is no site yet; `make book` builds it")
    pages = toc_pages(project.html, project.root / "_toc.yml")
    # Playwright refuses a thread that has an event loop under way, as a notebook's has.
    with ThreadPoolExecutor(1) as thread:
        made = thread.submit(_print_all, project, pages, notify).result()
    profile = rendered_profile(project)
    offer_downloads(project, {name: read_record(project.record(profile, name)) for name in project.names})
    return made


def _print_all(project, pages, notify):
    folder = project.html / "pdf"
    shutil.rmtree(folder, ignore_errors=True)
    made = []
    with _browser() as browser:
        for name in pages:
            target = (folder / name).with_suffix(".pdf")
            _print_page(browser, project, name, target)
            made.append(target)
            notify(target.relative_to(project.html).as_posix())
        made.append(folder / "book.pdf")
        _print_book(browser, project, pages, made[-1])
        notify("pdf/book.pdf")
    return made


@contextlib.contextmanager
def _browser():
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if path is None:
        raise RunnerError("Chromium is not installed (Debian: apt-get install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise RunnerError("playwright is not installed; `pip install playwright` (no browser of its own)") from None
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=_FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def _opened(browser, path, *, formulas=True):
    context = browser.new_context(color_scheme="light", viewport={"width": 1100, "height": 1400})
    # Pages are many and the machine may be busy.
    context.set_default_timeout(180_000)
    try:
        page = context.new_page()
        if not formulas:
            page.route("**/mathjax/**", lambda route: route.abort())
        page.goto(path.as_uri(), wait_until="load")
        yield page
    finally:
        context.close()


def _root(project):
    return f"{project.html.resolve().as_uri()}/"


def _published(project):
    """Where GitHub Pages shows the book; empty if it has no public address."""
    match = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", public_address(project))
    return f"https://{match[1].lower()}.github.io/{match[2]}/" if match else ""


def _print_page(browser, project, name, target):
    with _opened(browser, project.html.resolve() / name) as page:
        script = _LINKS_OUT.replace("ROOT", f'"{_root(project)}"')
        page.evaluate(script, _published(project))
        _print(page, target, page.title())


def _print(page, target, title):
    """Print what a page shows; the file appears whole or not at all."""
    page.add_style_tag(content=_PRINT_STYLE)
    page.evaluate(_COMPLETE)
    page.emulate_media(media="print", color_scheme="light")
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}")
    margin = {"top": "15mm", "bottom": "18mm", "left": "15mm", "right": "15mm"}
    page.pdf(
        path=draft,
        format="A4",
        margin=margin,
        print_background=True,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=_FOOTER.format(title=html.escape(title)),
        tagged=True,
        outline=True,
    )
    draft.write_bytes(_single_titles(draft.read_bytes()))
    os.replace(draft, target)


def _single_titles(printed):
    """Mend an outline: Chromium writes a heading twice if a page begins with it.

    What is cut off is made up for by spaces, because a PDF says at which byte each of its parts begins.
    """
    return _DOUBLED.sub(lambda match: match[0].replace(match[3] * 2, match[3], 1) + b" " * len(match[3]), printed)


def _print_book(browser, project, pages, target):
    """Print all articles as one document, so that links between pages lead to pages of the PDF."""
    title = yaml.safe_load((project.root / "_config.yml").read_text(encoding="utf-8")).get("title", "The book")
    anchors = {name: f"page-{number}" for number, name in enumerate(pages)}
    articles, contents, head = [], [], None
    for name in pages:
        with _opened(browser, project.html.resolve() / name, formulas=False) as page:
            head = head or page.evaluate(_SHEETS, _root(project))
            heading, article = page.evaluate(_EXTRACT, [_root(project), anchors, anchors[name]])
        anchor = anchors[name]
        articles.append(f'<article class="bd-article book-page" id="{anchor}">{article}</article>')
        contents.append(f'<li><a href="#{anchor}">{html.escape(heading)}</a></li>')
    sheets = "".join(f'<link rel="stylesheet" href="{html.escape(address)}">' for address in head)
    mathjax = next(project.html.glob("_static/mathjax/tex-chtml.js"), None)
    options = '{options: {processHtmlClass: "tex2jax_process|mathjax_process|math|output_area"}}'
    script = f'<script>window.MathJax = {options}</script><script src="_static/mathjax/tex-chtml.js"></script>'
    document = (
        f'<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title>{sheets}{script if mathjax else ''}</head><body>"
        f'<div class="book-contents"><p style="font-size: 2.5em; margin-top: 4em">{html.escape(title)}</p>'
        f"<ol>{''.join(contents)}</ol></div>{''.join(articles)}</body></html>"
    )
    # Images and style sheets are found beside it.
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=project.html, encoding="utf-8") as file:
        file.write(document)
        file.flush()
        with _opened(browser, Path(file.name)) as page:
            _print(page, target, title)
