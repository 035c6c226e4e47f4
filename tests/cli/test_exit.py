"""What happens to a command after its answer: its exit code stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

# When the signal comes: after all exit handlers of others, before them, and as the interpreter clears its modules.
MOMENTS = {
    "last handler": "atexit.register(send)",
    "threads joined": "threading.Thread(target=lambda: (threading.main_thread().join(), send(), time.sleep(1))).start()",
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
