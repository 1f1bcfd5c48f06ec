"""Mending a user's bytes, and cutting item cursors out of it: nothing else of it changes (P7)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import Page, Query, Role
from exporter.pages import mend
from exporter.pages.wire import read_page

PATHS = {"meta.cursor": ("meta", "cursor"), "meta.page.cursor": ("meta", "page", "cursor"), "cursor": ("cursor",)}
HOSTILE = st.sampled_from(["cursor", "meta", "page", '","cursor":"c1"', '{"cursor":"c1"}', "c1", "a/b", "\u2028\n"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | HOSTILE, inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=5) | HOSTILE, JSON, max_size=4)
CURSORS = st.lists(st.sampled_from(["c1", "a/b==", 'q"\\', "ü", "c2", "cursor"]), min_size=1, max_size=3)


def dumped(value: Any, style: str) -> str:
    """Write JSON like one server or another would."""
    text = json.dumps(
        value, indent=2 if style == "pretty" else None, separators=(",", ": " if style == "pretty" else ":")
    )
    return text.replace("/", r"\/") if style == "slashes" else text


STYLES = st.sampled_from(["compact", "pretty", "slashes"])


def page_of(users: list[dict[str, Any]], cursors: list[str], style: str = "compact", /, **meta: Any) -> Page:
    meta = {"has_more": False, "after_cursor": cursors[-1], "before_cursor": cursors[0]} | meta
    return read_page(dumped({"users": users, "meta": meta}, style).encode(), Query(), Role.AGENT)


def ordered(value: Any) -> Any:
    """Make the order of keys count when values are compared."""
    if isinstance(value, dict):
        return [(key, ordered(each)) for key, each in value.items()]
    return [ordered(each) for each in value] if isinstance(value, list) else value


def put(user: dict[str, Any], path: tuple[str, ...], cursor: str, place: Callable[[int], int]) -> dict[str, Any]:
    """Put a cursor into a user, at any place among its members."""
    name, *rest = path
    value: Any = cursor
    if rest:
        there = user.get(name)
        value = put(there if isinstance(there, dict) else {}, tuple(rest), cursor, place)
    if name in user:
        return {key: value if key == name else each for key, each in user.items()}
    members = list(user.items())
    at = place(len(members))
    return dict([*members[:at], (name, value), *members[at:]])


def fits(user: dict[str, Any], path: tuple[str, ...]) -> bool:
    """Tell whether a user has room for a cursor at a path, and none of it would vanish with the cursor."""
    name, *rest = path
    if name not in user:
        return True
    inner = user[name]
    if "page" in path and isinstance(inner, dict) and "cursor" in inner:
        return False  # another place where cursors may stand, which is looked at first
    return bool(rest) and isinstance(inner, dict) and bool(inner) and fits(inner, tuple(rest))


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
@given(users=st.lists(OBJECTS, min_size=1, max_size=3), style=STYLES, data=st.data())
@settings(max_examples=50, deadline=None)
def test_an_item_cursor_is_taken_out_of_a_user_and_nothing_else_is(
    path: tuple[str, ...], users: list[dict[str, Any]], style: str, data: st.DataObject
) -> None:
    users = [{"id": 0} | user | {"id": number} for number, user in enumerate(users)]
    users = [user if fits(user, path) else {"id": user["id"]} for user in users]
    drawn = data.draw(CURSORS)
    cursors = [drawn[number % len(drawn)] for number in range(len(users))]
    sent = [
        put(user, path, cursor, lambda count: data.draw(st.integers(0, count)))
        for user, cursor in zip(users, cursors, strict=True)
    ]
    found = page_of(sent, cursors, style)
    assert found.cursors == cursors
    assert [ordered(json.loads(line)) for line in found.lines] == [ordered(user) for user in users]
    assert [line.count(b"\n") for line in found.lines] == [1] * len(users)


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
@pytest.mark.parametrize("own", [b"", b'"n":"x",', b'"n":[1e400,12345678901234567890123,"\\u00e9\\/"],'])
def test_a_user_whose_cursor_was_appended_is_byte_for_byte_what_it_was(path: tuple[str, ...], own: bytes) -> None:
    user = b'{%s"id":1}' % own
    member = b'"c1"'
    for name in reversed(path):
        member = b'{"%s":%s}' % (name.encode(), member)
    assert mend.cut(user[:-1] + b"," + member[1:], path, "c1") == user


@pytest.mark.parametrize(
    "user",
    [
        b'{"cursor":"c1","id":1,"n":{"a":1,"cursor":"c1"}}',
        b'{"id":1,"n":{"a":1,"cursor":"c1"},"cursor" : "c1","z":1}',
        rb'{"id":1,"n":{"a":1,"cursor":"c1"},"c\u0075rsor":"c1","z":1}',
        b'{"id":1,"n":[{"a":1,"cursor":"c1"}],"cursor":"c1","z":1}',
    ],
)
def test_a_member_of_the_users_own_that_looks_the_same_stays(user: bytes) -> None:
    expected = {key: value for key, value in json.loads(user).items() if key != "cursor"}
    assert json.loads(mend.cut(user, ("cursor",), "c1")) == expected


@pytest.mark.parametrize(
    ("user", "left"),
    [
        (b'{"id":1,"meta":{"cursor":"c1","own":1.0},"z":1e400}', b'{"id":1,"meta":{"own":1.0},"z":1e400}'),
        (b'{"id":1,"meta":{"own":1.0, "cursor":"c1" },"z":2}', b'{"id":1,"meta":{"own":1.0 },"z":2}'),
        (b'{"id":1,"meta":{"cursor":"c1"},"id":1,"n":"x","n":"y"}', b'{"id":1,"id":1,"n":"x","n":"y"}'),
        (b'{"id":1,"meta":[2],"meta":{"cursor":"c1"},"n":[{}]}', b'{"id":1,"meta":[2],"n":[{}]}'),
        (rb'{"i\u0064":1,"meta" : { "cursor":"c1" } , "n":[1 ,2]}', rb'{"i\u0064":1,"n":[1 ,2]}'),
        (rb'{ "meta":{"cursor":"c1"} }', rb"{ }"),
        (rb'{"meta":{"cursor":"c1"},"z":2,"meta" :{"cursor":"c1"}}', rb'{"meta":{"cursor":"c1"},"z":2}'),
        (rb'{"meta":{"cursor":"c1"},"z":2,"m\u0065ta":{"cursor":"c1"}}', rb'{"meta":{"cursor":"c1"},"z":2}'),
    ],
)
def test_whatever_stands_around_a_cursor_stays_byte_for_byte(user: bytes, left: bytes) -> None:
    assert mend.cut(user, ("meta", "cursor"), "c1") == left


USERS = [{"id": 1}, {"id": 2}, {"id": 3}]
CURSOR = ["c1", "c2", "c3"]


@pytest.mark.parametrize("name", ["item_cursors", "cursors"])
@pytest.mark.parametrize(
    "listed", [CURSOR, {"1": "c1", "2": "c2", "3": "c3"}, {"3": "c3", "9": "c9", "2": "c2", "1": "c1"}]
)
def test_item_cursors_in_meta_are_found_as_a_list_or_by_id(name: str, listed: Any) -> None:
    found = page_of(USERS, CURSOR, **{name: listed})
    assert found.cursors == CURSOR
    assert [json.loads(line) for line in found.lines] == USERS


@pytest.mark.parametrize(
    "listed",
    [
        ["c1", "c2"],
        ["c1", "c2", "c3", "c4"],
        ["c0", "c2", "c4"],
        ["c1", None, "c3"],
        ["c1", 2, "c3"],
        ["c1", ["c2"], "c3"],
        {"1": "c1", "3": "c3"},
        {"1": "c1", "2": None, "3": "c3"},
        {},
        [],
        "c1",
        5,
        None,
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["item_cursors", "cursors"])
def test_cursors_in_meta_that_do_not_fit_the_page_are_not_believed(name: str, listed: Any) -> None:
    assert page_of(USERS, CURSOR, **{name: listed}).cursors is None


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
@pytest.mark.parametrize(
    "cursors",
    [["c0", "c2", "c4"], ["c1", None, "c3"], ["c1", 5, "c3"], [None, "c2", "c3"], ["c1", {}, "c3"]],
    ids=repr,
)
def test_cursors_in_users_that_do_not_fit_the_page_are_not_believed_and_stay(
    path: tuple[str, ...], cursors: list[Any]
) -> None:
    users = [put(user, path, cursor, lambda count: count) for user, cursor in zip(USERS, cursors, strict=True)]
    found = page_of(users, CURSOR)
    assert found.cursors is None
    assert found.lines == [f"{dumped(user, 'compact')}\n".encode() for user in users]


@pytest.mark.parametrize("cursors", [["c0", "c2", "c3"], ["c1", "c2", "c4"]], ids=["first", "last"])
def test_cursors_of_which_one_end_is_the_pages_own_are_taken_and_the_page_is_not_consistent(cursors: list[str]) -> None:
    users = [user | {"meta": {"cursor": cursor}} for user, cursor in zip(USERS, cursors, strict=True)]
    found = page_of(users, CURSOR)
    assert found.cursors == cursors
    assert not found.consistent
    assert found.lines == page_of(USERS, CURSOR).lines
    assert page_of(USERS, CURSOR, item_cursors=CURSOR).consistent


@pytest.mark.parametrize("meta", [{"before_cursor": None}, {"after_cursor": None}, {"before_cursor": ""}])
def test_without_cursors_of_the_page_none_in_a_user_is_believed(meta: dict[str, Any]) -> None:
    found = page_of([{"id": 1, "cursor": "c1"}], ["c1"], **meta)
    assert (found.cursors, found.lines) == (None, [b'{"id":1,"cursor":"c1"}\n'])


def test_one_user_without_a_cursor_leaves_all_users_untouched() -> None:
    users: list[dict[str, Any]] = [{"id": 1, "cursor": "c1"}, {"id": 2}, {"id": 3, "cursor": "c3"}]
    assert [json.loads(line) for line in page_of(users, CURSOR).lines] == users


HUGE = [
    b'"role":1e400',
    b'"role":{"n":1e400}',
    b'"cursor":-1e400',
    b'"cursor":{"n":[1e400]}',
    b'"meta":1e400',
    b'"meta":{"n":1e400}',
    b'"meta":{"cursor":1e400}',
    b'"meta":{"page":[1e400]}',
    b'"meta":{"page":{"cursor":1e400}}',
    b'"n":"\\"cursor\\"","meta":{"page":{"cursor":"c1","n":1e400}},"cursor":1e400',
]


@pytest.mark.parametrize("own", HUGE)
def test_a_number_beyond_a_double_in_a_user_is_no_reason_to_refuse_the_page(own: bytes) -> None:
    users = [b'{"id":1,%b}' % own, b'{"id":2,"role":"agent","meta":{"cursor":"c2"}}']
    found = read_page(
        b'{"users":[%b],"meta":{"has_more":false,"after_cursor":"c2","before_cursor":"c1"}}' % b",".join(users),
        Query(),
        Role.AGENT,
    )
    assert (found.ids, found.lines, found.cursors) == ([1, 2], [user + b"\n" for user in users], None)


@pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))
def test_a_cursor_beside_a_number_beyond_a_double_is_taken_out_all_the_same(path: tuple[str, ...]) -> None:
    member = b'"cursor":"c1"'
    for name in reversed(path[:-1]):
        member = b'"%b":{"n":1e400,%b}' % (name.encode(), member)
    user = b'{"id":1,"n":[1e400],%b}' % member
    body = b'{"users":[%b],"meta":{"has_more":false,"after_cursor":"c1","before_cursor":"c1"}}' % user
    found = read_page(body, Query(), Role.AGENT)
    assert (found.cursors, found.lines) == (["c1"], [user.replace(b',"cursor":"c1"', b"") + b"\n"])


@given(JSON, st.booleans())
@settings(deadline=None)
def test_one_line_changes_white_space_only(value: Any, ascii_only: bool) -> None:
    pretty = json.dumps(value, indent=3, ensure_ascii=ascii_only).encode()
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=ascii_only).encode()
    assert mend.one_line(pretty) == compact


@given(JSON)
@settings(deadline=None)
def test_mending_what_is_whole_changes_nothing(value: Any) -> None:
    text = json.dumps(value).encode()
    assert mend.mend(text) == text


@given(st.binary(max_size=60))
def test_mending_twice_is_mending_once(body: bytes) -> None:
    once = mend.mend(b'"' + body.replace(b'"', b"") + b'"')
    assert mend.are_utf8([once])
    assert mend.mend(once) == once


@pytest.mark.parametrize(
    ("sent", "mended"),
    [
        (rb'"\\ud800"', rb'"\\ud800"'),
        (rb'"\\\ud800"', rb'"\\\uFfFd"'),
        (rb'"\ud83d\ude00"', rb'"\ud83d\ude00"'),
        (rb'"\ud83d\ud83d\ude00"', rb'"\uFfFd\ud83d\ude00"'),
        (rb'"\ude00\ud83d"', rb'"\uFfFd\uFfFd"'),
        (b'"\xff\xfe\xfd"', rb'"\uFfFd"'),
        ('"ü\xff"'.encode("latin-1"), rb'"\uFfFd"'),
        (b'"\xf0\x9f\x98\x80\xf0"', b'"\xf0\x9f\x98\x80\\uFfFd"'),
        (b'"a\tb"\n\t', b'"a\\u0009b"\n\t'),
    ],
)
def test_only_what_is_no_character_is_replaced(sent: bytes, mended: bytes) -> None:
    assert mend.mend(sent) == mended


@pytest.mark.timeout(10)
@pytest.mark.parametrize("function", [mend.mend, mend.one_line])
def test_a_string_without_end_costs_its_length_only(function: Callable[[bytes], bytes]) -> None:
    assert len(function(b'"' + rb"\"" * 200_000)) == 400_001


@pytest.mark.parametrize(
    ("raw", "valid"), [(b"a", True), ("ü".encode(), True), (b"\xed\xa0\x80", False), (b"\xff", False)]
)
def test_utf8_is_strict(raw: bytes, valid: bool) -> None:
    assert mend.are_utf8([raw]) is valid
    assert mend.are_utf8([b"", raw, "ü".encode()]) is valid
