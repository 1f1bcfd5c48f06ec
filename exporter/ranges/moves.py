"""What a range hands over, and where it stands after any part of it: pure data and functions of it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace

from exporter.model import Position, Role, Sideload


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
    :param overlap: positions in its midst are behind the last user but one.
    """

    range: int
    start: Position
    end: Position
    ids: tuple[int, ...] = ()
    cursors: tuple[str | None, ...] = ()
    made: bool = False
    split: Split | None = None
    overlap: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that one range hands to the sink at once, and the move they make; `mended` as for `Page`."""

    role: Role
    move: Move
    lines: tuple[bytes, ...]
    sideloads: dict[Sideload, list[tuple[str, bytes]]]
    mended: tuple[int, ...] = ()


def among(mended: Sequence[int], ids: Sequence[int]) -> tuple[int, ...]:
    """Return those of some ids that are on a batch."""
    return tuple(each for each in mended if each in ids)


def position_after(move: Move, count: int, make: Callable[[int], str]) -> Position:
    """Say where the range stands once the first `count` items of the batch are in the output."""
    if count == len(move.ids):
        return move.end
    if count == 0:
        return move.start
    last_id = move.ids[count - 1]
    users = move.start.users + count
    if move.overlap and count == 1 and move.start.skip >= 0:  # he is the next one behind where the batch was asked from
        return Position(move.start.cursor, move.start.skip + 1, last_id, users)
    back = 2 if move.overlap and count >= 2 else 1
    cursor = make(move.ids[count - back]) if move.made else move.cursors[count - back]
    if cursor is None:
        return Position(move.start.cursor, move.start.skip + count, last_id, users)
    return Position(cursor, back - 1, last_id, users)


def picked(batch: Batch, drop: Container[int]) -> Batch:
    """Take users out of a batch who are not the stream's; where it ends stays."""
    move = batch.move
    keep = [at for at, user_id in enumerate(move.ids) if user_id not in drop]
    move = replace(
        move,
        end=replace(move.end, users=move.start.users + len(keep)),
        ids=tuple(move.ids[at] for at in keep),
        cursors=tuple(move.cursors[at] for at in keep) if move.cursors else (),
        overlap=False,  # between two who are left there may be others
    )
    return replace(batch, move=move, lines=tuple(batch.lines[at] for at in keep), mended=among(batch.mended, move.ids))


def first(batch: Batch, count: int, make: Callable[[int], str]) -> Batch:
    """Cut a batch down to its first `count` items; its sideloads stay whole."""
    if count >= len(batch.lines):
        return batch
    move = batch.move
    end = position_after(move, count, make)
    move = replace(move, end=end, ids=move.ids[:count], cursors=move.cursors[:count])
    return replace(batch, move=move, lines=batch.lines[:count], mended=among(batch.mended, move.ids))
