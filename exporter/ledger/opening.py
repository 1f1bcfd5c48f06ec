"""Opening a ledger: the lock, the file, and whether it belongs to this export.

A ledger is made whole under another name and renamed, so that there is never half a ledger. The lock is a file of its
own, never removed: `flock` on it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from secrets import token_hex

import orjson

from exporter.account import Account
from exporter.destination import Destination
from exporter.disk import check_folder, check_owner, free_space, make_folder, sync_folder, translated
from exporter.errors import LedgerError, LockedError, OutputError
from exporter.ledger.database import Database, explained
from exporter.ledger.ledger import Ledger
from exporter.ledger.tables import ABOUT, MARK, SCHEMA, VERSION
from exporter.model import Pagination, Query

STATUS_LOOKS = 0.2
"""Seconds for which a lock is tried for: `status` holds it for a moment when it looks whether a run is alive."""


def identity(account: Account, query: Query, destination: Destination) -> dict[str, str]:
    """Name everything that must not change between two runs of one export, in words a person can compare.

    How many users a page has is a matter of speed; of a page by its number it is what the number means.
    """
    facts = query.describe()
    if query.pagination is Pagination.CURSOR:
        facts.pop("page_size", None)
    return {
        "account": account.origin,
        "output": "stdout" if destination.stdout else destination.file or "a folder",
        "compression": destination.compression.value,
        **{f"query {name}": orjson.dumps(_in_order(value)).decode() for name, value in facts.items()},
    }


def _in_order(value: object) -> object:
    """Roles and sideloads are the same query in whichever order they are named."""
    return sorted(value) if isinstance(value, tuple) else value


def is_blank(path: Path) -> bool:
    """Tell whether a ledger knows of nothing written: then it is in nobody's way."""
    with read_ledger(path) as ledger:
        sizes = sum(size for size, _ in ledger.files().values())
        return not sizes and not ledger.totals().users and next(ledger.intents(), None) is None


def known_files(path: Path) -> list[str]:
    """Return the output files that a ledger knows of, none if it can't be read."""
    try:
        with read_ledger(path) as ledger:
            return [name for name in ledger.files() if Path(name).name == name]
    except (LedgerError, OutputError):
        return []


def is_ledger(path: Path) -> bool:
    """Tell whether a file is a ledger, or what is left of one."""
    try:
        with read_ledger(path) as ledger:
            return "what" in ledger.about()
    except (LedgerError, OutputError):
        return path.stat().st_size == 0


@contextmanager
def locked(destination: Destination) -> Iterator[None]:
    """Hold the export's lock.

    :raises LockedError: at once, if another run holds it; OutputError: if it can't be made.
    """
    path = destination.lock
    if path is None:
        yield
        return
    with translated(path):
        if not destination.stdout:
            check_folder(destination.folder)
            make_folder(destination.folder)
            make_folder(path.parent)
            if path.parent.is_symlink():
                raise OutputError(f"{path.parent} is a symlink: no ledger is kept behind one")
            check_owner(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for each in (path, destination.ledger):
            if each is not None and os.path.lexists(each):
                check_owner(each)
        with translated(path):
            _lock(fd, destination)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, destination: Destination) -> None:
    until = time.monotonic() + STATUS_LOOKS
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            if time.monotonic() > until:
                process = os.pread(fd, 20, 0).decode(errors="replace").strip()
                raise LockedError(f"another run (process {process}) is writing to {destination.text}") from exc
            time.sleep(STATUS_LOOKS / 10)


def holder(destination: Destination) -> str | None:
    """Name the process that holds the lock, by its number; None if none does."""
    try:
        # Never through a symlink, and never waiting for a pipe: `status` may look at what others have made.
        fd = os.open(destination.lock or "", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(fd, 20).decode(errors="replace").strip()
    else:
        return None
    finally:
        os.close(fd)


def remove_ledger(path: Path) -> None:
    """Remove a ledger and what SQLite puts beside it: that first, or a new ledger would take it for its own.

    :raises OutputError: if the disk refuses.
    """
    for suffix in ("-wal", "-shm", "-journal", MARK, ".new-wal", ".new-shm", ".new-journal", ".new", ""):
        each = path.with_name(path.name + suffix)
        with translated(each), suppress(FileNotFoundError):
            each.unlink()


@contextmanager
def open_ledger(path: Path | None, belongs_to: dict[str, str], roles: tuple[str, ...]) -> Iterator[Ledger]:
    """Open the ledger at `path`, or make it; None makes one that nobody will find again.

    :raises LedgerError: if it belongs to another export, or can't be read.
    """
    try:
        if path is not None and not path.exists():
            _make(path, belongs_to, roles)
        connection = _connect(path) if path is not None else sqlite3.connect(":memory:", isolation_level=None)
        if path is None:
            _fill(connection, belongs_to, roles)
    except sqlite3.Error as exc:
        raise explained(exc, path, "read") from exc
    with closing(Database(connection, path)) as database:
        try:
            database.check()
            ledger = Ledger(database)
            _check(path, ledger, belongs_to)
        except LedgerError:
            database.close(as_it_is=True)
            raise
        database.begin()
        try:
            yield ledger
        finally:
            database.end()


@contextmanager
def read_ledger(path: Path) -> Iterator[Ledger]:
    """Open a ledger to look at it only; a run may be writing it.

    :raises LedgerError: if there is none, or it can't be read.
    """
    _check_names(path)
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as database:
            _check_tables(path, database)
            yield Ledger(Database(database, path))
    except sqlite3.Error as exc:
        raise explained(exc, path, "read") from exc


def _make(path: Path, belongs_to: dict[str, str], roles: tuple[str, ...]) -> None:
    remove_ledger(path)
    new = path.with_name(path.name + ".new")
    try:
        os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        with closing(sqlite3.connect(new, isolation_level=None)) as database:
            _fill(database, belongs_to, roles)
            # Here, where a sync that fails costs just this file; the mode stays what it was then, without an error.
            if database.execute("PRAGMA journal_mode=WAL").fetchone() != ("wal",):
                raise sqlite3.OperationalError("no write-ahead log can be kept there")
        new.rename(path)
    except (OSError, sqlite3.Error) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise OutputError(f"{path} can't be made ({reason}){free_space(path)}") from exc
    sync_folder(path.parent)  # before any output: what a power loss leaves of that needs a ledger to belong to


def _fill(database: sqlite3.Connection, belongs_to: dict[str, str], roles: tuple[str, ...]) -> None:
    database.executescript(f"BEGIN; {SCHEMA} COMMIT;")
    database.execute("BEGIN")
    database.executemany("INSERT INTO about VALUES (?, ?)", (ABOUT | belongs_to | {"made": token_hex(8)}).items())
    database.executemany("INSERT INTO stream (role) VALUES (?)", [(role,) for role in roles])
    database.executemany("INSERT INTO range (role) VALUES (?)", [(role,) for role in roles])
    Database(database).seal()
    database.execute("COMMIT")


def _connect(path: Path) -> sqlite3.Connection:
    _check_names(path)
    if not path.stat().st_size:  # SQLite would remove its log
        raise LedgerError(f"{path} is empty or no ledger")
    database = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        _check_tables(path, database)
        database.execute("PRAGMA wal_autocheckpoint=0")
    except (LedgerError, sqlite3.Error):
        Database(database, path).close(as_it_is=True)
        raise
    return database


def _check_names(path: Path) -> None:
    """Look at what SQLite would open: it would follow a symlink, and wait for a pipe."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        each = path.with_name(path.name + suffix)
        if each.is_symlink():
            raise LedgerError(f"{each} is a symlink: a ledger is never opened through one")
        if each.exists() and not each.is_file():
            raise LedgerError(f"{each} is no file: no ledger is kept there")


def _check_tables(path: Path, database: sqlite3.Connection) -> None:
    """Hold a file against what a ledger has, before anything in it is used: a view or trigger is code of somebody's."""
    database.execute("PRAGMA trusted_schema=OFF")
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        raise LedgerError(f"{path} is empty or no ledger")
    if version != VERSION:
        raise LedgerError(f"{path} was made by another version of zexport (format {version}, this one has {VERSION})")
    with closing(sqlite3.connect(":memory:")) as ours:
        ours.executescript(SCHEMA)
        if _tables(database) != _tables(ours):
            raise LedgerError(f"{path} holds other tables than a ledger does")


def _tables(database: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    return set(database.execute("SELECT type, name, sql FROM sqlite_schema"))


def _check(path: Path | None, ledger: Ledger, belongs_to: dict[str, str]) -> None:
    there = ledger.about()
    differences = [
        f"{name} {there.get(name, 'missing')} there, {value} now"
        for name, value in belongs_to.items()
        if there.get(name) != value
    ]
    if differences:
        raise LedgerError(f"{path} belongs to another export: " + "; ".join(differences))
    for _ in ledger.intents():  # a damaged one shows itself now, before anything is done
        pass
