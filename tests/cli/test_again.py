"""An export that is there already: told of, and replaced only when the account has answered and a person wants it."""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from exporter.cli.figures import when
from tests.support.command_line import command, run
from tests.support.pseudo_terminal import at_a_terminal
from tests.support.sandbox_farm import SandboxFarm
from tests.support.zexport_process import COMMAND, expected_lines, role_files, sorted_lines, start, zexport

USERS = 300
NIGHT = timezone(timedelta(hours=1), "CET")


def contents(folder: Path) -> dict[str, bytes]:
    """Return everything that is in an export, but for the lock that each run takes."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("lock", "ledger.db-mark")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if "ledger" not in path.name}


def test_a_finished_export_says_when_it_was_finished_and_how_to_get_a_newer_one(
    farm: SandboxFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, Path("out")).code == 0
    done = zexport("run", sandbox.url, "-o", "out", "--role", "agent", "--role", "admin", "--role", "end-user")
    assert done.returncode == 0
    assert re.search(r"finished  \d+ \w+ \d{4}, \d\d:\d\d \S+, (<1|\d+)s ago\n", done.stderr), done.stderr
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    flags = "--role agent --role admin --role end-user"
    assert f"newer     zexport run {sandbox.url} {flags} -o out-{today}\n" in done.stderr
    assert f"          zexport run {sandbox.url} -o out {flags} --restart\n" in done.stderr


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("2026-11-04T23:30:00Z", "5 November 2026, 00:30 CET, 21d 12h ago"),
        ("2026-11-26T11:29:20+00:00", "26 November 2026, 12:29 CET, 40s ago"),
        ("yesterday", "yesterday"),
        ("2026-11-26T11:29:20", "2026-11-26T11:29:20"),
    ],
)
def test_a_time_is_told_in_the_readers_own_zone(told: str, said: str) -> None:
    assert when(told, datetime(2026, 11, 26, 11, 30, tzinfo=UTC).astimezone(NIGHT)) == said


@pytest.mark.parametrize("faults", [("401@from:1",), ("html@from:1",), ("nometa@from:1",), ("503@from:1",)])
def test_restart_touches_nothing_before_the_account_has_answered(
    faults: tuple[str, ...], farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path).code == 0
    before = contents(tmp_path)
    sandbox.reopen("--users", "400", *(word for fault in faults for word in ("--fault", fault)))
    done = run(sandbox, tmp_path, "--restart", "--patience", "1")
    assert done.code in (4, 5, 7)
    assert contents(tmp_path) == before
    assert command("verify", tmp_path).code == 0
    sandbox.reopen("--users", "400")
    assert run(sandbox, tmp_path, "--restart").code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(400)


def test_after_a_restart_that_failed_the_command_to_run_again_is_the_same(tmp_path: Path, farm: SandboxFarm) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path).code == 0
    sandbox.reopen("--users", str(USERS), "--fault", "401@from:1")
    done = zexport("run", sandbox.url, "-o", tmp_path, "--restart")
    assert done.returncode == 4
    assert f"next      zexport run {sandbox.url} -o {tmp_path} --restart" in done.stderr


def test_a_stop_before_the_account_has_answered_leaves_what_is_there(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path).code == 0
    before = contents(tmp_path)
    sandbox.reopen("--users", str(USERS), "--fault", "503@from:1")
    with start("run", sandbox.url, "-o", tmp_path, "--restart", "--progress", "json") as process:
        assert process.stderr is not None
        assert b"retrying" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 130
    assert contents(tmp_path) == before
    assert command("verify", tmp_path).code == 0


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 2), ("n", 2)])
def test_at_a_terminal_it_is_asked_once_whether_to_replace(
    answer: str, code: int, farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path).code == 0
    before = contents(tmp_path)
    sandbox.reopen("--users", "400")  # in the same second the same users would make the same bytes
    line = " ".join([*COMMAND, "run", sandbox.url, "-o", str(tmp_path), "--restart", "--progress", "off"])
    said = at_a_terminal(f"{line}; echo code $?", 200, typed=f"{answer}\n")
    assert f"Replace what is in {tmp_path}: 300 users, exported " in said
    assert f"code {code}" in said
    assert (contents(tmp_path) == before) == (code == 2)
    if code:
        assert "nothing is replaced" in said
        assert "?" not in at_a_terminal(f"{line} --yes", 200).partition("complete")[0]


def test_without_a_terminal_nobody_is_asked(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path).code == 0
    done = zexport("run", sandbox.url, "-o", tmp_path, "--restart", stdin="")
    assert done.returncode == 0
    assert "Replace" not in done.stderr


def test_an_export_that_is_older_than_wanted_is_replaced_and_another_left(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path, "--if-older-than", "1d").code == 0  # there is none yet
    before = contents(tmp_path)
    sandbox.reopen("--users", "400")
    done = run(sandbox, tmp_path, "--if-older-than", "1d")
    assert done.code == 0
    assert "already complete" in done.said
    assert contents(tmp_path) == before
    assert run(sandbox, tmp_path, "--if-older-than", "0.001s").code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(400)
    assert command("verify", tmp_path).code == 0


def test_an_unfinished_export_is_gone_on_with_however_old(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path, "--max-users", "120").code == 8
    assert run(sandbox, tmp_path, "--if-older-than", "0.001s").code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)
