"""Answers that are good and look odd are taken; an encoding that nobody asked for is named."""

from __future__ import annotations

import gzip

import anyio
import pytest

from exporter.account import load_account
from exporter.api.body import MEMBERS, BrokenBody, CutBody, decoded
from exporter.api.connection import Response, open_connection
from exporter.api.verdict import NoPage, told
from tests.support.stub_server import StubServer

BODY = b'{"users":[]}'
BOM = b"\xef\xbb\xbf"
TWO = gzip.compress(BODY[:5]) + gzip.compress(BODY[5:])


def _ask(body: bytes, status: int, headers: dict[str, str]) -> Response:
    async def ask(url: str) -> Response:
        async with open_connection(load_account(url), patience=10) as connection:
            return await connection.get("/api/v2/users")

    with StubServer() as stub:
        stub.pages, stub.status, stub.headers = [body], status, headers
        return anyio.run(ask, stub.url)


@pytest.mark.parametrize(
    ("body", "status", "headers"),
    [
        (BOM + BODY, 200, {}),
        (BODY, 203, {}),
        (gzip.compress(BOM + BODY), 200, {"Content-Encoding": "gzip, identity"}),
        (TWO, 200, {"Content-Encoding": "gzip"}),
        (BODY, 200, {"Content-Security-Policy": "x" * 60_000}),
    ],
    ids=["mark", "203", "beside-identity", "members", "long-header"],
)
def test_good_answers_are_taken(body: bytes, status: int, headers: dict[str, str]) -> None:
    came = _ask(body, status, headers)
    assert (came.failure, came.body) == (None, BODY)


def test_an_encoding_that_nobody_asked_for_is_named() -> None:
    failure = _ask(BODY, 200, {"Content-Encoding": "br"}).failure
    assert isinstance(failure, NoPage)
    assert "encoding that nobody asked for" in failure.why


def test_a_second_member_that_is_cut_is_no_whole_body() -> None:
    with pytest.raises(CutBody):
        decoded(TWO[:-9], "gzip")


def test_a_stream_of_countless_members_is_broken_and_costs_no_time() -> None:
    member = gzip.compress(b" ")
    assert decoded(member * MEMBERS, "gzip") == b" " * MEMBERS
    with pytest.raises(BrokenBody):
        decoded(member * 500_000, "gzip")


def test_an_error_that_comes_with_200_is_told_and_a_page_says_nothing() -> None:
    assert told(b'{"error":{"title":"Busy","message":"try later"}}') == "Busy: try later"
    assert [told(body) for body in (b'{"users":[],"error":"x"}', b'["a"]', b"<p>a", b'{"us')] == [""] * 4
