"""Storages that cannot be reached or opened: one sentence, without the password, at once."""

from __future__ import annotations

import resource
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from losszoo.errors import UsageError
from losszoo.tuning import storage
from losszoo.tuning.storage import file_url, open_storage, shown


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("postgresql://me:secret@db:5432/study", "postgresql://me:***@db:5432/study"),
        ("mysql+pymysql://me:se@cr@et@db/study", "mysql+pymysql://me:***@db/study"),
        ("postgresql://me:se/cr@et@db/study", "postgresql://me:***@db/study"),
        ("postgresql://me@db/study", "postgresql://me@db/study"),
        ("postgresql://db/study", "postgresql://db/study"),
        ("sqlite:////home/me/study.db", "sqlite:////home/me/study.db"),
        ("nonsense", "nonsense"),
    ],
)
def test_the_password_is_hidden(url: str, safe: str) -> None:
    assert shown(url) == safe


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("study.db", r"storage must be a URL such as sqlite:///study\.db .*, got study\.db"),
        ("sqlite://", r"must outlive the process, got sqlite://, which is kept in memory only"),
        ("sqlite:///:memory:", r"must outlive the process"),
        (
            "sqlite:////dev/null/study.db",
            r"got sqlite:////dev/null/study\.db \(unable to open .*\); check that the file",
        ),
        (
            "postgresql://me:secret@localhost:1/x",
            r"got .* from localhost port 1 \(postgresql://me:\*\*\*@localhost:1/x\); check that",
        ),
        ("postgresql://me:secret@no-such-host.invalid/x", r"reachable, got .* \(postgresql://me:\*\*\*@no-such-host"),
        ("postgresql://me:secret@host:port/x", r"must be a URL with a port in digits"),
        ("postgres://me:secret@localhost/x", r"must begin with postgresql://, got postgres://me:\*\*\*@localhost/x"),
        ("redis://localhost", r"must be a database that can be opened, got redis://localhost"),
    ],
)
def test_what_cannot_be_opened_is_said_in_one_sentence(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        open_storage(url)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_host_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(address: tuple[str, int], timeout: float) -> socket.socket:
        assert address == ("db.example", 3306)
        assert timeout == storage.REACH_SECONDS
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    with pytest.raises(
        UsageError, match=r"got no answer from db\.example port 3306 \(mysql://me:\*\*\*@db\.example/x\)"
    ):
        open_storage("mysql://me:secret@db.example/x")


@pytest.mark.parametrize(
    ("scheme", "module", "package"),
    [
        ("postgresql", "psycopg", r"'losszoo\[postgresql\]'"),
        ("postgresql+psycopg", "psycopg", r"'losszoo\[postgresql\]'"),
        ("postgresql+psycopg2", "psycopg2", "psycopg2-binary"),
        ("mysql", "MySQLdb", "mysqlclient"),
        ("mysql+pymysql", "pymysql", "pymysql"),
    ],
)
def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch, scheme: str, module: str, package: str) -> None:
    """The module is the one that the installed SQLAlchemy imports for such a URL."""
    monkeypatch.setitem(sys.modules, module, None)
    with socket.create_server(("localhost", 0)) as listening:
        url = f"{scheme}://me:secret@localhost:{listening.getsockname()[1]}/x"
        with pytest.raises(UsageError, match=rf"needs a driver: pip install {package}$") as raised:
            open_storage(url)
    assert "secret" not in str(raised.value)


def test_the_extra_brings_the_driver_of_a_plain_url() -> None:
    """The advice of the test above, followed: what the extra installs is what SQLAlchemy asks for."""
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    brought = project["optional-dependencies"]["postgresql"]
    driver = sqlalchemy.make_url("postgresql://db/study").get_driver_name()
    assert any(requirement.startswith(f"{driver}[binary]") for requirement in brought)
    assert any(requirement.startswith("sqlalchemy>=2.1") for requirement in brought)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("not a database, but a text that is longer than the header of one " * 20)
    with pytest.raises(UsageError, match=r"\(file is not a database\); check that the file is an SQLite database"):
        open_storage(file_url(path))
    assert path.read_text().startswith("not a database")


def test_the_folder_of_a_file_is_made(tmp_path: Path) -> None:
    open_storage(file_url(tmp_path / "deep" / "er" / "study.db"))
    assert (tmp_path / "deep" / "er" / "study.db").exists()


def _small_files() -> None:
    """As on a disk that is full."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))


@pytest.mark.parametrize("command", ["tune", "compare"])
def test_a_folder_that_takes_no_results_is_no_fault_of_a_database(command: str, tmp_path: Path) -> None:
    """A file, a place below one, a file system that takes none, a disk that is full; then the advice is followed."""
    (tmp_path / "file").touch()
    cheap = ["--epochs", "1", *(["--trials", "1"] if command == "tune" else ["--seeds", "1"])]
    asked = [sys.executable, "-m", "losszoo", command, "--loss", "cross-entropy", "--task", "digits", *cheap, "--out"]

    def tried(out: str, **how: Any) -> tuple[int, str]:
        done = subprocess.run([*asked, out], capture_output=True, text=True, check=False, cwd=tmp_path, **how)
        return done.returncode, done.stderr

    def said(out: str, why: str) -> tuple[int, str]:
        return 2, f"error: out must be a folder that can be written, got {out} ({why}); choose another --out\n"

    assert tried("file") == said("file", "it is a file")
    assert tried("file/below") == said("file/below", "Not a directory")
    assert tried("/proc/x") == said("/proc/x", "No such file or directory")
    assert tried("full", preexec_fn=_small_files) == said("full", "File too large")
    assert tried("other")[0] == 0


def test_a_disk_that_fills_up_is_named_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """A real file system in a namespace of its own, which is then made larger."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this system lets nobody mount")
    tune = f"{sys.executable} -m losszoo tune --loss cross-entropy --task digits --trials 4 --epochs 1 --out out"
    (tmp_path / "out").mkdir()
    script = f"mount -t tmpfs -o size=1400k none out && ! {tune} && mount -o remount,size=40m out && {tune}"
    command = ["unshare", "-rm", "sh", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    said = "the disk of out is full, and what was written is kept; make room, and repeat the command"
    assert (done.returncode, done.stderr) == (0, f"error: {said}\n")


def test_processes_that_open_one_new_file_at_once_all_have_it(tmp_path: Path) -> None:
    """Each of them makes the tables, and all but one come second to some of them."""
    code = (
        "import sys, time, optuna\nfrom losszoo.tuning.storage import open_storage\n"
        "print(flush=True); sys.stdin.readline()\n"
        "for number in range(6): open_storage(f'sqlite:///{number}.db')"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, text=True, **pipes) for _ in range(4)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        print(file=process.stdin, flush=True)
    errors = [process.communicate(timeout=1800)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, errors


TAKES = """
import sys, optuna
from losszoo.tuning.storage import one_by_one, open_storage
study = optuna.load_study(study_name="waiting", storage=open_storage(sys.argv[1]))
print("ready", flush=True)
input()
for _ in range(30):
    with one_by_one(sys.argv[1]):
        trial = study.ask()
    print(trial.number)
"""


def test_no_waiting_trial_is_taken_by_two_processes(tmp_path: Path) -> None:
    """Without the lock SQLite gave about one in ten of them to two processes."""
    import optuna

    url = file_url(tmp_path / "study.db")
    study = optuna.create_study(storage=open_storage(url), study_name="waiting")
    for number in range(90):
        study.enqueue_trial({"x": number})
    command = [sys.executable, "-c", TAKES, url]
    workers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    taken = [number for worker in workers for number in worker.communicate()[0].split()]
    assert sorted(map(int, taken)) == list(range(90))
