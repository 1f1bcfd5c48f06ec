"""The endpoint as an HTTP server on loopback, with a network's latency, an account's limit and the faults of both."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import time
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from exporter.sandbox.endpoint.answers import Answer
from exporter.sandbox.endpoint.endpoint import COUNT, INCREMENTAL, LIST, ME, Endpoint, Request
from exporter.sandbox.faults import script as faults
from exporter.sandbox.faults.kinds import Asked
from exporter.sandbox.faults.refusals import too_many_requests
from exporter.sandbox.people.churn import Churn
from exporter.sandbox.people.mixing import chance
from exporter.sandbox.server.control import PATHS, Control
from exporter.sandbox.server.delivery import deliver, headers_of
from exporter.sandbox.server.limits import FixedWindow
from exporter.sandbox.server.oauth import OAUTH_PATHS, TOKENS, OAuthDesk
from exporter.sandbox.server.statistics import Statistics
from exporter.sandbox.settings import Quirk, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

HOST = "127.0.0.1"
"""Loopback, and nothing else: this is no server for others."""


class Sandbox:
    """Takes each request through the limit, the latency and the faults, to the endpoint.

    :param settings: what to be.
    :param origin: what links begin with.
    """

    def __init__(self, settings: Settings, origin: str) -> None:
        self._settings = settings
        self._origin = origin
        self._statistics = Statistics()
        self._oauth = OAuthDesk(settings, origin, self._now, self._statistics)
        guard = self._oauth.guard.refusal if settings.oauth_clients else None
        self._endpoint = Endpoint(settings, origin, self._now, guard)
        self._churn = Churn(self._endpoint.present, settings, self._now)
        self._window = FixedWindow(settings.rate_limit, settings.window, time.monotonic)
        self._export_window = FixedWindow(settings.incremental_limit, settings.window, time.monotonic)
        self._control = Control(
            self._endpoint.present,
            self._churn,
            lambda: self._statistics.report(most_in_window=self._window.most),
            self._now,
        )
        self._pages = 0  # requests that the script of faults has counted

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        path, _, query = request.raw_path.partition("?")
        if path in PATHS:
            return await self._control.respond(request, path, query)
        number = self._statistics.arrived(request.raw_path, request.headers.get("host", ""))
        try:
            route = unquote(path) if request.method == "GET" else ""
            if self._settings.oauth_clients and path.removesuffix(".json") in OAUTH_PATHS:
                return await self._handle_oauth(request, path, query, number)
            return await self._handle(request, Request(route, query, request.headers.get("authorization", "")), number)
        finally:
            self._statistics.left()

    async def _handle_oauth(self, request: web.BaseRequest, path: str, query: str, number: int) -> web.StreamResponse:
        body = await request.read()
        asked = Request(path, query, request.headers.get("authorization", ""))
        content_type = request.headers.get("content-type", "")
        with self._statistics.at_tokens() if asked.path == TOKENS else nullcontext():
            make = partial(self._oauth.answer, request.method, asked, content_type, body, self._endpoint.owner)
            return await self._handle(request, asked, number, make)

    async def _handle(
        self, request: web.BaseRequest, asked: Request, number: int, make: Callable[[], Answer] | None = None
    ) -> web.StreamResponse:
        permit = self._window.take() if asked.path.startswith("/api/v2/") else None
        refused = permit is not None and not permit.granted
        # What the account's limit refuses does not reach the export's own.
        export_permit = self._export_window.take() if asked.route == INCREMENTAL and not refused else None
        # Another sequence than the faults draw from: a slow request must not be likelier to fail.
        latency = self._settings.latency + self._settings.jitter * chance(number, ~self._settings.seed)
        if latency:
            await asyncio.sleep(latency)
        if permit and not permit.granted:
            self._statistics.limited()
            answer = too_many_requests(permit.reset)
        elif export_permit and not export_permit.granted:
            self._statistics.limited()
            answer = too_many_requests(export_permit.reset, "incremental export API")
        else:
            answer = make() if make else self._struck(asked)
        self._statistics.answered(answer)
        headers = headers_of(answer, number, latency, self._now())
        first_spelling = Quirk.FIRST_RATE_HEADERS in self._settings.quirks
        if permit:
            headers += permit.headers(first_spelling=first_spelling).items()
        if export_permit:
            headers += export_permit.export_headers(first_spelling=first_spelling).items()
        return await deliver(request, answer, headers)

    def _now(self) -> float:
        return time.time() + self._settings.clock_skew

    def _struck(self, asked: Request) -> Answer:
        """Answer by the script of faults, which is about what an export asks for, or honestly."""
        if asked.route not in (LIST, COUNT, INCREMENTAL, ME):
            return self._endpoint.answer(asked)
        rules, number = self._settings.faults, self._pages + 1
        # What a client asks for when it likes leaves pages their numbers: who it is, counts, looks at who is before a
        # user, or at ten users.
        if asked.route in (COUNT, ME) or _LOOK.search(unquote(asked.query)):
            rules = tuple(rule for rule in rules if rule.lasts)
        else:
            self._churn.pass_request()
            self._pages = number
        kind, answer = faults.strike(
            rules,
            self._settings.seed,
            number,
            Asked(asked, self._endpoint.answer, self._origin, self._now),
        )
        if kind:
            self._statistics.struck(kind)
        return answer


_LOOK = re.compile(r"page\[before\]=|page\[size\]=10(?:&|$)(?!.*page\[after\])")


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[str]:
    """Serve while the context lasts, and yield the URL. At its end, requests under way are dropped.

    :raises OSError: if the port is taken.
    """
    listener = socket.create_server((HOST, settings.port), backlog=1024)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    server = web.Server(Sandbox(settings, url).handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.001)  # 0 would mean no timeout at all
    await runner.setup()
    try:
        await web.SockSite(runner, listener).start()
        yield url
    finally:
        await runner.cleanup()


def serve(settings: Settings, announce: Callable[[str], object]) -> None:
    """Serve until SIGINT or SIGTERM, then return at once.

    :param settings: what to be.
    :param announce: called with the URL as soon as it can be asked.
    :raises OSError: if the port is taken.
    """

    async def until_signalled() -> None:
        signalled = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, signalled.set)
        async with listening(settings) as url:
            announce(url)
            await signalled.wait()

    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        runner.run(until_signalled())


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # optional: halves the loop's cost
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
