"""Fault cases 5 and 6: a ledger that can't be trusted, or is of another export, is refused with exit 10.

What is wrong is said, `--restart` is named, and nothing that is there is touched: least of all is it begun anew.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.disk_campaign import Bench
from tests.support.faulty_disk import ONE, Fault, expected, needs_strace, traced
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import lines


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


@pytest.fixture(scope="module")
def under_way(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of one file that was killed half-way, with all that SQLite leaves then."""
    folder = tmp_path_factory.mktemp("under_way")
    assert traced(bench.forks, ONE, bench.url, folder, Fault("write", "kill", 5, "data")).code == -9
    (folder / "strace.log").unlink()
    return folder


def _empty(ledger: Path) -> None:
    ledger.write_bytes(b"")


def _cut(ledger: Path) -> None:
    ledger.write_bytes(ledger.read_bytes()[: ledger.stat().st_size // 2])


def _foreign(ledger: Path) -> None:
    ledger.unlink()
    _without_log(ledger)
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("CREATE TABLE precious (value)")
    database.close()


def _newer(ledger: Path) -> None:
    content = bytearray(ledger.read_bytes())
    content[60:64] = (99).to_bytes(4, "big")  # where SQLite keeps the user_version
    ledger.write_bytes(content)
    _without_log(ledger)


def _without_log(ledger: Path) -> None:
    ledger.with_name(ledger.name + "-wal").unlink()
    ledger.with_name(ledger.name + "-shm").unlink()


def _forgetful(ledger: Path) -> None:
    _without_log(ledger)
    ledger.with_name(ledger.name + "-mark").unlink()


def _old(ledger: Path) -> None:
    """Put back an older state of it, as a backup tool does that copies the database alone."""
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        older = ledger.read_bytes()
        database.execute("PRAGMA wal_autocheckpoint=0")
        database.execute("INSERT INTO run (started_at) VALUES ('later')")
    for suffix in ("", "-wal", "-shm", "-mark"):
        ledger.with_name(ledger.name + suffix).unlink(missing_ok=True)
    ledger.write_bytes(older)


def _trigger(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("CREATE TRIGGER planted AFTER INSERT ON run BEGIN DELETE FROM range; END")


def _torn_log(ledger: Path) -> None:
    log = ledger.with_name(ledger.name + "-wal")
    content = log.read_bytes()
    log.write_bytes(content[:64] + bytes(64) + content[128:])


def _changed(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("UPDATE range SET users = users + 1, last_id = 1")
    database.close()


def _changed_intent(ledger: Path) -> None:
    with closing(sqlite3.connect(ledger, isolation_level=None)) as database:
        database.execute("UPDATE intent SET writes_and_moves = replace(writes_and_moves, '0', '1')")
    database.close()


def _gone(ledger: Path) -> None:
    ledger.unlink()


def _contents(*paths: Path) -> list[bytes]:
    return [path.read_bytes() if path.exists() else b"" for path in paths]


@needs_strace
@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (_empty, "is empty or no ledger"),
        (_cut, "ledger.db"),
        (_foreign, "is empty or no ledger"),
        (_newer, "another version of zexport (format 99, this one has "),
        (_without_log, "has lost the last of what it knew"),
        (_forgetful, "its -mark file is gone"),
        (_old, "its -mark file is gone"),
        (_trigger, "holds other tables than a ledger does"),
        (_torn_log, "has lost the last of what it knew"),
        (_changed, "its table 'range' is not as it was written"),
        (_changed_intent, "one of its intents is not as it was written"),
        (_gone, "no ledger says where it comes from"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_ledger_that_can_not_be_trusted_is_refused_and_nothing_is_touched(
    damage: Callable[[Path], None], word: str, bench: Bench, under_way: Path, tmp_path: Path
) -> None:
    shutil.copytree(under_way, tmp_path, dirs_exist_ok=True)
    ledger, output = tmp_path / ONE.ledger / "ledger.db", tmp_path / f"{ONE.output}.partial"
    damage(ledger)
    before = _contents(ledger, ledger.with_name("ledger.db-wal"), output)
    assert len(output.read_bytes()) > 1000
    command = ONE.command(bench.url, tmp_path)
    done = bench.forks.run(*command)
    assert done.code == 10, done.said
    assert word in done.said
    assert "--restart" in done.said
    assert "Traceback" not in done.said
    assert _contents(ledger, ledger.with_name("ledger.db-wal"), output) == before
    assert bench.forks.run(*command, "--restart").code == 0
    assert sorted(lines(tmp_path / ONE.output)) == expected()


@needs_strace
@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (("--role", "agent"), 'query roles ["admin","agent","end-user"] there, ["agent"] now'),
        (("--permission-set", "7"), "query permission_set null there, 7 now"),
        (("--sort", "name"), 'query sort null there, "name" now'),
        (("--include", "groups"), 'query include [] there, ["groups"] now'),
    ],
    ids=["roles", "permission set", "sort", "sideloads"],
)
def test_a_ledger_of_another_query_is_refused_with_the_difference(
    flags: tuple[str, ...], difference: str, bench: Bench, under_way: Path, tmp_path: Path
) -> None:
    shutil.copytree(under_way, tmp_path, dirs_exist_ok=True)
    done = bench.forks.run(*ONE.command(bench.url, tmp_path), *flags)
    assert done.code == 10, done.said
    assert difference in done.said
    assert "--restart" in done.said
    assert (tmp_path / f"{ONE.output}.partial").read_bytes() == (under_way / f"{ONE.output}.partial").read_bytes()


@needs_strace
def test_a_ledger_of_another_account_or_output_is_refused_with_the_difference(
    bench: Bench, under_way: Path, tmp_path: Path
) -> None:
    shutil.copytree(under_way, tmp_path, dirs_exist_ok=True)
    with SandboxProcess("--users", "10") as other:
        done = bench.forks.run(*ONE.command(other.url, tmp_path))
    assert done.code == 10, done.said
    assert f"account {bench.url} there, {other.url} now" in done.said
    (tmp_path / ONE.ledger).rename(tmp_path / "other.ndjson.zexport")
    done = bench.forks.run("run", bench.url, "-o", tmp_path / "other.ndjson")
    assert done.code == 10, done.said
    assert "output out.ndjson there, other.ndjson now" in done.said
    assert "--restart" in done.said


def test_a_folder_in_another_compression_is_refused_with_the_difference(bench: Bench, tmp_path: Path) -> None:
    command = ("run", bench.url, "-o", tmp_path / "out")
    assert bench.forks.run(*command, "--max-users", "10").code == 8
    done = bench.forks.run(*command, "--compress", "gzip")
    assert done.code == 10, done.said
    assert "compression none there, gzip now" in done.said
    assert "--restart" in done.said


def test_a_ledger_that_was_closed_in_order_may_be_carried_elsewhere_alone(bench: Bench, tmp_path: Path) -> None:
    command = ("run", bench.url, "-o", tmp_path / "out")
    assert bench.forks.run(*command, "--max-users", "10").code == 8
    for other in (tmp_path / "out" / ".zexport").iterdir():
        if other.name != "ledger.db":
            other.unlink()
    assert bench.forks.run(*command).code == 0
    assert bench.forks.run("verify", tmp_path / "out").code == 0
