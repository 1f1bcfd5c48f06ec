"""Through a company's network: a real proxy before a real TLS server, that sees a tunnel and nothing of ours."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from tests.promises.test_security_tls import AUTHORIZATION, ENV, TOKEN, World
from tests.support.front_server import Front, Reply
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import AT_ONCE, FAST, TIMEOUT, expected_lines, role_files, sorted_lines, zexport

USERS = 300
PASSWORD = "pr0xy-pa55word@here"
QUOTED = PASSWORD.replace("@", "%40")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    authority = trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with SandboxProcess("--users", str(USERS), "--token", TOKEN, *FAST) as sandbox:
        yield World(authority, ca_file, sandbox.url)


@contextmanager
def real_proxy(folder: Path, *flags: str) -> Iterator[int]:
    """Run proxy.py, and say on which port it listens."""
    told = folder / "port"
    quiet = ("--num-workers", "1", "--num-acceptors", "1", "--log-level", "CRITICAL", "--data-dir", str(folder))
    command = [sys.executable, "-m", "proxy", "--hostname", "127.0.0.1", "--port", "0", "--port-file", str(told)]
    with subprocess.Popen([*command, *quiet, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + TIMEOUT
            while not (told.exists() and told.read_text().strip()):
                assert time.monotonic() < until
                time.sleep(0.02)  # there is nothing else to wait for: it says so in no other way
            yield int(told.read_text().split()[0])
        finally:
            process.terminate()


def test_an_export_goes_through_a_proxy_with_a_login_and_leaves_no_trace_of_it(world: World, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with world.front() as front, real_proxy(tmp_path, "--basic-auth", f"jo:{PASSWORD}") as port:
        env = {**ENV, "HTTPS_PROXY": f"http://jo:{QUOTED}@127.0.0.1:{port}"}
        done = zexport("run", front.url, "-o", out, "-v", "--ca-file", world.ca_file, *AT_ONCE, env=env)
    assert done.returncode == 0, done.stderr
    assert f"through the proxy http://127.0.0.1:{port} (HTTPS_PROXY); certificates of authorities: --ca" in done.stderr
    assert sorted_lines(*role_files(out)) == expected_lines(USERS)
    assert {asked.headers["authorization"] for asked in front.asked} == {AUTHORIZATION}
    assert b"roxy-" not in bytes(front.received)  # what is for the proxy stays there
    left = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for secret in (PASSWORD, QUOTED):
        assert secret.encode() not in left + (done.stdout + done.stderr).encode()


def test_a_wrong_login_is_the_proxys_refusal_and_ends_with_4(world: World, tmp_path: Path) -> None:
    with world.front() as front, real_proxy(tmp_path, "--basic-auth", f"jo:{PASSWORD}") as port:
        proxy = f"http://jo:wrong-{QUOTED}@127.0.0.1:{port}"
        flags = ("--proxy", proxy, "--ca-file", world.ca_file)
        done = zexport("run", front.url, "-o", tmp_path / "out", *flags, *AT_ONCE, "-v", env=ENV)
    assert done.returncode == 4, done.stderr
    assert f"the proxy http://127.0.0.1:{port} wants a login, or another one (HTTP 407)" in done.stderr
    assert f"wrong-{PASSWORD}" not in done.stderr
    assert front.received == b""


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (407, 4, "wants a login, or another one (HTTP 407)"),
        (403, 4, "refuses the way to the account (HTTP 403)"),
        (502, 5, "does not reach the account (HTTP 502)"),
    ],
)
def test_a_proxy_that_refuses_is_named_as_the_proxy_and_sees_no_header_of_ours(
    status: int, code: int, words: str, world: World, tmp_path: Path
) -> None:
    with Front(answer=lambda _: Reply(status, b"<html>no</html>")) as proxy:
        flags = ("--proxy", f"http://127.0.0.1:{proxy.port}", "--patience", "1")
        done = zexport("run", "https://acme.example", "-o", tmp_path / "out", *flags, *AT_ONCE, env=ENV)
    assert done.returncode == code, done.stderr
    assert f"the proxy http://127.0.0.1:{proxy.port} {words}" in done.stderr
    assert {asked.target for asked in proxy.asked} == {"acme.example:443"}
    assert b"uthorization" not in proxy.received


def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    flags = ("--proxy", "http://127.0.0.1:9", "--patience", "1")
    done = zexport("run", "https://acme.example", "-o", tmp_path / "out", *flags, *AT_ONCE, env=ENV)
    assert done.returncode == 5
    assert "no connection to the proxy 127.0.0.1:9" in done.stderr


@pytest.mark.parametrize("flags", [("--proxy", "off"), ()])
def test_off_and_exceptions_of_the_environment_go_straight(
    flags: tuple[str, ...], world: World, tmp_path: Path
) -> None:
    with Front() as proxy, world.front() as front:
        env = {**ENV, "ALL_PROXY": f"http://127.0.0.1:{proxy.port}", **({} if flags else {"NO_PROXY": "localhost"})}
        out, ca_file = tmp_path / "out", world.ca_file
        done = zexport("run", front.url, "-o", out, "--ca-file", ca_file, *AT_ONCE, *flags, env=env)
    assert done.returncode == 0, done.stderr
    assert proxy.received == b""


def test_an_address_that_is_none_ends_with_2_and_is_not_repeated(tmp_path: Path) -> None:
    done = zexport("run", "acme", "-o", tmp_path / "out", "--proxy", f"socks5://jo:{QUOTED}@h:1", env=ENV)
    assert done.returncode == 2
    assert "--proxy is no address of a proxy" in done.stderr
    assert QUOTED not in done.stderr
    assert not [*tmp_path.iterdir()]
