"""Every parameter of the list with its effect, and what happens to values that don't fit."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from exporter.sandbox import Quirk
from exporter.sandbox.endpoint.cursors import Codec
from exporter.sandbox.people.cohorts import COHORTS
from tests.support.sandbox_account import ORIGIN, Account, by_cursor, chained, ids

ACCOUNT = Account()
LARGE = Account(12_345)


def invalid_pagination(what: str) -> dict[str, Any]:
    return {"errors": [{"code": "InvalidPaginationParameter", "title": f"{what} is not valid"}]}


def invalid_attribute(name: str, expected: str) -> dict[str, Any]:
    message = (
        f"You passed an invalid value for the {name} attribute. "
        f"Invalid parameter: {name} must be {expected} from api/v2/users/index"
    )
    return {"error": {"title": "Invalid attribute", "message": message}}


def with_quirk(quirk: Quirk, users: int = 500) -> Account:
    return Account(users, quirks=frozenset({quirk}))


# Pagination by cursor


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_page_has_as_many_users_as_asked_for(size: int) -> None:
    assert len(ACCOUNT.page(size=size)["users"]) == size


@pytest.mark.parametrize("size", ["101", "0", "-1", "ten", "", "1.5", "٣", "9" * 5_000])
def test_a_size_that_is_none_or_over_100_is_refused(size: str) -> None:
    assert ACCOUNT.refusal(by_cursor(size)) == invalid_pagination("page[size]")


def test_a_size_over_100_can_be_made_to_mean_100() -> None:
    assert len(with_quirk(Quirk.CLAMPED_SIZE).page(size=101)["users"]) == 100


@pytest.mark.parametrize("parameter", ["after", "before"])
@pytest.mark.parametrize("cursor", ["", "x", "eyJvIjoiaWQiLCJ2IjoiYVFFPSJ9", Codec("name").encode("Ana", 1)])
def test_a_cursor_that_is_none_or_of_another_order_is_refused(parameter: str, cursor: str) -> None:
    assert ACCOUNT.refusal(by_cursor(**{parameter: cursor})) == invalid_pagination(f"page[{parameter}]")


def test_both_ways_at_once_are_refused() -> None:
    cursor = Codec("id").encode(1)
    assert ACCOUNT.refusal(by_cursor(after=cursor, before=cursor)) == invalid_pagination("page[before]")


def test_the_two_paginations_exclude_each_other() -> None:
    assert ACCOUNT.refusal("page=2&page[size]=2") == invalid_attribute("page", "an integer")


def test_without_a_size_even_a_cursor_is_ignored_and_pages_are_traditional() -> None:
    page = ACCOUNT.get(f"per_page=5&page[after]={quote(Codec('id').encode(2**60))}")
    assert list(page) == ["users", "next_page", "previous_page", "count"]
    assert ids(page["users"]) == ACCOUNT.ids()[:5]


# Traditional pagination


def test_a_traditional_page_has_its_keys_in_order() -> None:
    assert list(ACCOUNT.get()) == ["users", "next_page", "previous_page", "count"]


def test_traditional_pages_have_100_users_unless_told_otherwise_and_never_more() -> None:
    assert [len(ACCOUNT.get(query)["users"]) for query in ("", "per_page=30", "per_page=1000")] == [100, 30, 100]


def test_traditional_pages_follow_each_other_and_tell_the_count() -> None:
    pages = [ACCOUNT.get(f"page={number}") for number in range(1, 6)]
    assert chained(pages) == ACCOUNT.ids()
    assert {page["count"] for page in pages} == {500}


def test_traditional_links_are_the_neighbours_and_null_at_the_ends() -> None:
    pages = [ACCOUNT.get(f"page={number}") for number in (1, 3, 5)]
    assert [page["next_page"] for page in pages] == [f"{ORIGIN}/api/v2/users?page={next_}" for next_ in (2, 4)] + [None]
    assert [page["previous_page"] for page in pages] == [
        None,
        *(f"{ORIGIN}/api/v2/users?page={back}" for back in (2, 4)),
    ]


def test_traditional_links_have_per_page_only_if_it_was_given() -> None:
    page = ACCOUNT.get("role=end-user&per_page=5&page=2")
    assert page["next_page"] == f"{ORIGIN}/api/v2/users?page=3&per_page=5&role=end-user"


def test_a_traditional_page_past_the_end_is_empty() -> None:
    page = ACCOUNT.get("page=7")
    assert (page["users"], page["next_page"], page["count"]) == ([], None, 500)


@pytest.mark.parametrize("query", ["page=100", "page=200&per_page=50", "page=10000&per_page=1"])
def test_traditional_pages_reach_10000_users(query: str) -> None:
    assert LARGE.get(query)["users"][-1]["id"] == LARGE.ids()[9_999]


@pytest.mark.parametrize("query", ["page=101", "page=201&per_page=50", "page=9223372036854775807"])
def test_traditional_pages_end_at_10000_users(query: str) -> None:
    (error,) = LARGE.refusal(query)["errors"]
    assert error["code"] == "InvalidPaginationDepth"
    assert error["title"].endswith("limited to page 100 or up to 10000 records (page * per_page)")


@pytest.mark.parametrize("name", ["page", "per_page", "permission_set"])
@pytest.mark.parametrize("value", ["x", "", "1.5", "1e3", "9" * 5_000])
def test_a_number_that_is_none_is_refused(name: str, value: str) -> None:
    assert ACCOUNT.refusal(f"{name}={value}") == invalid_attribute(name, "an integer")


@pytest.mark.parametrize("query", ["page=0", "page=-3", "per_page=0", "per_page=-1"])
def test_numbers_below_one_mean_the_default(query: str) -> None:
    assert ids(ACCOUNT.get(query)["users"]) == ACCOUNT.ids()[:100]


# Whom


@pytest.mark.parametrize("role", ["end-user", "agent", "admin"])
def test_a_role_selects_those_who_have_it(role: str) -> None:
    users = [user for page in ACCOUNT.walk(size=100, role=role) for user in page["users"]]
    assert ids(users) == ACCOUNT.ids(role)
    assert {user["role"] for user in users} == {role}


def test_several_roles_select_their_union_in_order_of_id() -> None:
    walked = chained(ACCOUNT.walk(size=5, **{"role[]": ["agent", "admin", "agent"]}))
    assert walked == sorted(ACCOUNT.ids("agent") + ACCOUNT.ids("admin"))


def test_an_unknown_role_selects_nobody() -> None:
    assert ACCOUNT.page(role="shoemaker")["users"] == []


def test_an_unknown_role_can_be_made_to_be_refused() -> None:
    assert with_quirk(Quirk.STRICT_ROLE).refusal("role=shoemaker")["error"]["title"] == "Invalid attribute"


def test_the_name_of_a_custom_role_is_a_role() -> None:
    users = ACCOUNT.page(role="Light agent")["users"]
    assert users
    assert {user["role_type"] for user in users} == {1}


def test_one_role_and_several_exclude_each_other() -> None:
    assert ACCOUNT.refusal("role=agent&role[]=admin") == invalid_attribute("role", "a string")


@pytest.mark.parametrize("cohort", [cohort for cohort in COHORTS if cohort.custom_role_id])
def test_a_permission_set_selects_those_who_have_it(cohort: Any) -> None:
    users = LARGE.page(size=100, permission_set=cohort.custom_role_id)["users"]
    assert users
    assert {user["custom_role_id"] for user in users} == {cohort.custom_role_id}


def test_role_and_permission_set_both_narrow() -> None:
    assert ACCOUNT.page(permission_set=COHORTS[2].custom_role_id, role="admin")["users"] == []


@pytest.mark.parametrize("change", [str, str.upper, str.casefold])
def test_an_external_id_selects_its_bearer_whatever_the_case(change: Any) -> None:
    bearer = ACCOUNT.get()["users"][3]
    page = ACCOUNT.page(external_id=change(bearer["external_id"]))
    assert page["users"] == [bearer]
    assert page["meta"]["has_more"] is False
    assert ACCOUNT.get(f"external_id={quote(change(bearer['external_id']))}")["count"] == 1


def test_an_external_id_of_nobody_selects_nobody() -> None:
    assert ACCOUNT.page(external_id="CRM-00000001")["users"] == []
    assert ACCOUNT.get("external_id=x")["count"] == 0


@pytest.mark.parametrize("sort", ["id", "name", "-updated_at"])
def test_an_external_id_stays_on_its_side_of_a_cursor(sort: str) -> None:
    wanted = {"sort": sort, "external_id": ACCOUNT.get()["users"][3]["external_id"]}
    cursor = ACCOUNT.page(**wanted)["meta"]["after_cursor"]
    before_everyone = ACCOUNT.page(sort=sort)["meta"]["before_cursor"]
    assert ACCOUNT.page(after=cursor, **wanted)["users"] == ACCOUNT.page(before=cursor, **wanted)["users"] == []
    assert len(ACCOUNT.page(after=before_everyone, **wanted)["users"]) == 1


# In which order


@pytest.mark.parametrize(
    ("sort", "key"), [("id", "id"), ("created_at", "created_at"), ("updated_at", "updated_at"), ("name", "name")]
)
@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize("link", ["cursor", "traditional"])
def test_users_are_sorted_by_field_then_by_ascending_id(sort: str, key: str, sign: str, link: str) -> None:
    pages = [ACCOUNT.get(f"sort={sign}{sort}&page={number}") for number in range(1, 6)]
    users = [
        user
        for page in (ACCOUNT.walk(size=100, sort=sign + sort) if link == "cursor" else pages)
        for user in page["users"]
    ]
    ascending = sorted(users, key=lambda user: user["id"])
    assert users == sorted(ascending, key=lambda user: str(user[key]).casefold(), reverse=bool(sign))


@pytest.mark.parametrize(
    ("sort", "order"),
    [("-id", "-id"), ("name", "name,id"), ("-created_at", "-created_at,id"), ("updated_at", "updated_at,id")],
)
def test_cursors_name_the_order(sort: str, order: str) -> None:
    codec = Codec(order.removeprefix("-").split(",")[0], descending=order.startswith("-"))
    user = ACCOUNT.page(size=1, sort=sort)
    assert codec.order == order
    assert codec.decode(user["meta"]["after_cursor"])[-1] == user["users"][0]["id"]


def test_a_cursor_need_not_name_anybody_in_any_order() -> None:
    for sort, values in (("name", ("m", 0)), ("-created_at", (1_500_000_000, -5)), ("updated_at", (-1, 2**63 - 1))):
        cursor = Codec(sort.removeprefix("-"), descending=sort.startswith("-")).encode(*values)
        after = chained(ACCOUNT.walk(size=100, sort=sort, after=cursor))
        before = chained(ACCOUNT.walk("prev", size=100, sort=sort, before=cursor)[::-1])
        assert before + after == chained(ACCOUNT.walk(size=100, sort=sort))


@pytest.mark.parametrize("sort", ["shoe_size", "", "-", "--id", "id,name", "ID"])
@pytest.mark.parametrize("pagination", ["page[size]=2&", ""])
def test_an_unknown_sort_is_refused(sort: str, pagination: str) -> None:
    assert ACCOUNT.refusal(f"{pagination}sort={sort}") == invalid_pagination("sort")


def test_every_sort_can_be_made_to_be_refused() -> None:
    assert with_quirk(Quirk.NO_SORT).refusal("page[size]=2&sort=-updated_at") == invalid_pagination("sort")


def test_sort_by_is_ignored_by_cursors_without_a_word() -> None:
    answer = ACCOUNT.ask("page[size]=9&sort_by=name&sort_order=desc")
    assert ids(json.loads(answer.body)["users"]) == ACCOUNT.ids()[:9]
    assert "x-zendesk-api-warn" not in answer.headers


def test_sort_by_orders_traditional_pages() -> None:
    assert ACCOUNT.get("sort_by=name&sort_order=desc")["users"] == ACCOUNT.get("sort=-name")["users"]


# Whatever else


@pytest.mark.parametrize("name", ["include_boundary_indicators", "include_item_cursors"])
@pytest.mark.parametrize("pagination", ["page[size]=2&", ""])
def test_a_flag_that_is_neither_true_nor_false_is_refused(name: str, pagination: str) -> None:
    assert ACCOUNT.refusal(f"{pagination}{name}=maybe") == invalid_attribute(name, "either true or false")


@pytest.mark.parametrize("value", ["true", "1", "on"])
def test_a_flag_can_be_set_in_several_ways(value: str) -> None:
    assert "meta" in ACCOUNT.page(include_item_cursors=value)["users"][0]


def test_unknown_parameters_are_reported_in_a_header_and_ignored() -> None:
    answer = ACCOUNT.ask("page[size]=2&cursor_pagination=true&shoe[size]=44")
    assert answer.status == 200
    assert answer.headers["x-zendesk-api-warn"] == (
        '{:allowed_parameters=>{:controller=>"users", :action=>"index", '
        ':unpermitted_keys=>["cursor_pagination", "shoe"], :invalid_values=>[]}}'
    )


def test_known_parameters_are_not_reported() -> None:
    query = by_cursor(2, role="agent", sort="id", include="roles", brand_id="all", include_item_cursors="true")
    assert ACCOUNT.ask(query).headers == {}


def test_a_hostile_parameter_makes_no_header_of_its_own() -> None:
    warning = ACCOUNT.ask("a%0d%0aset-cookie:%20x%22é=1").headers["x-zendesk-api-warn"]
    assert warning.isascii()
    assert warning.isprintable()
