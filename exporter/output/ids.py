"""Many ids in little memory: which are in the output already, and which come twice. Both are on disk (P6)."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from heapq import heappush, heappushpop, merge
from itertools import groupby, pairwise
from pathlib import Path
from typing import BinaryIO, Self

from exporter.disk import translated
from exporter.errors import OutputError


class WrittenIds:
    """Ids that are in the output, looked up a page at a time: for a walk that begins anew where ids alone can't tell.

    :raises OutputError: from every method, if the disk refuses.
    """

    def __init__(self, ids: Iterable[int]) -> None:
        # Without a name: a file that nobody else can open. It is filled in one thread and asked in another.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("CREATE TABLE seen (id INTEGER PRIMARY KEY)")
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((each,) for each in ids))
            self._db.execute("COMMIT")
        except BaseException as exc:
            self._db.close()
            if isinstance(exc, sqlite3.Error):
                raise OutputError(f"the ids of the output can't be kept aside ({exc})") from exc
            raise

    def among(self, ids: list[int]) -> set[int]:
        """Return those of a page's ids that are in the output."""
        query = "SELECT 1 FROM seen WHERE id=?"  # one by one: no page is too large for it
        try:
            return {user_id for user_id in ids if self._db.execute(query, (user_id,)).fetchone()}
        except sqlite3.Error as exc:
            raise OutputError(f"the ids of the output can't be looked up ({exc})") from exc

    def close(self) -> None:
        """Forget them all."""
        self._db.close()


RUN = 1 << 17
"""Ids sorted at a time: a megabyte of them on disk, five in memory while they are sorted."""
BLOCK = 1 << 10
"""Ids of each run that are in memory while runs are merged."""
_WIDTH = 8  # bytes: ids are int64


class RepeatedIds:
    """Counts ids, and tells which come again.

    :raises OutputError: from every method, if the disk for temporary files refuses.
    """

    def __init__(self) -> None:
        self._path = Path("the folder for temporary files")  # for words alone: the file has no name
        with translated(self._path):
            self._path = Path(tempfile.gettempdir()) / "ids"
            self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as this)
        self._runs: list[int] = []
        self._ids = array("q")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()  # would write what is left, and nobody needs that

    def add(self, user_id: int) -> None:
        """Count an id."""
        self._ids.append(user_id)
        if len(self._ids) == RUN:
            self._spill()

    def twice(self) -> Iterator[int]:
        """Yield every id that comes again, as often as it does, in order."""
        return (lower for lower, upper in pairwise(self.in_order()) if lower == upper)

    def in_order(self) -> Iterator[int]:
        """Yield every id that was counted, in order."""
        self._spill()
        starts = [sum(self._runs[:number]) for number in range(len(self._runs))]
        runs = [self._read(start, count) for start, count in zip(starts, self._runs, strict=True)]
        return merge(*runs)

    def _spill(self) -> None:
        with translated(self._path):
            array("q", sorted(self._ids)).tofile(self._file)
            self._file.flush()
        self._runs.append(len(self._ids))
        self._ids = array("q")

    def _read(self, start: int, count: int) -> Iterator[int]:
        for at in range(start, start + count, BLOCK):
            block = array("q")
            with translated(self._path):
                piece = os.pread(self._file.fileno(), min(BLOCK, start + count - at) * _WIDTH, at * _WIDTH)
            block.frombytes(piece)
            yield from block


WIDEST = 20
"""Gaps that are remembered: a hole is among the first few, and ids that come in clusters have wide gaps as well."""


class IdIndex:
    """Ids in order, each once, on disk: by rank, and by id.

    :param ids: in order; some may come several times.
    :raises OutputError: from every method, if the disk for temporary files refuses.
    """

    def __init__(self, ids: Iterable[int]) -> None:
        self._path = Path("the folder for temporary files")
        self._count = 0
        gaps: list[tuple[int, int, int]] = []
        with translated(self._path):
            self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as this)
            block, last = array("q"), -1
            for user_id, _ in groupby(ids):
                if last >= 0 and user_id - last > 1:
                    gap = (user_id - last, last, user_id)
                    heappush(gaps, gap) if len(gaps) < WIDEST else heappushpop(gaps, gap)
                block.append(user_id)
                last = user_id
                if len(block) == RUN:
                    block = self._write(block)
            self._write(block)
            self._file.flush()
        self.widest = [(lower, upper) for _, lower, upper in sorted(gaps, reverse=True)]
        """The widest gaps between neighbours, the widest first."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._file.close()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, rank: int) -> int:
        """Return an id by its rank; negative ones count from the end."""
        rank += len(self) if rank < 0 else 0
        if not 0 <= rank < len(self):
            raise IndexError(rank)
        with translated(self._path):
            (user_id,) = array("q", os.pread(self._file.fileno(), _WIDTH, rank * _WIDTH))
        return user_id

    def __contains__(self, user_id: int) -> bool:
        rank = bisect_left(self, user_id)
        return rank < len(self) and self[rank] == user_id

    def _write(self, block: array[int]) -> array[int]:
        block.tofile(self._file)
        self._count += len(block)
        return array("q")
