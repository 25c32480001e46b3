"""The command line: ``course run``, ``course site`` and what helps with them."""

import errno
import functools
import http.server
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from book_runner import check, dask, execute, pages, pdf, plan, reference, site, student, widgets
from book_runner.project import cores, find_project
from course_utils import datasets
from course_utils.errors import CourseError

__all__ = ["main"]

# What the machine says when it takes no more; a fault of ours would have another number.
_NO_WRITING = {errno.EACCES, errno.EDQUOT, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS}
_ROWS = 40
_STYLE = {"failed": "bold red", "done": "green", "fresh": "dim", "running": "cyan", "waiting": "dim"}


class _Group(click.Group):
    """A group whose commands turn a `CourseError` into one line and exit code 1."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except CourseError as error:
            raise click.ClickException(str(error)) from error
        except OSError as error:
            if error.errno not in _NO_WRITING:
                raise
            raise click.ClickException(
                f"{error.strerror}: {error.filename or 'a file that was being written'}"
            ) from error


@click.group(cls=_Group)
@click.version_option(package_name="course-utils")
def main():
    """Build and check the course book: execute its notebooks, render its site."""


_only_option = click.option(
    "--only", multiple=True, metavar="NAME", help="Only this notebook, such as 02; may be repeated."
)
_profile_option = click.option("--profile", type=click.Choice(plan.PROFILES), default="quick", show_default=True)


_pages_option = click.option(
    "--pages",
    type=click.Choice(site.EDITIONS),
    default="reference",
    show_default=True,
    help="What chapters show: the full run that is kept, while it is current, or this build's run.",
)


def _run_options(command):
    options = [
        _profile_option,
        click.option("--force", is_flag=True, help="Run what is fresh too."),
        click.option("--jobs", "workers", type=click.IntRange(min=1), default=cores, show_default="the cores",
                     help="Notebooks at a time on this machine."),
        click.option("--dask", "address", metavar="ADDRESS",
                     help="Run on the cluster of this scheduler, tcp://host:8786."),
        click.option("--upload", is_flag=True, help="With --dask: send the packages and the data to the workers."),
    ]  # fmt: skip
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@main.command()
@_only_option
@_run_options
@click.pass_context
def run(context, profile, only, **how):
    """Execute the notebooks whose last run no longer stands."""
    project = find_project()
    with execute.build_lock(project):
        context.exit(_code(_run(project, plan.plan(project, profile, only), **how)))


@main.command("sweep")
@click.argument("notebook")
@click.option("--grid", "-g", multiple=True, metavar="NAME=VALUE,VALUE", help="A parameter's values; may be repeated.")
@click.option("--seeds", metavar="A:B", help="Each point with the seeds A up to, not including, B.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the table: .parquet or .csv.")
@_run_options
@click.pass_context
def sweep_command(context, notebook, grid, seeds, out, profile, **how):
    """Execute a notebook with every combination of some parameters, and gather the results into one table."""
    from book_runner import sweep

    if out is not None:
        sweep.check_ending(out)
    project = find_project()
    points = plan.points(project, notebook, sweep.grid_points(grid, seeds), profile)
    with execute.build_lock(project):
        outcome = _run(project, points, **how)
        table = sweep.gather(project, points, outcome)
    if out is not None:
        sweep.write_table(table, out)
        click.echo(f"{len(table)} runs, {len(table.columns)} columns: {out}")
    else:
        click.echo(table.drop(columns=[name for name in table.columns if "." in name or name == "key"]).to_string())
    context.exit(_code(outcome))


@main.command("plot")
@click.argument("table", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--x", required=True, metavar="COLUMN", help="A parameter of the sweep.")
@click.option("--y", required=True, metavar="COLUMN", help="A recorded number.")
@click.option("--by", metavar="COLUMN", help="A line for each value of this column.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="A .png, .svg or .pdf file."
)
def plot_command(table, x, y, by, out):
    """Draw a recorded number of a sweep over one of its parameters."""
    from book_runner import sweep

    figure = sweep.draw(sweep.read_table(table), x, y, by)
    if out.suffix.lower().lstrip(".") not in figure.canvas.get_supported_filetypes():
        raise click.ClickException(f"{out.name} must end in .png, .svg or .pdf")
    figure.savefig(out, dpi=150)
    click.echo(f"{y} over {x}: {out}")


@main.command()
@_only_option
@_pages_option
@_run_options
@click.pass_context
def book(context, profile, only, pages, **how):
    """Execute what is stale, then render the site; a failed notebook has a page that says so."""
    project = find_project()
    with execute.build_lock(project):
        outcome = _run(project, plan.plan(project, profile, only), **how)
        _site(project, profile, pages=pages)
        problems = check.check_evidence(project, profile) + check.check_accessibility(project.html)
    for problem in problems:
        click.echo(problem)
    context.exit(1 if problems else _code(outcome))


@main.command("site")
@_profile_option
@_pages_option
def site_command(profile, pages):
    """Render the site from what has been executed, and from the full run that is kept."""
    project = find_project()
    with execute.build_lock(project):
        _site(project, profile, pages=pages)


@main.command("read")
def read_command():
    """Render the full run that is kept in book/reference/: nothing is executed, and no data are needed."""
    project = find_project()
    with execute.build_lock(project):
        _site(project, "quick", pages="reference", runs=False)
    click.echo(f"It opens from disk, too: {(project.html / 'index.html').as_uri()}")


@main.command("site-zip")
def zip_command():
    """Pack the rendered site into one file, which opens without a network wherever it is unpacked."""
    project = find_project()
    with execute.build_lock(project):
        path = site.zip_site(project)
    click.echo(f"{path.relative_to(project.root)}: {path.stat().st_size / 2**20:.0f} MiB")


@main.command("plan")
@_profile_option
@_only_option
def plan_command(profile, only):
    """Say for each notebook whether its run and the full run that is kept still stand, and if not, why."""
    project = find_project()
    for job in plan.plan(project, profile, only):
        reasons = plan.stale_reasons(project, job)
        kept = reference.read_reference(project, job.name)
        click.echo(f"{job.name}: {'stale: ' + '; '.join(reasons) if reasons else 'fresh'}")
        click.echo(f"{'':{len(job.name)}}  full run: {kept.problem or 'current'}")


@main.command("reference")
@_only_option
@click.option("--cards", is_flag=True, help="Keep the cards of the data sets that are here, and nothing else.")
@click.pass_context
def reference_command(context, only, cards):
    """Keep the full run in book/reference/, to be committed: what the pages show while it is current."""
    project = find_project()
    with execute.build_lock(project):
        if cards:
            click.echo(f"kept: {', '.join(pages.keep_data_cards(project)) or 'no data set is here'}")
            return
        left = reference.keep_references(project, only)
    for name, why in left.items():
        click.echo(f"not kept: {name}: {why}")
    context.exit(1 if left else 0)


@main.command("widgets")
@_only_option
@click.pass_context
def widgets_command(context, only):
    """Make the widgets of chapters again from the weights that are kept, without their full run."""
    project, failed = find_project(), False
    with execute.build_lock(project):
        for job in plan.plan(project, "full", only):
            try:
                made = widgets.make_widgets(project, job.name)
                reference.keep_widgets(project, job.name, made)
                click.echo(f"{job.name}: {', '.join(made)}")
            except CourseError as error:
                failed = True
                click.echo(f"{job.name}: not made: {error}")
    context.exit(int(failed))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(port):
    """Serve the rendered site on this machine only."""
    project = find_project()
    if not (project.html / "index.html").is_file():
        raise click.ClickException("there is no site yet; `make book` builds it")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=project.html)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        click.echo(f"The book is at http://127.0.0.1:{server.server_port}/ (Ctrl-C ends)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo()


@main.command("changed")
@click.option("--since", required=True, metavar="COMMIT", help="A branch, tag or commit, such as origin/main.")
def changed_command(since):
    """List the pages that may have changed since a commit, as Markdown, each with the reason."""
    found = plan.changed_pages(find_project(), since)
    click.echo("\n".join(f"- `{page}`: {why}" for page, why in found.items()) or "No page has changed.")


@main.command("pdf")
def pdf_command():
    """Print each page of the rendered site, and the whole book, as PDFs; the pages then offer them."""
    project = find_project()
    with execute.build_lock(project):
        made = pdf.make_pdfs(project, notify=click.echo)
    click.echo(f"{len(made)} files in {made[-1].parent.relative_to(project.root)}/")


@main.command("check")
@click.pass_context
def check_command(context):
    """Look for missing pages, failed cells, dead links and requests to other hosts in the rendered site.

    The chapters behind it are checked too: for numbers typed by hand, and for findings that the full run contradicts.
    """
    project = find_project()
    problems = check.check_site(project.html, project.root / "_toc.yml")
    problems += check.check_accessibility(project.html)
    problems += check.check_evidence(project, site.rendered_profile(project))
    click.echo("\n".join([*problems, f"{len(problems)} problems in {project.html.relative_to(project.root)}/"]))
    context.exit(1 if problems else 0)


@main.command("verify")
@click.argument("site")
@click.pass_context
def verify_command(context, site):
    """Verify that each number of a built or published SITE, a folder or an address, comes from the run it names."""
    problems, n_numbers, n_chapters = check.verify_site(site)
    told = f"{n_numbers} numbers on {n_chapters} pages"
    last = f"{len(problems)} problems, {told}" if problems else f"{told}: each is its record's, and its run left it"
    click.echo("\n".join([*problems, last]))
    context.exit(1 if problems else 0)


@main.command("set-repository")
@click.argument("url")
@click.option("--branch", default="main", show_default=True, help="What the Colab buttons open.")
def repository_command(url, branch):
    """Write the book's public address, https://HOST/OWNER/NAME, wherever it is needed; "" takes it out."""
    changed = site.set_repository(find_project(), url, branch=branch)
    click.echo("\n".join(f"changed: {name}" for name in changed) or "nothing to change")


@main.command("student-edition")
@click.argument("folder", type=click.Path(path_type=Path))
@_profile_option
@_only_option
def student_command(folder, profile, only):
    """Write the notebooks to a new FOLDER, their solutions emptied, with a self-check for each exercise."""
    for name, count in student.student_edition(find_project(), folder, profile=profile, only=only).items():
        click.echo(f"{name}: {count} exercises")


@main.group()
def data():
    """The data sets: what there is, what is here, and where it is looked for."""


@data.command("list")
def data_list():
    """List the data sets, and where each one is found."""
    row = "{:13} {:27} {:17} {}".format
    click.echo(row("name", "what it is", "images", "found at"))
    for name in datasets.names():
        entry, path = datasets.CATALOG[name], datasets.find(name)
        size = f"{entry.n_train:,} + {entry.n_test:,}" if entry.n_train else ""
        click.echo(row(name, entry.title, size, path or ("drawn when asked for" if entry.drawn else "not here")))


@data.command("where")
def data_where():
    """List the folders that are searched, in order."""
    for folder in datasets.search_folders():
        click.echo(folder)


@data.command("fetch")
@click.argument("name", type=click.Choice(datasets.names()))
def data_fetch(name):
    """Download a data set and verify it."""
    click.echo(datasets.fetch(name, progress=True))


@data.command("verify")
@click.argument("names", nargs=-1, type=click.Choice(datasets.names()))
@click.pass_context
def data_verify(context, names):
    """Take checksums afresh and read the files whole: of these data sets, or of all that are here."""
    failed = False
    for name in names or [name for name in datasets.names() if datasets.find(name)]:
        found = datasets.verify(name)
        failed = failed or bool(found.problem)
        click.echo(f"{name}: {found.problem or found.provenance.line()}")
    context.exit(1 if failed else 0)


def _run(project, jobs, *, force, workers, address, upload):
    """Execute, with progress, and say what failed; return how each job ended, by its label."""
    if upload and address is None:
        raise click.UsageError("--upload needs --dask")
    with _Progress() as progress:
        if address is None:
            outcome = execute.run_jobs(project, jobs, force=force, workers=workers, notify=progress)
        else:
            outcome = dask.run_jobs(project, jobs, address, force=force, upload=upload, notify=progress)
    for job in jobs:
        if outcome[job.label] == "failed":
            log = project.log(*job.place).relative_to(project.root)
            click.echo(f"failed: {job.label}: {progress.messages[job.label]} (log: {log})")
    return outcome


def _code(outcome):
    """The exit code of a run."""
    return int("failed" in outcome.values())


def _site(project, profile, **which):
    start = time.monotonic()
    rendered = site.build_site(project, profile, **which)
    for name, problem in site.unshown_references(project).items():
        click.echo(f"{name} does not show its full run: {problem}")
    did = f"rendered in {time.monotonic() - start:.0f} s" if rendered else "unchanged"
    click.echo(f"The site ({did}) is at {project.html.relative_to(project.root)}/index.html; `make serve` shows it.")


class _Progress:
    """A live table on a terminal; a line a change of state elsewhere."""

    def __init__(self):
        self._console = Console()
        self._events, self._began = {}, {}
        self.messages = {}
        self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=4)

    def __enter__(self):
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *exception):
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, event):
        before = self._events.get(event.name)
        self._events[event.name] = event
        if event.message:
            self.messages[event.name] = event.message
        if event.state == "running":
            self._began.setdefault(event.name, time.monotonic() - event.seconds)
        if not self._console.is_terminal and (before is None or before.state != event.state):
            seconds = f" after {event.seconds:.0f} s" if event.seconds else ""
            message = f": {event.message}" if event.message else ""
            click.echo(f"{event.name} {event.state}{seconds}{message}")
            sys.stdout.flush()

    def _table(self):
        ended = sum(event.state in ("fresh", "done", "failed") for event in self._events.values())
        table = Table("notebook", "state", "cells", "seconds", "", caption=f"{ended} of {len(self._events)}")
        # Of a long list, what is under way and what went wrong.
        brief = len(self._events) > _ROWS
        shown = [item for item in self._events.items() if not brief or item[1].state in ("running", "failed")]
        for name, event in shown[-_ROWS:]:
            running = event.state == "running"
            seconds = time.monotonic() - self._began[name] if running else event.seconds
            table.add_row(
                name,
                f"[{_STYLE[event.state]}]{event.state}[/]",
                f"{event.cell}/{event.of}" if event.of else "",
                f"{seconds:.0f}" if seconds else "",
                event.message if event.state != "running" else self.messages.get(name, ""),
            )
        return table


if __name__ == "__main__":
    main()
