"""`make bench`: every number that an export is to reach, each as a ratio or a difference within this one run.

`--only NAME` measures some (budget, cpu, memory, start) and prints them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.processes import PYTHON, Cost, run, sandbox

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- written by make bench -->", "<!-- end of what make bench wrote -->"

FEW, MANY = 5_000, 55_000
"""Users of two accounts: the difference between them is what users cost, without the start of a process."""
PAGED = 200_000
"""Users of the account whose budget is to be used: 2,000 pages, most of a minute at the largest limit."""
SMALL, LARGE = 20_000, 2_000_000
"""Users for memory and resume."""
LIMIT = 2500
FAR = ("--latency", "300ms", "--jitter", "100ms", "--rate-limit", str(LIMIT))
FAST = ("--rate-limit", "1000000")
QUICK = ("--rate-limit", "10000")
"""Four times the largest limit in sale: about as fast as the sandbox serves."""
ZEXPORT = (PYTHON, "-m", "exporter")


class Row(NamedTuple):
    """One line of the table."""

    what: str
    goal: str
    measured: str


def export(url: str, out: Path, *flags: str, expect: int = 0) -> Cost:
    """Export, and return what it cost."""
    return run(*ZEXPORT, "run", url, "-o", str(out), "-q", *flags, expect=expect)


def budget(folder: Path) -> Iterator[Row]:
    """Measure how much of the allowed requests became pages, from the start of the process to its end."""
    pages = PAGED // 100
    for layout, flags, share, least, most in (
        ("ids spread", (), 0.95, 0.95, 3),
        ("ids in clusters", ("--ids", "clustered"), 0.95, 0.90, 6),
        ("ids spread, `--share 1`", (), 1.0, 0.95, 3),
    ):
        with sandbox("--users", str(PAGED), *FAR, *flags) as url:
            seconds = export(url, folder / f"{layout[-6:]}{share}", "--share", str(share)).wall
            with urllib.request.urlopen(f"{url}/_sandbox/stats") as response:
                stats = json.load(response)
        used = pages / (LIMIT * share / 60 * seconds)
        rate = stats["requests"] / seconds * 60 / (LIMIT * share)
        extra = (stats["requests"] / pages - 1) * 100
        goal = f"≥ {least:.2f} of what is allowed, ≤ {most} % more requests than pages, no 429"
        yield Row(
            f"budget, {layout}",
            goal,
            f"{used:.3f} as pages, {rate:.3f} as requests ({PAGED:,} users in {seconds:.1f} s of "
            f"{pages / LIMIT / share * 60:.1f} s), {extra:.1f} % more, {stats['limited']} 429s, "
            f"{stats['most_under_way']} under way at most",
        )


def cpu(folder: Path) -> Iterator[Row]:
    """Measure the CPU of an export per user, and of a bare fetch: the median ratio of five pairs."""
    with sandbox("--users", str(FEW), *FAST) as few, sandbox("--users", str(MANY), *FAST) as many:
        pairs = []
        for number in range(5):
            ours = [export(url, folder / f"{number}-{url[-5:]}").cpu for url in (few, many)]
            bare = [run(PYTHON, "-m", "benchmarks.bare_fetch", url).cpu for url in (few, many)]
            pairs.append([(large - small) / (MANY - FEW) * 1e6 for small, large in (ours, bare)])
    ratios = sorted(pairs, key=lambda pair: pair[0] / pair[1])
    user, floor = ratios[len(ratios) // 2]
    spread = " to ".join(f"{pair[0] / pair[1]:.2f}" for pair in (ratios[0], ratios[-1]))
    yield Row(
        "CPU per user",
        "≤ 1.8 × a bare fetch",
        f"{user / floor:.2f} × ({user:.1f} µs against {floor:.1f} µs; five pairs gave {spread})",
    )


def memory(folder: Path) -> Iterator[Row]:
    """Measure the peak memory of an export of few users and of many, and how long it takes to go on behind those."""
    with sandbox("--users", str(SMALL), *QUICK) as url:
        small = export(url, folder / "small").peak
    with sandbox("--users", str(LARGE), *QUICK) as url:
        large = export(url, folder / "large", "--max-users", str(LARGE - 1_000), expect=8).peak
        seconds = export(url, folder / "large", "--max-users", "1", expect=8).wall
    yield Row(
        "memory",
        f"≤ 80 MiB, ≤ 5 MiB more from {SMALL:,} to {LARGE:,} users",
        f"{large / 2**20:.0f} MiB, {(large - small) / 2**20:+.1f} MiB",
    )
    yield Row(
        f"resume, with {LARGE:,} lines there",
        "≤ 1 s to the first new request",
        f"{seconds:.2f} s from the start of the process to its end, one user written",
    )


def start(_: Path) -> Iterator[Row]:
    """Measure `zexport --help` and a Python that does nothing, each the median of nine."""
    ours = median(run(*ZEXPORT, "--help").wall for _ in range(9))
    floor = median(run(PYTHON, "-c", "pass").wall for _ in range(9))
    yield Row("`zexport --help`", "≤ 150 ms", f"{ours * 1000:.0f} ms, {floor * 1000:.0f} ms of it the start of Python")


PARTS = {"budget": budget, "cpu": cpu, "memory": memory, "start": start}


def table(rows: list[Row]) -> str:
    """Return the rows as markdown, with when, where and of what they are."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    about = (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.strip() or 'unknown'}, {os.cpu_count()} cores, "
        f"{platform.machine()}, Python {platform.python_version()}"
    )
    lines = [f"| {row.what} | {row.goal} | {row.measured} |" for row in rows]
    return "\n".join([about, "", "| what | to reach | measured |", "|---|---|---|", *lines])


def put_into(text: str, measured: str) -> str:
    """Return a README with a table in it, in place of the one before."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{measured}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Measure, print the table and put it into the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="what an export costs")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="this part; stores nothing (repeatable)")
    chosen = parser.parse_args().only
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for part in chosen or PARTS:
            for row in PARTS[part](Path(name)):
                print(f"{row.what}: {row.measured}", flush=True)
                rows.append(row)
    print("\n" + table(rows))
    if not chosen:
        README.write_text(put_into(README.read_text(encoding="utf-8"), table(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
