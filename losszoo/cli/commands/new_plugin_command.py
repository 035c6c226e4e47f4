"""``losszoo new-plugin NAME``: a package of one's own, ready to be installed."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from losszoo.cli.shared_options import command as make_command
from losszoo.cli.shared_options import print_json
from losszoo.registry.registry import installed


@make_command("new-plugin")
@click.argument("name")
@click.option("--out", default=".", show_default=True, metavar="DIR", help="Folder in which the new one is made.")
def command(name: str, out: str, as_json: bool) -> None:
    """Write a package with a loss, tests, CI and a README.

    NAME is in lower case with dashes. The folder must not exist: nothing is ever overwritten. The commands that are
    shown afterwards install the package, test it, and train its loss.

    \b
    losszoo new-plugin my-losses
    losszoo new-plugin my-losses --out ~/code
    """
    from losszoo.new_plugin.write_package import write_package

    made = write_package(name, out, installed())
    folder = shlex.quote(str(made.folder))
    following = [f"cd {folder}", "python -m pip install -e '.[test]'", "python -m pytest"]
    following += [f"losszoo run --loss {made.loss} --task {made.task}"] if made.task else [f"losszoo info {made.loss}"]
    if as_json:
        print_json({"folder": str(made.folder), "files": list(made.files), "loss": made.loss, "next": following})
        return
    click.echo(f"{name}: a package with the loss {made.loss}")
    click.echo("\n".join(f"  {Path(made.folder) / file}" for file in made.files))
    click.echo("next:\n" + "\n".join(f"  {line}" for line in following))
