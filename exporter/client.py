"""The only module that speaks HTTP.

`Client.page` is the whole of it: permit, request, verdict, and what follows from the verdict. Failures that may pass
end here; what comes out is a page, or an error that will not pass. Links and redirects a server supplies are never
followed: each address is built from the account's own origin.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import aiohttp
import anyio
import msgspec
from yarl import URL

from exporter import retry, wire
from exporter.account import Account
from exporter.body import MAX_BODY, BrokenBody, TooLarge, decoded, read_body
from exporter.errors import ContractError, NetworkError, NotAPage
from exporter.events import Held, Observer, Retrying, ignore
from exporter.model import Increment, Page, Query, Role
from exporter.pace import Pace, Permit
from exporter.verdict import Again, CursorRefused, Final, Ok, Quota, Verdict, read_quota, server_time, verdict
from exporter.version import VERSION

LIST, COUNT, INCREMENTAL = "/api/v2/users", "/api/v2/users/count", "/api/v2/incremental/users/cursor"
INCREMENT = 1000
"""Users on a page of the incremental export, at most (documented)."""
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
        self._told_time = False
        self._time_offset = time.time() - clock()

    async def page(self, query: Query, role: Role, *, after: str | None = None) -> Page | CursorRefused:
        """Fetch one page of a stream.

        :raises AuthError, NetworkError, UsageError, ContractError: none of which will pass by itself.
        """
        params = wire.parameters(query, role, after=after)
        return await self._fetch(
            LIST, params, role, lambda body: wire.read_page(body, query, role, after=after), sent_cursor=bool(after)
        )

    async def spare(self) -> Permit:
        """Wait for a permit that nobody else wants: for `land`, or to `give_back` at once."""
        return await self._pace.spare()

    def give_back(self, permit: Permit) -> None:
        """Return a permit unused."""
        self._pace.give_back(permit)

    async def land(
        self, query: Query, role: Role, *, after: str | None, before: str | None, permit: Permit | None
    ) -> Page | CursorRefused | None:
        """Try once to fetch a page that the export can do without, by a cursor that may not be the server's.

        :param permit: what `spare` gave; None waits for one.
        :returns: None if it failed: nothing is tried again, and what will not pass by itself is met by others, too.
        """
        url = self._url(LIST, wire.parameters(query, role, after=after, before=before))
        answer = await self._ask(url, sent_cursor=True, permit=permit)
        match answer.verdict:
            case Ok():
                with suppress(NotAPage):
                    page = wire.read_page(answer.body, query, role, after=after)
                    self._succeeded = self._clock()
                    return page
            case Again(hold=True) as again:
                self._hold(again)
            case CursorRefused() as refused:
                return refused
        return None

    async def newest(self, query: Query, *, after: str | None) -> Page | CursorRefused:
        """Fetch one page of all roles together, in the query's order.

        :raises UsageError: if the account refuses that order.
        """
        params = wire.parameters(query, *query.roles, after=after)
        return await self._fetch(
            LIST,
            params,
            None,
            lambda body: wire.read_page(body, query, *query.roles, after=after),
            sent_cursor=bool(after),
        )

    async def increment(self, start: int, cursor: str | None) -> Increment:
        """Fetch one page of the incremental export.

        :param start: unix seconds to begin at, where there is no cursor.
        :raises AuthError, UsageError: if it is not for these credentials, or not there.
        """
        params = [("per_page", str(INCREMENT))]
        params.append(("cursor", cursor) if cursor else ("start_time", str(start)))
        came = await self._fetch(INCREMENTAL, params, None, wire.read_increment)
        assert not isinstance(came, CursorRefused)  # only what was sent as `page[after]` can be
        return came

    def server_now(self) -> float:
        """Return the server's time in unix seconds, by its Date header and the time since; ours if it sends none."""
        return self._time_offset + self._clock()

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

        counted = await self._fetch(COUNT, params, role, read)
        return None if isinstance(counted, CursorRefused) else counted

    def statistics(self) -> ClientStatistics:
        """Return the requests so far."""
        return ClientStatistics(self._requests, self._retries)

    async def _fetch(
        self,
        path: str,
        params: list[tuple[str, str]],
        role: Role | None,
        read: Callable[[bytes], T],
        *,
        sent_cursor: bool = False,
    ) -> T | CursorRefused:
        url = self._url(path, params)
        whose = f" for {role}" if role else ""
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
                        raise ContractError(f"{path}{whose}: {exc}, {strikes} times") from exc
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
                raise NetworkError(f"gave up on {path}{whose} after {attempt} tries: {verdict.why}")
            self._retries += 1
            if verdict.hold:
                self._hold(verdict)
                continue
            delay = max(delay, verdict.after or 0.0)
            self._observe(Retrying(role, verdict.why, delay, attempt))
            await anyio.sleep(min(delay, left))

    def _take_time(self, headers: Mapping[str, str]) -> None:
        now = server_time(headers)
        if now is not None:
            self._told_time = True
            self._time_offset = now.timestamp() - self._clock()

    def _url(self, path: str, params: list[tuple[str, str]]) -> URL:
        return self._origin.with_path(path).with_query(params)

    def _hold(self, again: Again) -> None:
        seconds = (again.after or 0.0) + self._random()  # keeps two exporters from coming back together
        self._pace.hold(seconds, again.why)
        self._observe(Held(seconds, again.why))

    def _patience_left(self, started: float) -> float:
        patience = self._patience if self._answered else min(self._patience, FIRST_PATIENCE)
        return max(started, self._succeeded) + patience - self._clock()

    async def _ask(self, url: URL, *, sent_cursor: bool, permit: Permit | None = None) -> _Answer:
        """Send one request under a permit."""
        permit = permit or await self._pace.permit()
        quota, answer = Quota(), None
        self._requests += 1
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                self._answered = True
                quota = read_quota(response.headers)
                if not self._told_time:
                    self._take_time(response.headers)
                raw = await read_body(response.content)
                body = decoded(raw, response.headers.get("Content-Encoding", ""))
                now = datetime.now(UTC)
                answer = _Answer(
                    verdict(response.status, response.headers, body, sent_cursor=sent_cursor, now=now), body
                )
        except TooLarge:
            answer = _Answer(Final(ContractError(f"a response is larger than {MAX_BODY >> 20} MiB")))
        except BrokenBody as exc:
            answer = _Answer(Again(str(exc)))
        except TimeoutError:
            answer = _Answer(Again("no answer in time"))
        except (aiohttp.ClientError, OSError) as exc:
            answer = _Answer(Again(_transport(exc)))
        finally:
            failed = answer is not None and isinstance(answer.verdict, Again) and not answer.verdict.hold
            self._pace.learn(permit, quota, failed=failed)
        return answer


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
