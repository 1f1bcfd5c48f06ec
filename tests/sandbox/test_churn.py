"""A changing account, as it is asked for: pages, counts, sideloads, the incremental export, and what control tells."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from exporter.sandbox import ChurnRate, Population
from exporter.sandbox.people.cohorts import COHORTS
from exporter.sandbox.people.users import timestamp
from tests.sandbox.test_incremental import EXPORT, walk
from tests.sandbox.test_server import get
from tests.support.sandbox_account import Account, by_cursor, chained, ids
from tests.support.sandbox_process import SandboxProcess

USERS, CHANGES = 600, 300
START = 1_800_000_000
SORTS = ["id", "-id", "name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]


def changed() -> Account:
    """Return an account after some changes, two a second."""
    clock: Callable[[], float] = iter(START + half / 2 for half in range(10**9)).__next__
    account = Account(USERS, clock=clock, churn=ChurnRate(1), incremental_lag=0.0)
    for _ in range(CHANGES):
        account.churn.pass_request()
    return account


ACCOUNT = changed()
EVERYONE = [json.loads(ACCOUNT.endpoint.present.wire(person)) for person in ACCOUNT.endpoint.present.walk()]


def by_hand(sort: str, users: list[Any] = EVERYONE) -> list[int]:
    field = sort.removeprefix("-")
    ascending = sorted(users, key=lambda user: user["id"])
    ascending.sort(key=lambda user: str(user[field]).casefold(), reverse=sort.startswith("-"))
    return ids(ascending)


@pytest.mark.parametrize("sort", SORTS)
def test_a_walk_along_the_links_meets_everyone_once_in_order(sort: str) -> None:
    pages = ACCOUNT.walk(size=37, sort=sort)
    assert chained(pages) == by_hand(sort)
    backward = ACCOUNT.walk("prev", size=37, sort=sort, before=pages[-1]["meta"]["before_cursor"])
    assert [page["users"] for page in backward[::-1]] == [page["users"] for page in pages[:-1]]


@pytest.mark.parametrize("sort", SORTS)
def test_traditional_pages_meet_everyone_once_in_order(sort: str) -> None:
    pages = [ACCOUNT.get(f"page={number}&sort={sort}") for number in range(1, len(EVERYONE) // 100 + 2)]
    assert chained(pages) == by_hand(sort)
    assert {page["count"] for page in pages} == {len(EVERYONE)}


@pytest.mark.parametrize("role", ["end-user", "agent", "admin"])
def test_roles_are_those_of_now(role: str) -> None:
    theirs = [user for user in EVERYONE if user["role"] == role]
    assert chained(ACCOUNT.walk(size=100, role=role)) == ids(theirs)
    assert ACCOUNT.get(f"role={role}", "/api/v2/users/count")["count"]["value"] == len(theirs)


@pytest.mark.parametrize("cohort", [cohort for cohort in COHORTS if cohort.custom_role_id])
def test_permission_sets_are_those_of_now(cohort: Any) -> None:
    theirs = [user for user in EVERYONE if user["custom_role_id"] == cohort.custom_role_id]
    page = ACCOUNT.page(size=100, permission_set=cohort.custom_role_id, include="roles")
    assert ids(page["users"]) == ids(theirs)
    assert {user["role_type"] for user in page["users"]} == {cohort.role_type}
    assert [role["name"] for role in page["roles"]] == [cohort.title]


def test_an_external_id_leads_to_its_bearer_as_they_are_now() -> None:
    bearers = [user for user in EVERYONE if user["external_id"]]
    assert any(user["id"] not in ACCOUNT.ids() for user in bearers)
    for user in bearers:
        assert ACCOUNT.get(f"external_id={quote(user['external_id'])}")["users"] == [user]


def test_an_external_id_of_who_is_gone_leads_to_nobody() -> None:
    there = set(ids(EVERYONE))
    gone = [person for person in Population(USERS).walk() if person.id not in there]
    texts = [text for person in gone if (text := ACCOUNT.population.content.external_id(person.place))]
    assert texts
    for text in texts:
        assert ACCOUNT.get(f"external_id={quote(text)}")["users"] == []


def test_sideloads_are_of_the_users_of_the_page() -> None:
    for page in ACCOUNT.walk(size=100, include="identities,groups,organizations"):
        addresses = [(identity["user_id"], identity["value"]) for identity in page["identities"]]
        assert addresses == [(user["id"], user["email"]) for user in page["users"] if user["email"] is not None]
        for kind, field in (("groups", "default_group_id"), ("organizations", "organization_id")):
            referred = [user[field] for user in page["users"] if user[field] is not None]
            assert ids(page[kind]) == list(dict.fromkeys(referred))


def test_the_incremental_export_has_everyone_who_changed_and_who_is_gone() -> None:
    users = {user["id"]: user for page in walk(ACCOUNT, start_time=START, per_page=7) for user in page["users"]}
    assert users.keys() == {change.id for change in ACCOUNT.churn.changes}
    there = {user["id"]: user for user in EVERYONE}
    for number, user in users.items():
        assert user["active"] == (number in there)
        assert user == there.get(number, user)


def test_the_incremental_export_is_in_order_of_change_and_says_each_user_once() -> None:
    users = [user for page in walk(ACCOUNT, start_time=0, per_page=50) for user in page["users"]]
    assert ids(users) == by_hand("updated_at", users)
    assert len(set(ids(users))) == len(users) == USERS + sum(each.kind == "created" for each in ACCOUNT.churn.changes)


def test_what_changed_says_when() -> None:
    last = {change.id: change.at for change in ACCOUNT.churn.changes}
    users = [user for user in EVERYONE if user["id"] in last]
    assert [user["updated_at"] for user in users] == [timestamp(last[user["id"]]).decode() for user in users]


def test_the_first_admin_is_the_caller_even_after_a_change_of_role() -> None:
    admin = next(user["id"] for user in EVERYONE if user["role"] == "admin")
    assert ACCOUNT.get(path="/api/v2/users/me")["user"]["id"] == admin


def test_without_churn_nothing_happens_to_an_account() -> None:
    account = Account(100)
    before = account.ask(by_cursor(100)).body
    account.churn.pass_request()
    assert account.ask(by_cursor(100)).body == before
    assert account.churn.changes == []


# Over the wire


def changes(sandbox: SandboxProcess) -> list[Any]:
    report: list[Any] = json.loads(get(sandbox.url, "/_sandbox/changes").body)
    return report


def everyone(sandbox: SandboxProcess, query: str = "") -> list[bytes]:
    return get(sandbox.url, f"/_sandbox/users{query}").body.splitlines()


def test_the_list_and_the_incremental_export_let_things_happen_and_nothing_else_does() -> None:
    with SandboxProcess("--users", "300", "--churn", "1") as sandbox:
        paths = [
            "/api/v2/users",
            "/api/v2/users/count",
            "/api/v2/users/me",
            f"{EXPORT}?start_time=0",
            "/_sandbox/users",
        ]
        numbers = []
        for path in paths:
            get(sandbox.url, path)
            numbers.append(len(changes(sandbox)))
        assert numbers == [1, 1, 1, 2, 2]
        assert list(changes(sandbox)[1]) == ["kind", "id", "request", "at"]
        assert changes(sandbox)[1]["request"] == 2
        assert sandbox.stats()["requests"] == 4


def test_what_happens_is_the_same_again_and_ends_at_its_total() -> None:
    reports = []
    for _ in range(2):
        with SandboxProcess("--users", "300", "--churn", "1.5:7") as sandbox:
            for _ in range(8):
                get(sandbox.url)
            reports.append([(each["kind"], each["id"], each["request"]) for each in changes(sandbox)])
    assert reports[0] == reports[1]
    assert [request for _, _, request in reports[0]] == [1, 2, 2, 3, 4, 4, 5]


def test_control_streams_everyone_as_they_are_now() -> None:
    with SandboxProcess("--users", "2500", "--churn", "20", "--token", "secret") as sandbox:
        for _ in range(3):
            get(sandbox.url, "/api/v2/users", {"Authorization": "Bearer secret"})
        users = [json.loads(line) for line in everyone(sandbox)]
        assert len(changes(sandbox)) == 60
        created = sum(each["kind"] == "created" for each in changes(sandbox))
        deleted = sum(each["kind"] == "deleted" for each in changes(sandbox))
        assert len(users) == 2_500 + created - deleted
        assert ids(users) == sorted(ids(users))
        agents = [user for user in users if user["role"] == "agent"]
        assert [json.loads(line) for line in everyone(sandbox, "?role=agent")] == agents
        assert everyone(sandbox, "?role=nobody") == []


def test_control_streams_the_population_where_nothing_changes() -> None:
    with SandboxProcess("--users", "2000") as sandbox:
        assert get(sandbox.url, "/_sandbox/users").body == b"".join(user + b"\n" for user in Population(2_000).users())


def test_a_page_has_the_change_that_came_with_it() -> None:
    with SandboxProcess("--users", "80", "--churn", "1") as sandbox:
        for _ in range(20):
            page = json.loads(get(sandbox.url).body)
            assert page["users"] == [json.loads(line) for line in everyone(sandbox)]


@pytest.mark.parametrize("skew", [0, -3_600, 86_400])
def test_every_response_tells_the_time_by_the_servers_clock(skew: int) -> None:
    flags = ("--users", "50", "--churn", "1", f"--clock-skew={skew}", "--incremental-lag", "0", "--fault", "500@n:2")
    with SandboxProcess(*flags) as sandbox:
        earliest = int(time()) + skew
        paths = ["/api/v2/users", "/api/v2/users", "/nothing", *("/_sandbox/stats", "/_sandbox/users")]
        dates = [get(sandbox.url, path).headers.get_all("date") for path in paths]
        page = json.loads(get(sandbox.url, f"{EXPORT}?{urlencode({'start_time': earliest})}").body)
        latest = int(time()) + skew
        for date in dates:
            assert date is not None
            (only,) = date
            assert earliest <= parsedate_to_datetime(only).timestamp() <= latest
        at = [change["at"] for change in changes(sandbox)]
        assert all(earliest <= each <= latest for each in at)
        assert {timestamp(each).decode() for each in at} >= {user["updated_at"] for user in page["users"]}
        assert page["users"]
