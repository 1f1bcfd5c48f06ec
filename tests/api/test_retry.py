"""Delays between tries, and the budget for all of them."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.api.retry import BASE, BUDGET, CAP, TRIES, Budget, delays

RANDOM = st.integers().map(Random)


@given(RANDOM)
def test_delays_come_to_an_end(rng: Random) -> None:
    assert len(list(delays(rng.random))) == TRIES - 1


@given(RANDOM)
def test_no_delay_is_negative_or_above_the_cap(rng: Random) -> None:
    assert all(0 <= delay <= CAP for delay in delays(rng.random))


@pytest.mark.parametrize("number", [0.0, 0.5, 0.999])
def test_a_delay_is_anywhere_between_nothing_and_a_bound_that_doubles(number: float) -> None:
    bounds = [min(CAP, BASE * 2**n) for n in range(TRIES - 1)]
    assert list(delays(lambda: number)) == [number * bound for bound in bounds]


def test_each_delay_is_drawn_anew() -> None:
    numbers = itertools.count(1)
    assert list(itertools.islice(delays(lambda: next(numbers) / 1000), 3)) == [0.0005, 0.002, 0.006]


def test_a_budget_is_spent_once() -> None:
    budget = Budget(3)
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]


def test_a_success_pays_one_retry_back() -> None:
    budget = Budget(1)
    assert budget.spend()
    budget.earn()
    assert [budget.spend(), budget.spend()] == [True, False]


def test_a_budget_is_never_more_than_it_was_at_first() -> None:
    budget = Budget(2)
    for _ in range(100):
        budget.earn()
    assert [budget.spend() for _ in range(3)] == [True, True, False]


@given(st.lists(st.booleans(), max_size=2000))
def test_a_run_fails_no_more_often_than_the_budget_and_its_successes_allow(successes: list[bool]) -> None:
    budget = Budget()
    granted = 0
    for number, success in enumerate(successes):
        if success:
            budget.earn()
        else:
            granted += budget.spend()
        assert granted <= BUDGET + sum(successes[: number + 1])


def test_a_run_in_which_every_other_request_fails_goes_on_for_ever() -> None:
    budget = Budget(1)
    for _ in range(10_000):
        assert budget.spend()
        budget.earn()
