"""Which proxy the way to an account leads through: as told, else as the environment says, as curl reads it."""

from __future__ import annotations

import ipaddress
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from exporter.errors import UsageError

OFF = "off"
"""What says that no proxy is to be used, whatever the environment says."""
_FORM = "Write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT; only HTTP proxies are known, and SOCKS is not."


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy that is asked for a tunnel (CONNECT), and sees nothing of what goes through it.

    :param address: `http://HOST:PORT`, fit to be shown.
    :param source: where it was named: a flag, or a variable.
    """

    address: str
    source: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown."""
        if not self.password:
            return ()
        return self.password, b64encode(f"{self.user}:{self.password}".encode()).decode().rstrip("=")


def find_proxy(origin: str, told: str | None = None, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy to use; None if there is none.

    :param origin: of the account. Plain HTTP is for loopback, and never leaves the machine.
    :param told: an address, or `off`; None leaves it to the environment.
    :raises UsageError: if its address makes no sense; it is not repeated, for it may hold a password.
    """
    parts = urlsplit(origin)
    if parts.scheme == "http" or told == OFF:
        return None
    if told is not None:
        return _read(told, "--proxy")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        text = environ.get(name, "").strip()
        if text:
            but = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
            return None if _excepted(parts.hostname or "", parts.port or 443, but) else _read(text, name)
    return None


def _read(text: str, source: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        host, port = "", 0
    odd = not host or parts.scheme != "http" or parts.path.strip("/") or not text.isprintable() or " " in text
    if odd:
        raise UsageError(f"{source} is no address of a proxy", hint=_FORM)
    literal = f"[{host}]" if ":" in host else host
    return Proxy(f"http://{literal}:{port}", source, unquote(parts.username or ""), unquote(parts.password or ""))


def _excepted(host: str, port: int, names: str) -> bool:
    """Tell whether a list of names, of endings of names and of networks holds a host."""
    for each in names.replace(",", " ").split():
        name = each.lower()
        if name == "*":
            return True
        head, _, tail = name.rpartition(":")
        if head and ":" not in head and tail.isdecimal():
            if int(tail) != port:
                continue
            name = head
        bare = name.removeprefix("*").lstrip(".").strip("[]")
        if bare and (host == bare or host.endswith(f".{bare}")):
            return True
        try:
            if ipaddress.ip_address(host) in ipaddress.ip_network(bare, strict=False):
                return True
        except ValueError:  # one of them is a name
            continue
    return False
