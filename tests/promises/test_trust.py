"""P6, P8, P9 and P11: flat, bounded, closed, provable."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.looks import is_look
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import COMMAND, FAST, environment, expected_lines, role_files, sorted_lines, zexport

TOKEN = "s3cr3t-t0ken-of-the-test"
ENV = {"ZENDESK_EMAIL": "a@b.example", "ZENDESK_API_TOKEN": TOKEN}


def _peak_memory(url: str, out: Path) -> int:
    """Export in a process of its own; return the peak of its resident memory, in bytes.

    It is started by a small process: the peak of a child begins with that of whoever started it.
    """
    starter = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", starter, *COMMAND, "run", url, "-o", str(out), "-q"]
    return int(subprocess.run(command, env=environment(), capture_output=True, check=True).stdout) * 1024


def test_memory_does_not_grow_with_the_number_of_users(tmp_path: Path) -> None:
    with SandboxProcess("--users", "20000", *FAST) as few, SandboxProcess("--users", "80000", *FAST) as many:
        small, large = _peak_memory(few.url, tmp_path / "few"), _peak_memory(many.url, tmp_path / "many")
    assert large < 80 << 20
    # 64 MB more went through. How many pages are in hand at once depends on which of the two gets the processor.
    assert large - small < 16 << 20


def test_a_server_that_only_fails_outlasts_the_patience_and_no_more(tmp_path: Path) -> None:
    with SandboxProcess("--users", "100", "--fault", "503@from:1", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--patience", "2")
    assert done.returncode == 5
    assert "HTTP 503" in done.stderr
    assert "run the same command again" in done.stderr.lower()
    assert "Traceback" not in done.stderr


def test_a_port_where_nobody_listens_is_a_network_error(tmp_path: Path) -> None:
    done = zexport("run", "http://127.0.0.1:9", "-o", tmp_path / "out", "--patience", "1")
    assert done.returncode == 5
    assert "no connection to 127.0.0.1:9" in done.stderr


def test_pages_that_are_none_end_with_7_after_a_few_tries(tmp_path: Path) -> None:
    with SandboxProcess("--users", "100", "--fault", "html@from:1", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--role", "agent")
        asked = [query for query in sandbox.stats()["queries"] if "/users?" in query and not is_look(query)]
    assert done.returncode == 7
    assert "HTML" in done.stderr
    assert len(asked) == 4


def test_a_429_that_names_a_time_holds_the_whole_account_and_spends_no_try(tmp_path: Path) -> None:
    with SandboxProcess("--users", "2000", "--fault", "429:2@n:3", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--progress", "json")
    seen = [json.loads(line) for line in done.stderr.splitlines()]
    held = next(event for event in seen if event["event"] == "held")
    assert 2 <= held["seconds"] <= 3
    assert seen[-1]["seconds"] >= 2
    assert done.returncode == 0


@pytest.mark.parametrize("env", [{"ZENDESK_OAUTH_TOKEN": TOKEN}, ENV])
def test_credentials_of_either_kind_open_the_account(env: dict[str, str], tmp_path: Path) -> None:
    with SandboxProcess("--users", "100", "--token", TOKEN, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, env=env).returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(100)


@pytest.mark.parametrize("name", ["token", "-"])
def test_a_token_can_come_from_a_file_or_stdin(name: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "token").chmod(0o644)
    with SandboxProcess("--users", "100", "--token", TOKEN, *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", "out", "--token-file", name, cwd=tmp_path, stdin=f"{TOKEN}\n")
    assert done.returncode == 0
    assert ("others can read token" in done.stderr) == (name == "token")


def test_a_wrong_token_is_one_clear_line_with_4_and_no_storm(tmp_path: Path) -> None:
    with SandboxProcess("--users", "100", "--token", "another", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, env=ENV)
        assert sandbox.stats()["requests"] <= 9
    assert done.returncode == 4
    assert "Couldn't authenticate you" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_credentials_nothing_is_sent_to_a_real_account(tmp_path: Path) -> None:
    done = zexport("run", "acme", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "no credentials for https://acme.zendesk.com" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_finished_export_has_a_manifest_that_tells_all(tmp_path: Path) -> None:
    with SandboxProcess("--users", "900", "--fault", "500@n:1", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "350").returncode == 8
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        url, asked = sandbox.url, sandbox.stats()["requests"]
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert manifest["complete"] is True
    assert (manifest["account"], manifest["users"], manifest["resumes"], manifest["retries"]) == (url, 900, 1, 1)
    # Some were on their way when the first run stopped: whether those had been counted, or had got there, is open.
    assert abs(asked - manifest["requests"]) <= 10
    for entry, path in zip(manifest["files"], role_files(tmp_path), strict=True):
        content = path.read_bytes()
        assert entry["path"] == path.name
        assert (entry["role"], entry["users"]) == (path.stem, content.count(b"\n"))
        assert (entry["bytes"], entry["sha256"]) == (len(content), sha256(content).hexdigest())
    assert {"query", "requests", "sweep", "warnings", "started_at", "finished_at", "zexport"} <= set(manifest)


def _swap_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)


def _repeat_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_swap_bytes, "sha256"),
        (_repeat_a_line, "there twice"),
        (lambda path: os.truncate(path, path.stat().st_size - 1), "end-user.ndjson"),
        (Path.unlink, "No such file"),
    ],
)
def test_verify_names_every_kind_of_damage(damage: object, words: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
    assert callable(damage)
    damage(tmp_path / "end-user.ndjson")
    done = zexport("verify", tmp_path)
    assert done.returncode == 3
    assert words in done.stderr


def test_a_sideloaded_record_that_is_no_text_any_more_is_a_difference_and_no_bug(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--include", "organizations").returncode == 0
    path = tmp_path / "organizations.ndjson"
    path.write_bytes(path.read_bytes().replace(b'"name"', b'"n\xffme"', 1))
    done = zexport("verify", tmp_path)
    assert done.returncode == 3
    assert "organizations.ndjson: 'utf-8' codec can't decode" in done.stderr


def test_verify_of_an_unfinished_export_says_so(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "100")
    done = zexport("verify", tmp_path)
    assert done.returncode == 8
    assert "has not finished" in done.stderr


def test_the_positions_can_be_read_with_any_sqlite_browser(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "130")
    with closing(sqlite3.connect(tmp_path / ".zexport" / "ledger.db", isolation_level=None)) as database:
        rows = database.execute("SELECT sum(users), max(last_id IS NOT NULL) FROM range").fetchone()
        about = dict(database.execute("SELECT name, value FROM about"))
    assert rows == (130, 1)
    assert "last_id" in about["table range"]


def test_help_begins_with_examples() -> None:
    done = zexport("--help")
    assert done.returncode == 0
    assert done.stdout.index("examples:") < done.stdout.index("commands:")


def test_an_installed_command_is_the_same_program() -> None:
    command = Path(COMMAND[0]).with_name("zexport")
    assert subprocess.run([command, "--version"], capture_output=True, check=True).stdout.startswith(b"zexport ")
