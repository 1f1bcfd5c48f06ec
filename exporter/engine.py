"""The main path.

Theory of operation.

1. Each range is walked by a task of its own: fetch a page, accept it, hand it over, fetch the next. So the next page is
   asked for while the last one is written.
2. One task writes. For each batch: stage it, note the intent, append the lines; to files, nothing runs in between.
   The channel to it is bounded: a slow disk or a slow reader of stdout slows the fetching, and nothing piles up.
3. One task ticks: it brings what is written onto the disk, settles the ledger, and tells how far things are.
4. A range's error ends the asking, like a stop does: what is in hand is still written, then the error is raised. The
   writer's error ends everything at once: recovery on the next start is what makes that safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from exporter import cursor
from exporter.cursor import Trust
from exporter.errors import ClosedPipeError, ContractError, ExportError, OutputError
from exporter.intents import Intent
from exporter.ledger import Ledger
from exporter.meter import Meter
from exporter.model import Page, Query, Role
from exporter.ranges import Batch, Walk, accept, first
from exporter.sinks import Sink
from exporter.verdict import CursorRefused

BUFFER = 8
"""Pages between fetching and writing: enough to ride out a sync, under 1 MB in all."""
SYNC_EVERY = 1.0
"""Seconds between syncs: what a power loss can cost."""
TICK = 0.2
"""Seconds between progress events: a terminal shows motion, and it costs nothing."""
GRACE = 8.0
"""Seconds that the writer gets after a stop, when a reader of stdout is slow: the whole stop takes under 10."""


class Pages(Protocol):
    """Where pages come from; `Client` is one."""

    async def page(self, query: Query, role: Role, *, after: str | None = None) -> Page | CursorRefused:
        """Fetch one page."""

    async def count(self, query: Query, role: Role) -> int | None:
        """Fetch the account's own count, an estimate."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where to stop early; None: nowhere. `users` and `seconds` are those of this run."""

    users: int | None = None
    seconds: float | None = None


class Engine:
    """Exports one query from an opened ledger into an opened sink.

    :param report: called several times a second, to tell whoever looks on.
    """

    def __init__(
        self,
        pages: Pages,
        query: Query,
        ledger: Ledger,
        sink: Sink,
        meter: Meter,
        limits: Limits,
        report: Callable[[], None],
    ) -> None:
        self._pages, self._query, self._ledger, self._sink = pages, query, ledger, sink
        self._meter, self._limits, self._report = meter, limits, report
        self._trust = Trust()
        self._asking, self._writing = anyio.CancelScope(), anyio.CancelScope()
        self._failure: BaseException | None = None
        self.stopped = ""

    def stop(self, why: str) -> None:
        """Ask for nothing more, write what is in hand, and end: `run` returns."""
        self.stopped = self.stopped or why
        self._asking.cancel()
        self._writing.deadline = min(self._writing.deadline, anyio.current_time() + GRACE)

    async def run(self) -> bool:
        """Export until everything is written, or something ends it before; tell whether everything is.

        :raises ExportError: what ended it, alone or in an ExceptionGroup with one for each range that met it.
        """
        walks = [Walk(*row) for row in self._ledger.ranges() if not row[2].finished]
        send, receive = anyio.create_memory_object_stream[Batch](BUFFER)
        async with anyio.create_task_group() as group:
            group.start_soon(self._tick)
            group.start_soon(self._count)
            group.start_soon(self._ask, walks, send)
            with self._writing:
                await self._write_all(receive)
            group.cancel_scope.cancel()
        await self._commit(self._sink.flush())
        await self._settle(final=True)
        if self._failure is not None:
            raise self._failure
        complete = all(position.finished for _, _, position in self._ledger.ranges())
        if complete:
            await self._finish()
        elif not self.stopped:
            raise RuntimeError("every range has ended, and not all of them are finished")
        return complete

    async def _ask(self, walks: Iterable[Walk], send: MemoryObjectSendStream[Batch]) -> None:
        try:
            with self._asking:
                async with send, anyio.create_task_group() as group:
                    for walk in walks:
                        group.start_soon(self._walk, walk, send.clone())
        except* ExportError as failures:
            self._failure = self._failure or failures

    async def _walk(self, walk: Walk, send: MemoryObjectSendStream[Batch]) -> None:
        meter = self._meter.roles[walk.role]
        meter.ranges += 1
        try:
            await self._walk_on(walk, send)
        finally:
            meter.ranges -= 1

    async def _walk_on(self, walk: Walk, send: MemoryObjectSendStream[Batch]) -> None:
        async with send:
            while not walk.position.finished:
                page = await self._pages.page(self._query, walk.role, after=walk.position.cursor)
                if isinstance(page, CursorRefused):
                    self._refused(walk, page)
                    continue
                batch = self._accept(walk, page)
                with anyio.CancelScope(shield=True):  # a page in hand is written, whatever stops the asking
                    try:
                        await send.send(batch)
                    except anyio.BrokenResourceError:  # the writer has ended, and says why
                        return

    def _accept(self, walk: Walk, page: Page) -> Batch:
        if self._query.by_id and page.items:
            first_item, last_item = page.items[0], page.items[-1]
            if last_item.cursor is None:
                self._trust.check([first_item.id, last_item.id], [page.before, page.last])
            else:  # those of the page are those of its first and last item
                self._trust.check([item.id for item in page.items], [item.cursor for item in page.items])
        if page.mended:
            self._ledger.warn("text that is no valid Unicode was replaced by U+FFFD", page.mended)
        if page.strays:
            self._ledger.warn(f"users of another role came among those of {walk.role}; each is written as it came")
        if page.beyond:
            self._ledger.warn(f"there are more users of {walk.role} than offset pagination reaches")
            self._ledger.note("missing", "users beyond the reach of offset pagination")
        return accept(walk, page, by_id=self._query.by_id, trusted=bool(self._trust))

    def _refused(self, walk: Walk, refused: CursorRefused) -> None:
        if not self._query.by_id or walk.restarted or walk.position.cursor is None:
            raise ContractError(
                f"the server does not take its own cursor for {walk.role}: {refused.said}",
                hint="In this order there is no other way back to the place: begin anew with --restart.",
            )
        walk.restart()

    async def _write_all(self, receive: MemoryObjectReceiveStream[Batch]) -> None:
        try:
            async with receive:
                async for batch in receive:
                    await self._write(batch)
        except ClosedPipeError as exc:
            self._failure = exc
            self._asking.cancel()

    async def _write(self, batch: Batch) -> None:
        if self._limits.users is not None:
            left = self._limits.users - self._meter.written
            if len(batch.lines) > left:
                self.stop("--max-users")
            if left <= 0 and self.stopped:
                return
            batch = first(batch, left, cursor.make)
        await self._commit(self._sink.stage(batch, self._ledger.unwritten(batch.sideloads)))
        self._meter.add(batch.role, len(batch.lines))
        if batch.move.end.finished:
            self._meter.roles[batch.role].finished = True

    async def _commit(self, intents: Iterable[Intent]) -> None:
        for intent in intents:
            self._ledger.intend(intent)
            await self._sink.write(intent)

    async def _settle(self, *, final: bool = False) -> None:
        try:
            durable = await self._sink.sync(final=final)
        except OutputError:  # never tried again: what is not settled may be lost, and must not be believed
            self._ledger.distrust()
            raise
        if final:
            self._ledger.settle_part(durable)
        else:
            self._ledger.settle(durable)

    async def _tick(self) -> None:
        synced = anyio.current_time()
        while True:
            self._report()
            await anyio.sleep(TICK)
            if self._limits.seconds is not None and self._meter.seconds >= self._limits.seconds:
                self.stop("--max-duration")
            if anyio.current_time() >= synced + SYNC_EVERY:
                await self._commit(self._sink.flush())
                await self._settle()
                synced = anyio.current_time()

    async def _count(self) -> None:
        for role, expected in self._ledger.expected().items():
            if expected is None and self._query.external_id is None:
                try:
                    expected = await self._pages.count(self._query, role)
                except ExportError:  # an estimate that can't be had is no reason to stop an export
                    continue
                self._ledger.expect(role, expected)
            self._meter.roles[role].expected = expected

    async def _finish(self) -> None:
        await self._commit(self._sink.finish())
        await self._settle(final=True)
        self._sink.publish()
