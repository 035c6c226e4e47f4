"""The process of a watched script: it runs as ``__main__``, as Python would have run it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# torch is loaded after the arguments of the script are in place.
Tell = Callable[[dict[str, Any]], None]


def run_here(script: str, arguments: Sequence[str], settings: dict[str, str], tell: Tell) -> int:
    """Run a script under a watcher in this process.

    Args:
        script: path of it.
        arguments: that it finds in ``sys.argv``.
        settings: ``on_nonfinite``, ``out``.
        tell: gets every fault and note, and the document at the end.

    Returns:
        The exit code of the script.
    """
    from losszoo.watching.faults import Log
    from losszoo.watching.patches import Patches
    from losszoo.watching.watch_state import Settings
    from losszoo.watching.watcher import Watcher

    log = Log(tell, int(os.environ.get("RANK", "0")))
    watcher = Watcher(log, Settings(settings["on_nonfinite"], Path(settings["out"]).absolute()))
    patches = Patches(watcher)
    patches.put_on()
    code, ended = 1, "raised"
    try:
        code, ended = _run(script, arguments, watcher)
    finally:
        own = os.getpid() == watcher.document()["pid"]
        patches.take_off()
        if own:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                watcher.finish(ended in ("ended", "exit"))
            tell({"end": watcher.document() | {"ended": ended, "code": code}})
    return code


def _run(script: str, arguments: Sequence[str], watcher: Any) -> tuple[int, str]:
    """Exit code, and how it ended."""
    from losszoo.watching.watch_state import StoppedError

    module = types.ModuleType("__main__")
    module.__dict__.update(__file__=script, __builtins__=__builtins__, __cached__=None)
    sys.modules["__main__"] = module
    sys.argv[:] = [script, *arguments]
    sys.path[0] = str(Path(script).resolve().parent)
    try:
        with io.open_code(os.path.abspath(script)) as file:
            code = compile(file.read(), script, "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except StoppedError:
        return 1, "stopped"
    except SystemExit as left:
        return _code_of(left), "exit"
    except KeyboardInterrupt:
        _print_trace()
        return 130, "interrupted"
    except BaseException as error:
        watcher.state.active = False
        sys.excepthook(type(error), error, _without_ours(error))
        return 1, "raised"
    return 0, "ended"


def _code_of(left: SystemExit) -> int:
    if left.code is None or isinstance(left.code, int):
        return int(left.code or 0) & 0xFF
    print(left.code, file=sys.stderr)
    return 1


def _print_trace() -> None:
    kind, error, _ = sys.exc_info()
    if error is not None:
        traceback.print_exception(kind, error, _without_ours(error))


def _without_ours(error: BaseException) -> Any:
    """The traceback of the script alone: frames of losszoo.watching are left out."""
    trace, kept = error.__traceback__, list[types.TracebackType]()
    while trace is not None:
        module, name = str(trace.tb_frame.f_globals.get("__name__")), trace.tb_frame.f_code.co_name
        if module == "torch.overrides" and name == "handle_torch_function":
            kept.pop()  # what looks at the first steps made torch go this way round
        elif not module.startswith("losszoo.watching"):
            kept.append(trace)
        trace = trace.tb_next
    shown = None
    for part in reversed(kept):
        shown = types.TracebackType(shown, part.tb_frame, part.tb_lasti, part.tb_lineno)
    error.__traceback__ = shown
    return shown


def main() -> None:
    """The entry point of the child: settings as JSON in its first argument."""
    settings = json.loads(sys.argv[1])
    channel = socket.socket(fileno=settings["channel"])
    channel.set_inheritable(False)
    channel.settimeout(10)
    owner = os.getpid()

    def tell(record: dict[str, Any]) -> None:
        """A line to the parent, which prints it before the script goes on."""
        if os.getpid() != owner:
            return
        from losszoo.common.files import jsonable

        with contextlib.suppress(OSError), warnings.catch_warnings():
            _flush()
            channel.sendall(json.dumps(jsonable(record)).encode() + b"\n")
            channel.recv(1)

    if settings["to_stderr"]:
        os.dup2(2, 1)
    code = run_here(settings["script"], settings["arguments"], settings, tell)
    _flush()
    sys.exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
