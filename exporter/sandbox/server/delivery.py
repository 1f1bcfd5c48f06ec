"""From an answer to bytes on a socket: headers, compression, chunks.

To add a way to do it badly, name it in `Delivery`, write a function in `breakages` and enter it in its table.
"""

from __future__ import annotations

import zlib
from email.utils import formatdate
from typing import TYPE_CHECKING

from aiohttp import web

from exporter.sandbox.endpoint.answers import Answer, Delivery
from exporter.sandbox.endpoint.encoding import encoded, is_content
from exporter.sandbox.faults.breakages import BREAKAGES

if TYPE_CHECKING:
    from exporter.sandbox.endpoint.encoding import Headers

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
    """Send an answer the way it demands.

    If that is whole: content in chunks, and compressed if the client takes gzip (observed); all else with its length.
    """
    if answer.delivery is not Delivery.WHOLE:
        return await BREAKAGES[answer.delivery](request, answer, headers)
    body = encoded(request, answer, headers)
    if is_content(request, answer):
        headers.append(("etag", f'W/"{zlib.crc32(body):08x}"'))
        response = web.Response(body=body, headers=headers)
        response.enable_chunked_encoding()
        return response
    return web.Response(body=body, status=answer.status, headers=headers)
