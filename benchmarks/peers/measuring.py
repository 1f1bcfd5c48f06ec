"""A contestant's run in processes of its own: what it costs, what the server saw, and what is in its output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import processes
from benchmarks.peers.contestants import ALLOWED, Contestant
from benchmarks.processes import PYTHON, Cost

LATENCY, JITTER = "300ms", "100ms"
UNLIMITED = ("--rate-limit", "1000000")
"""Not off: an account that does not tell its limit is asked slowly by those who ask for it."""
FEW, MANY = 1_000, 21_000
"""Users of two accounts: the difference between them is what users cost, without the start of a process."""
PAIRS = 3
ODD = 5_000
"""Users of an account with control characters, very long notes and large numbers: who brings them home whole?"""
PATIENCE = 900.0
"""Seconds after which a contestant is stopped and reported as not finishing."""


class ContestantError(Exception):
    """A contestant ended with an error: what it said last."""


@dataclass(frozen=True, slots=True)
class Run:
    """One export: what it cost, and the server's statistics."""

    cost: Cost
    stats: dict[str, Any]


@contextmanager
def sandbox(*flags: str) -> Iterator[str]:
    """Serve an account in a process of its own.

    :raises ContestantError: if the server does not come up, because it does not know a flag.
    """
    with processes.sandbox(*flags) as url:
        if not url.startswith("http://"):
            raise ContestantError(f"no sandbox with {' '.join(flags)}")
        yield url


def run(command: tuple[str, ...]) -> Cost:
    """Run a command, with all processes that it starts, and return what they cost together.

    :raises ContestantError: if it fails, or has not ended after `PATIENCE`.
    """
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        timer = threading.Timer(PATIENCE, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise ContestantError(_last_words(said.read()) if wall < PATIENCE else f"not done after {PATIENCE:.0f} s")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


def export(contestant: Contestant, home: Path, url: str, folder: Path) -> Run:
    """Export into an empty folder."""
    folder.mkdir()
    before = _stats(url)["requests"]
    cost = run(contestant.command(home, url, folder))
    stats = _stats(url)
    return Run(cost, {**stats, "requests": stats["requests"] - before})


def check(contestant: Contestant, folder: Path, *url: str) -> dict[str, int]:
    """Count the users in an output, and those that are as the API sends them, if it is to be asked.

    In a process of its own: the memory of this one must stay small, since a process that it starts begins with it.
    """
    command = (PYTHON, "-m", "benchmarks.peers.checking", str(folder), contestant.output, *url)
    counts: dict[str, int] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return counts


def paced(contestant: Contestant, home: Path, users: int) -> dict[str, Any]:
    """Measure speed: with a network's latency, and the account's limits."""
    flags = ("--latency", LATENCY, "--jitter", JITTER, "--rate-limit", str(ALLOWED))
    with tempfile.TemporaryDirectory() as name, sandbox("--plain", "--users", str(users), *flags) as url:
        folder = Path(name) / "out"
        done = export(contestant, home, url, folder)
        seen = {each: done.stats[each] for each in ("requests", "limited", "most_in_window", "most_under_way")}
        return {"users": users, "wall": round(done.cost.wall, 2), **seen, **check(contestant, folder)}


def free(contestant: Contestant, home: Path) -> dict[str, Any]:
    """Measure CPU and memory: with nothing to wait for. The median of a few pairs."""
    flags = ("--plain", *UNLIMITED, *contestant.free_flags)
    pairs = []
    with (
        tempfile.TemporaryDirectory() as name,
        sandbox("--users", str(FEW), *flags) as few,
        sandbox("--users", str(MANY), *flags) as many,
    ):
        for number in range(PAIRS):
            folders = [Path(name) / f"{number}-{size}" for size in ("few", "many")]
            pairs.append(
                [export(contestant, home, url, each).cost for url, each in zip((few, many), folders, strict=True)]
            )
        counts = check(contestant, folders[1], many)
    per_user = median((large.cpu - small.cpu) / (MANY - FEW) for small, large in pairs)
    return {
        "users": MANY,
        "wall": round(median(large.wall for _, large in pairs), 2),
        "cpu_per_1000": round(per_user * 1000, 4),
        "start_up": round(max(median(small.cpu for small, _ in pairs) - per_user * FEW, 0), 2),
        "peak": max(large.peak for _, large in pairs),
        **counts,
    }


def odd(contestant: Contestant, home: Path) -> dict[str, Any]:
    """Count who comes home whole from an account with users that are hard to carry."""
    flags = ("--users", str(ODD), *UNLIMITED, *contestant.free_flags)
    with tempfile.TemporaryDirectory() as name, sandbox(*flags) as url:
        folder = Path(name) / "out"
        export(contestant, home, url, folder)
        return {"users": ODD, **check(contestant, folder, url)}


def _stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/_sandbox/stats", timeout=30) as response:
        report: dict[str, Any] = json.load(response)
        return report


def _last_words(text: str) -> str:
    """Return the last line of an error, which says what it is."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "ended without a word"
