"""Which items of a page a range takes, and where it stands after each: pure functions of state.

Rules:

1. A range is walked by cursors the server issued; each page goes on right after the one before.
2. Where the walk ascends by id, ids are checked item by item. That they ascend is what proves that nothing is missing
   or repeated; a descent is an error which names both ids.
3. A range ends where the range above it begins: it drops the first item at or behind that id, and what follows.
4. A position never claims more than what precedes it, and never rests on a cursor that only the codec made. Where no
   issued cursor stands right after an item, the position is the nearest one before it and the number of items to skip,
   checked by the last id.
5. A cursor that leads to itself is an error. A longer loop is met within twice its length (Brent): `Walk` keeps one
   cursor of the past, and renews it at powers of two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from operator import lt

from exporter.errors import ContractError
from exporter.model import Page, Position, Role, Sideload

WAYS_BACK = 3
"""Requests that may fail on the way straight back to where a walk was: the way from the start is sure, if slow."""


@dataclass(frozen=True, slots=True)
class Split:
    """The birth of a range: from the user `at` on, it takes over what was left of the range `of`.

    :param until: where the new range ends: the first id of the range above it, None at the end of the stream.
    """

    of: int
    at: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Move:
    """How the position of a range moves over a batch: `ids` and `cursors` run along its items.

    :param range: the number of the range in the ledger.
    :param made: items' cursors were issued, and are those that the codec makes of their ids; `cursors` is empty then.
    :param split: how the range came to be, with its first batch: it is there once a user of that is.
    """

    range: int
    start: Position
    end: Position
    ids: tuple[int, ...] = ()
    cursors: tuple[str | None, ...] = ()
    made: bool = False
    split: Split | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one range hands to the sink at once, and the move they make; `mended` as for `Page`."""

    role: Role
    move: Move
    lines: tuple[bytes, ...]
    sideloads: dict[Sideload, list[tuple[str, bytes]]]
    mended: tuple[int, ...] = ()


@dataclass(slots=True, eq=False)
class Walk:
    """One range being walked: where it will ask next. What is written is the ledger's to know.

    :param until: the first id of the range above, None if this is the stream's last.
    :param head: the cursor that the server issued for its first user, None if that is not known.
    :param span: how many ids this run has looked at here, and `seen`: how many users it found there.
    :param near: users an id on the last page.
    :param ways_back: how often a way straight back to where it was may yet be tried.
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
    restarted: bool = False
    ways_back: int = 0

    def restart(self, *, by_id: bool) -> None:
        """Begin at the start of the stream again, and skip what is written: the server refused the cursor.

        By id, the last one tells what to skip; in another order it is taken out of each page before (`without`).
        """
        self.restarted, self.ways_back = True, WAYS_BACK if by_id else 0
        self.milestone, self.laps = None, 0  # the cursors of the first walk come again, and that is no circle
        self.position = replace(self.position, cursor=None, skip=max(self.position.users, 1) if by_id else 0)

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
    keep = [at for at, user_id in enumerate(page.ids) if user_id not in written]
    return replace(
        page,
        ids=[page.ids[at] for at in keep],
        lines=[page.lines[at] for at in keep],
        cursors=page.cursors and [page.cursors[at] for at in keep],
    )


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
        if begin == len(page.ids) and page.more:  # begun anew, and still before the last id that is written
            skip = max(start.skip - len(page.ids), 1)
    if by_id and start.last_id is not None and begin < len(page.ids) and page.ids[begin] <= start.last_id:
        raise _descent(walk.role, start.last_id, page.ids[begin])
    if not by_id:
        _check_start(walk, page.before)
    finished = not page.more or end < len(page.ids) or (end > begin and page.ids[end - 1] + 1 == walk.until)
    if not finished and split is None:  # a first page of one user leads to where it begins, and that is no circle
        _check_advance(walk, page.after)
    ids = page.ids[begin:end]
    last_id = ids[-1] if ids else start.last_id
    made = by_id and trusted and page.cursors is not None
    move = Move(
        range=walk.number,
        start=replace(start, skip=begin) if start.skip > 0 else start,
        end=Position(page.after or start.cursor, skip, last_id, start.users + len(ids), finished),
        ids=tuple(ids),
        cursors=() if made else tuple(page.cursors[begin:end] if page.cursors is not None else [None] * len(ids)),
        made=made,
        split=split,
    )
    if ids and by_id:
        walk.span += ids[-1] - (ids[0] if start.last_id is None else start.last_id)
        walk.seen += len(ids)
        walk.near = len(ids) / (ids[-1] - ids[0] + 1)
    walk.position = move.end
    return Batch(walk.role, move, tuple(page.lines[begin:end]), page.sideloads, _among(page.mended, ids))


def _among(mended: Sequence[int], ids: Sequence[int]) -> tuple[int, ...]:
    return tuple(each for each in mended if each in ids)


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
    if not all(map(lt, ids, ids[1:])):
        at = next(at for at in range(1, len(ids)) if ids[at - 1] >= ids[at])
        raise _descent(role, ids[at - 1], ids[at])


def _descent(role: Role, first: int, second: int) -> ContractError:
    return ContractError(f"users of {role} do not come by ascending id: {second} follows {first}")


def _check_start(walk: Walk, before: str | None) -> None:
    """Meet a walk's first page where it comes again: in an order in which no id tells, all of it would be written."""
    if walk.position.cursor is None:
        walk.head = before
    elif before is not None and before == walk.head:
        raise _circle(walk.role)


def _circle(role: Role) -> ContractError:
    return ContractError(f"the walk over {role} goes in a circle: one cursor came twice")


def _check_advance(walk: Walk, cursor: str | None) -> None:
    if cursor in (walk.position.cursor, walk.milestone):
        raise _circle(walk.role)
    walk.laps += 1
    if walk.laps & (walk.laps - 1) == 0:
        walk.milestone = cursor


def position_after(move: Move, count: int, make: Callable[[int], str]) -> Position:
    """Say where the range stands once the first `count` items of the batch are in the output."""
    if count == len(move.ids):
        return move.end
    if count == 0:
        return move.start
    last_id = move.ids[count - 1]
    cursor = make(last_id) if move.made else move.cursors[count - 1]
    users = move.start.users + count
    if cursor is None:
        return Position(move.start.cursor, move.start.skip + count, last_id, users)
    return Position(cursor, 0, last_id, users)


def first(batch: Batch, count: int, make: Callable[[int], str]) -> Batch:
    """Cut a batch down to its first `count` items; its sideloads stay whole."""
    if count >= len(batch.lines):
        return batch
    move = batch.move
    end = position_after(move, count, make)
    move = replace(move, end=end, ids=move.ids[:count], cursors=move.cursors[:count])
    return replace(batch, move=move, lines=batch.lines[:count], mended=_among(batch.mended, move.ids))
