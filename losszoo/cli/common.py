"""What all commands share: ``--json`` and ``--debug``, one place for errors, plain tables."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import click

from losszoo.errors import LosszooError, NonFiniteError
from losszoo.registry.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])


def command(name: str, **settings: Any) -> Callable[[F], click.Command]:
    """A click command with ``--json`` and ``--debug``, whose errors are sentences and exit codes."""

    def make(function: F) -> click.Command:
        @functools.wraps(function)
        def guarded(debug: bool, **options: Any) -> None:
            with_json = bool(options.get("as_json"))
            try:
                function(**options)
            except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
                raise
            except Exception as error:
                if debug:
                    raise
                _report(error, with_json)

        guarded = click.option("--debug", is_flag=True, help="Show the traceback of an error.")(guarded)
        guarded = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")(guarded)
        return click.command(name, **settings)(guarded)

    return make


def _report(error: Exception, with_json: bool) -> None:
    ours = isinstance(error, LosszooError)
    message = str(error) if ours else f"{type(error).__name__}: {error}"
    if with_json:
        print_json({"error": {"type": type(error).__name__, "message": message}})
    click.echo(f"{click.style('error', fg='red', bold=True)}: {message}", err=True)
    if not ours:
        click.echo("This was not foreseen; --debug shows where it happened.", err=True)
    raise click.exceptions.Exit(2 if ours and not isinstance(error, NonFiniteError) else 1)


def print_json(document: Any) -> None:
    """The one document on stdout."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def warn_of_failures(registry: Registry) -> None:
    """One line where a plugin is broken: it must not go unseen, nor bury what was asked for."""
    if registry.failures:
        count = len(registry.failures)
        click.echo(f"{count} plugin problem{'s' if count > 1 else ''}; see: losszoo plugins", err=True)


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows as lines, every column as wide as its widest cell."""
    table = [list(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return [indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def exit_with(code: int) -> None:
    """Leave with a code that is part of the interface."""
    sys.stdout.flush()
    raise click.exceptions.Exit(code)
