"""`verify --against`: whoever is missing in a page that is looked at is found, and nobody else is called missing."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import urlencode

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.api import CursorRefused
from exporter.engine import Audit, Auditor, audited_query
from exporter.errors import LedgerError, UsageError
from exporter.model import Page, Query, Role
from exporter.output import IdIndex
from exporter.pages import parameters, read_page
from exporter.sandbox.settings import IdLayout, ItemCursors, Quirk, RoleShares
from tests.support.sandbox_account import Account

NOW = datetime.now(UTC).isoformat()
HOUR = 3600.0
_SMALL = Account(700)


class Endpoint:
    """The sandbox's endpoint as an auditor asks it, without HTTP.

    :param ahead: seconds that its clock is ahead of ours.
    """

    def __init__(self, account: Account, ahead: float = 0.0) -> None:
        self.account, self.ahead, self.asked = account, ahead, 0

    async def look(
        self, query: Query, *roles: Role, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        self.asked += 1
        answer = self.account.ask(urlencode(parameters(query, *roles, after=after, before=before)))
        return read_page(answer.body, query, *roles) if answer.status == 200 else CursorRefused("no")

    def server_now(self) -> float:
        return time.time() + self.ahead


def audit(
    endpoint: Endpoint, ids: Iterable[int], sample: int = 20, query: Query | None = None, began: str = NOW
) -> Audit:
    with IdIndex(sorted(ids)) as index:
        auditor = Auditor(endpoint, query or Query(), index, began, Random(7))
        return anyio.run(auditor.run, sample)


@pytest.fixture(scope="module")
def large() -> Account:
    return Account(5_000)


@pytest.mark.parametrize("place", ItemCursors)
def test_an_output_that_is_whole_is_found_so(place: ItemCursors, large: Account) -> None:
    endpoint = Endpoint(Account(large.settings.users, item_cursors=place))
    found = audit(endpoint, large.ids())
    assert (found.pages, found.looked, found.gaps, found.ends) == (50, 20, 20, 6)
    assert (found.lacking, found.unclear, found.whole) == (0, 0, False)
    assert endpoint.asked == 1 + 20 + 20 + 1 + 6


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 699), st.integers(1, 400))
def test_a_hole_of_any_width_is_found_where_every_page_is_looked_at(at: int, size: int) -> None:
    account = _SMALL
    ids = account.ids()
    gone = set(ids[at : at + size])
    found = audit(Endpoint(account), [each for each in ids if each not in gone], 10)
    assert found.lacking
    assert gone.issuperset(found.missing)


@pytest.mark.parametrize("layout", [IdLayout.SPREAD, IdLayout.CLUSTERED])
def test_a_wide_hole_is_found_by_few_pages(layout: IdLayout) -> None:
    account = Account(5_000, ids=layout, shares=RoleShares(1, 0, 0))  # the ends of small streams would show it, too
    for seed in range(3):
        ids = account.ids()
        begin = Random(seed).randrange(4_000)
        assert audit(Endpoint(account), ids[:begin] + ids[begin + 800 :], 1).lacking


@pytest.mark.parametrize(("cut", "size"), [(slice(None, -1), 1), (slice(1, None), 1), (slice(None, -3000), 100)])
def test_who_is_missing_at_an_end_is_found(cut: slice, size: int, large: Account) -> None:
    found = audit(Endpoint(large), large.ids()[cut], 1)
    assert found.lacking >= size


def test_who_is_missing_in_a_few_pages_is_named_once(large: Account) -> None:
    ids = large.ids()
    gone = {ids[5], ids[1000], ids[-1]}
    found = audit(Endpoint(large), set(ids) - gone, 1000)
    assert set(found.missing) == gone
    assert found.lacking == len(gone)
    assert found.bad >= 2


def test_users_who_were_created_since_are_no_fault_whatever_the_clocks(large: Account) -> None:
    ids = large.ids()
    created = large.get("page[size]=1&sort=-created_at")["users"][0]["created_at"]
    began = datetime.fromisoformat(created)
    assert not audit(Endpoint(large), ids[:-1], began=began.isoformat()).lacking
    assert audit(Endpoint(large, ahead=HOUR), ids[:-1], began=began.isoformat()).lacking == 1
    behind = datetime.fromtimestamp(began.timestamp() - HOUR, UTC)
    assert not audit(Endpoint(large, ahead=HOUR), ids[:-1], began=behind.isoformat()).lacking


def test_users_who_were_deleted_or_changed_their_role_since_are_no_fault() -> None:
    account = Account(3000)
    ids = [*account.ids(), *(max(account.ids()) + 10 * number for number in range(1, 50)), 17]
    assert not audit(Endpoint(account), ids, 1000).lacking
    agents = Query((Role.AGENT,))
    known = account.ids("agent")
    assert not audit(Endpoint(account), known, 1000, agents).lacking
    assert audit(Endpoint(account), known[1:], 1000, agents).missing == known[:1]
    newest = max(user["updated_at"] for page in account.walk(size=100, **{"role[]": "agent"}) for user in page["users"])
    changed = [
        user["id"]
        for page in account.walk(size=100, **{"role[]": "agent"})
        for user in page["users"]
        if user["updated_at"] == newest
    ]
    assert not audit(Endpoint(account), set(known) - set(changed), 1000, agents, began=newest).lacking


def test_where_no_cursor_can_be_made_pages_are_read_in_order_and_it_is_said(large: Account) -> None:
    sealed = Account(5_000, quirks=frozenset({Quirk.SEALED_CURSORS}))
    found = audit(Endpoint(sealed), large.ids(), 30)
    assert (found.in_order, found.looked, found.whole) == (True, 30, False)
    found = audit(Endpoint(sealed), large.ids()[:-1], 500)
    assert (found.in_order, found.whole, found.lacking) == (True, True, 1)


MISREADINGS: list[Collection[Quirk]] = [
    {Quirk.MISREAD_CURSORS}, {Quirk.MISREAD_CURSORS_AS_END}, {Quirk.MISREAD_CURSORS_ELSEWHERE},
    {Quirk.REFUSE_MADE_CURSORS},
]  # fmt: skip


@pytest.mark.parametrize("quirks", MISREADINGS)
def test_nothing_is_claimed_of_a_page_that_is_not_the_one_asked_for(quirks: Collection[Quirk], large: Account) -> None:
    odd = Account(5_000, quirks=frozenset(quirks))
    strange = [each + 1 for each in large.ids()]  # cursors of users who are not there
    found = audit(Endpoint(odd), [*strange, *large.ids()][:5_000])
    assert not found.whole
    assert found.lacking or found.in_order or found.unclear
    assert not audit(Endpoint(odd), large.ids()).lacking


def test_an_account_without_users_is_whole() -> None:
    assert audit(Endpoint(Account(0)), []).whole


@pytest.mark.parametrize(("looked", "bound"), [(100, 0.0296), (300, 0.00994), (1, 0.95), (0, 1.0)])
def test_the_bound_is_the_one_that_chance_exceeds_once_in_twenty(looked: int, bound: float) -> None:
    found = Audit(pages=8000, looked=looked)
    assert found.bound == pytest.approx(bound, abs=0.0001)
    assert not looked or (1 - found.bound) ** looked == pytest.approx(0.05)


@pytest.mark.parametrize("manifest", [{}, {"query": {"roles": ["boss"]}}, {"query": None}])
def test_a_manifest_of_another_account_or_without_a_query_is_refused(manifest: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        audited_query({"account": "https://acme.zendesk.com"} | manifest, "https://acme.zendesk.com")
    with pytest.raises(LedgerError, match=r"not of https://other"):
        audited_query({"account": "https://acme.zendesk.com"} | manifest, "https://other.zendesk.com")
