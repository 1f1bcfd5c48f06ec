"""Fault case 15, and 16: any bytes in the place of a page are one, or are refused; in bounded time and memory (P7, P8).

Good pages, with item cursors wherever servers might put them and with sideloads, are damaged as the way damages them
and as no way would. Then there are bodies made to be slow: a megabyte or more of what a parser may go over once again
at every byte of it.
"""

from __future__ import annotations

import json
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.errors import NotAPage
from exporter.pages import wire
from tests.support.wire_pages import OFFSET, QUERY, check_lines, page

MEGABYTE = 1_000_000


def _user(number: int, tail: str = "") -> str:
    return (
        f'{{"id":{number},"name":"Zoë \\ud83d\\ude00 \\"{number}\\" \\\\","role":"end-user","tags":["a","b\\u0000"],'
        f'"user_fields":{{"x":1e400,"y":123456789012345678901234567890,"z":null}},"notes":"é\u2028 \\ud800?"{tail}}}'
    )


def _good(place: int, count: int, space: str) -> bytes:
    """Make a good page, with item cursors in one of the places where they might be, or in none."""
    cursors = [f"c{number:04}==" for number in range(1, count + 1)]
    tails = {
        1: ',"meta":{{"cursor":"{}"}}',
        2: ',"meta":{{"page":{{"cursor":"{}"}}}}',
        3: ',"cursor":"{}"',
        4: ',"cursor":"{}","last":{{}}',
    }
    tail = tails.get(place, "")
    users = f",{space}".join(_user(number, tail.format(cursor)) for number, cursor in enumerate(cursors, 1))
    meta: dict[str, Any] = {"has_more": True, "before_cursor": cursors[0], "after_cursor": cursors[-1]}
    listed: dict[int, dict[str, Any]] = {
        5: {"item_cursors": cursors},
        6: {"cursors": {str(at): each for at, each in enumerate(cursors, 1)}},
    }
    more = (
        ',"groups":[{"id":1,"name":"é"},{"id":2}],"abilities":[{"user_id":1,"can":true}],"next_page":null,'
        '"after_cursor":"x","end_of_stream":false'
    )
    return page(users.encode(), json.dumps(meta | listed.get(place, {})).encode(), more.encode())


GOOD = st.builds(_good, st.integers(0, 6), st.integers(1, 4), st.sampled_from(["", " ", "\n  "]))
PIECES = st.binary(max_size=4) | st.sampled_from(
    [
        *(b"", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\0", b"\xff", b"\xed\xa0\x80", rb"\ud800"),
        *(rb"\udc00", b'"cursor":"c0001=="', b'"meta":{"cursor":"c0001=="}', b'{"id":1}', b"1e400", b'"id":', b"\\u"),
    ]
)
WAYS = st.lists(st.sampled_from(["cut", "splice", "flip", "again", "nest", "other"]), min_size=1, max_size=4)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Damage a good page in one to four ways."""
    body = draw(GOOD)
    for way in draw(WAYS):
        at = draw(st.integers(0, len(body)))
        end = min(len(body), at + draw(st.integers(0, 60)))
        match way:
            case "cut":
                body = body[:at]
            case "splice":
                body = body[:at] + draw(PIECES) + body[end:]
            case "flip" if at < len(body):
                body = body[:at] + bytes([body[at] ^ draw(st.integers(1, 255))]) + body[at + 1 :]
            case "again":
                body = body[:end] + body[at:end] * draw(st.integers(0, 3)) + body[end:]
            case "nest":
                opened, closed = draw(st.sampled_from([(b"[", b"]"), (b'{"meta":', b"}"), (b'{"cursor":', b"}")]))
                depth = draw(st.sampled_from([1, 5, 900, 1100, 5000]))
                body = body[:at] + opened * depth + draw(PIECES) + closed * depth + body[at:]
            case "other":
                body = body[:at] + draw(GOOD)[at:]
    return body


def survive(body: bytes) -> None:
    """Read a body in each of the ways in which it may be read."""
    check_lines(body, QUERY)
    check_lines(body, OFFSET)
    try:
        found = wire.read_increment(body)
    except NotAPage:
        return
    for line in found.lines:
        assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
        assert b"\r" not in line
        assert json.loads(line.decode("utf-8", "strict"), parse_constant=pytest.fail) is not None


def test_good_pages_are_read_wherever_their_cursors_are() -> None:
    for place in range(7):
        found = wire.read_page(_good(place, 3, "\n"), QUERY, *QUERY.roles)
        assert len(found.lines) == 3
        assert found.cursors == (["c0001==", "c0002==", "c0003=="] if place else None)
        assert not any(b"c0001==" in line for line in found.lines)
        assert len(wire.read_increment(_good(place, 3, "")).lines) == 3


NOISE = st.binary(max_size=300) | st.lists(PIECES, max_size=30).map(b"".join)


@given(NOISE)
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    survive(body)


@given(damaged())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_page_is_read_or_refused(body: bytes) -> None:
    survive(body)


def _of(piece: bytes) -> Callable[[int], bytes]:
    """Make a body of a size that is this piece over and over, as the text of a user."""
    return lambda size: page(b'{"id":1,"n":"%b"}' % (piece * (size // len(piece))))


def _raw(piece: bytes, before: bytes = b'{"users":[') -> Callable[[int], bytes]:
    """The same, as all that follows the beginning of a page."""
    return lambda size: before + piece * (size // len(piece))


def _many(user: bytes) -> Callable[[int], bytes]:
    """Make a page of a size of one user over and over, its cursors the page's own."""
    meta = b'{"has_more":true,"after_cursor":"z","before_cursor":"z"}'
    return lambda size: page(b",".join([user] * (size // len(user))), meta)


def _one(member: bytes, last: bytes = b'"cursor":"z"') -> Callable[[int], bytes]:
    """Make a page of one user of a size, of one member over and over, whose cursor is to be found."""
    meta = b'{"has_more":true,"after_cursor":"z","before_cursor":"z"}'
    return lambda size: page(b'{"id":1,%b%b,"e":1}' % ((member + b",") * (size // len(member)), last), meta)


SLOW: dict[str, Callable[[int], bytes]] = {
    "quotes": _raw(b'"'),
    "quotes after a line break": _raw(b'"\n'),
    "quotes escaped": _of(rb"\""),
    "quotes escaped, and no Unicode": lambda size: _of(rb"\"")(size).replace(b'"n":"', b'"n":"\xff', 1),
    "an escaped quote that never ends": _raw(rb"\"", b'{"users":[{"id":1,"n":"\xff'),
    "backslashes": _of(rb"\\"),
    "backslashes and no Unicode": lambda size: _of(rb"\\")(size).replace(b'"n":"', b'"n":"\xff', 1),
    "a backslash at the end": _raw(b"\\", b'{"users":[{"id":1,"n":"\xff'),
    "braces": _raw(b"{"),
    "braces and names": _raw(b'{"meta":'),
    "brackets": _raw(b"["),
    "brackets closed": lambda size: page(b'{"id":1,"n":%b%b}' % (b"[" * (size // 2), b"]" * (size // 2))),
    "surrogates": _of(rb"\ud800"),
    "surrogates the wrong way round": _of(rb"\udc00\ud83d"),
    "surrogates in bytes": _of(b"\xed\xa0\x80"),
    "no Unicode at all": _of(b"\xff"),
    "no Unicode here and there": _of(b"\xffa"),
    "control characters": _of(b"\0"),
    "line breaks": _of(b"\n"),
    "blanks": _raw(b" "),
    "blanks within a user": lambda size: page(b'{"id":1,%b"n":\n1}' % (b" " * size)),
    "digits": lambda size: page(b'{"id":1,"n":%b}' % (b"1" * size)),
    "an id without end": lambda size: page(b'{"id":%b}' % (b"1" * size)),
    "cursors that differ": _one(b'"cursor":"a"'),
    "cursors that are the same": _one(b'"cursor":"z"'),
    "cursors in meta": _one(b'"meta":{"cursor":"z"}', b'"meta":{"cursor":"z"}'),
    "cursors spelt otherwise": _one(b'"n":{"cursor":"z"}', b'"cursor" : "z"'),
    "cursors within a text": _one(rb'"n":"\"cursor\":\"z\""'),
    "users with cursors": _many(b'{"id":1,"cursor":"z"}'),
    "users with cursors in the middle": _many(b'{"id":1,"cursor":"z","n":{"cursor":"z"}}'),
    "users with cursors in the middle, spelt otherwise": _many(b'{"id":1,"cursor" : "z","n":{"cursor":"z"}}'),
    "users who are nobody": _many(b"{}"),
    "users who are no objects": _many(b"1"),
    "users twice": _raw(b'"users":[{"id":1}],', b"{"),
    "lists of users in lists": _raw(b'{"users":[', b""),
    "tags": _raw(b"<", b" "),
    "sideloads": lambda size: page(more=b',"groups":[%b{}]' % (b"{}," * (size // 3))),
    "keys": lambda size: page(b'{"id":1%b}' % (b',"k":1' * (size // 6))),
}
"""Bodies that a reader which looks back, ahead or over again takes the square of their size for."""

BYTES_PER_BYTE = 150
"""Memory a byte of a body may take: replacing each other byte of a text makes a few small objects for each."""


def read_both(body: bytes) -> None:
    """Read a body as either kind of page, and look at nothing."""
    with suppress(NotAPage):
        wire.read_page(body, QUERY, *QUERY.roles)
    with suppress(NotAPage):
        wire.read_increment(body)


def seconds(body: bytes) -> float:
    """Return the CPU time that it takes to read a body."""
    started = time.process_time()
    read_both(body)
    return time.process_time() - started


def peak(body: bytes) -> int:
    """Return the bytes of memory that it takes to read a body."""
    tracemalloc.start()
    try:
        read_both(body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def assert_linear(make: Callable[[int], bytes], size: int) -> None:
    """Check that a body eight times as long takes about eight times as long: the square would be 64 times."""
    small, large = seconds(make(size // 8)), seconds(make(size))
    assert large < 3 * 8 * small + 0.2


@pytest.mark.parametrize("make", SLOW.values(), ids=SLOW)
def test_a_body_made_to_be_slow_takes_time_and_memory_by_its_length(make: Callable[[int], bytes]) -> None:
    assert_linear(make, MEGABYTE // 8)
    body = make(MEGABYTE // 64)
    assert peak(body) < BYTES_PER_BYTE * len(body) + MEGABYTE


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("make", SLOW.values(), ids=SLOW)
def test_a_body_of_megabytes_made_to_be_slow_takes_time_by_its_length(
    make: Callable[[int], bytes], record: Counter[str]
) -> None:
    assert_linear(make, 4 * MEGABYTE)
    record["bodies fuzzed"] += 2


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("bodies", [NOISE, damaged()], ids=["noise", "damage"])
def test_tens_of_thousands_of_bodies_are_read_or_refused(
    bodies: st.SearchStrategy[bytes], record: Counter[str]
) -> None:
    @given(bodies)
    @settings(max_examples=25_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def each(body: bytes) -> None:
        record["bodies fuzzed"] += 1
        survive(body)

    each()
