"""Timeouts and memory, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from losszoo.common import process_memory, timeouts
from losszoo.common.process_memory import Peak
from losszoo.common.timeouts import Alarm, where_it_hung
from losszoo.comparison.worker import timeout_error

LIMIT = 0.5


def run(code: str, path: Path) -> subprocess.CompletedProcess[str]:
    head = (
        f"import time\nfrom losszoo.common.timeouts import Alarm, TimeUpError\nalarm = Alarm({LIMIT}, {str(path)!r})\n"
    )
    head = head.replace("import time\n", "import time\nfrom pathlib import Path\n").replace(
        repr(str(path)), f"Path({str(path)!r})"
    )
    return subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, timeout=600, check=False)


def test_a_loop_in_python_is_ended_by_an_exception_that_no_except_catches(tmp_path: Path) -> None:
    code = """
try:
    with alarm:
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                pass
except TimeUpError:
    print("ended", alarm.rang, alarm.path.exists())
"""
    done = run(code, tmp_path / "hung.txt")
    assert done.stdout == "ended True False\n", done.stderr


def test_code_that_swallows_it_is_rung_at_again(tmp_path: Path) -> None:
    code = """
rings = 0
try:
    with alarm:
        while True:
            try:
                time.sleep(0.01)
            except BaseException:
                rings += 1
                if rings == 2:
                    raise
except TimeUpError:
    print("ended after", rings)
"""
    assert run(code, tmp_path / "hung.txt").stdout == "ended after 2\n"


def test_a_loop_in_c_is_ended_with_its_process_and_leaves_the_line(tmp_path: Path) -> None:
    path = tmp_path / "hung.txt"
    done = run("with alarm:\n    sum(range(10**13))\n", path)
    assert done.returncode == 1
    place = where_it_hung(path)
    assert place is not None
    assert "<string>, line" in place


def test_what_ends_in_time_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hung.txt"
    done = run(f"with alarm:\n    pass\ntime.sleep({LIMIT + 0.5})\nprint(alarm.rang, alarm.path.exists())", path)
    assert done.stdout == "False False\n"
    assert where_it_hung(path) is None
    (tmp_path / "empty").touch()
    assert where_it_hung(tmp_path / "empty") is None


def test_without_that_signal_the_thread_alone_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.delattr(timeouts.signal, "setitimer")
    monkeypatch.delattr(timeouts.signal, "SIGALRM")
    with Alarm(600, tmp_path / "hung.txt") as unheard:
        assert unheard.path.exists()
    assert not unheard.path.exists()


def test_a_timeout_says_where_if_that_is_known() -> None:
    assert timeout_error(8, "my.py:3")["message"] == "stopped after 8 s at my.py:3"
    assert timeout_error(0.5, "")["message"] == "stopped after 0.5 s"


def test_the_peak_counts_what_was_given_back_since_and_nothing_before() -> None:
    """On Linux; elsewhere the mark cannot be reset."""
    before = bytearray(300_000_000)
    before[::4096] = b"1" * len(before[::4096])
    del before
    peak = Peak()
    block = bytearray(100_000_000)
    block[::4096] = b"1" * len(block[::4096])
    del block
    found = peak.megabytes()
    assert found is not None
    assert found > 90
    if sys.platform == "linux":
        assert found < 200


def test_a_system_that_tells_no_memory_has_no_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As Windows, which has neither /proc nor getrusage."""
    monkeypatch.setattr(process_memory, "resource", None)
    monkeypatch.setattr(process_memory, "_STATUS", tmp_path / "status")
    monkeypatch.setattr(process_memory, "_CLEAR", tmp_path / "no" / "clear_refs")
    assert Peak().megabytes() is None


@pytest.mark.parametrize("module", ["fcntl", "resource"])
def test_what_windows_lacks_is_no_fault_of_an_import(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; import losszoo.comparison.compare, losszoo.comparison.worker"
    subprocess.run([sys.executable, "-c", code], check=True)
