"""An audit of a finished export from outside: pages of the account at random places, held against the output.

Theory of operation.

1. All ids of the output, sorted, are on disk (`IdIndex`). Cut into stretches of as many neighbours as a page holds,
   they tile the account: a stretch begins behind the last user of the one before.
2. Of the stretches some are drawn, each as likely as any other, without repeats. For each, the page behind its
   predecessor is asked for, of all roles together. A page of neighbours who are all in the output shows that nobody is
   missing in that stretch. So what is drawn of is known, and what it proves of the rest is arithmetic (`Audit.bound`).
3. A hole in the output is one stretch however many are missing in it, and chance would seldom find it. But it is a wide
   gap between two ids: the widest gaps are looked into as well, and the ends of each stream. What no page can show is
   for the counts.
4. The cursors are those of users in the output. The server issues the same, which is held against its own first
   (`Trust`); a page that begins before its place ends that. Then pages are read in order from the start, as many as
   were wanted, which proves nothing of those behind them.
5. Who was created since the export began may be missing: that clock is ours, and is moved by what ours and the server's
   differ now. Where not all users were asked for, one who changed since may have come among those who were.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, Protocol

import anyio
import msgspec

from exporter.api import CursorRefused
from exporter.errors import ContractError, LedgerError, UsageError
from exporter.model import MAX_PAGE_SIZE, Page, Query, Role
from exporter.output import IdIndex
from exporter.pages import Trust, make_cursor

CONFIDENCE = 0.95
WORKERS = 8
"""Pages asked for at once: a hundred of them are there in a few seconds, and the pace bounds them anyway."""
NAMED = 1000
"""Missing users who are named; the others are counted."""
_END = 2**63 - 1  # the greatest id there can be


class Looked(Protocol):
    """Where pages come from; `Client` is one."""

    async def look(
        self, query: Query, *roles: Role, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page of these roles together."""

    def server_now(self) -> float:
        """Return the server's time, in unix seconds."""


@dataclass(slots=True)
class Audit:
    """What an audit found.

    :param pages: stretches of the output, each as long as a page; `looked` were looked at, and `bad` missed somebody.
    :param unclear: places where the account answered with a page that does not belong there.
    :param gaps: wide gaps that were looked into, and `ends`: ends of streams.
    :param in_order: pages were read from the start, and not at random places: the account's cursors can't be made.
    :param missing: the ids of those who are missing, the first `NAMED` of them, and `lacking`: how many they are.
    """

    pages: int = 0
    looked: int = 0
    bad: int = 0
    unclear: int = 0
    gaps: int = 0
    ends: int = 0
    in_order: bool = False
    missing: list[int] = field(default_factory=list)
    lacking: int = 0

    @property
    def whole(self) -> bool:
        """Whether every page was looked at."""
        return self.looked >= self.pages and not self.unclear

    @property
    def bound(self) -> float:
        """The share of pages that may miss somebody, at most, with `CONFIDENCE`: exact where none of those drawn did.

        If a share p of them did, none of n would be drawn with the chance (1 - p)^n or less. For 100 that is 3 %.
        """
        return 0.0 if self.whole else 1.0 - (1.0 - CONFIDENCE) ** (1.0 / self.looked) if self.looked else 1.0


class _Times(msgspec.Struct):
    created_at: Any = None
    updated_at: Any = None


_times = msgspec.json.Decoder(_Times)


class _Place(NamedTuple):
    """One page to look at: behind a user's id, and where its stretch ends; `gap`: it is none of those drawn."""

    after: int | None
    last: int
    gap: bool = False


def audited_query(manifest: Mapping[str, Any], origin: str) -> Query:
    """Return what the users of an export were asked for by, in the order of their ids.

    :raises LedgerError: if it is the export of another account. :raises UsageError: if the manifest does not tell.
    """
    if manifest.get("account") != origin:
        what = f"the export is of {manifest.get('account')}, not of {origin}"
        raise LedgerError(what, hint="Name the account that was exported with --against.")
    try:
        asked = manifest["query"]
        return Query(tuple(map(Role, asked["roles"])), asked.get("permission_set"), asked.get("external_id"))
    except (KeyError, TypeError, ValueError) as exc:
        raise UsageError("the manifest does not tell what was asked for") from exc


class Auditor:
    """Audits once.

    :param began: when the export began, as its manifest says.
    :param rng: chooses the places.
    """

    def __init__(self, pages: Looked, query: Query, ids: IdIndex, began: str | None, rng: Random) -> None:
        self._pages, self._query, self._ids, self._rng = pages, query, ids, rng
        # All roles together are everyone: then none is named, and a role that nobody has thought of shows as well.
        self._roles = () if len(query.roles) == len(Role) else query.roles
        self._selective = bool(self._roles) or query.permission_set is not None or query.external_id is not None
        self._began, self._since = began, ""
        self._trust = Trust()
        self.found = Audit(pages=-(-len(ids) // MAX_PAGE_SIZE))

    async def run(self, sample: int) -> Audit:
        """Look at so many pages, the wide gaps and the ends.

        :raises ExportError: what ended it.
        """
        first = await self._ask(*self._roles)
        self._since = self._start()
        assert isinstance(first, Page)  # no cursor was sent that could be refused
        self._hold(first)
        places = iter(self._places(sample)) if self._trust else iter(())
        async with anyio.create_task_group() as group:
            for _ in range(WORKERS):
                group.start_soon(self._work, places)
        if self._trust:
            for role in self._query.roles:
                await self._look_at_ends(role)
        elif first.ids or len(self._ids):
            await self._in_order(sample, first)
        return self.found

    def _places(self, sample: int) -> Iterator[_Place]:
        for number in sorted(self._rng.sample(range(self.found.pages), min(sample, self.found.pages))):
            rank = number * MAX_PAGE_SIZE
            last = self._ids[min(rank + MAX_PAGE_SIZE, len(self._ids)) - 1]
            yield _Place(self._ids[rank - 1] if rank else None, last)
        for lower, upper in self._ids.widest:
            yield _Place(lower, upper, gap=True)
        if len(self._ids):
            yield _Place(self._ids[-1], _END, gap=True)

    async def _work(self, places: Iterator[_Place]) -> None:
        for place in places:
            if self._trust.lost:
                return
            after = None if place.after is None else make_cursor(place.after)
            page = await self._ask(*self._roles, after=after)
            if isinstance(page, CursorRefused) or (page.ids and page.ids[0] <= (place.after or -1)):
                self._trust.lose()
                return
            self._take(place, page)

    def _take(self, place: _Place, page: Page) -> None:
        found, bad = self.found, self._hold(page)
        if place.gap:
            found.gaps += place.last != _END
        elif page.ids and page.ids[0] <= place.last:
            found.looked += 1
            found.bad += bad
        else:  # all of them deleted meanwhile, or it is another place
            found.unclear += 1

    async def _look_at_ends(self, role: Role) -> None:
        for before in (None, make_cursor(_END)):
            page = await self._ask(role, before=before)
            if isinstance(page, Page):
                self.found.ends += 1
                self._hold(page)

    async def _in_order(self, sample: int, page: Page | CursorRefused) -> None:
        """Read pages from the start, where no cursor leads to another place."""
        found = self.found
        found.in_order, found.looked, found.bad, found.unclear = True, 0, 0, 0
        while isinstance(page, Page):
            found.bad += self._hold(page)
            found.looked += bool(page.ids)
            if not page.more:
                found.pages = found.looked
                return
            if found.looked >= sample:
                found.pages = max(found.pages, found.looked + 1)
                return
            after, page = page.after, await self._ask(*self._roles, after=page.after)
            if isinstance(page, Page) and page.more and page.after == after:
                raise ContractError("the walk over the account does not get ahead: one cursor came twice")
        raise ContractError("the account does not take its own cursor")

    async def _ask(self, *roles: Role, after: str | None = None, before: str | None = None) -> Page | CursorRefused:
        page = await self._pages.look(self._query, *roles, after=after, before=before)
        if isinstance(page, Page) and page.ids and not self._trust.lost:
            if page.cursors is None:
                self._trust.check([page.ids[0], page.ids[-1]], [page.before, page.last])
            else:
                self._trust.check(page.ids, page.cursors)
        return page

    def _hold(self, page: Page) -> bool:
        """Hold a page's users against the output; tell whether one of them is missing there."""
        found, users = self.found, zip(page.ids, page.lines, strict=True)
        missing = [user_id for user_id, line in users if user_id not in self._ids and not self._is_newer(line)]
        for user_id in missing:
            if user_id not in found.missing:
                found.lacking += 1
                found.missing += [user_id] if len(found.missing) < NAMED else []
        return bool(missing)

    def _is_newer(self, line: bytes) -> bool:
        """Tell whether a user was not there, or not among those who were asked for, when the export began."""
        try:
            times = _times.decode(line)
        except msgspec.DecodeError:
            return False
        told = [times.created_at, *([times.updated_at] if self._selective else [])]
        return bool(self._since) and any(isinstance(time, str) and time >= self._since for time in told)

    def _start(self) -> str:
        """Return when the export began, by the server's clock and written as the API writes times; empty: unknown."""
        try:
            began = datetime.fromisoformat(self._began or "")
            moved = began.astimezone(UTC) + timedelta(seconds=self._pages.server_now() - time.time())
        except (ValueError, OverflowError):
            return ""
        return moved.strftime("%Y-%m-%dT%H:%M:%SZ")
