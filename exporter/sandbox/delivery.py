"""From an answer to bytes on a socket: headers, compression, chunks, and the ways to break off.

To add a way, name it in `Delivery`, write a function here and enter it in `_WAYS`.
"""

from __future__ import annotations

import socket
import struct
import zlib
from email.utils import formatdate
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import HttpVersion11, web

from exporter.sandbox.answers import JSON, Answer, Delivery

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

try:
    from isal.isal_zlib import compress as _compress  # optional: takes a fifth of the time
except ImportError:
    _compress = zlib.compress

Headers: TypeAlias = list[tuple[str, str]]

_GZIP = 31  # the window's size, and a gzip header around it

_EVERY_RESPONSE = (
    ("server", "cloudflare"),
    ("cache-control", "max-age=0, private, must-revalidate"),
    ("strict-transport-security", "max-age=31536000;"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-zendesk-api-version", "v2"),
    ("x-zendesk-application-version", "v19942"),
    ("x-zendesk-origin-server", "sandbox"),
    ("x-zendesk-api-gateway", "yes"),
    ("x-zendesk-zorg", "yes"),
)
"""Names and values: observed, save for the origin server's."""


def headers_of(answer: Answer, number: int, runtime: float, now: float) -> Headers:
    """Return the headers of a response as the service sends them (names: observed).

    :param number: the number of the request, which makes its id.
    :param runtime: seconds.
    :param now: the time, in unix seconds.
    """
    request_id = f"{number:016x}-LIS"  # in the form of a cf-ray, and there twice
    return [
        ("date", formatdate(now, usegmt=True)),
        ("content-type", answer.content_type),
        *_EVERY_RESPONSE,
        ("cf-ray", request_id),
        ("x-request-id", request_id),
        ("x-request-id", request_id),
        ("x-runtime", f"{runtime:.6f}"),
        ("set-cookie", f"__cf_bm={number:x}; path=/; HttpOnly; Secure; SameSite=None"),
        *answer.headers.items(),
    ]


async def deliver(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send an answer the way it demands."""
    return await _WAYS[answer.delivery](request, answer, headers)


async def _whole(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send all: content in chunks, and compressed if the client takes gzip (observed); all else with its length."""
    body = _encode(request, answer, headers)
    if _is_content(request, answer):
        headers.append(("etag", f'W/"{zlib.crc32(body):08x}"'))
        response = web.Response(body=body, headers=headers)
        response.enable_chunked_encoding()
        return response
    return web.Response(body=body, status=answer.status, headers=headers)


async def _truncated(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Announce a chunk, send half of it and close the connection."""
    body = _encode(request, answer, headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    transport = _transport(request)
    transport.write(b"%x\r\n%b" % (len(body), body[: len(body) // 2]))
    transport.close()
    return response


async def _reset(request: web.BaseRequest, _: Answer, __: Headers) -> web.StreamResponse:
    """Close the connection so that the client gets a reset, with nothing sent."""
    transport = _transport(request)
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return web.Response()


_WAYS: dict[Delivery, Callable[[web.BaseRequest, Answer, Headers], Awaitable[web.StreamResponse]]] = {
    Delivery.WHOLE: _whole,
    Delivery.TRUNCATED: _truncated,
    Delivery.RESET: _reset,
}


def _is_content(request: web.BaseRequest, answer: Answer) -> bool:
    """Tell whether this is what was asked for, to a client that understands chunks."""
    return answer.status == 200 and answer.content_type == JSON and request.version >= HttpVersion11


def _encode(request: web.BaseRequest, answer: Answer, headers: Headers) -> bytes:
    """Compress content for a client that takes gzip, and say so in the headers."""
    if not _is_content(request, answer) or "gzip" not in request.headers.get("accept-encoding", ""):
        return answer.body
    headers.append(("content-encoding", "gzip"))
    return _compress(answer.body, 1, _GZIP)


def _transport(request: web.BaseRequest) -> asyncio.WriteTransport:
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    return request.transport
