"""A response's body: read and decompressed, both within bounds."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import AsyncIterator
from typing import Protocol

from exporter.fastzlib import inflate_errors, inflater

MAX_BODY = 16 << 20
"""Bytes: decoded size of a page at most. 100 users at the largest observed size are 0.2 MB; text fields hold 64 kB."""

GZIP = b"\x1f\x8b"
"""How each member of a gzip stream begins."""
MEMBERS = 64
"""Members of a gzip stream at most: one for a chunk is odd enough, and each costs a copy of what is left."""


class TooLarge(Exception):
    """A body exceeds MAX_BODY."""


class BrokenBody(Exception):
    """A body does not decompress."""


class CutBody(Exception):
    """A body ends early."""


class UnknownEncoding(Exception):
    """A body is encoded in a way that nobody asked for."""


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
    """Decompress a body, bounded, and take a byte order mark away.

    Not left to aiohttp, which takes a gzip stream that is cut short for whole, and none of several members.

    :raises UnknownEncoding: if it is neither gzip nor deflate nor plain.
    """
    encodings = [each for part in encoding.lower().split(",") if (each := part.strip()) not in ("", "identity")]
    if not encodings or not raw:
        return raw.removeprefix(BOM_UTF8)
    if len(encodings) > 1 or encodings[0] not in ("gzip", "x-gzip", "deflate"):
        raise UnknownEncoding
    members: list[bytes] = []
    size, rest = 0, raw
    while not members or rest.startswith(GZIP):
        stream = inflater(47)  # 32 + 15: finds out whether the header is gzip's or zlib's
        try:
            members.append(stream.decompress(rest, MAX_BODY + 1 - size))
        except inflate_errors as exc:
            raise BrokenBody from exc
        size += len(members[-1])
        if size > MAX_BODY:
            raise TooLarge
        if not stream.eof:
            raise CutBody
        rest = stream.unused_data
        if len(members) == MEMBERS and rest.startswith(GZIP):
            raise BrokenBody
    return b"".join(members).removeprefix(BOM_UTF8)
