"""What machines are like: few descriptors, and (elsewhere) terminals that are closed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from exporter.api.connection import OTHERS
from exporter.api.pace import Pace
from exporter.cli.loop import DESCRIPTORS
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import COMMAND, FAST, TIMEOUT, environment, expected_lines, lines


@pytest.mark.parametrize("allowed", ["-n 64", "-Sn 64"], ids=["at most", "to begin with"])
def test_an_export_lives_within_the_descriptors_that_it_gets(allowed: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", "9000", "--latency", "100ms", *FAST) as sandbox:
        done = subprocess.run(
            [
                "bash",
                "-c",
                f'ulimit {allowed}; exec "$@"',
                "-",
                *COMMAND,
                "run",
                sandbox.url,
                "-o",
                tmp_path / "u.ndjson",
            ],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "0 retries" in done.stderr
    assert sorted(lines(tmp_path / "u.ndjson")) == sorted(expected_lines(9000))


def test_as_many_connections_are_opened_as_descriptors_are_left() -> None:
    script = (
        "import os, resource\n"
        "from exporter.api.connection import most_connections\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))\n"
        "before = most_connections()\n"
        "held = [os.open(os.devnull, os.O_RDONLY) for _ in range(10)]\n"
        "print(before, before - most_connections())"
    )
    before, less = subprocess.check_output([sys.executable, "-c", script], text=True).split()
    assert 0 < int(before) <= 100 - OTHERS
    assert int(less) == 10
    assert DESCRIPTORS > OTHERS


@pytest.mark.anyio
async def test_a_pace_keeps_to_a_bound_whatever_its_window_could_be() -> None:
    pace = Pace(1_000_000)
    pace.bound(3)
    assert pace.statistics().window == 3
