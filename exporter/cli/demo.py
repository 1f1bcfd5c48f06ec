"""`zexport demo`: the promises, shown: an export is killed with SIGKILL, goes on, and is proved complete."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import orjson

from exporter.cli.clean import clean
from exporter.errors import ExportError
from exporter.proof import first_user

USERS = 25_000
KILL_AT = 0.4
FOLDER = Path("zexport-demo")
SANDBOX = ("--users", str(USERS), "--latency", "20ms", "--rate-limit", "2500")
"""2,500 requests a minute is the largest limit there is; 20 ms keeps the demo under 20 seconds."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What a run of the exporter did: its exit code, the users written in the end, those it began with, seconds."""

    code: int
    users: int
    resumed: int
    seconds: float


def main(args: argparse.Namespace) -> int:
    """Run the demo; return 0 if every promise was kept."""
    with _sandbox() as url:
        print(f"A sandbox serves {USERS:,} users at {url}, as Zendesk does: 100 a page, 2,500 requests a minute.\n")
        print(f"$ zexport run {url} -o {FOLDER}")
        killed = _export(url, "--restart", kill_at=int(USERS * KILL_AT))
        before = _partial_lines()
        if killed.code != -signal.SIGKILL or not _count(before):
            raise ExportError("the first run ended before it could be killed", hint="Try once more.")
        print(f"  killed with SIGKILL after {killed.seconds:.1f} s; on disk: {_count(before):,} users, and a ledger\n")
        print(f"$ zexport run {url} -o {FOLDER}")
        again = _export(url)
        print(f"  found {again.resumed:,} users there, went on behind them, complete after {again.seconds:.1f} s")
    kept = all((FOLDER / name).read_bytes().startswith(lines) for name, lines in before.items())
    print(f"  what was written before the kill is {'untouched' if kept else 'DAMAGED'}, byte for byte\n")
    print(f"$ zexport verify {FOLDER}")
    sys.stdout.flush()
    proved = subprocess.run([*_zexport(), "verify", str(FOLDER)], env=_environment(), check=False).returncode  # noqa: S603
    if proved or not kept or again.code or again.users != USERS:
        raise ExportError("the demo did not keep its promises", hint="That is a bug: please report it.")
    user = clean(first_user(FOLDER / "end-user.ndjson").decode().strip(), 240)  # JSON leaves C1 and bidi as they are
    print(f"\nThe first of them: {user}\n")
    print("Try:  jq -r '[.id, .name, .email] | @tsv' zexport-demo/end-user.ndjson | head -3")
    print("      duckdb -c \"select role, count(*) from 'zexport-demo/*.ndjson' group by role\"")
    print("      zexport run --help")
    return 0


def _zexport() -> list[str]:
    return [sys.executable, "-P", "-m", "exporter"]  # a module of that name in the current folder is a stranger's


def _environment() -> dict[str, str]:
    """Return the environment without credentials: a sandbox needs none, and the demo is no account's business."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ZENDESK_")}


@contextmanager
def _sandbox() -> Iterator[str]:
    command = [*_zexport(), "sandbox", *SANDBOX, "--port", "0"]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                raise ExportError("the sandbox did not start", hint="`zexport sandbox` says why.")
            yield url
        finally:
            process.send_signal(signal.SIGTERM)


def _export(url: str, *flags: str, kill_at: int | None = None) -> _Run:
    """Run the exporter in a process of its own, watch its progress, and kill it when it has written so many users."""
    command = [*_zexport(), "run", url, "-o", str(FOLDER), "--progress", "json", *flags]
    started, users, resumed = monotonic(), 0, 0
    with subprocess.Popen(command, env=_environment(), stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stderr is not None
        for line in process.stderr:
            event = orjson.loads(line)
            resumed = event.get("resumed", resumed)
            users = event.get("users", users)
            if event["event"] == "error":
                raise ExportError(event["error"], hint=event["hint"])
            rate = event.get("rate", 0.0)
            if kill_at is not None and users + rate >= kill_at:  # within the second until the next event
                sleep(max((kill_at - users) / rate, 0.0) if rate else 0.0)
                process.kill()
                break
    return _Run(process.returncode, users, resumed, monotonic() - started)


def _partial_lines() -> dict[str, bytes]:
    """Read the whole lines that are in the output now, by the file's final name."""
    found = {}
    for path in FOLDER.glob("*.ndjson.partial"):
        content = path.read_bytes()
        found[path.name.removesuffix(".partial")] = content[: content.rfind(b"\n") + 1]
    return found


def _count(files: dict[str, bytes]) -> int:
    return sum(content.count(b"\n") for content in files.values())
