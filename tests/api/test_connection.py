"""Faults 10, 11 and 23: a response that failed is judged by its status and headers, whatever its body is like."""

from __future__ import annotations

import asyncio

import pytest

from exporter.account.credentials import load_account
from exporter.api.connection import open_connection


@pytest.mark.anyio
@pytest.mark.parametrize("status", [401, 429, 503])
@pytest.mark.parametrize(
    "body", [b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain", b"Content-Length: 50\r\n\r\ncut"]
)
async def test_a_failed_response_with_a_broken_body_keeps_its_status_and_headers(status: int, body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 %d Failed\r\nRetry-After: 30\r\n%b" % (status, body))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        account = load_account(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        async with open_connection(account, patience=10) as connection:
            came = await connection.get("/api/v2/users", [])
    assert (came.status, came.headers["retry-after"], came.failure) == (status, "30", None)
