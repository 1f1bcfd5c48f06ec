"""The pace, against a server that counts in fixed windows, in a time that jumps from timer to timer (P5, P8)."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api.pace import LATENESS, SLOW_START, Pace
from exporter.api.permit import Permit
from exporter.api.verdict import Quota
from exporter.api.window import START
from tests.support.simulation import now, run

Answers = Callable[[int], Quota]


@dataclass
class Server:
    """Counts requests in fixed windows of a minute, like the real one, and tells what is left in whole seconds."""

    limit: int
    rounding: Callable[[float], int] = math.ceil
    phase: float = 0.0
    latency: tuple[float, float] = (0.3, 0.1)
    on_the_way: float = 0.5
    theirs: float = 0.0  # what others send meanwhile, as a share of the limit
    ours: Counter[int] = field(default_factory=Counter)
    refused: int = 0

    def __post_init__(self) -> None:
        self._rng, self._started = random.Random(1), now()

    async def answer(self) -> tuple[bool, Quota]:
        """Take one request, and answer after a while."""
        latency = self.latency[0] + self.latency[1] * self._rng.random()
        await asyncio.sleep(latency * self.on_the_way)
        window, into = divmod(now() - self._started + self.phase, 60)
        left = self.limit - self.ours[int(window)] - int(self.theirs * self.limit * into / 60)
        self.ours[int(window)] += left > 0
        self.refused += left <= 0
        await asyncio.sleep(latency * (1 - self.on_the_way))
        return left > 0, Quota(self.limit, max(left - 1, 0), self.rounding(60 - into))

    def full_windows(self) -> list[int]:
        """Return what was ours in each window but the first two, in which the limit was found out, and the last."""
        return [self.ours[window] for window in sorted(self.ours)[2:-1]]


async def simulated(limit: int, share: float = 0.95, minutes: float = 3.2, **about: Any) -> Server:
    """Ask as fast as the pace allows, for some minutes."""
    pace, server = Pace(None, share, clock=now), Server(limit, **about)

    async def ask() -> None:
        while True:
            permit = await pace.permit()
            accepted, quota = await server.answer()
            if not accepted:
                pace.hold((quota.reset or 1) + 0.5, "rate limit")
            pace.learn(permit, quota)

    with suppress(TimeoutError):
        async with asyncio.timeout(minutes * 60), asyncio.TaskGroup() as group:
            for _ in range(int(limit / 60 * sum(server.latency) * 1.2) + 3):
                group.create_task(ask())
    return server


async def permits(pace: Pace, count: int, quota: Answers = lambda _: Quota()) -> list[float]:
    """Take permits as they come, and tell when they came."""
    started, times = now(), []
    for number in range(count):
        permit = await pace.permit()
        times.append(now() - started)
        pace.learn(permit, quota(number))
    return times


async def under_way(pace: Pace, count: int) -> list[Permit]:
    """Have so many requests under way; where the window is in the way, quick answers to others make it wide enough."""
    others = max(count - START, 0)
    asked = [asyncio.create_task(pace.permit()) for _ in range(others + count)]
    for task in asked[:others]:
        pace.learn(await task, Quota())
    return [await task for task in asked[others:]]


async def begun(count: int, rate: float | None = None, quota: Answers = lambda _: Quota()) -> list[float]:
    """Take the first permits of a new pace."""
    return await permits(Pace(rate, clock=now), count, quota)


def even(times: list[float], rate: float) -> bool:
    """Tell whether no two permits are closer than the rate allows."""
    return min(later - sooner for sooner, later in pairwise(times)) >= 60 / rate * 0.999


@pytest.mark.parametrize("latency", [(0.1, 0.05), (2.0, 1.0), (5.0, 2.0)], ids=["0.1 s", "2 s", "5 s"])
@pytest.mark.parametrize("limit", [200, 700, 2500])
def test_the_whole_budget_is_used_and_no_more(limit: int, latency: tuple[float, float]) -> None:
    server = run(simulated(limit, latency=latency, phase=17), tick=0.001)
    assert server.refused == 0
    assert min(server.full_windows()) >= 0.98 * 0.95 * limit


@pytest.mark.parametrize("rounding", [math.floor, math.ceil])
@pytest.mark.parametrize(("latency", "least"), [((0.3, 0.1), 0.97), ((2.0, 1.0), 0.94)], ids=["0.3 s", "2 s"])
def test_with_the_whole_share_little_is_lost_where_windows_meet(
    latency: tuple[float, float], least: float, rounding: Callable[[float], int]
) -> None:
    server = run(simulated(2500, 1.0, latency=latency, phase=17, rounding=rounding), tick=0.001)
    assert server.refused == 0
    assert min(server.full_windows()) >= least * 2500


@given(
    limit=st.sampled_from([10, 200, 700]),
    share=st.sampled_from([0.3, 0.95, 1.0]),
    rounding=st.sampled_from([math.floor, math.ceil]),
    phase=st.floats(0, 60),
    latency=st.tuples(st.floats(0.05, 5), st.floats(0, 2)),
    on_the_way=st.floats(0, 1),
    tick=st.sampled_from([1e-7, 0.001, 0.015]),
)
@settings(max_examples=15, deadline=None)
def test_no_request_is_ever_refused_for_our_own_pace(tick: float, share: float, **server: Any) -> None:
    there = run(simulated(share=share, minutes=3.2, **server), tick)
    assert there.refused == 0
    least, jitter = server["latency"]
    if jitter > least or least + jitter > 4:  # twice as slow as the quickest counts as a queue; four seconds cost more
        return
    assert min(there.full_windows()) >= math.floor((0.95 if share < 1 else 0.88) * share * server["limit"] - 1)


@pytest.mark.parametrize("tick", [0.001, 0.015])
def test_late_wake_ups_are_caught_up_on(tick: float) -> None:
    assert run(begun(2376, 2375), tick)[-1] == pytest.approx(60, rel=0.005)


@pytest.mark.parametrize(("theirs", "ours"), [(0.3, 0.95 * 0.7), (0.8, 0.4)])
@pytest.mark.parametrize("limit", [200, 700])
def test_while_others_use_the_account_we_take_what_is_left(limit: int, theirs: float, ours: float) -> None:
    server = run(simulated(limit, theirs=theirs, minutes=4.2), 0.001)
    assert server.refused <= 4 * 2  # the others take the last ones while ours are on the way
    assert min(server.full_windows()) >= ours * limit


def test_what_others_leave_is_spread_over_the_rest_of_the_window() -> None:
    times = run(begun(21, None, lambda number: Quota(700, 60 - number, 59 - number)))[1:]
    assert [later - sooner for sooner, later in pairwise(times)] == pytest.approx([1.0] * 19, abs=0.01)


def test_when_the_budget_is_spent_everybody_waits_for_the_window_to_end() -> None:
    assert 30 <= run(begun(2, None, lambda _: Quota(700, 0, 30)))[1] < 31.2


@pytest.mark.parametrize("left", [(2, 0), (0, 0), (2, 60), (5, 0)])
@pytest.mark.parametrize("limit", [1, 700])
@pytest.mark.parametrize("in_flight", [1, 5, 50])
def test_no_answer_breaks_the_pace(limit: int, left: tuple[int, int], in_flight: int) -> None:
    async def main() -> None:
        pace = Pace(6000, clock=now)
        for permit in await under_way(pace, in_flight):
            pace.learn(permit, Quota(limit, *left))
        await asyncio.wait_for(permits(pace, 2), 200)

    run(main())


def test_what_is_in_flight_is_taken_off_what_is_left() -> None:
    async def main() -> float:
        pace = Pace(600, clock=now)
        permits = await under_way(pace, 20)
        pace.learn(permits[0], Quota(600, 25, 59))
        return pace.statistics().waiting

    assert run(main()) == pytest.approx(60)


@pytest.mark.parametrize("remaining", [0, 1, 100])
def test_no_header_makes_us_wait_longer_than_for_a_minute(remaining: int) -> None:
    assert run(begun(2, None, lambda _: Quota(200, remaining, 999_999_999)))[1] < 63


@pytest.mark.parametrize("rate", [None, 600.0, 2400.0, 3.0])
def test_the_first_request_waits_for_nothing_and_the_next_ones_come_evenly(rate: float | None) -> None:
    times = run(begun(15, rate))  # before a limit that nobody tells is felt for
    assert times[0] < 0.001
    assert even(times, rate or SLOW_START * 0.95)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), min_size=1, max_size=12), st.floats(1, 3000))
@settings(max_examples=40, deadline=None)
def test_no_minute_has_more_than_the_rate_and_what_was_late(steps: list[tuple[float, int]], rate: float) -> None:
    async def main() -> list[float]:
        pace, times = Pace(rate, clock=now), list[float]()
        for idle, count in steps:
            await asyncio.sleep(idle)
            started = now()
            times += [started + time for time in await permits(pace, count)]
        return times

    times = run(main(), 0.001)
    bound = rate + LATENESS * rate / 60 + 1
    assert all(sum(start <= time < start + 60 for time in times) <= bound + 1e-6 for start in times)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 30.0])
def test_there_is_no_burst_after_a_hold(seconds: float) -> None:
    async def main() -> list[float]:
        pace = Pace(2400, clock=now)
        await permits(pace, 3)
        pace.hold(seconds, "rate limit")
        return await permits(pace, 10)

    times = run(main())
    assert times[0] >= seconds
    assert even(times, 2400)


def test_there_is_no_burst_when_the_rate_changes_with_every_answer() -> None:
    assert even(run(begun(60, None, lambda number: Quota(2000 + number * 7, 2000, 60))), 2413 * 0.95)


def test_a_hold_stops_everybody_even_those_whose_turn_has_come() -> None:
    async def main() -> list[float]:
        pace, started = Pace(60, clock=now), now()

        async def ask() -> float:
            await pace.permit()
            return now() - started

        tasks = [asyncio.create_task(ask()) for _ in range(6)]
        for pause, hold in ((1.5, 10), (5, 20), (0, 1)):
            await asyncio.sleep(pause)
            pace.hold(hold, "rate limit")
        return list(await asyncio.gather(*tasks))

    times = run(main())
    assert times[1] < 1.5
    assert times[2] >= 26.5
    assert even(times, 60)


def test_a_requester_that_gives_up_waiting_stops_nobody_else() -> None:
    async def main() -> list[float]:
        pace = Pace(60, clock=now)
        await permits(pace, 1)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*[pace.permit() for _ in range(5)]), 0.5)
        return await permits(pace, 3)

    assert run(main()) == pytest.approx([0.5, 1.5, 2.5], abs=0.01)


@pytest.mark.parametrize(("rate", "times"), [(None, [0.1 + each / 38 for each in (1, 2, 3)]), (60.0, [1, 2, 3])])
def test_who_waits_by_the_slow_start_goes_on_once_the_limit_is_known(rate: float | None, times: list[float]) -> None:
    async def main() -> list[float]:
        pace = Pace(rate, clock=now)
        first = await pace.permit()
        waiting = asyncio.create_task(permits(pace, 3))
        await asyncio.sleep(0.1)
        pace.learn(first, Quota(2400, 2399, 60))
        return await waiting

    assert run(main()) == pytest.approx(times, abs=0.001)


def test_a_rate_that_is_given_is_not_touched_by_share_and_limit() -> None:
    assert run(begun(41, 300, lambda _: Quota(700, 700, 60)))[-1] == pytest.approx(8, abs=0.01)


def test_answers_without_a_budget_change_nothing() -> None:
    times = run(begun(20, None, lambda number: Quota() if number else Quota(700, 700, 60)))
    assert even(times, 665)
    assert times[-1] - times[1] == pytest.approx(18 * 60 / 665, abs=0.01)


def test_what_the_pace_is_doing_can_be_told() -> None:
    async def main() -> tuple[str, float, float, str]:
        pace = Pace(120, clock=now)
        await permits(pace, 241)
        pace.hold(60, "long")
        pace.hold(1, "short")
        found = pace.statistics()
        return repr(pace), found.recent, found.waiting, found.why

    shown, recent, waiting, why = run(main())
    assert (shown, why) == ("<Pace 120/min, limit None, held 60.0 s>", "long")
    assert (abs(recent - 120) < 2, waiting == pytest.approx(60)) == (True, True)
