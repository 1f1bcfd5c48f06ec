"""An export in a time that jumps, over real sockets: the sandbox and the exporter share a loop, and nobody waits.

Everything on the way is the real one: HTTP on loopback, the client with its own deadlines, the ledger and files on
disk. Only the clock is not: where all wait, it jumps to the next timer. So a hold of 15 minutes takes milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import Any, TypeVar
from unittest.mock import patch
from urllib.parse import unquote

import anyio.to_thread
from aiohttp import web

from exporter import Account, Event, Options, Query, load_account
from exporter.destination import parse_destination
from exporter.engine import asking, engine
from exporter.engine.export import Export
from exporter.sandbox import Settings
from exporter.sandbox.faults import breakages
from exporter.sandbox.faults.script import parse
from exporter.sandbox.server.app import Sandbox
from tests.support.looks import is_look
from tests.support.outcome import Asked, Outcome
from tests.support.zexport_process import expected_lines, role_files, sorted_lines

T = TypeVar("T")
Strange = Callable[[web.BaseRequest], Awaitable[web.StreamResponse | None]]
"""Answers a request in the sandbox's place; None leaves it to the sandbox."""

USERS = 300
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

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> Any:
        """Find every name here, at once, and none while `no_names` lasts: the system's resolver knows no such time."""
        if no_names.is_set():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return socket.getaddrinfo("127.0.0.1", port, **how)


no_names = Flag()
"""Set while no name is to be found."""


def run(main: Callable[[], Coroutine[Any, Any, T]], pause: float = 1.0) -> T:
    """Run a test in a time that jumps.

    :param pause: seconds between two looks for a place to cut.
    """

    async def threads_are_waited_for() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _Loop)
        loop.jumps.threads = anyio.to_thread.current_default_thread_limiter()
        return await main()

    # Fewer looks at things: each is a jump of its own.
    patches: list[AbstractContextManager[Any]] = [
        patch.object(engine, "TICK", 5.0),
        patch.object(asking, "PAUSE", pause),
        patch.object(breakages, "_LOOK_EVERY", 5.0),
        patch("aiohttp.connector.monotonic", now),  # by it addresses and idle connections grow old
    ]
    with ExitStack() as stack:
        for each in patches:
            stack.enter_context(each)
        return stack.enter_context(asyncio.Runner(loop_factory=_Loop)).run(threads_are_waited_for())


def now() -> float:
    """Return the seconds of the time that jumps."""
    return asyncio.get_running_loop().time()


class Server:
    """An account on loopback. Made by `serving`.

    :param strange: what answers first.
    """

    def __init__(self, settings: Settings) -> None:
        self._runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=0.001)
        self.url = ""
        self.strange: Strange | None = None
        self._settings = settings
        self.asked: list[Asked] = []
        self.looks = 0

    def script(self, *faults: str) -> None:
        """Let these faults strike from now on, in place of those before; requests are counted from 1 again."""
        self._sandbox = Sandbox(replace(self._settings, faults=tuple(map(parse, faults))), self.url)

    async def start(self, port: int = 0) -> None:
        """Begin to listen; without a port on any that is free."""
        if not port:
            await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """End everything."""
        await self._runner.cleanup()

    def hang_up(self) -> None:
        """Close every connection: what is under way is lost."""
        assert self._runner.server is not None
        for connection in self._runner.server.connections:
            connection.force_close()

    async def restart(self, seconds: float) -> None:
        """Be gone for so long: what is under way is lost, and whoever connects is refused."""
        (site,) = self._runner.sites
        port = self._runner.addresses[0][1]
        await site.stop()
        self.hang_up()
        await asyncio.sleep(seconds)
        await self.start(port)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if is_look(target := unquote(request.raw_path)):
            self.looks += 1
        else:
            self.asked.append(Asked(now(), target))
        answer = await self.strange(request) if self.strange else None
        return answer or await self._sandbox.handle(request)

    async def export(
        self, out: Path, query: Query | None = None, account: Account | None = None, **options: Any
    ) -> Outcome:
        """Export the account, or another; `options` are those of `Options`."""
        outcome, started, before, looks = Outcome(), now(), len(self.asked), self.looks

        def observer(event: Event) -> None:
            outcome.events.append((now(), event))

        account, destination = account or load_account(self.url, {}), parse_destination(str(out))
        export = Export(account, destination, query or Query(), Options(**options), observer)
        try:
            outcome.finished = await export.run()
        except* Exception as group:  # noqa: BLE001 (the test looks at it)
            outcome.error = _first(group)
        outcome.seconds, outcome.asked = now() - started, self.asked[before:]
        outcome.looks = self.looks - looks
        return outcome


def export(
    out: Path,
    *faults: str,
    users: int = USERS,
    query: Query | None = None,
    options: dict[str, Any] | None = None,
    ranges: int | None = 1,
    **settings: Any,
) -> Outcome:
    """Export an account in which these faults strike; `settings` are those of the sandbox."""

    async def main() -> Outcome:
        async with serving(*faults, users=users, **settings) as server:
            return await server.export(out, query, ranges=ranges, **(options or {}))

    return run(main, pause=_pause(ranges))


def export_twice(
    out: Path, *faults: str, users: int = USERS, query: Query | None = None, ranges: int | None = 1, **settings: Any
) -> tuple[Outcome, Outcome]:
    """Export an account in which these faults strike, and again when they have passed."""

    async def main() -> tuple[Outcome, Outcome]:
        async with serving(*faults, users=users, **settings) as server:
            first = await server.export(out, query, ranges=ranges)
            server.script()
            return first, await server.export(out, query, ranges=ranges)

    return run(main, pause=_pause(ranges))


def _pause(ranges: int | None) -> float:
    return 30.0 if ranges == 1 else 1.0  # where nothing is to be cut, there is no need to look


def assert_exact(out: Path, users: int = USERS, *roles: str) -> None:
    """Check that everybody is there, once and as they were sent."""
    files = [path for path in role_files(out) if not roles or path.stem in roles]
    assert sorted_lines(*files) == expected_lines(users, *roles)


def each_once(kinds: Iterable[str], begin: int) -> list[str]:
    """Let each kind of fault strike one request, one after the other, from this number on."""
    return [f"{kind}@n:{number}" for number, kind in enumerate(kinds, begin)]


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


@asynccontextmanager
async def serving(
    *faults: str, users: int = 300, rate_limit: int | None = 1_000_000, **settings: Any
) -> AsyncIterator[Server]:
    """Serve an account in which faults strike; other parameters are those of `Settings`."""
    server = Server(Settings(users=users, rate_limit=rate_limit, **settings))
    try:
        await server.start()
        server.script(*faults)
        yield server
    finally:
        await server.close()
