"""The account's request budget: the one gate every request goes through.

Theory of operation. Zendesk counts requests per account in fixed windows of a minute. So:

1. Requests leave evenly, one every 60 / rate seconds: a bucket of little more than 1. The form `(rate, 60)` would let
   twice the limit through in the first minute. A bucket of exactly 1 would lose every late wake-up for good: timers
   alone are up to 1 ms late, 3 % of 2,500 a minute.
2. The rate is the account's own limit × share, read from every response. Until the first response only a slow start
   is allowed, at the smallest limit any plan has; who waits by it then waits no longer. Where responses tell no limit,
   it is felt for (`untold`).
3. Others spend from the same budget: where less is left than we would use until the window ends, it is spread over the
   rest of the window. What our share leaves over covers our own noise. A share that leaves less goes on while no more
   than the noise is short, since an even pace fits any window, and stops where nothing is left. What is in flight is
   part of the plan, and taken off once we slow down. The window's end comes in whole seconds: it is one more.
4. A 429 holds everyone, or the others would go on knocking.
5. A permit that nobody wants at its time is spare: whoever waits in `spare` stands in line like all others, and lets
   the next one go first if there is one.
6. How many requests are in flight is bounded too (`window`): a server that slows or fails gets fewer at once.
7. Permits are given one at a time, so a change of rate or a hold takes effect with the next permit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import anyio
import anyio.lowlevel
from aiolimiter import AsyncLimiter

from exporter.api.permit import PaceStatistics, Permit
from exporter.api.untold import Untold
from exporter.api.verdict import Quota
from exporter.api.window import MOST, Window

MINUTE = 60.0
SLOW_START = 200.0
"""Requests a minute before the account's limit is known: that of the smallest plan in sale (documented)."""
RECENT = 5.0
"""Seconds over which the rate is told: long enough to be steady, short enough to show a change."""
NOISE = 2.0
"""Seconds of our own requests that may seem short: the window's end is told up to one late, and a count is one old."""
SPENT = "this minute's budget is spent"
IN_FLIGHT = 64 << 20
"""Bytes of answers that may be in flight together, by the mean of the last ones."""
LATENESS = 0.1
"""Seconds of late wake-ups that are caught up on: far more than a timer's, and than it takes to read a page."""


class Pace:
    """Gives permits to send a request.

    :param rate: requests a minute; None takes the account's own limit.
    :param share: how much of the account's limit is ours, 0–1. It does not touch a `rate` that was given.
    """

    def __init__(
        self, rate: float | None = None, share: float = 0.95, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._given = rate
        self._share = share
        self._clock = clock
        self._limit: int | None = None
        self._most, self._weight = MOST, 0.0  # requests in flight, and bytes of an answer: a mean over the last
        self._untold = Untold(SLOW_START)
        self._felt = False  # answers came, and none of them told a limit
        self._window = Window()
        self._slots = anyio.CapacityLimiter(self._window.size)
        self._stopped = 0  # requests that wait for another to be answered
        self._gate = anyio.Lock(fast_acquire=True)
        self._left_over = False  # a permit whose turn has come, and that was not used
        self._held_until = self._started = clock()
        self._why = ""
        self._sent: deque[float] = deque()
        self._rate = rate or SLOW_START * share
        self._limiter = AsyncLimiter(1)
        self._warm = False  # another run has sent requests a moment ago
        self._ends = float("-inf")  # when the server's minute is over, by its own words
        self._waits: anyio.CancelScope | None = None  # of whoever waits for the next permit
        self._paced: float | None = None  # the rate the limiter was made for; None: it is to be made anew

    def resume(self, limit: int | None, felt: float | None, held: float) -> None:
        """Go on where another run left off a moment ago: no permit is ready, and its hold lasts.

        :param limit: the account's limit, as far as that run knew it.
        :param felt: the limit it felt, where the account told none.
        :param held: seconds that its hold still lasts.
        """
        self._warm = True
        self._limit = limit
        self._untold = Untold(felt or SLOW_START)
        self._rate = self._given or (limit or self._untold.level) * self._share
        self._hold(held, "rate limit")

    def bound(self, most: int) -> None:
        """Have at most so many requests in flight, from the first one on."""
        self._most = most
        self._window.bound(most)
        self._slots.total_tokens = self._window.size

    def weigh(self, size: int) -> None:
        """Take in how large an answer was: what is in flight together stays within `IN_FLIGHT`."""
        self._weight += (size - self._weight) / 8 if self._weight else size
        self._window.bound(min(self._most, int(IN_FLIGHT / max(self._weight, 1))))

    def __repr__(self) -> str:
        return f"<Pace {self._rate:.0f}/min, limit {self._limit}, held {self.statistics().waiting:.1f} s>"

    async def permit(self) -> Permit:
        """Wait for the right to send one request. Every permit has to be followed by one `learn`."""
        permit = Permit()
        await self._slot(permit)
        try:
            async with self._gate:
                await self._turn()
        except BaseException:
            self._slots.release_on_behalf_of(permit)
            raise
        return self._send(permit)

    async def spare(self) -> Permit:
        """Wait for a permit that nobody else wants; it is followed by one `learn` or, at once, by `give_back`."""
        permit = Permit()
        while True:
            await self._slot(permit)
            try:
                async with self._gate:
                    await self._turn()
                    if not self._wanted():
                        return self._send(permit)
                    self._left_over = True
            except BaseException:
                self._slots.release_on_behalf_of(permit)
                raise
            self._slots.release_on_behalf_of(permit)
            await anyio.lowlevel.checkpoint()  # nothing above has to wait where there is no limit to speak of

    async def _slot(self, permit: Permit) -> None:
        """Wait until one more request may be in flight."""
        try:
            self._slots.acquire_on_behalf_of_nowait(permit)
        except anyio.WouldBlock:
            self._stopped += 1
            try:
                await self._slots.acquire_on_behalf_of(permit)
            finally:
                self._stopped -= 1

    def give_back(self, permit: Permit) -> None:
        """Return a permit that `spare` just gave: nothing was sent."""
        self._slots.release_on_behalf_of(permit)
        self._sent.pop()
        self._left_over = True

    def _wanted(self) -> bool:
        """Tell whether somebody waits for a permit."""
        return self._gate.statistics().tasks_waiting > 0 or self._stopped > 0

    def _send(self, permit: Permit) -> Permit:
        permit.sent = self._clock()
        self._sent.append(permit.sent)
        self._forget_old()
        return permit

    async def _turn(self) -> None:
        """Wait until the next request is due, and nothing holds it."""
        if self._left_over:
            self._left_over = False
            return
        await self._due()
        while (wait := self._held_until - self._clock()) > 0:
            await anyio.sleep(wait)
            self._paced = None  # what leaked meanwhile is nobody's
            await self._due()

    async def _due(self) -> None:
        while True:
            if self._paced != self._rate:
                self._paced = self._rate
                size = 1 + LATENESS * self._rate / MINUTE
                self._limiter = AsyncLimiter(size, size * MINUTE / self._rate)
                # The new bucket starts full: else each change of rate and each hold would give permits away.
                await self._limiter.acquire(size if self._sent or self._warm else size - 1)
            with anyio.CancelScope() as self._waits:
                return await self._limiter.acquire()

    def learn(self, permit: Permit, quota: Quota, *, failed: bool = False) -> None:
        """Take in what a response said of the budget; an empty quota if there was no response.

        :param failed: whether the server or the way to it failed; a 429 is no failure, it is the limit.
        """
        self._adjust(permit, failed=failed)
        known = self._limit is not None
        if quota.limit:
            self._limit = quota.limit
        if self._limit is None:
            if not failed:
                self._felt = True
                self._untold.answered(self._clock(), quick=self._window.quick)
                self._rate = self._given or self._untold.level * self._share
            return
        self._felt = False
        self._rate = self._given or self._limit * self._share
        if not known and self._waits is not None:  # the slow start is over for whoever waits by its rate, too
            self._waits.cancel()
        if quota.remaining is None or quota.reset is None:
            return
        window = self._window_left(quota.reset)
        if window <= 0:  # a late answer, of a minute that is over
            return
        short = self._rate / MINUTE * window - quota.remaining
        noise = self._rate / MINUTE * NOISE
        left = quota.remaining - self._slots.borrowed_tokens
        if short > min(max(noise - (self._limit - self._rate), 0.0), noise):
            if left < max(self._rate / MINUTE, 1.0):
                self._hold(window, SPENT)
            else:
                self._rate = min(self._rate, left / window * MINUTE)
        elif short > 0 and left < 1:
            self._hold(window, SPENT)

    def _window_left(self, reset: float) -> float:
        """Return how many seconds this minute has left at most, by the least that answers have said of its end."""
        now = self._clock()
        ends = now + min(reset, MINUTE) + 1
        if self._ends - MINUTE / 2 > ends:  # a late answer, of the minute before
            return 0.0
        self._ends = ends if ends > self._ends + NOISE else min(ends, self._ends)
        return self._ends - now

    def _adjust(self, permit: Permit, *, failed: bool) -> None:
        """Take a request off those in flight, and let the window know how it went."""
        now = self._clock()
        if failed:
            self._window.failed(permit.sent, now)
        else:
            self._window.answered(permit.sent, now, wanted=self._stopped > 0)
        self._slots.release_on_behalf_of(permit)
        if self._slots.total_tokens != self._window.size:
            self._slots.total_tokens = self._window.size

    def hold(self, seconds: float, why: str) -> None:
        """Let nobody send for this long: the server said so."""
        now = self._clock()
        if now >= self._held_until:  # else it answers what was under way when it first said so
            self._untold.refused(now)
        self._hold(seconds, why)

    def _hold(self, seconds: float, why: str) -> None:
        until = self._clock() + seconds
        if until > self._held_until:
            self._held_until, self._why = until, why
            self._left_over = False

    def statistics(self) -> PaceStatistics:
        """Return what the pace is doing now."""
        now = self._clock()
        self._forget_old()
        span = min(RECENT, max(now - self._started, 1.0))
        waiting = max(0.0, self._held_until - now)
        return PaceStatistics(
            rate=self._rate,
            limit=self._limit,
            felt=self._untold.level if self._felt else None,
            recent=len(self._sent) / span * MINUTE,
            in_flight=int(self._slots.borrowed_tokens),
            window=self._window.size,
            waiting=waiting,
            why=self._why if waiting else "",
        )

    def _forget_old(self) -> None:
        """Keep the last requests only (P6)."""
        since = self._clock() - RECENT
        while self._sent and self._sent[0] < since:
            self._sent.popleft()
