"""P4 and P10: stdout is a good pipe: data only, resumable where the reader stopped, and no fuss when it closes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, events, expected_lines, start, wait_for_users, zexport

USERS = 3_000


def test_stdout_carries_every_user_and_nothing_else() -> None:
    with SandboxProcess("--users", str(USERS), *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", "-")
    assert done.returncode == 0
    assert sorted(done.stdout.encode().splitlines(keepends=True)) == sorted(expected_lines(USERS))
    assert done.stderr


def test_a_reader_that_closes_early_ends_the_run_quietly_with_141() -> None:
    with SandboxProcess("--users", str(USERS), *FAST) as sandbox, start("run", sandbox.url, "-o", "-", "-q") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(timeout=10) == 141


def test_what_a_reader_took_before_it_closed_is_not_sent_again_and_what_it_left_is(tmp_path: Path) -> None:
    ledger, taken = tmp_path / "l.db", []
    with SandboxProcess("--users", str(USERS), *FAST) as sandbox:
        with start("run", sandbox.url, "-o", "-", "--ledger", ledger, "-q", bufsize=0) as process:
            assert process.stdout is not None
            content = b""
            while content.count(b"\n") < 250:  # in the middle of a page
                content += process.stdout.read(777)
            process.stdout.close()
            assert process.wait(timeout=10) == 141
        taken = content[: content.rfind(b"\n") + 1].splitlines(keepends=True)
        rest = zexport("run", sandbox.url, "-o", "-", "--ledger", ledger)
    assert rest.returncode == 0
    again = rest.stdout.encode().splitlines(keepends=True)
    assert sorted(taken + again) == sorted(expected_lines(USERS))


def test_after_a_kill_at_most_one_page_of_each_stream_is_repeated(tmp_path: Path) -> None:
    ledger, out = tmp_path / "l.db", tmp_path / "out"
    with SandboxProcess("--users", "10000", "--latency", "300ms", *FAST) as sandbox:
        with out.open("wb") as file:
            cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=file)
            assert cat.stdin is not None
            command = ("run", sandbox.url, "-o", "-", "--ledger", ledger, "--rate", "3000", "--progress", "json")
            with start(*command, stdout=cat.stdin) as process:
                assert process.stderr is not None
                wait_for_users(process, 1000)
                process.kill()
            cat.communicate()
        rest = zexport("run", sandbox.url, "-o", "-", "--ledger", ledger)
    assert rest.returncode == 0
    whole = [line for line in out.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    got = whole + rest.stdout.encode().splitlines(keepends=True)
    assert len(whole) < 9000
    assert set(got) == set(expected_lines(10_000))
    assert len(got) - 10_000 <= 3 * 100


def test_max_users_leaves_a_position_in_the_middle_of_a_page(tmp_path: Path) -> None:
    ledger, got, codes = tmp_path / "l.db", [], []
    with SandboxProcess("--users", "1000", *FAST) as sandbox:
        while 0 not in codes:
            done = zexport("run", sandbox.url, "-o", "-", "--ledger", ledger, "--max-users", "333")
            got += done.stdout.encode().splitlines(keepends=True)
            codes.append(done.returncode)
    assert codes == [8, 8, 8, 0]
    assert sorted(got) == sorted(expected_lines(1000))


@pytest.mark.parametrize(
    ("ranges", "most"),
    [
        ("off", 4 + 1 + 8 + 2),  # the count, three looks, the pipe's page, the pages in hand, and those on their way
        ("auto", 4 + 1 + 8 + 70),  # and one of each range that was there before the first sign of slowness
    ],
)
def test_a_slow_reader_slows_the_fetching_and_nothing_piles_up(ranges: str, most: int) -> None:
    with SandboxProcess("--users", "100000", *FAST) as sandbox:
        flags = ("--role", "end-user", "--ranges", ranges, "--progress", "json")
        with start("run", sandbox.url, "-o", "-", *flags) as process:
            assert process.stderr is not None
            seen = [
                each["requests"]
                for each, _ in zip(
                    (each for each in events(process.stderr) if "requests" in each), range(4), strict=False
                )
            ]
            process.kill()
    assert seen[-1] == seen[-2]
    assert seen[-1] <= most


def test_progress_as_json_is_one_object_a_line_with_the_event_first() -> None:
    with SandboxProcess("--users", str(USERS), "--fault", "500@n:1", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", "-", "--progress", "json")
    seen = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(next(iter(event)) == "event" for event in seen)
    kinds = [event["event"] for event in seen]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert {"progress", "retrying"} <= set(kinds)


def test_a_full_device_is_an_output_error() -> None:
    with SandboxProcess("--users", "100", *FAST) as sandbox, Path("/dev/full").open("wb") as full:
        with start("run", sandbox.url, "-o", "-", stdout=full) as process:
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 6
    assert b"No space left on device" in errors
    assert b"Traceback" not in errors
