"""A login by a browser, without one: for tests that need a refresh token which rotates."""

from __future__ import annotations

import fcntl
import http.client
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from exporter.logins import PORTS, redirect_url
from tests.support.zexport_process import TIMEOUT, environment, start

SECRET = "cl1ent-s3cret-of-cron"
FLAGS = (
    *("--oauth-client", f"cron:{SECRET}", "--oauth-client", "desk"),
    *(flag for port in PORTS for flag in ("--redirect-url", redirect_url(port))),
)
"""Of a sandbox with a confidential client and a public one."""


@contextmanager
def only_we_land() -> Iterator[None]:
    """Keep other tests from the ports that a browser is led back to, as long as the context lasts."""
    with (Path(tempfile.gettempdir()) / "zexport-tests-of-login.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def settings(folder: Path) -> dict[str, str]:
    """Return the environment in which logins are stored there."""
    return environment(XDG_CONFIG_HOME=str(folder))


def consent(address: str, decision: str = "allow") -> str:
    """Decide as a person would on the page of consent, and return where the browser is led."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    try:
        body = urlencode([*parse_qsl(parts.query), ("decision", decision)])
        connection.request("POST", parts.path, body, {"Content-Type": "application/x-www-form-urlencoded"})
        return connection.getresponse().headers["location"]
    finally:
        connection.close()


def log_in(url: str, env: dict[str, str], *flags: str, decision: str = "allow") -> subprocess.CompletedProcess[str]:
    """Run `zexport login` with a browser elsewhere, and paste what that is led to."""
    command = ("login", url, "--client-id", "desk", "--no-browser", *flags)
    with start(*command, env=env, text=True, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        stdin, stderr = process.stdin, process.stderr
        assert stdin is not None
        assert stderr is not None
        address, said = "", ""
        while not address:
            line = str(stderr.readline())
            if not line:
                break
            said += line
            address = line.strip() if line.strip().startswith("http") else ""
        pasted = consent(address, decision) + "\n"
        stdout, rest = process.communicate(pasted, timeout=TIMEOUT)  # type: ignore[arg-type]  # text, as asked
    return subprocess.CompletedProcess(command, process.returncode, str(stdout), said + str(rest))
