"""Faults that look like an honest answer and are wrong in one place. `script` has the table of all.

How often the real service answers so is not known; each kind was reported or recorded somewhere (users missing at
random, an empty page behind `has_more`, pages that are short after a time-out).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from exporter.sandbox.endpoint.answers import json_answer
from exporter.sandbox.faults.kinds import NUMBER, Kind
from exporter.sandbox.faults.spoils import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.endpoint.answers import Answer
    from exporter.sandbox.faults.kinds import Asked

KEPT = 0.8
"""The part of a page that a page with too few users has."""


def _of_a_page(lie: Callable[[Page, Asked], None]) -> Kind:
    """Make a kind of what is wrong with a page by cursor that has users."""

    def make(asked: Asked, _: str) -> Answer:
        answer = asked.honest()
        page = Page.read(answer.body)
        if page is None or not page.users or "meta" not in page.rest:
            return answer
        lie(page, asked)
        return replace(answer, body=page.body())

    return Kind(make)


def _nobody(more: bool) -> Callable[[Page, Asked], None]:
    def lie(page: Page, _: Asked) -> None:
        page.users.clear()
        page.rest["meta"] |= {"has_more": more, "after_cursor": None, "before_cursor": None}
        page.rest["links"] = dict.fromkeys(page.rest["links"])

    return lie


def _ended(page: Page, _: Asked) -> None:
    page.rest["meta"]["has_more"] = False


def _bare(page: Page, _: Asked) -> None:
    page.rest["meta"] = {"has_more": None, "after_cursor": None, "before_cursor": None}


def _fewer(page: Page, _: Asked) -> None:
    """Leave out the last users, and keep the cursors of the whole page."""
    del page.users[max(int(len(page.users) * KEPT), 1) :]


def _holed(page: Page, _: Asked) -> None:
    """Leave out users in the middle."""
    middle = len(page.users) // 2
    del page.users[middle : middle + max(len(page.users) // 5, 1)]


def _repeated(page: Page, _: Asked) -> None:
    """Have the first user twice."""
    page.users.insert(0, page.users[0])


def _elsewhere(back: bool) -> Kind:
    """Answer another request: that for a page further on, or for the last one."""

    def make(asked: Asked, _: str) -> Answer:
        honest = asked.honest()
        page = Page.read(honest.body)
        if page is None or not page.users or "meta" not in page.rest:
            return honest
        given = [pair for pair in parse_qsl(asked.request.query) if pair[0] not in ("page[after]", "page[before]")]
        if back:
            # There is no cursor behind the last user that would be known here: the page before where this one begins.
            other = [*given, ("page[before]", page.rest["meta"]["before_cursor"])]
        else:
            other = [*given, ("page[after]", page.rest["meta"]["after_cursor"])]
        return asked.answer(asked.request._replace(query=urlencode(other)))

    return Kind(make)


def _two_members(asked: Asked, _: str) -> Answer:
    """Name the users twice, the second time without anybody."""
    answer = asked.honest()
    if not answer.body.startswith(b'{"users":[{'):
        return answer
    return replace(answer, body=answer.body[:-1] + b',"users":[]}')


def _count(asked: Asked, value: str) -> Answer:
    """Count another number of users than there are."""
    answer = asked.honest()
    if not answer.body.startswith(b'{"count":{"value":'):
        return answer
    return json_answer({"count": {"value": int(value or 0), "refreshed_at": "2023-01-01T00:00:00Z"}})


LIES: dict[str, Kind] = {
    "nobody": _of_a_page(_nobody(more=False)),
    "nobodymore": _of_a_page(_nobody(more=True)),
    "ended": _of_a_page(_ended),
    "bare": _of_a_page(_bare),
    "fewer": _of_a_page(_fewer),
    "holed": _of_a_page(_holed),
    "repeated": _of_a_page(_repeated),
    "ahead": _elsewhere(back=False),
    "behind": _elsewhere(back=True),
    "twousers": Kind(_two_members),
    "count": Kind(_count, NUMBER),
}
"""Every kind by its name."""
