"""A server in front of the sandbox, over TLS or not: it notes what it is sent, and can answer itself."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

TIMEOUT = 30.0
PASSED_ON = ("authorization", "accept-encoding")


@dataclass(frozen=True)
class Asked:
    """A request: its number from 1, its path with the query, and its headers, with lower-case names."""

    number: int
    target: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What the front answers itself."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Front:
    """Listens on a free port of 127.0.0.1 for as long as the context lasts.

    :param upstream: the sandbox's URL; empty: the front answers all by itself.
    :param answer: answers a request itself, or says None to pass it on.
    :param drop: headers of the sandbox's answers, in lower case, that it doesn't pass on.
    :param tls: what it shows and takes as a TLS server; None for plain HTTP.
    """

    def __init__(
        self,
        upstream: str = "",
        answer: Callable[[Asked], Reply | None] = lambda _: None,
        *,
        tls: ssl.SSLContext | None = None,
        drop: tuple[str, ...] = (),
    ) -> None:
        self.drop = (*_HOP, *drop)
        self.upstream, self.answer = urlsplit(upstream).netloc, answer
        self.asked: list[Asked] = []
        self.received = bytearray()
        """Every byte that came in, after TLS."""
        self.lock = Lock()
        front = self

        class Handler(_Handler):
            owner = front

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.tls = tls
        self.port: int = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(TIMEOUT)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tls: ssl.SSLContext | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread; a client that trusts nobody ends it there."""
        if self.tls is not None:
            request.settimeout(TIMEOUT)
            request = self.tls.wrap_socket(request, server_side=True)
        try:
            super().finish_request(request, client_address)
        finally:
            if self.tls is not None:
                request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that hang up are what is tested."""


class _Recorded(socket.SocketIO):
    """Reads a socket, and keeps a copy of what came."""

    copy: bytearray

    def readinto(self, b: Any) -> int | None:
        count = super().readinto(b)
        self.copy += bytes(memoryview(b)[: count or 0])
        return count


class _Handler(BaseHTTPRequestHandler):
    owner: Front
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        raw = _Recorded(self.connection, "r")
        raw.copy = self.owner.received
        self.rfile.close()
        self.rfile = io.BufferedReader(raw)

    def do_GET(self) -> None:
        with self.owner.lock:
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(len(self.owner.asked) + 1, self.path, headers)
            self.owner.asked.append(asked)
        self._send(self.owner.answer(asked) or self._passed_on(asked))

    def do_CONNECT(self) -> None:
        self.do_GET()  # a proxy would be asked for this

    def _passed_on(self, asked: Asked) -> Reply:
        connection = HTTPConnection(self.owner.upstream, timeout=TIMEOUT)
        try:
            headers = {name: value for name, value in asked.headers.items() if name in PASSED_ON}
            connection.request("GET", asked.target, headers=headers)
            response = connection.getresponse()
            kept = {name: value for name, value in response.getheaders() if name.lower() not in self.owner.drop}
            return Reply(response.status, response.read(), kept)
        finally:
            connection.close()

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in {**reply.headers, "Content-Length": str(len(reply.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


_HOP = ("connection", "transfer-encoding", "content-length")
