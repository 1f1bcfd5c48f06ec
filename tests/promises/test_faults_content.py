"""Faults 13, 14 and 15, end to end: bodies that are cut or no page, bombs, and JSON at the edge of what JSON can be.

Elsewhere: HTML and truncation in processes and in ranges (`test_promises_exact`), any bytes at all in the place of a
page (`test_wire`), text that is no Unicode (`test_mend`, `test_wire`).
"""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from aiohttp import web

from exporter import ContractError, Query, Role
from exporter.api.body import MAX_BODY
from exporter.api.retry import NOT_A_PAGE_TRIES
from exporter.cli import main as command
from tests.support.looks import is_look
from tests.support.outcome import Outcome
from tests.support.sandbox_process import SandboxProcess
from tests.support.virtual_export import (
    USERS,
    Strange,
    assert_exact,
    each_once,
    export,
    export_twice,
    run,
    serving,
)
from tests.support.zexport_process import COMMAND, FAST, environment, expected_lines, lines

END_USERS = Query(roles=(Role.END_USER,))
"""One stream, so one page after the other: three of them, and the sweep's."""
NO_PAGE = ["html", "empty", "204", "badgzip"]
"""Answers that are whole, and no page."""
CUT = ["truncate", "short", "cutgzip", "unbounded"]
"""A chunk cut, a length not reached, gzip that ends in the middle of a good body, and of one that has no length."""


def answered(out: Path, strange: Strange) -> Outcome:
    """Export an account that answers strangely."""

    async def main() -> Outcome:
        async with serving() as server:
            server.strange = strange
            return await server.export(out, END_USERS, ranges=1)

    return run(main)


# 13: bodies that are cut, and answers that are no page


def test_what_is_no_page_is_asked_for_again_by_the_same_cursor(tmp_path: Path) -> None:
    faults = each_once([*NO_PAGE[:2], *CUT], 3) + each_once(NO_PAGE[2:], 10)  # four of a kind would be too many
    outcome = export(tmp_path, *faults, query=END_USERS)
    assert outcome.complete
    assert len(outcome.retrying) == outcome.repeated == 8
    assert_exact(tmp_path, USERS, "end-user")


@pytest.mark.parametrize("kind", NO_PAGE)
def test_what_is_never_a_page_ends_with_7_after_a_few_tries_and_the_next_run_goes_on(kind: str, tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, f"{kind}@from:3", query=END_USERS)
    assert isinstance(first.error, ContractError)
    assert first.code == 7
    assert (
        3 <= len(first.retrying) <= first.repeated <= 4
    )  # the first page once more, if nobody can say what is before it
    assert first.seconds < 10
    assert first.asked[-1].target == second.asked[0].target
    assert second.complete
    assert_exact(tmp_path, USERS, "end-user")


@pytest.mark.parametrize("kind", CUT)
def test_a_body_that_is_cut_may_be_the_ways_fault_and_ends_with_7_where_it_never_passes(
    kind: str, tmp_path: Path
) -> None:
    first, second = export_twice(tmp_path, f"{kind}@from:3", query=END_USERS)
    assert first.code == 7
    assert "the body is cut short" in str(first.error)
    assert 600 < first.seconds < 950
    assert len(first.asked) <= 4 + 60
    assert first.asked[-1].target == second.asked[0].target
    assert second.complete
    assert_exact(tmp_path, USERS, "end-user")


def test_where_every_range_is_cut_for_ever_it_ends_with_7_long_before_the_patience(tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, "truncate@from:11", users=6_000, ranges=None)
    assert first.code == 7
    assert "--page-size" in getattr(first.error, "hint", "")
    assert len(first.asked) < 12 + 300  # the ranges share one budget of retries
    assert second.complete
    assert_exact(tmp_path, 6_000)


@pytest.mark.parametrize("order", [("502", "truncate"), ("truncate", "502")], ids=["down, then cut", "cut, then down"])
def test_a_way_that_was_down_as_well_is_no_broken_contract_whatever_comes_last(
    order: tuple[str, str], tmp_path: Path
) -> None:
    first, second = export_twice(tmp_path, f"{order[0]}@n:2,3,4,5", f"{order[1]}@from:6", query=END_USERS)
    assert first.code == 5
    assert second.complete
    assert_exact(tmp_path, USERS, "end-user")


def test_a_closing_sweep_that_is_cut_is_no_sweep_and_the_next_run_makes_it(tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, "truncate@from:5", query=END_USERS)
    assert first.code == 7
    rest = [each.target for each in first.asked[6:] if "/count" not in each.target]
    assert rest.count(rest[0]) == NOT_A_PAGE_TRIES
    assert "sort=-updated_at" in rest[0]
    assert all("page[size]=1&" in each for each in rest[NOT_A_PAGE_TRIES:])  # whether the account fails, or the sort
    assert second.complete
    assert sum("/count" not in each.target for each in second.asked) == 1
    assert_exact(tmp_path, USERS, "end-user")


# 14: bombs


def test_a_bomb_is_not_unpacked_beyond_the_cap_and_ends_with_7(tmp_path: Path) -> None:
    starter = (
        "import resource, subprocess, sys\n"
        "code = subprocess.run(sys.argv[1:]).returncode\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    with SandboxProcess("--users", "300", "--fault", "bomb:400@from:1", *FAST) as sandbox:
        arguments = ["run", sandbox.url, "-o", str(tmp_path)]
        done = subprocess.run(
            [sys.executable, "-c", starter, *COMMAND, *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        statistics = sandbox.stats()
    code, peak = map(int, done.stdout.split())
    assert code == 7
    assert f"larger than {MAX_BODY >> 20} MiB" in done.stderr
    assert peak << 10 < (80 << 20) + 2 * MAX_BODY
    assert statistics["requests"] <= 4 * 7 + 2 * 2  # roles, counts and who we are four times each; looks twice


def test_a_page_below_the_cap_is_a_page_however_well_it_is_packed(tmp_path: Path) -> None:
    outcome = export(tmp_path, "bomb:14@n:2", query=END_USERS)
    assert outcome.complete
    assert outcome.retrying == []
    assert_exact(tmp_path, USERS, "end-user")


def test_a_bomb_once_met_is_asked_about_again(tmp_path: Path) -> None:
    outcome = export(tmp_path, "bomb:65@n:3", query=END_USERS)
    assert outcome.complete
    assert len(outcome.retrying) == outcome.repeated == 1
    assert_exact(tmp_path, USERS, "end-user")


def test_a_body_without_end_is_read_no_further_than_the_cap(tmp_path: Path) -> None:
    sent = 0

    async def strange(request: web.BaseRequest) -> web.StreamResponse | None:
        nonlocal sent
        if "/count" in request.path or is_look(request.raw_path):
            return None
        response = web.StreamResponse()
        await response.prepare(request)
        while request.transport is not None and not request.transport.is_closing():
            await response.write(b" " * (1 << 20))
            sent += 1 << 20
        return response

    outcome = answered(tmp_path, strange)
    assert isinstance(outcome.error, ContractError)
    assert outcome.repeated == 3
    assert MAX_BODY * 4 <= sent < MAX_BODY * 4 + (32 << 20)  # and what the sockets hold


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("zstd", zstandard.compress), ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))), ("br", bytes)],
)
def test_what_was_not_asked_for_is_not_unpacked(encoding: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    bomb = pack(b" " * (MAX_BODY + 1) if encoding != "br" else b"\xff" * 1000)
    accepted = set()

    async def strange(request: web.BaseRequest) -> web.Response | None:
        accepted.add(request.headers["Accept-Encoding"])
        if "/count" in request.path:
            return None
        return web.Response(body=bomb, headers={"Content-Encoding": encoding})

    outcome = answered(tmp_path, strange)
    assert accepted == {"gzip"}
    assert isinstance(outcome.error, ContractError)
    assert "no page" in str(outcome.error)
    assert outcome.repeated == 3


# 15: odd JSON

NESTED = b"[" * 500 + b"]" * 500


def with_field(value: bytes) -> Callable[[bytes], bytes]:
    return lambda line: line.replace(b'"user_fields":{', b'"user_fields":{"odd":%b,' % value, 1)


def twice(line: bytes) -> bytes:
    return b'%b,%b,"name":"Somebody Else"}\n' % (line[:-2], line[1 : line.index(b",")])


@pytest.mark.parametrize(
    ("kind", "spoilt"),
    [
        ("bigint", with_field(b"123456789012345678901234567890")),
        ("float", with_field(b"1e400")),
        ("twice", twice),
        ("deep:500", with_field(NESTED)),
        ("long:10", with_field(b'"%b"' % (b"x" * 10_000_000))),
    ],
)
def test_an_odd_user_goes_through_byte_for_byte_and_counts(
    kind: str, spoilt: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    outcome = export(tmp_path, f"{kind}@n:3", query=END_USERS, options={"sweep": False})
    expected = expected_lines(USERS, "end-user")
    written = set(lines(tmp_path / "end-user.ndjson"))
    [odd], [plain] = written - set(expected), set(expected) - written
    assert odd == spoilt(plain)
    assert outcome.complete
    assert outcome.finished is not None
    assert outcome.finished.users == len(written) == len(expected)
    assert outcome.retrying == []
    assert command(["verify", str(tmp_path)]) == 0


REFUSED = ["deep", "deep:1000000", "bigid", "floatid", "textid"]
"""100,000 and a million levels, and ids that are no 64-bit integers: of thirty digits, floats, texts."""


def test_what_cannot_be_read_for_sure_is_asked_for_again_and_written_as_it_then_is(tmp_path: Path) -> None:
    outcome = export(tmp_path, *each_once(REFUSED[:2], 3), *each_once(REFUSED[2:], 6), query=END_USERS)
    assert outcome.complete
    assert len(outcome.retrying) == outcome.repeated == len(REFUSED)
    assert_exact(tmp_path, USERS, "end-user")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_can_never_be_read_ends_with_7_and_no_line_of_it_is_written(kind: str, tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, f"{kind}@from:3", query=END_USERS)
    assert isinstance(first.error, ContractError)
    assert first.code == 7
    assert first.repeated == 3
    assert second.finished is not None
    assert (second.complete, second.finished.users - second.finished.written) == (True, 199)
    assert_exact(tmp_path, USERS, "end-user")


def test_a_text_of_100_mb_is_beyond_the_cap(tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, "long:100@from:3", query=END_USERS)
    assert first.code == 7
    assert first.repeated == 3
    assert second.complete
    assert_exact(tmp_path, USERS, "end-user")
