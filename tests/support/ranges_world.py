"""A small world to cut ranges in: a server that may misread cursors, a file, a ledger, and crashes.

Everything between the network and the disk is the real code: streams, ranges, intents, ledger. What happens next is for
a test to say, one step at a time.
"""

from __future__ import annotations

import sqlite3
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field

from exporter.ledger.database import Database
from exporter.ledger.intents import Intent, Write
from exporter.ledger.ledger import Ledger
from exporter.ledger.tables import SCHEMA
from exporter.model import Page, Position, Role
from exporter.output.plan import plan_lines
from exporter.pages.codec import Trust, make_cursor
from exporter.ranges.moves import Batch
from exporter.ranges.streams import Aim, Birth, Stream, choose
from exporter.ranges.walk import Walk, accept

FILE = "users.ndjson"
ROLES = (Role.END_USER, Role.AGENT)


def line(role: Role, user_id: int) -> bytes:
    return b'{"id":%d,"role":"%b"}\n' % (user_id, role.encode())


@dataclass
class Server:
    """Two streams of users, in pages.

    :param misread: where a cursor leads that the server never issued: an index into the users, None refuses it.
    """

    ids: dict[Role, list[int]]
    size: int
    item_cursors: bool
    misread: Callable[[int], int | None]
    issued: set[str] = field(default_factory=set)
    requests: int = 0

    def page(self, role: Role, after: str | None = None, before: str | None = None) -> Page | None:
        self.requests += 1
        ids = self.ids[role]
        begin, end = 0, len(ids)
        if after is not None:
            at = self._find(after, bisect_right)(ids)
            if at is None:
                return None
            begin = at
        if before is not None:
            at = self._find(before, bisect_left)(ids)
            if at is None:
                return None
            end = at
            begin = max(end - self.size, 0)
        there = ids[begin : min(begin + self.size, end)]
        cursors = [make_cursor(each) for each in there]
        self.issued |= set(cursors) if self.item_cursors else {*cursors[:1], *cursors[-1:]}
        last = cursors[-1] if cursors else None
        more = begin > 0 if before is not None else begin + self.size < len(ids)
        return Page(
            ids=there,
            lines=[line(role, each) for each in there],
            cursors=cursors if self.item_cursors else None,
            before=cursors[0] if cursors else None,
            last=last,
            after=last,
            more=more and bool(there),
        )

    def _find(self, cursor: str, side: Callable[[list[int], int], int]) -> Callable[[list[int]], int | None]:
        if cursor in self.issued:
            return lambda ids: side(ids, _read(cursor, ids))
        return lambda ids: self.misread(len(ids))


def _read(cursor: str, ids: list[int]) -> int:
    return next(each for each in ids if make_cursor(each) == cursor)


class World:
    """An export of a server into one file, step by step."""

    def __init__(self, server: Server, most: int | None = None) -> None:
        self.server, self.most = server, most
        self.file, self.synced = b"", 0
        self.crashes = 0
        database = sqlite3.connect(":memory:", isolation_level=None)
        database.executescript(SCHEMA)
        for role in ROLES:
            database.execute("INSERT INTO stream (role) VALUES (?)", (role,))
            database.execute("INSERT INTO range (role) VALUES (?)", (role,))
        self._database = database
        self._start()

    def _start(self) -> None:
        self.ledger = Ledger(Database(self._database))
        recovered = self.ledger.recover(lambda write, _: self._whole(write))
        self.file = self.file[: recovered.sizes.get(FILE, 0)]
        self.synced = len(self.file)
        self.ledger.adopt(recovered)
        walks: dict[Role, list[Walk]] = {role: [] for role in ROLES}
        for number, role, position, until in self.ledger.ranges():
            walks[role].append(Walk(number, role, position, until))
        self.streams = {role: Stream(role, self.server.size, its, self.most) for role, its in walks.items()}
        self.trust = Trust()
        self._next = 1 + max(walk.number for its in walks.values() for walk in its)
        self.pending: list[Walk | Aim] = [walk for stream in self.streams.values() for walk in stream.at_work]

    def _whole(self, write: Write) -> int:
        begin = write.start
        for whole, (end, crc) in enumerate(zip(write.ends, write.crcs, strict=True)):
            unit = self.file[begin:end]
            if len(unit) < end - begin or zlib.crc32(unit) != crc:
                return whole
            begin = end
        return len(write.ends)

    @property
    def done(self) -> bool:
        return not any(stream.at_work for stream in self.streams.values())

    def cut(self) -> bool:
        """Aim once more, if there is anything to aim at."""
        aim = choose(self.streams.values()) if self.trust else None
        if aim is not None:
            self.pending.append(aim)
        return aim is not None

    def answer(self, number: int) -> None:
        """Let one of the requests that are under way be answered."""
        asked = self.pending.pop(number % len(self.pending))
        if isinstance(asked, Aim):
            self._land(asked)
            return
        page = self.server.page(asked.role, after=asked.position.cursor)
        assert page is not None, "a saved cursor was none that the server had issued"
        self._look(page)
        self._write(accept(asked, page, by_id=True, trusted=bool(self.trust)))
        if not asked.position.finished:
            self.pending.append(asked)

    def _land(self, aim: Aim) -> None:
        page = self.server.page(aim.role, after=aim.after, before=aim.before)
        if page is None:
            self.trust.lose()
        else:
            self._look(page)
        match self.streams[aim.role].landed(aim, page, self._next, trusted=bool(self.trust)):
            case Aim() as second:
                self.pending.append(second)
            case Birth(walk, batch):
                self._next += 1
                self._write(batch)
                if not walk.position.finished:
                    self.pending.append(walk)

    def _look(self, page: Page) -> None:
        if page.ids and page.cursors is not None:
            self.trust.check(page.ids, page.cursors)
        elif page.ids:
            self.trust.check([page.ids[0], page.ids[-1]], [page.before, page.last])

    def _write(self, batch: Batch) -> None:
        writes = (plan_lines(FILE, len(self.file), batch.lines),) if batch.lines else ()
        self.ledger.intend(Intent(writes, (batch.move,)))
        self.file += b"".join(batch.lines)

    def settle(self) -> None:
        """Bring everything onto the disk."""
        self.synced = len(self.file)
        self.ledger.settle({FILE: self.synced})

    def crash(self, lost: int) -> None:
        """Kill the process, and lose so many bytes of what was not on the disk."""
        self.crashes += 1
        self.file = self.file[: max(self.synced, len(self.file) - lost)]
        self._start()

    def positions(self) -> list[Position]:
        return [each.position for each in self.ledger.ranges()]
