"""The cursor codec: byte for byte as observed, and used only while the server agrees."""

from __future__ import annotations

import json
import struct
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.pages.codec import Trust, make_cursor, make_cursors

IDS = st.integers(0, 2**63 - 1)

OBSERVED = {
    6130869168922: "eyJvIjoiaWQiLCJ2IjoiYVJwclIzU1RCUUFBIn0=",
    6130871991962: "eyJvIjoiaWQiLCJ2IjoiYVpwK2NuU1RCUUFBIn0=",
    6130871992602: "eyJvIjoiaWQiLCJ2IjoiYVJxQmNuU1RCUUFBIn0=",
    6162857827738: "eyJvIjoiaWQiLCJ2IjoiYVpxZDgrYWFCUUFBIn0=",
    26363656104979: "eyJvIjoiaWQiLCJ2IjoiYVJOc1cwVDZGd0FBIn0=",
}
OTHERS = {
    "made up by documentation": "eyJvIjoiaWQiLCJ2IjoiYVFFPSJ9",
    "by created_at": "eyJvIjoiY3JlYXRlZF9hdCxpZCIsInYiOiJaSDV6Q0dVQUFBQUFhWnJKcitlYUJRQUEifQ==",
    "by -created_at": "eyJvIjoiLWNyZWF0ZWRfYXQsaWQiLCJ2IjoiWkp6YzBHUUFBQUFBYVJMMzZPL0RDd0FBIn0=",
    "by nice_id": "eyJvIjoibmljZV9pZCIsInYiOiJhUUVBQUFBQUFBQUEifQ==",
    "unpadded": "eyJvIjoiaWQiLCJ2IjoiYVJwclIzU1RCUUFBIn0",
    "of another id": OBSERVED[6130871991962],
    "empty": "",
}
FIRST = 6130869168922


@pytest.mark.parametrize(("user_id", "cursor"), OBSERVED.items())
def test_a_made_cursor_is_the_observed_one(user_id: int, cursor: str) -> None:
    assert make_cursor(user_id) == cursor


@given(IDS)
def test_a_cursor_says_its_order_and_its_id_and_nothing_else(user_id: int) -> None:
    text = b64decode(make_cursor(user_id), validate=True).decode()
    assert text == json.dumps(json.loads(text), separators=(",", ":"))
    assert list(json.loads(text)) == ["o", "v"]
    assert json.loads(text)["o"] == "id"
    assert b64decode(json.loads(text)["v"], validate=True) == struct.pack("<cq", b"i", user_id)


@given(st.lists(IDS, max_size=120))
def test_cursors_made_at_once_are_those_made_one_by_one(ids: list[int]) -> None:
    assert make_cursors(ids) == [make_cursor(each) for each in ids]


@pytest.mark.parametrize("user_id", [2**63, -(2**63) - 1])
def test_an_id_of_more_than_64_bits_has_no_cursor(user_id: int) -> None:
    with pytest.raises(struct.error):
        make_cursor(user_id)


def test_nothing_is_trusted_before_the_server_has_shown_a_cursor() -> None:
    assert not Trust()


def test_one_page_that_agrees_earns_trust() -> None:
    trust = Trust()
    trust.check(list(OBSERVED), list(OBSERVED.values()))
    assert trust


def test_no_cursors_at_all_earn_no_trust() -> None:
    trust = Trust()
    trust.check([], [])
    assert not trust


@pytest.mark.parametrize("cursor", [*OTHERS.values(), None], ids=[*OTHERS, "missing"])
def test_one_mismatch_ends_trust_for_good(cursor: str | None) -> None:
    trust = Trust()
    trust.check([FIRST], [OBSERVED[FIRST]])
    trust.check([FIRST], [cursor])
    trust.check([FIRST], [OBSERVED[FIRST]])
    assert not trust


def test_a_mismatch_before_anything_agreed_ends_trust_for_good() -> None:
    trust = Trust()
    trust.check([FIRST], ["x"])
    trust.check([FIRST], [OBSERVED[FIRST]])
    assert not trust


@given(st.lists(IDS, min_size=2, max_size=20, unique=True), st.data())
def test_a_mismatch_in_the_middle_of_a_page_ends_trust(ids: list[int], data: st.DataObject) -> None:
    issued: list[str | None] = list(make_cursors(ids))
    at = data.draw(st.integers(0, len(ids) - 1))
    issued[at] = data.draw(st.sampled_from([None, "", "x", make_cursor(ids[at - 1])]))
    trust = Trust()
    trust.check(ids, issued)
    assert not trust


@pytest.mark.parametrize(("ids", "issued"), [([FIRST], []), ([], [OBSERVED[FIRST]]), ([FIRST], [OBSERVED[FIRST]] * 2)])
def test_more_or_fewer_cursors_than_ids_are_a_mismatch(ids: list[int], issued: list[str | None]) -> None:
    trust = Trust()
    trust.check([FIRST], [OBSERVED[FIRST]])
    trust.check(ids, issued)
    assert not trust


def test_trust_shows_its_state() -> None:
    trust = Trust()
    states = [repr(trust)]
    for cursor in (OBSERVED[FIRST], "x"):
        trust.check([FIRST], [cursor])
        states.append(repr(trust))
    assert states == ["<Trust not yet earned>", "<Trust earned>", "<Trust lost>"]
