"""The closing sweep: whoever changed while the export ran is written again, as he is now (P2).

Theory of operation. Users are created, edited, and change their role while streams are walked: a change of role can
carry a user out of a stream that has yet to come to him into one that has passed him. Each of them has a new
`updated_at`. So, once every range is at its end:

1. All selected roles are asked for by `sort=-updated_at`, from the newest back to what was the newest change when the
   export began, less a margin (`beginning`). All times are the data's own, no clock's.
2. Who is on such a page is a candidate. What the output holds of the candidates is read back from the output, once for
   all of them: a list of everybody who was written would grow with the account. Whoever is not there, or differs, is
   appended to the file for his role, where the last line of an id is the newest.
3. A user who changes during a pass moves to its front, and may be missed. So the next pass goes back to the newest
   change that this one began with, less `SLACK`: passes become shorter, however fast the account changes. The sweep
   ends with a pass that brings nothing new, or is one page alone: one answer is one instant.
4. Where somebody was found, it looks once more, `SETTLING` later: a change can be listed late.
5. Where the account does not list users so, other ways take its place (`changes`). Where none is left, the export is
   finished but not closed, and says so.

A kill in between needs no position: the next run sweeps again, and finds what was appended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter

import anyio
import orjson

from exporter.engine.changes import ByIncrement, ByReading, BySort, Changed, Listed, UnlistedError
from exporter.engine.meter import Meter
from exporter.events import Held, Observer
from exporter.ledger import Ledger, Range
from exporter.model import Query, Role
from exporter.output import Candidates, Change, Sideloads, Sink, Written
from exporter.pages import MENDED
from exporter.ranges import Batch, Move

SLACK = 2.0
"""Seconds that a pass goes back behind the newest change of the one before: `updated_at` has whole seconds, and is
stamped an instant before the change can be seen."""
LAG = 60.0
"""Seconds before now that the incremental export leaves out (documented)."""
SETTLING = 2.0
"""Seconds after which replicas that lag have caught up: they do so within one; a look costs one request."""
MOST = 20
"""Passes at most: users created faster than they can be listed would have it go on for ever."""


@dataclass(slots=True)
class Report:
    """What a sweep did, for the manifest.

    :param by: how changes were asked for; `closed`: every change up to the end of the ranges is written.
    :param since: times between which changes were looked for, by the account's own data, and `until`.
    :param candidates: users who changed in that time.
    :param missing: of them, those who were not written at all, and `changed`: whose newest state was not. To stdout,
        which can't be read back, everybody counts as missing.
    :param settled: after it had found somebody, it looked once more a while later.
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
    settled: bool = False
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
        self._pages, self._query, self._ledger, self._sink, self._meter = pages, query, ledger, sink, meter
        self._observe, self._lag = observer, lag
        self._known: dict[int, list[Written]] = {}
        self._newest: dict[int, str] = {}
        self._swept: dict[Role, Range] = {}
        self._until = float("inf")
        self.report = Report(ran=True)
        self.over = False  # whether nothing is left to do, closed or not

    @property
    def newest(self) -> Mapping[int, str]:
        """The roles, as they were seen last, of users who changed."""
        return self._newest

    async def run(self, since: float, append: Callable[[Batch], Awaitable[None]]) -> None:
        """Sweep back to a time, and note in the ledger what came of it.

        :param since: unix seconds, see `beginning.sweep_from`.
        :param append: takes a batch all the way into the output.
        :raises ExportError: what ended it; the next run sweeps again.
        """
        self._append, self._since = append, since
        report, users = self.report, sum(each.users for each in self._meter.roles.values())
        report.since = _text(since)
        refused: list[str] = []
        for name, sweep in (
            (BySort.name, self._by_sort),
            (ByReading.name, self._by_reading),
            (ByIncrement.name, self._by_increment),
        ):
            report.by = f"{name} ({'; '.join(refused)})" if refused else name
            report.passes, report.closed = 0, False
            try:
                await sweep(users)
                break
            except UnlistedError as exc:
                refused.append(f"{name}: {exc}")
        else:
            report.why = "; ".join(refused)
        superseded = Counter(line.role for lines in self._known.values() for line in lines)
        superseded.subtract(self._newest.values())
        report.superseded = dict(superseded)
        self.over = True
        self._ledger.note("sweep", orjson.dumps(asdict(report)).decode())
        if not report.closed:
            self._ledger.note("missing", f"changes during the export may be missing ({report.why})")

    async def _by_sort(self, users: int) -> None:
        way, floor = BySort(self._pages, self._query, users), self._since
        while not self._is_over():
            floor = await self._pass(way, floor)
        if self._known and self.report.closed:
            self._meter.closing = "looking for late changes"
            await anyio.sleep(SETTLING)
            await self._pass(way, floor)
            self.report.closed = self.report.settled = True

    async def _pass(self, way: BySort, floor: float) -> float:
        """Look once, back to a time; return back to when the next look has to go."""
        self._meter.closing = f"looking for changes, pass {self.report.passes + 1}"
        with _kept_aside() as candidates:
            await self._fill(candidates, way.back_to(floor), floor)
            self._until = min(self._until, way.newest)  # as the ranges ended, or after that
            await self._take(candidates)
        self.report.closed |= way.pages == 1
        self.report.until = _text(way.newest)
        return max(way.newest - SLACK, self._since)

    async def _by_increment(self, users: int) -> None:
        way = ByIncrement(self._pages, self._query, self._since, users)
        self._meter.closing = "looking for changes by the incremental export"
        began = anyio.current_time()
        while not self._is_over():
            asked = anyio.current_time()
            with _kept_aside() as candidates:
                await self._fill(candidates, way.onward())
                await self._take(candidates)
            # What changed before the ranges had ended can be seen once the lag is over. The first pass shows early
            # whether the account allows it at all.
            self.report.closed &= asked > began + self._lag
            if not self.report.closed:
                await self._wait(self._lag + 1)

    async def _by_reading(self, users: int) -> None:
        way = ByReading(self._pages, self._query, users)
        self._meter.closing = "looking for changes: all pages once more"
        with _kept_aside() as candidates:
            await self._fill(candidates, way.through())
            await self._take(candidates)
        self.report.closed = True

    async def _fill(self, candidates: Candidates, pages: AsyncIterator[Listed], floor: float = float("-inf")) -> None:
        """Collect everybody who changed since a time."""
        async for changes, sideloads in pages:
            candidates.add(change for change in changes if change.updated >= floor)
            if sideloads:
                await self._append(self._batch(self._query.roles[0], [], sideloads))

    async def _wait(self, seconds: float) -> None:
        why = "the incremental export leaves out the last minute"
        self._meter.closing = why
        self._observe(Held(seconds, why))
        await anyio.sleep(seconds)

    def _is_over(self) -> bool:
        """Decide whether another pass is called for, by what the last one brought."""
        report = self.report
        if report.passes >= MOST and not report.closed:
            report.why = "the account changes faster than it can be listed"
        return report.closed or report.passes >= MOST

    async def _take(self, candidates: Candidates) -> None:
        """Write whoever is news, and say in the report what that means for the sweep."""
        unknown = [user_id for user_id in candidates.ids() if user_id not in self._known]
        found = await self._sink.written(unknown) if unknown else {}
        for user_id in unknown:
            self._known[user_id] = (found or {}).get(user_id, [])
        news = lost = 0
        for chunk in candidates.chunks():
            fresh = [change for change in chunk if self._is_news(change)]
            news += len(fresh)
            lost += sum(not self._known[change.id] and change.created < self._until for change in fresh)
            self._newest |= {change.id: change.role.value for change in chunk}
            await self._write(fresh)
        report = self.report
        report.passes += 1
        report.candidates = len(self._known)
        report.closed = not news or (report.passes >= MOST and not lost)

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


@contextmanager
def _kept_aside() -> Iterator[Candidates]:
    candidates = Candidates()
    try:
        yield candidates
    finally:
        candidates.close()


def _text(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
