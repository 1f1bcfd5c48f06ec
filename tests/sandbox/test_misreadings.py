"""Cursors that the server issued for nobody, and what it can be made to make of them."""

from __future__ import annotations

from typing import Any

import pytest

from exporter.sandbox import ChurnRate, Quirk
from exporter.sandbox.endpoint.cursors import Codec
from tests.support.sandbox_account import Account, by_cursor, chained, ids

BY_ID = Codec("id")
IDS = Account().ids()
BETWEEN = (IDS[199] + IDS[200]) // 2
QUIRKS = [
    Quirk.MISREAD_CURSORS,
    Quirk.MISREAD_CURSORS_AS_END,
    Quirk.MISREAD_CURSORS_ELSEWHERE,
    Quirk.REFUSE_MADE_CURSORS,
]


def account(quirk: Quirk, **settings: Any) -> Account:
    return Account(quirks=frozenset({quirk}), **settings)


def made(sort: str, user: int) -> str:
    """Make a cursor for an id, with some value of the order before it."""
    codec = Codec(sort.removeprefix("-"), descending=sort.startswith("-"))
    values: dict[str, tuple[int | str, ...]] = {"id": (), "name": ("Kofi",)}
    return codec.encode(*values.get(sort.removeprefix("-"), (1_600_000_000,)), user)


def test_by_default_a_cursor_is_the_point_it_says() -> None:
    assert ids(Account().page(after=BY_ID.encode(BETWEEN))["users"]) == IDS[200:210]


@pytest.mark.parametrize("quirk", QUIRKS)
@pytest.mark.parametrize("sort", ["id", "-id", "name", "-updated_at"])
def test_cursors_of_users_are_read_as_they_should_be(quirk: Quirk, sort: str) -> None:
    strange, usual = account(quirk), Account()
    assert strange.walk(size=70, sort=sort) == usual.walk(size=70, sort=sort)
    last = usual.walk(size=70, sort=sort)[-1]["meta"]["before_cursor"]
    assert strange.walk("prev", size=70, sort=sort, before=last) == usual.walk("prev", size=70, sort=sort, before=last)


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-created_at"])
def test_a_made_cursor_can_be_ignored(sort: str) -> None:
    misread, cursor = account(Quirk.MISREAD_CURSORS), made(sort, BETWEEN)
    everyone = chained(misread.walk(size=100, sort=sort))
    assert ids(misread.page(sort=sort, after=cursor)["users"]) == everyone[:10]
    assert ids(misread.page(sort=sort, before=cursor)["users"]) == everyone[-10:]


@pytest.mark.parametrize("sort", ["id", "-id", "name", "-name", "created_at", "-updated_at"])
def test_a_made_cursor_can_be_taken_for_the_end(sort: str) -> None:
    misread, cursor = account(Quirk.MISREAD_CURSORS_AS_END), made(sort, BETWEEN)
    for page in (misread.page(sort=sort, after=cursor), misread.page(sort=sort, before=cursor)):
        assert page["users"] == []
        assert page["meta"] == {"has_more": False, "after_cursor": None, "before_cursor": None}


@pytest.mark.parametrize("sort", ["id", "-name"])
def test_a_made_cursor_can_be_taken_for_that_of_somebody_else(sort: str) -> None:
    misread = account(Quirk.MISREAD_CURSORS_ELSEWHERE)
    everyone = chained(misread.walk(size=100, sort=sort))
    landings = set()
    for user in range(BETWEEN, BETWEEN + 20):
        found = ids(misread.page(size=1, sort=sort, after=made(sort, user))["users"])
        assert found == ids(misread.page(size=1, sort=sort, after=made(sort, user))["users"])
        landings |= {everyone.index(each) for each in found}
    assert len(landings) > 10
    assert max(landings) - min(landings) > 250


@pytest.mark.parametrize("parameter", ["after", "before"])
def test_a_made_cursor_can_be_refused(parameter: str) -> None:
    refusal = account(Quirk.REFUSE_MADE_CURSORS).refusal(by_cursor(**{parameter: BY_ID.encode(BETWEEN)}))
    assert refusal["errors"][0]["title"] == f"page[{parameter}] is not valid"


def test_the_cursor_of_who_was_deleted_since_is_nobodys() -> None:
    changing = account(Quirk.REFUSE_MADE_CURSORS, churn=ChurnRate(1))
    for _ in range(100):
        changing.churn.pass_request()
    deleted, created = (
        {change.id for change in changing.churn.changes if change.kind == kind} for kind in ("deleted", "created")
    )
    assert {changing.ask(by_cursor(after=BY_ID.encode(user))).status for user in deleted} == {400}
    assert {changing.ask(by_cursor(after=BY_ID.encode(user))).status for user in created - deleted} == {200}


@pytest.mark.parametrize("quirk", QUIRKS)
def test_in_an_empty_account_every_cursor_is_nobodys(quirk: Quirk) -> None:
    status = Account(0, quirks=frozenset({quirk})).ask(by_cursor(after=BY_ID.encode(BETWEEN))).status
    assert status == (400 if quirk is Quirk.REFUSE_MADE_CURSORS else 200)
