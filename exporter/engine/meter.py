"""How far and how fast: numbers for people, out of what engine, client and pace count."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from exporter.api import PaceStatistics
from exporter.events import Progress, RoleProgress
from exporter.model import Role

SPAN = 10.0
"""Seconds over which the rate is taken: long enough to be steady, short enough to show a change."""


@dataclass(slots=True)
class RoleMeter:
    """What is known of one role.

    :param expected: the account's estimate of its users.
    :param ranges: ranges at work, and `unfinished`: ranges that are not written to their end.
    """

    users: int = 0
    expected: int | None = None
    ranges: int = 0
    unfinished: int = 0

    @property
    def finished(self) -> bool:
        """Whether every user of the role is written."""
        return not self.unfinished


class Meter:
    """Counts users by role and makes `Progress` of it."""

    def __init__(self, roles: tuple[Role, ...], clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._written = 0
        self._recent: deque[tuple[float, int]] = deque([(self._started, 0)])
        self.roles = {role: RoleMeter() for role in roles}
        self.closing = ""  # what the closing sweep is doing; nothing before it

    @property
    def written(self) -> int:
        """Users written by this run."""
        return self._written

    @property
    def seconds(self) -> float:
        """Seconds since this run began."""
        return self._clock() - self._started

    def add(self, role: Role, users: int) -> None:
        """Count users as written."""
        self.roles[role].users += users
        self._written += users

    def progress(self, requests: int, retries: int, pace: PaceStatistics) -> Progress:
        """Return where the export stands."""
        users = sum(meter.users for meter in self.roles.values())
        rate = self._rate()
        # An estimate can be too low (a day old, or capped): what is written is certainly there.
        known = [
            max(meter.expected, meter.users) if meter.expected is not None and not meter.finished else meter.users
            for meter in self.roles.values()
            if meter.expected is not None or meter.finished
        ]
        expected = sum(known) if len(known) == len(self.roles) else None
        return Progress(
            seconds=self.seconds,
            users=users,
            written=self._written,
            expected=expected,
            rate=rate,
            requests=requests,
            retries=retries,
            requests_per_minute=pace.recent,
            allowed_per_minute=pace.rate,
            limit_felt=pace.felt is not None,
            in_flight=pace.in_flight,
            closing=self.closing,
            waiting=pace.waiting,
            why=pace.why,
            eta=(expected - users) / rate if expected is not None and rate else None,
            roles=self.role_progress(),
        )

    def role_progress(self) -> tuple[RoleProgress, ...]:
        """Return where each role stands."""
        return tuple(
            RoleProgress(role, meter.users, meter.expected, meter.ranges, meter.finished)
            for role, meter in self.roles.items()
        )

    def _rate(self) -> float:
        now = self._clock()
        self._recent.append((now, self._written))
        while len(self._recent) > 2 and self._recent[1][0] <= now - SPAN:
            self._recent.popleft()
        then, before = self._recent[0]
        return (self._written - before) / (now - then) if now > then else 0.0
