"""A server that answers with prepared pages: for what a sandbox is too honest for, in a thread of the test's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.support.looks import is_look

_LOOKS = b'{"users":[],"meta":{"has_more":false}}'


class StubServer:
    """Listens on loopback while the context lasts.

    :param pages: bodies, one after another: `page[after]` is the number of the next one.
    :param status: of every answer, with these headers more.
    :param redirect: where every request is sent to, if not None.
    """

    def __init__(self) -> None:
        self.pages: list[bytes] = []
        self.redirect: str | None = None
        self.status, self.headers = 200, dict[str, str]()
        self.requests = 0
        self.paths: set[str] = set()
        self.hosts: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                stub.requests += 1
                stub.paths.add(parts.path)
                stub.hosts.add(self.headers["Host"])
                if stub.redirect is not None:
                    self.send_response(302)
                    self.send_header("Location", stub.redirect)
                    body = b""
                else:
                    self.send_response(stub.status)
                    for name, value in stub.headers.items():
                        self.send_header(name, value)
                    after = parse_qs(parts.query).get("page[after]", ["0"])[0]
                    body = _LOOKS if is_look(self.path) else stub.pages[int(after)]
                    if parts.path.endswith("/count"):
                        body = b'{"count":{"value":4}}'
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def page_of(ids: Iterable[int], more: bool, *, next: str | None = None, before: str = "0") -> bytes:  # noqa: A002 (the link's name)
    """Write a page of agents that leads to the second one."""
    users = [{"id": each, "role": "agent"} for each in ids]
    meta = {"has_more": more, "after_cursor": "1", "before_cursor": before}
    links = {"prev": None, "next": next}
    return json.dumps({"users": users, "meta": meta, "links": links}, separators=(",", ":")).encode()
