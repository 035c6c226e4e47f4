"""A study that two hosts share through PostgreSQL, one of which is killed. The server is started by the test."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from quick_study import QUICK, plan_of
from waiting import PATIENCE, wait_for

from losszoo.errors import UsageError
from losszoo.tuning import study
from losszoo.tuning.storage import open_storage

TRIALS = 12


def binary(name: str) -> str | None:
    """Of the newest version; Debian keeps them off the path."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else shutil.which(name)


def unprivileged() -> dict[str, Any]:
    """How a process is started that is not root's, which the server refuses."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError("there is no unprivileged user")


pytestmark = pytest.mark.skipif(
    binary("initdb") is None or binary("postgres") is None,
    reason="PostgreSQL is not installed (apt install postgresql)",
)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), 1.0).close()
        return True
    return False


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of an empty database on 127.0.0.1."""
    folder = Path(tempfile.mkdtemp(prefix="lz", dir="/tmp"))  # a folder of the tests can be entered by their user alone
    how = unprivileged()
    if how:
        os.chown(folder, how["user"], how["group"])
    (folder / "password").write_text("secret")
    (folder / "password").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    made = [binary("initdb"), "-D", f"{folder}/data", "-U", "me", "-A", "scram-sha-256", f"--pwfile={folder}/password"]
    log = (folder / "log").open("w")
    try:
        subprocess.run([*made, "--no-sync"], check=True, stdout=log, stderr=log, cwd=folder, **how)
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": str(folder),
            "fsync": "off",
        }
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = [binary("postgres"), "-D", f"{folder}/data", *given]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **how)
        try:
            wait_for(lambda: answers(port) or process.poll() is not None)
            assert process.poll() is None, (folder / "log").read_text()
            yield f"postgresql://me:secret@127.0.0.1:{port}/postgres"
        finally:
            process.send_signal(signal.SIGINT)  # the server's fast shutdown
            process.wait(60)
    finally:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


# Another host is another name; its process cannot be seen from here, so a dead one is known by its silence alone.
HOST = """
import socket, sys
name = sys.argv.pop(1)
socket.gethostname = lambda: name
from losszoo.tuning import heartbeat
heartbeat.BEAT_SECONDS, heartbeat.SILENT_SECONDS = 0.5, 8.0
from losszoo.cli.main import run_and_exit
run_and_exit()
"""


def host(name: str, url: str, folder: Path) -> subprocess.Popen[str]:
    asked = [
        "tune",
        "--loss",
        "./slow.py:slow",
        "--task",
        "diabetes",
        "--trials",
        str(TRIALS),
        "--storage",
        url,
        "--json",
    ]
    given = [*asked, "--epochs", "2", "--search", QUICK["search"][0], "--set", QUICK["set"][0]]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", HOST, name, *given, "--study", "shared"]
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


# Nobody ends a trial before both have begun one.
SLOW = """
import time
from pathlib import Path
import torch

def slow(predictions, targets):
    while not Path("go").exists():
        time.sleep(0.05)
    time.sleep(0.2)
    return torch.nn.functional.mse_loss(predictions, targets, reduction="none")
"""


def test_two_hosts_share_a_study_and_one_that_is_killed_loses_nothing(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow.py").write_text(SLOW)
    plan = plan_of("tunings", "./slow.py:slow", storage=server, study="shared", trials=TRIALS)

    shared = study.open_study(plan)

    def trials() -> list[Any]:
        return shared.get_trials(deepcopy=False)

    def hosts(*states: str) -> Counter[str]:
        return Counter(t.user_attrs.get(study.HOST) for t in trials() if t.state.name in states)

    one, other = (host(name, server, tmp_path) for name in ("one", "other"))
    wait_for(lambda: set(hosts("RUNNING")) == {"one", "other"})
    (tmp_path / "go").touch()
    wait_for(lambda: hosts("COMPLETE", "PRUNED")["other"] and hosts("RUNNING")["other"])
    other.kill()
    other.communicate()
    one.communicate(timeout=PATIENCE)
    if hosts("RUNNING"):  # it ended with "waiting" before the silence was long enough
        time.sleep(9)
    last = host("one", server, tmp_path)
    out, said = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, said
    document = json.loads(out)
    assert (document["status"], document["trials"]["total"], document["trials"]["running"]) == ("completed", TRIALS, 0)
    ended = hosts("COMPLETE", "PRUNED")
    assert set(ended) == {"one", "other"}
    assert ended.total() == TRIALS
    assert len({json.dumps(t.params) for t in trials() if t.state.name in ("COMPLETE", "PRUNED")}) > TRIALS // 2


def test_a_wrong_password_and_a_missing_database_are_sentences(server: str) -> None:
    for url in (server.replace("secret", "wrong-one"), server.replace("/postgres", "/nowhere")):
        with pytest.raises(UsageError, match=r"storage must be a database that can be opened") as raised:
            open_storage(url)
        assert "secret" not in str(raised.value)
        assert "wrong-one" not in str(raised.value)
        assert "\n" not in str(raised.value)


def test_a_changed_trial_is_refused(server: str, tmp_path: Path) -> None:
    import psycopg
    from quick_study import quick

    how: dict[str, Any] = {"storage": server, "study": "changed"}
    quick(str(tmp_path), trials=2, **how)
    quick(str(tmp_path), trials=2, **how)
    with psycopg.connect(server) as connection:
        connection.execute(
            "UPDATE trial_values SET value = value + 1 WHERE trial_id IN (SELECT trial_id FROM trials JOIN studies "
            "USING (study_id) WHERE study_name = 'changed' AND number = 1)"
        )
    with pytest.raises(UsageError, match="must be as it was written, got trial 1 without a checksum that fits"):
        quick(str(tmp_path), trials=3, **how)
