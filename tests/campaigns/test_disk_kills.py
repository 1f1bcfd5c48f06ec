"""Fault cases 1, 7 and 8: killed at any call that a run makes of its disk, and two runs at once (P3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.disk_campaign import Bench, Campaign
from tests.support.faulty_disk import ACCOUNT, GZIP, INCLUDE, KINDS, ONE, Fault, Kind, expected, needs_strace
from tests.support.gated_forks import Forks
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import lines, role_files, start, wait_for_users


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


KILLS = [
    (INCLUDE, Fault("write", "kill", 4, "data")),
    (GZIP, Fault("write", "kill", 2, "data")),
    (ONE, Fault("write", "kill", 1, "manifest")),
    (ONE, Fault("pwrite64", "kill", 30, "wal")),
    (INCLUDE, Fault("pwrite64", "kill", 4, "mark")),
    (ONE, Fault("pwrite64", "kill", 5, "new ledger")),
    (INCLUDE, Fault("fdatasync", "kill", 2, "data")),
    (GZIP, Fault("fdatasync", "kill", 9, "wal")),
    (INCLUDE, Fault("fsync", "kill", 4, "folders")),
    (INCLUDE, Fault("rename", "kill", 3, "data")),
    (GZIP, Fault("rename", "kill", 1, "new ledger")),
    (ONE, Fault("rename", "kill", 1, "manifest")),
    (INCLUDE, Fault("openat", "kill", 3, "data")),
    (ONE, Fault("mkdir", "kill", 1, "folders")),
    (ONE, Fault("ftruncate", "kill", 1, "lock")),
    (INCLUDE, Fault("ftruncate", "kill", 3, "data")),
    (GZIP, Fault("ftruncate", "kill", 1, "wal")),
    (ONE, Fault("unlink", "kill", 5, "new ledger")),
    (GZIP, Fault("unlink", "kill", 1, "manifest")),
    (INCLUDE, Fault("unlink", "kill", 2, "wal")),
]


# Case 1: one kill of each kind, at each kind of file; `make soak` has them all (`test_disk_soak`).
@needs_strace
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_killed_at_a_call_of_the_disk_the_same_command_completes_and_what_was_written_stays(
    kind: Kind, bench: Bench, tmp_path: Path, record: Counter[str]
) -> None:
    campaign = Campaign(kind, bench, tmp_path, record)
    for each, fault in KILLS:
        assert each is not kind or campaign.survive(fault), f"{fault} never came"


# Case 7: a second run on the same output, and the lock after kill -9.
def test_a_second_run_is_refused_at_once_and_after_a_kill_the_lock_is_free(bench: Bench, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with SandboxProcess(*ACCOUNT, "--latency", "100ms") as sandbox:
        with start("run", sandbox.url, "-o", out, "--progress", "json", "--rate", "90") as first:
            wait_for_users(first, 1)
            second = bench.forks.run("run", sandbox.url, "-o", out)
            restarted = bench.forks.run("run", sandbox.url, "-o", out, "--restart")
            assert first.poll() is None
            first.kill()
        assert (second.code, restarted.code) == (11, 11)
        assert f"process {first.pid}" in second.said
        assert bench.forks.run("run", sandbox.url, "-o", out, "--rate", "100000").code == 0
    assert sorted(lines(*role_files(out))) == expected()


# Case 8: two processes that start at the same instant.
def test_of_two_runs_that_start_at_the_same_instant_exactly_one_runs(tmp_path: Path) -> None:
    # Slow enough that one is still at work when the other has tried for the lock as long as it does.
    with SandboxProcess(*ACCOUNT, "--latency", "70ms") as sandbox, Forks() as forks:
        for number in range(10):
            out = tmp_path / str(number)
            both = [forks.prepare("run", sandbox.url, "-o", out, "-q", "--rate", "100000") for _ in range(2)]
            forks.go(*both)
            ended = [forks.wait(each) for each in both]
            assert sorted(each.code for each in ended) == [0, 11], ended
            assert sorted(lines(*role_files(out))) == expected()
