"""Where a study is kept: an SQLite file, or any URL that Optuna takes. What cannot be reached is reported at once."""

from __future__ import annotations

import contextlib
import random
import socket
import sqlite3
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from losszoo.common.locks import NoLocksError, locked
from losszoo.common.text import in_one_line
from losszoo.errors import UsageError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

# A database that answers does so at once; a host that is away lets a plain connection wait for minutes.
REACH_SECONDS = 5.0
# Several processes write into one SQLite file, one after the other.
_SQLITE_WAIT_SECONDS = 60.0
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521}
# By the name of SQLAlchemy's driver, where the package is called otherwise. Which one a URL means that names none has
# changed between its versions.
_PACKAGES = {
    "psycopg": "'losszoo[postgresql]'",
    "psycopg2": "psycopg2-binary",
    "mysqldb": "mysqlclient",
    "mariadbconnector": "mariadb",
}
_HIDDEN = "***"
# How drivers tell the second of two processes that make a table, or write into one. SQLite has no code of its own for a
# table that is there already; among the errors of an opening, the general code has no other cause.
_SQLITE_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_ERROR)
_SQL_STATES = ("42P07", "42710", "23505")  # of PostgreSQL: table or object exists, a key that must be unique
_MYSQL_CODES = (1050, 1062)  # the same of MySQL and MariaDB
_ATTEMPTS = 20
# To take a trial is a matter of milliseconds; tries at a lock come ever more slowly, these within a minute.
_TRIES = 80


def require_optuna() -> None:
    """Optuna is an extra.

    Raises:
        UsageError: with the command that installs it.
    """
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UsageError('Optuna is not installed: pip install "losszoo[tune]"') from None


def is_of_database(error: BaseException) -> bool:
    """Whether it is the storage that has failed."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, StorageInternalError | SQLAlchemyError)


def origin_of(error: BaseException) -> BaseException:
    """What the driver of the database has raised, below Optuna and SQLAlchemy."""
    cause = error.__cause__ or error
    origin: BaseException = getattr(cause, "orig", None) or cause
    return origin


def file_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite:///{path.absolute()}"


def shown(url: str) -> str:
    """The URL with its password hidden.

    Example:
        >>> shown("postgresql://me:secret@db/study")
        'postgresql://me:***@db/study'
    """
    scheme, mark, rest = url.partition("://")
    host_part, slash, path = rest.partition("/")
    # A password may hold an @ or a / that should have been escaped: everything up to the last @ is hidden.
    if "@" in path:
        host_part, slash, path = rest.rpartition("@")[0] + "@" + rest.rpartition("@")[2], "", ""
    account, at, host = host_part.rpartition("@")
    user, colon, _ = account.partition(":")
    safe = f"{user}{colon}{_HIDDEN if colon else ''}{at}{host}{slash}{path}"
    return f"{scheme}{mark}{safe}"


def check_storage(url: str) -> str:
    """The kind of storage at a URL, which is of its form and whose host answers.

    Raises:
        UsageError: it is not, or does not.
    """
    kind = url.partition("://")[0].partition("+")[0]
    _check_form(url, kind)
    _check_host(url, kind)
    return kind


def open_storage(url: str) -> BaseStorage:
    """The storage at a URL.

    Raises:
        UsageError: it cannot be reached or opened; one sentence with the URL, without its password.
    """
    import optuna

    kind = check_storage(url)
    try:
        with _quiet():
            return optuna.storages.get_storage(_patiently(url, kind))
    except ImportError:
        from sqlalchemy import make_url

        driver = make_url(url).get_driver_name()
        raise UsageError(f"storage {shown(url)} needs a driver: pip install {_PACKAGES.get(driver, driver)}") from None
    except Exception as error:
        check = "user, password, the name of the database, and that it exists"
        if kind == "sqlite":
            check = "that the file is an SQLite database, in a folder that can be written, on a disk that has room"
        raise UsageError(
            f"storage must be a database that can be opened, got {shown(url)} ({_said(error, url)}); check {check}"
        ) from None


def _patiently(url: str, kind: str) -> Any:
    """Several processes that begin at once all make the tables; who comes second finds them there a moment later."""
    for _ in range(_ATTEMPTS):
        try:
            return _rdb(url, kind)
        except Exception as error:
            if not _is_of_another_process(error):
                raise
            time.sleep(random.uniform(0.1, 0.5))
    return _rdb(url, kind)


def _is_of_another_process(error: Exception) -> bool:
    origin = origin_of(error)
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES  # the other bytes tell their kinds apart
    code = origin.args[0] if origin.args else None
    return getattr(origin, "sqlstate", getattr(origin, "pgcode", None)) in _SQL_STATES or code in _MYSQL_CODES


def _rdb(url: str, kind: str) -> Any:
    import optuna

    if kind != "sqlite":
        return _closed(optuna.storages.RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
    with contextlib.suppress(OSError):  # said by the database itself
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": _SQLITE_WAIT_SECONDS}})
    _write_ahead(storage.engine)
    return _closed(storage)


@contextlib.contextmanager
def one_by_one(url: str) -> Iterator[None]:
    """Inside, no other process takes a trial: SQLite would let two of them take one that waits, as the default does.

    A server's database locks the row. On a file system without locks the trial may be taken twice.
    """
    lock = None
    if url.startswith("sqlite"):
        path = Path(f"{url.partition(':///')[2].partition('?')[0]}.lock")
        with contextlib.suppress(OSError, NoLocksError):
            lock = locked(path, tries=_TRIES)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


def _closed(storage: Any) -> Any:
    """With its connections closed once it is not used any more: a server counts them, and psycopg warns."""
    weakref.finalize(storage, storage.engine.dispose)
    return storage


def _write_ahead(engine: Any) -> None:
    """Readers beside a writer, and no wait for the disk at every write: a process that is killed loses nothing."""
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def _(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    engine.dispose()  # connections from before
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
    if found != "ok":
        raise ValueError(f"it is damaged: {' '.join(str(found).split())}")


def _check_form(url: str, kind: str) -> None:
    if "://" not in url or not kind:
        raise UsageError(
            "storage must be a URL such as sqlite:///study.db or postgresql://user:password@host/database, "
            f"got {shown(url)}"
        )
    if kind == "postgres":
        raise UsageError(f"storage must begin with postgresql://, got {shown(url)}")
    if url.rstrip("/") == "sqlite:" or url.endswith(":memory:"):
        raise UsageError(f"storage must outlive the process, got {shown(url)}, which is kept in memory only")


def _check_host(url: str, kind: str) -> None:
    """Whether a server listens there."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(kind)
    except ValueError as error:
        raise UsageError(f"storage must be a URL with a port in digits, got {shown(url)} ({error})") from None
    if kind == "sqlite" or not host or port is None:
        return
    try:
        socket.create_connection((host, port), timeout=REACH_SECONDS).close()
    except OSError as error:
        said = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise UsageError(
            f"storage must be reachable, got {said} from {host} port {port} ({shown(url)}); check that the "
            "database runs, that host and port are right, and that a firewall lets this machine through"
        ) from None


def _said(error: BaseException, url: str) -> str:
    """The first line of what the driver says, without the password."""
    origin = origin_of(error)
    text = in_one_line(Exception(str(origin).splitlines()[0] if str(origin) else type(origin).__name__))
    text = text.removeprefix("Exception: ")
    try:
        password = urlsplit(url).password
    except ValueError:
        password = None
    return text.replace(password, _HIDDEN) if password else text


@contextlib.contextmanager
def _quiet() -> Any:
    """Optuna and SQLAlchemy print what is said here in one sentence."""
    import logging

    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logger = logging.getLogger("optuna.storages")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
