"""Whoever has two variables and nothing else exports without a thought for tokens."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.front_server import Asked, Front, Reply
from tests.support.sandbox_process import SandboxProcess
from tests.support.stored_login import SECRET
from tests.support.zexport_process import (
    AT_ONCE,
    FAST,
    TIMEOUT,
    expected_lines,
    role_files,
    sorted_lines,
    start,
    zexport,
)

USERS = 3_000
CLIENT = {"ZENDESK_OAUTH_CLIENT_ID": "cron", "ZENDESK_OAUTH_CLIENT_SECRET": SECRET}
FLAGS = ("--oauth-client", f"cron:{SECRET}", "--oauth-client", "desk")


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    brief = ("--token-life", "2s", "--latency", "20ms")
    with SandboxProcess("--users", str(USERS), *FLAGS, *brief, *FAST) as running:
        yield running


def test_tokens_are_minted_and_renewed_for_as_long_as_it_lasts(sandbox: SandboxProcess, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # Slow enough for the token to end twice: 30 pages and a few more, eight a second.
    run = ("run", sandbox.url, "-o", out, "--rate", "480", "-v", "--progress", "json")
    with start(*run, env={**os.environ, **CLIENT, "XDG_CONFIG_HOME": "/nonexistent"}) as process:
        listed = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, stderr
    assert sorted_lines(*role_files(out)) == expected_lines(USERS)
    stats = sandbox.stats()
    assert stats["statuses"].get("401", 0) == 0, stats
    left = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert SECRET.encode() not in stdout + stderr + left + listed


REFUSALS = {
    "unknown client": ({**CLIENT, "ZENDESK_OAUTH_CLIENT_ID": "nobody"}, "or its secret is another (invalid_client)"),
    "wrong secret": ({**CLIENT, "ZENDESK_OAUTH_CLIENT_SECRET": "other"}, "or its secret is another (invalid_client)"),
    "scope": ({**CLIENT, "ZENDESK_OAUTH_SCOPE": "write"}, "may not have this scope (invalid_scope)"),
}


@pytest.mark.parametrize(("env", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_names_the_client_by_where_it_came_from(env: dict[str, str], words: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", "10", "--oauth-client", f"cron:{SECRET}", "--oauth-scope", "read") as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path / "out", env=env)
    assert done.returncode == 4, done.stderr
    assert "the OAuth client in ZENDESK_OAUTH_CLIENT_ID gets no token" in done.stderr
    assert words in done.stderr
    assert "What is written" not in done.stderr


def test_a_token_endpoint_that_fails_for_a_while_is_asked_again(tmp_path: Path) -> None:
    faults = [word for each in ("503@n:1", "429@n:2", "html@n:3", "lost@n:4") for word in ("--token-fault", each)]
    with SandboxProcess("--users", "50", *FLAGS, *faults, *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path / "out", *AT_ONCE, env=CLIENT)
    assert done.returncode == 0, done.stderr
    assert sorted_lines(*role_files(tmp_path / "out")) == expected_lines(50)


SCRIPT = """
import pathlib, sys
path = pathlib.Path(sys.argv[1])
runs = path.stat().st_size
path.write_bytes(b"." * (runs + 1))
print(f"token-{runs}")
"""


@pytest.mark.parametrize("kind", ["file", "command"])
def test_a_token_from_elsewhere_is_taken_again_once_it_is_refused(
    kind: str, sandbox: SandboxProcess, tmp_path: Path
) -> None:
    (tmp_path / "runs").touch()
    (tmp_path / "token").write_text("Bearer token-0\n")
    (tmp_path / "token").chmod(0o600)

    def answer(asked: Asked) -> Reply | None:
        if asked.headers["authorization"] == "Bearer token-1":
            return None
        (tmp_path / "token").write_text("token-1\n")  # as an agent beside us does
        return Reply(401, b'{"error": "invalid_token"}')

    command = shlex.join([sys.executable, "-c", SCRIPT, str(tmp_path / "runs")])
    flags = ("--token-file", tmp_path / "token") if kind == "file" else ("--token-command", command)
    with SandboxProcess("--users", "300", *FAST) as plain, Front(plain.url, answer) as front:
        done = zexport("run", front.url, "-o", tmp_path / "out", *flags, *AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert sorted_lines(*role_files(tmp_path / "out")) == expected_lines(300)
    assert front.asked[0].headers["authorization"] == "Bearer token-0"


def _refused(_: Asked) -> Reply:
    return Reply(401, b'{"error": "invalid_token"}')


COMMANDS = {
    "it fails": ("false", "--token-command ended with 1"),
    "it is not there": ("/nonexistent/tool", "--token-command can't be run"),
    "it prints nothing": ("true", "the token is empty"),
    "the same again": ("echo token-0", "the token of --token-command is refused"),
}


@pytest.mark.parametrize(("command", "words"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_that_gives_no_good_token_is_named(command: str, words: str, tmp_path: Path) -> None:
    with Front(answer=_refused) as front:
        done = zexport("run", front.url, "-o", tmp_path / "out", "--token-command", command)
    assert done.returncode in (2, 4), done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("env", "used"),
    [
        (CLIENT, "the OAuth client in ZENDESK_OAUTH_CLIENT_ID"),
        ({"ZENDESK_CLIENT_ID": "cron", "ZENDESK_CLIENT_SECRET": SECRET}, "the OAuth client in ZENDESK_CLIENT_ID"),
        ({**CLIENT, "ZENDESK_EMAIL": "a@b.example", "ZENDESK_API_TOKEN": "x" * 40}, "an API token of a@b.example"),
    ],
)
def test_the_order_is_that_of_zendesks_own_tool(env: dict[str, str], used: str, sandbox: SandboxProcess) -> None:
    done = zexport("whoami", sandbox.url, env=env)
    assert f"uses      {used}" in done.stdout, done.stderr
    assert ("are set: ZENDESK_API_TOKEN is used" in done.stderr) == ("ZENDESK_EMAIL" in env)


def test_zendesk_subdomain_stands_for_the_account(tmp_path: Path) -> None:
    with SandboxProcess("--users", "10", *FAST) as plain:
        done = zexport("run", "-o", tmp_path / "out", *AT_ONCE, env={"ZENDESK_SUBDOMAIN": plain.url})
    assert done.returncode == 0, done.stderr
    done = zexport("run", "-o", tmp_path / "other")
    assert done.returncode == 2
    assert "ZENDESK_SUBDOMAIN" in done.stderr


MISTAKES: dict[str, Callable[[], dict[str, str]]] = {
    "ZENDESK_OAUTH_CLIENT_SECRET": lambda: {"ZENDESK_OAUTH_CLIENT_ID": "cron"},
    "ZENDESK_EMAIL is no e-mail address": lambda: {"ZENDESK_EMAIL": "jo", "ZENDESK_API_TOKEN": "x"},
}


@pytest.mark.parametrize("words", MISTAKES)
def test_half_of_what_is_needed_is_named_and_nothing_is_sent(words: str, tmp_path: Path) -> None:
    done = zexport("run", "acme", "-o", tmp_path / "out", env=MISTAKES[words]())
    assert done.returncode == 2
    assert words in done.stderr
