"""What all commands share: ``--json`` and ``--debug``, one place for errors, plain tables."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import click

from losszoo.cli.threads import is_first
from losszoo.common.foreign_code import STDOUT, flush, lead_to_stderr, put_back
from losszoo.common.interrupt import was_interrupted
from losszoo.common.text import counted as counted
from losszoo.common.text import in_one_line, printable
from losszoo.errors import LosszooError, NonFiniteError, SharedError
from losszoo.registry.registry import Registry

F = TypeVar("F", bound=Callable[..., Any])

# Where the one document goes while everything else that is printed goes to stderr.
_STDOUT = "losszoo.stdout"
_ANSWERED = "losszoo.answered"
_NARROWEST = 16


def command(name: str, kind: type[click.Command] = click.Command) -> Callable[[F], click.Command]:
    """A click command with ``--json`` and ``--debug``, whose errors are sentences and exit codes."""

    def make(function: F) -> click.Command:
        @functools.wraps(function)
        def guarded(debug: bool, **options: Any) -> None:
            with_json = bool(options.get("as_json"))
            with _stdout_for_the_document() if with_json else contextlib.nullcontext():
                try:
                    function(**options)
                except (click.ClickException, click.exceptions.Exit):
                    raise
                except BrokenPipeError:  # `losszoo list | head`
                    close_stdout()
                except (Exception, SystemExit) as error:  # a loss that calls sys.exit() does not end the command
                    if is_of_stdout(error):
                        raise
                    if was_interrupted():
                        raise KeyboardInterrupt from error
                    _report(error, with_json, debug)

        made = click.command(name, cls=kind)(guarded)
        made.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="One JSON document on stdout."),
            click.Option(["--debug"], is_flag=True, help="Show the traceback of an error."),
        ]
        return made

    return make


@contextlib.contextmanager
def _stdout_for_the_document() -> Iterator[None]:
    """What a loss or a library prints, from C or a subprocess too, must not end up inside the JSON document."""
    meta = click.get_current_context().meta
    flush()
    before = lead_to_stderr() if _is_real(sys.stdout) else None
    # The document has a way out of its own.
    encoding = sys.stdout.encoding
    meta[_STDOUT] = sys.stdout if before is None else os.fdopen(before, "w", encoding=encoding, closefd=False)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        document = meta.pop(_STDOUT)
        if before is not None:
            with contextlib.suppress(OSError):  # the reader has gone, or the disk is full, which was reported
                document.close()
            put_back(before)


def _is_real(stream: Any) -> bool:
    """Whether it is the process's own stdout; a test, or a notebook, may have put another one in its place."""
    try:
        return bool(stream.fileno() == STDOUT)
    except (OSError, ValueError, AttributeError):
        return False


def is_of_stdout(error: BaseException) -> bool:
    """Whether the answer could not be written, as on a full disk: it was click or this command line that wrote."""
    trace = error.__traceback__
    if not isinstance(error, OSError) or trace is None:
        return False
    while trace.tb_next:
        trace = trace.tb_next
    return str(trace.tb_frame.f_globals.get("__name__")).startswith(("click.", "losszoo.cli."))


def close_stdout() -> None:
    """The reader has gone; text in the buffer must not raise at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report(error: BaseException, with_json: bool, debug: bool) -> None:
    ours = isinstance(error, LosszooError)
    environment = isinstance(error, OSError | MemoryError)
    said = str(error) if ours else in_one_line(error)
    if isinstance(error, MemoryError):
        said = f"memory ran out: {said}; try smaller sizes"
    message = "\n".join(map(printable, said.split("\n")))
    if debug:
        import traceback

        traceback.print_exception(error)
    if with_json:
        print_error(type(error).__name__, message)
    if is_first() or not isinstance(error, SharedError):
        say_error(message)
    if not (ours or environment or debug):
        click.echo("--debug shows the traceback.", err=True)
    # 1 is an answer that is bad; a command that broke has none.
    raise click.exceptions.Exit(1 if isinstance(error, NonFiniteError) else 2)


def say_error(message: str) -> None:
    """The one sentence on stderr."""
    click.echo(f"{click.style('error', fg='red', bold=True)}: {message}", err=True)


def print_json(document: Any) -> None:
    """The one document on stdout; a second one, of an error after the answer, is left out."""
    import json

    meta = click.get_current_context().meta
    if not meta.get(_ANSWERED):
        text = json.dumps(document, indent=2, allow_nan=False)
        meta[_ANSWERED] = True
        click.echo(text, file=meta.get(_STDOUT))


def print_error(kind: str, message: str) -> None:
    """The document of a command that has no answer."""
    print_json({"error": {"type": kind, "message": message}})


def warn_of_failures(registry: Registry) -> None:
    """One line where a plugin is broken: it must not go unseen, nor bury what was asked for."""
    if registry.failures:
        click.echo(f"{counted(len(registry.failures), 'plugin problem')}; see: losszoo plugins", err=True)


def width() -> int | None:
    """Columns of the terminal; None in a pipe, where a line stays whole so that grep finds it."""
    if os.environ.get("COLUMNS") or sys.stdout.isatty():
        import shutil  # here, as its archives are slow to load, and a pipe has no width

        return shutil.get_terminal_size().columns
    return None


def columns(rows: Iterable[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows as lines, every column as wide as its widest cell; the last cell hangs where the terminal ends."""
    table = [list(row) for row in rows]
    if not table:
        return []
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    leads = [indent + "".join(f"{cell.ljust(w)}  " for cell, w in zip(row, widths, strict=False)) for row in table]
    return ["\n".join(hanging(lead, row[-1])) for lead, row in zip(leads, table, strict=True)]


def hanging(lead: str, text: str, within: int | None = None) -> list[str]:
    """Text after a lead, in lines that fit the terminal; words are never broken."""
    room = within or width()
    if room is None or room - len(lead) < _NARROWEST:
        return [(lead + text).rstrip()]
    import textwrap

    lines = textwrap.wrap(text, room - len(lead), break_long_words=False, break_on_hyphens=False) or [""]
    return [((" " * len(lead) if i else lead) + line).rstrip() for i, line in enumerate(lines)]


def exit_with(code: int) -> None:
    """Leave with a code that is part of the interface."""
    sys.stdout.flush()
    raise click.exceptions.Exit(code)
