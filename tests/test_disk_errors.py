"""A disk that refuses: exit 6 that names the path and the space left, and with room made the same command completes."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from exporter.destination import parse_destination
from exporter.intents import Intent
from exporter.model import Query, Role
from exporter.sinks import files
from exporter.sinks.plan import plan_lines
from tests.disk_campaign import Campaign, written
from tests.faulty_disk import ACCOUNT, CALLS, INCLUDE, calls_of, expected, fault, needs_strace
from tests.sandbox_process import SandboxProcess
from tests.zexport_process import FAST, lines, role_files, start, zexport

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess(*ACCOUNT) as sandbox:
        yield sandbox.url


@pytest.fixture(scope="module")
def most(url: str, tmp_path_factory: pytest.TempPathFactory) -> Counter[str]:
    """How often an undisturbed run makes each call."""
    return calls_of(INCLUDE, url, tmp_path_factory.mktemp("counted"))


# A call of the disk fails once, or from one on: a spread of N; `make soak` has them all.
@needs_strace
@pytest.mark.parametrize("call", CALLS)
def test_a_call_of_the_disk_that_fails_ends_the_run_with_6_and_with_room_made_it_completes(
    call: str, url: str, most: Counter[str], tmp_path: Path
) -> None:
    campaign = Campaign(INCLUDE, url, tmp_path)
    for mode, number in {("once", most[call] * 2 // 3), ("from", max(most[call] // 3, 1)), ("once", 1)}:
        campaign.survive(fault(call, mode, number))
    assert campaign.faults == campaign.runs


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


# A disk that is really full.
@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "zexport-test", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here: " + mounted.stderr.decode().strip())
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("name", ["out", "out.ndjson", "out.ndjson.gz"])
def test_a_disk_that_is_really_full_ends_the_run_with_6_and_with_room_made_it_completes(
    name: str, url: str, small_disk: Path
) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(300_000 if name != "out.ndjson.gz" else 800_000))
    out = small_disk / name
    done = zexport("run", url, "-o", out)
    assert done.returncode == 6, done.stderr
    assert str(out) in done.stderr
    assert " MB free)" in done.stderr
    assert "Traceback" not in done.stderr
    outputs = role_files(out) if name == "out" else [out]
    before = [written(path) for path in outputs]
    again = zexport("run", url, "-o", out)
    assert again.returncode == 6, "nothing has changed"
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    done = zexport("run", url, "-o", out)
    assert done.returncode == 0, done.stderr
    for path, there in zip(outputs, before, strict=True):
        assert path.read_bytes().startswith(there)
    verified = zexport("verify", out)
    assert verified.returncode == 0, verified.stderr


# A short write, and then an error: a limit on the size of files makes both.
@pytest.mark.parametrize("limit", [20_000, 90_000, 130_000, 200_001, 300_000])
def test_a_write_that_was_cut_short_leaves_whole_lines_and_no_user_is_lost(
    limit: int, url: str, tmp_path: Path
) -> None:
    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    out = tmp_path / "out"
    with start("run", url, "-o", out, preexec_fn=small_files) as process:
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 6, errors
    assert str(out).encode() in errors
    assert b"Traceback" not in errors
    before = [written(path) for path in role_files(out)]
    assert zexport("run", url, "-o", out).returncode == 0
    for path, there in zip(role_files(out), before, strict=True):
        assert path.read_bytes().startswith(there)
    assert sorted(lines(*role_files(out))) == expected()


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
def test_a_foreign_file_under_a_final_name_is_left_alone(url: str, tmp_path: Path) -> None:
    assert zexport("run", url, "-o", tmp_path, "--max-users", "100").returncode == 8
    (tmp_path / "agent.ndjson").write_text("mine")
    done = zexport("run", url, "-o", tmp_path)
    assert done.returncode == 10
    assert "agent.ndjson is there beside agent.ndjson.partial" in done.stderr
    assert (tmp_path / "agent.ndjson").read_text() == "mine"
    (tmp_path / "agent.ndjson").unlink()
    assert zexport("run", url, "-o", tmp_path).returncode == 0
