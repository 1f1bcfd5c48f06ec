"""What an account is asked before the first line is written: as whom it sees us, how new its newest change is, and
whether it tells roles apart.

Rules:

1. All are asked beside the first pages, and wait for none of them; they are in the ledger before the first line is in
   the output. What can't be had in a few seconds is left unknown.
2. An export that goes on is refused to whoever sees less than who began it: the users that are hidden from him would
   be missing, and nobody would know.
3. How far back the closing sweep has to look is told by the account's own data, the newest change it lists, and by no
   clock. Clocks only bound it, by far: where nothing has changed for long, not all since then is listed (`sweep_from`).
4. Two roles have nobody in common. Where both begin with the same users, the account ignores `role[]`, and hands
   everybody to each stream: then each keeps those who say that they are its own.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Protocol

import anyio
import orjson

from exporter.api import CursorRefused
from exporter.engine.changes import LOOK, by_change
from exporter.errors import ContractError, ExportError, LedgerError, NotAPage
from exporter.ledger import Ledger
from exporter.model import Caller, Page, Pagination, Query, Role
from exporter.output import read_changes

WAIT = 10.0
"""Seconds, at most, that the first line waits for what may be left unknown."""
TRIES = 2
"""Failures after which it is left unknown."""
MARGIN = 120.0
"""Seconds before the newest change at the start: for changes that were stamped before it and listed after: clocks of
nodes that differ, transactions under way, replicas that lag; the longest of these are minutes."""
DAY, HOUR = 86_400.0, 3_600.0
"""What a clock may be wrong by and still bound the sweep, backwards and forwards: more than any time zone."""
MIXED = "roles are mixed"
"""What the ledger calls it where the account ignores roles."""
_UNSTRICT = "Without --strict they are told apart here, by the role that each one says."
_RANK = {"end-user": 0, "agent": 1, "admin": 2}


class Asked(Protocol):
    """Who is asked; `Client` is one."""

    async def me(self) -> Caller | None:
        """Fetch as whom the account sees us."""

    async def newest(self, query: Query, *, after: str | None, tries: int | None) -> Page | CursorRefused:
        """Fetch one page of all roles, in the query's order."""

    async def look(
        self,
        query: Query,
        *roles: Role,
        after: str | None = None,
        before: str | None = None,
        tries: int | None = None,
    ) -> Page | CursorRefused:
        """Fetch one page of some roles together."""

    def server_now(self) -> float:
        """Return the server's time in unix seconds, or ours."""


class Beginning:
    """Asks, once for an export, and notes in the ledger what was said.

    :param sweeps: whether a sweep will close the export.
    :param strict: an account that does not tell roles apart is an error.
    """

    def __init__(
        self, client: Asked, query: Query, ledger: Ledger, *, sweeps: bool = False, strict: bool = False
    ) -> None:
        self._client, self._query, self._ledger = client, query, ledger
        self._sweeps, self._strict = sweeps, strict
        about = ledger.about()
        self.over = "began" in about
        self._caller = Caller(*orjson.loads(about["caller"])) if "caller" in about else None
        self._newest: float | None = None
        self._mixed = MIXED in about
        self._asked = anyio.Event()

    async def ask(self) -> None:
        """Ask, beside the first pages."""
        try:
            with anyio.move_on_after(WAIT):
                async with anyio.create_task_group() as group:
                    group.start_soon(self._ask_who)
                    if self._query.external_id is None:
                        group.start_soon(self._ask_apart)
                    if self._sweeps:
                        group.start_soon(self._ask_when)
        finally:
            self._asked.set()

    async def mixed(self) -> bool:
        """Wait until it is known whether the account ignores roles.

        :raises ContractError: if it does, with `strict`.
        """
        if not self.over:
            await self._asked.wait()
        if self._mixed and self._strict:
            raise ContractError("the account ignores role[]: each stream brings everybody", hint=_UNSTRICT)
        return self._mixed

    async def note(self) -> None:
        """Wait for the answers, and keep them: before the first line."""
        await self._asked.wait()
        facts = {"began": str(min(self._client.server_now(), time.time()))}
        if self._caller is not None:
            facts["caller"] = orjson.dumps(list(self._caller)).decode()
        if self._newest is not None:
            facts["newest"] = str(self._newest)
        if self._mixed:
            facts[MIXED] = "yes"
            self._ledger.warn("the account ignores role[]: users were told apart here, by the role that each one says")
        self._ledger.note_all(facts)
        self.over = True

    async def compare(self) -> None:
        """Hold whoever goes on against who began.

        :raises LedgerError: if he sees less.
        """
        before = self._caller
        if before is None:
            return
        with anyio.move_on_after(WAIT):
            self._caller = None
            await self._ask_who()
        if self._caller is not None and _sees_less(self._caller, before):
            raise LedgerError(
                f"the export was begun as {_said(before)}, and these credentials are those of {_said(self._caller)}: "
                "users may be hidden from him",
                hint="Go on with credentials of whoever may see as much; or export anew, into another folder.",
            )

    async def _ask_who(self) -> None:
        try:
            self._caller = await self._client.me()
        except ExportError:  # the scope may not cover it; and whatever else is wrong, the pages meet
            return

    async def _ask_apart(self) -> None:
        query = replace(self._query, sort=None, pagination=Pagination.CURSOR, page_size=LOOK, include=())
        try:
            some = await self._client.look(query, Role.ADMIN, tries=TRIES)
            if isinstance(some, Page) and some.strays:
                others = await self._client.look(query, Role.END_USER, tries=TRIES)
                self._mixed = isinstance(others, Page) and others.ids == some.ids
        except ExportError:
            return

    async def _ask_when(self) -> None:
        try:
            page = await self._client.newest(by_change(self._query, LOOK), after=None, tries=TRIES)
            changes = read_changes(page.lines, self._query.roles) if isinstance(page, Page) else []
        except (ExportError, NotAPage):  # the sweep will meet it again, and say so
            return
        self._newest = max((change.updated for change in changes), default=None)


def sweep_from(ledger: Ledger, now: float) -> float:
    """Return back to when a sweep has to look: unix seconds, by the account's own data.

    :param now: the server's time, for a ledger that does not say when the export began.
    """
    about = ledger.about()
    began = float(about.get("began", now))
    newest = float(about.get("newest", began))
    return max(min(newest, began + HOUR) - MARGIN, began - DAY)


def _sees_less(caller: Caller, before: Caller) -> bool:
    lower = _RANK.get(caller.role, 0) < _RANK.get(before.role, 0)
    hidden = caller.restricted and not before.restricted
    return lower or hidden or bool(caller.tickets and caller.tickets != before.tickets)


def _said(caller: Caller) -> str:
    hidden = ", restricted" if caller.restricted else ""
    tickets = f", who sees tickets: {caller.tickets}" if caller.tickets else ""
    return f"user {caller.id} ({caller.role or 'of no role'}{hidden}{tickets})"
