"""P5, end to end: a server that counts by the minute never has to refuse us, whatever happens to the process."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import expected_lines, role_files, sorted_lines, start, zexport


@pytest.mark.parametrize("limit", [700, 2500])
def test_from_a_cold_start_and_after_a_kill_and_restart_no_request_is_refused(limit: int, tmp_path: Path) -> None:
    users = limit * 8
    with SandboxProcess("--users", str(users), "--rate-limit", str(limit), "--latency", "200ms") as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--progress", "off") as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=3)
            process.kill()
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        stats = sandbox.stats()
    assert stats["limited"] == 0
    assert stats["statuses"] == {"200": stats["requests"]}
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(users)


@pytest.mark.parametrize("crashes", [8, pytest.param(16, marks=pytest.mark.soak)])
def test_a_loop_of_crashes_and_restarts_is_no_burst(crashes: int, tmp_path: Path) -> None:
    chance = random.Random(1)
    with SandboxProcess("--users", "50000", "--rate-limit", "30") as sandbox:
        for _ in range(crashes):
            with start("run", sandbox.url, "-o", tmp_path, "--progress", "off") as process:
                try:
                    process.wait(timeout=chance.uniform(0.7, 1.1))
                except subprocess.TimeoutExpired:
                    process.kill()
        stats = sandbox.stats()
    assert stats["limited"] == 0
    assert 1 <= stats["requests"] <= 30


def test_a_hold_outlives_the_process_that_met_it(tmp_path: Path) -> None:
    with SandboxProcess("--users", "3000", "--rate-limit", "100000", "--fault", "429:6@n:4") as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--progress", "json") as process:
            assert process.stderr is not None
            waiting = (b'"waiting":' in line and b'"waiting":0.0' not in line for line in process.stderr)
            assert any(waiting)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1.5)  # the hold is noted once a second
            process.kill()
        before = sandbox.stats()["requests"]
        with start("run", sandbox.url, "-o", tmp_path, "--progress", "off") as process:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=1.5)
            assert sandbox.stats()["requests"] == before
            process.kill()
