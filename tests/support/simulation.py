"""An export in a time that jumps from timer to timer: the real pace, streams and engine, a server in memory.

Minutes of an export take a second or two, and the same every time.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from exporter.api.pace import Pace
from exporter.api.permit import Permit
from exporter.api.verdict import CursorRefused, Quota
from exporter.engine.asking import Asking
from exporter.engine.beginning import Beginning
from exporter.engine.ending import Ending
from exporter.engine.engine import Engine, Limits
from exporter.engine.meter import Meter
from exporter.errors import UsageError
from exporter.events import ignore
from exporter.ledger.database import Database
from exporter.ledger.intents import Intent
from exporter.ledger.ledger import Ledger
from exporter.ledger.tables import SCHEMA
from exporter.model import Page, Query, Role
from exporter.output.delivery import DeliverySink
from exporter.pages.codec import make_cursor


class Jumps(selectors.SelectSelector):
    """Waits for nothing: time jumps to the next timer, and past it like real time: to a tick, and a part of one."""

    def __init__(self, tick: float) -> None:
        super().__init__()
        self.now, self._tick, self._rng = 1000.0, tick, random.Random(1)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        assert ready or timeout is not None, "everybody waits for ever"
        if timeout and not ready:
            self.now = (math.ceil((self.now + timeout) / self._tick) + self._rng.random()) * self._tick
        self.now += 1e-7
        return ready


class Loop(asyncio.SelectorEventLoop):
    def __init__(self, tick: float) -> None:
        self._jumps = Jumps(tick)
        super().__init__(self._jumps)

    def time(self) -> float:
        return self._jumps.now


def run(main: Coroutine[Any, Any, Any], tick: float = 1e-7) -> Any:
    with asyncio.Runner(loop_factory=lambda: Loop(tick)) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Server:
    """An account in memory, that counts requests in fixed windows of a minute.

    :param latency: seconds an answer takes, at least, and what is added to it at random; a function of time.
    :param failing: the share of requests that fail, as a function of time.
    """

    ids: dict[Role, list[int]]
    limit: int = 2500
    latency: Callable[[float], tuple[float, float]] = lambda _: (0.3, 0.1)
    failing: Callable[[float], float] = lambda _: 0.0
    phase: float = 0.0
    size: int = 100
    requests: int = 0
    refused: int = 0
    under_way: int = 0
    most_under_way: int = 0
    windows: Counter[int] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(1)
        self._started: float | None = None

    async def answer(self, role: Role, after: str | None, before: str | None) -> tuple[bool, Quota, Page | None]:
        if self._started is None:
            self._started = now()
        self.requests += 1
        self.times.append(now() - self._started)
        window, into = divmod(now() - self._started + self.phase, 60)
        left = self.limit - self.windows[int(window)]
        self.windows[int(window)] += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        least, jitter = self.latency(now() - self._started)
        await asyncio.sleep(least + jitter * self._rng.random())
        self.under_way -= 1
        quota = Quota(self.limit, max(left - 1, 0), math.ceil(60 - into))
        if left <= 0:
            self.refused += 1
            return False, quota, None
        if self._rng.random() < self.failing(now() - self._started):
            return False, quota, None
        return True, quota, self._page(role, after, before)

    def _page(self, role: Role, after: str | None, before: str | None) -> Page:
        ids = self.ids[role]
        begin, end = 0, len(ids)
        if after is not None:
            begin = bisect_right(ids, _id(after))
        if before is not None:
            end = bisect_left(ids, _id(before))
            begin = max(end - self.size, 0)
        there = ids[begin : min(begin + self.size, end)]
        more = begin > 0 if before is not None else begin + self.size < end
        first, last = (make_cursor(there[0]), make_cursor(there[-1])) if there else (None, None)
        return Page(there, [b"%d\n" % each for each in there], None, first, last, last, more)


def _id(cursor: str) -> int:
    from exporter.sandbox.endpoint.cursors import codec

    return int(codec("id", descending=False).decode(cursor)[0])


class Pages:
    """What the client does, as far as the pace sees it."""

    def __init__(self, server: Server, pace: Pace) -> None:
        self._server, self._pace = server, pace

    async def page(
        self, query: Query, role: Role, *, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        while True:
            page = await self._ask(role, after, before, await self._pace.permit())
            if page is not None:
                return page
            await asyncio.sleep(0.3)

    async def land(
        self, query: Query, role: Role, *, after: str | None, before: str | None, permit: Permit | None
    ) -> Page | CursorRefused | None:
        return await self._ask(role, after, before, permit or await self._pace.permit())

    async def _ask(self, role: Role, after: str | None, before: str | None, permit: Permit) -> Page | None:
        good, quota, page = await self._server.answer(role, after, before)
        if not good and quota.remaining == 0:
            self._pace.hold((quota.reset or 1) + 0.5, "rate limit")
        self._pace.learn(permit, quota, failed=not good and quota.remaining != 0)
        return page

    async def spare(self) -> Permit:
        return await self._pace.spare()

    def give_back(self, permit: Permit) -> None:
        self._pace.give_back(permit)

    async def pause(self, role: Role, why: str, attempt: int) -> None:
        await asyncio.sleep(0.3)

    async def count(self, query: Query, role: Role) -> int | None:
        return len(self._server.ids[role])

    async def me(self) -> None:
        return None

    async def look(
        self, query: Query, *roles: Role, after: str | None = None, before: str | None = None, tries: int | None = None
    ) -> Page:
        raise UsageError("no looks here")

    async def newest(self, query: Query, *, after: str | None, tries: int | None) -> Page:
        raise UsageError("no order here")

    def server_now(self) -> float:
        return now()


class Memory(DeliverySink):
    """Counts ids, and keeps nothing of them but that."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[int] = []

    async def write(self, intent: Intent) -> None:
        self.ids += [each for move in intent.moves for each in move.ids]
        self._written = max([self._written, *(write.end for write in intent.writes)])

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        return {"-": self._written}


@dataclass
class Outcome:
    seconds: float
    requests: int
    refused: int
    splits: int
    most_under_way: int
    windows: list[int]
    times: list[float]


def engine_of(
    asking: Asking, pages: Pages, query: Query, ledger: Ledger, sink: Memory, meter: Meter, limits: Limits
) -> Engine:
    """Make an engine that asks for ranges alone."""
    beginning = Beginning(pages, query, ledger)
    beginning.over = True  # nothing is asked beside the pages
    return Engine(
        asking, query, ledger, sink, meter, limits, lambda: None, beginning, Ending(pages, query, ledger, None)
    )


async def export(server: Server, share: float = 0.95, ranges: int | None = None, rate: float | None = None) -> Outcome:
    """Export everything, and check that everybody is there once."""
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(SCHEMA)
    for role in server.ids:
        database.execute("INSERT INTO stream (role) VALUES (?)", (role,))
        database.execute("INSERT INTO range (role) VALUES (?)", (role,))
    query, ledger, sink = Query(roles=tuple(server.ids), page_size=server.size), Ledger(Database(database)), Memory()
    meter = Meter(query.roles, now)
    for role in server.ids:
        meter.roles[role].unfinished = 1
    pages = Pages(server, Pace(rate, share, clock=now))
    asking = Asking(pages, query, ledger, meter, ranges, ignore, sink.seen)
    started = now()
    assert await engine_of(asking, pages, query, ledger, sink, meter, Limits()).run()
    assert sorted(sink.ids) == sorted(each for ids in server.ids.values() for each in ids)
    return Outcome(
        now() - started,
        server.requests,
        server.refused,
        sum(1 for _ in ledger.ranges()) - len(server.ids),
        server.most_under_way,
        [server.windows[each] for each in sorted(server.windows)],
        server.times,
    )


def account(users: int, layout: str = "spread") -> dict[Role, list[int]]:
    """Return the ids of an account: 97 % of one role, as the sandbox has them."""
    from exporter.sandbox import IdLayout, Population

    population = Population(users, ids=IdLayout(layout))
    return {role: list(population.ids(role)) for role in Role}
