"""`zexport` in a process of its own, as a person runs it; and what must be in its output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from exporter.sandbox import Population
from tests.support.forked import becoming, can_fork

COMMAND = [sys.executable, "-m", "exporter"]
FAST = ("--rate-limit", "1000000")
"""A limit that no test meets: it is the server's speed that bounds them."""
AT_ONCE = ("--rate", "1000000")
"""Spares a run the third of a second that a careful start takes, where that is not what is tested."""
ROLES = ("end-user", "agent", "admin")
TIMEOUT = 60.0
NO_LOGINS = {"XDG_CONFIG_HOME": "/nonexistent", "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
"""Neither a stored login of whoever runs the tests, nor his keyring."""


def environment(**more: str) -> dict[str, str]:
    """Return an environment without credentials or terminal settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZENDESK_", "COLUMNS", "LINES"))}
    return kept | {"NO_COLOR": "1"} | NO_LOGINS | more


def zexport(
    *args: str | Path,
    cwd: Path | None = None,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    fresh: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    :param fresh: in a new Python; else in a fork of this one (`forked`), which is there at once.
    """
    popen: dict[str, Any] = {"cwd": cwd, "env": environment(**(env or {})), "text": True}
    popen["stdin"] = subprocess.DEVNULL if stdin is None else subprocess.PIPE
    with start(*args, fresh=fresh, **popen) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout=TIMEOUT)  # type: ignore[arg-type]  # text, as asked
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(args, process.returncode, str(stdout), str(stderr))


def start(*args: str | Path, fresh: bool = False, **popen: Any) -> subprocess.Popen[bytes]:
    """Start a command; its stderr and stdout are pipes, unless something else is said. `fresh` as for `zexport`."""
    usual: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment(),
    }
    settings = usual | popen
    words = [*map(str, args)]
    if not fresh and "preexec_fn" not in settings and can_fork():
        settings["preexec_fn"] = becoming(words, settings["env"])
    process: subprocess.Popen[bytes] = subprocess.Popen([*COMMAND, *words], **settings)
    return process


def events(stderr: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """Read the events of `--progress json`."""
    for line in stderr:
        yield json.loads(line)


def wait_for_users(process: subprocess.Popen[bytes], users: int) -> int:
    """Wait until a run with `--progress json` has written so many users; return how many it has."""
    assert process.stderr is not None
    for event in events(process.stderr):
        if event["event"] == "progress" and event["users"] >= users:
            return int(event["users"])
    raise AssertionError(f"the run ended with {process.wait()} before it had written {users} users")


def expected_lines(users: int, *roles: str, seed: int = 1) -> list[bytes]:
    """Return the lines that an export of these roles must hold, role by role, those of each role sorted by bytes."""
    population = Population(users, seed)
    return [line for role in roles or ROLES for line in sorted(user + b"\n" for user in population.users(role))]


def sorted_lines(*paths: Path) -> list[bytes]:
    """Return the lines of files, file by file, those of each file sorted: ranges are written as their pages come."""
    return [line for path in paths for line in sorted(lines(path))]


def lines(*paths: Path) -> list[bytes]:
    """Return the lines of files, with their ends."""
    return [line for path in paths for line in path.read_bytes().splitlines(keepends=True)]


def role_files(folder: Path, suffix: str = ".ndjson") -> list[Path]:
    """Return the files of a folder export, in order of role."""
    return [folder / f"{role}{suffix}" for role in ROLES]


def users_of(stdout: str) -> list[dict[str, Any]]:
    """Read the users of an export to stdout. Only newlines end lines: names hold other separators."""
    return [json.loads(line) for line in stdout.split("\n") if line]


def whole_lines(path: Path) -> bytes:
    """Return what a reader of a file under way may count on: everything up to its last newline."""
    for each in (path.with_name(path.name + ".partial"), path):
        if each.exists():
            content = each.read_bytes()
            return content[: content.rfind(b"\n") + 1]
    return b""
