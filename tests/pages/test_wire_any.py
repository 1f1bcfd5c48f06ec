"""Reading any page: whatever a server sends is a page or `NotAPage`, and a line is the user as it was sent (P7, P8)."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model import Query
from tests.support.wire_pages import OFFSET, QUERY, check_lines, exact, page, read

_SPACE = st.sampled_from(["", "", "", " ", "\n", "\r", "\r\n\t"])
_NUMBERS = st.sampled_from(
    ["0", "-0", "1.0", "1e400", "-1E-400", "0.1000", "123456789012345678901234567890", "9007199254740993", "1e2"]
)
_STRINGS = st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=len(text) % 2 == 0)) | st.sampled_from(
    [r'"a\/b"', r'"\ud83d\ude00"', r'"\u000a"', '"\u2028\x7f\x85"', r'"\\ud800"', '",\\"cursor\\":\\"z\\""', '"\u202e"']
)
_PLAIN = (
    st.sampled_from(["null", "true", "false", "{}", "[]"])
    | _NUMBERS
    | _STRINGS.filter(lambda text: not any("\ud800" <= c <= "\udfff" for c in text))
)


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str], first: str = "") -> str:
    members = [f"{draw(_STRINGS)}{draw(_SPACE)}:{draw(_SPACE)}{value}" for value in draw(st.lists(values, max_size=4))]
    return "{" + draw(_SPACE) + f"{draw(_SPACE)},".join([first] * bool(first) + members) + draw(_SPACE) + "}"


JSON = st.recursive(
    _PLAIN,
    lambda inner: objects(inner) | st.lists(inner, max_size=4).map(lambda all_: f"[{','.join(all_)}]"),
    max_leaves=8,
)
USERS = st.integers(0, 2**63 - 1).flatmap(lambda number: objects(JSON, f'"id":{number}'))


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_page_or_refused(body: bytes) -> None:
    check_lines(body)


@given(st.lists(USERS, min_size=1, max_size=3), st.data())
@settings(max_examples=60, deadline=None)
def test_a_page_damaged_anywhere_is_a_page_or_refused(users: list[str], data: st.DataObject) -> None:
    body = page(",".join(users).encode(), more=b',"groups":[{"id":1}],"abilities":[{"user_id":1}]')
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        piece = data.draw(
            st.binary(max_size=3) | st.sampled_from([b"\xed\xa0\x80", rb"\ud800", b"\n", b'"', b"\\", b""])
        )
        body = body[:at] + piece + body[at + data.draw(st.integers(0, 5)) :]
    check_lines(body)


@given(JSON, JSON, JSON, st.sampled_from([QUERY, OFFSET]))
@settings(max_examples=60, deadline=None)
def test_any_json_in_the_place_of_users_meta_and_sideloads_is_a_page_or_refused(
    users: str, meta: str, groups: str, query: Query
) -> None:
    check_lines(f'{{"users":{users},"groups":{groups},"meta":{meta},"next_page":{meta}}}'.encode(), query)
    check_lines(f'{{"users":[{{"id":1,"meta":{users}}}],"groups":[{groups}],"meta":{{"cursors":{meta}}}}}'.encode())


@given(st.lists(USERS, min_size=1, max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_line_is_the_user_as_the_server_sent_it(users: list[str]) -> None:
    found = read(page(",".join(users).encode()))
    assert [exact(line) for line in found.lines] == [exact(user) for user in users]
    assert [len(line.splitlines()) for line in found.lines] == [1] * len(users)


@given(USERS)
@settings(max_examples=40, deadline=None)
def test_a_user_without_a_line_break_in_the_page_goes_through_untouched(user: str) -> None:
    body = page(user.encode())
    if b"\n" not in body and b"\r" not in body:
        assert read(body).lines[0] == user.encode() + b"\n"
