"""The only module that speaks HTTP.

`Client.page` is the whole of it: permit, request, verdict, and what follows from the verdict. Failures that may pass
end here; what comes out is a page, or an error that will not pass. Links and redirects a server supplies are never
followed: each address is built from the account's own origin.
"""

from __future__ import annotations

import random
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import aiohttp
import anyio
import msgspec
from yarl import URL

from exporter import retry, wire
from exporter.account import Account
from exporter.errors import ContractError, NetworkError, NotAPage
from exporter.events import Held, Observer, Retrying, ignore
from exporter.model import Page, Query, Role
from exporter.pace import Pace
from exporter.verdict import Again, CursorRefused, Final, Ok, Quota, Verdict, read_quota, verdict
from exporter.version import VERSION

_inflater: Callable[[int], Any] = zlib.decompressobj
_inflate_errors: tuple[type[Exception], ...] = (zlib.error,)
with suppress(ImportError):  # the extra `fast`
    from isal import isal_zlib

    _inflater, _inflate_errors = isal_zlib.decompressobj, (cast("type[Exception]", isal_zlib.error),)

MAX_BODY = 64 << 20
"""Bytes: decoded size of a page at most. 100 users at the largest observed size are 0.2 MB; text fields hold 64 kB."""
TIMEOUT = aiohttp.ClientTimeout(total=120, sock_connect=15, sock_read=65)
"""Seconds: the edge gives up after 60, so silence for 65 is a dead connection; 120 ends a body that only drips."""
FIRST_PATIENCE = 30.0
"""Seconds of patience before the account has answered at all: then a wrong name is likelier than an outage."""
PATIENCE = 900.0
"""Seconds without any success after which a run gives up: longer than a usual maintenance window's hiccups."""

T = TypeVar("T")


class _Count(msgspec.Struct):
    value: int | None = None


class _CountBody(msgspec.Struct):
    count: _Count


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """Requests sent so far, and how many of them were sent again after a failure."""

    requests: int
    retries: int


@dataclass(slots=True)
class _Answer:
    """What came back: a verdict, and the body to read where it is Ok."""

    verdict: Verdict
    body: bytes = b""


class Client:
    """Asks one account for pages, under one pace. Made by `open_client`.

    :param patience: seconds without success after which a request gives up.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account: Account,
        pace: Pace,
        *,
        patience: float = PATIENCE,
        observer: Observer = ignore,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._origin = URL(account.origin)
        self._pace = pace
        self._patience = patience
        self._observe = observer
        self._random = rng
        self._clock = clock
        self._budget = retry.Budget()
        self._answered = False
        self._succeeded = clock()
        self._requests = self._retries = 0

    async def page(
        self, query: Query, role: Role, *, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page of a stream.

        :raises AuthError, NetworkError, UsageError, ContractError: none of which will pass by itself.
        """
        params = wire.parameters(query, role, after=after, before=before)
        return await self._fetch(
            "/api/v2/users",
            params,
            role,
            lambda body: wire.read_page(body, query, role, after=after),
            sent_cursor=bool(after or before),
        )

    async def count(self, query: Query, role: Role) -> int | None:
        """Fetch how many users the account thinks the stream has; None if it does not say. Never a plan."""
        params = [("role[]", role.value)]
        if query.permission_set is not None:
            params.append(("permission_set", str(query.permission_set)))

        def read(body: bytes) -> int | None:
            try:
                return msgspec.json.decode(body, type=_CountBody).count.value
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return None

        counted = await self._fetch("/api/v2/users/count", params, role, read)
        return None if isinstance(counted, CursorRefused) else counted

    def statistics(self) -> ClientStatistics:
        """Return the requests so far."""
        return ClientStatistics(self._requests, self._retries)

    async def _fetch(
        self,
        path: str,
        params: list[tuple[str, str]],
        role: Role,
        read: Callable[[bytes], T],
        *,
        sent_cursor: bool = False,
    ) -> T | CursorRefused:
        url = self._origin.with_path(path).with_query(params)
        started, attempt, strikes = self._clock(), 0, 0
        delays = retry.delays(self._random)
        while True:
            attempt += 1
            answer = await self._ask(url, sent_cursor=sent_cursor)
            verdict = answer.verdict
            if isinstance(verdict, Ok):
                try:
                    result = read(answer.body)
                except NotAPage as exc:
                    strikes += 1
                    if strikes == retry.NOT_A_PAGE_TRIES:
                        raise ContractError(f"{path} for {role}: {exc}, {strikes} times") from exc
                    verdict = Again(str(exc))
                else:
                    self._succeeded = self._clock()
                    self._budget.earn()
                    return result
            if isinstance(verdict, Final):
                raise verdict.error
            if isinstance(verdict, CursorRefused):
                return verdict
            left = self._patience_left(started)
            delay = 0.0 if verdict.hold else next(delays, None)
            if left <= 0 or delay is None or not (verdict.hold or self._budget.spend()):
                raise NetworkError(f"gave up on {path} for {role} after {attempt} tries: {verdict.why}")
            self._retries += 1
            if verdict.hold:
                self._hold(verdict)
                continue
            delay = max(delay, verdict.after or 0.0)
            self._observe(Retrying(role, verdict.why, delay, attempt))
            await anyio.sleep(min(delay, left))

    def _hold(self, again: Again) -> None:
        seconds = (again.after or 0.0) + self._random()  # keeps two exporters from coming back together
        self._pace.hold(seconds, again.why)
        self._observe(Held(seconds, again.why))

    def _patience_left(self, started: float) -> float:
        patience = self._patience if self._answered else min(self._patience, FIRST_PATIENCE)
        return max(started, self._succeeded) + patience - self._clock()

    async def _ask(self, url: URL, *, sent_cursor: bool) -> _Answer:
        """Send one request under a permit."""
        await self._pace.permit()
        quota = Quota()
        self._requests += 1
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                self._answered = True
                quota = read_quota(response.headers)
                raw = await _read(response)
                body = _decoded(raw, response.headers.get("Content-Encoding", ""))
                now = datetime.now(UTC)
                return _Answer(verdict(response.status, response.headers, body, sent_cursor=sent_cursor, now=now), body)
        except _TooLarge:
            error = ContractError(f"a response is larger than {MAX_BODY >> 20} MiB")
            return _Answer(Final(error))
        except _BrokenBody as exc:
            return _Answer(Again(str(exc)))
        except TimeoutError:
            return _Answer(Again("no answer in time"))
        except (aiohttp.ClientError, OSError) as exc:
            return _Answer(Again(_transport(exc)))
        finally:
            self._pace.learn(quota)


class _TooLarge(Exception):
    """A body exceeds MAX_BODY."""


class _BrokenBody(Exception):
    """A body ends early or does not decompress."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            raise _TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def _decoded(raw: bytes, encoding: str) -> bytes:
    """Decompress a body, bounded. Not left to aiohttp, which takes a gzip stream that is cut short for whole."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw
    if not raw:
        return raw
    stream = _inflater(47)  # 32 + 15: finds out whether the header is gzip's or zlib's
    try:
        body: bytes = stream.decompress(raw, MAX_BODY + 1)
    except _inflate_errors as exc:
        raise _BrokenBody("the body does not decompress") from exc
    if len(body) > MAX_BODY:
        raise _TooLarge
    if not stream.eof:
        raise _BrokenBody("the body is cut short")
    return body


def _transport(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientConnectorDNSError():
            return f"{exc.host} is not to be found (DNS)"
        case aiohttp.ClientConnectorCertificateError():
            return f"the certificate of {exc.host} is not to be trusted"
        case aiohttp.ClientConnectorError():
            return f"no connection to {exc.host}:{exc.port} ({exc.os_error.strerror or exc.os_error})"
        case aiohttp.ClientPayloadError():
            return "the body is cut short"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was lost"
    return type(exc).__name__


@asynccontextmanager
async def open_client(
    account: Account, pace: Pace, *, patience: float = PATIENCE, observer: Observer = ignore
) -> AsyncIterator[Client]:
    """Open a session to the account and close it in the end."""
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"zexport/{VERSION}"}
    if account.credentials is not None:
        headers["Authorization"] = account.credentials.header()
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),  # the pace bounds what is in flight
        timeout=TIMEOUT,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),  # the edge's cookies are no business of ours
        auto_decompress=False,
    ) as session:
        # By itself aiohttp sends a GET again on a kept connection that was lost: a request the pace would not know of.
        session._retry_connection = False
        yield Client(session, account, pace, patience=patience, observer=observer)
