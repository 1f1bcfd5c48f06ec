"""P2: users change while the export runs, and nobody who was there all along is missing, nor in an old state."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from exporter.account.credentials import load_account
from exporter.engine.export import Options
from exporter.engine.sweep import Sweep
from exporter.library import export_users, stream_users
from exporter.output.candidates import Change
from tests.support.changing_account import Found, compare
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, events, lines, role_files, start, zexport

USERS = 8_000
CHURN = ("--users", str(USERS), "--churn", "8:500")
"""500 changes over the 60 or so requests in which the streams are walked: then the account rests."""


def manifest(folder: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((folder / "manifest.json").read_bytes())
    return content


@pytest.mark.parametrize("ranges", ["auto", "off"])
def test_nobody_who_was_there_all_along_is_missing_or_old(ranges: str, tmp_path: Path) -> None:
    with SandboxProcess(*CHURN, *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--ranges", ranges)
        assert done.returncode == 0, done.stderr
        found = compare(sandbox, lines(*role_files(tmp_path)))
    assert found == Found([], [], 500)
    verified = zexport("verify", tmp_path)
    assert verified.returncode == 0, verified.stderr
    made = manifest(tmp_path)
    assert isinstance(made["sweep"], dict)
    assert made["sweep"]["closed"] is True
    assert made["sweep"]["missing"] + made["sweep"]["changed"] > 50
    assert made["lines"] == len(lines(*role_files(tmp_path)))
    ids = {json.loads(line)["id"] for line in lines(*role_files(tmp_path))}
    assert (made["users"], made["superseded"]) == (len(ids), len(lines(*role_files(tmp_path))) - len(ids))


def test_without_the_sweep_users_are_missing_and_the_manifest_says_that_it_did_not_run(tmp_path: Path) -> None:
    with SandboxProcess(*CHURN, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--no-sweep").returncode == 0
        found = compare(sandbox, lines(*role_files(tmp_path)))
    assert found.missing
    assert found.stale
    assert manifest(tmp_path)["sweep"] == {"ran": False, "why": "not asked for"}
    assert zexport("verify", tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["users.ndjson", "users.ndjson.gz"])
def test_in_one_file_the_last_line_of_an_id_is_the_newest(name: str, tmp_path: Path) -> None:
    out = tmp_path / name
    with SandboxProcess(*CHURN, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", out).returncode == 0
        content = gzip.decompress(out.read_bytes()) if name.endswith(".gz") else out.read_bytes()
        last = {json.loads(line)["id"]: line for line in content.splitlines()}
        assert compare(sandbox, last.values()) == Found([], [], 500)
    assert zexport("verify", out).returncode == 0


def test_to_stdout_whoever_changed_follows_at_the_end() -> None:
    with SandboxProcess(*CHURN, *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", "-")
        last = {json.loads(line)["id"]: line.encode() for line in done.stdout.split("\n") if line}
        assert compare(sandbox, last.values()) == Found([], [], 500)


@pytest.mark.parametrize("seed", range(3))
def test_with_kills_in_between_nobody_is_missing_either(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    with SandboxProcess(*CHURN, "--latency", "10ms", *FAST) as sandbox:
        for _ in range(6):
            process = start("run", sandbox.url, "-o", tmp_path, "--rate", "100000", "--progress", "off")
            try:
                process.wait(timeout=chance.uniform(0.4, 1.2))
            except subprocess.TimeoutExpired:
                process.kill()
            process.communicate()
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)
    assert zexport("verify", tmp_path).returncode == 0


def test_an_account_that_never_rests_is_closed_all_the_same(tmp_path: Path) -> None:
    with SandboxProcess("--users", "3000", "--churn", "3", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path)
        assert sandbox.stats()["requests"] < 300
    assert done.returncode == 0, done.stderr
    assert zexport("verify", tmp_path).returncode == 0


@pytest.mark.parametrize("skew", ["-1h", "1h"])
def test_a_server_whose_clock_is_another_is_swept_by_its_own_time(skew: str, tmp_path: Path) -> None:
    seconds = {"-1h": "-3600s", "1h": "3600s"}[skew]
    with SandboxProcess(*CHURN, f"--clock-skew={seconds}", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every account count as one that is too large to be read once more."""
    monkeypatch.setattr("exporter.engine.changes.READABLE", -1)


async def _export(url: str, out: Path) -> bool:
    return (await export_users(load_account(url), out, options=Options(lag=1.0))).complete


@pytest.mark.anyio
async def test_where_the_sort_is_refused_the_incremental_export_closes(large: None, tmp_path: Path) -> None:
    flags = ("--quirk", "no-sort", "--incremental-lag", "1s", "--incremental-limit", "off")
    with SandboxProcess(*CHURN, *flags, *FAST) as sandbox:
        assert await _export(sandbox.url, tmp_path)
        found = compare(sandbox, lines(*role_files(tmp_path)))
    assert found == Found([], [], 500)
    sweep = manifest(tmp_path)["sweep"]
    assert isinstance(sweep, dict)
    assert sweep["by"].startswith("the incremental export")


def test_where_both_are_refused_a_small_account_is_read_through_once_more(tmp_path: Path) -> None:
    with SandboxProcess(*CHURN, "--quirk", "no-sort", "--quirk", "no-incremental", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)


def test_where_all_ways_are_barred_the_export_is_finished_and_not_closed(large: None, tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", "--quirk", "no-sort", "--quirk", "no-incremental", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path)
    assert done.returncode == 3
    assert "changes during the export may be missing" in done.stderr
    made = manifest(tmp_path)
    assert made["complete"] is False
    assert isinstance(made["sweep"], dict)
    assert made["sweep"]["closed"] is False
    assert "sort" in made["sweep"]["why"]


def test_only_the_selected_roles_are_swept(tmp_path: Path) -> None:
    with SandboxProcess(*CHURN, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "agents.ndjson", "--role", "agent").returncode == 0
    assert {json.loads(line)["role"] for line in lines(tmp_path / "agents.ndjson")} == {"agent"}


@pytest.mark.anyio
async def test_a_program_gets_whoever_changed_at_the_end() -> None:
    with SandboxProcess(*CHURN, *FAST) as sandbox:
        last = {}
        async with stream_users(load_account(sandbox.url)) as users:
            async for user in users:
                last[user.id] = user.line
        assert compare(sandbox, last.values()) == Found([], [], 500)


def test_a_stop_during_the_sweep_is_gone_on_from(tmp_path: Path) -> None:
    with SandboxProcess(*CHURN, "--latency", "60ms", *FAST) as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--progress", "json") as process:
            assert process.stderr is not None
            assert any(event.get("closing") for event in events(process.stderr))
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)
        assert process.returncode in (130, 0)  # 0: it had just ended
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)
    assert zexport("verify", tmp_path).returncode == 0


BY_SORT: tuple[str, ...] = ()
BY_INCREMENT = ("--quirk", "no-sort", "--incremental-lag", "0", "--incremental-limit", "off")


@pytest.mark.parametrize("flags", [BY_SORT, BY_INCREMENT], ids=["by sort", "by increment"])
@pytest.mark.parametrize("after", [False, True], ids=["before it writes", "when it has written"])
def test_killed_in_the_closing_sweep_the_next_run_sweeps_again_and_writes_nothing_twice(
    flags: tuple[str, ...], after: bool, large: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, write = Sweep.__init__, Sweep._write

    def without_lag(sweep: Sweep, *args: Any, **options: Any) -> None:
        begin(sweep, *args, **options | {"lag": 0.0})

    async def killed(sweep: Sweep, fresh: list[Change]) -> None:
        if after:
            await write(sweep, fresh)
        if fresh:
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(Sweep, "__init__", without_lag)
    with SandboxProcess(*CHURN, *flags, *FAST) as sandbox:
        with monkeypatch.context() as patch:
            patch.setattr(Sweep, "_write", killed)  # a fork of this process has it, too
            with start("run", sandbox.url, "-o", tmp_path) as process:
                process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        kept = {path: path.read_bytes() for path in tmp_path.glob("*.partial")}
        done = zexport("run", sandbox.url, "-o", tmp_path, "--keep-older")
        assert done.returncode == 0, done.stderr
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)
    assert kept
    assert all(path.with_suffix("").read_bytes().startswith(content) for path, content in kept.items())
    written = lines(*role_files(tmp_path))
    assert len(written) == len(set(written))
    assert zexport("verify", tmp_path).returncode == 0
