"""Pages that may be believed: what contradicts itself, or what is known, is asked for again.

A single wrong answer never ends an export, and never stays in it: `judge` says what is wrong with a page, and what
would settle it: the same answer again, or a look at who stands before an id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import replace

from exporter.api import CursorRefused, Permit
from exporter.engine.detour import Detour
from exporter.engine.evidence import AGAIN, BETWEEN, ENDS, REPEATS, SEAMS, Evidence
from exporter.engine.pages import Pages
from exporter.errors import ContractError
from exporter.ledger import Ledger
from exporter.model import Page, Query
from exporter.pages import Trust, make_cursor
from exporter.ranges import ODD_CURSORS, Aim, Doubt, Stream, Walk, first_descent, judge, shows_nobody, without_repeats

TRIES = 4
"""Answers to one request that may contradict what is known: as many as an answer may be no page at all."""


class Believing:
    """Fetches the next page of a walk that may be believed."""

    def __init__(
        self, pages: Pages, query: Query, ledger: Ledger, trust: Trust, detour: Detour, evidence: Evidence
    ) -> None:
        self._pages, self._query, self._ledger, self._trust = pages, query, ledger, trust
        self._detour, self._evidence = detour, evidence

    async def fetch(self, stream: Stream, walk: Walk) -> Page:
        """Fetch until a page may be believed.

        :raises ContractError: if none comes, naming the ids between which it ends.
        """
        said, believed, why = Counter[str](), set[str](), ""
        for attempt in range(1, TRIES + 1):
            page = self._tidy(await self._detour.fetch(walk))
            unsure = False
            while (doubt := self._doubt(walk, page, believed)) is not None:
                why = doubt.why
                if doubt.before is not None:
                    shown = await self._nobody_before(stream, walk, page, doubt)
                    said[doubt.name] += shown is None
                    unsure = shown is None and said[doubt.name] < 2
                    if unsure or shown is False:
                        break
                    walk.released = doubt.ends
                elif doubt.odd:
                    said[doubt.odd] += 1
                    if said[doubt.odd] < doubt.times:
                        break
                    page = self._as_it_is(walk, page, doubt.odd)
                else:
                    break
                believed.add(doubt.name)
            else:
                return self._seen(walk, page)
            self._evidence.add(AGAIN)
            if attempt < TRIES and not unsure:
                await self._pages.pause(walk.role, why, attempt)
        raise ContractError(f"{why}, {TRIES} times")

    async def land(self, aim: Aim, permit: Permit | None) -> Page | CursorRefused | None:
        """Let a new range land; where the page contradicts itself once more, it is none."""
        before: Page | None = None
        for turn in (permit, None):
            came = await self._pages.land(self._query, aim.role, after=aim.after, before=aim.before, permit=turn)
            if not isinstance(came, Page):
                return came
            page = self._tidy(came)
            if not self._is_sound(page):
                before = None
            elif page.more and len(page.ids) < self._query.page_size and (before is None or before.ids != page.ids):
                before = page
            else:
                return page
        return None

    def _tidy(self, page: Page) -> Page:
        if not self._query.by_id:
            return page
        tidy = without_repeats(page)
        if tidy is not page:
            self._evidence.add(REPEATS, len(page.ids) - len(tidy.ids))
        return tidy

    def _is_sound(self, page: Page) -> bool:
        return first_descent(page.ids) is None and page.consistent and (not page.ids or self._agrees(page))

    def _doubt(self, walk: Walk, page: Page, believed: Container[str]) -> Doubt | None:
        if not self._query.by_id:
            return None
        if self._trust and page.ids and page.last is not None and not self._agrees(page):
            why = f"the cursors of a page of {walk.role} are not those of its users, {page.ids[0]} to {page.ids[-1]}"
            return Doubt(why, odd=ODD_CURSORS)
        return judge(walk, page, self._query.page_size, believed)

    def _agrees(self, page: Page) -> bool:
        """Tell whether a page's own cursors are those that the codec makes of its first and last user."""
        return [page.before, page.last] == [make_cursor(page.ids[0]), make_cursor(page.ids[-1])]

    def _as_it_is(self, walk: Walk, page: Page, odd: str) -> Page:
        """Make of a page what can be built on, though it is odd."""
        self._evidence.add(odd)
        if odd == ODD_CURSORS:
            self._ledger.warn(f"pages of {walk.role} had other cursors than those of their users, whose own were used")
            first = page.cursors[0] if page.cursors else make_cursor(page.ids[0])
            own = page.cursors[-1] if page.cursors else make_cursor(page.ids[-1])
            page = replace(page, before=first, last=own, after=own)
            if self._trust and not self._agrees(page):
                self._trust.lose()
            return page
        # One user who was there before, and a word of more: it says that it ends, by showing nobody.
        return replace(page, more=False) if page.ids == [walk.position.last_id] else page

    def _seen(self, walk: Walk, page: Page) -> Page:
        last_id = walk.position.last_id
        if last_id is not None and page.ids[:1] == [last_id]:
            self._evidence.add(SEAMS)
        if walk.claims and walk.until is None and not page.more and page.ids[-1:] <= [last_id or 0]:
            self._evidence.add(ENDS)
        return page

    async def _nobody_before(self, stream: Stream, walk: Walk, page: Page, doubt: Doubt) -> bool | None:
        """Look whether nobody stands between the last user in hand and an id; None if that can't be told for sure."""
        assert doubt.before is not None
        before = stream.cursor_at(doubt.before) if doubt.ends else page.before
        if before is None and self._trust:
            before = make_cursor(doubt.before)
        if before is None:
            return False
        self._evidence.add(BETWEEN)
        look = await self._pages.page(self._query, walk.role, before=before)
        if isinstance(look, CursorRefused):
            return None if walk.position.last_id is None and not doubt.ends else False
        in_hand = [*(page.ids if doubt.ends else ()), walk.position.last_id]
        last = max((each for each in in_hand if each is not None), default=None)
        return shows_nobody(look, doubt.before, last, walk.position)
