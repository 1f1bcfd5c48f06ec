"""Fault cases 3 and 4: a disk that refuses or is full (exit 6, path and space named); with room made, it completes.

And of case 25 what a full device does to stdout.
"""

from __future__ import annotations

import resource
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

import exporter
from exporter.destination import parse_destination
from exporter.ledger.intents import Intent
from exporter.model import Query, Role
from exporter.output import files
from exporter.output.plan import plan_lines
from tests.support.disk_campaign import Bench, Campaign, written
from tests.support.faulty_disk import GZIP, INCLUDE, KINDS, ONE, Fault, Kind, expected, needs_strace
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, lines, role_files, start, zexport

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


FAULTS = [
    (INCLUDE, Fault("write", "once", 4, "data")),
    (GZIP, Fault("write", "from", 2, "data")),
    (ONE, Fault("write", "once", 1, "manifest")),
    (ONE, Fault("pwrite64", "once", 31, "wal")),
    (GZIP, Fault("pwrite64", "from", 60, "wal")),
    (INCLUDE, Fault("pwrite64", "once", 4, "mark")),
    (ONE, Fault("pwrite64", "from", 5, "new ledger")),
    (INCLUDE, Fault("fsync", "once", 4, "folders")),
    (ONE, Fault("fsync", "once", 1, "manifest")),
    (INCLUDE, Fault("rename", "once", 3, "data")),
    (ONE, Fault("rename", "from", 1, "manifest")),
    (ONE, Fault("unlink", "once", 1, "new ledger")),
    (INCLUDE, Fault("ftruncate", "once", 3, "data")),
    (INCLUDE, Fault("openat", "once", 4, "data")),
    (ONE, Fault("mkdir", "once", 1, "folders")),
]
SYNCS = [
    (INCLUDE, Fault("fdatasync", "once", 2)),
    (GZIP, Fault("fdatasync", "from", 1)),
    (ONE, Fault("fdatasync", "once", 20)),
    (ONE, Fault("fdatasync", "from", 12)),
]
"""Of any file: how often each has been synced is counted. Each thread counts by itself: the first strike is data's."""


# Case 4: one failure of each kind, at each kind of file; `make soak` has them all (`test_disk_soak`).
@needs_strace
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_call_of_the_disk_that_fails_ends_the_run_with_6_and_with_room_made_it_completes(
    kind: Kind, bench: Bench, tmp_path: Path, record: Counter[str]
) -> None:
    campaign = Campaign(kind, bench, tmp_path, record)
    for each, fault in FAULTS:
        assert each is not kind or campaign.survive(fault), f"{fault} never came"


# Case 3: after a sync that failed there is no second, and the ledger claims no more than what the last good one had.
@needs_strace
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_after_a_sync_that_failed_nothing_is_synced_again_and_nothing_more_is_called_synced(
    kind: Kind, bench: Bench, tmp_path: Path, record: Counter[str]
) -> None:
    campaign = Campaign(kind, bench, tmp_path, record)
    for each, fault in SYNCS:
        assert each is not kind or campaign.survive(fault), f"{fault} never came"


# A sync that is cancelled before it begins must leave the work to the next one.
@pytest.mark.anyio
async def test_what_a_cancelled_sync_did_not_do_the_next_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(files, "_sync_data", synced.append)
    sink = files.FileSink(parse_destination(str(tmp_path / "out.ndjson")), Query(roles=(Role.AGENT,)))
    sink.open({})
    await sink.write(Intent((plan_lines("out.ndjson", 0, [b"{}\n"]),), ()))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await sink.sync()
    assert synced == []
    await sink.sync(final=True)
    sink.close()
    assert len(synced) == 1


# Case 4: a disk that is really full.
@contextmanager
def small_disk(path: Path, size: str = "1m") -> Iterator[Path]:
    """Mount a file system of 1 MiB."""
    path.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "zexport-test", str(path)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("no file system can be mounted here: " + mounted.stderr.decode().strip())
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def enlarge(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=4m", str(disk)], check=True)


@pytest.mark.parametrize("name", ["out", "out.ndjson", "out.ndjson.gz"])
def test_a_disk_that_is_really_full_ends_the_run_with_6_and_with_room_made_it_completes(
    name: str, bench: Bench, tmp_path: Path
) -> None:
    command = ("run", bench.url, "-o", tmp_path / "disk" / name)
    with small_disk(tmp_path / "disk") as disk:
        filler, out = disk / "filler", disk / name
        filler.write_bytes(bytes(600_000 if name != "out.ndjson.gz" else 830_000))
        done = bench.forks.run(*command)
        assert done.code == 6, done.said
        assert str(out) in done.said
        assert " MB free)" in done.said
        assert "Traceback" not in done.said
        outputs = role_files(out) if name == "out" else [out]
        before = [written(path) for path in outputs]
        again = bench.forks.run(*command)
        assert again.code == 6, "nothing has changed"
        filler.unlink()
        enlarge(disk)
        done = bench.forks.run(*command)
        assert done.code == 0, done.said
        for path, there in zip(outputs, before, strict=True):
            assert path.read_bytes().startswith(there)
        if name != "out.ndjson.gz":
            assert sorted(lines(*outputs)) == expected()
        assert exporter.verify(out).problems == []


def test_a_disk_that_is_full_for_the_ledger_alone_is_named_and_with_room_made_the_export_completes(
    bench: Bench, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with small_disk(out / ".zexport") as disk:
        (disk / "filler").write_bytes(bytes(860_000))
        done = bench.forks.run("run", bench.url, "-o", out, "--rate", "100000")
        assert done.code == 6, done.said
        assert f"the ledger {disk / 'ledger.db'} can't be written" in done.said
        assert " MB free)" in done.said
        before = [written(path) for path in role_files(out)]
        enlarge(disk)
        done = bench.forks.run("run", bench.url, "-o", out)
        assert done.code == 0, done.said
    for path, there in zip(role_files(out), before, strict=True):
        assert path.read_bytes().startswith(there)
    assert sorted(lines(*role_files(out))) == expected()


# Case 4: a short write, and then an error: a limit on the size of files makes both.
# The last limit is met by the very last write: nothing that comes later tells that it was short.
@pytest.mark.parametrize("limit", [20_000, 130_001, sum(map(len, expected())) - 100])
def test_a_write_that_was_cut_short_leaves_whole_lines_and_no_user_is_lost(
    limit: int, bench: Bench, tmp_path: Path
) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    out = tmp_path / "out.ndjson"
    with start("run", bench.url, "-o", out, preexec_fn=small_files) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 6, errors
    assert str(out).encode() in errors
    assert b"Traceback" not in errors
    before = written(out)
    assert bench.forks.run("run", bench.url, "-o", out).code == 0
    assert out.read_bytes().startswith(before)
    assert sorted(lines(out)) == expected()


def test_stdout_on_a_full_device_is_an_output_error_and_its_ledger_claims_nothing(tmp_path: Path) -> None:
    command = ("run", "-o", "-", "--ledger", tmp_path / "l.db")
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        with Path("/dev/full").open("wb") as full, start(*command, sandbox.url, stdout=full) as process:
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 6
        assert b"stdout" in errors
        assert b"Traceback" not in errors
        done = zexport(*command, sandbox.url)
    assert done.returncode == 0
    assert done.stdout.count("\n") == 300


# A foreign file that takes a final name is not replaced.
def test_a_foreign_file_under_a_final_name_is_left_alone(bench: Bench, tmp_path: Path) -> None:
    assert bench.forks.run("run", bench.url, "-o", tmp_path, "--max-users", "100").code == 8
    (tmp_path / "agent.ndjson").write_text("mine")
    done = bench.forks.run("run", bench.url, "-o", tmp_path)
    assert done.code == 10
    assert "agent.ndjson is there beside agent.ndjson.partial" in done.said
    assert (tmp_path / "agent.ndjson").read_text() == "mine"
    (tmp_path / "agent.ndjson").unlink()
    assert bench.forks.run("run", bench.url, "-o", tmp_path).code == 0
