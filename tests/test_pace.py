"""The pace, against a server that counts in fixed windows, in a time that jumps from timer to timer (P5, P8)."""

from __future__ import annotations

import asyncio
import math
import random
import selectors
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.pace import LATENESS, SLOW_START, Pace
from exporter.verdict import Quota

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits for nothing: where a loop would wait, its time is moved on."""

    wait: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            assert timeout is not None, "everybody waits for ever"
            self.wait(timeout)
        return ready


class Loop(asyncio.SelectorEventLoop):
    """A loop in virtual time. Its timers are late like real ones: up to the next tick, and by a random part of one."""

    def __init__(self, tick: float = 0.0) -> None:
        self._now, self._tick, self._rng = 1000.0, tick, random.Random(1)
        selector = _Selector()
        selector.wait = self._wait
        super().__init__(selector)

    def _wait(self, seconds: float) -> None:
        until = self._now + seconds
        if self._tick:
            until = (math.ceil(until / self._tick) + self._rng.random()) * self._tick
        self._now = until + 1e-7

    def time(self) -> float:
        return self._now


def run(main: Coroutine[Any, Any, T], tick: float = 0.0) -> T:
    with asyncio.Runner(loop_factory=lambda: Loop(tick)) as runner:
        return runner.run(main)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Server:
    """Counts requests in fixed windows of a minute, like the real one, and tells what is left in whole seconds."""

    limit: int
    rounding: Callable[[float], int] = math.ceil
    phase: float = 0.0
    latency: tuple[float, float] = (0.3, 0.1)
    on_the_way: float = 0.5
    counts: Counter[int] = field(default_factory=Counter)
    ours: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)
        self._started = now()

    def _window(self) -> tuple[int, float]:
        window, into = divmod(now() - self._started + self.phase, 60)
        return int(window), 60 - into

    def take(self, count: int = 1) -> None:
        """Let others use the account."""
        window, _ = self._window()
        self.counts[window] = min(self.counts[window] + count, self.limit)

    async def answer(self) -> tuple[bool, Quota]:
        """Take one request, and answer after a while."""
        latency = self.latency[0] + self.latency[1] * self._rng.random()
        await asyncio.sleep(latency * self.on_the_way)
        window, left = self._window()
        accepted = self.counts[window] < self.limit
        self.counts[window] += accepted
        self.ours[window] += accepted
        self.refused += not accepted
        quota = Quota(self.limit, self.limit - self.counts[window], self.rounding(left))
        await asyncio.sleep(latency * (1 - self.on_the_way))
        return accepted, quota

    def full_windows(self) -> list[int]:
        """Return what was ours in each window but the first two, in which the limit was found out, and the last."""
        return [self.ours[window] for window in sorted(self.ours)[2:-1]]


async def export(pace: Pace, server: Server, minutes: float, requesters: int | None = None) -> None:
    """Ask as fast as the pace allows, for some minutes."""
    count = requesters or int(server.limit / 60 * sum(server.latency) * 1.2) + 3

    async def ask() -> None:
        while True:
            await pace.permit()
            accepted, quota = await server.answer()
            if not accepted:
                pace.hold((quota.reset or 1) + random.Random(1).random(), "rate limit")
            pace.learn(quota)

    tasks = [asyncio.create_task(ask()) for _ in range(count)]
    done, _ = await asyncio.wait(tasks, timeout=minutes * 60)
    for task in done:
        task.result()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def permits(pace: Pace, count: int, quota: Callable[[int], Quota] = lambda _: Quota()) -> list[float]:
    """Take permits as they come, and tell when they came."""
    started, times = now(), []
    for number in range(count):
        await pace.permit()
        times.append(now() - started)
        pace.learn(quota(number))
    return times


async def simulated(limit: int, share: float = 0.95, minutes: float = 4.5, **server: Any) -> Server:
    there = Server(limit, **server)
    await export(Pace(None, share, clock=now), there, minutes)
    return there


@pytest.mark.parametrize("latency", [(0.1, 0.05), (2.0, 1.0), (5.0, 2.0)], ids=["0.1 s", "2 s", "5 s"])
@pytest.mark.parametrize("limit", [200, 700, 2500])
def test_the_whole_budget_is_used_and_no_more(limit: int, latency: tuple[float, float]) -> None:
    server = run(simulated(limit, latency=latency, phase=17), tick=0.001)
    assert server.refused == 0
    assert min(server.full_windows()) >= 0.98 * 0.95 * limit


@given(
    limit=st.sampled_from([10, 200, 700]),
    share=st.sampled_from([0.3, 0.95, 1.0]),
    rounding=st.sampled_from([math.floor, math.ceil]),
    phase=st.floats(0, 60),
    latency=st.tuples(st.floats(0.05, 5), st.floats(0, 2)),
    on_the_way=st.floats(0, 1),
    tick=st.sampled_from([0, 0.001, 0.015]),
)
@settings(max_examples=25, deadline=None)
def test_no_request_is_ever_refused_for_our_own_pace(tick: float, share: float, **server: Any) -> None:
    there = run(simulated(share=share, minutes=3.5, **server), tick)
    assert there.refused == 0
    assert min(there.full_windows()) >= 0.85 * share * server["limit"] - 1


@pytest.mark.parametrize("tick", [0.001, 0.015])
def test_late_wake_ups_are_caught_up_on(tick: float) -> None:
    async def main() -> float:
        return (await permits(Pace(2375, clock=now), 2376))[-1]

    assert run(main(), tick) == pytest.approx(60, rel=0.005)


@pytest.mark.parametrize("limit", [200, 700])
@pytest.mark.parametrize("theirs", [0.3, 0.8])
def test_while_others_use_the_account_we_take_what_is_left(limit: int, theirs: float) -> None:
    async def others(server: Server) -> None:
        while True:
            server.take()
            await asyncio.sleep(60 / (limit * theirs))

    async def main() -> Server:
        server = Server(limit)
        task = asyncio.create_task(others(server))
        await export(Pace(clock=now), server, 5.5)
        task.cancel()
        return server

    server = run(main(), 0.001)
    assert server.refused <= 5 * 2  # the others take the last ones while ours are on the way
    if theirs < 0.5:
        assert min(server.full_windows()) >= 0.95 * (1 - theirs) * limit


def test_what_others_leave_is_spread_over_the_rest_of_the_window() -> None:
    async def main() -> list[float]:
        pace = Pace(clock=now)
        await permits(pace, 1, lambda _: Quota(700, 60, 59))
        return await permits(pace, 20, lambda number: Quota(700, 59 - number, 58 - number))

    times = run(main())
    assert [b - a for a, b in zip(times, times[1:], strict=False)] == pytest.approx([1.0] * 19, abs=0.01)


def test_when_the_budget_is_spent_everybody_waits_for_the_window_to_end() -> None:
    async def main() -> tuple[float, str, list[float]]:
        pace = Pace(clock=now)
        await permits(pace, 1, lambda _: Quota(700, 0, 30))
        return pace.statistics().waiting, pace.statistics().why, await permits(pace, 1)

    waiting, why, times = run(main())
    assert (waiting, why) == (31, "this minute's budget is spent")
    assert times == pytest.approx([31 + 60 / 665], abs=0.01)


@pytest.mark.parametrize(
    "quota", [Quota(700, 2, 0), Quota(700, 0, 0), Quota(1, 0, 0), Quota(700, 2, 60), Quota(700, 5, 0)]
)
@pytest.mark.parametrize("in_flight", [1, 5, 50])
def test_no_answer_breaks_the_pace(quota: Quota, in_flight: int) -> None:
    async def main() -> None:
        pace = Pace(6000, clock=now)
        for _ in range(in_flight):
            await pace.permit()
        for _ in range(in_flight):
            pace.learn(quota)
        await asyncio.wait_for(permits(pace, 2), 200)

    run(main())


@pytest.mark.parametrize("remaining", [0, 1, 100])
def test_no_header_makes_us_wait_longer_than_for_a_minute(remaining: int) -> None:
    async def main() -> float:
        pace = Pace(clock=now)
        await permits(pace, 1, lambda _: Quota(200, remaining, 999_999_999))
        return (await permits(pace, 1))[0]

    assert run(main()) < 63


def test_the_first_request_waits_for_nothing() -> None:
    assert run(_first()) == pytest.approx(0, abs=0.001)


async def _first() -> float:
    return (await permits(Pace(clock=now), 1))[0]


def even(times: list[float], rate: float) -> bool:
    """Tell whether no two permits are closer than the rate allows."""
    return min(b - a for a, b in zip(times, times[1:], strict=False)) >= 60 / rate * 0.999


@pytest.mark.parametrize(
    ("rate", "expected"), [(None, SLOW_START * 0.95), (600.0, 600.0), (2400.0, 2400.0), (3.0, 3.0)]
)
def test_there_is_no_burst_at_the_start(rate: float | None, expected: float) -> None:
    assert even(run(_start(rate)), expected)


async def _start(rate: float | None) -> list[float]:
    return await permits(Pace(rate, clock=now), 40)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 30)), min_size=1, max_size=12), st.floats(1, 3000))
@settings(max_examples=40, deadline=None)
def test_in_no_minute_are_there_more_than_the_rate_and_what_was_late(
    steps: list[tuple[float, int]], rate: float
) -> None:
    async def main() -> list[float]:
        pace, times = Pace(rate, clock=now), []
        for idle, count in steps:
            await asyncio.sleep(idle)
            await permits(pace, count)
            times += [now() - 60 / rate * back for back in range(count - 1, -1, -1)] if rate < 1 else list(pace._sent)
            pace._sent.clear()
        return times

    times = run(main(), 0.001)
    bound = rate + LATENESS * rate / 60 + 1
    assert all(sum(start <= time < start + 60 for time in times) <= bound + 1e-6 for start in times)


@pytest.mark.parametrize("seconds", [0.5, 30.0])
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
    async def main() -> list[float]:
        return await permits(Pace(clock=now), 60, lambda number: Quota(2000 + number * 7, 2000, 60))

    assert even(run(main()), 2413 * 0.95)


def test_a_hold_stops_everybody_even_those_whose_turn_has_come() -> None:
    async def main() -> list[float]:
        pace, times = Pace(60, clock=now), list[float]()

        async def ask() -> None:
            await pace.permit()
            times.append(now() - started)

        started = now()
        tasks = [asyncio.create_task(ask()) for _ in range(6)]
        await asyncio.sleep(1.5)
        pace.hold(10, "rate limit")
        await asyncio.sleep(5)
        pace.hold(20, "again")
        pace.hold(1, "shorter")
        await asyncio.gather(*tasks)
        return times

    times = run(main())
    assert [time < 1.5 for time in times] == [True, True, False, False, False, False]
    assert times[2] >= 26.5
    assert even(times, 60)


def test_a_shorter_hold_does_not_shorten_a_longer_one() -> None:
    async def main() -> tuple[float, str]:
        pace = Pace(clock=now)
        pace.hold(60, "long")
        pace.hold(1, "short")
        return pace.statistics().waiting, pace.statistics().why

    assert run(main()) == (60, "long")


def test_a_requester_that_gives_up_waiting_stops_nobody_else() -> None:
    async def main() -> list[float]:
        pace = Pace(60, clock=now)
        await pace.permit()
        pace.learn(Quota())
        tasks = [asyncio.create_task(pace.permit()) for _ in range(5)]
        await asyncio.sleep(0.5)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await asyncio.wait_for(permits(pace, 3), 10)

    assert len(run(main())) == 3


def test_a_rate_that_is_given_is_not_touched_by_share_and_limit() -> None:
    async def main() -> float:
        pace = Pace(300, 0.5, clock=now)
        await permits(pace, 1, lambda _: Quota(700, 700, 60))
        return pace.statistics().rate

    assert run(main()) == 300


def test_answers_without_a_budget_change_nothing() -> None:
    async def main() -> tuple[float, float]:
        pace = Pace(clock=now)
        await permits(pace, 1, lambda _: Quota(700, 700, 60))
        before = pace.statistics().rate
        await permits(pace, 1)
        return before, pace.statistics().rate

    assert run(main()) == (665, 665)


def test_what_the_pace_is_doing_can_be_told() -> None:
    async def main() -> tuple[float, float, str]:
        pace = Pace(120, clock=now)
        await permits(pace, 241)
        found = pace.statistics()
        return found.recent, found.waiting, repr(pace)

    recent, waiting, shown = run(main())
    assert recent == pytest.approx(120, abs=2)
    assert waiting == 0
    assert shown == "<Pace 120/min, limit None, held 0.0 s>"
