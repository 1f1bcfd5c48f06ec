"""Pages that are spoilt, as they come over the wire: what is wrong with them, and that the rest is right."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from exporter.sandbox import Population, Settings
from exporter.sandbox.endpoint.cursors import Codec, encode_export
from exporter.sandbox.endpoint.endpoint import Endpoint, Request
from exporter.sandbox.faults.refusals import HOSTILE
from tests.sandbox.test_incremental import EXPORT
from tests.sandbox.test_server import GZIP, Response, get
from tests.support.sandbox_account import by_cursor
from tests.support.sandbox_process import SandboxProcess

LIST = "/api/v2/users"
USERS = list(Population(50).users())
IDS = list(Population(50).ids())
CURSOR = Codec("id").encode(IDS[19])
SECOND = f"{LIST}?{by_cursor(10, after=CURSOR)}"
BACK = f"{LIST}?{by_cursor(10, before=CURSOR)}"
BY_CHANGE = list(Population(50).walk(sort="updated_at"))
EXPORT_CURSOR = encode_export(BY_CHANGE[9].updated, BY_CHANGE[9].id)
EXPORTED = f"{EXPORT}?{urlencode({'cursor': EXPORT_CURSOR, 'per_page': 10})}"


def struck(kind: str, *paths: str) -> tuple[list[Response], str]:
    """Ask for pages that a kind strikes; return them and the address of the server."""
    with SandboxProcess("--users", "50", "--fault", f"{kind}@from:1") as sandbox:
        responses = [get(sandbox.url, path) for path in paths]
        assert sandbox.stats()["faults"] == {kind.partition(":")[0]: len(paths)}
        assert {response.status for response in responses} == {200}
        return responses, sandbox.url


def pages(kind: str, *paths: str) -> list[Any]:
    return [json.loads(response.body) for response in struck(kind, *paths)[0]]


def honest(path: str, url: str) -> bytes:
    """Return the body that a path has without faults at an address."""
    route, _, query = path.partition("?")
    return Endpoint(Settings(users=50), url).answer(Request(route, query)).body


def asked(link: str) -> dict[str, str]:
    """Return the parameters of a link."""
    return dict(parse_qsl(urlsplit(link).query))


def spoilt_user(kind: str) -> bytes:
    """Return the user in the middle of a page that a kind strikes, having checked that the rest is as it should be."""
    (response,), url = struck(kind, SECOND)
    before, user, after = honest(SECOND, url).partition(USERS[25])
    assert user
    assert response.body.startswith(before)
    assert response.body.endswith(after)
    return response.body[len(before) : -len(after)]


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        ("utf8", b"\xff\xc3(\xed\xa0\x80"),
        ("surrogate", rb"\ud800"),
        ("nul", b"\x00"),
        ("newline", b"\r\n"),
        ("hostile", json.dumps(HOSTILE, ensure_ascii=False)[1:-1].encode()),
    ],
)
def test_one_name_begins_with_what_is_hard_to_read(kind: str, beginning: bytes) -> None:
    assert spoilt_user(kind) == USERS[25].replace(b',"name":"', b',"name":"' + beginning)


def test_a_hostile_name_holds_what_terminals_obey() -> None:
    (page,) = pages("hostile", SECOND)
    name = page["users"][5]["name"]
    assert {"\x1b", "\x07", "\x9b", "\u202e", "\r"} <= set(name)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("bigint", b"123456789012345678901234567890"),
        ("float", b"1e400"),
        ("deep", b"[" * 100_000 + b"]" * 100_000),
        ("deep:3", b"[[[]]]"),
        ("long", b'"' + b"x" * 10_000_000 + b'"'),
        ("long:1", b'"' + b"x" * 1_000_000 + b'"'),
    ],
)
def test_one_user_field_is_more_than_many_can_read(kind: str, value: bytes) -> None:
    assert spoilt_user(kind) == USERS[25].replace(b'"user_fields":{', b'"user_fields":{"odd":%b,' % value)


@pytest.mark.parametrize(
    ("kind", "written"),
    [
        ("bigid", b"123456789012345678901234567890"),
        ("floatid", b"%d.0" % IDS[25]),
        ("textid", b'"%d"' % IDS[25]),
    ],
)
def test_one_id_is_written_in_another_way(kind: str, written: bytes) -> None:
    assert spoilt_user(kind) == USERS[25].replace(b'"id":%d' % IDS[25], b'"id":%b' % written, 1)


def test_one_user_has_two_ids_and_two_names() -> None:
    pairs = json.loads(spoilt_user("twice"), object_pairs_hook=list)
    assert [value for key, value in pairs if key == "id"] == [IDS[25], IDS[25]]
    names = [value for key, value in pairs if key == "name"]
    assert (len(names), names[1]) == (2, "Somebody Else")
    assert names[0] != names[1]


def test_a_page_without_users_cannot_have_one_of_them_spoilt() -> None:
    path = f"{LIST}?{by_cursor(10, role='shoemaker')}"
    (response,), url = struck("utf8", path)
    assert response.body == honest(path, url)


def test_an_answer_that_is_no_page_stays_as_it_is() -> None:
    with SandboxProcess("--users", "50", "--fault", "nometa@from:1") as sandbox:
        assert json.loads(get(sandbox.url, "/api/v2/users/count").body)["count"]["value"] == 50
        assert get(sandbox.url, f"{LIST}?page[size]=101").status == 400


def test_a_spoilt_page_is_compressed_as_any_other() -> None:
    with SandboxProcess("--users", "50", "--fault", "long@n:1") as sandbox:
        response = get(sandbox.url, SECOND, GZIP)
        assert response.headers["content-encoding"] == "gzip"
        assert len(response.body) < 1_000_000


# Cursors and links


def test_loop_is_the_first_page_whatever_was_asked_for() -> None:
    traditional = f"{LIST}?per_page=10&page=3"
    first, *others = pages("loop", f"{LIST}?{by_cursor(10)}", SECOND, BACK, traditional, EXPORTED)
    assert [user["id"] for user in first["users"]] == IDS[:10]
    assert [page["users"] for page in others[:3]] == [first["users"]] * 3
    assert [user["id"] for user in others[3]["users"]] == [person.id for person in BY_CHANGE[:10]]
    assert first["meta"] == others[0]["meta"]


def test_loop_keeps_whom_is_asked_for() -> None:
    (page,) = pages("loop", f"{LIST}?{by_cursor(10, role='admin', after=CURSOR)}")
    assert [user["id"] for user in page["users"]] == list(Population(50).ids("admin"))


def test_stuck_leads_back_to_where_the_page_was_asked_from() -> None:
    forward, backward, exported = pages("stuck", SECOND, BACK, EXPORTED)
    assert (forward["meta"]["has_more"], forward["meta"]["after_cursor"]) == (True, CURSOR)
    assert asked(forward["links"]["next"])["page[after]"] == CURSOR
    assert backward["meta"]["before_cursor"] == CURSOR
    assert asked(backward["links"]["prev"])["page[before]"] == CURSOR
    assert (exported["end_of_stream"], exported["after_cursor"]) == (False, EXPORT_CURSOR)
    assert asked(exported["after_url"])["cursor"] == EXPORT_CURSOR


def test_stuck_leads_back_from_the_first_page_too() -> None:
    (page,) = pages("stuck", f"{LIST}?{by_cursor(10)}")
    assert page["meta"]["after_cursor"] == page["meta"]["before_cursor"] == Codec("id").encode(IDS[0])


def test_nullcursor_says_there_is_more_and_not_where() -> None:
    forward, backward, exported = pages("nullcursor", SECOND, BACK, EXPORTED)
    assert len(forward["users"]) == len(backward["users"]) == len(exported["users"]) == 10
    assert (forward["meta"]["has_more"], forward["meta"]["after_cursor"]) == (True, None)
    assert forward["links"]["next"] is None
    assert (backward["meta"]["has_more"], backward["meta"]["before_cursor"]) == (True, None)
    assert (exported["end_of_stream"], exported["after_cursor"], exported["after_url"]) == (False, None, None)


def test_nometa_is_a_page_without_meta() -> None:
    listed, exported = pages("nometa", SECOND, EXPORTED)
    assert (list(listed), list(exported)) == (["users", "links"], ["users"])
    assert len(listed["users"]) == len(exported["users"]) == 10


def test_foreign_links_lead_to_another_host_by_way_of_a_user_name() -> None:
    responses, url = struck("foreign", SECOND, EXPORTED, f"{LIST}?per_page=10&page=3")
    listed, exported, traditional = (json.loads(response.body) for response in responses)
    links = [*listed["links"].values(), exported["after_url"], traditional["next_page"], traditional["previous_page"]]
    for link in links:
        address = urlsplit(link)
        assert (address.hostname, address.port) == ("localhost", urlsplit(url).port)
        assert link.startswith(f"{url}@")
    assert responses[0].body.replace(b"@localhost:%d" % (urlsplit(url).port or 0), b"") == honest(SECOND, url)


def test_descending_is_the_page_from_its_end() -> None:
    (response,), url = struck("descending", SECOND)
    turned = b",".join(USERS[20:30][::-1])
    assert response.body == honest(SECOND, url).replace(b",".join(USERS[20:30]), turned)


def test_a_descent_is_two_who_changed_places() -> None:
    (page,) = pages("descent", SECOND)
    assert [user["id"] for user in page["users"]] == [*IDS[20:24], IDS[25], IDS[24], *IDS[26:30]]


def test_pretty_is_the_same_page_in_lines() -> None:
    (response,), url = struck("pretty", SECOND)
    lines = response.body.splitlines()
    expected = honest(SECOND, url)
    assert len(lines) > 400
    assert lines[:3] == [b"{", b'  "users": [', b"    {"]
    assert response.body == json.dumps(json.loads(expected), ensure_ascii=False, indent=2).encode() + b"\n"


def test_pretty_leaves_numbers_as_they_are_written() -> None:
    with SandboxProcess("--users", "3000", "--fault", "pretty@from:1") as sandbox:
        bodies = [get(sandbox.url, f"{LIST}?page={number}").body for number in range(1, 31)]
    assert b'"ratio": 1.10,' in b"".join(bodies)
    users = [json.loads(body, parse_float=str, parse_int=str)["users"] for body in bodies]
    everyone = [json.loads(user, parse_float=str, parse_int=str) for user in Population(3_000).users()]
    assert [user for page in users for user in page] == everyone
