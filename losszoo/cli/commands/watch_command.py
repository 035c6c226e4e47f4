"""``losszoo watch``: an unchanged training script, watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import exit_with, print_json
from losszoo.cli.threads import is_first, is_of_several, wait_politely
from losszoo.errors import UsageError

ON_NONFINITE = ("raise", "skip", "note")


class _Script(click.Command):
    """Options stand before the script; all that follows it is its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["context_settings"] = {"allow_interspersed_args": False}
        super().__init__(*args, **kwargs)


@make_command("watch", kind=_Script)
@click.argument("script", type=click.Path())
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--on-nonfinite",
    type=click.Choice(ON_NONFINITE),
    default="raise",
    show_default=True,
    help="After the diagnosis: stop, leave out the step, or go on.",
)
@click.option("--out", default="losszoo-watch", show_default=True, metavar="FOLDER", help="For the failing inputs.")
@click.option("--html", metavar="FILE", help="Write a page at the end: watch.html.")
def command(
    script: str, arguments: tuple[str, ...], on_nonfinite: str, out: str, html: str | None, as_json: bool
) -> None:
    """Run a training script, and say what is wrong in its training.

    Options of losszoo stand before SCRIPT; what follows it is for the script. Where a loss or a gradient is not finite,
    the doctor diagnoses that loss on that batch: operation, line, smallest input, remedy.

    \b
    losszoo watch train.py --epochs 3
    losszoo watch --on-nonfinite skip --html watch.html train.py
    torchrun --nproc-per-node 2 -m losszoo watch train.py

    Exit codes: that of the script, 128 + n where signal n ended it, unless it is 0; then 1 where something was found,
    else 0; 2: there is no such script, or wrong usage. A script that is stopped ends with 1.
    Under torchrun it is always that of the script.
    """
    if html is not None and (Path(html).suffix not in (".html", ".htm") or not Path(html).absolute().parent.is_dir()):
        raise UsageError(f"html must be a file.html in a folder that exists, got {html!r}")
    wait_politely()
    from losszoo.watching.process.run_script import check_script, run_script

    check_script(script)
    from rich.console import Console

    from losszoo.cli.tables.watch_table import show_end, show_now

    console = Console(stderr=True, highlight=False)

    def told(record: dict[str, Any]) -> None:
        # Every rank meets the same faults: the first one tells, and of the others only what is not finite.
        if is_first() or record.get("fault", {}).get("kind", "").startswith(("nan-", "inf-")):
            show_now(record, console)

    watched = run_script(script, arguments, {"on_nonfinite": on_nonfinite, "out": out}, told, as_json)
    if is_first():
        if as_json:
            from losszoo.common.files import jsonable

            print_json(jsonable(watched.to_dict()))
        show_end(watched, console)
        if html:
            from losszoo.watching.watch_page import write_page

            write_page(watched.to_dict(), html)
            click.echo(f"page: {html}", err=True)
    # Under torchrun a process that ends with 1 would end the others, which may still be at work.
    exit_with(watched.code if is_of_several() else watched.exit_code)
