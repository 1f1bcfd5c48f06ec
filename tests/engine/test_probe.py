"""`probe` says the right thing of each way in which an account may behave; its report holds nothing personal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from exporter.api import Answered
from exporter.api.verdict import verdict
from exporter.engine import Probe, Probed
from exporter.engine.anonymous import anonymous
from exporter.errors import AuthError
from exporter.sandbox.settings import IdLayout, ItemCursors, Quirk
from tests.support.sandbox_account import Account


def answered(status: int, body: bytes, headers: dict[str, str] | None = None) -> Answered:
    fields = CIMultiDict(headers or {})
    judged = verdict(status, fields, body, sent_cursor=False, now=datetime.now(UTC))
    return Answered(status, fields, body, 0.1234, judged)


def probe(account: Account, *, brief: bool = False) -> Probed:
    async def ask(path: str, params: list[tuple[str, str]]) -> Answered:
        came = account.ask(urlencode(params), path)
        return answered(came.status, came.body, {"ratelimit-limit": "700", "x-odd": "Ada Lovelace"})

    asked = Probe(ask)
    return anyio.run(asked.brief if brief else asked.run)


def found(probed: Probed) -> dict[str, str]:
    return {finding.about: finding.found for finding in probed.findings}


PLACES = {
    ItemCursors.USER_META: "users[].meta.cursor",
    ItemCursors.USER_META_PAGE: "users[].meta.page.cursor",
    ItemCursors.USER: "users[].cursor",
    ItemCursors.META_LIST: "meta.item_cursors, in order",
    ItemCursors.META_CURSORS: "meta.cursors, in order",
    ItemCursors.META_MAP: "meta.item_cursors, by id",
    ItemCursors.NONE: "none: the flag has no effect",
}


@pytest.mark.parametrize("place", ItemCursors)
def test_the_place_of_item_cursors_is_named(place: ItemCursors) -> None:
    probed = probe(Account(500, item_cursors=place))
    assert found(probed)["item cursors"] == PLACES[place]
    assert (probed.ranges, probed.sweep, probed.limit) == (True, "sort=-updated_at", 700)
    assert len(probed.exchanges) <= 14


QUIRKS = [
    (Quirk.HAS_MORE_ABSENT, "has_more without the flag", "left out"),
    (Quirk.SEALED_CURSORS, "cursors", "are of a form of their own: none can be made"),
    (Quirk.MISREAD_CURSORS, "cursors", "misread if made: it leads elsewhere"),
    (Quirk.MISREAD_CURSORS_AS_END, "cursors", "misread if made: nobody is behind one"),
    (Quirk.MISREAD_CURSORS_AS_END, "the end of a stream", "not found by page[before]"),
    (Quirk.REFUSE_MADE_CURSORS, "cursors", "refused if made (HTTP 400)"),
    (Quirk.NO_COUNT, "users/count", "refused (HTTP 404)"),
    (Quirk.NO_SORT, "sort=-updated_at", "refused (HTTP 400)"),
    (Quirk.NO_SORT, "sort=name", "refused (HTTP 400)"),
    (Quirk.NO_INCREMENTAL, "the incremental export", "refused (HTTP 403)"),
    (Quirk.CLAMPED_SIZE, "page[size]=101", "taken for 100"),
    (Quirk.STRICT_ROLE, "an unknown role", "refused"),
]


@pytest.mark.parametrize(("quirk", "about", "said"), QUIRKS)
def test_a_quirk_is_told_and_an_account_without_it_is_told_otherwise(quirk: Quirk, about: str, said: str) -> None:
    assert found(probe(Account(500, quirks=frozenset({quirk}))))[about] == said
    assert found(probe(Account(500)))[about] != said


@pytest.mark.parametrize("layout", IdLayout)
def test_cursors_are_tried_whatever_the_ids(layout: IdLayout) -> None:
    assert found(probe(Account(500, ids=layout)))["cursors"] == "taken if made"


@pytest.mark.parametrize(
    ("quirks", "line"),
    [
        (set(), "many cursors at once in each role; changes meanwhile are found by sort=-updated_at"),
        ({Quirk.NO_SORT}, "many cursors at once in each role; changes meanwhile are found by the incremental export"),
        (
            {Quirk.NO_SORT, Quirk.NO_INCREMENTAL, Quirk.SEALED_CURSORS},
            "one cursor a role, since none can be made; changes meanwhile can't be found",
        ),
    ],
)
def test_what_it_means_is_one_line_that_few_requests_can_tell(quirks: set[Quirk], line: str) -> None:
    account = Account(500, quirks=frozenset(quirks))
    brief, whole = probe(account, brief=True), probe(account)
    assert line in whole.in_a_line()
    assert brief.in_a_line() == whole.in_a_line()
    assert len(brief.exchanges) <= 4


@pytest.mark.parametrize("users", [0, 1])
def test_an_account_with_nobody_to_show_anything_is_told_of(users: int) -> None:
    probed = probe(Account(users))
    assert probed.ranges == bool(users)
    assert "shows nothing" in found(probed)["sort=-updated_at"]


def test_whoever_is_not_let_in_is_told_so() -> None:
    with pytest.raises(AuthError):
        probe(Account(5, tokens=("a-token-that-is-not-sent",)))


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for name, member in value.items() for text in [name, *_texts(member)]]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else [str(value)]


@pytest.mark.parametrize("place", [ItemCursors.USER_META, ItemCursors.META_MAP])
def test_the_report_holds_nothing_that_a_user_holds(place: ItemCursors) -> None:
    account = Account(500, item_cursors=place)
    probed = probe(account)
    told = json.dumps([exchange._asdict() for exchange in probed.exchanges])
    users = account.get("page[size]=100")["users"]
    own = {*users[0], "cursor", "None", "False", "True", "fraction", "number"}  # some fields are called so, too
    for user in users:
        kept = ("user_fields", "id", "name", "email", "url", "notes", "phone", "external_id", "updated_at")
        for text in _texts([user[name] for name in kept]):
            assert len(text) < 5 or text in own or json.dumps(text)[1:-1] not in told, text
    assert "Ada" not in told
    assert '"ratelimit-limit": "700"' in told
    assert "number" in told


@given(st.recursive(st.text() | st.integers(), lambda each: st.lists(each) | st.dictionaries(st.text(), each)))
def test_no_text_and_no_number_comes_through(value: Any) -> None:
    secret = "Grace.Hopper@navy.example"
    body = json.dumps({"users": [{"id": 6130871168922, secret: value, "name": secret, "user_fields": {"iq": value}}]})
    told = json.dumps(anonymous("a page", "/api/v2/users", [("page[after]", secret)], answered(200, body.encode())))
    assert secret not in told
    assert "6130871168922" not in told
    assert "iq" not in told
