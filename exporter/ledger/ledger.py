"""The ledger: positions and intents in SQLite, beside the output.

Theory of operation.

1. A *position* is a row of `range`: every user up to there is in the output *and on disk*.
2. Before lines are written, an *intent* is committed that names them. Written, but not known to be on disk, they are
   what intents hold: at most about a second's worth.
3. `settle` moves positions over the intents that are on disk now and deletes those, in one transaction.
4. On opening, intents are held against the files (`intents.recover`), so a kill loses nothing that is in a file.
5. A commit survives a kill at once. It survives a power loss where positions move (synchronous=FULL, about once a
   second), not where an intent is noted (NORMAL): so a power loss only forgets what was written since.
6. Where a sync of the output has failed, nothing that is not settled may be believed unread. Of files the next start
   reads it and writes it again; of what can't be read `distrust` forgets it, and it is handed over again.

The tables can be read with any SQLite browser: `tables`, and the file itself, say what they mean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from exporter.errors import LedgerError
from exporter.fastzlib import crc32
from exporter.ledger import intents
from exporter.ledger.database import Database
from exporter.ledger.intents import Intent, Recovered, Write
from exporter.model import Position, Role, Sideload

SEALING = "sealing"
"""What it calls that files have been rewritten, and are to be renamed, until they are."""
_NOTE = "INSERT INTO intent VALUES (?, ?, ?)"


class Range(NamedTuple):
    """One range as it is settled; it ends before the user `until`, None: with the stream."""

    number: int
    role: Role
    position: Position
    until: int | None


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
    """Positions and intents of one export. Made by `opening.open_ledger`.

    :raises OutputError, LedgerError: from every method, if the disk refuses, or the file is damaged.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._unsettled: deque[tuple[int, Intent]] = deque()  # in summary; the whole of them is in the table
        self._last = self._db.row("SELECT coalesce(max(number), 0) FROM intent")[0]
        self._pending: set[tuple[Sideload, str]] = set()

    def about(self) -> dict[str, str]:
        """Return what the ledger is about, by name."""
        return dict(self._db.rows("SELECT name, value FROM about"))

    def note(self, name: str, value: str) -> None:
        """Keep one more fact about the export, on disk before this returns."""
        self.note_all({name: value})

    def note_all(self, facts: Mapping[str, str]) -> None:
        """Keep some facts about the export, all or none, on disk before this returns."""
        with self._db.transaction("about", durable=True) as connection:
            connection.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", facts.items())

    def start_run(self, started_at: str) -> int:
        """Count a new run, and return its number, from 1."""
        with self._db.transaction("run") as connection:
            return int(connection.execute("INSERT INTO run (started_at) VALUES (?)", (started_at,)).lastrowid or 0)

    def update_run(self, run: int, *, seconds: float, written: int, requests: int, retries: int, ended: str) -> None:
        """Keep what a run has done so far."""
        with self._db.transaction("run") as connection:
            connection.execute(
                "UPDATE run SET seconds=?, users_written=?, requests=?, retries=?, ended=? WHERE number=?",
                (seconds, written, requests, retries, ended, run),
            )

    def runs(self) -> list[Run]:
        """Return all runs, oldest first."""
        return [Run(*row) for row in self._db.rows("SELECT * FROM run ORDER BY number")]

    def totals(self) -> Totals:
        """Return what all runs have done together, as far as it is settled."""
        runs = self.runs()
        roles: dict[Role, int] = {}
        for each in self.ranges():
            roles[each.role] = roles.get(each.role, 0) + each.position.users
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
        with self._db.transaction("stream") as connection:
            connection.execute("UPDATE stream SET expected_users=? WHERE role=?", (users, role))

    def expected(self) -> dict[Role, int | None]:
        """Return the account's own counts."""
        return {Role(role): users for role, users in self._db.rows("SELECT role, expected_users FROM stream")}

    def ranges(self) -> Iterator[Range]:
        """Yield every range, as far as it is settled."""
        query = "SELECT number, role, until_id, cursor, skip, last_id, users, finished FROM range ORDER BY number"
        for number, role, until, cursor, skip, last_id, users, finished in self._db.rows(query):
            yield Range(number, Role(role), Position(cursor, skip, last_id, users, bool(finished)), until)

    def swept(self, role: Role) -> Range:
        """Return the range that stands for a role's closing sweep, making it if need be.

        It ends before the user 0, so nobody is in it, and it is finished; its position counts what a sweep appends.
        Its number is below 0: ranges that are not settled yet have numbers of their own.
        """
        number = -1 - list(Role).index(role)
        with self._db.transaction("range", durable=True) as database:
            query = "INSERT OR IGNORE INTO range (number, role, until_id, finished) VALUES (?, ?, 0, 1)"
            database.execute(query, (number, role))
        return next(each for each in self.ranges() if each.number == number)

    def files(self) -> dict[str, tuple[int, int]]:
        """Return synced bytes and records of each file."""
        return {name: (size, records) for name, size, records in self._db.rows("SELECT * FROM file")}

    def resize(self, sizes: Mapping[str, tuple[int, int]]) -> None:
        """Keep what files were sealed to: their bytes and records; that they are to be is forgotten (`SEALING`)."""
        with self._db.transaction("file", "about", durable=True) as connection:
            rows = [(size, records, name) for name, (size, records) in sizes.items()]
            connection.executemany("UPDATE file SET synced_bytes=?, records=? WHERE name=?", rows)
            connection.execute("DELETE FROM about WHERE name=?", (SEALING,))

    def intents(self) -> Iterator[Intent]:
        """Yield the intents that are not settled, in order.

        :raises LedgerError: if one can't be read.
        """
        for text, crc in self._db.rows("SELECT writes_and_moves, crc32 FROM intent ORDER BY number"):
            try:
                intent = intents.decode(text) if crc32(text.encode()) == crc else None
            except (ValueError, KeyError, TypeError) as exc:
                raise LedgerError(f"the ledger holds an intent that can't be read ({exc})") from exc
            if intent is None:
                raise LedgerError("the ledger is damaged: one of its intents is not as it was written")
            yield intent

    def unwritten(self, sideloads: dict[Sideload, list[tuple[str, bytes]]]) -> dict[Sideload, list[tuple[str, bytes]]]:
        """Choose the records that are not in the output yet, each once. They count as taken from now on."""
        chosen: dict[Sideload, list[tuple[str, bytes]]] = {}
        for kind, records in sideloads.items():
            for key, line in records:
                if (kind, key) in self._pending:
                    continue
                query = "SELECT 1 FROM sideload_written WHERE kind=? AND identity=?"
                if self._db.row(query, (kind, key)):
                    continue
                self._pending.add((kind, key))
                chosen.setdefault(kind, []).append((key, line))
        return chosen

    def intend(self, intent: Intent) -> None:
        """Commit what is about to be written. The caller writes it next, with nothing in between."""
        keys = [(write.kind, key) for write in intent.writes if write.kind for unit in write.keys for key in unit]
        self._last += 1
        text = intents.encode(intent)
        row = (self._last, text.decode(), crc32(text))
        if keys:
            with self._db.transaction("intent", "sideload_written") as connection:
                connection.execute(_NOTE, row)
                connection.executemany("INSERT OR IGNORE INTO sideload_written VALUES (?, ?)", keys)
        else:
            self._db.commit_one(_NOTE, row)
        self._pending.difference_update(keys)
        self._unsettled.append((self._last, intent.summary()))

    def settle(self, durable: dict[str, int]) -> None:
        """Move positions over what is on disk.

        :param durable: for each file, the size up to which it is.
        """
        done: list[tuple[int, Intent]] = []
        while self._unsettled and _is_within(self._unsettled[0][1], durable):
            done.append(self._unsettled.popleft())
        if done:
            settled = [intent for _, intent in done]
            self._move(self._recover(settled, lambda _: 1), upto=done[-1][0])

    def settle_part(self, durable: dict[str, int]) -> None:
        """Settle to the unit, and forget all that lies behind: for the last moments of a run on stdout."""

        def whole_units(write: Write) -> int:
            return sum(end <= durable.get(write.file, 0) for end in write.ends)

        self._unsettled.clear()
        self._move(self._recover(list(self.intents()), whole_units), upto=self._last)

    def distrust(self) -> None:
        """Forget what is not settled: whether it ever reaches the disk can't be known any more."""
        self._unsettled.clear()
        self._move(self._recover(list(self.intents()), lambda _: 0), upto=self._last)

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
        """Count a warning, or the ids it is about: each once, however often it comes; the first hundred are named."""
        with self._db.transaction("warning", "warned") as connection:
            note = "INSERT OR IGNORE INTO warned VALUES (?, ?)"
            about = list(ids)
            fresh = [each for each in about if connection.execute(note, (text, each)).rowcount]
            if about and not fresh:
                return
            row = self._db.row("SELECT times, ids FROM warning WHERE text=?", (text,))
            known = orjson.loads(row[1] or "[]") if row else []
            kept = orjson.dumps((known + fresh)[:100]).decode()
            times = (row[0] if row else 0) + max(len(fresh), 1)
            connection.execute("INSERT OR REPLACE INTO warning VALUES (?, ?, ?)", (text, times, kept))

    def warnings(self) -> list[str]:
        """Return the warnings, in words."""
        rows = self._db.rows("SELECT text, times, ids FROM warning ORDER BY rowid")
        return [
            f"{text}: {times} users, {', '.join(map(str, orjson.loads(ids)))}" if ids != "[]" else text
            for text, times, ids in rows
        ]

    def _recover(self, unsettled: list[Intent], whole_units: Callable[[Write], int]) -> Recovered:
        sizes = {name: size for name, (size, _) in self.files().items()}
        users = {each.number: each.position.users for each in self.ranges()}
        return intents.recover(unsettled, sizes, users, whole_units)

    def _move(self, recovered: Recovered, *, upto: int) -> None:
        with self._db.transaction("range", "file", durable=True) as connection:
            for number, split in recovered.splits.items():
                connection.execute(
                    "INSERT INTO range (number, role, until_id) SELECT ?, role, ? FROM range WHERE number=?",
                    (number, split.until, split.of),
                )
                connection.execute("UPDATE range SET until_id=? WHERE number=?", (split.at, split.of))
            for number, position in recovered.positions.items():
                connection.execute(
                    "UPDATE range SET cursor=?, skip=?, last_id=?, users=?, finished=? WHERE number=?",
                    (position.cursor, position.skip, position.last_id, position.users, position.finished, number),
                )
            for name, size in recovered.sizes.items():
                connection.execute("INSERT OR IGNORE INTO file (name) VALUES (?)", (name,))
                records = recovered.records.get(name, 0)
                connection.execute(
                    "UPDATE file SET synced_bytes=?, records=records+? WHERE name=?", (size, records, name)
                )
            connection.executemany("DELETE FROM sideload_written WHERE kind=? AND identity=?", recovered.lost)
            connection.execute("DELETE FROM intent WHERE number<=?", (upto,))


def _is_within(intent: Intent, durable: dict[str, int]) -> bool:
    return all(write.end <= durable.get(write.file, 0) for write in intent.writes)
