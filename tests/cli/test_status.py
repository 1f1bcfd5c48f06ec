"""`zexport status`, `estimate` and `verify`: what they say of an export, and that they change nothing."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, start, wait_for_users, zexport


def test_status_tells_a_running_export_from_a_killed_one_and_from_one_that_was_stopped(tmp_path: Path) -> None:
    with SandboxProcess("--users", "9000", "--latency", "50ms", *FAST) as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--ranges", "off", "--progress", "json") as process:
            wait_for_users(process, 500)
            running = zexport("status", tmp_path)
            process.kill()
        killed = zexport("status", tmp_path)
        zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "100")
        stopped = zexport("status", tmp_path)
    assert (running.returncode, killed.returncode, stopped.returncode) == (12, 8, 8)
    assert f"next: zexport run {sandbox.url} -o {tmp_path}" in killed.stdout
    assert f"running (process {process.pid})" in running.stdout
    assert "killed; the same `zexport run` goes on" in killed.stdout
    assert "ended by --max-users" in stopped.stdout
    assert "of about 8,730" in stopped.stdout
    assert "left: about" in stopped.stdout


def test_status_counts_lines_that_are_written_and_not_yet_settled(tmp_path: Path) -> None:
    with SandboxProcess("--users", "9000", "--latency", "300ms", *FAST) as sandbox:
        command = ("run", sandbox.url, "-o", tmp_path / "u.ndjson", "--rate", "1200", "--progress", "json")
        with start(*command) as process:
            wait_for_users(process, 500)
            process.kill()
        lines = (tmp_path / "u.ndjson.partial").read_bytes().count(b"\n")
        said = zexport("status", tmp_path / "u.ndjson").stdout
    counted = int(said.split(": ")[1].split(" users")[0].replace(",", ""))
    assert lines <= counted <= lines + 100  # the intent noted last may not be written


def test_status_of_a_complete_export_and_of_a_ledger_for_stdout(tmp_path: Path) -> None:
    ledger = tmp_path / "l.db"
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        zexport("run", sandbox.url, "-o", "-", "--ledger", ledger)
    done = zexport("status", ledger)
    assert done.returncode == 0
    assert "300 users, complete" in done.stdout
    verified = zexport("verify", ledger)
    assert verified.returncode == 3
    assert "the users went to stdout" in verified.stderr


def test_status_of_nothing_says_so(tmp_path: Path) -> None:
    done = zexport("status", tmp_path / "nowhere")
    assert done.returncode == 10
    assert "nothing was exported" in done.stderr
    assert zexport("verify", tmp_path / "nowhere").returncode == 10
    assert list(tmp_path.iterdir()) == []


def test_estimate_counts_by_role_at_the_accounts_own_rate_and_writes_nothing(tmp_path: Path) -> None:
    with SandboxProcess("--users", "20000", "--rate-limit", "400") as sandbox:
        done = zexport("estimate", sandbox.url, cwd=tmp_path)
    assert done.returncode == 0
    words = " ".join(done.stdout.split())
    assert "end-user 19,400 users agent 500 users admin 100 users total 20,000 users, 200 pages" in words
    assert "at 380 requests a minute (95% of the account's 400): 0.5 minutes" in words
    assert list(tmp_path.iterdir()) == []


def test_estimate_says_what_it_waits_for_and_ends_with_the_patience() -> None:
    done = zexport("estimate", "http://127.0.0.1:9", "--patience", "3")
    assert done.returncode == 5
    assert "no connection to 127.0.0.1:9" in done.stderr.splitlines()[0]
    assert "zexport: gave up on /api/v2/users/count" in done.stderr
    assert "Is the name right? http://127.0.0.1:9 has not answered once" in done.stderr
    assert done.stdout == ""


def test_estimate_takes_role_share_and_rate(tmp_path: Path) -> None:
    with SandboxProcess("--users", "20000", "--rate-limit", "400") as sandbox:
        agents = zexport("estimate", sandbox.url, "--role", "agent", "--share", "0.5").stdout
        given = zexport("estimate", sandbox.url, "--rate", "600").stdout
    assert "500 users, 5 pages" in agents
    assert "at 200 requests" in agents
    assert "at 600 requests a minute:" in given


def test_estimate_without_counts_says_unknown() -> None:
    with SandboxProcess("--users", "100", "--quirk", "no-count", *FAST) as sandbox:
        done = zexport("estimate", sandbox.url)
    assert done.returncode == 3
    assert "unknown" in done.stdout


def test_for_scripts_there_is_one_object_and_a_code(tmp_path: Path) -> None:
    with SandboxProcess("--users", "900", *FAST) as sandbox:
        flags = ("--role", "agent", "--role", "end-user", "--include", "groups", "--sort", "name")
        assert zexport("run", sandbox.url, "-o", tmp_path / "out", *flags, "--max-users", "100").returncode == 8
        unfinished, unproven = zexport("status", tmp_path / "out", "--json"), zexport("verify", tmp_path / "out")
        told = json.loads(unfinished.stdout)
        assert (unfinished.returncode, unproven.returncode) == (8, 8)
        assert told["state"] == "stopped"
        assert told["users"] == 100
        assert told["next"] in unproven.stderr
        assert zexport(*shlex.split(told["next"])[1:]).returncode == 0
    finished = zexport("status", tmp_path / "out", "--json")
    told = json.loads(finished.stdout)
    assert (finished.returncode, told["state"], told["next"]) == (0, "complete", "")
    assert sum(role["users"] for role in told["roles"].values()) == told["users"]
    proven = zexport("verify", tmp_path / "out", "--json")
    assert json.loads(proven.stdout)["verified"] is True
    (tmp_path / "out" / "agent.ndjson").write_bytes(b"")
    broken = zexport("verify", tmp_path / "out", "--json")
    assert (broken.returncode, json.loads(broken.stdout)["verified"]) == (3, False)


def test_an_export_is_named_by_its_folder_a_file_of_it_or_the_account(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "acme-users").returncode == 0
    for name in ("acme-users", "acme-users/agent.ndjson", "acme-users/manifest.json", "acme"):
        assert zexport("status", name, cwd=tmp_path).returncode == 0
        assert zexport("verify", name, cwd=tmp_path).returncode == 0
