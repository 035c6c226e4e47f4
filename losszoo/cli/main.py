"""``losszoo``: the group of all commands, each loaded when it is called."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import signal
import sys
from typing import Any

import click

from losszoo._version import __version__
from losszoo.cli.shared_options import close_stdout, is_of_stdout, print_error, say_error
from losszoo.cli.threads import is_of_several
from losszoo.common.foreign_code import flush, lead_to_stderr
from losszoo.common.interrupt import forget_interrupts, remember_interrupts
from losszoo.common.text import in_one_line
from losszoo.errors import suggest

COMMANDS = {
    "list": "losszoo.cli.commands.list_command",
    "tasks": "losszoo.cli.commands.tasks_command",
    "info": "losszoo.cli.commands.info_command",
    "suggest": "losszoo.cli.commands.suggest_command",
    "run": "losszoo.cli.commands.run_command",
    "compare": "losszoo.cli.commands.compare_command",
    "tune": "losszoo.cli.commands.tune_command",
    "predict": "losszoo.cli.commands.predict_command",
    "doctor": "losszoo.cli.commands.doctor_command",
    "watch": "losszoo.cli.commands.watch_command",
    "bench": "losszoo.cli.commands.bench_command",
    "report": "losszoo.cli.commands.report_command",
    "replay": "losszoo.cli.commands.replay_command",
    "plugins": "losszoo.cli.commands.plugins_command",
    "new-plugin": "losszoo.cli.commands.new_plugin_command",
}


class LazyGroup(click.Group):
    """Commands by name, imported when used, so that ``losszoo list`` loads nothing of training."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(f"unknown command {args[0]!r}: {suggest(args[0], list(COMMANDS))}", ctx)
        return super().resolve_command(ctx, args)

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run; where stdout is closed or full, nothing can be answered, and one sentence says so."""
        if sys.stdout is None:  # `losszoo list >&-`
            say_error("stdout is closed: there is nowhere to write the answer")
            sys.exit(2)
        try:
            return super().main(*arguments, **options)
        except OSError as error:
            if not is_of_stdout(error):
                raise
            close_stdout()
            say_error(f"the answer cannot be written to stdout: {error.strerror or in_one_line(error)}")
            sys.exit(2)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; one that cannot even be read answers ``--json`` with a document too."""
        with_json = "--json" in ctx.args
        forget_interrupts()
        try:
            return super().invoke(ctx)
        except click.ClickException as error:
            if with_json:
                print_error(type(error).__name__, error.format_message())
            raise
        except KeyboardInterrupt as error:
            message = str(error) or "interrupted"
            if with_json:
                print_error("KeyboardInterrupt", message)
            say_error(message)
            raise click.exceptions.Exit(1) from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="losszoo")
def main() -> None:
    """A plugin-based zoo of loss functions for PyTorch.

    \b
    losszoo list                                  every installed loss
    losszoo info nca-stable                       formula, parameters, reference
    losszoo suggest churn.csv --target churned    which losses fit your data
    losszoo run --loss nca-stable --task abalone  train it, guarded
    losszoo compare --task digits --loss nca --loss sup-con   which is best
    losszoo tune --loss modern-nca --task abalone             its best settings
    losszoo predict RUN_DIR new.csv               new rows by the model of a run
    losszoo report comparisons                    many runs on one page
    losszoo doctor my_loss.py:MyLoss              where it breaks, and a remedy
    losszoo watch train.py                        what is wrong in its training
    losszoo bench nca --sizes 1024,8192           time and memory beside its peers

    Exit codes: 0 fine; 1 the answer is bad (a run was stopped by its guard or interrupted, a loss is sick); 2 there is
    no answer: wrong usage, an unknown name, missing data, a full disk, an error.
    """


def run_and_exit() -> None:
    """The entry point of the console script."""
    atexit.register(_on_signals, signal.SIG_IGN)  # the last of them all: nothing is left to interrupt
    remember_interrupts()
    try:
        main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
        _on_signals(lambda *_: os._exit(code))
        # Python ends by SIGINT where Ctrl-C came amid an exec of a text, as of a dataclass, though it was caught:
        # the next such exec makes it forget that.
        exec("")
        # The answer is written: what a plugin still says at exit, or C code has in its buffers, is no part of it.
        flush()
        lead_to_stderr()
        sys.stdout = sys.stderr
        if is_of_several():
            # The threads of torch.distributed may abort a process that ends in order, after all its work is done.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        # All that torch holds would be searched for cycles twice more, which takes longer than many a command.
        gc.freeze()
        raise


def _on_signals(handler: Any) -> None:
    """Once the answer stands, Ctrl-C and SIGTERM may end the process sooner, but not with another exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
