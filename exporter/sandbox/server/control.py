"""What the sandbox tells of itself, for tests: without limit, latency, credentials or faults, and not counted.

| path | answer |
| --- | --- |
| `/_sandbox/stats` | what was asked and answered, see `Statistics.report` |
| `/_sandbox/changes` | every change so far: `[{"kind": "edited", "id": 1, "request": 7, "at": 1700000000}]` |
| `/_sandbox/users`, `/_sandbox/users?role=agent` | everyone there is now, by id, one a line: a perfect export |
"""

from __future__ import annotations

from email.utils import formatdate
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from aiohttp import web

from exporter.sandbox.people.cohorts import cohorts_of
from exporter.sandbox.people.population import Point

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.people.changes import Present
    from exporter.sandbox.people.churn import Churn

STATISTICS, CHANGES, USERS = "/_sandbox/stats", "/_sandbox/changes", "/_sandbox/users"
PATHS = (STATISTICS, CHANGES, USERS)
"""The paths that are answered here."""

_BATCH = 1_000  # users at a time: memory stays flat, and other requests get their turn


class Control:
    """Answers the requests to `PATHS`.

    :param present: the account as it is now.
    :param churn: what has happened to it.
    :param statistics: makes the report.
    :param clock: the time, in unix seconds.
    """

    def __init__(
        self,
        present: Present,
        churn: Churn,
        statistics: Callable[[], dict[str, object]],
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._present = present
        self._churn = churn
        self._statistics = statistics

    async def respond(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer a request to one of `PATHS`."""
        headers = {"date": formatdate(self._clock(), usegmt=True)}
        if path == USERS:
            response = web.StreamResponse(headers=headers | {"content-type": "application/x-ndjson"})
            await response.prepare(request)
            await self._send_users(response, parse_qs(query).get("role", [None])[-1])
            return response
        report = self._statistics() if path == STATISTICS else [change._asdict() for change in self._churn.changes]
        return web.json_response(report, headers=headers)

    async def _send_users(self, response: web.StreamResponse, role: str | None) -> None:
        cohorts = cohorts_of(role)
        start = None
        # Each batch is a walk of its own: the account may change while one is sent.
        while people := list(islice(self._present.walk(cohorts, start=start), _BATCH)):
            await response.write(b"".join(self._present.content.wire(person) + b"\n" for person in people))
            start = Point(people[-1].id, people[-1].id)
