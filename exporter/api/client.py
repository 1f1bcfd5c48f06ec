"""Asks one account for pages.

`Client.page` is the whole of it: permit, request, verdict, and what follows from the verdict. Failures that may pass
end here; what comes out is a page, or an error that will not pass.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import anyio

from exporter.api import retry
from exporter.api.connection import Connection, Response
from exporter.api.pace import Pace
from exporter.api.permit import Permit
from exporter.api.reader import Reader
from exporter.api.verdict import (
    Again,
    CursorRefused,
    Final,
    NoPage,
    Ok,
    Quota,
    Verdict,
    read_quota,
    server_time,
    verdict,
)
from exporter.errors import ContractError, CutError, NetworkError, NotAPage, TextError
from exporter.events import Held, Observer, Retrying, ignore
from exporter.model import INCREMENT, Increment, Page, Pagination, Query, Role
from exporter.pages import parameters, read_count

LIST, COUNT, INCREMENTAL = "/api/v2/users", "/api/v2/users/count", "/api/v2/incremental/users/cursor"
FIRST_PATIENCE = 30.0
"""Seconds of patience before the account has answered at all: then a wrong name is likelier than an outage."""
PATIENCE = 900.0
"""Seconds without any success after which a run gives up: longer than a usual maintenance window's hiccups."""
RENEWALS = 3
"""Times that a request is sent again because its token had ended: another run of the same login may renew as well."""

T = TypeVar("T")
Params: TypeAlias = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ClientStatistics:
    """Requests sent so far, and how many of them were sent again after a failure."""

    requests: int
    retries: int


@dataclass(slots=True)
class _Answer:
    """What came back, and the verdict on it: where that is Ok, there is a body to read."""

    verdict: Verdict
    came: Response


class Client:
    """Asks one account for pages, under one pace. Made by `open_client`.

    :param patience: seconds without success after which a request gives up.
    :param strict: text that is no Unicode is an error; else it is mended.
    :param warn: told what the manifest is to warn of.
    :param show: makes a server's words fit to be shown, `Hiding.words` of the account.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        *,
        patience: float = PATIENCE,
        strict: bool = False,
        observer: Observer = ignore,
        warn: Callable[[str], None] | None = None,
        show: Callable[[str], str] = str,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._connection = connection
        self._pace = pace
        self._patience = patience
        self._observe = observer
        self._show = show
        self._reader = Reader(connection.origin, strict=strict, warn=warn, show=show)
        self._random = rng
        self._clock = clock
        self._budget = retry.Budget()
        self._answered = False
        self._succeeded = clock()
        self._requests = self._retries = 0
        self._told_time = False
        self._time_offset = time.time() - clock()

    async def page(
        self, query: Query, role: Role, *, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page of a stream: behind a cursor, or the last one before it.

        :raises AuthError, NetworkError, UsageError, ContractError: none of which will pass by itself.
        """
        params = parameters(query, role, after=after, before=before)
        sent_cursor = (after or before) is not None and query.pagination is Pagination.CURSOR
        return await self._fetch(
            LIST, params, role, lambda body: self._reader.page(body, query, role, after=after), sent_cursor=sent_cursor
        )

    async def spare(self) -> Permit:
        """Wait for a permit that nobody else wants: for `land`, or to `give_back` at once."""
        return await self._pace.spare()

    async def pause(self, role: Role, why: str, attempt: int) -> None:
        """Wait before a page that can't be believed is asked for again: what served it may have passed by then."""
        self._retries += 1
        delay = retry.BASE * 2 ** (attempt - 1) * self._random()
        self._observe(Retrying(role, why, delay, attempt))
        await anyio.sleep(delay)

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
        params = parameters(query, role, after=after, before=before)
        answer = await self._ask(LIST, params, sent_cursor=True, permit=permit)
        match answer.verdict:
            case Ok():
                with suppress(ContractError, TextError):
                    page = self._reader.page(answer.came.body, query, role, after=after)
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
        return await self.look(query, *query.roles, after=after)

    async def look(
        self, query: Query, *roles: Role, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page of some roles together, of everyone if none is named: to look at, not to write."""
        params, sent = parameters(query, *roles, after=after, before=before), bool(after or before)
        return await self._fetch(
            LIST, params, None, lambda body: self._reader.page(body, query, *roles, after=after), sent_cursor=sent
        )

    async def increment(self, start: int, cursor: str | None) -> Increment:
        """Fetch one page of the incremental export.

        :param start: unix seconds to begin at, where there is no cursor.
        :raises AuthError, UsageError: if it is not for these credentials, or not there.
        :raises TextError: as `page` and `newest` do, with `strict`.
        """
        params = [("per_page", str(INCREMENT))]
        params.append(("cursor", cursor) if cursor else ("start_time", str(start)))
        came = await self._fetch(INCREMENTAL, params, None, self._reader.increment)
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
        counted = await self._fetch(COUNT, params, role, read_count)
        return None if isinstance(counted, CursorRefused) else counted

    def statistics(self) -> ClientStatistics:
        """Return the requests so far."""
        return ClientStatistics(self._requests, self._retries)

    async def _fetch(
        self,
        path: str,
        params: Params,
        role: Role | None,
        read: Callable[[bytes], T],
        *,
        sent_cursor: bool = False,
    ) -> T | CursorRefused:
        whose = f" for {role}" if role else ""
        started, attempt, strikes, failures, cuts = self._clock(), 0, 0, 0, 0
        delays = retry.delays(self._random)
        while True:
            attempt += 1
            answer = await self._ask(path, params, sent_cursor=sent_cursor)
            verdict = answer.verdict
            if isinstance(verdict, Ok):
                try:
                    result = read(answer.came.body)
                except NotAPage as exc:
                    verdict = NoPage(str(exc))
                else:
                    self._succeeded = self._clock()
                    self._budget.earn()
                    self._pace.weigh(len(answer.came.body))
                    return result
            if isinstance(verdict, Final):
                raise verdict.error
            if isinstance(verdict, CursorRefused):
                return verdict
            if isinstance(verdict, NoPage):
                strikes += 1
                if strikes == retry.NOT_A_PAGE_TRIES:
                    raise ContractError(f"{path}{whose}: {verdict.why}, {strikes} times")
                verdict = Again(verdict.why)
            left = self._patience_left(started)
            failures, cuts = failures + (not verdict.hold), cuts + verdict.cut
            delay = 0.0 if verdict.hold else next(delays, None)
            if left <= 0 or delay is None or not (verdict.hold or self._budget.spend()):
                failed = CutError if cuts == failures >= retry.NOT_A_PAGE_TRIES else NetworkError
                raise failed(f"gave up on {path}{whose} after {attempt} tries: {verdict.why}")
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

    def _hold(self, again: Again) -> None:
        seconds = (again.after or 0.0) + self._random()  # keeps two exporters from coming back together
        self._pace.hold(seconds, again.why)
        self._observe(Held(seconds, again.why))
        if again.odd:
            self._reader.warn_once("hold", again.why)

    def _patience_left(self, started: float) -> float:
        patience = self._patience if self._answered else min(self._patience, FIRST_PATIENCE)
        return max(started, self._succeeded) + patience - self._clock()

    async def _ask(
        self, path: str, params: Params, *, sent_cursor: bool, permit: Permit | None = None, renewals: int = RENEWALS
    ) -> _Answer:
        """Send one request under a permit; and again, under another, if its token had ended."""
        permit = permit or await self._pace.permit()
        quota, judged = Quota(), None
        self._requests += 1
        try:
            came = await self._connection.get(path, params, renew=renewals > 0)
            if came.status:
                self._answered = True
                quota = read_quota(came.headers)
                if not self._told_time:
                    self._take_time(came.headers)
            now = datetime.now(UTC)
            judged = came.failure or verdict(
                came.status, came.headers, came.body, sent_cursor=sent_cursor, now=now, show=self._show
            )
        finally:
            failed = isinstance(judged, Again) and not judged.hold
            self._pace.learn(permit, quota, failed=failed)
        if came.stale:
            return await self._ask(path, params, sent_cursor=sent_cursor, renewals=renewals - 1)
        return _Answer(judged, came)
