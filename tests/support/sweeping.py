"""A sweep of an account in memory, that lists its users as it is told to."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from unittest.mock import patch

from exporter.engine.meter import Meter
from exporter.engine.sweep import Sweep
from exporter.events import ignore
from exporter.ledger.database import Database
from exporter.ledger.intents import Intent
from exporter.ledger.ledger import Ledger
from exporter.ledger.tables import SCHEMA
from exporter.model import Increment, Page, Query, Role
from exporter.output.candidates import Written
from exporter.output.delivery import DeliverySink
from exporter.ranges.moves import Batch

BEGAN = 1_800_000_000.0
LATE = BEGAN + 950


def user(user_id: int, updated: float, *, role: str = "agent", name: str = "", active: bool = True) -> bytes:
    created, changed = (datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for time in (1e9, updated))
    return (
        f'{{"id":{user_id},"name":"{name}","created_at":"{created}","updated_at":"{changed}","role":"{role}",'
        f'"active":{str(active).lower()}}}\n'
    ).encode()


@dataclass
class Account:
    """Lists users in the order that it is given, a page at a time; each pass sees the next one of `passes`.

    :param refuses: what it answers to the sort, the incremental export, or a plain list.
    :param opposite: what it lists where the opposite order is asked for, `plain` where none is.
    :param circle: pages after which the cursors of a pass begin anew.
    """

    lists: list[list[bytes]]
    size: int = 2
    refuses: dict[str, Exception] = field(default_factory=dict)
    opposite: list[bytes] | None = None
    plain: list[bytes] = field(default_factory=list)
    circle: int = 1000
    passes: int = 0
    asked: list[str] = field(default_factory=list)

    def _page(self, users: list[bytes], after: str | None) -> Page:
        at = int(after or 0)
        there = users[at : at + self.size]
        more = at + self.size < len(users)
        next_at = str((at + self.size) % (self.circle * self.size))
        return Page(list(map(id_in, there)), there, None, "b", next_at, next_at, more)

    def _refuse(self, what: str) -> None:
        self.asked.append(what)
        if what in self.refuses:
            raise self.refuses[what]

    async def look(self, query: Query, *roles: Role, after: str | None = None, before: str | None = None) -> Page:
        self._refuse("plain")
        return self._page(self.plain, after)

    async def newest(self, query: Query, *, after: str | None, tries: int | None) -> Page:
        self._refuse(str(query.sort))
        if query.sort == "updated_at":
            return self._page(self.lists[-1][::-1] if self.opposite is None else self.opposite, None)
        self.passes += after is None
        return self._page(self.lists[min(self.passes, len(self.lists)) - 1], after)

    async def increment(self, start: int, cursor: str | None, *, tries: int | None) -> Increment:
        self._refuse("increment")
        self.passes += 1
        assert start == BEGAN
        turn = (self.passes - 1) % self.circle
        return Increment(self.lists[min(turn + 1, len(self.lists)) - 1], f"c{turn}", self.circle == 1000)


def id_in(line: bytes) -> int:
    found = re.match(rb'\{"id":([0-9]{1,18}),', line)
    return int(found[1]) if found else 0


class Output(DeliverySink):
    """Holds some lines from the start, and what is appended."""

    def __init__(self, lines: dict[int, list[bytes]]) -> None:
        super().__init__()
        self.there = lines
        self.appended: list[bytes] = []

    async def written(self, ids: Iterable[int]) -> dict[int, list[Written]]:
        return {each: [Written.read("-", line) for line in self.there[each]] for each in ids if each in self.there}

    async def write(self, intent: Intent) -> None:
        """Write nothing: `append` has it."""

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        return {}


async def sweep(
    account: Account, output: Output, roles: tuple[Role, ...] = tuple(Role), users: int = 0, readable: int = -1
) -> Sweep:
    """Sweep an account; with `readable` users at most, all its pages may be read once more."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(SCHEMA)
    for role in roles:
        database.execute("INSERT INTO stream (role) VALUES (?)", (role,))
    ledger = Ledger(Database(database))

    async def append(batch: Batch) -> None:
        output.appended += batch.lines

    meter = Meter(roles)
    meter.add(roles[0], users)
    found = Sweep(account, Query(roles=roles), ledger, output, meter, observer=ignore, lag=0.0)
    with patch("exporter.engine.sweep.SETTLING", 0.0), patch("exporter.engine.changes.READABLE", readable):
        await found.run(BEGAN, append)
    return found
