"""Killed at any call that a run makes of its disk, and two runs at once (P3)."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disk_campaign import Campaign
from tests.faulty_disk import ACCOUNT, CALLS, GZIP, INCLUDE, calls_of, expected, fault, needs_strace
from tests.sandbox_process import SandboxProcess
from tests.zexport_process import environment, lines, role_files, start, wait_for_users, zexport


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess(*ACCOUNT) as sandbox:
        yield sandbox.url


@pytest.fixture(scope="module")
def most(url: str, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often an undisturbed run makes each call."""
    return calls_of(INCLUDE, url, tmp_path_factory.mktemp("counted"))


# Killed at the Nth write, sync, rename, removal, truncation or opening: a spread of N; `make soak` has them all.
@needs_strace
@pytest.mark.parametrize("call", CALLS)
def test_killed_at_a_call_of_the_disk_the_same_command_completes_and_what_was_written_stays(
    call: str, url: str, most: Counter[str], tmp_path: Path
) -> None:
    campaign = Campaign(INCLUDE, url, tmp_path)
    for number in {most[call] // 2, most[call] * 5 // 6} if most[call] > 10 else {most[call] // 2 + 1}:
        campaign.survive(fault(call, "kill", number))
    assert campaign.kills


@needs_strace
def test_killed_at_a_write_of_compressed_output_whole_frames_stay(tmp_path: Path) -> None:
    with SandboxProcess(*ACCOUNT, "--latency", GZIP.latency) as sandbox:
        campaign = Campaign(GZIP, sandbox.url, tmp_path)
        campaign.survive(fault("write", "kill", 2))
    assert campaign.kills == 1


# A second run on the same output, and the lock after kill -9.
def test_a_second_run_is_refused_at_once_and_after_a_kill_the_lock_is_free(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with SandboxProcess(*ACCOUNT, "--latency", "300ms") as sandbox:
        with start("run", sandbox.url, "-o", out, "--progress", "json", "--rate", "60") as first:
            wait_for_users(first, 1)
            second = zexport("run", sandbox.url, "-o", out)
            restarted = zexport("run", sandbox.url, "-o", out, "--restart")
            assert first.poll() is None
            first.kill()
        assert (second.returncode, restarted.returncode) == (11, 11)
        assert f"process {first.pid}" in second.stderr
        assert zexport("run", sandbox.url, "-o", out).returncode == 0
    assert sorted(lines(*role_files(out))) == expected()


RACER = """
import os, sys
import exporter.export
from exporter.cli import main
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.stdin.close()
        sys.exit(main(line.split()))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs commands that it is given, each in a process of its own, with everything imported: so two start at once."""


# Two processes that start at the same instant.
def test_of_two_runs_that_start_at_the_same_instant_exactly_one_runs(tmp_path: Path) -> None:
    def racer() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RACER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment(),
        )

    with SandboxProcess(*ACCOUNT, "--latency", "200ms") as sandbox, racer() as one, racer() as two:
        assert one.stdin
        assert two.stdin
        assert one.stdout
        assert two.stdout
        for number in range(10):
            out = tmp_path / str(number)
            for each in (one, two):
                each.stdin.write(f"run {sandbox.url} -o {out} -q\n")  # type: ignore[union-attr]
            for each in (one, two):
                each.stdin.flush()  # type: ignore[union-attr]
            assert sorted([int(one.stdout.readline()), int(two.stdout.readline())]) == [0, 11]
            assert sorted(lines(*role_files(out))) == expected()
        one.stdin.close()
        two.stdin.close()
