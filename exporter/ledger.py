"""The ledger: positions and intents in SQLite, beside the output.

Theory of operation.

1. A *position* is a row of `range`: every user up to there is in the output *and on disk*.
2. Before lines are written, an *intent* is committed that names them. Written, but not known to be on disk, they are
   what intents hold: at most about a second's worth.
3. `settle` moves positions over the intents that are on disk now and deletes those, in one transaction.
4. On opening, intents are held against the files (`intents.recover`), so a kill loses nothing that is in a file.
5. A commit survives a kill at once. It survives a power loss where positions move (synchronous=FULL, about once a
   second), not where an intent is noted (NORMAL): so a power loss only forgets what was written since.
6. Where a sync of the output has failed, nothing that is not settled may be believed: `distrust` forgets it.

The tables can be read with any SQLite browser; `ABOUT` says in the file itself what they mean.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from exporter import intents
from exporter.errors import LedgerError, OutputError
from exporter.intents import Intent, Recovered, Write
from exporter.model import Position, Role, Sideload

VERSION = 1
"""Raised with any change that an older zexport would misread."""

SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE run (
    number INTEGER PRIMARY KEY, started_at TEXT NOT NULL, seconds REAL NOT NULL DEFAULT 0,
    users_written INTEGER NOT NULL DEFAULT 0, requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0, ended TEXT NOT NULL DEFAULT '');
CREATE TABLE stream (role TEXT PRIMARY KEY, expected_users INTEGER);
CREATE TABLE range (
    number INTEGER PRIMARY KEY, role TEXT NOT NULL REFERENCES stream, cursor TEXT, skip INTEGER NOT NULL DEFAULT 0,
    last_id INTEGER, users INTEGER NOT NULL DEFAULT 0, finished INTEGER NOT NULL DEFAULT 0);
CREATE TABLE file (
    name TEXT PRIMARY KEY, synced_bytes INTEGER NOT NULL DEFAULT 0, records INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sideload_written (kind TEXT, identity TEXT, PRIMARY KEY (kind, identity)) WITHOUT ROWID;
CREATE TABLE intent (number INTEGER PRIMARY KEY, writes_and_moves TEXT NOT NULL);
CREATE TABLE warning (text TEXT PRIMARY KEY, times INTEGER NOT NULL, ids TEXT NOT NULL DEFAULT '');
"""

ABOUT = {
    "what": "the positions of a zexport export; zexport alone writes here",
    "table run": "one row for each start of `zexport run`; ended is empty while it runs, or if it was killed",
    "table stream": "one row a role; expected_users is the account's own count, an estimate",
    "table range": "all users of the range up to last_id are in the output; the next request asks behind cursor, and "
    "passes over skip users that are written already",
    "table file": "output files; what lies behind synced_bytes is not known to be on disk yet",
    "table intent": "lines written or about to be written behind synced_bytes, with a CRC-32 each",
    "table sideload_written": "records of sideload files, so that each is written once",
    "table warning": "what the manifest and the summary will warn of, how often, and the first ids it is about",
    "table about": "these words, and what the export is of: account, query, output",
}


class Run(NamedTuple):
    """One start of an export. `ended` is empty while it runs, or if it was killed."""

    number: int
    started_at: str
    seconds: float
    users_written: int
    requests: int
    retries: int
    ended: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What all runs of an export have done together."""

    runs: int
    users: int
    requests: int
    retries: int
    started_at: str
    roles: dict[Role, int]


class Ledger:
    """Positions and intents of one export. Made by `store.open_ledger`.

    :raises OutputError: from every method, if the disk refuses.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database
        self._unsettled: deque[tuple[int, Intent]] = deque()
        self._last = database.execute("SELECT coalesce(max(number), 0) FROM intent").fetchone()[0]
        self._pending: set[tuple[Sideload, str]] = set()

    def about(self) -> dict[str, str]:
        """Return what the ledger is about, by name."""
        return dict(self._rows("SELECT name, value FROM about"))

    def note(self, name: str, value: str) -> None:
        """Keep one more fact about the export, on disk before this returns."""
        with self._transaction(durable=True):
            self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def start_run(self, started_at: str) -> int:
        """Count a new run, and return its number, from 1."""
        with self._transaction():
            return int(self._db.execute("INSERT INTO run (started_at) VALUES (?)", (started_at,)).lastrowid or 0)

    def update_run(self, run: int, *, seconds: float, written: int, requests: int, retries: int, ended: str) -> None:
        """Keep what a run has done so far."""
        with self._transaction():
            self._db.execute(
                "UPDATE run SET seconds=?, users_written=?, requests=?, retries=?, ended=? WHERE number=?",
                (seconds, written, requests, retries, ended, run),
            )

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return [Run(*row) for row in self._rows("SELECT * FROM run ORDER BY number")]

    def totals(self) -> Totals:
        """Return what all runs have done together, as far as it is settled."""
        runs = self.runs()
        roles: dict[Role, int] = {}
        for _, role, position in self.ranges():
            roles[role] = roles.get(role, 0) + position.users
        return Totals(
            runs=len(runs),
            users=sum(roles.values()),
            requests=sum(run.requests for run in runs),
            retries=sum(run.retries for run in runs),
            started_at=runs[0].started_at if runs else "",
            roles=roles,
        )

    def expect(self, role: Role, users: int | None) -> None:
        """Keep the account's own count of a stream."""
        with self._transaction():
            self._db.execute("UPDATE stream SET expected_users=? WHERE role=?", (users, role))

    def expected(self) -> dict[Role, int | None]:
        """Return the account's own counts."""
        return {Role(role): users for role, users in self._rows("SELECT role, expected_users FROM stream")}

    def ranges(self) -> Iterator[tuple[int, Role, Position]]:
        """Yield number, role and settled position of every range."""
        rows = self._rows("SELECT number, role, cursor, skip, last_id, users, finished FROM range ORDER BY number")
        for number, role, cursor, skip, last_id, users, finished in rows:
            yield number, Role(role), Position(cursor, skip, last_id, users, bool(finished))

    def files(self) -> dict[str, tuple[int, int]]:
        """Return synced bytes and records of each file."""
        return {name: (size, records) for name, size, records in self._rows("SELECT * FROM file")}

    def intents(self) -> Iterator[Intent]:
        """Yield the intents that are not settled, in order.

        :raises LedgerError: if one can't be read.
        """
        for (text,) in self._rows("SELECT writes_and_moves FROM intent ORDER BY number"):
            try:
                yield intents.decode(text)
            except (ValueError, KeyError, TypeError) as exc:
                raise LedgerError(f"the ledger holds an intent that can't be read ({exc})") from exc

    def unwritten(self, sideloads: dict[Sideload, list[tuple[str, bytes]]]) -> dict[Sideload, list[tuple[str, bytes]]]:
        """Choose the records that are not in the output yet, each once. They count as taken from now on."""
        chosen: dict[Sideload, list[tuple[str, bytes]]] = {}
        for kind, records in sideloads.items():
            for key, line in records:
                if (kind, key) in self._pending:
                    continue
                query = "SELECT 1 FROM sideload_written WHERE kind=? AND identity=?"
                if self._rows(query, (kind, key)).fetchone():
                    continue
                self._pending.add((kind, key))
                chosen.setdefault(kind, []).append((key, line))
        return chosen

    def intend(self, intent: Intent) -> None:
        """Commit what is about to be written. The caller writes it next, with nothing in between."""
        keys = [(write.kind, key) for write in intent.writes if write.kind for unit in write.keys for key in unit]
        self._last += 1
        with self._transaction():
            self._db.execute("INSERT INTO intent VALUES (?, ?)", (self._last, intents.encode(intent).decode()))
            if keys:
                self._db.executemany("INSERT OR IGNORE INTO sideload_written VALUES (?, ?)", keys)
        self._pending.difference_update(keys)
        self._unsettled.append((self._last, intent.without_data()))

    def settle(self, durable: dict[str, int]) -> None:
        """Move positions over what is on disk.

        :param durable: for each file, the size up to which it is.
        """
        done: list[tuple[int, Intent]] = []
        while self._unsettled and _is_within(self._unsettled[0][1], durable):
            done.append(self._unsettled.popleft())
        if done:
            settled = [intent for _, intent in done]
            self._move(self._recover(settled, lambda write: len(write.ends)), upto=done[-1][0])

    def settle_part(self, durable: dict[str, int]) -> None:
        """Settle to the unit, and forget all that lies behind: for the last moments of a run on stdout."""

        def whole_units(write: Write) -> int:
            return sum(end <= durable.get(write.file, 0) for end in write.ends)

        recovered = self._recover([intent for _, intent in self._unsettled], whole_units)
        self._unsettled.clear()
        self._move(recovered, upto=self._last)

    def distrust(self) -> None:
        """Forget what is not settled: whether it ever reaches the disk can't be known any more."""
        unsettled = [intent for _, intent in self._unsettled]
        self._unsettled.clear()
        self._move(self._recover(unsettled, lambda _: 0), upto=self._last)

    def recover(self, whole_units: Callable[[Write, bool], int]) -> Recovered:
        """Hold the unsettled intents against the files, once, on opening; `adopt` takes the result in.

        :param whole_units: how many units of a write are in its file; told whether it is the last intent.
        """
        unsettled = list(self.intents())
        last = unsettled[-1].writes if unsettled else ()
        return self._recover(unsettled, lambda write: whole_units(write, write in last))

    def adopt(self, recovered: Recovered) -> None:
        """Move positions to what was recovered; the files are cut to that and synced."""
        self._move(recovered, upto=self._last)

    def warn(self, text: str, ids: Iterable[int] = ()) -> None:
        """Count a warning, with the ids it is about (the first hundred are kept)."""
        with self._transaction():
            row = self._db.execute("SELECT times, ids FROM warning WHERE text=?", (text,)).fetchone()
            known = orjson.loads(row[1] or "[]") if row else []
            fresh = list(ids)
            kept = orjson.dumps((known + fresh)[:100]).decode()
            times = (row[0] if row else 0) + max(len(fresh), 1)
            self._db.execute("INSERT OR REPLACE INTO warning VALUES (?, ?, ?)", (text, times, kept))

    def warnings(self) -> list[str]:
        """Return the warnings, in words."""
        rows = self._rows("SELECT text, times, ids FROM warning ORDER BY rowid")
        return [
            f"{text}: {times} users, {', '.join(map(str, orjson.loads(ids)))}" if ids != "[]" else text
            for text, times, ids in rows
        ]

    def _recover(self, unsettled: list[Intent], whole_units: Callable[[Write], int]) -> Recovered:
        sizes = {name: size for name, (size, _) in self.files().items()}
        users = {number: position.users for number, _, position in self.ranges()}
        return intents.recover(unsettled, sizes, users, whole_units)

    def _move(self, recovered: Recovered, *, upto: int) -> None:
        with self._transaction(durable=True):
            for number, position in recovered.positions.items():
                self._db.execute(
                    "UPDATE range SET cursor=?, skip=?, last_id=?, users=?, finished=? WHERE number=?",
                    (position.cursor, position.skip, position.last_id, position.users, position.finished, number),
                )
            for name, size in recovered.sizes.items():
                self._db.execute("INSERT OR IGNORE INTO file (name) VALUES (?)", (name,))
                records = recovered.records.get(name, 0)
                self._db.execute(
                    "UPDATE file SET synced_bytes=?, records=records+? WHERE name=?", (size, records, name)
                )
            self._db.executemany("DELETE FROM sideload_written WHERE kind=? AND identity=?", recovered.lost)
            self._db.execute("DELETE FROM intent WHERE number<=?", (upto,))

    def _rows(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        try:
            return self._db.execute(query, values)
        except sqlite3.Error as exc:
            raise OutputError(f"the ledger can't be read ({exc})") from exc

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        try:
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.Error as exc:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise OutputError(f"the ledger can't be written ({exc})") from exc


def _is_within(intent: Intent, durable: dict[str, int]) -> bool:
    return all(write.end <= durable.get(write.file, 0) for write in intent.writes)
