"""Faults 11 and 12, end to end: errors of servers, lost connections, no connection at all; silence, stalls and drips.

They last as long as they would, in a time that jumps. Elsewhere: faults that pass, in processes and in ranges
(`test_promises_exact`), a port where nobody listens (`test_promises_trust`), how many requests an outage gets
(`test_engine_simulated`, `test_window`), the delays by themselves (`test_retry`).
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from exporter import Account, Query, Role
from exporter.account.credentials import OAuthToken, Secret
from exporter.api.retry import BASE, BUDGET, CAP
from exporter.errors import NetworkError
from tests.support.outcome import Outcome
from tests.support.virtual_export import USERS, assert_exact, each_once, export, export_twice, run, serving

MANY = 3_000
END_USERS = Query(roles=(Role.END_USER,))
"""One stream, so one request after the other."""
ERRORS = ["500", "502", "503", "503:7", "504", "520", "524"]
TOKEN = OAuthToken(Secret("t0ken"))


# 11: errors and lost connections


def assert_passed(outcome: Outcome, out: Path, failures: int) -> None:
    """Check that each failure was one more request, for the same page."""
    assert outcome.complete
    assert len(outcome.retrying) == outcome.repeated == failures
    assert outcome.finished is not None
    assert outcome.finished.requests == len(outcome.asked) + outcome.looks  # none was sent behind the pace's back
    assert_exact(out, USERS, "end-user")


def test_an_error_of_the_server_costs_one_more_request_for_the_same_cursor(tmp_path: Path) -> None:
    outcome = export(tmp_path, *each_once(ERRORS, 4), query=END_USERS)
    assert_passed(outcome, tmp_path, len(ERRORS))
    assert [each.why for each in outcome.retrying] == [f"HTTP {kind[:3]}" for kind in ERRORS]


@pytest.mark.parametrize("kind", ["reset", "close"])
def test_a_connection_that_is_lost_costs_one_more_request_for_the_same_cursor(kind: str, tmp_path: Path) -> None:
    outcome = export(tmp_path, f"{kind}@n:2,3,5", query=END_USERS)  # `close`: as the request comes on a kept one
    assert_passed(outcome, tmp_path, 3)


def test_connections_that_the_server_closes_between_requests_cost_nothing(tmp_path: Path) -> None:
    closed = 0

    async def strange(request: web.BaseRequest) -> None:
        nonlocal closed
        closed += 1
        assert request.transport is not None
        asyncio.get_running_loop().call_later(0.1, request.transport.close)  # a request leaves every 0.3 s

    async def main() -> Outcome:
        async with serving(users=USERS, rate_limit=200) as server:
            server.strange = strange
            return await server.export(tmp_path, END_USERS, ranges=1)

    outcome = run(main)
    assert closed == len(outcome.asked) + outcome.looks
    assert_passed(outcome, tmp_path, 0)


def test_a_server_that_restarts_is_found_again(tmp_path: Path) -> None:
    async def main() -> Outcome:
        async with serving(users=MANY, latency=0.3) as server:
            restarting: list[asyncio.Task[None]] = []

            async def strange(_: web.BaseRequest) -> None:
                if len(server.asked) == 20:
                    restarting.append(asyncio.create_task(server.restart(40.0)))

            server.strange = strange
            outcome = await server.export(tmp_path)
            await restarting[0]
            return outcome

    outcome = run(main)
    whys = {each.why.partition(" to ")[0] for each in outcome.retrying}
    assert whys == {"the connection was lost", "no connection"}
    assert outcome.seconds > 40
    assert outcome.complete
    assert_exact(tmp_path, MANY)


def test_delays_have_full_jitter_under_a_bound_that_doubles(tmp_path: Path) -> None:
    failures = 25
    outcome = export(tmp_path, f"502@n:{','.join(map(str, range(4, 4 + failures)))}", query=END_USERS)
    bounds = [min(CAP, BASE * 2**turn) for turn in range(failures)]
    parts = [each.delay / bound for each, bound in zip(outcome.retrying, bounds, strict=True)]
    assert all(0 <= part < 1 for part in parts)
    assert min(parts) < 0.5 < max(parts)
    assert len(set(parts)) == failures
    assert_passed(outcome, tmp_path, failures)


def test_a_server_that_says_how_long_it_is_down_is_asked_no_sooner(tmp_path: Path) -> None:
    outcome = export(tmp_path, "503:300@n:3", query=END_USERS)
    assert [each.delay for each in outcome.retrying] == [300.0]
    assert_passed(outcome, tmp_path, 1)


def test_all_ranges_together_have_one_budget_of_retries(tmp_path: Path) -> None:
    outcome = export(tmp_path, "500@from:59", users=20_000, ranges=None, latency=0.3)
    assert isinstance(outcome.error, NetworkError)
    assert outcome.code == 5
    assert outcome.seconds < 600  # by then, the patience has not come to its end
    assert BUDGET <= len(outcome.asked) - 60 <= BUDGET + 60  # and those that were under way, or only tried once


@pytest.mark.parametrize("kind", ["524", "reset", "stall"])
def test_what_never_passes_outlasts_the_patience_and_the_same_command_goes_on(kind: str, tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, f"{kind}@from:3", query=END_USERS)
    assert isinstance(first.error, NetworkError)
    assert first.code == 5
    assert 600 < first.seconds < 900 + 70  # sixty tries may be over sooner
    assert len(first.asked) <= 4 + 60  # a count, two pages, and what is before the first
    assert second.complete
    assert f"page[after]={first.asked[-1].target.partition('page[after]=')[2]}" in second.asked[0].target
    assert_exact(tmp_path, USERS, "end-user")


def test_an_account_that_has_never_answered_gets_ten_seconds(tmp_path: Path) -> None:
    outcome = export(tmp_path, "reset@from:1", query=END_USERS)
    assert outcome.code == 5
    assert 10 <= outcome.seconds < 41


def test_where_nobody_speaks_tls_nothing_is_sent_and_the_patience_ends(tmp_path: Path) -> None:
    async def main() -> tuple[Outcome, int]:
        async with serving() as server:
            account = Account(f"https://127.0.0.1:{urlsplit(server.url).port}", TOKEN)
            outcome = await server.export(tmp_path, END_USERS, account)
            return outcome, len(server.asked)

    outcome, asked = run(main)
    assert isinstance(outcome.error, NetworkError)
    assert outcome.code == 5
    assert len(outcome.retrying) > 3
    assert asked == 0


@pytest.fixture(scope="module")
def self_signed(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """Return TLS for a server that no authority vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = (tmp_path_factory.mktemp("tls") / name for name in ("key.pem", "certificate.pem"))
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    about = ["-subj", "/CN=localhost", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*make, *about], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_a_certificate_nobody_vouches_for_ends_it_at_once_and_nothing_is_sent(
    self_signed: ssl.SSLContext, tmp_path: Path
) -> None:
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.read())
        writer.close()

    async def main() -> Outcome:
        tls = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=self_signed)
        async with tls, serving() as server:
            account = Account(f"https://127.0.0.1:{tls.sockets[0].getsockname()[1]}", TOKEN)
            return await server.export(tmp_path, END_USERS, account)

    outcome = run(main)
    assert outcome.code == 4
    assert "the certificate of 127.0.0.1" in str(outcome.error)
    assert outcome.retrying == []
    assert not any(received)


# 12: silence, stalls and drips


@pytest.mark.parametrize(("kind", "seconds"), [("silent", 65), ("stall", 65), ("drip:1", 120)])
def test_a_body_that_does_not_come_is_given_up_in_time_and_asked_for_again(
    kind: str, seconds: float, tmp_path: Path
) -> None:
    outcome = export(tmp_path, f"{kind}@n:3", query=END_USERS)
    assert seconds <= outcome.seconds < seconds + 10
    assert [each.why for each in outcome.retrying] == ["no answer in time"]
    assert_passed(outcome, tmp_path, 1)


def test_a_body_that_drips_fast_enough_is_a_page(tmp_path: Path) -> None:
    outcome = export(tmp_path, "drip:400@n:3", query=END_USERS)
    assert outcome.seconds > 20
    assert_passed(outcome, tmp_path, 0)


def test_while_one_body_stalls_the_other_ranges_go_on(tmp_path: Path) -> None:
    outcome = export(tmp_path, "stall@n:11", users=2 * MANY, ranges=None, latency=0.3)
    stalled = outcome.asked[11].time
    assert outcome.asked_between(stalled + 0.5, stalled + 60) > 5
    assert outcome.complete
    assert_exact(tmp_path, 2 * MANY)


@pytest.mark.parametrize("kind", ["silent", "stall", "drip:1"])
def test_with_little_patience_each_body_gets_a_part_of_it(kind: str, tmp_path: Path) -> None:
    outcome = export(tmp_path, f"{kind}@from:3", query=END_USERS, options={"patience": 30.0})
    assert outcome.code == 5
    assert 30 <= outcome.seconds < 30 + 15 + 2
    assert outcome.repeated >= 1
