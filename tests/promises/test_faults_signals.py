"""P3, P8 and P10, fault 25: one signal ends a run at once and in order, whatever it waits for; no clock misleads it.

What else belongs to that fault is shown elsewhere: a signal in the midst of writing and a second one in
`test_promises_kill`, a reader that closes stdout and a full device in `test_promises_stdout`, restarts without a burst
and a hold that outlives its process in `test_promises_pace`.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

import exporter
from exporter.api.verdict import MAX_HOLD
from exporter.cli import main
from exporter.engine.reporter import pace_left
from tests.support.front_server import Asked, Front, Reply
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import AT_ONCE, FAST, events, expected_lines, role_files, sorted_lines, start

USERS = 300
SOON = 7.0
"""Seconds: a stop that is done only when the engine's grace of 8 is over has waited for something."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with SandboxProcess("--users", str(USERS), *FAST) as process:
        yield process.url


class Stall:
    """Leaves requests without an answer, from the first that fits on, until told otherwise."""

    def __init__(self, fits: Callable[[Asked], bool]) -> None:
        self._fits = fits
        self.met, self.over = Event(), Event()

    def __call__(self, asked: Asked) -> None:
        if self._fits(asked):
            self.met.set()
            assert self.over.wait(30)


def _ended(process: subprocess.Popen[bytes]) -> bytes:
    """Wait until a process has ended, not longer than a stop may take, and return what is left of its stderr."""
    try:
        return process.communicate(timeout=SOON)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@pytest.mark.parametrize(
    ("place", "sent"),
    [("role", signal.SIGINT), ("sort=-updated_at", signal.SIGTERM), ("role", signal.SIGHUP)],
    ids=["a page", "the closing sweep", "a terminal that is closed"],
)
def test_a_signal_while_a_request_stalls_ends_the_run_in_order_and_the_next_one_completes_it(
    place: str, sent: signal.Signals, sandbox: str, tmp_path: Path
) -> None:
    stall = Stall(lambda asked: place in asked.target and asked.number > 5)
    with Front(sandbox, stall) as front:
        with start("run", front.url, "-o", tmp_path, *AT_ONCE) as process:
            assert stall.met.wait(20)
            process.send_signal(sent)
            errors = _ended(process)
        assert process.returncode == 128 + sent
        assert f"stopped by {sent.name}" in errors.decode()
        assert b"Traceback" not in errors
        before = {path: path.read_bytes() for path in tmp_path.glob("*.partial")}
        front.answer = lambda _: None
        stall.over.set()
        assert main(["run", front.url, "-o", str(tmp_path), "-q", *AT_ONCE]) == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)
    assert before
    assert all(path.with_suffix("").read_bytes().startswith(content) for path, content in before.items())


@pytest.mark.parametrize(
    ("sent", "event", "answer"),
    [
        (signal.SIGTERM, "held", Reply(429, b"", {"Retry-After": "600"})),
        (signal.SIGINT, "retrying", Reply(503, b"", {"Retry-After": "600"})),
    ],
)
def test_a_signal_while_the_run_waits_for_the_server_ends_it_in_order(
    sent: signal.Signals, event: str, answer: Reply, sandbox: str, tmp_path: Path
) -> None:
    def refuse(asked: Asked) -> Reply | None:
        return answer if asked.number > 5 else None

    with Front(sandbox, refuse) as front:
        with start("run", front.url, "-o", tmp_path, "--progress", "json", *AT_ONCE) as process:
            assert process.stderr is not None
            seen = events(process.stderr)
            assert next(each for each in seen if each["event"] == event)
            process.send_signal(sent)
            rest = _ended(process)
        assert process.returncode == 128 + sent
        last = list(events(rest.splitlines()))[-1]
        asked = len(front.asked)
    assert (last["event"], last["stopped"], last["complete"]) == ("finished", sent.name, False)
    assert asked <= 5 + 3 + 1  # each role and the count have met it once: no storm


def test_a_signal_while_estimate_waits_is_no_traceback(sandbox: str) -> None:
    stall = Stall(lambda _: True)
    with Front(sandbox, stall) as front:
        with start("estimate", front.url) as process:
            assert stall.met.wait(20)
            process.send_signal(signal.SIGINT)
            errors = _ended(process)
        stall.over.set()
    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_status_into_a_pipe_that_nobody_reads_is_141_and_no_traceback(sandbox: str, tmp_path: Path) -> None:
    assert main(["run", sandbox, "-o", str(tmp_path), "-q", *AT_ONCE]) == 0
    reader, writer = os.pipe()
    os.close(reader)
    with start("status", tmp_path, stdout=writer) as process:
        os.close(writer)
        errors = _ended(process)
    assert (process.returncode, errors) == (141, b"")


@pytest.mark.anyio
@pytest.mark.parametrize("dated", [True, False])
async def test_a_clock_that_jumps_changes_nothing(
    dated: bool, sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, jumps, began = time.time, cycle([0.0, 4e8, -4e8, 3600.0, -86_400.0]), time.monotonic()
    monkeypatch.setattr(time, "time", lambda: true() + next(jumps))
    with Front(sandbox, (lambda _: None), drop=() if dated else ("date",)) as front:
        finished = await exporter.export_users(front.url, tmp_path, options=exporter.Options(rate=1e6))
    assert (finished.complete, finished.users) == (True, USERS)
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)
    assert 0 < finished.seconds <= time.monotonic() - began
    assert len(front.asked) <= 24  # the sweep has not gone back for ten years


@pytest.mark.parametrize(("jumped", "at_most"), [(0.0, 60.0), (4e8, 0.0), (-4e8, MAX_HOLD), (-3600.0, MAX_HOLD)])
def test_a_clock_that_jumped_between_two_runs_makes_no_hold_longer_than_any_can_be(
    jumped: float, at_most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_until = time.time() + 60
    now = time.time() + jumped
    monkeypatch.setattr(time, "time", lambda: now)

    class Ledger:
        def about(self) -> dict[str, str]:
            return {"pace": f"[700, {held_until}]"}

    limit, _, held = pace_left(cast("Any", Ledger()))
    assert limit == 700
    assert 0 <= held <= at_most


WALL_CLOCK = {
    "again.py": "how long ago an export was finished, and today's date, for people",
    "asker.py": "how far our clock is off the server's, once; and a Retry-After that is a date, capped",
    "audit.py": "how far our clock is off the server's, for users who were created since",
    "beginning.py": "how far back the sweep looks where the account does not list its changes; else a bound, of a day",
    "reporter.py": "a hold that outlives the process, capped by the longest there can be",
    "finishing.py": "when a run began and ended, for people",
    "place.py": "how long ago an export was finished, by the same computer's clock",
    "probe.py": "where the incremental export is asked to begin, a while ago",
    "stored.py": "when a token ends that outlives the process",
    "summary.py": "how long ago an export was finished, for people",
    "tokens.py": "how long a token still lives by what it says of itself",
}
"""Who may ask what time it is, and what for: all waits, bounds and figures are by the monotonic clock."""


def test_only_those_ask_for_the_time_of_day_who_say_why() -> None:
    package = Path(exporter.__file__).parent
    asking = set()
    for path in package.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in ("time", "time_ns", "now", "utcnow", "today"):
                asked = ast.unparse(node.value)
                asking |= {path.name} if asked in ("time", "datetime", "date", "datetime.datetime") else set()
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                assert not {alias.name for alias in node.names} & {"time", "time_ns"}, path
    assert asking == set(WALL_CLOCK)
