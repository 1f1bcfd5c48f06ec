"""The rest of the endpoint: count, the caller, credentials, sideloads, and what isn't there."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from exporter.sandbox import Quirk
from exporter.sandbox.people.cohorts import COHORTS
from tests.support.sandbox_account import Account, by_cursor, ids

ACCOUNT = Account()
COUNT, ME = "/api/v2/users/count", "/api/v2/users/me"
SIDELOADS = ("organizations", "abilities", "roles", "identities", "groups")


def basic(pair: str) -> str:
    return f"Basic {b64encode(pair.encode()).decode()}"


# Routes


@pytest.mark.parametrize("path", ["/api/v2/users", COUNT, ME])
def test_every_route_is_there_with_and_without_json(path: str) -> None:
    assert ACCOUNT.get(path=path).keys() == ACCOUNT.get(path=f"{path}.json").keys()


@pytest.mark.parametrize("path", ["/", "/api/v2/user", "/api/v2/users/", "/api/v2/users.xml", "/api/v2/users/1", ""])
def test_any_other_route_is_not_found(path: str) -> None:
    answer = ACCOUNT.ask(path=path)
    assert answer.status == 404
    assert answer.body == b'{"error":"InvalidEndpoint","description":"Not found"}'


# The count


def test_the_count_is_a_value_and_the_time_it_was_refreshed() -> None:
    assert list(ACCOUNT.get(path=COUNT)["count"]) == ["value", "refreshed_at"]
    assert ACCOUNT.get(path=COUNT)["count"]["value"] == 500


@pytest.mark.parametrize(
    ("query", "roles"),
    [("role=agent", ["agent"]), ("role[]=agent&role[]=admin", ["agent", "admin"]), ("role=shoemaker", [])],
)
def test_the_count_can_be_of_roles(query: str, roles: list[str]) -> None:
    assert ACCOUNT.get(query, COUNT)["count"]["value"] == sum(len(ACCOUNT.ids(role)) for role in roles)


def test_the_count_can_be_of_a_permission_set() -> None:
    users = ACCOUNT.page(size=100, permission_set=COHORTS[2].custom_role_id)["users"]
    assert ACCOUNT.get(f"permission_set={COHORTS[2].custom_role_id}", COUNT)["count"]["value"] == len(users)


def test_the_count_knows_no_external_id_and_says_so() -> None:
    answer = ACCOUNT.ask("external_id=x", COUNT)
    assert json.loads(answer.body)["count"]["value"] == 500
    assert ':action=>"count", :unpermitted_keys=>["external_id"]' in answer.headers["x-zendesk-api-warn"]


def test_the_count_can_be_made_to_be_missing() -> None:
    assert Account(quirks=frozenset({Quirk.NO_COUNT})).ask(path=COUNT).status == 404


def test_the_count_can_be_made_to_end_at_100000() -> None:
    account = Account(100_001, quirks=frozenset({Quirk.CAPPED_COUNT}))
    assert account.get(path=COUNT) == {"count": {"value": 100_000, "refreshed_at": None}}


# Credentials

GUARDED = Account(tokens=("secret", "other"))


@pytest.mark.parametrize("authorization", ["Bearer secret", "Bearer other", basic("me@example.com/token:secret")])
@pytest.mark.parametrize("path", ["/api/v2/users", COUNT])
def test_a_token_is_good_as_oauth_and_as_api_token(path: str, authorization: str) -> None:
    assert GUARDED.ask(path=path, authorization=authorization).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "secret",
        "Basic secret",
        "Basic é",
        "Basic /w==",
        basic("me@example.com:secret"),
        basic("me@example.com/token:wrong"),
        basic("me@example.com/token:"),
        basic("secret"),
    ],
)
def test_without_a_token_nothing_is_served(authorization: str) -> None:
    answer = GUARDED.ask(authorization=authorization)
    assert (answer.status, answer.body) == (401, b'{"error":"Couldn\'t authenticate you"}')


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Bearer "])
def test_a_wrong_oauth_token_is_refused_in_its_own_envelope(authorization: str) -> None:
    answer = GUARDED.ask(authorization=authorization)
    assert (answer.status, json.loads(answer.body)["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("authorization", ["", "Bearer x", basic("x/token:y"), "Basic x"])
def test_an_account_without_tokens_demands_none(authorization: str) -> None:
    assert ACCOUNT.ask(authorization=authorization).status == 200


def test_me_is_the_first_admin() -> None:
    answer = GUARDED.ask(path=ME, authorization="Bearer secret")
    assert json.loads(answer.body)["user"]["id"] == GUARDED.ids("admin")[0]


@pytest.mark.parametrize("authorization", ["", basic("me@example.com/token:wrong")])
def test_me_is_an_anonymous_user_for_wrong_credentials(authorization: str) -> None:
    answer = GUARDED.ask(path=ME, authorization=authorization)
    user = json.loads(answer.body)["user"]
    assert (answer.status, user["id"], user["name"]) == (200, None, "Anonymous user")


def test_a_wrong_bearer_is_no_anonymous_user() -> None:
    assert GUARDED.ask(path=ME, authorization="Bearer wrong").status == 401


def test_me_is_nobody_in_an_empty_account() -> None:
    assert Account(0).get(path=ME) == {"user": None}


# Sideloads


def with_sideloads(*kinds: str, **parameters: object) -> Any:
    return ACCOUNT.page(size=100, include=",".join(kinds), **parameters)


def test_sideloads_stand_between_users_and_meta() -> None:
    assert list(with_sideloads(*SIDELOADS)) == ["users", *SIDELOADS, "meta", "links"]


def test_sideloads_stand_between_users_and_next_page() -> None:
    page = ACCOUNT.get("include=roles,organizations")
    assert list(page) == ["users", "roles", "organizations", "next_page", "previous_page", "count"]


def test_sideloads_are_there_even_if_the_page_is_empty() -> None:
    assert Account(0).page(include="groups,abilities") == Account(0).page() | {"groups": [], "abilities": []}


def test_unknown_sideloads_are_ignored() -> None:
    assert list(with_sideloads("shoes", "", "roles", "roles")) == ["users", "roles", "meta", "links"]


def test_unknown_sideloads_can_be_made_to_be_refused() -> None:
    account = Account(quirks=frozenset({Quirk.STRICT_INCLUDE}))
    assert account.refusal(by_cursor(include="roles,shoes"))["error"]["title"] == "Invalid attribute"


@pytest.mark.parametrize(
    ("kind", "role", "field"),
    [("organizations", "end-user", "organization_id"), ("groups", "agent", "default_group_id")],
)
def test_records_are_those_the_page_refers_to_each_once(kind: str, role: str, field: str) -> None:
    page = with_sideloads(kind, role=role)
    referred = [user[field] for user in page["users"] if user[field] is not None]
    assert ids(page[kind]) == list(dict.fromkeys(referred))
    assert len(referred) > len(page[kind]) > 0


def test_identities_are_the_addresses_of_the_users() -> None:
    page = with_sideloads("identities")
    addresses = [(identity["user_id"], identity["value"]) for identity in page["identities"]]
    assert addresses == [(user["id"], user["email"]) for user in page["users"] if user["email"] is not None]


def test_abilities_are_one_for_each_user_and_have_their_fields() -> None:
    page = with_sideloads("abilities")
    assert [ability["user_id"] for ability in page["abilities"]] == ids(page["users"])
    assert list(page["abilities"][0]) == [
        "url",
        "user_id",
        "can_edit",
        "can_edit_password",
        "can_manage_identities_of",
        "can_verify_identities",
    ]


def test_roles_of_the_account_have_the_ids_of_their_bearers() -> None:
    page = with_sideloads("roles", role="agent")
    bearers = {user["custom_role_id"] for user in page["users"]} - {None}
    assert {role["id"] for role in page["roles"]} - {None} == bearers


def test_the_role_of_admins_is_the_systems_and_has_no_id() -> None:
    (role,) = with_sideloads("roles", role="admin")["roles"]
    assert (role["id"], role["name"], role["created_at"]) == (None, "admin", None)
