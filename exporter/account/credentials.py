"""Which account, and how to authenticate to it: reading and checking only, nothing is sent from here."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from exporter.account.hiding import Hiding
from exporter.errors import UsageError

if TYPE_CHECKING:
    from exporter.account.tokens import Renewing

_ADDRESS = re.compile(r"[A-Za-z0-9.:/\[\]-]+")  # no userinfo, no query, nothing that looks like what it is not
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)  # one DNS label (RFC 1035)
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", re.IGNORECASE)
_FORMS = "Write acme, acme.zendesk.com, https://acme.zendesk.com or, for a sandbox, http://127.0.0.1:PORT."

LONGEST = 4096
"""Characters of a token: far more than one has, and with room for the rest in the 8 kB of headers that servers take."""


class Secret:
    """A text that shows itself to nobody: `repr`, `str` and format give `***`; `reveal()` is the one way in.

    :raises UsageError: if it is empty, far too long, or holds anything but printable ASCII: such a token can't be
        right, and a line break in it would end the header it is sent in.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        text = text.strip()
        if not text or not text.isascii() or not text.isprintable():
            raise UsageError("the token is empty or holds characters no token has")
        if len(text) > LONGEST:
            raise UsageError(f"the token is longer than {LONGEST:,} characters: none is")
        self._text = text

    def __repr__(self) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not to be stored")

    def reveal(self) -> str:
        """Return the text itself, for the request's header only."""
        return self._text


def bearer(text: str) -> Secret:
    """Read an access token, though it was copied with the scheme before it.

    :raises UsageError: if it can be none.
    """
    return Secret(re.sub(r"^\s*(?:authorization:\s*)?bearer\s+", "", text, flags=re.IGNORECASE))


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token and the e-mail address of its user: Basic authentication as `email/token:TOKEN` (documented)."""

    email: str
    token: Secret

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return f"Basic {self._encoded()}"

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown; of base64 without the padding, which a server may leave out."""
        return self._encoded().rstrip("="), self.token.reveal()

    def _encoded(self) -> str:
        return b64encode(f"{self.email}/token:{self.token.reveal()}".encode()).decode()


@dataclass(frozen=True, slots=True)
class OAuthToken:
    """An OAuth access token with the scope `read` or `users:read` (documented)."""

    token: Secret

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return f"Bearer {self.token.reveal()}"

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown."""
        return (self.token.reveal(),)


Credentials: TypeAlias = "ApiToken | OAuthToken | Renewing"


@dataclass(frozen=True, slots=True)
class Account:
    """An account: its origin and how to authenticate to it.

    :param origin: scheme, host and port without a path, `https://acme.zendesk.com`.
    :param credentials: None only for a sandbox on loopback.
    :param tls: which authorities vouch for the account; None leaves it to the system's.
    :param proxy: the address of a proxy, or `off`; None leaves it to the environment (`find_proxy`).
    :param hiding: every secret that belongs to it; those of `credentials` are made known to it here, and whoever mints
        others has to do so too.
    """

    origin: str
    credentials: Credentials | None = None
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)
    proxy: str | None = field(default=None, repr=False, compare=False)
    hiding: Hiding = field(default_factory=Hiding, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.credentials is not None:
            self.hiding.know(*self.credentials.secrets())

    @property
    def loopback(self) -> bool:
        """Whether the account is a sandbox on this machine."""
        return self.origin.startswith("http://")

    @property
    def name(self) -> str:
        """A short name for people and for files: `acme`, or `127.0.0.1-8080`."""
        host = urlsplit(self.origin).netloc
        return re.sub(r"[^a-z0-9.-]+", "-", host.removesuffix(".zendesk.com")).strip("-")


def load_account(
    text: str,
    environ: Mapping[str, str] = os.environ,
    *,
    token: str | None = None,
    ca_file: str | os.PathLike[str] | None = None,
) -> Account:
    """Read an account's address, and its credentials out of the environment.

    `ZENDESK_OAUTH_TOKEN`, else `ZENDESK_EMAIL` and `ZENDESK_API_TOKEN`. A sandbox on loopback needs none.

    :param token: a token from elsewhere, in place of the variable: an API token if `ZENDESK_EMAIL` is set, else OAuth.
    :param ca_file: certificates of authorities (PEM), in place of the system's.
    :raises UsageError: if the address makes no sense, credentials are missing, or the file can't be read.
    """
    origin = parse_origin(text)
    tls = load_authorities(ca_file)
    email = environ.get("ZENDESK_EMAIL", "").strip()
    oauth, api = environ.get("ZENDESK_OAUTH_TOKEN", ""), environ.get("ZENDESK_API_TOKEN", "")
    if token is not None:
        token = Secret(token).reveal()  # one that is empty was given all the same
        oauth, api = ("", token) if email else (token, "")
    if oauth:
        return Account(origin, OAuthToken(bearer(oauth)), tls)
    if api and not email:
        raise UsageError("ZENDESK_API_TOKEN is set, but not ZENDESK_EMAIL", hint="An API token goes with its user.")
    if api:
        email = email.removesuffix("/token")  # as it stands in Zendesk's own examples
        if not email.isprintable() or ":" in email or "@" not in email:
            raise UsageError("ZENDESK_EMAIL is no e-mail address")
        return Account(origin, ApiToken(email, Secret(api)), tls)
    account = Account(origin, tls=tls)
    if not account.loopback:
        raise UsageError(
            f"there are no credentials for {origin}",
            hint="Run zexport login, or set ZENDESK_OAUTH_CLIENT_ID and ZENDESK_OAUTH_CLIENT_SECRET, or\n"
            "ZENDESK_OAUTH_TOKEN. API tokens (ZENDESK_EMAIL, ZENDESK_API_TOKEN) end on 2027-04-30.",
        )
    return account


def load_authorities(ca_file: str | os.PathLike[str] | None) -> ssl.SSLContext | None:
    """Trust these authorities and no others; certificates and host names are checked as ever.

    :returns: None without a file: the system's are trusted.
    :raises UsageError: if it can't be read.
    """
    if ca_file is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as exc:
        raise UsageError("the CA file holds no certificate in PEM form") from exc
    except OSError as exc:
        raise UsageError(f"the CA file can't be read ({exc.strerror})") from exc
    # Python 3.13 refuses authorities that do not say what their key is for: many a company's, which was named here.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def parse_origin(text: str) -> str:
    """Read what a person writes for an account.

    :raises UsageError: for anything that is not the address of one, or plain HTTP to anywhere but loopback.
    """
    text = text.strip()
    if not _ADDRESS.fullmatch(text):  # and what stands there is not repeated: it may be a secret
        raise UsageError("the account's address is empty or holds characters that none has", hint=_FORMS)
    if _SUBDOMAIN.fullmatch(text):
        return f"https://{text.lower()}.zendesk.com"
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError as exc:
        raise UsageError(f"{text!r} is no address of an account", hint=_FORMS) from exc
    odd = parts.path.strip("/")
    suffix = f":{port}" if port is not None else ""
    if not odd and parts.scheme == "https" and _HOST.fullmatch(host):
        return f"https://{host}{suffix}"
    if not odd and parts.scheme in ("http", "https") and _is_loopback(host):
        literal = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{literal}{suffix}"
    if parts.scheme == "http":
        raise UsageError("plain HTTP is for a sandbox on loopback only; credentials travel over TLS", hint=_FORMS)
    raise UsageError(f"{text!r} is no address of an account", hint=_FORMS)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
