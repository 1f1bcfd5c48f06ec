"""Whoever has only an OAuth client logs in once, and every run after it finds its way."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.logins import open_store
from tests.sandbox.test_server import get
from tests.support.sandbox_process import SandboxProcess
from tests.support.stored_login import FLAGS, SECRET, log_in, settings
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
BRIEF = ("--token-life", "2s", "--latency", "20ms")
"""A token that ends several times in an export of 3,000 users."""


@pytest.fixture
def sandbox() -> Iterator[SandboxProcess]:
    with SandboxProcess("--users", str(USERS), *FLAGS, *BRIEF, *FAST) as running:
        yield running


def _secret_file(folder: Path) -> Path:
    path = folder / "secret.txt"
    path.write_text(f"{SECRET}\n")
    path.chmod(0o600)
    return path


def _end_token(folder: Path) -> None:
    """Have the next run find the token at its end."""
    (path,) = (folder / "zexport").glob("*.secret")
    path.write_text(json.dumps({**_stored(folder), "dies": 0}))


def _stored(folder: Path) -> dict[str, object]:
    (path,) = (folder / "zexport").glob("*.secret")
    stored: dict[str, object] = json.loads(path.read_text())
    return stored


def test_client_credentials_are_stored_proven_and_forgotten(sandbox: SandboxProcess, tmp_path: Path) -> None:
    env, url = settings(tmp_path), sandbox.url
    done = zexport("login", url, "--client-id", "cron", "--secret-file", _secret_file(tmp_path), env=env)
    assert done.returncode == 0, done.stderr
    assert "admin" in done.stdout
    assert "scope     read" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    kept = sorted((tmp_path / "zexport").iterdir())
    assert [path.suffix for path in kept] == [".lock", ".secret", ".toml"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in kept)
    assert SECRET not in kept[2].read_text()

    who = zexport("whoami", url, env=env)
    assert "the stored login of OAuth client cron, client credentials" in who.stdout, who.stderr
    out = tmp_path / "out"
    done = zexport("run", url, "-o", out, env=env)
    assert done.returncode == 0, done.stderr
    assert sorted_lines(*role_files(out)) == expected_lines(USERS)

    assert zexport("logout", url, env=env).returncode == 0
    assert [path.suffix for path in (tmp_path / "zexport").iterdir()] == [".lock"]
    assert zexport("run", url, "-o", tmp_path / "none", env=env).returncode == 4
    assert zexport("logout", url, env=env).returncode == 2


def test_a_browser_elsewhere_and_a_token_that_rotates(sandbox: SandboxProcess, tmp_path: Path) -> None:
    env = settings(tmp_path)
    done = log_in(sandbox.url, env)
    assert done.returncode == 0, done.stderr
    first = _stored(tmp_path)
    out = tmp_path / "out"
    ran = zexport("run", sandbox.url, "-o", out, "--ranges", "off", env=env)
    assert ran.returncode == 0, ran.stderr
    assert sorted_lines(*role_files(out)) == expected_lines(USERS)
    _end_token(tmp_path)
    assert zexport("whoami", sandbox.url, env=env).returncode == 0
    stats = sandbox.stats()
    assert (stats["tokens"]["authorization_code"], stats["tokens"]["refresh_token"] >= 1) == (1, True)
    assert "invalid_grant" not in stats["tokens"]
    assert stats["most_token_requests"] == 1
    assert _stored(tmp_path)["refresh_token"] != first["refresh_token"]
    assert zexport("logout", sandbox.url, env=env).returncode == 0


def test_whoever_says_no_is_not_logged_in(sandbox: SandboxProcess, tmp_path: Path) -> None:
    done = log_in(sandbox.url, settings(tmp_path), decision="deny")
    assert done.returncode == 4
    assert "the login was refused: The end-user or authorization server denied" in done.stderr
    assert not (tmp_path / "zexport").exists()


def test_a_wrong_secret_is_named(sandbox: SandboxProcess, tmp_path: Path) -> None:
    path = tmp_path / "wrong"
    path.write_text("another")
    done = zexport("login", sandbox.url, "--client-id", "cron", "--secret-file", path, env=settings(tmp_path))
    assert done.returncode == 4
    assert "does not know this OAuth client, or its secret is another (invalid_client)" in done.stderr


def test_a_login_that_has_ended_at_the_account_says_what_mends_it(tmp_path: Path) -> None:
    env = settings(tmp_path)
    with SandboxProcess("--users", "50", *FLAGS) as sandbox:
        assert log_in(sandbox.url, env).returncode == 0
        headers = {"Authorization": f"Bearer {_stored(tmp_path)['access_token']}"}
        assert get(sandbox.url, "/api/v2/oauth/tokens/current", headers, "DELETE").status == 204
        done = zexport("run", sandbox.url, "-o", tmp_path / "out", env=env)
    assert done.returncode == 4
    name = sandbox.url.removeprefix("http://").replace(":", "-")
    assert f"the login for {name} can't be renewed: the login has ended" in done.stderr
    assert "Run zexport login" in done.stderr


def test_an_answer_that_was_lost_is_told(tmp_path: Path) -> None:
    env = settings(tmp_path)
    with SandboxProcess("--users", "50", *FLAGS, "--token-fault", "lost@n:2") as sandbox:
        assert log_in(sandbox.url, env).returncode == 0
        _end_token(tmp_path)
        done = zexport("whoami", sandbox.url, env=env)
    assert done.returncode == 4
    assert "an answer before this one was lost on the way" in done.stderr


def test_failures_that_pass_are_waited_for(tmp_path: Path) -> None:
    env = settings(tmp_path)
    faults = ("--token-fault", "429@n:2", "--token-fault", "500@n:3", "--token-fault", "html@n:4")
    with SandboxProcess("--users", "50", *FLAGS, *faults) as sandbox:
        assert log_in(sandbox.url, env).returncode == 0
        _end_token(tmp_path)
        assert zexport("whoami", sandbox.url, env=env).returncode == 0


def test_two_runs_of_one_login_renew_it_once_each_time(sandbox: SandboxProcess, tmp_path: Path) -> None:
    env = settings(tmp_path)
    assert log_in(sandbox.url, env).returncode == 0
    outs = [tmp_path / name for name in "ab"]
    runs = [start("run", sandbox.url, "-o", out, "--ranges", "off", env=env) for out in outs]
    for run in runs:
        _, stderr = run.communicate(timeout=TIMEOUT)
        assert run.returncode == 0, stderr
    for out in outs:
        assert sorted_lines(*role_files(out)) == expected_lines(USERS)
    stats = sandbox.stats()
    assert "invalid_grant" not in stats["tokens"]
    assert stats["most_token_requests"] == 1
    _end_token(tmp_path)
    assert zexport("whoami", sandbox.url, env=env).returncode == 0


def _killed(url: str, env: dict[str, str], out: Path, seconds: float) -> None:
    """Kill a run with all of its group, as a container's end or a closed terminal would."""
    run = start("run", url, "-o", out, "--restart", *AT_ONCE, env=env, start_new_session=True)
    try:
        run.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def kills(times: int, folder: Path, seed: int, record: Counter[str]) -> None:
    """Kill exports that renew a login; it has to work after each.

    The account has deleted the old pair, and its answer drips for half a second: most kills hit between the two.
    """
    env, draw = settings(folder), random.Random(seed)
    flags = ("--users", "20000", "--token-fault", "drip:600@from:2", *FAST)
    with SandboxProcess(*FLAGS, *flags) as sandbox:
        assert log_in(sandbox.url, env).returncode == 0
        name = sandbox.url.removeprefix("http://").replace(":", "-")
        for _ in range(times):
            with open_store(name, folder / "zexport").locked():  # what a kill left at work comes to its end first
                _end_token(folder)
            _killed(sandbox.url, env, folder / "out", draw.uniform(0.2, 1.5))
            done = zexport("whoami", sandbox.url, env=env)
            assert done.returncode == 0, done.stderr
            record["kills of a renewing login"] += 1
        record["renewals"] += sandbox.stats()["tokens"]["refresh_token"]
        assert "invalid_grant" not in sandbox.stats()["tokens"]


def test_kills_do_not_lose_the_login(tmp_path: Path, record: Counter[str]) -> None:
    kills(4, tmp_path, 1, record)


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(4))
def test_two_hundred_kills_do_not_lose_the_login(tmp_path: Path, seed: int, record: Counter[str]) -> None:
    kills(50, tmp_path, seed, record)
