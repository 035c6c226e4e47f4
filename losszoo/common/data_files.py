"""Where a data file comes from: the user's folder, a shared one, the cache, the net. Always by SHA-256."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from losszoo.errors import DataError, MissingDataError

_TIMEOUT = (5.0, 30.0)  # seconds to connect, and between two pieces of the answer


def data_file(task: str, filename: str, *, sha256: str, url: str) -> Path:
    """The verified path of a task's data file.

    Looked for, in this order: ``$LOSSZOO_DATA/<task>/<filename>``; ``shared/data/<task>/<filename>`` in the
    working directory and every folder above it; the user's cache. What is nowhere is downloaded into it.

    Args:
        task: folder of the file, the name of its task.
        filename: name of the file.
        sha256: its hash, 64 hexadecimal digits.
        url: where it is downloaded from.

    Returns:
        Path of a file whose hash is ``sha256``.

    Raises:
        DataError: a copy that is not the expected file, or no copy and no download.

    Example:
        >>> import hashlib, os, tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "mine").mkdir()
        >>> _ = (folder / "mine" / "rows.csv").write_bytes(b"1,2")
        >>> os.environ["LOSSZOO_DATA"] = str(folder)
        >>> known = hashlib.sha256(b"1,2").hexdigest()
        >>> data_file("mine", "rows.csv", sha256=known, url="https://example.org/rows.csv").name
        'rows.csv'
        >>> del os.environ["LOSSZOO_DATA"]
    """
    for path in _placed(task, filename):
        if path.is_file():
            return _verified(path, sha256, url)
    cached = _cache_folder(task) / filename
    if cached.is_file() and _hash(cached) == sha256:
        return cached
    return _download(task, filename, sha256, url)


def _placed(task: str, filename: str) -> Iterator[Path]:
    """The places in which a person puts a file, the nearest first."""
    own = os.environ.get("LOSSZOO_DATA")
    if own:
        yield Path(own).expanduser() / task / filename
    here = Path.cwd()
    for folder in (here, *here.parents):
        yield folder / "shared" / "data" / task / filename


def _cache_folder(task: str) -> Path:
    import pooch

    return Path(pooch.os_cache("losszoo")) / task


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"data file {path} cannot be read ({error.strerror}); change its permissions or remove it"
        ) from error


def _verified(path: Path, sha256: str, url: str) -> Path:
    actual = _hash(path)
    if actual != sha256:
        raise DataError(
            f"data file {path} must have sha256 {sha256}, got {actual}, "
            f"{path.stat().st_size} bytes (truncated or altered?); replace it with a copy of {url}, "
            "or remove it and the next place is searched"
        )
    return path


def _download(task: str, filename: str, sha256: str, url: str) -> Path:
    """Into the cache under a temporary name; it takes its own name once the hash is right."""
    import pooch

    folder = _cache_folder(task)
    # Other protocols than HTTP are left to pooch's own choice.
    downloader = pooch.HTTPDownloader(timeout=_TIMEOUT) if url.startswith("http") else None
    try:
        with _quiet():
            got = pooch.retrieve(url, known_hash=f"sha256:{sha256}", fname=filename, path=folder, downloader=downloader)
    except ValueError as error:
        raise DataError(
            f"what {url} serves must have sha256 {sha256}, got another file, which was not kept ({error}); "
            f"{_where(task, filename)}"
        ) from error
    except OSError as error:
        raise MissingDataError(
            f"data file {task}/{filename} (sha256 {sha256}) is not on this machine, and downloading it "
            f"from {url} into {folder} failed ({_reason(error)}); {_where(task, filename)}"
        ) from error
    return Path(got)


def _where(task: str, filename: str) -> str:
    own = os.environ.get("LOSSZOO_DATA")
    return f"put a right copy at $LOSSZOO_DATA/{task}/{filename}, where LOSSZOO_DATA " + (
        f"is {own}" if own else "is a folder of your choice (it is not set)"
    )


def _reason(error: OSError) -> str:
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return type(error).__name__ + (f": {error.strerror}" if error.strerror else "")


@contextmanager
def _quiet() -> Iterator[None]:
    """Pooch prints a line for each download; our errors say what the user needs."""
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        yield
    finally:
        logger.setLevel(level)
