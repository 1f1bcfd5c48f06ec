"""What comes after the last range has ended: the closing sweep, and beside it the account's own counts once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

import anyio
import orjson

from exporter.engine.beginning import sweep_from
from exporter.engine.sweep import Sweep
from exporter.errors import ExportError
from exporter.ledger import Ledger
from exporter.model import Query, Role
from exporter.ranges import Batch


class Counted(Protocol):
    """Who counts; `Client` is one."""

    async def count(self, query: Query, role: Role) -> int | None:
        """Fetch the account's own count of a role."""

    def server_now(self) -> float:
        """Return the server's time in unix seconds, or ours."""


class Ending:
    """Closes an export.

    :param sweep: None for none.
    """

    def __init__(self, client: Counted, query: Query, ledger: Ledger, sweep: Sweep | None) -> None:
        self._client, self._query, self._ledger, self._sweep = client, query, ledger, sweep

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self._sweep is None or self._sweep.over

    @property
    def newest(self) -> Mapping[int, str]:
        """The roles, as they were seen last, of users who changed."""
        return self._sweep.newest if self._sweep else {}

    async def run(self, append: Callable[[Batch], Awaitable[None]]) -> None:
        """Sweep, and count.

        :param append: takes a batch all the way into the output.
        :raises ExportError: what ended it, in an ExceptionGroup; the next run does it again.
        """
        counts: dict[str, int] = {}
        async with anyio.create_task_group() as group:
            if self._query.external_id is None:  # of which a count says nothing
                for role in self._query.roles:
                    group.start_soon(self._count, role, counts)
            if self._sweep is not None:
                await self._sweep.run(sweep_from(self._ledger, self._client.server_now()), append)
        self._ledger.note("counted", orjson.dumps(counts).decode())

    async def _count(self, role: Role, counts: dict[str, int]) -> None:
        with suppress(ExportError):  # what can't be had is no reason to stop an export
            count = await self._client.count(self._query, role)
            if count is not None:
                counts[role.value] = count
