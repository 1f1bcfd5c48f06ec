"""`make bench`: what an export costs, each figure a ratio or a difference within this one run."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.processes import PYTHON, Cost, run, sandbox

FEW, MANY = 5_000, 55_000
"""Users of two accounts: the difference between them is what users cost, without the start of a process."""
SMALL, LARGE = 20_000, 400_000
"""Users for memory and resume: enough for what grows to show, few enough for a run of two minutes."""
FAST = ("--rate-limit", "1000000")
ZEXPORT = (PYTHON, "-m", "exporter")


def export(url: str, out: Path, *flags: str, expect: int = 0) -> Cost:
    """Export, and return what it cost."""
    return run(*ZEXPORT, "run", url, "-o", str(out), "-q", *flags, expect=expect)


def cpu_ratio(folder: Path) -> tuple[float, float, float]:
    """Return the CPU of an export per user, of a bare fetch per user (µs), and the median ratio of three pairs."""
    with sandbox("--users", str(FEW), *FAST) as few, sandbox("--users", str(MANY), *FAST) as many:
        pairs = []
        for number in range(3):
            export_cpu = [export(url, folder / f"{number}-{url[-5:]}").cpu for url in (few, many)]
            fetch_cpu = [run(PYTHON, "-m", "benchmarks.bare_fetch", url).cpu for url in (few, many)]
            pairs.append([(large - small) / (MANY - FEW) * 1e6 for small, large in (export_cpu, fetch_cpu)])
    ratios = sorted(pairs, key=lambda pair: pair[0] / pair[1])
    ours, floor = ratios[1]
    return ours, floor, ours / floor


def memory(folder: Path) -> tuple[int, int]:
    """Return the peak memory of an export of few users and of many, in bytes."""
    with sandbox("--users", str(SMALL), *FAST) as few, sandbox("--users", str(LARGE), *FAST) as large:
        return export(few, folder / "few").peak, export(large, folder / "large").peak


def resume(folder: Path) -> float:
    """Return the seconds from the start of a process to its end, where one more user is left to write after many."""
    with sandbox("--users", str(LARGE), *FAST) as url:
        export(url, folder / "resume", "--max-users", str(LARGE - 1_000), expect=8)
        return export(url, folder / "resume", "--max-users", "1", expect=8).wall


def start_up() -> tuple[float, float]:
    """Return the seconds of `zexport --help` and of a Python that does nothing, each the median of nine."""
    ours = median(run(*ZEXPORT, "--help").wall for _ in range(9))
    return ours, median(run(PYTHON, "-c", "pass").wall for _ in range(9))


def main() -> None:
    """Measure, and print a table."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    print(f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.strip() or 'unknown'}, {os.cpu_count()} cores, ", end="")
    print(f"{platform.machine()}, Python {platform.python_version()}\n")
    print("| what | measured |\n|---|---|")
    with tempfile.TemporaryDirectory() as name:
        ours, floor, ratio = cpu_ratio(Path(name))
        print(f"| CPU per user | {ratio:.2f} × a bare fetch ({ours:.1f} µs against {floor:.1f} µs) |", flush=True)
        few, large = memory(Path(name))
        grown = (large - few) / 2**20
        print(f"| memory | {large / 2**20:.0f} MiB, {grown:+.1f} MiB from {SMALL:,} to {LARGE:,} users |", flush=True)
        seconds = resume(Path(name))
        print(
            f"| resume, with {LARGE:,} lines there | {seconds:.2f} s from start to end, one user written |", flush=True
        )
    ours, floor = start_up()
    print(f"| `zexport --help` | {ours * 1000:.0f} ms ({floor * 1000:.0f} ms of it is Python's own start) |")


if __name__ == "__main__":
    main()
