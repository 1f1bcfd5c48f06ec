"""The side that asks: a task for each range, and one that cuts ranges.

Theory of operation.

1. A range's task fetches a page, accepts it, hands it over, and fetches the next. What it may take of a page, `ranges`
   decides.
2. Whenever a request is allowed that no range wants, the range with the most left is cut (`streams`). So there are as
   many ranges as the rate and the latency need, and nobody has to say how many that is.
3. Batches are handed over in the order in which they were accepted: nothing is awaited between the two, and the channel
   serves whoever waits in turn. So the first batch of a new range is written before all that follows from the cut.
4. Where whoever writes is the slow one, no range is cut: that would only pile up pages.
5. An error of one range ends the asking.
6. What a walk asks for comes by way of `believing`, which asks again for what contradicts itself, and of `detour`,
   which finds the way back where the server refuses a cursor.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress

import anyio
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectSendStream

from exporter.api import CursorRefused, Permit
from exporter.engine.beginning import Beginning
from exporter.engine.believing import Believing
from exporter.engine.detour import Detour
from exporter.engine.evidence import Evidence
from exporter.engine.meter import Meter
from exporter.engine.pages import Pages
from exporter.errors import ExportError
from exporter.events import Observer, Split
from exporter.ledger import Ledger
from exporter.model import Page, Pagination, Query, Role
from exporter.output import WrittenIds
from exporter.pages import Trust
from exporter.ranges import WAYS_BACK, Aim, Batch, Birth, Stream, Walk, accept, choose, picked

PAUSE = 0.05
"""Seconds until the next look for a place to cut, where there was none: two permits at the largest limit."""
MISSES = 5
"""Landings that may fail in a row: then the server does not take made cursors, and no more are tried."""
OVERLAP = 3
"""Users on a page, at least, for it to begin with the last one of the page before: else it would bring too few."""


class Asking:
    """Asks for everything that the ledger does not have.

    :param most: how many ranges a stream may have at work at once; None for no bound.
    :param seen: looks up who is in the output of a role; None if it can't be looked at.
    :param beginning: what has to be asked once, before a page is taken; None: nothing.
    """

    def __init__(
        self,
        pages: Pages,
        query: Query,
        ledger: Ledger,
        meter: Meter,
        most: int | None,
        observer: Observer,
        seen: Callable[[Role], Awaitable[WrittenIds | None]],
        *,
        overlap: bool = True,
        beginning: Beginning | None = None,
    ) -> None:
        self._pages, self._query, self._ledger, self._meter, self._observe = pages, query, ledger, meter, observer
        self._streams = _streams(ledger, query, most, overlap=overlap)
        self._next = 1 + max(walk.number for stream in self._streams.values() for walk in stream.walks)
        self._misses = 0
        self._beginning, self._picks = beginning, False
        # An earlier run may have cut a stream into more ranges than are wanted now.
        self._turns = {role: anyio.Semaphore(most) if most else nullcontext() for role in query.roles}
        self.trust, self.evidence = Trust(), Evidence(ledger)
        self._detour = Detour(pages, query, ledger, self.trust, seen)
        self._believing = Believing(pages, query, ledger, self.trust, self._detour, self.evidence)

    async def run(self, send: MemoryObjectSendStream[Batch]) -> None:
        """Ask until nothing is left.

        :raises ExportError: what ended it before, in an ExceptionGroup with one for each range that met it.
        """
        try:
            async with send, anyio.create_task_group() as landings:
                async with anyio.create_task_group() as walks:
                    for stream in self._streams.values():
                        for walk in stream.at_work:
                            walks.start_soon(self._walk, walk, send.clone())
                    # Behind the first pages: they make the pace quick.
                    if self._beginning is not None and not self._beginning.over:
                        landings.start_soon(self._beginning.ask)
                    landings.start_soon(self._count)
                    if self._query.by_id:
                        landings.start_soon(self._cut, send, landings, walks)
                landings.cancel_scope.cancel()
        finally:
            self._detour.close()

    async def _count(self) -> None:
        """Ask for the account's own counts, where they are not known yet."""
        for role, expected in self._ledger.expected().items():
            if expected is None and self._query.external_id is None:
                try:
                    expected = await self._pages.count(self._query, role)
                except ExportError:  # an estimate that can't be had is no reason to stop an export
                    continue
                self._ledger.expect(role, expected)
            self._meter.roles[role].expected = expected

    async def _walk(self, walk: Walk, send: MemoryObjectSendStream[Batch]) -> None:
        async with send, self._turns[walk.role]:
            await self._walk_on(walk, send)

    async def _walk_on(self, walk: Walk, send: MemoryObjectSendStream[Batch]) -> None:
        meter = self._meter.roles[walk.role]
        meter.ranges += 1
        try:
            await self._detour.prepare(walk.role)
            self._picks = self._beginning is not None and await self._beginning.mixed()
            while not walk.position.finished:
                page = await self._believing.fetch(self._streams[walk.role], walk)
                self._look(walk.role, page)
                batch = accept(walk, page, by_id=self._query.by_id, trusted=bool(self.trust))
                await _hand_over(self._pick(walk, page, batch), send)
        finally:
            meter.ranges -= 1

    async def _cut(self, send: MemoryObjectSendStream[Batch], landings: TaskGroup, walks: TaskGroup) -> None:
        """Cut ranges, as long as there are permits to spare."""
        while any(stream.at_work for stream in self._streams.values()):
            permit = await self._pages.spare()
            buffer = send.statistics()
            slow_writer = buffer.current_buffer_used > 1 or buffer.tasks_waiting_send
            aim = choose(self._streams.values()) if self.trust and not slow_writer else None
            if aim is None:
                self._pages.give_back(permit)
                await anyio.sleep(PAUSE)
            else:
                landings.start_soon(self._land, aim, permit, send, walks)

    async def _land(
        self, aim: Aim, permit: Permit | None, send: MemoryObjectSendStream[Batch], walks: TaskGroup
    ) -> None:
        """Let a new range land; where ids come in clusters, it may take a second try."""
        stream = self._streams[aim.role]
        came = await self._believing.land(aim, permit)
        page = came if isinstance(came, Page) else None
        self._misses = self._misses + 1 if page is None else 0
        if isinstance(came, CursorRefused) or self._misses >= MISSES:
            self.trust.lose()
        if page is not None:
            self._look(aim.role, page)
        match stream.landed(aim, page, self._next, trusted=bool(self.trust)):
            case Aim() as second:
                await self._land(second, None, send, walks)
            case Birth(walk, batch):
                self._next += 1
                self._observe(Split(walk.role, batch.move.ids[0]))
                assert page is not None
                batch = self._pick(walk, page, batch)
                if not walk.position.finished:
                    walks.start_soon(self._walk, walk, send.clone())
                await _hand_over(batch, send)

    def _pick(self, walk: Walk, page: Page, batch: Batch) -> Batch:
        """Leave out whom another stream will bring, where the account hands everybody to each of them."""
        if not self._picks:
            return batch
        # Who bears no role that there is, is the first stream's.
        drop = {each for each, said in page.strays.items() if said in set(Role) or walk.role != self._query.roles[0]}
        batch = picked(batch, drop)
        walk.position = batch.move.end
        return batch

    def _look(self, role: Role, page: Page) -> None:
        """Hold a page's cursors against the codec, and note what a person should know of the page."""
        if self._query.by_id and page.ids:
            if page.cursors is None:
                self.trust.check([page.ids[0], page.ids[-1]], [page.before, page.last])
            else:  # those of the page are those of its first and last item
                self.trust.check(page.ids, page.cursors)
        if page.strays and not self._picks:
            self._ledger.warn(f"users of another role came among those of {role}; each is written as it came")
        if page.beyond:
            self._ledger.warn(f"there are more users of {role} than offset pagination reaches")
            self._ledger.note("missing", "users beyond the reach of offset pagination")


async def _hand_over(batch: Batch, send: MemoryObjectSendStream[Batch]) -> None:
    with suppress(anyio.BrokenResourceError):  # whoever writes has ended, and says why
        try:
            send.send_nowait(batch)
        except anyio.WouldBlock:
            with anyio.CancelScope(shield=True):  # a page in hand is written, whatever stops the asking
                await send.send(batch)


def _streams(ledger: Ledger, query: Query, most: int | None, *, overlap: bool) -> dict[Role, Stream]:
    """Put the ledger's ranges together, role by role."""
    walks: dict[Role, list[Walk]] = {role: [] for role in query.roles}
    for number, role, position, until in ledger.ranges():
        walk = Walk(number, role, position, until, confirm=query.pagination is Pagination.CURSOR)
        walk.overlap = overlap and query.by_id and query.page_size >= OVERLAP
        # Where more than a page is to be skipped, an earlier run was on its way back from the start of the stream.
        walk.ways_back = WAYS_BACK if query.by_id and walk.begun_anew else 0
        walks[role].append(walk)
    return {role: Stream(role, query.page_size, its, most) for role, its in walks.items()}
