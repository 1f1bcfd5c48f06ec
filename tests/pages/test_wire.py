"""Reading a page: what a server may send, case by case (P7, P8); `test_wire_any` sends anything."""

from __future__ import annotations

import json

import pytest

from exporter.errors import NotAPage
from exporter.model import Page, Pagination, Query, Role, Sideload
from exporter.pages import mend
from exporter.pages.wire import parameters, read_page
from tests.support.wire_pages import OFFSET, check_lines, exact, page, read


@pytest.mark.parametrize("damaged", [b'{"id":1,"name":"\x80"}', b'{"\x80":1,"id":1}'])
def test_text_of_a_sideloaded_record_is_mended_too(damaged: bytes) -> None:
    found = read(page(b'{"id":1}', more=b',"groups":[%b]' % damaged))
    assert [line for _, line in found.sideloads[Sideload.GROUPS]] == [damaged.replace(b"\x80", rb"\uFfFd") + b"\n"]


def test_a_key_of_the_page_that_is_no_text_is_mended() -> None:
    assert read(page(b'{"id":1}', more=b',"\x80":1')).ids == [1]


@pytest.mark.parametrize(
    "number", ["1e400", "-0", "1.10", "12345678901234567890123456789", "9007199254740993", "9" * 5000]
)
def test_a_number_keeps_its_digits(number: str) -> None:
    user = b'{"id":1,"n":%s}' % number.encode()
    assert read(page(user)).lines[0] == user + b"\n"


def test_duplicate_keys_are_both_kept() -> None:
    assert read(page(b'{"id":1,"n":1,"n":2}')).lines[0] == b'{"id":1,"n":1,"n":2}\n'


REFUSED = {
    "nothing": b"",
    "white space": b" \r\n",
    "HTML": b"<!DOCTYPE html><html></html>",
    "a text": b"Number of allowed API requests per minute exceeded",
    "null": b"null",
    "a list": b"[]",
    "no users": b'{"meta":{}}',
    "users null": b'{"users":null,"meta":{}}',
    "users an object": b'{"users":{},"meta":{}}',
    "users numbers": page(b"1,2"),
    "users null inside": page(b"null"),
    "no meta": b'{"users":[]}',
    "meta null": page(meta=b"null"),
    "meta a list": page(meta=b"[]"),
    "meta a text": page(meta=b'"x"'),
    "has_more a text": page(meta=b'{"has_more":"true"}'),
    "has_more a number": page(meta=b'{"has_more":1}'),
    "cursor a number": page(meta=b'{"has_more":true,"after_cursor":5}'),
    "more, and no cursor": page(meta=b'{"has_more":true}'),
    "more, and a null cursor": page(meta=b'{"has_more":true,"after_cursor":null}'),
    "more, and an empty cursor": page(meta=b'{"has_more":true,"after_cursor":""}'),
    "no id": page(b'{"name":"x"}'),
    "NaN": page(b'{"id":1,"n":NaN}'),
    "Infinity": page(b'{"id":1,"n":-Infinity}'),
    "a byte order mark": b"\xef\xbb\xbf" + page(),
    "UTF-16": page().decode().encode("utf-16"),
    "cut short": page()[:-1],
    "something behind": page() + b"{}",
    "depth of lists": page(b'{"id":1,"n":%s%s}' % (b"[" * 100_000, b"]" * 100_000)),
    "depth of objects": b'{"a":' * 100_000,
    "depth in meta": page(meta=b'{"cursors":%s%s}' % (b"[" * 100_000, b"]" * 100_000)),
    "a sideload that is a text": page(more=b',"groups":["x"]'),
    "sideloads an object": page(more=b',"groups":{}'),
    "an endless string": b'"' + rb"\"" * 100_000,
    "endless strings": page(b'{"id":1,"n":"' + rb"\"" * 100_000),
    **{
        f"id {i}": page(b'{"id":%s}' % i.encode())
        for i in ('"1"', "1.0", "1e3", "true", "-1", str(2**63), "null", "1e400")
    },
    "id of 5000 digits": page(b'{"id":%s}' % (b"9" * 5000)),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("body", REFUSED.values(), ids=list(REFUSED))
def test_what_is_no_page_is_refused(body: bytes) -> None:
    with pytest.raises(NotAPage):
        read(body)


@pytest.mark.parametrize(
    "template",
    [
        b'{"id":1,"n":%s}',
        b'{"id":1,"meta":{"n":%s,"page":{"cursor":"z"}}}',
        b'{"id":1,"n":%s,"cursor":"z"}',
        b'{"id":1,"meta":{"page":{"cursor":"z","n":%s}}}',
        b'{"id":1}],"groups":[{"id":%s}',
    ],
)
def test_no_depth_of_nesting_is_read_in_one_place_and_breaks_another(template: bytes) -> None:
    for depth in range(850, 1000):
        nested = template % (b"[" * depth + b"]" * depth)
        check_lines(page(nested, meta=b'{"has_more":false,"after_cursor":"z","before_cursor":"z"}'))


@pytest.mark.parametrize(
    "sent", [b"\xff\xfe", b"\xed\xa0\x80", rb"\ud800", rb"\udc00\ud83d", b"\xc3", rb"\ud83d\u0041"], ids=repr
)
def test_text_that_is_no_unicode_is_replaced_and_its_user_named(sent: bytes) -> None:
    found = read(page(b'{"id":7,"n":"a%sz","big":12345678901234567890123},{"id":8}' % sent))
    assert found.mended == (7,)
    user = exact(found.lines[0])[1]
    assert user[1][1][0] == "a"
    assert user[1][1].strip("azA") in ("\ufffd", "\ufffd\ufffd")
    assert user[2] == ("big", ("number", "12345678901234567890123"))


def test_the_replacement_character_itself_is_no_damage() -> None:
    assert read(page('{"id":7,"n":"\ufffd \\ufffd"}'.encode())).mended == ()


@pytest.mark.parametrize("control", [b"\n", b"\r", b"\0", b"\t", b"\x1f"])
def test_a_control_character_raw_in_a_string_is_escaped_and_keeps_its_value(control: bytes) -> None:
    (line,) = read(page(b'{"id":1,"n":"a%sb"}' % control)).lines
    assert json.loads(line)["n"] == f"a{control.decode()}b"
    assert line.count(b"\n") == 1


@pytest.mark.parametrize("has_more", [b"", b'"has_more":null,'])
def test_without_has_more_the_walk_goes_on_while_there_is_a_cursor(has_more: bytes) -> None:
    assert read(page(meta=b'{%s"after_cursor":"z"}' % has_more)).more
    assert not read(page(meta=b'{%s"after_cursor":null}' % has_more)).more
    assert not read(page(meta=b'{%s"after_cursor":""}' % has_more)).more


def test_an_empty_page_is_the_end_even_if_it_says_more() -> None:
    assert not read(page(b"", meta=b'{"has_more":true,"after_cursor":"z"}')).more


def test_a_full_page_that_says_no_more_is_the_end_though_it_has_a_cursor() -> None:
    found = read(page())
    assert (found.more, found.after, found.before, found.last) == (False, "z", "a", "z")


def test_users_of_another_role_are_counted_and_kept() -> None:
    found = read(page(b'{"id":1,"role":"agent"},{"id":2,"role":"end-user"},{"id":3,"role":5}'))
    assert (len(found.strays), len(found.lines)) == (2, 3)


def test_a_sideloaded_record_is_told_by_id_user_or_name() -> None:
    more = b',"groups":[{"id":5},{"id":null,"name":"admin"},{}],"abilities":[{"user_id":1,"can_edit":true}]'
    found = read(page(more=more)).sideloads
    assert [key for key, _ in found[Sideload.GROUPS]][:2] == ["id=5", "name=admin"]
    assert found[Sideload.ABILITIES] == [("user_id=1", b'{"user_id":1,"can_edit":true}\n')]


def offset_page(next_page: bytes, number: str | None, size: int = 100, users: bytes = b'{"id":1}') -> Page:
    body = b'{"users":[%s],"next_page":%s,"previous_page":null,"count":1}' % (users, next_page)
    return read_page(body, Query(pagination=Pagination.OFFSET, page_size=size), Role.AGENT, after=number)


def test_an_offset_page_goes_on_with_the_next_number() -> None:
    assert (offset_page(b'"u"', None).after, offset_page(b'"u"', "7").after) == ("2", "8")
    assert offset_page(b'"u"', "7").more
    assert not offset_page(b"null", "7").more
    assert not offset_page(b'"u"', "7", users=b"").more


@pytest.mark.parametrize(("number", "size", "beyond"), [("99", 100, False), ("100", 100, True), ("101", 99, True)])
def test_an_offset_walk_ends_at_ten_thousand_and_says_what_is_beyond(number: str, size: int, beyond: bool) -> None:
    found = offset_page(b'"u"', number, size)
    assert (found.beyond, found.more) == (beyond, not beyond)


def test_an_offset_page_without_next_page_is_refused() -> None:
    with pytest.raises(NotAPage, match="next_page"):
        read_page(page(), OFFSET, Role.AGENT)


def test_cursors_in_an_offset_page_are_no_place_to_go_on_from() -> None:
    body = b'{"users":[{"id":1,"cursor":"a"}],"next_page":null,"meta":{"before_cursor":"a","after_cursor":"a"}}'
    found = read(body, OFFSET)
    assert (found.before, found.last) == (None, None)
    assert (found.ids, found.lines, found.cursors) == ([1], [b'{"id":1,"cursor":"a"}\n'], None)


def test_parameters_are_those_of_the_endpoint() -> None:
    query = Query(permission_set=5, external_id="a&b=c", include=(Sideload.ROLES, Sideload.GROUPS), sort="-created_at")
    sent = dict(parameters(query, Role.AGENT, after="x=="))
    assert sent.pop("include_boundary_indicators") == sent.pop("include_item_cursors") == "true"
    assert sent.pop("page[after]") == "x=="
    assert sent.pop("page[size]") == "100"
    assert sent.pop("external_id") == "a&b=c"
    assert sent == {"role[]": "agent", "permission_set": "5", "include": "roles,groups", "sort": "-created_at"}


@pytest.mark.parametrize("query", [Query(), OFFSET, Query(page_size=3, sort="id")])
def test_the_two_forms_of_page_never_meet(query: Query) -> None:
    names = {name for name, _ in parameters(query, Role.ADMIN, after="2")}
    assert ("page" in names) != any(name.startswith("page[") for name in names)
    assert ("per_page" in names) == ("page" in names)


def test_a_damaged_page_that_would_take_too_much_memory_to_mend_is_refused() -> None:
    damaged = page(b'{"id":1,"n":"\x80%b"}' % (b"x" * mend.LARGEST))
    with pytest.raises(NotAPage, match="too large to mend"):
        read(damaged)
    assert len(read(damaged.replace(b"\x80", b"")).lines[0]) > mend.LARGEST
