"""Bodies as they go over the wire: compressed for clients that take it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, TypeAlias

from aiohttp import HttpVersion11

from exporter.sandbox.endpoint.answers import JSON, Answer

if TYPE_CHECKING:
    from aiohttp import web

try:
    from isal.isal_zlib import compress as _compress  # optional: takes a fifth of the time
except ImportError:
    _compress = zlib.compress

Headers: TypeAlias = list[tuple[str, str]]

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no name, no time, from an unknown system."""

_GZIP = 31  # the window's size, and a gzip header around it


def is_content(request: web.BaseRequest, answer: Answer) -> bool:
    """Tell whether this is what was asked for, to a client that understands chunks."""
    return (
        answer.status == 200 and answer.content_type == JSON and request.version >= HttpVersion11 and answer.body != b""
    )


def encoded(request: web.BaseRequest, answer: Answer, headers: Headers) -> bytes:
    """Compress content for a client that takes gzip, and say so in the headers."""
    if not is_content(request, answer) or "gzip" not in request.headers.get("accept-encoding", ""):
        return answer.body
    headers.append(("content-encoding", "gzip"))
    return compressed(answer.body)


def compressed(body: bytes) -> bytes:
    """Return a body as gzip."""
    return _compress(body, 1, _GZIP)
