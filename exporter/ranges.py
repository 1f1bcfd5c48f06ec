"""Which items of a page a range takes, and where it stands after each: pure functions of state.

Rules:

1. A range is walked by cursors the server issued; each page goes on right after the one before.
2. Where the walk ascends by id, ids are checked item by item. That they ascend is what proves that nothing is missing
   or repeated; a descent is an error which names both ids.
3. A position never claims more than what precedes it. Where no cursor stands right after an item, the position is the
   cursor before the page and the number of items to skip, checked by the last id.
4. A cursor that leads to itself is an error. A longer loop is met within twice its length (Brent): `Walk` keeps one
   cursor of the past, and renews it at powers of two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from exporter.errors import ContractError
from exporter.model import Item, Page, Position, Role, Sideload


@dataclass(frozen=True, slots=True)
class Move:
    """How the position of a range moves over a batch: `ids` and `cursors` run along its items.

    :param range: the number of the range in the ledger.
    :param made: items' cursors are those that the codec makes of their ids; `cursors` is empty then.
    """

    range: int
    start: Position
    end: Position
    ids: tuple[int, ...] = ()
    cursors: tuple[str | None, ...] = ()
    made: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one range hands to the sink at once, and the move they make."""

    role: Role
    move: Move
    lines: tuple[bytes, ...]
    sideloads: dict[Sideload, list[tuple[str, bytes]]]


@dataclass(slots=True)
class Walk:
    """One range being walked: where it will ask next. What is written is the ledger's to know."""

    number: int
    role: Role
    position: Position
    milestone: str | None = None
    laps: int = 0
    restarted: bool = False

    def restart(self) -> None:
        """Begin at the start of the stream again, and skip what is written: the server refused the cursor."""
        self.restarted = True
        self.milestone, self.laps = None, 0  # the cursors of the first walk come again, and that is no circle
        self.position = replace(self.position, cursor=None, skip=max(self.position.users, 1))


def accept(walk: Walk, page: Page, *, by_id: bool, trusted: bool) -> Batch:
    """Take from a page what is the range's own and not written yet, and move the walk on.

    :param by_id: whether the walk ascends by id.
    :param trusted: whether cursors may be made of ids.
    :raises ContractError: if ids descend or the cursor does not advance.
    """
    start = walk.position
    items, skipped = _rest(start, page.items, by_id=by_id)
    if by_id:
        _check_ascending(walk, page.items, items)
    users = start.users + len(items)
    last_id = items[-1].id if items else start.last_id
    if page.more:
        _check_advance(walk, page.after)
    # Still before the last id that is written: the walk was begun anew, and goes on skipping.
    skip = max(start.skip - len(page.items), 1) if skipped and not items and page.more else 0
    end = Position(page.after or start.cursor, skip, last_id, users, finished=not page.more)
    move = Move(
        range=walk.number,
        start=replace(start, skip=skipped),
        end=end,
        ids=tuple([item.id for item in items]),
        cursors=() if by_id and trusted else tuple([item.cursor for item in items]),
        made=by_id and trusted,
    )
    walk.position = end
    return Batch(walk.role, move, tuple([item.line for item in items]), page.sideloads)


def _rest(start: Position, items: tuple[Item, ...], *, by_id: bool) -> tuple[tuple[Item, ...], int]:
    """Drop what a resumed range has written already; say how many items that were."""
    if not start.skip or start.last_id is None:
        return items, 0
    if by_id:
        rest = tuple(item for item in items if item.id > start.last_id)
        return rest, len(items) - len(rest)
    # In another order only the id itself tells. If it has gone meanwhile, everything is written again: a repeat can be
    # seen and removed, a gap can't.
    skip = next((number for number, item in enumerate(items, 1) if item.id == start.last_id), 0)
    return items[skip:], skip


def _check_ascending(walk: Walk, items: tuple[Item, ...], rest: tuple[Item, ...]) -> None:
    last = walk.position.last_id
    if rest and last is not None and rest[0].id <= last:
        raise _descent(walk, last, rest[0].id)
    for lower, upper in pairwise(items):
        if lower.id >= upper.id:
            raise _descent(walk, lower.id, upper.id)


def _descent(walk: Walk, first: int, second: int) -> ContractError:
    return ContractError(f"users of {walk.role} do not come by ascending id: {second} follows {first}")


def _check_advance(walk: Walk, cursor: str | None) -> None:
    if cursor in (walk.position.cursor, walk.milestone):
        raise ContractError(f"the walk over {walk.role} goes in a circle: cursor {cursor} came twice")
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
    return replace(batch, move=move, lines=batch.lines[:count])
