"""Asks one account for pages: what is asked for, and how it is read."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import anyio

from exporter.api.asker import PATIENCE, Answer, Asker, ClientStatistics, Params
from exporter.api.connection import Connection
from exporter.api.pace import Pace
from exporter.api.permit import Permit
from exporter.api.reader import Reader
from exporter.api.verdict import Again, CursorRefused, Ok
from exporter.errors import ContractError, TextError
from exporter.events import Observer, ignore
from exporter.model import INCREMENT, Caller, Increment, Page, Pagination, Query, Role
from exporter.pages import parameters, read_caller, read_count

LIST, COUNT, ME = "/api/v2/users", "/api/v2/users/count", "/api/v2/users/me"
INCREMENTAL = "/api/v2/incremental/users/cursor"
LOOKS = 4
"""Failures after which a look is given up that an export can do without."""


class Client:
    """Asks one account for pages, under one pace. Made by `open_client`.

    :param patience: seconds without success after which a request gives up, and `first_patience` until anything has
        answered at all.
    :param strict: text that is no Unicode is an error; else it is mended.
    :param warn: told what the manifest is to warn of.
    :param show: makes a server's words fit to be shown, `Hiding.words` of the account.
    """

    def __init__(
        self,
        connection: Connection,
        pace: Pace,
        *,
        patience: float = PATIENCE,
        first_patience: float | None = None,
        strict: bool = False,
        observer: Observer = ignore,
        warn: Callable[[str], None] | None = None,
        show: Callable[[str], str] = str,
        rng: Callable[[], float] = random.random,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._reader = Reader(connection.origin, strict=strict, warn=warn, show=show)
        self._asker = Asker(
            connection,
            pace,
            patience=patience,
            first_patience=first_patience,
            warn_once=self._reader.warn_once,
            observer=observer,
            show=show,
            rng=rng,
            clock=clock,
        )

    async def page(
        self, query: Query, role: Role, *, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page of a stream: behind a cursor, or the last one before it.

        :raises AuthError, NetworkError, UsageError, ContractError: none of which will pass by itself.
        """
        params = parameters(query, role, after=after, before=before)
        sent_cursor = (after or before) is not None and query.pagination is Pagination.CURSOR
        return await self._asker.fetch(
            LIST, params, role, lambda body: self._reader.page(body, query, role, after=after), sent_cursor=sent_cursor
        )

    async def spare(self) -> Permit:
        """Wait for a permit that nobody else wants: for `land`, or to `give_back` at once."""
        return await self._asker.pace.spare()

    async def pause(self, role: Role, why: str, attempt: int) -> None:
        """Wait before a page that can't be believed is asked for again: what served it may have passed by then."""
        await self._asker.pause(role, why, attempt)

    def give_back(self, permit: Permit) -> None:
        """Return a permit unused."""
        self._asker.pace.give_back(permit)

    async def land(
        self, query: Query, role: Role, *, after: str | None, before: str | None, permit: Permit | None
    ) -> Page | CursorRefused | None:
        """Try once to fetch a page that the export can do without, by a cursor that may not be the server's.

        :param permit: what `spare` gave; None waits for one.
        :returns: None if it failed: nothing is tried again, and what will not pass by itself is met by others, too.
        """
        params = parameters(query, role, after=after, before=before)
        answer = await self._asker.ask(LIST, params, sent_cursor=True, permit=permit)
        match answer.verdict:
            case Ok():
                with suppress(ContractError, TextError):
                    page = self._reader.page(answer.came.body, query, role, after=after)
                    self._asker.succeeded(answer.came.headers)
                    return page
            case Again(hold=True) as again:
                self._asker.hold(again)
            case CursorRefused() as refused:
                return refused
        return None

    async def newest(self, query: Query, *, after: str | None, tries: int | None) -> Page | CursorRefused:
        """Fetch one page of all roles together, in the query's order; `tries` as for `look`.

        :raises UsageError: if the account refuses that order.
        """
        return await self.look(query, *query.roles, after=after, tries=tries)

    async def look(
        self,
        query: Query,
        *roles: Role,
        after: str | None = None,
        before: str | None = None,
        tries: int | None = None,
    ) -> Page | CursorRefused:
        """Fetch one page of some roles together, of everyone if none is named: to look at, not to write.

        :param tries: failures after which to give up, however much patience is left.
        """
        params, sent = parameters(query, *roles, after=after, before=before), bool(after or before)
        return await self._asker.fetch(
            LIST,
            params,
            None,
            lambda body: self._reader.page(body, query, *roles, after=after),
            sent_cursor=sent,
            tries=tries,
        )

    async def increment(self, start: int, cursor: str | None, *, tries: int | None) -> Increment:
        """Fetch one page of the incremental export; `tries` as for `look`.

        :param start: unix seconds to begin at, where there is no cursor.
        :raises AuthError, UsageError: if it is not for these credentials, or not there.
        :raises TextError: as `page` and `newest` do, with `strict`.
        """
        params = [("per_page", str(INCREMENT))]
        params.append(("cursor", cursor) if cursor else ("start_time", str(start)))
        came = await self._asker.fetch(INCREMENTAL, params, None, self._reader.increment, tries=tries)
        assert not isinstance(came, CursorRefused)  # only what was sent as `page[after]` can be
        return came

    def server_now(self) -> float:
        """Return the server's time in unix seconds, by its Date header and the time since; ours if it sends none."""
        return self._asker.server_now()

    async def count(self, query: Query, role: Role, *, tries: int | None = LOOKS) -> int | None:
        """Fetch how many users the account thinks the stream has; None if it does not say. Never a plan.

        :param tries: failures after which to give up, however much patience is left.
        """
        params = [("role[]", role.value)]
        if query.permission_set is not None:
            params.append(("permission_set", str(query.permission_set)))
        counted = await self._asker.fetch(COUNT, params, role, read_count, tries=tries)
        return None if isinstance(counted, CursorRefused) else counted

    async def me(self) -> Caller | None:
        """Fetch as whom the account sees us; None if it does not say.

        :raises ExportError: if it can't be had, which need not mean that users can't.
        """
        caller = await self._asker.fetch(ME, [], None, read_caller, tries=LOOKS)
        return None if isinstance(caller, CursorRefused) else caller

    def statistics(self) -> ClientStatistics:
        """Return the requests so far."""
        return self._asker.statistics()

    async def once(self, path: str, params: Params) -> Answer:
        """Send one request under a permit, whatever comes back."""
        return await self._asker.ask(path, params, sent_cursor=False)

    def hold(self, again: Again) -> None:
        """Have all requests wait, as the account asks."""
        self._asker.hold(again)
