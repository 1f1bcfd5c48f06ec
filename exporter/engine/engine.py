"""The main path.

Theory of operation.

1. One side asks (`asking`): a task for each range fetches pages, and hands over what the range takes of them.
2. One task writes. For each batch: stage it, note the intent, append the lines; to files, nothing runs in between.
   The channel to it is bounded: a slow disk or a slow reader of stdout slows the fetching, and nothing piles up.
3. Before the first line it is in the ledger who asks, and how new the account's newest change is (`beginning`). When
   every range is at its end, and written, the closing sweep writes who changed meanwhile (`ending`, `sweep`).
4. One task ticks: it brings what is written onto the disk, settles the ledger, and tells how far things are.
5. A range's error ends the asking, like a stop does: what is in hand is still written, then the error is raised. The
   writer's error ends everything at once: recovery on the next start is what makes that safe.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from exporter.engine.asking import Asking
from exporter.engine.beginning import Beginning
from exporter.engine.ending import Ending
from exporter.engine.meter import Meter
from exporter.errors import ClosedPipeError, ExportError, OutputError
from exporter.ledger import Intent, Ledger
from exporter.model import Pagination, Query
from exporter.output import Sink
from exporter.pages import make_cursor
from exporter.ranges import Batch, first

BUFFER = 8
"""Pages between fetching and writing: enough to ride out a sync, under 1 MB in all."""
SYNC_EVERY = 1.0
"""Seconds between syncs: what a power loss can cost."""
TICK = 0.2
"""Seconds between progress events: a terminal shows motion, and it costs nothing."""
GRACE = 8.0
"""Seconds that the writer gets after a stop, when a reader of stdout is slow: the whole stop takes under 10."""


NO_RANGES = "no cursors can be made for this account, so its roles were not cut into ranges: complete, only slower"
REPLACED = "text that is no valid Unicode was replaced by U+FFFD"
IN_ORDER = "in another order than by id a role is not cut into ranges: complete, only slower"


@dataclass(frozen=True, slots=True)
class Limits:
    """Where to stop early; None: nowhere. `users` and `seconds` are those of this run."""

    users: int | None = None
    seconds: float | None = None


class Engine:
    """Exports one query from an opened ledger into an opened sink.

    :param report: called several times a second, to tell whoever looks on.
    :param beginning: what is asked before the first line, and `ending`: what comes after the last one.
    """

    def __init__(
        self,
        asking: Asking,
        query: Query,
        ledger: Ledger,
        sink: Sink,
        meter: Meter,
        limits: Limits,
        report: Callable[[], None],
        beginning: Beginning,
        ending: Ending,
    ) -> None:
        self._asking, self._query, self._ledger, self._sink = asking, query, ledger, sink
        self._meter, self._limits, self._report = meter, limits, report
        self._beginning, self._ending = beginning, ending
        self._asks, self._writes = anyio.CancelScope(), anyio.CancelScope()
        self._failure: BaseException | None = None
        self.stopped = ""

    def stop(self, why: str) -> None:
        """Ask for nothing more, write what is in hand, and end: `run` returns."""
        self.stopped = self.stopped or why
        self._asks.cancel()
        self._writes.deadline = min(self._writes.deadline, anyio.current_time() + GRACE)

    async def run(self) -> bool:
        """Export until everything is written, or something ends it before; tell whether everything is.

        :raises ExportError: what ended it, alone or in an ExceptionGroup with one for each range that met it.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._tick)
            await self._begin()
            if self._failure is None:
                await self._export()
            if not self.stopped and self._failure is None:
                await self._end()
            group.cancel_scope.cancel()
        await self._commit(self._sink.flush())
        await self._settle(final=True)
        if self._failure is not None:
            raise self._failure
        complete = self._ending.over and all(each.position.finished for each in self._ledger.ranges())
        if complete:
            await self._finish()
        elif not self.stopped:
            raise RuntimeError("every range has ended, and not all of them are finished")
        return complete

    async def _export(self) -> None:
        """Ask for everything that is not written yet, and write it."""
        send, receive = anyio.create_memory_object_stream[Batch](BUFFER)
        async with anyio.create_task_group() as group:
            group.start_soon(self._ask, send)
            with self._writes:
                await self._write_all(receive)
            group.cancel_scope.cancel()

    async def _begin(self) -> None:
        """Have whoever goes on with an export be held against who began it, before anything is asked for."""
        if not self._beginning.over:
            return
        try:
            with self._asks:
                await self._beginning.compare()
        except ExportError as exc:
            self._failure = exc

    async def _end(self) -> None:
        """Look for whoever changed meanwhile, and have the account count once more."""
        self._meter.closing = "looking for changes"
        self._report()  # a sweep of a quiet account is over before the next tick
        try:
            with self._asks:
                await self._commit(self._sink.flush())  # what is written has to be there to be read back
                await self._ending.run(self._append)
        except* ExportError as failures:
            self._failure = failures

    async def _append(self, batch: Batch) -> None:
        if batch.mended:  # before the lines: a kill in between has them asked for again, and each id counts once
            self._ledger.warn(REPLACED, batch.mended)
        await self._commit(self._sink.stage(batch, self._ledger.unwritten(batch.sideloads)))

    async def _ask(self, send: MemoryObjectSendStream[Batch]) -> None:
        try:
            with self._asks:
                await self._asking.run(send)
        except* ExportError as failures:
            self._failure = self._failure or failures

    async def _write_all(self, receive: MemoryObjectReceiveStream[Batch]) -> None:
        try:
            async with receive:
                async for batch in receive:
                    await self._write(batch)
        except ClosedPipeError as exc:
            self._failure = exc
            self._asks.cancel()

    async def _write(self, batch: Batch) -> None:
        if self._limits.users is not None:
            left = self._limits.users - self._meter.written
            if len(batch.lines) > left:
                self.stop("--max-users")
            if left <= 0 and self.stopped:
                return
            batch = first(batch, left, make_cursor)
        if not self._beginning.over:
            await self._beginning.note()
        await self._append(batch)
        self._meter.add(batch.role, len(batch.lines))
        self._meter.roles[batch.role].unfinished += (batch.move.split is not None) - batch.move.end.finished

    async def _commit(self, intents: Iterable[Intent]) -> None:
        for intent in intents:
            self._ledger.intend(intent)
            await self._sink.write(intent)

    async def _settle(self, *, final: bool = False) -> None:
        try:
            durable = await self._sink.sync(final=final)
        except OutputError:  # never tried again: what is not settled may be lost, and must not be believed unread
            if not self._sink.readable:
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
                self._asking.evidence.keep()  # a kill takes a second's worth of it along
                synced = anyio.current_time()

    async def _finish(self) -> None:
        if any(meter.users > self._query.page_size for meter in self._meter.roles.values()):
            if self._asking.trust.lost:
                self._ledger.warn(NO_RANGES)
            elif not self._query.by_id and self._query.pagination is Pagination.CURSOR:
                self._ledger.warn(IN_ORDER)
        await self._commit(self._sink.finish())
        await self._settle(final=True)
        self._sink.publish()
