"""What happens to a command after its answer: its exit code stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

# When the signal comes: after all exit handlers of others, before them, and as the interpreter clears its modules.
MOMENTS = {
    "last handler": "atexit.register(send)",
    "threads joined": "Waiting().start()",
    "modules cleared": "sys.late = Late()",
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_signal_after_the_answer_leaves_its_exit_code(moment: str, number: signal.Signals) -> None:
    code = f"""
import atexit, os, sys, threading, time
import losszoo.cli.main
def send(kill=os.kill, me=os.getpid()):
    kill(me, {int(number)})
class Waiting(threading.Thread):
    def run(self):
        threading.main_thread().join()
        send()
        time.sleep(1)
class Late:
    def __del__(self, send=send):
        send()
{MOMENTS[moment]}
sys.argv = ["losszoo", "list", "--json"]
losszoo.cli.main.run_and_exit()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=1800, check=False)
    assert json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_amid_an_import_exits_with_1(tmp_path: Path) -> None:
    """Importing torch makes classes by exec of a text; Python remembers the Ctrl-C that left one, and dies of it."""
    text = """
import sys
import losszoo.cli.main
class Finder:
    def find_spec(self, name, *more):
        if name == "losszoo.cli.commands.list_command":
            exec("raise KeyboardInterrupt")
sys.meta_path.insert(0, Finder())
sys.argv = ["losszoo", "list"]
losszoo.cli.main.run_and_exit()
"""
    (tmp_path / "interrupted.py").write_text(text)
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: interrupted\n")


def test_ctrl_c_that_an_import_turns_into_another_error_is_still_ctrl_c(tmp_path: Path) -> None:
    """As modules that are written in C do: "ImportError: initialization failed"."""
    (tmp_path / "own.py").write_text(
        "import os, signal, time\n"
        "try:\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    raise ImportError('initialization failed')\n"
    )
    command = [sys.executable, "-m", "losszoo", "info", "own.py:Rows", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: interrupted\n"
    assert json.loads(done.stdout)["error"]["type"] == "KeyboardInterrupt"
