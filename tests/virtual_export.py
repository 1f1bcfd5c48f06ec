"""An export in a time that jumps, over real sockets: the sandbox and the exporter share a loop, and nobody waits.

Everything on the way is the real one: HTTP on loopback, the client with its own deadlines, the ledger and files on
disk. Only the clock is not: where all wait, it jumps to the next timer. So a hold of 15 minutes takes milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch
from urllib.parse import unquote

import anyio.to_thread
from aiohttp import web

from exporter import Event, Finished, Options, Query, asking, engine, load_account
from exporter.destination import parse_destination
from exporter.events import Held, Retrying
from exporter.export import Export
from exporter.sandbox import Settings, breakages
from exporter.sandbox.faults import parse
from exporter.sandbox.server import Sandbox

T = TypeVar("T")
Strange = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
"""Answers a request in the sandbox's place; None leaves it to the sandbox."""

ON_ITS_WAY = 0.001
"""Real seconds in which bytes cross loopback."""


class _Jumps(selectors.DefaultSelector):
    """Waits for bytes that are on their way, and for threads; else time jumps to the next timer."""

    now = 1000.0
    threads: anyio.CapacityLimiter | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += 1e-7
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or (self.threads and self.threads.borrowed_tokens):
            return super().select(1)
        ready = super().select(ON_ITS_WAY)
        if not ready:
            self.now += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumps = _Jumps()
        super().__init__(self.jumps)

    def time(self) -> float:
        return self.jumps.now


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a test in a time that jumps."""

    async def threads_are_waited_for() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        loop.jumps.threads = anyio.to_thread.current_default_thread_limiter()
        return await main()

    # Fewer looks at things: each is a jump of its own.
    seldom = [
        patch.object(engine, "TICK", 5.0),
        patch.object(asking, "PAUSE", 1.0),
        patch.object(breakages, "_LOOK_EVERY", 5.0),
    ]
    with ExitStack() as stack:
        for each in seldom:
            stack.enter_context(each)
        return stack.enter_context(asyncio.Runner(loop_factory=_Loop)).run(threads_are_waited_for())


def now() -> float:
    """Return the seconds of the time that jumps."""
    return asyncio.get_running_loop().time()


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    time: float
    target: str


@dataclass
class Outcome:
    """How an export ended, and what was seen of it.

    :param error: what it raised, the first of several; None if nothing.
    :param asked: requests that arrived meanwhile; `events` what the observer saw, and when.
    """

    finished: Finished | None = None
    error: BaseException | None = None
    seconds: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    events: list[tuple[float, Event]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything was exported."""
        return self.finished is not None and self.finished.complete

    @property
    def code(self) -> int:
        """The exit code of the error, 0 if there was none."""
        return getattr(self.error, "exit_code", 1) if self.error else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the manifest warns of."""
        return self.finished.warnings if self.finished else ()

    @property
    def holds(self) -> list[tuple[float, Held]]:
        """When the account was held, and for how long."""
        return [(time, event) for time, event in self.events if isinstance(event, Held)]

    @property
    def retrying(self) -> list[Retrying]:
        """What was tried again."""
        return [event for _, event in self.events if isinstance(event, Retrying)]

    @property
    def pages(self) -> list[str]:
        """Paths and queries of requests for pages of one role, in the order in which they arrived."""
        return [each.target for each in self.asked if "/count" not in each.target and "sort=" not in each.target]


class Server:
    """An account on loopback. Made by `serving`.

    :param strange: what answers first.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = ""
        self.strange: Strange | None = None
        self._settings = settings
        self._asked: list[Asked] = []

    def script(self, *faults: str) -> None:
        """Let these faults strike from now on, in place of those before; requests are counted from 1 again."""
        self._sandbox = Sandbox(replace(self._settings, faults=tuple(map(parse, faults))), self.url)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        self._asked.append(Asked(now(), unquote(request.raw_path)))
        answer = await self.strange(request) if self.strange else None
        return answer or await self._sandbox.handle(request)

    async def export(
        self,
        out: Path,
        query: Query | None = None,
        *,
        observe: Callable[[Event, Export], None] = lambda *_: None,
        **options: Any,
    ) -> Outcome:
        """Export the account.

        :param observe: gets each event, and the export, which it may stop.
        :param options: see `Options`.
        """
        outcome, started, before = Outcome(), now(), len(self._asked)

        def observer(event: Event) -> None:
            outcome.events.append((now(), event))
            observe(event, export)

        destination = parse_destination(str(out))
        export = Export(load_account(self.url, {}), destination, query or Query(), Options(**options), observer)
        try:
            outcome.finished = await export.run()
        except* Exception as group:  # noqa: BLE001 (the test looks at it)
            outcome.error = _first(group)
        outcome.seconds, outcome.asked = now() - started, self._asked[before:]
        return outcome


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


@asynccontextmanager
async def serving(
    *faults: str, users: int = 300, rate_limit: int | None = 1_000_000, **settings: Any
) -> AsyncIterator[Server]:
    """Serve an account in which faults strike; other parameters are those of `Settings`."""
    server = Server(Settings(users=users, rate_limit=rate_limit, **settings))
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=0.001)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        server.script(*faults)
        yield server
    finally:
        await runner.cleanup()
