"""As a library: an export in one line, users as they come, and an observer for events."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import exporter
from exporter import Event, Progress, Started
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, expected_lines, lines

pytestmark = pytest.mark.anyio


async def test_an_export_is_one_line_and_tells_its_observer(tmp_path: Path) -> None:
    seen: list[Event] = []
    with SandboxProcess("--users", "700", *FAST) as sandbox:
        finished = await exporter.export_users(sandbox.url, tmp_path / "users.ndjson", observer=seen.append)
    assert (finished.complete, finished.users) == (True, 700)
    assert sorted(lines(tmp_path / "users.ndjson")) == sorted(expected_lines(700))
    assert isinstance(seen[0], Started)
    assert any(isinstance(event, Progress) for event in seen)
    assert seen[-1] is finished


async def test_users_come_one_by_one_with_id_line_and_cursor() -> None:
    with SandboxProcess("--users", "700", *FAST) as sandbox:
        async with exporter.stream_users(sandbox.url) as users:
            got = [user async for user in users]
    assert sorted(user.line for user in got) == sorted(expected_lines(700))
    assert all(b'"id":%d,' % user.id in user.line and user.cursor for user in got)


async def test_leaving_the_block_ends_the_export() -> None:
    with SandboxProcess("--users", "50000", *FAST) as sandbox:
        async with exporter.stream_users(sandbox.url) as users:
            assert (await anext(aiter(users))).id
        assert sandbox.stats()["requests"] < 40


async def test_an_error_of_the_program_comes_through_as_it_is() -> None:
    with SandboxProcess("--users", "500", *FAST) as sandbox:
        with pytest.raises(ZeroDivisionError):
            async with exporter.stream_users(sandbox.url) as users:
                async for _ in users:
                    raise ZeroDivisionError


async def test_an_error_of_the_export_comes_out_of_the_block() -> None:
    got = 0
    with SandboxProcess("--users", "2000", "--fault", "html@from:9", *FAST) as sandbox:
        with pytest.raises(exporter.ContractError):
            async with exporter.stream_users(sandbox.url) as users:
                async for _ in users:
                    got += 1
    assert got


async def test_an_export_that_ends_with_somebody_missing_says_so_on_leaving_the_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.engine.changes.READABLE", -1)
    options = exporter.Options(lag=0)
    with SandboxProcess("--users", "300", "--quirk", "no-sort", "--quirk", "no-incremental", *FAST) as sandbox:
        with pytest.raises(exporter.IncompleteError, match="changes during the export may be missing"):
            async with exporter.stream_users(sandbox.url, options=options) as users:
                got = [user async for user in users]
    assert len(got) == 300


async def test_a_limit_ends_an_export_that_can_go_on(tmp_path: Path) -> None:
    options = exporter.Options(limits=exporter.Limits(users=250))
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        first = await exporter.export_users(sandbox.url, tmp_path, options=options)
        second = await exporter.export_users(sandbox.url, tmp_path, options=options)
    assert (first.complete, first.written, second.complete, second.written) == (False, 250, True, 50)


async def test_a_cancelled_export_goes_on_where_it_was(tmp_path: Path) -> None:
    options = exporter.Options(rate=1200)  # a page every 50 ms, by four ranges or so
    with SandboxProcess("--users", "3000", "--latency", "200ms", *FAST) as sandbox:
        with anyio.CancelScope() as scope:
            await exporter.export_users(
                sandbox.url,
                tmp_path / "u.ndjson",
                options=options,
                observer=lambda event: scope.cancel() if isinstance(event, Progress) and event.users > 500 else None,
            )
        finished = await exporter.export_users(sandbox.url, tmp_path / "u.ndjson")
    assert finished.complete
    assert finished.written < 2600
    assert sorted(lines(tmp_path / "u.ndjson")) == sorted(expected_lines(3000))


def test_a_query_that_can_not_be_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="page size"):
        exporter.Query(page_size=101)
