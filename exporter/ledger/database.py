"""SQLite as the ledger needs it: what was called durable is on the disk, and damage never passes for state.

Theory of operation.

1. In WAL mode a commit survives a kill. A *durable* one (synchronous=FULL) survives a power loss too; others (NORMAL)
   may be lost with it, the last ones first.
2. A sync that failed is never tried again: the system may call it done without having written anything. SQLite would
   try a checkpoint of its own again behind our back, so checkpoints are made here, where their errors are seen; after
   an I/O error nothing is written any more, and closing makes no checkpoint (`close`).
3. SQLite notices a damaged structure, not a damaged value. So every table but the two that grow has a *seal*: a CRC-32
   of its rows, renewed by each transaction that changes it. An intent carries its own.
4. SQLite takes a lost or damaged WAL for one that ends earlier: the ledger would be an older one, and an export begin
   anew over what is there. So durable commits are counted, in the ledger and then in the *mark*, a small file beside
   it. Neither a kill nor a power loss can leave a ledger that is behind its mark. A ledger in use says so, on disk:
   then its mark has to be there. One that was closed in order is whole by itself, and may be carried elsewhere alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from exporter.disk import free_space, sync_folder, translated
from exporter.errors import ExportError, LedgerError, OutputError
from exporter.fastzlib import crc32
from exporter.ledger.tables import MARK, SEALED

CHECKPOINT_EVERY = 400
"""Commits between checkpoints: they keep the WAL at about 4 MB."""
_COMMITS = "durable commits"
_IN_USE, _CLOSED = "in use", "closed"
_DISK = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOLFS,
}
"""Errors that tell of the disk; all others tell of what is in the file."""


def explained(error: sqlite3.Error, path: Path | None, what: str) -> ExportError:
    """Turn an error of SQLite's into one that names the ledger, what it can't be, and the space that is left."""
    where = f"the ledger {path}" if path else "the ledger"
    if _code(error) in _DISK:
        return OutputError(f"{where} can't be {what} ({error}){free_space(path) if path else ''}")
    return LedgerError(f"{where} can't be {what} ({error})")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


class Database:
    """One connection to a ledger; a path of None: one in memory.

    :raises OutputError, LedgerError: from every method, if the disk refuses, or the file is damaged.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path | None = None) -> None:
        self._connection, self.path = connection, path
        self._mode = ""
        self._since_checkpoint = 0
        self._commits: int | None = None
        self.failed: ExportError | None = None

    def rows(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:
        """Return what a query finds."""
        with self._told("read"):
            return self._connection.execute(query, values).fetchall()

    def row(self, query: str, values: tuple[object, ...] = ()) -> Any:
        """Return the first row that a query finds, or None."""
        with self._told("read"):
            return self._connection.execute(query, values).fetchone()

    def commit_one(self, statement: str, values: tuple[object, ...]) -> None:
        """Execute one statement as a transaction of its own, at half the cost; not durable, on a table without seal."""
        self._prepare("NORMAL")
        with self._told("written"):
            self._connection.execute(statement, values)

    @contextmanager
    def transaction(self, *tables: str, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Make all that is executed in the context one transaction.

        :param tables: those it changes; none named: any.
        :param durable: it will be on the disk when the context has ended.
        """
        self._prepare("FULL" if durable else "NORMAL")
        with self._told("written"):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self.seal(*tables, durable=durable)
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise
        if durable:
            self._write_mark()
            self._checkpoint_if_due()

    def seal(self, *tables: str, durable: bool = False) -> None:
        """Renew the seals of tables (none named: of all); within a transaction."""
        values = [(table, self._crc(table)) for table in tables or SEALED if table in SEALED]
        if durable:
            commits = self._commits if self._commits is not None else self._known_commits()
            values.append((_COMMITS, commits + 1))
            self._commits = commits + 1
        self._connection.executemany("INSERT OR REPLACE INTO seal VALUES (?, ?)", values)

    def check(self) -> None:
        """Hold the ledger against its seals and its mark.

        :raises LedgerError: if it is damaged, or older than it has been.
        """
        seals = dict(self.rows("SELECT name, value FROM seal"))
        for table in (*SEALED, "seal", "intent"):
            sound = self.rows(f"PRAGMA integrity_check({table})") == [("ok",)]
            if not sound or (table in SEALED and self._crc(table) != seals.get(table)):
                raise LedgerError(f"the ledger {self.path} is damaged: its table {table!r} is not as it was written")
        self._commits = self._known_commits()
        if self._commits and self._about("state") == _IN_USE and not self._has_mark():
            raise LedgerError(
                f"the ledger {self.path} was in use when it was written last, and its {MARK} file is gone"
            )
        marked = self._read_mark()
        if self._commits < marked:
            raise LedgerError(
                f"the ledger {self.path} has lost the last of what it knew (commit {self._commits:,} of {marked:,}): "
                f"{_lost(self.path)}"
            )

    def begin(self) -> None:
        """Say on disk that the ledger is in use, and bring all of a WAL that was found into the database.

        What an earlier run could not sync is written anew by that.
        """
        if self.path is not None and not self._has_mark():
            self._commits = self._known_commits()
            self._write_mark()
            sync_folder(self.path.parent)  # before there is a commit that it could be missed for
        if self._about("state") != _IN_USE:
            self._say(_IN_USE)
        with self._told("written"):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def end(self) -> None:
        """Say on disk that the ledger is whole by itself, and close it; what can't be said is not said."""
        if self.failed is None:
            with suppress(ExportError):
                self._say(_CLOSED)
        self.close()

    def _say(self, state: str) -> None:
        with self.transaction("about", durable=True) as connection:
            connection.execute("INSERT OR REPLACE INTO about VALUES ('state', ?)", (state,))

    def close(self, *, as_it_is: bool = False) -> None:
        """Close; after an I/O error without the checkpoint that SQLite makes then, for that would sync again.

        It makes none if another connection is open, and none for one that may only read.

        :param as_it_is: without it in any case: what is refused is left to whoever can make sense of it.
        """
        with suppress(sqlite3.Error):
            if (self.failed is not None or as_it_is) and self.path is not None:
                reader = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
                with suppress(sqlite3.Error):
                    reader.execute("SELECT 1 FROM about").fetchone()
                self._connection.close()
                reader.close()
        self._connection.close()

    def _prepare(self, mode: str) -> None:
        if self.failed is not None:  # in its own words: whoever met it first may not be the one who is heard
            raise OutputError(str(self.failed)) from self.failed
        self._since_checkpoint += 1
        if mode != self._mode:
            with self._told("written"):
                self._connection.execute(f"PRAGMA synchronous={mode}")
            self._mode = mode

    def _checkpoint_if_due(self) -> None:
        if self._since_checkpoint >= CHECKPOINT_EVERY:
            self._since_checkpoint = 0
            with self._told("written"):
                self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def _crc(self, table: str) -> int:
        return crc32(repr(self.rows(f"SELECT * FROM {table} ORDER BY 1")).encode())  # noqa: S608 (one of SEALED)

    def _known_commits(self) -> int:
        row = self.row("SELECT value FROM seal WHERE name=?", (_COMMITS,))
        return int(row[0]) if row else 0

    def _about(self, name: str) -> str:
        row = self.row("SELECT value FROM about WHERE name=?", (name,))
        return str(row[0]) if row else ""

    def _has_mark(self) -> bool:
        return self.path is None or self.path.with_name(self.path.name + MARK).exists()

    def _write_mark(self) -> None:
        """Write the mark, in place and of one size, so that it is the old or the new one. It need not be durable."""
        if self.path is None:
            return
        mark = self.path.with_name(self.path.name + MARK)
        with translated(mark):
            fd = os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(fd, f"{self._about('made')} {self._commits:020}\n".encode(), 0)
            finally:
                os.close(fd)

    def _read_mark(self) -> int:
        """Return how many durable commits there have been, 0 if that is not known."""
        if self.path is None:
            return 0
        try:
            made, commits = self.path.with_name(self.path.name + MARK).read_bytes().decode().split()
        except (OSError, ValueError):  # a power loss can leave it empty
            return 0
        return int(commits) if made == self._about("made") and commits.isdecimal() and len(commits) == 20 else 0

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as exc:
            told = explained(exc, self.path, what)
            if _code(exc) == sqlite3.SQLITE_IOERR:
                self.failed = self.failed or told
            raise told from exc


def _lost(path: Path | None) -> str:
    return f"{path.name}-wal belongs to it, and is gone or damaged" if path else "it is in memory"
