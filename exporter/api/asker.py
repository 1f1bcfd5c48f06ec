"""Asks one account for one thing until it is answered: permit, request, verdict, and what follows from the verdict.

Failures that may pass end here; what comes out is what was read, or an error that will not pass.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar

import anyio

from exporter.api import retry
from exporter.api.connection import Connection, Response
from exporter.api.pace import Pace
from exporter.api.permit import Permit
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
    told,
    verdict,
)
from exporter.errors import ContractError, CutError, NetworkError, NotAPage
from exporter.events import Held, Observer, Retrying, ignore
from exporter.model import Role

FIRST_PATIENCE = 10.0
"""Seconds of patience before anything has answered at all, where nobody says how long: then a wrong name is likelier
than an outage, and a person is waiting."""
PATIENCE = 900.0
"""Seconds without any success after which a run gives up: longer than a usual maintenance window's hiccups."""
_SILENT = "has not answered once. Run the same command again, with --patience 10m to wait longer."
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
class Answer:
    """What came back after so many seconds, and the verdict on it: where that is Ok, there is a body to read."""

    verdict: Verdict
    came: Response
    seconds: float


class Asker:
    """Sends requests to one account, under one pace.

    :param patience: seconds without success after which a request gives up, and `first_patience` until anything has
        answered at all.
    :param warn_once: told by a name and in words of what is odd about the account.
    :param show: makes a server's words fit to be shown, `Hiding.words` of the account.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        *,
        patience: float,
        first_patience: float | None = None,
        warn_once: Callable[[str, str], None],
        observer: Observer = ignore,
        show: Callable[[str], str] = str,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._connection, self.pace, self._patience = connection, pace, patience
        self._first_patience = patience if first_patience is None else first_patience
        self._observe, self._warn_once, self._show = observer, warn_once, show
        self._random, self._clock = rng, clock
        self._budget = retry.Budget()
        self._answered = self._told_time = False
        self._good: set[str] = set()  # paths that have been answered with what was asked for
        self._succeeded = clock()
        self._requests = self._retries = 0
        self._time_offset = time.time() - clock()

    async def fetch(
        self,
        path: str,
        params: Params,
        role: Role | None,
        read: Callable[[bytes], T],
        *,
        sent_cursor: bool = False,
        tries: int | None = None,
    ) -> T | CursorRefused:
        """Ask until something comes that can be read.

        :param tries: failures after which to give up, however much patience is left; None for no bound.
        :raises AuthError, NetworkError, UsageError, ContractError: none of which will pass by itself.
        """
        whose = f" for {role}" if role else ""
        started, attempt, strikes, refusals, failures, cuts = self._clock(), 0, 0, 0, 0, 0
        delays = retry.delays(self._random)
        while True:
            attempt += 1
            answer = await self.ask(path, params, sent_cursor=sent_cursor)
            verdict = answer.verdict
            if isinstance(verdict, Ok):
                try:
                    result = read(answer.came.body)
                except NotAPage as exc:
                    said = told(answer.came.body, self._show)
                    verdict = NoPage(f"{exc}; the server says: {said}" if said else str(exc))
                else:
                    self.succeeded(answer.came.headers)
                    self._good.add(path)
                    self._budget.earn()
                    self.pace.weigh(len(answer.came.body))
                    return result
            if isinstance(verdict, Final):
                refusals += 1
                if not verdict.passing or path not in self._good or refusals == retry.REFUSED_TRIES:
                    raise verdict.error
                verdict = Again(f"HTTP {answer.came.status}", retry.REFUSED_AFTER)
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
            if left <= 0 or delay is None or failures == tries or not (verdict.hold or self._budget.spend()):
                failed = CutError if cuts == failures >= retry.NOT_A_PAGE_TRIES else NetworkError
                hint = None if self._answered else f"Is the name right? {self._connection.origin} {_SILENT}"
                tried = "one try" if attempt == 1 else f"{attempt} tries"
                raise failed(f"gave up on {path}{whose} after {tried}: {verdict.why}", hint=hint)
            self._retries += 1
            if verdict.hold:
                self.hold(verdict)
                continue
            delay = max(delay, verdict.after or 0.0)
            self._observe(Retrying(role, verdict.why, delay, attempt))
            await anyio.sleep(min(delay, left))

    def succeeded(self, headers: Mapping[str, str]) -> None:
        """Take in that something came that was asked for; a Date beside anything else may be a proxy's."""
        self._succeeded = self._clock()
        now = None if self._told_time else server_time(headers)
        if now is not None:
            self._told_time = True
            self._time_offset = now.timestamp() - self._clock()

    def server_now(self) -> float:
        """Return the server's time in unix seconds, by its Date header and the time since; ours if it sends none."""
        return self._time_offset + self._clock()

    def statistics(self) -> ClientStatistics:
        """Return the requests so far."""
        return ClientStatistics(self._requests, self._retries)

    async def pause(self, role: Role, why: str, attempt: int) -> None:
        """Wait before something that can't be believed is asked for again."""
        self._retries += 1
        delay = retry.BASE * 2 ** (attempt - 1) * self._random()
        self._observe(Retrying(role, why, delay, attempt))
        await anyio.sleep(delay)

    def hold(self, again: Again) -> None:
        """Have all requests wait, as the account asks."""
        seconds = (again.after or 0.0) + self._random()  # keeps two exporters from coming back together
        self.pace.hold(seconds, again.why)
        self._observe(Held(seconds, again.why))
        if again.odd:
            self._warn_once("hold", again.why)

    def _patience_left(self, started: float) -> float:
        patience = self._patience if self._answered else self._first_patience
        return max(started, self._succeeded) + patience - self._clock()

    async def ask(
        self, path: str, params: Params, *, sent_cursor: bool, permit: Permit | None = None, renewals: int = RENEWALS
    ) -> Answer:
        """Send one request under a permit; and again, under another, if its token had ended."""
        permit = permit or await self.pace.permit()
        quota, judged, sent = Quota(), None, self._clock()
        self._requests += 1
        try:
            came = await self._connection.get(path, params, renew=renewals > 0)
            if came.status:
                self._answered = True
                quota = read_quota(came.headers)
            now = datetime.now(UTC)
            judged = came.failure or verdict(
                came.status, came.headers, came.body, sent_cursor=sent_cursor, now=now, show=self._show
            )
        finally:
            failed = isinstance(judged, Again) and not judged.hold
            self.pace.learn(permit, quota, failed=failed)
        if came.stale:
            return await self.ask(path, params, sent_cursor=sent_cursor, renewals=renewals - 1)
        return Answer(judged, came, self._clock() - sent)
