"""What people and disks do to an export: files removed, foreign files in the way, damage, syncs that fail.

Fault cases 3 and 4 once more at the real pace of a sync a second, and with stdout closed or full (case 25).
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import exporter
from tests.support.gated_forks import Forks
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import (
    COMMAND,
    FAST,
    environment,
    expected_lines,
    lines,
    role_files,
    sorted_lines,
    start,
    wait_for_users,
)


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as forks:
        yield forks


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        yield sandbox.url


def test_a_complete_export_whose_files_are_gone_is_not_called_complete(forks: Forks, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path).code == 0
    (tmp_path / "agent.ndjson").unlink()
    done = forks.run("run", url, "-o", tmp_path)
    assert done.code == 10
    assert "agent.ndjson is gone" in done.said
    assert "--restart" in done.said


def test_a_manifest_that_is_gone_is_written_again(forks: Forks, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path).code == 0
    (tmp_path / "manifest.json").unlink()
    assert forks.run("verify", tmp_path).code == 8
    assert forks.run("run", url, "-o", tmp_path).code == 0
    assert forks.run("verify", tmp_path).code == 0


def test_what_sqlite_left_of_a_ledger_that_is_gone_does_not_get_into_the_next(forks: Forks, tmp_path: Path) -> None:
    with SandboxProcess("--users", "5000", "--latency", "20ms", *FAST) as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--ranges", "off", "--progress", "json") as process:
            wait_for_users(process, 500)
            process.kill()
        (tmp_path / ".zexport" / "ledger.db").unlink()
        for path in tmp_path.glob("*.partial"):
            path.unlink()
        assert (tmp_path / ".zexport" / "ledger.db-wal").exists()
        assert forks.run("run", sandbox.url, "-o", tmp_path).code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(5000)


def test_restart_with_another_query_leaves_no_file_of_the_first(forks: Forks, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path, "--include", "groups").code == 0
    flags = ("--restart", "--role", "agent", "--compress", "gzip")
    assert forks.run("run", url, "-o", tmp_path, *flags).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".zexport", "agent.ndjson.gz", "manifest.json"]


def test_restart_removes_nothing_that_is_not_ours(forks: Forks, url: str, tmp_path: Path) -> None:
    foreign, manifest = tmp_path / "my.db", tmp_path / "folder" / "manifest.json"
    with closing(sqlite3.connect(foreign, isolation_level=None)) as database:
        database.execute("CREATE TABLE precious (value)")
    manifest.parent.mkdir()
    manifest.write_text('{"name": "a web app"}')
    before = foreign.read_bytes()
    assert forks.run("run", url, "-o", "-", "--ledger", foreign, "--restart").code == 10
    assert forks.run("run", url, "-o", manifest.parent, "--restart").code == 10
    assert foreign.read_bytes() == before
    assert json.loads(manifest.read_text()) == {"name": "a web app"}


def test_a_query_that_was_refused_is_in_nobodys_way(forks: Forks, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path / "out", "--sort", "shoe_size").code == 2
    assert forks.run("run", url, "-o", tmp_path / "out", "--sort", "name").code == 0


def test_roles_and_sideloads_are_the_same_query_in_any_order(forks: Forks, url: str, tmp_path: Path) -> None:
    first = ("--role", "agent", "--role", "end-user", "--include", "groups,roles", "--max-users", "100")
    assert forks.run("run", url, "-o", tmp_path, *first).code == 8
    second = ("--role", "end-user", "--role", "agent", "--include", "roles,groups")
    assert forks.run("run", url, "-o", tmp_path, *second).code == 0


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_verify_names_damage_in_compressed_files(forks: Forks, suffix: str, url: str, tmp_path: Path) -> None:
    out = tmp_path / f"users.ndjson.{suffix}"
    assert forks.run("run", url, "-o", out).code == 0
    whole = out.read_bytes()
    for at in range(0, len(whole), len(whole) // 12):
        out.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        found = exporter.verify(out)
        assert found.problems


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"files": [{}]}'])
def test_verify_names_a_manifest_that_is_none(forks: Forks, content: str, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path).code == 0
    (tmp_path / "manifest.json").write_text(content)
    done = forks.run("verify", tmp_path)
    assert done.code == 3
    assert "manifest.json can't be read" in done.said


def test_a_stdout_that_is_closed_is_an_output_error_and_no_file_gets_the_users(url: str, tmp_path: Path) -> None:
    command = ["bash", "-c", '"$@" >&-', "_", *COMMAND, "run", url, "-o", "-", "--progress", "off"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 6
    assert "stdout" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_stderr_no_word_gets_among_the_users(tmp_path: Path) -> None:
    command = ["bash", "-c", '"$@" 2>&-', "_", *COMMAND, "run", "a/b", "-o", "-"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, b"")


def test_a_file_behind_stdout_that_gets_full_holds_whole_lines_and_the_next_run_completes_it(tmp_path: Path) -> None:
    out, ledger = tmp_path / "users.ndjson", tmp_path / "l.db"
    with SandboxProcess("--users", "3000", *FAST) as sandbox:
        command = ("run", sandbox.url, "-o", "-", "--ledger", ledger)
        with out.open("ab") as file:

            def limit() -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

            with start(*command, stdout=file, preexec_fn=limit) as process:
                process.communicate(timeout=30)
        assert process.returncode == 6
        assert out.read_bytes().endswith(b"\n")
        with out.open("ab") as file, start(*command, stdout=file) as process:
            process.communicate(timeout=30)
    assert process.returncode == 0
    assert set(lines(out)) == set(expected_lines(3000))
    assert len(lines(out)) <= 3000 + 100


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_sync_that_fails_ends_the_run_with_6_and_the_next_one_is_exact(forks: Forks, tmp_path: Path) -> None:
    out = tmp_path / "out"
    path = out / "end-user.ndjson.partial"
    with SandboxProcess("--users", "4000", "--latency", "300ms", *FAST) as sandbox:
        inject = ["strace", "-f", "-qq", "-o", os.devnull, "-P", str(path), "-e", "inject=fdatasync:error=EIO"]
        done = subprocess.run(
            [*inject, *COMMAND, "run", sandbox.url, "-o", str(out), "--rate", "1500"],  # ranges, and two seconds
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 6, done.stderr
        assert f"{path}: Input/output error" in done.stderr.replace("\n", " ")
        assert "Traceback" not in done.stderr
        assert forks.run("run", sandbox.url, "-o", out).code == 0
    assert sorted_lines(*role_files(out)) == expected_lines(4000)


def test_a_device_that_is_full_is_an_output_error_for_every_command(forks: Forks, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path).code == 0
    with Path("/dev/full").open("wb") as full, start("status", tmp_path, stdout=full) as process:
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 6
    assert b"Traceback" not in errors


def test_a_restart_that_was_killed_half_way_is_never_called_complete(forks: Forks, url: str, tmp_path: Path) -> None:
    assert forks.run("run", url, "-o", tmp_path).code == 0
    for removed in ("ledger.db-wal", "ledger.db"):  # what --restart removes first
        (tmp_path / ".zexport" / removed).unlink(missing_ok=True)
    done = forks.run("run", url, "-o", tmp_path)
    assert done.code == 10
    assert "no ledger says where it comes from" in done.said
    assert forks.run("run", url, "-o", tmp_path, "--restart").code == 0
    assert forks.run("verify", tmp_path).code == 0
