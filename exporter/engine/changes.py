"""Where changes come from: three ways to list the users who changed, each with what makes it worth believing.

Rules:

1. `sort=-updated_at` is documented nowhere, and a server may ignore it. It is believed when it has shown something:
   three times of change that descend on its first page, or the opposite order begins with somebody else. A page that
   does not descend ends it.
2. All pages of the account, in order of id, hold everybody as he is: for an account that is small enough.
3. The incremental export is for admins, 10 requests a minute, without the last minute (documented).
4. A way must move on. A page that came before is a circle, however long; and no way has more pages than the account can
   fill.
5. What fails each time is as good as refused, if the account answers otherwise: then another way is tried. If it does
   not, that ends the export, to be gone on with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from operator import ge
from typing import NamedTuple, Protocol

from exporter.api import CursorRefused
from exporter.errors import AuthError, ContractError, NetworkError, NotAPage, UsageError
from exporter.model import INCREMENT, MAX_PAGE_SIZE, Increment, Page, Pagination, Query, Role
from exporter.output import Change, Sideloads, read_changes

TRIES = 4
"""Failures of one request after which another way is tried: they come seconds apart, longer than a hiccup."""
SHOWN = 3
"""Times of change that have to descend for a page to show an order: two may do so by chance."""
LOOK = 10
"""Users on a page that is only looked at: enough to show an order, and quick where a sort is slow."""
READABLE = 10_000
"""Users, at most, for all pages to be read once more: a hundred requests."""
_AGAIN = 3
"""Times that an empty page is asked for where there has to be somebody."""


class Changed(Protocol):
    """Where changes come from; `Client` is one."""

    async def newest(self, query: Query, *, after: str | None, tries: int | None) -> Page | CursorRefused:
        """Fetch one page of all roles, in the query's order."""

    async def look(
        self, query: Query, *roles: Role, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page of these roles together."""

    async def increment(self, start: int, cursor: str | None, *, tries: int | None) -> Increment:
        """Fetch one page of the incremental export."""


class UnlistedError(Exception):
    """A way does not list the users who changed, and why."""


class Listed(NamedTuple):
    """What one page brought."""

    changes: list[Change]
    sideloads: Sideloads


def by_change(query: Query, size: int = MAX_PAGE_SIZE) -> Query:
    """Return the query for whoever changed last first."""
    return replace(query, sort="-updated_at", pagination=Pagination.CURSOR, page_size=size, external_id=None)


class BySort:
    """Lists whoever changed last first.

    :param users: how many there are, about: a bound for what a pass may ask.
    :ivar newest: the time of the newest change, when the last pass began, and `pages`: how many it took.
    """

    name = "sort=-updated_at"

    def __init__(self, pages: Changed, query: Query, users: int) -> None:
        self._pages, self._query, self._users = pages, by_change(query), users
        self._believed = False
        self.newest = 0.0
        self.pages = 0

    async def back_to(self, floor: float) -> AsyncIterator[Listed]:
        """Yield everybody who changed at a time or later, and perhaps others.

        :raises UnlistedError: if the account does not list them.
        """
        after: str | None = None
        last, ends, self.pages = float("inf"), 0, 0
        way = _Way(self._users, MAX_PAGE_SIZE)
        while True:
            page = await self._page(after, begins=not self.pages)
            changes = _read(page.lines, self._query)
            times = [last, *(change.updated for change in changes)]
            if not all(map(ge, times, times[1:])):
                raise UnlistedError("it does not sort by the time of change")
            if not self.pages:
                self.newest = max(times[1:], default=floor)
                await self._believe(page, times[1:])
            self.pages += 1
            yield Listed(changes, page.sideloads)
            ends = 0 if page.more else ends + 1
            if (changes and changes[-1].updated < floor) or ends == 2 or (ends and page.after is None):
                return
            way.goes_by(page.lines)
            if page.more and page.after == after:
                raise UnlistedError("it does not get ahead: one cursor came twice")
            after, last = page.after, times[-1]

    async def _page(self, after: str | None, *, begins: bool) -> Page:
        """Fetch a page; an empty one where somebody has to be is none."""
        for _ in range(_AGAIN):
            async with _alive(self._pages, self._query):
                page = await self._pages.newest(self._query, after=after, tries=TRIES)
            if isinstance(page, CursorRefused):
                raise UnlistedError("its own cursor is refused")
            if page.ids or not (begins and self._users):
                return page
        raise UnlistedError("its first page is empty, each time")

    async def _believe(self, page: Page, times: list[float]) -> None:
        """Have the order show that it is one."""
        if self._believed or not page.ids or (not page.more and len(page.ids) < MAX_PAGE_SIZE):
            return  # all there are stand on the page
        if sum(a > b for a, b in pairwise(times)) < SHOWN - 1:
            async with _alive(self._pages, self._query):
                opposite = await self._pages.newest(
                    replace(self._query, sort="updated_at", page_size=LOOK, include=()), after=None, tries=TRIES
                )
            if isinstance(opposite, CursorRefused) or opposite.ids[:1] in ([], page.ids[:1]):
                raise UnlistedError("it begins with the same user as the opposite order")
        self._believed = True


class ByIncrement:
    """Lists whoever changed since a time, in the order of the changes; then goes on where it was.

    :param start: unix seconds.
    """

    name = "the incremental export"

    def __init__(self, pages: Changed, query: Query, start: float, users: int) -> None:
        self._pages, self._query, self._start, self._users = pages, query, int(start), users
        self._cursor: str | None = None

    async def onward(self) -> AsyncIterator[Listed]:
        """Yield everybody who changed since the pass before, up to a minute ago.

        :raises UnlistedError: if the account does not list them.
        """
        way = _Way(self._users, INCREMENT)
        while True:
            async with _alive(self._pages, self._query):
                came = await self._pages.increment(self._start, self._cursor, tries=TRIES)
            if not came.end and came.cursor in (None, self._cursor):
                raise UnlistedError("it does not get ahead: one cursor came twice")
            changes = _read(came.lines, self._query)
            self._cursor = came.cursor or self._cursor
            yield Listed(changes, {})
            if came.end:
                return
            way.goes_by(came.lines)


class ByReading:
    """Lists everybody, in order of id: an order in which a change moves nobody."""

    name = "all pages"

    def __init__(self, pages: Changed, query: Query, users: int) -> None:
        self._pages, self._query, self._users = pages, replace(by_change(query), sort=None), users

    async def through(self) -> AsyncIterator[Listed]:
        """Yield everybody there is.

        :raises UnlistedError: if they are too many, or do not come in order.
        """
        if self._users > READABLE:
            raise UnlistedError(f"too many to be read once more, {self._users:,} users")
        after, last, ends = None, 0, 0
        while ends < 2:
            async with _alive(self._pages, self._query):
                page = await self._pages.look(self._query, *self._query.roles, after=after)
            if isinstance(page, CursorRefused):
                raise UnlistedError("its own cursor is refused")
            if not page.ids and not last and self._users:
                raise UnlistedError("the first page is empty")
            if page.ids[:1] and (page.ids[0] <= last or page.ids != sorted(page.ids)):
                raise UnlistedError("they do not come in order of id")
            yield Listed(_read(page.lines, self._query), page.sideloads)
            ends = 0 if page.more else ends + 1
            after, last = page.after or after, max([last, *page.ids])


class _Way:
    """Notices a way that goes in a circle, or on for ever, by a few bytes a page."""

    def __init__(self, users: int, size: int) -> None:
        self._most = 2 * users // size + 100  # an account may grow meanwhile, not double
        self._passed = set[int]()
        self._pages = 0

    def goes_by(self, lines: list[bytes]) -> None:
        """Take a page in.

        :raises UnlistedError: if it came before, or there are more than there can be.
        """
        mark = hash(tuple(lines))
        if lines and mark in self._passed:
            raise UnlistedError("it goes in a circle: a page came twice")
        self._passed.add(mark)
        self._pages += 1
        if self._pages > self._most:
            raise UnlistedError(f"it has more pages than the account can fill, {self._pages:,}")


def _read(lines: list[bytes], query: Query) -> list[Change]:
    try:
        return read_changes(lines, query.roles, query.permission_set)
    except NotAPage as exc:
        raise UnlistedError(str(exc)) from exc


@asynccontextmanager
async def _alive(pages: Changed, query: Query) -> AsyncIterator[None]:
    """Take what is refused, or fails each time, for no way, if the account answers when asked for a user by id.

    :raises ExportError: if it does not: then it is the account that fails, not the way.
    """
    try:
        yield
    except UsageError as exc:
        raise UnlistedError(str(exc)) from exc
    except (AuthError, ContractError, NetworkError) as exc:
        await pages.look(replace(query, sort=None, page_size=1, include=()), *query.roles)
        raise UnlistedError(str(exc)) from exc
