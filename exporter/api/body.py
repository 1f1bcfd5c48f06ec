"""A response's body: read and decompressed, both within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from exporter.fastzlib import inflate_errors, inflater

MAX_BODY = 16 << 20
"""Bytes: decoded size of a page at most. 100 users at the largest observed size are 0.2 MB; text fields hold 64 kB."""


class TooLarge(Exception):
    """A body exceeds MAX_BODY."""


class BrokenBody(Exception):
    """A body does not decompress."""


class CutBody(Exception):
    """A body ends early."""


class Content(Protocol):
    """Where a body comes from, as it arrives."""

    def iter_any(self) -> AsyncIterator[bytes]:
        """Yield what has arrived."""


async def read_body(content: Content) -> bytes:
    """Read a body to its end.

    :raises TooLarge: as soon as it is.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            raise TooLarge
        chunks.append(chunk)
    return b"".join(chunks)


def decoded(raw: bytes, encoding: str) -> bytes:
    """Decompress a body, bounded. Not left to aiohttp, which takes a gzip stream that is cut short for whole."""
    if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
        return raw
    if not raw:
        return raw
    stream = inflater(47)  # 32 + 15: finds out whether the header is gzip's or zlib's
    try:
        body: bytes = stream.decompress(raw, MAX_BODY + 1)
    except inflate_errors as exc:
        raise BrokenBody from exc
    if len(body) > MAX_BODY:
        raise TooLarge
    if not stream.eof:
        raise CutBody
    return body
