"""The endpoint: from a request to an answer, without any I/O.

Key orders, links, cursors and the empty page are observed in recorded traffic of 2023 and 2024, unless a docstring says
otherwise.
"""

from __future__ import annotations

import base64
import time
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from exporter.sandbox.endpoint import answers
from exporter.sandbox.endpoint.answers import Answer, RefusedError, warned
from exporter.sandbox.endpoint.cursors import Seal
from exporter.sandbox.endpoint.incremental import IncrementalExport
from exporter.sandbox.endpoint.itemcursors import cursors_in_meta, cursors_in_users
from exporter.sandbox.endpoint.misreadings import misreading
from exporter.sandbox.endpoint.pages import Pager
from exporter.sandbox.endpoint.parameters import (
    CursorPage,
    ListQuery,
    OffsetPage,
    Parameters,
    read_list_query,
    read_selection,
)
from exporter.sandbox.endpoint.sideloads import sideloads
from exporter.sandbox.people.changes import Present
from exporter.sandbox.people.cohorts import cohorts_of
from exporter.sandbox.people.population import Population
from exporter.sandbox.people.texts import wire
from exporter.sandbox.settings import Quirk, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.people.users import Person

LIST, COUNT, ME = "/api/v2/users", "/api/v2/users/count", "/api/v2/users/me"
INCREMENTAL = "/api/v2/incremental/users/cursor"

_CAPPED = 100_000  # what `/users/count` says at most, between its daily refreshes (documented)


class Request(NamedTuple):
    """What the endpoint needs to know of a request.

    :param path: the path, decoded.
    :param query: the query string, still encoded.
    :param authorization: the header of that name; empty if there is none.
    """

    path: str
    query: str = ""
    authorization: str = ""

    @property
    def route(self) -> str:
        """The path without `.json`, with which every route exists as well (observed)."""
        return self.path.removesuffix(".json")


class Endpoint:
    """Answers requests as the service would; `present` is the account as it is now.

    :param settings: the account, and what is not settled about the service.
    :param origin: scheme, host and port that links begin with, the account's own whatever host was called (observed).
    :param clock: the time, in unix seconds.
    :param guard: tells why a bearer's token does not open a route; None where no OAuth client is known.
    """

    def __init__(
        self,
        settings: Settings,
        origin: str,
        clock: Callable[[], float] = time.time,
        guard: Callable[[str, str], Answer | None] | None = None,
    ) -> None:
        self._guard = guard
        self._settings = settings
        self._origin = origin
        population = Population(
            settings.users, settings.seed, shares=settings.shares, ids=settings.ids, plain=settings.plain
        )
        self.present = Present(population)
        seal = Seal(settings.seed) if Quirk.SEALED_CURSORS in settings.quirks else None
        self._pager = Pager(self.present, seal, misreading(settings.quirks))
        self._incremental = IncrementalExport(self.present, settings, clock)
        self._routes: dict[str, Callable[[Request], Answer]] = {
            LIST: self._list,
            COUNT: self._count,
            ME: self._me,
            INCREMENTAL: self._export,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request, whatever it asks for."""
        refusal = self._refusal(request)
        if refusal:
            return refusal
        handler = self._routes.get(request.route)
        try:
            return handler(request) if handler else answers.not_found()
        except RefusedError as refused:
            return refused.answer

    def _refusal(self, request: Request) -> Answer | None:
        """Return why credentials don't open a route; to `users/me` a wrong bearer is no anonymous user (reported)."""
        scheme, _, token = request.authorization.partition(" ")
        if scheme == "Bearer" and self._guard and token not in self._settings.tokens:
            return self._guard(token, request.route)
        if self._admits(request.authorization) or (request.route == ME and scheme != "Bearer"):
            return None
        return answers.unauthenticated(bearer=scheme == "Bearer")

    def _admits(self, authorization: str) -> bool:
        """Tell whether credentials hold one of the tokens, as OAuth or as API token (both documented)."""
        tokens = self._settings.tokens
        if not tokens and self._guard is None:
            return True
        scheme, _, credentials = authorization.partition(" ")
        if scheme == "Basic":
            try:
                pair = base64.b64decode(credentials, validate=True).decode()
            except ValueError:
                pair = ""
            return pair.partition("/token:")[2] in tokens
        return scheme == "Bearer" and (credentials in tokens or self._guard is not None)

    def owner(self) -> Person | None:
        """Return for whom all tokens stand: the first admin, who made the clients."""
        walks = (self.present.walk(cohorts_of(role)) for role in ("admin", "agent", "end-user"))
        return next(chain.from_iterable(walks), None)

    def _me(self, request: Request) -> Answer:
        """Return the caller. For wrong credentials it is nobody, with status 200 (observed)."""
        if not self._admits(request.authorization):
            return answers.json_answer({"user": {"id": None, "name": "Anonymous user", "role": "end-user"}})
        owner = self.owner()
        return Answer(b'{"user":%b}' % (self.present.content.wire(owner) if owner else b"null"))

    def _count(self, request: Request) -> Answer:
        """Return the number of users that a role or permission set has."""
        quirks = self._settings.quirks
        if Quirk.NO_COUNT in quirks:
            return answers.not_found()
        parameters = Parameters(request.query, "users/count")
        number = self._pager.count(read_selection(parameters, quirks))
        refreshed: str | None = "2025-01-01T00:00:00Z"
        if Quirk.CAPPED_COUNT in quirks and number > _CAPPED:
            number, refreshed = _CAPPED, None
        answer = answers.json_answer({"count": {"value": number, "refreshed_at": refreshed}})
        return warned(answer, parameters.warning())

    def _list(self, request: Request) -> Answer:
        """Return a page of users, by cursor or by number."""
        parameters = Parameters(request.query, "users/index")
        query = read_list_query(parameters, self._settings.quirks)

        def link(**changes: str) -> str:
            return f"{self._origin}{request.path}?{parameters.link(changes)}"

        if isinstance(query.page, CursorPage):
            body = self._cursor_page(query, query.page, link)
        else:
            body = self._offset_page(query, query.page, link)
        return warned(Answer(body), parameters.warning())

    def _export(self, request: Request) -> Answer:
        """Return a page of those who changed since a time, in order of their change."""
        parameters = Parameters(request.query, "incremental/users")
        body = self._incremental.page(parameters, f"{self._origin}{request.path}")
        return warned(Answer(body), parameters.warning())

    def _cursor_page(self, query: ListQuery, asked: CursorPage, link: Callable[..., str]) -> bytes:
        """Write a page whose cursors are those of its first and last user; an empty page has none."""
        people, more = self._pager.by_cursor(query, asked)
        quirks = self._settings.quirks
        users = self._users(people)
        meta: dict[str, object] = {}
        if query.boundary_indicators or Quirk.HAS_MORE_ABSENT not in quirks:
            meta["has_more"] = bool(people) if Quirk.HAS_MORE_BEFORE_EMPTY_PAGE in quirks else more
        first, last = (self._pager.cursor(query, people[at]) if people else None for at in (0, -1))
        meta |= {"after_cursor": last, "before_cursor": first}
        if query.item_cursors:
            cursors = [self._pager.cursor(query, person) for person in people]
            users = cursors_in_users(self._settings.item_cursors, users, cursors)
            meta |= cursors_in_meta(self._settings.item_cursors, people, cursors)
        links = {
            "prev": first and link(**{"page[before]": first}),
            "next": last and link(**{"page[after]": last}),
        }
        return b'{"users":[%b]%b,"meta":%b,"links":%b}' % (
            b",".join(users),
            sideloads(query.include, people, self.present.content),
            wire(meta),
            wire(links),
        )

    def _offset_page(self, query: ListQuery, asked: OffsetPage, link: Callable[..., str]) -> bytes:
        """Write a page in the traditional form, with the number of all users selected."""
        people, more = self._pager.by_offset(query, asked)
        return b'{"users":[%b]%b,"next_page":%b,"previous_page":%b,"count":%d}' % (
            b",".join(self._users(people)),
            sideloads(query.include, people, self.present.content),
            wire(link(page=str(asked.number + 1)) if more else None),
            wire(link(page=str(asked.number - 1)) if asked.number > 1 else None),
            self._pager.count(query.selection),
        )

    def _users(self, people: list[Person]) -> list[bytes]:
        return list(map(self.present.content.wire, people))
