"""P9 for a login: client secret, tokens, code and verifier are in nothing that is said, written or listed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

from tests.support.sandbox_process import SandboxProcess
from tests.support.stored_login import FLAGS, SECRET, log_in, settings
from tests.support.zexport_process import COMMAND, FAST, zexport

SCRIPT = (
    "import sys, exporter.logins.browser as b; b.secrets.token_urlsafe = lambda n: 'v3r1f1er' * 6 if n > 32 else 's'"
)
"""Makes the verifier one that is known, before the command line runs."""


def _stored(folder: Path) -> dict[str, str]:
    (path,) = (folder / "zexport").glob("*.secret")
    stored: dict[str, str] = json.loads(path.read_text())
    return stored


def _end_token(folder: Path) -> None:
    (path,) = (folder / "zexport").glob("*.secret")
    path.write_text(json.dumps({**_stored(folder), "dies": 0}))


def _listed() -> bytes:
    """Return the command lines of all processes there are."""
    lists = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lists.append(path.read_bytes())
        except OSError:
            continue
    return b"\n".join(lists)


def _shows(secrets: list[str], *texts: bytes) -> list[str]:
    """Return which secrets are in a text, by their first twelve characters."""
    return [secret for secret in secrets if any(re.search(re.escape(secret[:12]).encode(), text) for text in texts)]


def test_no_secret_of_a_login_is_said_written_or_listed(tmp_path: Path) -> None:
    env, out = settings(tmp_path / "home"), tmp_path / "out"
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    path.chmod(0o600)
    said, listed, secrets = b"", b"", [SECRET]
    with SandboxProcess("--users", "300", *FLAGS, *FAST) as sandbox:
        for flags in (("--client-id", "cron", "--secret-file", str(path)), None):
            done = zexport("login", sandbox.url, *flags, env=env) if flags else log_in(sandbox.url, env)
            assert done.returncode == 0, done.stderr
            said += f"{done.stdout}{done.stderr}".encode()
            secrets += [text for name, text in _stored(tmp_path / "home").items() if name.endswith("token") and text]
            _end_token(tmp_path / "home")  # so the run renews it
            command = [*COMMAND, "run", sandbox.url, "-o", str(out), "--restart", "-v", "--progress", "json"]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process:
                assert process.stdout is not None
                said += process.stdout.readline()  # it runs
                listed += _listed()
                said += process.stdout.read()
            assert process.returncode == 0, said
            secrets += [text for name, text in _stored(tmp_path / "home").items() if name.endswith("token") and text]
        assert sandbox.stats()["tokens"]["refresh_token"] == 1
        bogus = "r3fresh-t0ken-that-is-none"
        (stored,) = (tmp_path / "home" / "zexport").glob("*.secret")
        stored.write_text(json.dumps({"refresh_token": bogus}))
        done = zexport("run", sandbox.url, "-o", tmp_path / "none", "-v", env=env)
        assert (done.returncode, "can't be renewed" in done.stderr, bogus in done.stderr) == (4, True, False)
    (profile,) = (tmp_path / "home" / "zexport").glob("*.toml")
    written = [each.read_bytes() for each in (profile, *out.rglob("*")) if each.is_file()]
    assert len(secrets) > 4
    assert _shows(secrets, said, listed, *written) == []


def test_the_verifier_and_the_code_are_shown_by_no_error(tmp_path: Path) -> None:
    env = settings(tmp_path) | {"PYTHONFAULTHANDLER": "1"}
    with SandboxProcess("--users", "50", *FLAGS, "--token-fault", "403@from:1") as sandbox:
        program = f"{SCRIPT}\nfrom exporter.cli import main\nsys.exit(main(sys.argv[1:]))"
        command = ["-c", program, "login", sandbox.url, "--client-id", "desk", "--no-browser"]
        redirect = "http://127.0.0.1:22147/zexport?code=c0de-that-is-secret&state=s\n"
        done = subprocess.run(
            [COMMAND[0], *command], input=redirect, env=env, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 4, done.stderr
    assert _shows(["v3r1f1er" * 6, "c0de-that-is-secret"], done.stderr.encode(), done.stdout.encode()) == []
    assert "HTTP 403" in done.stderr
    assert not list(tmp_path.iterdir())
