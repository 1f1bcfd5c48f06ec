"""The incremental export: its pages, its cursors, its lag and its limit."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sandbox import Population, Quirk
from exporter.sandbox.endpoint.cursors import BadCursorError, decode_export, encode_export
from tests.sandbox.test_server import get
from tests.support.sandbox_account import ORIGIN, Account, chained, ids
from tests.support.sandbox_process import SandboxProcess

EXPORT = "/api/v2/incremental/users/cursor"
ACCOUNT = Account()
BY_CHANGE = list(ACCOUNT.population.walk(sort="updated_at"))


def page(account: Account = ACCOUNT, /, path: str = EXPORT, **parameters: Any) -> Any:
    return account.get(urlencode(parameters), path)


def walk(account: Account = ACCOUNT, **parameters: Any) -> list[Any]:
    """Go on by `after_url` until the end of the stream; return the pages."""
    pages = [page(account, **parameters)]
    while not pages[-1]["end_of_stream"]:
        pages.append(account.get(urlsplit(pages[-1]["after_url"]).query, EXPORT))
    return pages


def refusal(query: str, account: Account = ACCOUNT) -> tuple[int, Any]:
    answer = account.ask(query, EXPORT)
    return answer.status, json.loads(answer.body)


def test_a_page_has_its_keys_in_order_with_and_without_json() -> None:
    keys = ["users", "after_url", "before_url", "after_cursor", "before_cursor", "end_of_stream"]
    assert list(page(start_time=0)) == list(page(path=f"{EXPORT}.json", start_time=0)) == keys


@pytest.mark.parametrize("per_page", [1, 37, 500, 1000])
def test_a_walk_meets_everyone_once_in_order_of_change_then_id(per_page: int) -> None:
    pages = walk(start_time=0, per_page=per_page)
    assert chained(pages) == [person.id for person in BY_CHANGE]
    assert [each["end_of_stream"] for each in pages] == [False] * (len(pages) - 1) + [True]


def test_users_are_the_bytes_of_the_list() -> None:
    users = b",".join(map(ACCOUNT.population.content.wire, BY_CHANGE[:3]))
    assert ACCOUNT.ask("start_time=0&per_page=3", EXPORT).body.startswith(b'{"users":[%b],"after_url":' % users)


def test_who_changed_in_the_second_of_the_start_is_there() -> None:
    start = BY_CHANGE[100].updated
    expected = [person.id for person in BY_CHANGE if person.updated >= start]
    assert BY_CHANGE[100].id in expected
    assert chained(walk(start_time=start)) == expected


def test_the_last_page_has_a_cursor_to_ask_for_news_with() -> None:
    last = walk(start_time=0)[-1]
    assert decode_export(last["after_cursor"]) == (BY_CHANGE[-1].updated, BY_CHANGE[-1].id)
    news = page(cursor=last["after_cursor"])
    assert (news["users"], news["end_of_stream"], news["after_cursor"]) == ([], True, last["after_cursor"])


def test_a_page_has_1000_users_unless_told_otherwise_and_never_more() -> None:
    account = Account(2_500)
    queries = ("start_time=0", "start_time=0&per_page=30", "start_time=0&per_page=5000", "start_time=0&per_page=0")
    assert [len(account.get(query, EXPORT)["users"]) for query in queries] == [1000, 30, 1000, 1000]


def test_a_cursor_is_the_time_of_change_and_the_id_of_the_last_user() -> None:
    last = BY_CHANGE[9]
    assert b64decode(page(start_time=0, per_page=10)["after_cursor"]) == b"%d.0||%d|" % (last.updated, last.id)


def test_the_link_keeps_other_parameters_and_the_suffix() -> None:
    answer = page(path=f"{EXPORT}.json", start_time=0, per_page=10, include="roles")
    cursor = answer["after_cursor"].replace("=", "%3D")
    assert answer["after_url"] == f"{ORIGIN}{EXPORT}.json?cursor={cursor}&include=roles&per_page=10"


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_a_cursor_that_is_written_is_read_again(updated: int, user: int) -> None:
    assert decode_export(encode_export(updated, user)) == (updated, user)


@given(st.text() | st.binary().map(lambda content: b64encode(content).decode()))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursorError):
        decode_export(text)


def test_a_cursor_that_is_none_is_refused() -> None:
    expected = {"errors": [{"code": "InvalidPaginationParameter", "title": "cursor is not valid"}]}
    for cursor in ("", "x", ACCOUNT.page()["meta"]["after_cursor"]):
        assert refusal(urlencode({"cursor": cursor})) == (400, expected)


def test_without_start_and_cursor_it_is_refused() -> None:
    status, content = refusal("per_page=10")
    assert (status, content["error"]) == (400, "ParameterMissing")


def test_a_start_that_is_no_number_is_refused() -> None:
    assert refusal("start_time=yesterday")[1]["error"]["title"] == "Invalid attribute"


def test_between_start_and_cursor_the_cursor_stands() -> None:
    cursor = encode_export(BY_CHANGE[9].updated, BY_CHANGE[9].id)
    assert ids(page(start_time=0, cursor=cursor, per_page=3)["users"]) == [person.id for person in BY_CHANGE[10:13]]


NOW = BY_CHANGE[300].updated + 60


def at(now: float, **settings: Any) -> Account:
    return Account(clock=lambda: now, **settings)


def test_what_changed_within_a_minute_is_left_out() -> None:
    expected = [person.id for person in BY_CHANGE if person.updated <= NOW - 60]
    assert BY_CHANGE[300].id in expected
    assert chained(walk(at(NOW), start_time=0)) == expected
    assert BY_CHANGE[300].id not in chained(walk(at(NOW - 0.5), start_time=0))


def test_what_was_left_out_comes_with_the_last_cursor_later() -> None:
    last = walk(at(NOW), start_time=0)[-1]
    later = walk(at(NOW + 10**9), cursor=last["after_cursor"])
    assert chained(later) == [person.id for person in BY_CHANGE if person.updated > NOW - 60]


def test_a_start_within_a_minute_is_refused() -> None:
    assert at(NOW).ask(f"start_time={NOW - 60}", EXPORT).status == 200
    status, content = refusal(f"start_time={NOW - 59}", at(NOW))
    assert (status, content["description"][:21]) == (400, "Too recent start_time")


def test_the_minute_is_a_setting() -> None:
    account = at(NOW, incremental_lag=0.0)
    expected = [person.id for person in BY_CHANGE if person.updated <= NOW]
    assert chained(walk(account, start_time=0)) == expected
    assert account.ask(f"start_time={NOW}", EXPORT).status == 200
    assert account.ask(f"start_time={NOW + 1}", EXPORT).status == 400


def test_sideloads_stand_behind_the_users() -> None:
    answer = page(start_time=0, include="identities,shoes,roles")
    assert list(answer)[:4] == ["users", "identities", "roles", "after_url"]
    assert {identity["user_id"] for identity in answer["identities"]} <= set(ids(answer["users"]))


def test_unknown_parameters_are_reported_in_a_header() -> None:
    answer = ACCOUNT.ask("start_time=0&role=agent", EXPORT)
    assert (
        ':controller=>"incremental", :action=>"users", :unpermitted_keys=>["role"]'
        in (answer.headers["x-zendesk-api-warn"])
    )


def test_it_needs_credentials_as_the_list_does() -> None:
    account = Account(tokens=("secret",))
    assert account.ask("start_time=0", EXPORT).status == 401
    assert account.ask("start_time=0", EXPORT, "Bearer secret").status == 200


def test_it_can_be_made_to_be_forbidden() -> None:
    answer = Account(quirks=frozenset({Quirk.NO_INCREMENTAL})).ask("start_time=0", EXPORT)
    assert (answer.status, json.loads(answer.body)["error"]["title"]) == (403, "Forbidden")


def test_an_empty_account_has_an_empty_export() -> None:
    assert Account(0).ask("start_time=0", EXPORT).body == (
        b'{"users":[],"after_url":null,"before_url":null,"after_cursor":null,"before_cursor":null,"end_of_stream":true}'
    )


# Over the wire


def test_it_has_a_limit_of_its_own() -> None:
    path = f"{EXPORT}?start_time=0&per_page=1"
    with SandboxProcess("--users", "10", "--incremental-limit", "2") as sandbox:
        responses = [get(sandbox.url, path) for _ in range(3)]
        assert [response.status for response in responses] == [200, 200, 429]
        rest = [
            response.headers["zendesk-ratelimit-incremental-exports"].rpartition(" resets=") for response in responses
        ]
        assert [text for text, _, _ in rest] == ["total=2; remaining=1;", "total=2; remaining=0;", rest[1][0]]
        assert responses[2].body == b"Number of allowed incremental export API requests per minute exceeded"
        assert responses[2].headers["retry-after"] == rest[2][2]
        assert responses[2].headers["x-rate-limit-remaining"] == "697"
        listed = get(sandbox.url)
        assert listed.status == 200
        assert "zendesk-ratelimit-incremental-exports" not in listed.headers
        assert sandbox.stats()["limited"] == 1


def test_its_limit_is_10_and_can_be_off() -> None:
    path = f"{EXPORT}?start_time=0&per_page=1"
    with SandboxProcess("--users", "10") as sandbox:
        assert [get(sandbox.url, path).status for _ in range(11)] == [200] * 10 + [429]
    with SandboxProcess("--users", "10", "--incremental-limit", "off") as sandbox:
        responses = [get(sandbox.url, path) for _ in range(11)]
        assert {response.status for response in responses} == {200}
        assert "zendesk-ratelimit-incremental-exports" not in responses[0].headers


def test_the_limit_of_the_account_goes_first() -> None:
    path = f"{EXPORT}?start_time=0&per_page=1"
    with SandboxProcess("--users", "10", "--rate-limit", "1", "--incremental-limit", "1") as sandbox:
        get(sandbox.url, path)
        assert get(sandbox.url, path).body == b"Number of allowed API requests per minute exceeded"


def test_its_header_was_spelt_otherwise_at_first() -> None:
    with SandboxProcess("--users", "10", "--quirk", "first-rate-headers") as sandbox:
        headers = get(sandbox.url, f"{EXPORT}?start_time=0").headers
        assert headers["zendesk-rate-limit-incremental-exports"].startswith("total=10; remaining=9; resets=")


def test_the_script_of_faults_strikes_it_too() -> None:
    with SandboxProcess("--users", "10", "--fault", "500@n:2") as sandbox:
        paths = ["/api/v2/users", f"{EXPORT}.json?start_time=0", f"{EXPORT}?start_time=0"]
        assert [get(sandbox.url, path).status for path in paths] == [200, 500, 200]


def test_over_the_wire_it_is_the_same_page() -> None:
    with SandboxProcess("--users", "500") as sandbox:
        body = get(sandbox.url, f"{EXPORT}?start_time=0").body
        users = b",".join(map(Population(500).content.wire, BY_CHANGE))
        assert body.startswith(
            b'{"users":[%b],"after_url":"%b%b?cursor=' % (users, sandbox.url.encode(), EXPORT.encode())
        )
