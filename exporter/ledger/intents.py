"""Intents: what is about to be written, noted before it is, so that after a kill each whole line can be adopted.

An intent is a list of writes, in the order in which they reach the disk, and the moves of positions they carry. Its
last write holds users; the ones before it hold the sideloaded records that came with them. So a user in the file
proves that what was sideloaded is there too.

A write is made of units, each with its end offset and CRC-32: what is kept or cut as a whole. In plain files a unit is
a line; in compressed ones it is a gzip member or a zstd frame with many lines.

Recovery is a pure function of the intents and of what the files hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from exporter.model import Position, Sideload
from exporter.pages import make_cursor
from exporter.ranges import Move, Split, position_after


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes for one file.

    :param file: the file's name in the ledger.
    :param start: the offset at which the bytes go.
    :param ends: the offset behind each unit.
    :param crcs: the CRC-32 of each unit.
    :param records: how many lines each unit holds.
    :param kind: the sideload the file is for, None for users; `keys` are then the records' identities, unit by unit.
    """

    file: str
    start: int
    ends: list[int]
    crcs: list[int]
    records: list[int]
    kind: Sideload | None = None
    keys: list[list[str]] = field(default_factory=list)
    data: bytes = b""

    @property
    def end(self) -> int:
        """The offset behind the last unit."""
        return self.ends[-1] if self.ends else self.start


@dataclass(frozen=True, slots=True)
class Intent:
    """Writes in order, users last, and the moves that hold once they are done.

    With one move, its items are the units of the last write; with several, they hold only all together.
    """

    writes: tuple[Write, ...]
    moves: tuple[Move, ...]

    def summary(self) -> Intent:
        """Return what matters of an intent that is done: each write as one unit, each move without its items (P6)."""
        return Intent(
            tuple(Write(write.file, write.start, [write.end], [0], [sum(write.records)]) for write in self.writes),
            tuple(Move(move.range, move.start, move.end, split=move.split) for move in self.moves),
        )

    def settled(self, whole: int) -> dict[int, Position]:
        """Say where ranges stand when all writes but the last are there, and its first `whole` units."""
        units = len(self.writes[-1].ends) if self.writes else 0
        if whole >= units:
            return {move.range: move.end for move in self.moves}
        if whole and len(self.moves) == 1 and len(self.moves[0].ids) == units:
            return {move.range: position_after(move, whole, make_cursor) for move in self.moves}
        return {}


def encode(intent: Intent) -> bytes:
    """Write an intent as JSON, without the bytes it is about."""
    writes = [
        {name: getattr(write, name) for name in ("file", "start", "ends", "crcs", "records", "kind", "keys")}
        for write in intent.writes
    ]
    return orjson.dumps({"writes": writes, "moves": intent.moves})


def decode(text: bytes | str) -> Intent:
    """Read what `encode` wrote.

    :raises ValueError, KeyError, TypeError: if it is anything else.
    """
    fields = orjson.loads(text)
    return Intent(
        writes=tuple(
            Write(**{**write, "kind": write["kind"] and Sideload(write["kind"])}) for write in fields["writes"]
        ),
        moves=tuple(
            Move(
                range=move["range"],
                start=Position(**move["start"]),
                end=Position(**move["end"]),
                ids=tuple(move["ids"]),
                cursors=tuple(move["cursors"]),
                made=move["made"],
                split=move["split"] and Split(**move["split"]),
            )
            for move in fields["moves"]
        ),
    )


@dataclass(slots=True)
class Recovered:
    """What the files hold, and what that proves.

    :param sizes: where each file ends that has to be cut or kept, by name.
    :param records: whole lines adopted, by file.
    :param splits: how ranges came to be that the ledger does not know yet, in order, by their numbers.
    :param positions: where ranges stand, for those that moved.
    :param lost: sideloaded records that were noted as written and are not there.
    """

    sizes: dict[str, int]
    records: dict[str, int] = field(default_factory=dict)
    splits: dict[int, Split] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    lost: list[tuple[Sideload, str]] = field(default_factory=list)


def recover(
    intents: Iterable[Intent],
    sizes: Mapping[str, int],
    users: Mapping[int, int],
    whole_units: Callable[[Write], int],
) -> Recovered:
    """Hold intents against files.

    :param intents: in the order in which they were noted, from the last synced point on.
    :param sizes: the synced size of each file.
    :param users: the settled number of users of each range.
    :param whole_units: how many units from the first on are in the file as noted.

    Rules: 1. In each file, units count up to the first that is not whole; nothing behind it does. 2. A users' write
    counts only if every write before it in its intent is whole. 3. A range makes no move that starts elsewhere than
    where it stands, and none behind one of which it did not get to the end. 4. A range is there once a user of its
    first batch is. Without him, the range it was cut off does not go on either: it would end where nobody takes over.
    """
    found = Recovered(dict(sizes))
    stands = dict(users)
    broken: set[str] = set()
    stuck: set[int] = set()
    for intent in intents:
        intact, whole = (
            all(move.range not in stuck and move.start.users == stands.get(move.range, 0) for move in intent.moves),
            0,
        )
        for write in intent.writes:
            units = len(write.ends)
            sound = intact and write.file not in broken and found.sizes.get(write.file, 0) == write.start
            whole = whole_units(write) if sound else 0
            if whole:
                found.sizes[write.file] = write.ends[whole - 1]
                found.records[write.file] = found.records.get(write.file, 0) + sum(write.records[:whole])
            if write.kind:
                found.lost += [(write.kind, key) for keys in write.keys[whole:] for key in keys]
            if whole < units:
                intact = False
                broken.add(write.file)
        if intact or whole:
            settled = intent.settled(whole)
            found.splits |= {move.range: move.split for move in intent.moves if move.split and move.range in settled}
            found.positions |= settled
            stands |= {number: position.users for number, position in settled.items()}
        if not intact:
            stuck.update(move.range for move in intent.moves)
            stuck.update(move.split.of for move in intent.moves if move.split and move.range not in found.splits)
    return found
