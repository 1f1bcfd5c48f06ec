"""One role's ranges: where the next cut is aimed at, and what the page means that comes of it. Pure.

Theory of operation. A stream starts as one range, and a cursor chain is sequential; so while requests are allowed that
no range wants, the range with the most left is cut, and a new one *lands* in its middle.

1. The ranges of a stream tile it: each ends where the next begins, and the last goes on to the stream's end. So an id
   belongs to the range with the least `until` above it.
2. A made cursor only picks where a range lands. The page that comes back has a first user F, wherever that is. F is in
   some range: if that one has not come so far, it ends at F from now on, and the new one goes on from F by cursors the
   server issued. Both walks are contiguous, so the seam has no gap and no overlap, however the cursor was read.
3. A page that lands where somebody has been is thrown away: it costs one request, and nothing else.
4. The end of a stream is looked for once, with `page[before]` the greatest cursor: its last page becomes the last
   range.
5. Ids come in clusters. Where a landing finds nobody between its aim and the range's end, `page[before]` that end is
   asked for: the page holds the last users before it, which are data, and tells where they really end. The range that
   begins with them still has to meet the one above.

How much is left is a guess: ids left times users an id. As on its last page, a range is taken to go on for a few pages;
behind them the density is its own as far as it has come, and the stream's for the rest. Gaps that landings jumped over
count in it, or one cluster would pass for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from itertools import pairwise
from math import inf
from typing import NamedTuple

from exporter.model import Page, Position, Role
from exporter.pages import make_cursor
from exporter.ranges.moves import Batch, Split
from exporter.ranges.walk import Walk, accept, check_ascending

MIN_PAGES = 2.0
"""Pages that must be left of a range to cut it: one is under way already, and the other would have to wait for it."""
NEAR_PAGES = 5
"""Pages for which a range is taken to go on as on its last page: runs of neighbours are longer than a page or two."""
END = 2**63 - 1
"""The greatest id there can be (ids are int64)."""


class Kind(Enum):
    """What an aim is for: the stream's end, the middle of a range, or the users right below where it ends."""

    END = auto()
    MIDDLE = auto()
    BELOW = auto()


@dataclass(frozen=True, slots=True)
class Aim:
    """One request that is to become a range: its page is asked for behind `after`, or before `before`.

    :param at: the id that the range is to begin behind; for BELOW the id that it is to end before.
    """

    role: Role
    kind: Kind
    at: int
    after: str | None = None
    before: str | None = None


class Cut(NamedTuple):
    """A place to cut a stream at, and how many pages are left there, by a guess."""

    pages: float
    aim: Aim


class Birth(NamedTuple):
    """A new range, and what it begins with."""

    walk: Walk
    batch: Batch


@dataclass(slots=True)
class Stream:
    """One role's ranges.

    :param walks: all of them, the finished ones too, in the order of their ids.
    :param most: how many ranges may be at work at once; None for no bound.
    :param aims: those under way; a range counts as cut where they are.
    """

    role: Role
    page_size: int
    walks: list[Walk]
    most: int | None = None
    aims: list[Aim] = field(default_factory=list)
    end_sought: bool = False

    def __post_init__(self) -> None:
        self.walks.sort(key=lambda walk: (walk.until is None, walk.until))

    @property
    def at_work(self) -> list[Walk]:
        """The ranges of which something is left to ask for."""
        return [walk for walk in self.walks if not walk.position.finished]

    def cut(self) -> Cut | None:
        """Choose where to cut next; None if nowhere."""
        at_work = self.at_work
        if not at_work or (self.most is not None and len(at_work) + len(self.aims) >= self.most):
            return None
        top = self.walks[-1]
        if not self.end_sought and top.seen and not top.position.finished:
            return Cut(inf, Aim(self.role, Kind.END, END, before=make_cursor(END)))
        span, seen = sum(walk.span for walk in self.walks), sum(walk.seen for walk in self.walks)
        common = min(seen / span, 1.0) if span else 1.0
        cuts = [cut for walk in at_work for cut in self._cuts(walk, common)]
        return max(cuts, key=lambda cut: cut.pages, default=None)

    def cursor_at(self, until: int) -> str | None:
        """Return the cursor that the server issued for the first user of a range; None if that is not known."""
        return next((above.head for below, above in pairwise(self.walks) if below.until == until), None)

    def take(self, aim: Aim) -> None:
        """Count an aim as under way."""
        self.aims.append(aim)
        self.end_sought = self.end_sought or aim.kind is Kind.END

    def landed(self, aim: Aim, page: Page | None, number: int, *, trusted: bool) -> Birth | Aim | None:
        """Take in what came of an aim: a new range, another aim, or nothing.

        :param page: None if nothing came.
        :param number: what the ledger is to call the new range.
        :param trusted: whether the page's cursors are those that the codec makes, and more may be made.
        :raises ContractError: if its ids descend.
        """
        self.aims.remove(aim)
        if page is None or not trusted:
            return None
        check_ascending(self.role, page.ids)
        there = self._owner(aim.at - (aim.kind is Kind.BELOW))
        if there.position.finished or there.position.last_id is None:
            return None
        if not page.ids or (there.until is not None and page.ids[0] >= there.until):
            return self._below(there) if aim.kind is Kind.MIDDLE and there.position.last_id < aim.at else None
        return self._born(aim, page, number)

    def _owner(self, user_id: int) -> Walk:
        """Return the range that an id belongs to."""
        return next(walk for walk in self.walks if walk.until is None or walk.until > user_id)

    def _below(self, walk: Walk) -> Aim | None:
        """Aim right below the end of a range, by the cursor that the server issued there, if it is known."""
        if walk.until is None:
            return None
        head = self.walks[self.walks.index(walk) + 1].head
        aim = Aim(self.role, Kind.BELOW, walk.until, before=head or make_cursor(walk.until))
        self.take(aim)
        return aim

    def _born(self, aim: Aim, page: Page, number: int) -> Birth | None:
        """Cut the range in which a page begins, and let a new one begin with it."""
        at = page.ids[0]
        of = self._owner(at)
        if page.before is None or of.position.finished or of.position.last_id is None or of.position.last_id >= at:
            return None
        if aim.kind is not Kind.MIDDLE or of.until is not None:
            # What a page before a cursor says of more is about what stands before it; and a bound has to be met.
            page = replace(page, after=page.last, more=True)
        position = Position(page.before, skip=-1)
        new = Walk(number, self.role, position, of.until, page.before, overlap=of.overlap, confirm=of.confirm)
        batch = accept(new, page, by_id=True, trusted=True, split=Split(of.number, at, of.until))
        new.claims = int(aim.kind is Kind.END)  # that this is the end has been said once
        if aim.kind is Kind.MIDDLE:
            new.span += max(at - aim.at, 0)
        elif aim.kind is Kind.BELOW:
            new.span += aim.at - page.ids[-1]
        of.until = at
        self.walks.insert(self.walks.index(of) + 1, new)
        return Birth(new, batch)

    def _cuts(self, walk: Walk, common: float) -> Iterator[Cut]:
        """Yield where a range can be cut: in the middle between what it has come to, aims under way, and its end.

        :param common: users an id in the whole stream, as far as it is known.
        """
        begin, until = walk.position.last_id, walk.until
        if begin is None or until is None:
            return
        aims = sorted(aim.at for aim in self.aims if begin < aim.at < until)
        below = {aim.at for aim in self.aims if aim.kind is Kind.BELOW}
        for lower, upper in pairwise([begin, *aims, until]):
            width = upper - lower
            far = min((walk.seen + common * width) / (walk.span + width), 1.0)
            near = min(int(NEAR_PAGES * self.page_size / walk.near), width) if lower == begin else 0
            users = near * walk.near + (width - near) * far
            if users < MIN_PAGES * self.page_size or upper in below:
                continue
            # What is left is halved, as it will be when the page that is under way has come.
            half = (users + (self.page_size if lower == begin else 0)) / 2
            ahead = half / walk.near if half < near * walk.near else near + (half - near * walk.near) / far
            middle = lower + min(max(int(ahead), 1), width - 1)
            yield Cut(users / self.page_size, Aim(self.role, Kind.MIDDLE, middle, after=make_cursor(middle)))


def choose(streams: Iterable[Stream]) -> Aim | None:
    """Choose where to cut next, and count the aim as under way; None if too little is left anywhere."""
    cuts = [(cut, stream) for stream in streams if (cut := stream.cut()) is not None]
    if not cuts:
        return None
    cut, stream = max(cuts, key=lambda pair: pair[0].pages)
    stream.take(cut.aim)
    return cut.aim
