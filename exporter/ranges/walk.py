"""Which items of a page a range takes, and where it stands after each: pure functions of state.

Rules:

1. A range is walked by cursors the server issued; each page goes on right after the one before.
2. Where the walk ascends by id, ids are checked item by item. That they ascend is what proves that nothing is missing
   or repeated; a descent is an error which names both ids.
3. A range ends where the range above it begins: it drops the first item at or behind that id, and what follows. It has
   to meet that one: `judging` has an end before it looked into. A stream's end has to be said twice.
4. A position never claims more than what precedes it, and never rests on a cursor that only the codec made. Where no
   issued cursor stands right after an item, the position is the nearest one before it and the number of items to skip,
   checked by the last id.
5. With overlap a position is behind the last user but one, and one user is to be skipped: so each page has to begin
   with the last user written, and two pages that touch are proven to touch.
6. A cursor that leads to itself is an error. A longer loop is met within twice its length (Brent): `Walk` keeps one
   cursor of the past, and renews it at powers of two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Container
from dataclasses import dataclass, replace
from itertools import pairwise
from operator import lt

from exporter.errors import ContractError
from exporter.model import MAX_PAGE_SIZE, Page, Position, Role
from exporter.ranges.moves import Batch, Move, Split, among

ANEW = MAX_PAGE_SIZE + 1
"""Users to skip, at least, where a walk was begun anew and has not come to the last one written: more than a page."""
CLAIMS = 3
"""Times that a stream has to say that nobody is in it: nothing else speaks for it."""
WAYS_BACK = 3
"""Requests that may fail on the way straight back to where a walk was: the way from the start is sure, if slow."""


@dataclass(slots=True, eq=False)
class Walk:
    """One range being walked: where it will ask next. What is written is the ledger's to know.

    :param until: the first id of the range above, None if this is the stream's last.
    :param head: the cursor that the server issued for its first user, None if that is not known.
    :param span: how many ids this run has looked at here, and `seen`: how many users it found there.
    :param near: users an id on the last page.
    :param ways_back: how often a way straight back to where it was may yet be tried.
    :param overlap: each page is asked for from behind the last user but one.
    :param confirm: an end of the stream is not believed at once; `claims`: how often in a row it was said.
    :param released: nobody is left before `until`, though the user there was not met: he is gone.
    """

    number: int
    role: Role
    position: Position
    until: int | None = None
    head: str | None = None
    span: int = 0
    seen: int = 0
    near: float = 1.0
    milestone: str | None = None
    laps: int = 0
    restarts: int = 0
    ways_back: int = 0
    overlap: bool = False
    confirm: bool = False
    claims: int = 0
    released: bool = False

    def restart(self, *, by_id: bool) -> None:
        """Begin at the start of the stream again, and skip what is written: the server refused the cursor.

        By id, the last one tells what to skip; in another order it is taken out of each page before (`without`).
        """
        self.restarts, self.ways_back = self.restarts + 1, WAYS_BACK if by_id else 0
        self.milestone, self.laps = None, 0  # the cursors of the first walk come again, and that is no circle
        self.claims, self.released = 0, False
        self.position = replace(self.position, cursor=None, skip=max(self.position.users, ANEW) if by_id else 0)

    @property
    def begun_anew(self) -> bool:
        """Whether it was begun anew, in this run or an earlier one, and has not come back to where it was."""
        return self.position.skip >= ANEW

    def has_been_at(self, cursor: str | None) -> bool:
        """Tell whether a cursor leads to where the walk stands, or has passed: it would go in a circle."""
        return cursor in (self.position.cursor, self.milestone)

    @property
    def shortcut(self) -> int | None:
        """The id right behind which a walk begun anew would find the last user written; None if it needs no such."""
        last_id = self.position.last_id
        return last_id - 1 if self.ways_back and self.position.skip > 0 and last_id is not None else None

    def is_lost_on(self, page: Page) -> bool:
        """Tell whether a page in another order than by id no longer shows which part of it is written."""
        return self.position.skip > 0 and not _stands_where_he_stood(self.position, page.ids)

    def leads_back(self, page: Page) -> bool:
        """Tell whether a page goes on where the walk was: only the last user written, at its head, proves that."""
        self.ways_back = 0
        return page.ids[:1] == [self.position.last_id]


def without(page: Page, written: Container[int]) -> Page:
    """Take users out of a page who are in the output already; where it leads stays."""
    return page.only([at for at, user_id in enumerate(page.ids) if user_id not in written])


def accept(walk: Walk, page: Page, *, by_id: bool, trusted: bool, split: Split | None = None) -> Batch:
    """Take from a page what is the range's own and not written yet, and move the walk on.

    :param by_id: whether the walk ascends by id.
    :param trusted: whether the page's cursors are those that the codec makes.
    :param split: how the range came to be, if this is its first page.
    :raises ContractError: if ids descend or the cursor does not advance.
    """
    start = walk.position
    begin, end, skip = 0, len(page.ids), 0
    if by_id:
        check_ascending(walk.role, page.ids)
        end = len(page.ids) if walk.until is None else bisect_left(page.ids, walk.until)
    if start.skip > 0 and start.last_id is not None:
        begin = _written(start, page.ids, by_id=by_id)
        if begin == len(page.ids) and page.more and page.ids[-1:] < [start.last_id]:
            skip = max(start.skip - len(page.ids), ANEW if walk.begun_anew else 1)
    elif by_id and start.last_id is not None:  # who is there again was written: a cursor may include its own user
        begin = min(bisect_left(page.ids, start.last_id + 1), end)
        if begin and start.last_id not in page.ids:
            raise ContractError(descent(walk.role, start.last_id, page.ids[0]))
    if not by_id:
        _check_start(walk, page.before)
    ids = page.ids[begin:end]
    finished = _is_finished(walk, page, end, fresh=bool(ids), by_id=by_id)
    if not finished and split is None and page.more:  # a first page of one user leads to itself, and that is no circle
        _check_advance(walk, page.after)
    last_id = ids[-1] if ids else start.last_id
    made = by_id and trusted and page.cursors is not None
    overlap = walk.overlap and by_id and page.cursors is not None
    move = Move(
        range=walk.number,
        start=replace(start, skip=begin) if start.skip > 0 else start,
        end=replace(
            _stands(start, page, begin, end, skip, overlap=overlap),
            last_id=last_id,
            users=start.users + len(ids),
            finished=finished,
        ),
        ids=tuple(ids),
        cursors=() if made else tuple(page.cursors[begin:end] if page.cursors is not None else [None] * len(ids)),
        made=made,
        split=split,
        overlap=overlap,
    )
    if ids and by_id:
        walk.span += ids[-1] - (ids[0] if start.last_id is None else start.last_id)
        walk.seen += len(ids)
        walk.near = len(ids) / (ids[-1] - ids[0] + 1)
    walk.position = move.end
    return Batch(walk.role, move, tuple(page.lines[begin:end]), page.sideloads, among(page.mended, ids))


def _is_finished(walk: Walk, page: Page, end: int, *, fresh: bool, by_id: bool) -> bool:
    """Tell whether a range ends with a page, and note where a stream says so for the first time.

    :param end: how many of the page's users come before the range above; `fresh`: some of them are new.
    """
    if end < len(page.ids) or (end and page.ids[end - 1] + 1 == walk.until):
        return True
    ends = not page.more  # a page without anybody says so, too
    if walk.until is not None:
        return ends or (walk.released and not fresh)
    leads_on = by_id or page.after not in (None, walk.position.cursor)
    if not walk.confirm or (page.ids and not leads_on):  # there is nothing new to ask behind
        return ends
    walk.claims = walk.claims + 1 if ends and not fresh else int(ends)
    return walk.claims >= (CLAIMS if walk.position.last_id is None and not fresh else 2)


def _stands(start: Position, page: Page, begin: int, end: int, skip: int, *, overlap: bool) -> Position:
    """Say by which cursor a walk goes on behind the first `end` users of a page, `begin` of them written before."""
    if overlap and page.cursors and end >= 2 and end > begin and not skip:
        return Position(page.cursors[end - 2], 1)
    if page.after is None:  # there is nobody, or no cursor that leads on
        return Position(start.cursor, max(start.skip, 0) + end - begin)
    if start.skip == 1 and page.ids[:end] == [start.last_id]:
        return start  # nobody was new: all is as it was
    return Position(page.after, skip)


def _written(start: Position, ids: list[int], *, by_id: bool) -> int:
    """Say how many of a page's first items a resumed range has written already."""
    assert start.last_id is not None
    if by_id:
        return bisect_left(ids, start.last_id + 1)
    # In another order others may have come before him since, or he himself may have moved (`Walk.is_lost_on`): then
    # nobody is left out, for a repeat can be seen and removed, a gap can't.
    return start.skip if _stands_where_he_stood(start, ids) else 0


def _stands_where_he_stood(position: Position, ids: list[int]) -> bool:
    """Tell whether the user written last is at the place of a page where he was."""
    return ids[position.skip - 1 : position.skip] == [position.last_id]


def check_ascending(role: Role, ids: list[int]) -> None:
    """Check that ids ascend.

    :raises ContractError: if they don't, naming two that do not.
    """
    if pair := first_descent(ids):
        raise ContractError(descent(role, *pair))


def first_descent(ids: list[int]) -> tuple[int, int] | None:
    """Return the first two ids that do not ascend; None if all do."""
    return None if all(map(lt, ids, ids[1:])) else next(pair for pair in pairwise(ids) if pair[0] >= pair[1])


def descent(role: Role, first: int, second: int) -> str:
    """Say which two ids do not ascend."""
    return f"users of {role} do not come by ascending id: {second} follows {first}"


def _check_start(walk: Walk, before: str | None) -> None:
    """Meet a walk's first page where it comes again: in an order in which no id tells, all of it would be written."""
    if walk.position.cursor is None:
        walk.head = before
    elif before is not None and before == walk.head:
        raise _circle(walk.role)


def _circle(role: Role) -> ContractError:
    return ContractError(f"the walk over {role} goes in a circle: one cursor came twice")


def _check_advance(walk: Walk, cursor: str | None) -> None:
    if walk.has_been_at(cursor):
        raise _circle(walk.role)
    walk.laps += 1
    if walk.laps & (walk.laps - 1) == 0:
        walk.milestone = cursor
