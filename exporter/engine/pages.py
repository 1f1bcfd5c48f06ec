"""What the engine asks of the side that speaks HTTP; `api.Client` is one."""

from __future__ import annotations

from typing import Protocol

from exporter.api import CursorRefused, Permit
from exporter.model import Page, Query, Role


class Pages(Protocol):
    """Where pages come from."""

    async def page(
        self, query: Query, role: Role, *, after: str | None = None, before: str | None = None
    ) -> Page | CursorRefused:
        """Fetch one page: behind a cursor, or the last one before it."""

    async def count(self, query: Query, role: Role) -> int | None:
        """Fetch the account's own count, an estimate."""

    async def spare(self) -> Permit:
        """Wait for a permit that nobody else wants."""

    def give_back(self, permit: Permit) -> None:
        """Return a permit unused."""

    async def land(
        self, query: Query, role: Role, *, after: str | None, before: str | None, permit: Permit | None
    ) -> Page | CursorRefused | None:
        """Try once to fetch a page, under this permit or another; None if that fails."""

    async def pause(self, role: Role, why: str, attempt: int) -> None:
        """Wait before a page that can't be believed is asked for again, and tell of it."""
