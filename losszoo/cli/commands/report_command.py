"""``losszoo report``: one page of all that a folder of runs has given."""

from __future__ import annotations

import click

from losszoo.cli.progress_bar import status_line
from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import counted, print_json
from losszoo.common.text import printable


@make_command("report")
@click.argument("folder", metavar="DIR")
@click.option("--html", metavar="FILE", help="File of the page; DIR/report.html by default.")
@click.option("--title", default="", help="Title of the page; the name of DIR by default.")
@click.option("--metric", metavar="NAME", help="Metric that ranks losses; by default the one that decided the runs.")
@click.option("--no-doctor", is_flag=True, help="Do not ask the doctor about non-finite steps.")
@click.option("--open", "open_it", is_flag=True, help="Open the page in the browser.")
def command(
    folder: str, html: str | None, title: str, metric: str | None, no_doctor: bool, open_it: bool, as_json: bool
) -> None:
    """Write one self-contained HTML page about the runs in DIR.

    DIR is a comparison folder (losszoo compare), a run folder (losszoo run), or any folder that holds some. The page
    has leaderboards, curves, gradient norms, non-finite events with the doctor's finding, embeddings, and costs.

    \b
    losszoo report comparisons
    losszoo report runs --html runs.html --title "Three losses on abalone"
    losszoo report runs/abalone/nca-stable/20260101-120000-seed0-x1 --open
    """
    from losszoo.cli.threads import wait_politely
    from losszoo.reporting.report import make_report

    wait_politely()
    with status_line("reading") as say:
        written = make_report(
            folder,
            html,
            title=title,
            metric=metric,
            doctor=not no_doctor,
            on_bundle=lambda name: say(f"the doctor examines {name}"),
        )
    if as_json:
        print_json(written.to_dict())
    tasks = ", ".join(written.tasks)
    failed = f", {written.failed} without a result" if written.failed else ""
    click.echo(f"{counted(written.runs, 'run')} on {printable(tasks)}{failed}", err=as_json)
    if written.notes:
        click.echo(f"{counted(len(written.notes), 'file')} unread or left out: see the end of the page", err=True)
    click.echo(f"page: {printable(str(written.html))}", err=as_json)
    if open_it and click.launch(str(written.html.absolute())):
        click.echo("no browser could be started; open the page by hand", err=True)
