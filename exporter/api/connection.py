"""The only module that speaks HTTP: one request, one response, both within bounds.

Every address is built from the account's own origin; no link and no redirect that a server supplies is ever followed.
A proxy is asked for a tunnel and sees no header of ours. No cookie is kept, no request sent again behind the pace.
"""

from __future__ import annotations

import os
import resource
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from exporter.account import Account, ApiToken, OAuthToken, Renewing, find_proxy
from exporter.api.body import MAX_BODY, BrokenBody, CutBody, TooLarge, UnknownEncoding, decoded, read_body
from exporter.api.verdict import Again, Final, NoPage
from exporter.errors import AuthError
from exporter.version import VERSION

CONNECT, SILENCE, WHOLE = 15.0, 65.0, 120.0
"""Seconds: the edge gives up after 60, so silence for 65 is a dead connection; 120 ends a body that only drips."""

HEADER = 1 << 16
"""Bytes of a header at most: browsers and curl take as much; an edge's policies reach 9 kB (reported)."""

OTHERS = 24
"""Descriptors that are kept for all but connections: files read back, SQLite's temporary ones, look-ups of names."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back, as far as it came.

    :param status: 0 if there was no response.
    :param failure: why there is no body, None if there is one.
    :param stale: its token was refused, and there is a new one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    failure: Again | NoPage | Final | None = None
    stale: bool = False


class Connection:
    """Connections to one account. Made by `open_connection`."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        origin: str,
        renewing: Renewing | None = None,
        proxy: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._session = session
        self._proxy = proxy
        self._headers = dict(headers or {})
        self.origin = origin
        self._url = URL(origin)
        self._renewing = renewing

    async def get(
        self, path: str, params: Sequence[tuple[str, str]] = (), *, method: str = "GET", renew: bool = True
    ) -> Response:
        """Send one request; what goes wrong is in the response.

        A token that ends is renewed ahead of that; one that is refused all the same is renewed, and `stale` says so:
        the request is to be sent once more, under a permit of its own.

        :param method: GET, or what changes nothing when it is sent once more: DELETE.
        :param renew: False for a request that was sent once more: its refusal stands.
        :raises AuthError, NetworkError, OutputError: if there is no token to be had.
        """
        if self._renewing is None:
            return await self.send(method, path, params)
        token = await self._renewing.token()
        came = await self.send(method, path, params, headers={"Authorization": f"Bearer {token.reveal()}"})
        if not renew or came.status != 401 or b"invalid_token" not in came.body:
            return came
        await self._renewing.renewed(token)
        return replace(came, stale=True)

    async def send(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        headers: Mapping[str, str] | None = None,
        content: object = None,
    ) -> Response:
        """Send one request as it is told to.

        :param content: what to send as JSON; None sends no body.
        """
        status, sent = 0, self._headers | dict(headers or {})
        headers = {}
        try:
            url = self._url.with_path(path).with_query(params)
            async with self._session.request(
                method, url, allow_redirects=False, headers=sent, json=content
            ) as response:
                status, headers = response.status, response.headers  # which know no upper or lower case
                raw = await read_body(response.content)
                body = decoded(raw, headers.get("Content-Encoding", ""))
                return Response(status, headers, body)
        except TooLarge:
            failure: Again | NoPage | Final = NoPage(f"a response is larger than {MAX_BODY >> 20} MiB")
        except BrokenBody:
            failure = NoPage("the body does not decompress")
        except UnknownEncoding:
            failure = NoPage("the response is no page: it came in an encoding that nobody asked for")
        except (CutBody, aiohttp.ClientPayloadError):
            failure = Again("the body is cut short", cut=True)
        except TimeoutError:
            failure = Again("no answer in time")
        except aiohttp.ClientConnectorCertificateError as exc:
            failure = Final(_distrusted(exc))
        except aiohttp.ClientHttpProxyError as exc:
            failure = _proxy_refused(exc.status, self._proxy)
        except (aiohttp.ClientError, OSError) as exc:
            failure = Again(_what_failed(exc))
        if status not in (0, 200, 203):  # that it failed is what counts, and what its header says of that
            return Response(status, headers, b"")
        return Response(status, headers, b"", failure)


def _proxy_refused(status: int, address: str) -> Again | Final:
    """Judge a proxy that gives no tunnel; it is no server of the account, and its words are none of the account's."""
    if status == 407:
        what = f"the proxy {address} wants a login, or another one (HTTP 407)"
        return Final(AuthError(what, hint="Write it into the proxy's address: http://USER:PASSWORD@HOST:PORT."))
    if status >= 500 or status in (408, 429):
        return Again(f"the proxy {address} does not reach the account (HTTP {status})")
    what = f"the proxy {address} refuses the way to the account (HTTP {status})"
    return Final(AuthError(what, hint="Ask who runs it to let this host through, or go without it: --proxy off."))


def _distrusted(exc: aiohttp.ClientConnectorCertificateError) -> AuthError:
    """No try changes a certificate, and nothing is sent to whoever can't show a good one."""
    error = exc.certificate_error
    why = getattr(error, "verify_message", "") or str(error)
    return AuthError(
        f"the certificate of {exc.host}:{exc.port} is not to be trusted: {why.rstrip('.')}",
        hint="Nothing was sent there. Behind a proxy that looks into TLS, name its authority with --ca-file.",
    )


def _what_failed(exc: Exception) -> str:
    match exc:
        case aiohttp.ClientProxyConnectionError():
            return f"no connection to the proxy {exc.host}:{exc.port} ({_system(exc.os_error)})"
        case aiohttp.ClientConnectorDNSError():
            return f"{exc.host} is not to be found (DNS)"
        case aiohttp.ClientConnectorError():
            return f"no connection to {exc.host}:{exc.port} ({_system(exc.os_error)})"
        case aiohttp.ClientOSError() if exc.errno and not isinstance(exc, ConnectionResetError):
            return f"the connection failed ({_system(exc)})"
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was lost"
    return type(exc).__name__


def _system(error: OSError) -> str:
    """Return what the system says, without what Python has put around it."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def most_connections() -> int:
    """Return how many connections this process may still open, of the descriptors that the system allows it."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(allowed - len(os.listdir("/dev/fd")) - OTHERS, 1)  # noqa: PTH208 (names, of no folder on a disk)


def timeouts(patience: float) -> aiohttp.ClientTimeout:
    """Bound one request, so that one which hangs leaves patience for another try."""
    return aiohttp.ClientTimeout(
        total=min(WHOLE, patience / 2),
        sock_connect=min(CONNECT, patience / 3),
        sock_read=min(SILENCE, patience / 3),
    )


@asynccontextmanager
async def open_connection(account: Account, *, patience: float) -> AsyncIterator[Connection]:
    """Be ready to connect to the account, and close what is open in the end.

    :param patience: seconds without success after which a run gives up; no request hangs for longer than half of it.
    """
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": f"zexport/{VERSION}"}
    renewing: Renewing | None = None
    if isinstance(account.credentials, ApiToken | OAuthToken):
        headers["Authorization"] = account.credentials.header()
    else:
        renewing = account.credentials
    proxy = find_proxy(account.origin, account.proxy)
    account.hiding.know(*(proxy.secrets() if proxy else ()))
    login = proxy and proxy.user and aiohttp.BasicAuth(proxy.user, proxy.password, "utf-8")
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=account.tls or True),  # the pace bounds what is in flight
        timeout=timeouts(patience),
        cookie_jar=aiohttp.DummyCookieJar(),  # the edge's cookies are no business of ours
        auto_decompress=False,
        max_line_size=HEADER,
        max_field_size=HEADER,
        trust_env=False,
        proxy=proxy.address if proxy else None,
        proxy_auth=login or None,
    ) as session:
        # By itself aiohttp sends a GET again on a kept connection that was lost: a request the pace would not know of.
        session._retry_connection = False
        # Not the session's own headers: aiohttp sends those to a proxy, our Authorization as Proxy-Authorization.
        yield Connection(session, account.origin, renewing, proxy.address if proxy else "", headers)
