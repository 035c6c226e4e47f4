"""Where data files are looked for, and what is said when they are missing, altered or out of reach."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from losszoo.common.data_files import data_file
from losszoo.errors import DataError

CONTENT = b"1,2,3\n4,5,6\n"
# sha256sum of the bytes above (GNU coreutils).
SHA = "fb46cc821837f376e752a749250b1f04f30342de9abd0db66ed19ac336adbdb6"
Serve = Callable[..., str]
CLOSED = "http://127.0.0.1:9/rows.csv"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A machine of our own: a data folder, a team's folder, a cache and a working directory, all empty."""
    work = tmp_path / "team" / "project" / "deep"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    monkeypatch.setenv("LOSSZOO_DATA", str(tmp_path / "own"))
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "cache" / name)
    return {
        "own": tmp_path / "own" / "toy",
        "here": work / "shared" / "data" / "toy",
        "above": tmp_path / "team" / "shared" / "data" / "toy",
        "cache": tmp_path / "cache" / "losszoo" / "toy",
    }


def put(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rows.csv"
    path.write_bytes(content)
    return path


def get(url: str = CLOSED, sha256: str = SHA) -> Path:
    return data_file("toy", "rows.csv", sha256=sha256, url=url)


class _Server(BaseHTTPRequestHandler):
    def __init__(self, status: int, content: bytes, length: int, *args: object) -> None:
        self.status, self.content, self.length = status, content, length
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(self.length))
        self.end_headers()
        self.wfile.write(self.content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Serve]:
    """A server on the loopback that answers everything with the given content."""
    servers = []

    def start(content: bytes, status: int = 200, promised: int | None = None) -> str:
        handler = partial(_Server, status, content, len(content) if promised is None else promised)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}/rows.csv"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_constant_is_the_hash_of_the_content() -> None:
    assert hashlib.sha256(CONTENT).hexdigest() == SHA


def test_order_of_places(places: dict[str, Path]) -> None:
    for name in ("cache", "above", "here", "own"):  # from the last place to the first
        path = put(places[name])
        assert get() == path


def test_without_the_variable(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOSSZOO_DATA")
    put(places["own"])
    shared = put(places["above"])
    assert get() == shared


def test_empty_variable_means_not_set(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSZOO_DATA", "")
    shared = put(places["above"])
    assert get() == shared


@pytest.mark.parametrize("place", ["own", "here", "above"])
def test_altered_file_is_named(places: dict[str, Path], place: str) -> None:
    path = put(places[place], CONTENT[:5])
    actual = hashlib.sha256(CONTENT[:5]).hexdigest()
    with pytest.raises(DataError, match=rf"{path} must have sha256 {SHA}, got {actual}, 5 bytes") as caught:
        get()
    assert f"replace it with a copy of {CLOSED}" in str(caught.value)


def test_no_file_and_no_network(places: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataError, match=r"toy/rows\.csv \(sha256 fb46.*not on this machine") as caught:
        get()
    message = str(caught.value)
    assert SHA in message
    assert CLOSED in message
    assert "$LOSSZOO_DATA/toy/rows.csv" in message
    assert str(places["own"].parent) in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")
    assert left_in(places["cache"]) == []


def test_the_error_says_when_the_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOSSZOO_DATA")
    with pytest.raises(DataError, match="a folder of your choice"):
        get()


def test_download(places: dict[str, Path], serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    path = get(serve(CONTENT))
    assert path == places["cache"] / "rows.csv"
    assert path.read_bytes() == CONTENT
    assert capfd.readouterr() == ("", "")
    assert get() == path  # from the cache: the second address is closed


def test_download_replaces_an_altered_cache(places: dict[str, Path], serve: Serve) -> None:
    put(places["cache"], b"half")
    assert get(serve(CONTENT)).read_bytes() == CONTENT
    assert left_in(places["cache"]) == ["rows.csv"]


def test_altered_download_is_not_kept(places: dict[str, Path], serve: Serve) -> None:
    url = serve(b"something else")
    with pytest.raises(
        DataError, match=f"what {url} serves must have sha256 {SHA}, got another file, which was not kept"
    ):
        get(url)
    assert left_in(places["cache"]) == []


def test_broken_off_download_is_not_kept(places: dict[str, Path], serve: Serve) -> None:
    with pytest.raises(DataError):
        get(serve(CONTENT[:4], promised=len(CONTENT)))
    assert left_in(places["cache"]) == []


def test_status_of_a_refusal_is_said(serve: Serve) -> None:
    with pytest.raises(DataError, match="HTTP status 404"):
        get(serve(b"", status=404))


def test_silent_server_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("losszoo.common.data_files._TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(DataError, match="ReadTimeout"):
        get(f"http://127.0.0.1:{silent.getsockname()[1]}/rows.csv")


def test_unreadable_file(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    put(places["own"])

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\)"):
        get()


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
