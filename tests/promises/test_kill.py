"""P3 and fault cases 1, 2 and 25: killed at any instant, the same command goes on, and what was written stays."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import (
    FAST,
    events,
    expected_lines,
    lines,
    role_files,
    sorted_lines,
    start,
    wait_for_users,
    whole_lines,
    zexport,
)

USERS = 12_000
SLOW = ("--latency", "50ms")
PACED = ("--rate", "4800")
"""120 pages at 80 a second: a second and a half on any machine, so that a kill at a random time hits every phase of a
run. At 50 ms that takes four ranges at work."""
STEADY = ("--rate", "3000")
"""A page every 20 ms, by as many ranges as that takes: so it is known about how far an export is."""
ROLES = 3
"""Before a range is split there is one for each role."""
CHAIN = 6_000
CHAIN_SLOW = ("--latency", "12ms")
"""60 pages in one chain: about a second."""


class KillLoop:
    """Kills runs of one export at random times until it has completed, and looks at the output after each kill.

    `ranges` says how many ranges the ledger knew after each kill.
    """

    def __init__(self, url: str, out: Path, files: Sequence[Path], args: Sequence[str], seed: int) -> None:
        self.kills = 0
        self.ranges: list[int] = []
        self._command: tuple[str | Path, ...] = ("run", url, "-o", out, *args, *PACED, "--progress", "off")
        self._ledger = ledger_of(out)
        self._files = files
        self._random = random.Random(seed)
        self._before = dict.fromkeys(files, b"")

    def until_complete(self, at_most: int, longest: float) -> None:
        """Kill up to `at_most` runs, each within `longest` seconds."""
        for number in range(at_most + 1):
            process = start(*self._command)
            try:
                process.wait(timeout=self._random.uniform(0, longest) if number < at_most else 60)
            except subprocess.TimeoutExpired:
                process.kill()
                self.kills += 1
            _, errors = process.communicate()
            assert process.returncode in (0, -signal.SIGKILL), errors
            self.look()
            self.ranges += _ranges(self._ledger) if process.returncode else []
            if process.returncode == 0:
                return

    def look(self) -> None:
        """Check that a reader of the files never saw a line vanish, change or repeat."""
        for path, before in self._before.items():
            now = whole_lines(path)
            assert now.startswith(before), f"{path.name} lost or changed what was there"
            self._before[path] = now


def ledger_of(out: Path) -> Path:
    """Return where the ledger of a folder or of a file is."""
    return (out.with_name(out.name + ".zexport") if out.suffix else out / ".zexport") / "ledger.db"


def _ranges(ledger: Path) -> list[int]:
    """Return how many ranges a ledger knows; nothing if it is not there yet. What is read is left as it is."""
    if not ledger.exists():
        return []
    database = sqlite3.connect(f"{ledger.as_uri()}?mode=ro", uri=True)
    try:
        return [int(count) for (count,) in database.execute("SELECT count(*) FROM range")]
    except sqlite3.OperationalError:  # killed before it had made its tables
        return []
    finally:
        database.close()


@pytest.mark.parametrize("kills", [6, pytest.param(20, marks=pytest.mark.soak)])
def test_kills_at_random_times_lose_and_repeat_nobody(kills: int, tmp_path: Path) -> None:
    out, killed, round_, ranges = tmp_path / "out", 0, 0, list[int]()
    with SandboxProcess("--users", str(USERS), *SLOW, *FAST) as sandbox:
        while killed < kills or sum(count > ROLES for count in ranges) < kills // 6:
            assert round_ < 20, "too few kills met a run that had split a range"
            shutil.rmtree(out, ignore_errors=True)
            loop = KillLoop(sandbox.url, out, role_files(out), [], seed=round_)
            loop.until_complete(max(kills - killed, 1), longest=1.8)
            killed, round_, ranges = killed + loop.kills, round_ + 1, ranges + loop.ranges
            assert sorted_lines(*role_files(out)) == expected_lines(USERS)
            assert zexport("verify", out).returncode == 0


@pytest.mark.parametrize("place", ["none", "meta.map"])
@pytest.mark.parametrize("name", ["one.ndjson", "one.ndjson.gz"])
def test_kills_with_one_file_sideloads_and_whatever_item_cursors(name: str, place: str, tmp_path: Path) -> None:
    out, sideload = tmp_path / name, tmp_path / name.replace("one", "one.identities")
    with SandboxProcess("--users", str(USERS), "--item-cursors", place, *SLOW, *FAST) as sandbox:
        arguments = ["--include", "identities,organizations"]
        files = [out, sideload] if out.suffix == ".ndjson" else []
        KillLoop(sandbox.url, out, files, arguments, 7).until_complete(3, 2.0)
        whole = zexport("run", sandbox.url, "-o", tmp_path / "unbroken", "--include", "identities,organizations")
    assert whole.returncode == 0
    assert zexport("verify", out).returncode == 0
    for kind in ("identities", "organizations"):
        got = _plain_lines(tmp_path / name.replace("one", f"one.{kind}"))
        assert sorted(got) == sorted(lines(tmp_path / "unbroken" / f"{kind}.ndjson"))
    assert sorted(_plain_lines(out)) == sorted(expected_lines(USERS))


def _plain_lines(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return (gzip.decompress(content) if path.suffix == ".gz" else content).splitlines(keepends=True)


def test_with_sealed_cursors_and_none_for_items_a_kill_repeats_nobody_in_another_order(tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = ("--item-cursors", "none", "--quirk", "sealed-cursors", *CHAIN_SLOW, *FAST)
    with SandboxProcess("--users", str(CHAIN), *flags) as sandbox:
        KillLoop(sandbox.url, out, role_files(out), ["--sort", "-created_at"], 3).until_complete(3, 1.2)
        whole = zexport("run", sandbox.url, "-o", tmp_path / "unbroken", "--sort", "-created_at")
    assert whole.returncode == 0
    assert lines(*role_files(out)) == lines(*role_files(tmp_path / "unbroken"))
    assert sorted_lines(*role_files(out)) == expected_lines(CHAIN)


def _left_and_asked(out: Path, users: int, flags: Sequence[str], *served: str) -> tuple[int, int]:
    """Kill an export of end users and complete it; return how many pages were left, and how many were asked for."""
    command: tuple[str | Path, ...] = ("run", "-o", out, "--role", "end-user", *flags)
    with SandboxProcess("--users", str(users), *served, *FAST) as sandbox:
        with start(*command, sandbox.url, "--progress", "json") as process:
            wait_for_users(process, 2000)
            process.kill()
        before = len(sandbox.stats()["queries"])
        written = whole_lines(out).count(b"\n")
        assert zexport(*command, sandbox.url).returncode == 0
        asked = [
            query for query in sandbox.stats()["queries"][before:] if "count" not in query and "sort=" not in query
        ]
    assert sorted_lines(out) == expected_lines(users, "end-user")
    assert written < len(lines(out)) - 1000
    return -(-(len(lines(out)) - written) // 99), len(asked)  # each page begins with the last user of the one before


def test_no_user_whose_line_is_in_the_file_is_asked_for_again(tmp_path: Path) -> None:
    left, asked = _left_and_asked(tmp_path / "out.ndjson", 20_000, ("--ranges", "off", *STEADY), *CHAIN_SLOW)
    assert left <= asked <= left + 2  # the end is said twice, and is perhaps a page of its own


def test_with_ranges_no_more_is_asked_for_again_than_a_part_of_a_page_a_range(tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    left, asked = _left_and_asked(out, 20_000, STEADY, "--latency", "300ms")
    (ranges,) = _ranges(ledger_of(out))
    assert 15 < ranges < 50
    assert left <= asked <= left + ranges + 2  # each range ends within a page, or with one


def test_a_torn_last_line_is_cut_and_whole_lines_behind_the_synced_point_are_kept(tmp_path: Path) -> None:
    out, partial, wanted = tmp_path / "out.ndjson", tmp_path / "out.ndjson.partial", 0
    with SandboxProcess("--users", "20000", "--latency", "300ms", *FAST) as sandbox:
        while True:
            wanted += 1500
            with start("run", sandbox.url, "-o", out, *STEADY, "--progress", "json") as process:
                wait_for_users(process, wanted)
                process.kill()
            with closing(sqlite3.connect(tmp_path / "out.ndjson.zexport" / "ledger.db")) as database:
                (synced,) = database.execute("SELECT synced_bytes FROM file").fetchone() or (0,)
            if (
                partial.stat().st_size > synced + 300
            ):  # else the kill came right behind a sync: nothing is there to tear
                break
        os.truncate(partial, partial.stat().st_size - 300)
        kept = whole_lines(out)
        assert len(kept) < partial.stat().st_size
        assert zexport("run", sandbox.url, "-o", out).returncode == 0
    assert out.read_bytes().startswith(kept)
    assert sorted(lines(out)) == sorted(expected_lines(20_000))


def test_a_file_shorter_than_what_was_synced_is_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with SandboxProcess("--users", "5000", *SLOW, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", out, "--max-users", "2000").returncode == 8
        os.truncate(out / "end-user.ndjson.partial", 1000)
        done = zexport("run", sandbox.url, "-o", out)
    assert done.returncode == 10
    assert "end-user.ndjson.partial is shorter than the ledger knows" in done.stderr
    assert "--restart" in done.stderr


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_asking_writes_what_is_in_hand_and_says_how_to_go_on(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with SandboxProcess("--users", str(USERS), *SLOW, *FAST) as sandbox:
        process = start("run", sandbox.url, "-o", out)
        while not whole_lines(out / "end-user.ndjson"):
            assert process.poll() is None
        process.send_signal(sent)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == code
        assert f"zexport run {sandbox.url} -o {out}" in errors.decode()
        assert b"Traceback" not in errors
        with closing(
            sqlite3.connect(ledger_of(out))
        ) as database:  # all that was in hand is written, synced and settled
            assert database.execute("SELECT count(*) FROM intent").fetchone() == (0,)
            synced = dict(database.execute("SELECT name, synced_bytes FROM file").fetchall())
        assert synced["end-user.ndjson"] == (out / "end-user.ndjson.partial").stat().st_size
        assert zexport("run", sandbox.url, "-o", out).returncode == 0
    assert sorted_lines(*role_files(out)) == expected_lines(USERS)


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_leaves_at_once(first: signal.Signals, second: signal.Signals, tmp_path: Path) -> None:
    # Nobody reads stdout: the first signal can't finish its writing and waits for the reader, the second doesn't.
    with SandboxProcess("--users", "5000", *FAST) as sandbox:
        with start("run", sandbox.url, "-o", "-", "--progress", "json") as process:
            assert process.stderr is not None
            seen = (event["seconds"] for event in events(process.stderr) if event["event"] == "progress")
            before = next(seconds for seconds in seen if seconds > 1)
            process.send_signal(first)
            process.send_signal(first)  # in the same instant: an echo, as `timeout` makes them
            assert next(seconds for seconds in seen if seconds > before + 1.5)  # it has outlived the echo
            process.send_signal(second)
            assert process.wait(timeout=3) == 128 + second


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(4))
def test_two_hundred_kills_at_random_times_lose_and_repeat_nobody(
    part: int, tmp_path: Path, record: Counter[str]
) -> None:
    killed, wanted = 0, Counter(expected_lines(12_000))
    flags = ("--fault", "reset@p:0.02", "--fault", "502@p:0.02")
    with SandboxProcess("--users", "12000", *SLOW, *flags, *FAST) as sandbox:
        for round_ in count():
            out = tmp_path / str(round_)
            loop = KillLoop(sandbox.url, out, role_files(out), [], seed=1000 * (part + 1) + round_)
            loop.until_complete(50 - killed, longest=1.8)
            killed += loop.kills
            there = Counter(lines(*role_files(out)))
            record["kills at random times"] += loop.kills
            record["users lost"] += sum((wanted - there).values())
            record["users repeated"] += sum((there - wanted).values())
            assert there == wanted
            shutil.rmtree(out)
            if killed == 50:
                return
