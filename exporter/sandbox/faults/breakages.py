"""Ways to deliver an answer badly: what goes wrong between a server and its client, below HTTP and right above it."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import HttpVersion11, web

from exporter.sandbox.endpoint.answers import Answer, Delivery
from exporter.sandbox.endpoint.encoding import GZIP_HEADER, compressed, encoded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from exporter.sandbox.endpoint.encoding import Headers

Way: TypeAlias = "Callable[[web.BaseRequest, Answer, Headers], Awaitable[web.StreamResponse]]"
"""Sends an answer with these headers."""

_MEBIBYTE = 1 << 20
_PIECES_A_SECOND = 20
_LOOK_EVERY = 0.05  # seconds


async def _reset(request: web.BaseRequest, _: Answer, __: Headers) -> web.StreamResponse:
    """Close the connection so that the client gets a reset, with nothing sent."""
    transport = _transport(request)
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    return web.Response()


async def _closed(request: web.BaseRequest, _: Answer, __: Headers) -> web.StreamResponse:
    """Close the connection in an orderly way, with nothing sent: as a server does that has waited for too long."""
    _transport(request).close()
    return web.Response()


async def _short(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Announce the length of the body, send half of it and close the connection."""
    body = encoded(request, answer, headers)
    response = web.StreamResponse(status=answer.status, headers=[*headers, ("content-length", str(len(body)))])
    await response.prepare(request)
    _transport(request).write(body[: len(body) // 2])
    _transport(request).close()
    return response


async def _unbounded(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send half of the gzip and close the connection, where only that tells the end of the body."""
    lines = [*headers, ("content-encoding", "gzip"), ("connection", "close")]
    head = "".join(f"{name}: {value}\r\n" for name, value in lines)
    body = compressed(answer.body)
    _transport(request).write(f"HTTP/1.1 {answer.status} OK\r\n{head}\r\n".encode() + body[: len(body) // 2])
    _transport(request).close()
    return web.Response()


async def _silent(request: web.BaseRequest, _: Answer, __: Headers) -> web.StreamResponse:
    """Send nothing, as long as the client waits."""
    await _gone(_transport(request))
    return web.Response()


async def _truncated(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Announce a chunk, send half of it and close the connection."""
    response = await _half(request, answer, headers)
    _transport(request).close()
    return response


async def _stalled(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Announce a chunk, send half of it and no more, as long as the client waits."""
    response = await _half(request, answer, headers)
    await _gone(_transport(request))
    return response


async def _dripping(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send a few bytes at a time."""
    body = encoded(request, answer, headers)
    piece = max(answer.measure // _PIECES_A_SECOND, 1)
    response = await _begun(request, answer, headers)
    transport = _transport(request)
    for start in range(0, len(body), piece):
        if transport.is_closing():
            break
        await response.write(body[start : start + piece])
        await asyncio.sleep(piece / answer.measure)
    return response


async def _bad_gzip(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Say that it is gzip, and send it as it is."""
    return _gzip(request, answer, headers, answer.body)


async def _cut_gzip(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send half of the gzip as if it were the whole."""
    body = compressed(answer.body)
    return _gzip(request, answer, headers, body[: len(body) // 2])


async def _bomb(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send the body and very many blanks behind it, which JSON allows."""
    return _gzip(request, answer, headers, inflated(answer.body, answer.measure))


def inflated(body: bytes, mebibytes: int) -> bytes:
    """Return gzip of a body and so many MiB of blanks, of which one is compressed and the others are copies."""
    blanks = b" " * _MEBIBYTE
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = deflate.compress(body) + deflate.flush(zlib.Z_FULL_FLUSH)
    block = deflate.compress(blanks) + deflate.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    checksum = zlib.crc32(body)
    for _ in range(mebibytes):
        checksum = zlib.crc32(blanks, checksum)
    length = len(body) + mebibytes * _MEBIBYTE
    tail = deflate.flush() + struct.pack("<II", checksum, length & 0xFFFFFFFF)
    return GZIP_HEADER + head + block * mebibytes + tail


BREAKAGES: dict[Delivery, Way] = {
    Delivery.RESET: _reset,
    Delivery.CLOSED: _closed,
    Delivery.SHORT: _short,
    Delivery.UNBOUNDED: _unbounded,
    Delivery.SILENT: _silent,
    Delivery.TRUNCATED: _truncated,
    Delivery.STALLED: _stalled,
    Delivery.DRIPPING: _dripping,
    Delivery.BAD_GZIP: _bad_gzip,
    Delivery.CUT_GZIP: _cut_gzip,
    Delivery.BOMB: _bomb,
}
"""Every way but the right one."""


async def _begun(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send the head of a response."""
    response = web.StreamResponse(status=answer.status, headers=headers)
    _in_chunks(request, response)
    await response.prepare(request)
    return response


async def _half(request: web.BaseRequest, answer: Answer, headers: Headers) -> web.StreamResponse:
    """Send the head, announce the body as one chunk and send half of it."""
    body = encoded(request, answer, headers)
    response = await _begun(request, answer, headers)
    announcement = b"%x\r\n" % len(body) if response.chunked else b""
    _transport(request).write(announcement + body[: len(body) // 2])
    return response


def _gzip(request: web.BaseRequest, answer: Answer, headers: Headers, body: bytes) -> web.StreamResponse:
    """Return a whole response that is said to be gzip."""
    response = web.Response(status=answer.status, body=body, headers=[*headers, ("content-encoding", "gzip")])
    _in_chunks(request, response)
    return response


def _in_chunks(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Let a response go in chunks, to a client that understands them."""
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()


async def _gone(transport: asyncio.WriteTransport) -> None:
    """Wait until the client goes away."""
    while not transport.is_closing():  # noqa: ASYNC110 - aiohttp tells no handler of it
        await asyncio.sleep(_LOOK_EVERY)


def _transport(request: web.BaseRequest) -> asyncio.WriteTransport:
    if request.transport is None:
        raise ConnectionResetError("the client has gone")
    return request.transport
