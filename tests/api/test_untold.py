"""An account that tells no limit: what it bears is felt for."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.api.pace import SLOW_START, Pace
from exporter.api.permit import PaceStatistics
from exporter.api.untold import EVERY, LEAST, MOST, STEP, Untold
from exporter.api.verdict import Quota
from tests.support.simulation import now, run


async def asked(pace: Pace, limit: float, minutes: float) -> tuple[Counter[int], int]:
    """Ask a server that counts in windows of a minute and tells nothing; count what it answered and refused."""
    answered, refused, started = Counter[int](), 0, now()

    async def ask() -> None:
        nonlocal refused
        while True:
            permit = await pace.permit()
            await asyncio.sleep(0.3)
            window = int((now() - started) // 60)
            if answered[window] >= limit:
                refused += 1
                pace.hold(60 - (now() - started) % 60 + 0.1, "rate limit")
            else:
                answered[window] += 1
            pace.learn(permit, Quota())

    with suppress(TimeoutError):
        async with asyncio.timeout(minutes * 60), asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(ask())
    return answered, refused


def simulated(limit: float, minutes: float, rate: float | None = None) -> tuple[Counter[int], int]:
    async def main() -> tuple[Counter[int], int]:
        return await asked(Pace(rate, clock=now), limit, minutes)

    found: tuple[Counter[int], int] = run(main())
    return found


def test_where_nothing_is_refused_it_goes_up_to_what_a_plan_in_the_middle_has() -> None:
    answered, refused = simulated(10_000, 4)
    assert refused == 0
    assert SLOW_START * 0.95 < answered[0] < answered[1] <= MOST * 0.95 + 2
    assert answered[3] >= MOST * 0.95 * 0.98


@pytest.mark.parametrize("limit", [100, 200, 300])
def test_a_limit_that_is_met_is_overstepped_seldom_and_mostly_used(limit: int) -> None:
    answered, refused = simulated(limit, 20)
    assert refused < 20 * 8  # what was under way at the worst, once a minute
    assert sum(answered.values()) > 20 * limit * 0.6


def test_a_rate_that_was_given_is_kept() -> None:
    answered, _ = simulated(10_000, 3, 900.0)
    assert answered[2] == pytest.approx(900, abs=20)


def test_what_was_felt_is_said_and_the_next_run_begins_there() -> None:
    async def both() -> None:
        first, second = Pace(clock=now), Pace(clock=now)
        assert first.statistics().felt is None  # nothing has answered
        await asked(first, 10_000, 2)
        felt = first.statistics().felt
        assert felt == MOST
        second.resume(None, felt, 0.0)
        answered, _ = await asked(second, 10_000, 1)
        assert answered[0] >= MOST * 0.95 * 0.98

    run(both())


def test_an_account_that_tells_its_limit_after_all_is_believed() -> None:
    async def told() -> PaceStatistics:
        pace = Pace(clock=now)
        await asked(pace, 10_000, 2)
        pace.learn(await pace.permit(), Quota(700, 600, 30))
        return pace.statistics()

    found = run(told())
    assert (found.limit, found.felt, found.rate) == (700, None, 665.0)


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["quick", "slow", "refused"]))))
def test_it_stays_within_its_bounds_and_climbs_slowly(events: list[tuple[float, str]]) -> None:
    untold, at = Untold(SLOW_START), 0.0
    for seconds, what in events:
        at, before = at + seconds, untold.level
        if what == "refused":
            untold.refused(at)
        else:
            untold.answered(at, quick=what == "quick")
        assert LEAST <= untold.level <= MOST
        assert untold.level <= before + STEP
    assert untold.level <= SLOW_START + STEP * (at / EVERY)
