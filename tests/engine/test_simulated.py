"""Whole exports in virtual time: the budget used, requests in flight, ranges at work (P5)."""

from __future__ import annotations

from math import ceil

import pytest

from exporter.api.window import MOST, START
from exporter.model import Role
from tests.support.simulation import Server, account, export, run

USERS = 100_000


def used(seconds: float, rate: float, users: int = USERS) -> float:
    """Return how much of the rate went into pages that had to be asked for."""
    return ceil(users / 100) / (rate / 60 * seconds)


@pytest.mark.parametrize(
    ("layout", "least", "extra"), [("spread", 0.93, 30), ("dense", 0.93, 30), ("clustered", 0.90, 60)]
)
def test_with_nearly_all_users_in_one_role_the_budget_is_used(layout: str, least: float, extra: int) -> None:
    server = Server(account(USERS, layout), 2500)
    outcome = run(export(server), tick=0.001)
    assert outcome.refused == 0
    assert used(outcome.seconds, 2500 * 0.95) >= least  # at twice the users, getting under way weighs half
    assert outcome.requests <= ceil(USERS / 100) + extra + 6
    middle = [time for time in outcome.times if 5 <= time < 20]
    assert len(middle) >= 0.97 * 15 * 2500 * 0.95 / 60


@pytest.mark.parametrize(("limit", "latency"), [(700, 0.1), (700, 2.0), (200, 1.0), (2500, 1.0)])
def test_the_number_of_ranges_finds_its_own_level(limit: int, latency: float) -> None:
    users = 60_000
    server = Server(account(users), limit, latency=lambda _: (latency, latency / 3))
    outcome = run(export(server), tick=0.001)
    needed = limit * 0.95 / 60 * latency * 7 / 6
    assert outcome.refused == 0
    assert outcome.most_under_way <= needed * 1.5 + 4
    late = [time for time in outcome.times if 10 * latency + 5 <= time < 0.8 * outcome.seconds]
    assert len(late) >= 0.95 * (0.8 * outcome.seconds - 10 * latency - 5) * limit * 0.95 / 60 - 1


@pytest.mark.parametrize("ranges", [1, 2, 5])
def test_the_number_of_ranges_can_be_capped(ranges: int) -> None:
    server = Server({Role.END_USER: account(5_000)[Role.END_USER]}, 2500)
    outcome = run(export(server, ranges=ranges), tick=0.001)
    assert outcome.most_under_way <= ranges + 1  # and a count
    assert (outcome.splits == 0) == (ranges == 1)


def test_a_server_that_slows_down_has_no_more_under_way_than_before() -> None:
    server = Server(account(USERS), 2500, latency=lambda time: (0.3, 0.1) if time < 10 else (2.0, 0.1))
    outcome = run(export(server), tick=0.001)
    assert outcome.most_under_way <= 2 * START
    assert outcome.refused == 0


def test_a_server_that_fails_gets_fewer_requests_and_all_of_them_again_when_it_has_healed() -> None:
    server = Server(account(USERS), 2500, failing=lambda time: 0.9 if 8 <= time < 14 else 0.0)
    outcome = run(export(server), tick=0.001)
    sick = sum(10 <= time < 14 for time in outcome.times)
    healed = sum(20 <= time < 24 for time in outcome.times)
    assert sick < 0.3 * healed
    assert healed >= 0.95 * 4 * 2375 / 60


def test_one_failure_in_a_hundred_costs_no_more_than_its_retry() -> None:
    server = Server(account(USERS), 2500, failing=lambda _: 0.01)
    outcome = run(export(server), tick=0.001)
    assert used(outcome.seconds, 2375) >= 0.88


def test_requests_in_flight_are_bounded_however_slow_the_server() -> None:
    server = Server(account(USERS), 2500, latency=lambda _: (30.0, 1.0))
    outcome = run(export(server), tick=0.01)
    assert outcome.most_under_way <= MOST


@pytest.mark.parametrize("users", [0, 1, 99, 100, 101, 350])
def test_an_account_of_any_size_ends(users: int) -> None:
    server = Server(account(users), 2500)
    outcome = run(export(server), tick=0.001)
    assert outcome.requests <= ceil(users / 99) + 16  # a look before the first user and one end more, for each role
