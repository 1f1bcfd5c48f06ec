"""The way back for a walk whose cursor is refused, or that does not know any more where it was on a page.

Theory of operation.

1. Where the server refuses the cursor that a range goes on by, the range begins anew at the start of its stream, and
   skips what is written.
2. By ascending id a made cursor may lead straight back; it is believed only if the page it brings begins with the very
   user written last.
3. In another order the last user tells nothing, he may have another place by now: everybody is looked up among the ids
   in the output, in this run and in those after it. What is under way to the output can't be looked up in it: so all
   of that is waited for first. The same look helps where a page was written in part, and the user written last is no
   longer where he was.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from exporter.api import CursorRefused
from exporter.engine.pages import Pages
from exporter.errors import ContractError
from exporter.ledger import Ledger
from exporter.model import Page, Pagination, Query, Role
from exporter.output import WrittenIds
from exporter.pages import Trust, make_cursor
from exporter.ranges import Walk, without

LOOK = 0.05
"""Seconds between two looks whether all that a walk has handed over is written."""
LOST = "when it went on, the one sent last was no longer where he had been, and others can't be told apart"
TIMES = 2
"""Times that a walk may begin anew in one run: a server that refuses its own cursors again and again is broken."""


class Detour:
    """Fetches pages for walks, straight on or by a detour.

    :param look_up: looks up who is in the output of a role; None if it can't be looked at.
    :param trust: whether cursors may be made.
    """

    def __init__(
        self,
        pages: Pages,
        query: Query,
        ledger: Ledger,
        trust: Trust,
        look_up: Callable[[Role], Awaitable[WrittenIds | None]],
    ) -> None:
        self._pages, self._query, self._ledger, self._trust = pages, query, ledger, trust
        self._look_up, self._written = look_up, dict[Role, WrittenIds]()

    async def prepare(self, role: Role) -> None:
        """Be ready for a walk of which an earlier run has lost the place."""
        if not self._query.by_id and _anew(role) in self._ledger.about():
            await self._look_up_all(role)

    async def fetch(self, walk: Walk) -> Page:
        """Fetch a walk's next page, less those who are known to be written; where its cursor is refused, by a detour.

        :raises ContractError: if there is no other way.
        """
        while True:
            page = await self._straight_back(walk) if self._trust else None
            if page is not None:
                return page
            came = await self._pages.page(self._query, walk.role, after=walk.position.cursor)
            if isinstance(came, Page):
                if not self._query.by_id and walk.is_lost_on(came) and not await self._look_up_all(walk.role):
                    self._ledger.warn(f"some users of {walk.role} were sent twice: {LOST}")
                written = self._written.get(walk.role)
                return without(came, written.among(came.ids)) if written else came
            await self._begin_anew(walk, came)

    def close(self) -> None:
        """Forget what was looked up."""
        for written in self._written.values():
            written.close()

    async def _straight_back(self, walk: Walk) -> Page | None:
        """Try the short way to where a walk was before it began anew."""
        if walk.shortcut is None:
            return None
        after = make_cursor(walk.shortcut)
        came = await self._pages.land(self._query, walk.role, after=after, before=None, permit=None)
        if isinstance(came, CursorRefused):
            self._trust.lose()
        if not isinstance(came, Page):
            walk.ways_back -= 1  # it may be tried again, a page further on
            return None
        return came if walk.leads_back(came) else None

    async def _begin_anew(self, walk: Walk, refused: CursorRefused) -> None:
        query, what = self._query, f"the server does not take its own cursor for {walk.role}: {refused.said}"
        if walk.restarts >= TIMES or walk.position.cursor is None or query.pagination is Pagination.OFFSET:
            raise ContractError(what)
        if not query.by_id:
            await self._wait_for_output(walk)
            if not await self._look_up_all(walk.role):
                hint = "In this order there is no other way back, and the output can't be read: begin anew, --restart."
                raise ContractError(what, hint=hint)
            self._ledger.note(_anew(walk.role), refused.said)
        walk.restart(by_id=query.by_id)

    async def _wait_for_output(self, walk: Walk) -> None:
        """Wait until all that a walk has handed over is in the output, which the ledger says about once a second."""
        while True:
            settled = next(each.position for each in self._ledger.ranges() if each.number == walk.number)
            if settled.users == walk.position.users:
                return
            await anyio.sleep(LOOK)

    async def _look_up_all(self, role: Role) -> bool:
        """Look up who is in the output of a role; False if it can't be looked at."""
        written = await self._look_up(role)
        if role in self._written:
            self._written.pop(role).close()
        if written is not None:
            self._written[role] = written
        return written is not None


def _anew(role: Role) -> str:
    """Name the fact that a walk has begun anew, and must not write who is in the output already."""
    return f"begun anew: {role}"
