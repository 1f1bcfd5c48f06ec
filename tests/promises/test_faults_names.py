"""Fault 11: the account's name can't be found, at the start or in the middle: that is a network that is down."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter import load_account
from exporter.errors import NetworkError
from tests.support.outcome import Outcome
from tests.support.virtual_export import USERS, Server, assert_exact, no_names, run, serving
from tests.support.zexport_process import zexport

KEPT = 15.0
"""Seconds: longer than an address that was found is used without a new look (10, aiohttp)."""


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    yield
    no_names.clear()


async def export(server: Server, out: Path, **options: Any) -> Outcome:
    """Export by name, by one walk a role."""
    account = load_account(server.url.replace("127.0.0.1", "localhost"), {})
    return await server.export(out, account=account, ranges=1, **options)


async def lose_names(server: Server, *, back: float | None) -> None:
    """Lose them a while after the start, and every connection with them; they may come back after some seconds."""
    await asyncio.sleep(KEPT)
    no_names.set()
    server.hang_up()
    if back is not None:
        await asyncio.sleep(back)
        no_names.clear()


def test_a_name_that_is_lost_for_minutes_costs_nobody(tmp_path: Path) -> None:
    async def main() -> Outcome:
        async with serving(users=USERS, latency=9.0) as server:
            lost = asyncio.create_task(lose_names(server, back=200))
            outcome = await export(server, tmp_path)
            await lost
            return outcome

    outcome = run(main, pause=30)
    assert outcome.complete
    assert KEPT + 200 < outcome.seconds < KEPT + 400
    assert {each.why for each in outcome.retrying} == {"the connection was lost", "localhost is not to be found (DNS)"}
    assert_exact(tmp_path)


def test_a_name_that_does_not_come_back_outlasts_the_patience_and_the_same_command_goes_on(tmp_path: Path) -> None:
    async def main() -> tuple[Outcome, int, Outcome]:
        async with serving(users=USERS, latency=9.0) as server:
            lost = asyncio.create_task(lose_names(server, back=None))
            first = await export(server, tmp_path)
            await lost
            asked = len(server.asked)
            no_names.clear()
            return first, asked, await export(server, tmp_path)

    first, asked, second = run(main, pause=30)
    assert isinstance(first.error, NetworkError)
    assert first.code == 5
    assert "localhost is not to be found (DNS)" in str(first.error)
    assert 600 < first.seconds < 900 + 70
    assert asked == len(first.asked) < 10  # nothing was sent meanwhile
    assert second.complete
    assert_exact(tmp_path)


@pytest.mark.parametrize(("patience", "seconds"), [({}, 10.0), ({"patience": 60.0}, 60.0)], ids=["default", "given"])
def test_a_name_that_was_never_found_gets_ten_seconds_or_as_long_as_is_said(
    patience: dict[str, float], seconds: float, tmp_path: Path
) -> None:
    async def main() -> Outcome:
        async with serving() as server:
            no_names.set()
            return await export(server, tmp_path, **patience)

    outcome = run(main)
    assert outcome.code == 5
    assert isinstance(outcome.error, NetworkError)
    assert outcome.error.hint.startswith("Is the name right? http://localhost:")
    assert seconds / 2 < outcome.seconds < seconds + 31  # the last wait is cut at the patience's end
    assert outcome.asked == []


def test_the_systems_own_resolver_says_the_same(tmp_path: Path) -> None:
    env = {"ZENDESK_OAUTH_TOKEN": "t0ken"}
    done = zexport("run", "https://nobody.invalid", "-o", tmp_path / "out", "--patience", "0.5", env=env)
    assert done.returncode == 5
    assert "nobody.invalid is not to be found (DNS)" in done.stderr
    assert "Traceback" not in done.stderr
