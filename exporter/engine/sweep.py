"""The closing sweep: whoever changed while the export ran is written again, as he is now (P2).

Theory of operation. Users are created, edited, and change their role while streams are walked: a change of role can
carry a user out of a stream that has yet to come to him into one that has passed him. Each of them has a new
`updated_at`. So, once every range is at its end:

1. All selected roles are asked for by `sort=-updated_at`, from the newest back to the start of the export, less a
   margin for clocks. Times are the server's own: its Date header tells how far our clock is off.
2. Who is on such a page is a candidate. What the output holds of the candidates is read back from the output, once for
   all of them: a list of everybody who was written would grow with the account. Whoever is not there, or differs, is
   appended to the file for his role, where the last line of an id is the newest.
3. A user who changes during a pass moves to its front, and may be missed. He has changed after the pass began: so the
   next one goes back to there. The sweep ends with a pass that brings nothing new; in an account that never rests, with
   the third or a later one that brings nobody from before its beginning who was not written at all.
4. That the account takes this sort is documented nowhere. Where it refuses it, or does not sort, the incremental export
   takes its place (documented: for admins, 10 requests a minute, without the last minute). Where that is refused as
   well, the export is finished but not closed, and says so.

A kill in between needs no position: the next run sweeps again, and finds what was appended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter, ge
from typing import Protocol

import anyio
import orjson

from exporter.api import CursorRefused
from exporter.engine.meter import Meter
from exporter.errors import AuthError, ContractError, NotAPage, UsageError
from exporter.events import Held, Observer
from exporter.ledger import Ledger, Range
from exporter.model import MAX_PAGE_SIZE, Increment, Page, Pagination, Query, Role
from exporter.output import Candidates, Change, Sideloads, Sink, Written, read_changes
from exporter.pages import MENDED
from exporter.ranges import Batch, Move

MARGIN = 120.0
"""Seconds before the export's start: for clocks within the account that differ, and for a first page that was slow."""
LAG = 60.0
"""Seconds before now that the incremental export leaves out (documented)."""
SETTLED = 3
"""Passes after which later states alone do not call for another."""
MOST = 20
"""Passes at most: users created faster than they can be listed would have it go on for ever."""


class Changed(Protocol):
    """Where changes come from; `Client` is one."""

    def server_now(self) -> float:
        """Return the server's time, in unix seconds."""

    async def newest(self, query: Query, *, after: str | None) -> Page | CursorRefused:
        """Fetch one page of all roles, whoever changed last first."""

    async def increment(self, start: int, cursor: str | None) -> Increment:
        """Fetch one page of the incremental export."""


@dataclass(slots=True)
class Report:
    """What a sweep did, for the manifest.

    :param by: how changes were asked for; `closed`: every change up to the end of the ranges is written.
    :param since: times of the server's between which changes were looked for, and `until`.
    :param candidates: users who changed in that time.
    :param missing: of them, those who were not written at all, and `changed`: whose newest state was not. To stdout,
        which can't be read back, everybody counts as missing.
    :param superseded: lines of these users that a newer one follows, by the role that they say.
    """

    ran: bool = False
    closed: bool = False
    why: str = ""
    by: str = ""
    since: str = ""
    until: str = ""
    passes: int = 0
    candidates: int = 0
    missing: int = 0
    changed: int = 0
    superseded: dict[str, int] = field(default_factory=dict)


class Sweep:
    """Sweeps once. `report` tells what it did.

    :param lag: seconds that the incremental export leaves out.
    """

    def __init__(
        self,
        pages: Changed,
        query: Query,
        ledger: Ledger,
        sink: Sink,
        meter: Meter,
        *,
        observer: Observer,
        lag: float = LAG,
    ) -> None:
        self._pages, self._ledger, self._sink, self._meter = pages, ledger, sink, meter
        self._observe, self._lag = observer, lag
        self._query = replace(
            query, sort="-updated_at", pagination=Pagination.CURSOR, page_size=MAX_PAGE_SIZE, external_id=None
        )
        self._known: dict[int, list[Written]] = {}
        self._newest: dict[int, str] = {}
        self._swept: dict[Role, Range] = {}
        self.report = Report(ran=True)
        self.over = False  # whether nothing is left to do, closed or not

    async def run(self, began: float, append: Callable[[Batch], Awaitable[None]]) -> None:
        """Sweep back to when the export began, and note in the ledger what came of it.

        :param append: takes a batch all the way into the output.
        :param began: by the server's clock, in unix seconds.
        :raises ExportError: what ended it; the next run sweeps again.
        """
        self._append = append
        over = self._pages.server_now()
        since = began - MARGIN
        self.report.since, self.report.until = _text(since), _text(over)
        try:
            await self._by_sort(since, over)
        except (UsageError, ContractError, _Unsorted) as exc:
            try:
                await self._by_increment(since, over, str(exc))
            except (AuthError, UsageError, ContractError, _Unsorted) as refused:
                self.report.why = f"sort=-updated_at: {exc}; the incremental export: {refused}"
        superseded = Counter(line.role for lines in self._known.values() for line in lines)
        superseded.subtract(self._newest.values())
        self.report.superseded = dict(superseded)
        self.over = True
        self._ledger.note("sweep", orjson.dumps(asdict(self.report)).decode())
        if not self.report.closed:
            self._ledger.note("missing", f"changes during the export may be missing ({self.report.why})")

    async def _by_sort(self, since: float, over: float) -> None:
        self.report.by = "sort=-updated_at"
        floor = since
        while not self._is_over():
            self._meter.closing = f"looking for changes, pass {self.report.passes + 1}"
            started = self._pages.server_now()
            with _kept_aside() as candidates:
                await self._fill_by_sort(candidates, floor)
                await self._take(candidates, over)
            floor = max(started - MARGIN, since)

    async def _fill_by_sort(self, candidates: Candidates, floor: float) -> None:
        """Collect everybody who changed since a time."""
        after: str | None = None
        last = float("inf")
        while True:
            page = await self._pages.newest(self._query, after=after)
            if isinstance(page, CursorRefused) or (page.more and page.after == after):
                raise ContractError("the walk over changes does not get ahead: one cursor came twice")
            changes = self._read(page.lines)
            times = [last, *(change.updated for change in changes)]
            if not all(map(ge, times, times[1:])):
                raise _Unsorted("it does not sort by the time of change")
            candidates.add(change for change in changes if change.updated >= floor)
            if page.sideloads:
                await self._append(self._batch(self._query.roles[0], [], page.sideloads))
            if not page.more or (changes and changes[-1].updated < floor):
                return
            after, last = page.after, times[-1]

    async def _by_increment(self, since: float, over: float, why: str) -> None:
        self.report.by, self.report.passes = f"incremental export (sort=-updated_at: {why})", 0
        cursor: str | None = None
        seen_by = over + self._lag + 1  # what changed before the ranges had ended can be seen from then on
        while not self._is_over():
            self._meter.closing = "looking for changes by the incremental export"
            asked = self._pages.server_now()
            with _kept_aside() as candidates:
                cursor = await self._fill_by_increment(candidates, since, cursor)
                await self._take(candidates, over)
            if asked < seen_by:  # the first pass shows early whether the account allows it at all
                self.report.closed = False
                await self._wait_until(seen_by)
            elif not self.report.closed:
                await self._wait_until(self._pages.server_now() + self._lag + 1)

    async def _fill_by_increment(self, candidates: Candidates, since: float, cursor: str | None) -> str | None:
        """Collect everybody who changed since a time, or behind a cursor; return where it goes on."""
        while True:
            came = await self._pages.increment(int(since), cursor)
            if not came.end and came.cursor in (None, cursor):
                raise ContractError("the incremental export does not get ahead: one cursor came twice")
            candidates.add(self._read(came.lines))
            cursor = came.cursor or cursor
            if came.end:
                return cursor

    async def _wait_until(self, time: float) -> None:
        seconds = max(time - self._pages.server_now(), 0.0)
        why = "the incremental export leaves out the last minute"
        self._meter.closing = why
        self._observe(Held(seconds, why))
        await anyio.sleep(seconds)

    def _read(self, lines: list[bytes]) -> list[Change]:
        try:
            return read_changes(lines, self._query.roles, self._query.permission_set)
        except NotAPage as exc:
            raise _Unsorted(str(exc)) from exc

    def _is_over(self) -> bool:
        """Decide whether another pass is called for, by what the last one brought."""
        report = self.report
        if report.passes >= MOST and not report.closed:
            report.why = "the account changes faster than it can be listed"
        return report.closed or report.passes >= MOST

    async def _take(self, candidates: Candidates, over: float) -> None:
        """Write whoever is news, and say in the report what that means for the sweep."""
        unknown = [user_id for user_id in candidates.ids() if user_id not in self._known]
        found = await self._sink.written(unknown) if unknown else {}
        for user_id in unknown:
            self._known[user_id] = (found or {}).get(user_id, [])
        news = lost = 0
        for chunk in candidates.chunks():
            fresh = [change for change in chunk if self._is_news(change)]
            news += len(fresh)
            lost += sum(not self._known[change.id] and change.created < over for change in fresh)
            self._newest |= {change.id: change.role.value for change in chunk}
            await self._write(fresh)
        report = self.report
        report.passes += 1
        report.candidates = len(self._known)
        report.closed = not news or (report.passes >= SETTLED and not lost)

    def _is_news(self, change: Change) -> bool:
        """Tell whether a user's line is not the last one in the file for his role."""
        file = self._sink.file_of(change.role)
        last = next((each for each in reversed(self._known[change.id]) if each.file == file), None)
        return last != Written.read(file, change.line)

    async def _write(self, fresh: list[Change]) -> None:
        for role, group in groupby(sorted(fresh, key=attrgetter("role", "id")), attrgetter("role")):
            changes = list(group)
            await self._append(self._batch(role, changes))
            for change in changes:
                lines = self._known[change.id]
                self.report.changed += bool(lines)
                self.report.missing += not lines
                self._meter.add(role, not lines)
                lines.append(Written.read(self._sink.file_of(role), change.line))

    def _batch(self, role: Role, changes: list[Change], sideloads: Sideloads | None = None) -> Batch:
        """Make a batch of the range that stands for the sweep, so that the ledger counts what it appends."""
        swept = self._swept.get(role) or self._ledger.swept(role)
        ids = tuple(change.id for change in changes)
        end = replace(swept.position, users=swept.position.users + len(ids))
        self._swept[role] = swept._replace(position=end)
        move = Move(swept.number, swept.position, end, ids, (None,) * len(ids))
        mended = tuple(change.id for change in changes if MENDED in change.line)
        return Batch(role, move, tuple(change.line for change in changes), sideloads or {}, mended)


class _Unsorted(Exception):
    """The account does not list users by the time of their change."""


@contextmanager
def _kept_aside() -> Iterator[Candidates]:
    candidates = Candidates()
    try:
        yield candidates
    finally:
        candidates.close()


def _text(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
