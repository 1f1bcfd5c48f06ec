"""`make bench-peers`: zexport beside other ways to get the users, one after another, in one run.

`--chart-only` remakes chart and tables from the stored results; `--only NAME` runs some and stores nothing;
`--users NAME=N` gives one an account of another size.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import chart, measuring, tables
from benchmarks.peers.contestants import ALLOWED, CONTESTANTS, Contestant
from benchmarks.peers.environments import PEERS, ROOT, environment, version_of
from exporter.version import VERSION

FOLDER = Path(__file__).parent.parent
RESULTS, CHART, README = FOLDER / "peers.json", FOLDER / "peers.svg", FOLDER / "README.md"


def measure(contestant: Contestant, users: int) -> dict[str, Any]:
    """Measure a contestant in every way; what fails is reported in its place."""
    say(f"{contestant.name}: installing")
    about: dict[str, Any] = {
        "name": contestant.name,
        "version": version_of(contestant.package) if contestant.package else VERSION,
        "allowed": contestant.allowed,
    }
    ways: dict[str, Callable[[Path], dict[str, Any]]] = {
        "paced": lambda home: measuring.paced(contestant, home, users),
        "free": lambda home: measuring.free(contestant, home),
        "odd": lambda home: measuring.odd(contestant, home),
    }
    try:
        home = environment(contestant.package) if contestant.package else PEERS
    except (OSError, subprocess.SubprocessError) as error:
        return about | {way: {"error": f"not installed: {reason(error)}"} for way in ways}
    for name, way in ways.items():
        say(f"{contestant.name}: {name}")
        try:
            about[name] = way(home)
        except (OSError, ValueError, subprocess.SubprocessError, measuring.ContestantError) as error:
            about[name] = {"error": reason(error)}
        say(f"  {about[name]}")
    return about


def reason(error: Exception) -> str:
    """Return what an error says, in one line that names no folder of this machine."""
    said = getattr(error, "stderr", "") or str(error)
    line = ([*said.strip().splitlines(), type(error).__name__] if said.strip() else [type(error).__name__])[0]
    return line.replace(str(ROOT), ".").replace(str(Path.home()), "~").replace("|", "/")[:160]


def results_of(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return everything there is to store of a run."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": said_by("git", "rev-parse", "--short", "HEAD"),
        "machine": {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "python": platform.python_version(),
            "node": said_by("node", "--version").removeprefix("v"),
        },
        "paced": {"latency": measuring.LATENCY, "jitter": measuring.JITTER, "allowed": ALLOWED},
        "free": {"users": measuring.MANY},
        "odd": {"users": measuring.ODD},
        "contestants": rows,
    }


def said_by(*command: str) -> str:
    """Return the output of a command; "unknown" if there is none."""
    if shutil.which(command[0]) is None:
        return "unknown"
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def publish(results: dict[str, Any]) -> None:
    """Draw the chart, and put the tables into the README."""
    CHART.write_text(chart.draw(results), encoding="utf-8")
    README.write_text(tables.put_into(README.read_text(encoding="utf-8"), results), encoding="utf-8")


def say(text: str) -> None:
    """Tell whoever waits what goes on, apart from the tables."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run everyone, store, draw, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="zexport beside its peers")
    parser.add_argument("--chart-only", action="store_true", help="from the stored results, without a run")
    parser.add_argument("--only", action="append", metavar="NAME", help="this contestant; stores nothing (repeatable)")
    parser.add_argument("--users", action="append", default=[], metavar="NAME=N", help="users of its paced run")
    arguments = parser.parse_args()
    if arguments.chart_only:
        publish(json.loads(RESULTS.read_text(encoding="utf-8")))
        return
    sizes = {name: int(number) for name, _, number in (each.partition("=") for each in arguments.users)}
    chosen = [each for each in CONTESTANTS if not arguments.only or each.name in arguments.only]
    results = results_of([measure(each, sizes.get(each.name, each.users)) for each in chosen])
    if not arguments.only:
        RESULTS.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        publish(results)
    print(tables.render(results))


if __name__ == "__main__":
    main()
