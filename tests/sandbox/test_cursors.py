"""The sandbox's cursors, byte for byte as recorded, and what it makes of others."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sandbox.endpoint.cursors import BadCursorError, Codec, Seal

BY_ID = Codec("id")
BY_NAME = Codec("name")
BY_CREATION = Codec("created_at")
LATEST_FIRST = Codec("created_at", descending=True)

RECORDED = [
    (BY_ID, (6130869168922,), "eyJvIjoiaWQiLCJ2IjoiYVJwclIzU1RCUUFBIn0="),
    (BY_ID, (6130871991962,), "eyJvIjoiaWQiLCJ2IjoiYVpwK2NuU1RCUUFBIn0="),
    (BY_ID, (6130871992602,), "eyJvIjoiaWQiLCJ2IjoiYVJxQmNuU1RCUUFBIn0="),
    (BY_ID, (6162857827738,), "eyJvIjoiaWQiLCJ2IjoiYVpxZDgrYWFCUUFBIn0="),
    (BY_ID, (26363656104979,), "eyJvIjoiaWQiLCJ2IjoiYVJOc1cwVDZGd0FBIn0="),
    (
        BY_CREATION,
        (1695052670, 6162870159770),
        "eyJvIjoiY3JlYXRlZF9hdCxpZCIsInYiOiJaSDV6Q0dVQUFBQUFhWnJKcitlYUJRQUEifQ==",
    ),
    (
        BY_CREATION,
        (1694303525, 6130852545178),
        "eyJvIjoiY3JlYXRlZF9hdCxpZCIsInYiOiJaQ1VGL1dRQUFBQUFhWnJDU1hPVEJRQUEifQ==",
    ),
    (
        BY_CREATION,
        (1694303525, 6130876540314),
        "eyJvIjoiY3JlYXRlZF9hdCxpZCIsInYiOiJaQ1VGL1dRQUFBQUFhWnJsdDNTVEJRQUEifQ==",
    ),
    (
        LATEST_FIRST,
        (1691409564, 12936171550482),
        "eyJvIjoiLWNyZWF0ZWRfYXQsaWQiLCJ2IjoiWkp6YzBHUUFBQUFBYVJMMzZPL0RDd0FBIn0=",
    ),
    (
        LATEST_FIRST,
        (1691409714, 12936268530194),
        "eyJvIjoiLWNyZWF0ZWRfYXQsaWQiLCJ2IjoiWkRMZDBHUUFBQUFBYVJMQ3NQWERDd0FBIn0=",
    ),
    (
        LATEST_FIRST,
        (1691409577, 12936172258706),
        "eyJvIjoiLWNyZWF0ZWRfYXQsaWQiLCJ2IjoiWktuYzBHUUFBQUFBYVpMRjgrL0RDd0FBIn0=",
    ),
]

TITLE = "eyJvIjoidGl0bGUsaWQiLCJ2IjoiY3drQUFBQlVaWE4wVFdGamNtOXBHc3lhTVpzRkFBQT0ifQ=="
"""Recorded at a sibling that sorts by title: 'TestMacro', 6164110298138."""

int64 = st.integers(-(2**63), 2**63 - 1)


def forged(content: object) -> str:
    return b64encode(json.dumps(content).encode()).decode()


def packed(content: bytes) -> str:
    return b64encode(content).decode()


@pytest.mark.parametrize(("codec", "values", "cursor"), RECORDED)
def test_a_recorded_cursor_is_made_again_byte_for_byte(codec: Codec, values: tuple[int, ...], cursor: str) -> None:
    assert codec.encode(*values) == cursor


@pytest.mark.parametrize(("codec", "values", "cursor"), RECORDED)
def test_a_recorded_cursor_is_read(codec: Codec, values: tuple[int, ...], cursor: str) -> None:
    assert codec.decode(cursor) == values


def test_texts_are_packed_as_recorded() -> None:
    recorded = json.loads(b64decode(TITLE))
    made = json.loads(b64decode(BY_NAME.encode("TestMacro", 6164110298138)))
    assert made["v"] == recorded["v"]


def test_the_length_of_a_text_counts_characters_not_bytes() -> None:
    values = b64decode(json.loads(b64decode(BY_NAME.encode("🎯A is for Aleph", 1)))["v"])
    assert values[:5] == b"s" + (15).to_bytes(4, "little")


def test_orders_are_named_by_their_columns_with_the_id_behind() -> None:
    descending = [Codec(sort, descending=True).order for sort in ("id", "name", "updated_at")]
    assert [BY_ID.order, BY_NAME.order, *descending] == ["id", "name,id", "-id", "-name,id", "-updated_at,id"]


@given(int64, st.text(), st.booleans())
@settings(deadline=None)
def test_whatever_is_written_is_read_again(user: int, name: str, descending: bool) -> None:
    for codec, values in (
        (Codec("id", descending=descending), (user,)),
        (Codec("updated_at", descending=descending), (-user - 1, user)),
        (Codec("name", descending=descending), (name, user)),
    ):
        assert codec.decode(codec.encode(*values)) == values


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "not base64!",
        "é",
        RECORDED[0][2].rstrip("="),
        RECORDED[0][2] + "=",
        "eyJvIjoiaWQiLCJ2IjoiYVFFPSJ9",  # the example in the service's documentation: its number is cut
        RECORDED[5][2],  # of another order
        forged([]),
        forged("id"),
        forged(None),
        forged({}),
        forged({"o": "id"}),
        forged({"o": "id", "v": 1}),
        forged({"o": "id", "v": "é"}),
        forged({"o": "id", "v": packed(b"")}),
        forged({"o": "id", "v": packed(b"d" + bytes(8))}),
        forged({"o": "id", "v": packed(b"i" + bytes(9))}),
        forged({"o": ["id"], "v": packed(b"i" + bytes(8))}),
        b64encode(b"[" * 5_000).decode(),
    ],
)
def test_what_is_no_cursor_of_this_order_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursorError):
        BY_ID.decode(cursor)


@pytest.mark.parametrize(
    "values",
    [
        b"s\x05\x00\x00\x00abc",  # shorter than it says
        b"s\xff\xff\xff\xffabci" + bytes(8),
        b"s\x01\x00\x00\x00\xffi" + bytes(8),  # no UTF-8
        b"s\x01\x00\x00\x00a",  # without the id
        b"s\x01",
        b"i" + bytes(8) + b"i" + bytes(8),
    ],
)
def test_a_name_that_is_cut_or_broken_is_refused(values: bytes) -> None:
    with pytest.raises(BadCursorError):
        BY_NAME.decode(forged({"o": "name,id", "v": packed(values)}))


@given(st.text())
@settings(deadline=None)
def test_any_text_is_a_cursor_or_refused(text: str) -> None:
    for read in (BY_ID.decode, BY_NAME.decode, Seal(1).unwrap):
        with pytest.raises(BadCursorError):
            read(text)


@given(int64)
@settings(deadline=None)
def test_a_sealed_cursor_tells_nothing_and_can_be_opened(user: int) -> None:
    cursor = BY_ID.encode(user)
    sealed = Seal(1).wrap(cursor)
    with pytest.raises(BadCursorError):
        BY_ID.decode(sealed)
    assert b'"o"' not in b64decode(sealed, b"-_")
    assert Seal(1).unwrap(sealed) == cursor


def test_a_seal_opens_no_cursor_of_another_account() -> None:
    with pytest.raises(BadCursorError):
        Seal(2).unwrap(Seal(1).wrap(BY_ID.encode(1)))


def test_neighbours_look_nothing_alike_when_sealed() -> None:
    first, second = (Seal(1).wrap(BY_ID.encode(user)) for user in (1, 2))
    assert sum(one == other for one, other in zip(first, second, strict=True)) < len(first) / 4
