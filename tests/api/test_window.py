"""The window: it grows while it is in the way, falls when the server slows or fails, and stays within its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.api.window import MEAN_OF, MOST, START, Window


def grown(to: int, latency: float = 0.3) -> tuple[Window, float]:
    """Return a window that was grown by quick answers, and the time it took."""
    window, now = Window(), 1000.0
    while window.size < to:
        now += latency
        for _ in range(window.size):
            window.answered(now - latency, now, wanted=True)
    return window, now


def test_it_doubles_with_each_round_trip_until_there_is_trouble() -> None:
    window, now = Window(), 10.0
    for round_trip in range(1, 4):
        for _ in range(START * 2 ** (round_trip - 1)):
            window.answered(now - 0.3, now, wanted=True)
        now += 0.3
        assert window.size == START * 2**round_trip


def test_after_trouble_it_grows_by_one_a_round_trip() -> None:
    window, now = grown(64)
    window.failed(now - 0.3, now)
    size = window.size
    for _ in range(size):
        window.answered(now, now + 0.3, wanted=True)
    assert window.size in (size, size + 1)


def test_it_does_not_grow_while_nobody_is_stopped_by_it() -> None:
    window = Window()
    for number in range(1000):
        window.answered(number, number + 0.3, wanted=False)
    assert window.size == START


def test_an_outage_counts_once_a_round_trip() -> None:
    window, now = grown(100)
    size = window.size
    window.failed(now - 0.3, now)
    assert window.size == size
    for late in range(1, size):
        window.failed(now - 0.3, now + late / 1000)
    assert window.size == int(size * 0.7)
    window.failed(now + 1, now + 1.3)
    assert window.size == int(size * 0.7 * 0.7)


def test_a_server_that_only_fails_is_asked_by_one_at_a_time() -> None:
    window = Window()
    for number in range(100):
        window.failed(number, number + 0.5)
    assert window.size == 1


def test_a_server_that_slows_down_gets_fewer_at_once_and_none_more() -> None:
    window, now = grown(100)
    for _ in range(MEAN_OF):  # the mean has to move first: one slow answer tells nothing
        window.answered(now, now + 1.5, wanted=True)
    sizes = [window.size]
    for _ in range(20):
        now += 1.5
        window.answered(now, now + 1.5, wanted=True)
        sizes.append(window.size)
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < 20


def test_single_answers_may_take_as_long_as_they_like() -> None:
    window, now = Window(), 5.0
    for number in range(3000):
        window.answered(now, now + (2.0 if number % 20 == 0 else 0.3), wanted=True)
        now += 0.1
    assert window.size == MOST


def test_a_server_that_has_become_slow_for_good_is_taken_as_it_is() -> None:
    window, now = grown(32)
    for _ in range(200):
        window.answered(now, now + 1.5, wanted=True)
        now += 1.5
    size = window.size
    for _ in range(50 * size):
        window.answered(now, now + 1.5, wanted=True)
        now += 1.5 / size
    assert window.size > size


@pytest.mark.parametrize("latency", [0.002, 0.3, 5.0])
def test_jitter_of_a_third_is_not_taken_for_a_queue(latency: float) -> None:
    window, now = Window(), 5.0
    for number in range(2000):
        window.answered(now, now + latency * (1 + number % 4 / 9), wanted=True)
        now += latency
    assert window.size == MOST


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 100), st.floats(0, 100))))
def test_it_stays_within_its_bounds(story: list[tuple[bool, bool, float, float]]) -> None:
    window, now = Window(), 0.0
    for good, wanted, pause, latency in story:
        now += pause
        if good:
            window.answered(now - latency, now, wanted=wanted)
        else:
            window.failed(now - latency, now)
        assert 1 <= window.size <= MOST
