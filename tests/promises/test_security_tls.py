"""P9, faults 11, 18 and 23: credentials travel over verified TLS, to the account itself, or not at all.

A real TLS server in front of the sandbox keeps every byte that reaches it.
"""

from __future__ import annotations

import os
import re
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

import exporter
from exporter import AuthError, NetworkError, Options, UsageError
from exporter.account.credentials import Account, load_account
from tests.support.front_server import Front
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, expected_lines, role_files, sorted_lines, zexport

USERS = 300
TOKEN = "s3cr3t-t0ken-over-tls"
ENV = {"ZENDESK_EMAIL": "a@b.example", "ZENDESK_API_TOKEN": TOKEN}
AUTHORIZATION = "Basic " + b64encode(f"a@b.example/token:{TOKEN}".encode()).decode()
EXPIRED = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """An authority with its file, a server's context with a good certificate, and the sandbox behind it."""

    authority: trustme.CA
    ca_file: Path
    sandbox: str

    def front(
        self, *, name: str = "localhost", authority: trustme.CA | None = None, until: datetime | None = None
    ) -> Front:
        """Return a TLS server with a certificate for a name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        since = until and until - timedelta(days=1)
        (authority or self.authority).issue_cert(name, not_before=since, not_after=until).configure_cert(context)
        return Front(self.sandbox, tls=context)

    def account(self, front: Front, *, ca: bool = True) -> Account:
        return load_account(front.url, ENV, ca_file=self.ca_file if ca else None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    authority = trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    with SandboxProcess("--users", str(USERS), "--token", TOKEN, *FAST) as sandbox:
        yield World(authority, ca_file, sandbox.url)


def test_with_the_right_authority_an_export_over_tls_is_complete_and_without_it_ends_at_once_with_4(
    world: World, tmp_path: Path
) -> None:
    with world.front() as front:
        began = time.monotonic()
        done = zexport("run", front.url, "-o", tmp_path, "-v", env=ENV)
        assert time.monotonic() - began < 20  # a certificate does not mend itself in 15 minutes
        assert done.returncode == 4
        assert f"the certificate of localhost:{front.port} is not to be trusted" in done.stderr
        assert "--ca-file" in done.stderr
        assert front.received == b""
        assert zexport("run", front.url, "-o", tmp_path, "--ca-file", world.ca_file, env=ENV).returncode == 0
    assert {asked.headers["authorization"] for asked in front.asked} == {AUTHORIZATION}
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)


@pytest.mark.anyio
@pytest.mark.parametrize("what", ["the system's authorities", "another authority", "another name", "expired"])
async def test_to_whoever_can_show_no_good_certificate_not_a_byte_is_sent(
    what: str, world: World, tmp_path: Path
) -> None:
    fronts = {
        "another authority": lambda: world.front(authority=trustme.CA()),
        "another name": lambda: world.front(name="acme.zendesk.com"),
        "expired": lambda: world.front(until=EXPIRED),
    }
    with fronts.get(what, world.front)() as front:
        account = world.account(front, ca=what != "the system's authorities")
        with pytest.raises(AuthError, match="not to be trusted") as caught:
            await exporter.export_users(account, tmp_path / "out")
    assert caught.value.exit_code == 4
    assert front.received == b""
    assert not front.asked


@pytest.mark.anyio
async def test_an_https_address_is_never_asked_in_plain_http(world: World, tmp_path: Path) -> None:
    with Front(world.sandbox) as front:  # who speaks no TLS
        account = load_account(front.url.replace("http://", "https://"), ENV, ca_file=world.ca_file)
        with pytest.raises(NetworkError):
            await exporter.export_users(account, tmp_path / "out", options=Options(patience=0.5))
    assert front.asked == []
    assert b"GET" not in front.received
    assert b"uthorization" not in front.received


@pytest.mark.anyio
@pytest.mark.parametrize("tls", [True, False])
async def test_no_proxy_for_plain_http_and_no_password_of_the_environment_is_used(
    tls: bool, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    with Front() as proxy, world.front() if tls else Front(world.sandbox) as front:
        for name in ("HTTP_PROXY",) if tls else ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.setenv("NETRC", os.fspath(netrc))
        finished = await exporter.export_users(
            world.account(front, ca=tls), tmp_path / "out", options=Options(rate=1e6)
        )
    assert finished.users == USERS
    assert proxy.received == b""
    assert {asked.headers["authorization"] for asked in front.asked} == {AUTHORIZATION}


@pytest.mark.anyio
async def test_without_credentials_none_come_out_of_a_netrc(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"default login a@b.example/token password {TOKEN}\n")  # which would be right
    monkeypatch.setenv("NETRC", os.fspath(netrc))
    with Front(world.sandbox) as front, pytest.raises(exporter.AuthError):
        await exporter.export_users(front.url, tmp_path / "out")
    assert not any("authorization" in asked.headers for asked in front.asked)


def test_nothing_turns_verification_off(world: World) -> None:
    for path in Path(exporter.__file__).parent.rglob("*.py"):
        found = re.search(r"CERT_NONE|verify_mode|check_hostname|_unverified|ssl=False|insecure", path.read_text())
        assert not found, f"{path.name} holds {found}"
    context = load_account("acme", ENV, ca_file=world.ca_file).tls
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_holds_no_certificate_is_a_usage_error(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match="CA file"):
        load_account("acme", ENV, ca_file=path)
