"""How far and how fast: what a person is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.api.permit import PaceStatistics
from exporter.engine.meter import SPAN, Meter
from exporter.events import Progress
from exporter.model import Role

PACE = PaceStatistics(
    rate=190.0, limit=200, felt=None, recent=180.0, in_flight=9, window=16, waiting=4.0, why="rate limit"
)
ROLES = (Role.AGENT, Role.ADMIN)


class Clock:
    """A clock that goes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


class Metered:
    """A meter and its clock."""

    def __init__(self, roles: tuple[Role, ...] = ROLES) -> None:
        self.clock = Clock()
        self.meter = Meter(roles, self.clock)
        for meter in self.meter.roles.values():
            meter.unfinished = 1

    def after(self, seconds: float, users: int = 0, role: Role = Role.AGENT) -> Progress:
        self.clock.now += seconds
        self.meter.add(role, users)
        return self.meter.progress(7, 2, PACE)


def test_at_the_start_nothing_is_known() -> None:
    found = Metered().after(0)
    assert (found.users, found.written, found.rate, found.expected, found.eta) == (0, 0, 0.0, None, None)


def test_users_of_earlier_runs_count_as_users_and_not_as_written() -> None:
    metered = Metered()
    metered.meter.roles[Role.AGENT].users = 50
    found = metered.after(1, 10)
    assert (found.users, found.written, metered.meter.written) == (60, 10, 10)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    metered = Metered()
    for _ in range(30):
        metered.after(1, 100)
    for _ in range(int(SPAN) + 1):
        found = metered.after(1, 20)
    assert found.rate == pytest.approx(20)


def test_the_rate_falls_to_nothing_when_nothing_comes() -> None:
    metered = Metered()
    metered.after(1, 100)
    assert [metered.after(SPAN).rate, metered.after(SPAN).rate][-1] == 0


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(0, 1000)), max_size=50))
def test_no_number_is_ever_negative_or_a_division_by_zero(steps: list[tuple[float, int]]) -> None:
    metered = Metered()
    for meter in metered.meter.roles.values():
        meter.expected = 100
    for seconds, users in steps:
        found = metered.after(seconds, users)
        assert found.rate >= 0
        assert found.eta is None or found.eta >= 0
        assert found.expected is not None
        assert found.users <= found.expected


def test_the_memory_of_a_rate_is_bounded() -> None:
    metered = Metered()
    for _ in range(10_000):
        metered.after(0.2, 1)
    assert len(metered.meter._recent) <= SPAN / 0.2 + 3


def test_the_end_is_unknown_until_every_role_has_an_estimate() -> None:
    metered = Metered()
    metered.meter.roles[Role.AGENT].expected = 100
    assert metered.after(1, 10).eta is None
    metered.meter.roles[Role.ADMIN].expected = 0
    assert metered.after(1, 10).eta == pytest.approx(80 / 10)


def test_an_estimate_below_what_is_written_is_raised_to_it() -> None:
    metered = Metered((Role.AGENT,))
    metered.meter.roles[Role.AGENT].expected = 5
    found = metered.after(1, 10)
    assert (found.expected, found.eta) == (10, 0)


def test_a_finished_role_expects_what_it_has() -> None:
    metered = Metered()
    metered.meter.roles[Role.ADMIN].unfinished = 0
    metered.meter.roles[Role.AGENT].expected = 20
    metered.meter.add(Role.ADMIN, 3)
    assert metered.after(1, 10).expected == 23


def test_an_estimate_too_high_is_forgotten_once_its_role_is_finished() -> None:
    metered = Metered((Role.AGENT,))
    metered.meter.roles[Role.AGENT].expected = 100_000
    metered.meter.roles[Role.AGENT].unfinished = 0
    assert metered.after(1, 10).expected == 10


def test_a_role_is_finished_when_no_range_of_it_is_unfinished() -> None:
    metered = Metered()
    metered.meter.roles[Role.AGENT].unfinished = 2
    metered.meter.roles[Role.ADMIN].unfinished = 0
    seen = []
    for _ in range(3):
        seen.append([role.finished for role in metered.after(1).roles])
        metered.meter.roles[Role.AGENT].unfinished -= 1
    assert seen == [[False, True], [False, True], [True, True]]


def test_what_client_and_pace_count_is_passed_on() -> None:
    found = Metered().after(2)
    assert (found.requests, found.retries, found.seconds) == (7, 2, 2.0)
    assert (found.requests_per_minute, found.allowed_per_minute) == (180.0, 190.0)
    assert (found.in_flight, found.waiting, found.why) == (9, 4.0, "rate limit")


def test_each_role_is_told_in_the_order_of_the_query() -> None:
    metered = Metered()
    metered.meter.roles[Role.ADMIN].ranges = 2
    found = metered.after(1, 3, Role.ADMIN)
    assert [(each.role, each.users, each.ranges) for each in found.roles] == [(Role.AGENT, 0, 0), (Role.ADMIN, 3, 2)]
