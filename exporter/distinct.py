"""How many different ids there are, in bounded memory: sorted runs on disk, merged."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import suppress
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Self

from exporter.disk import translated

RUN = 1 << 17
"""Ids sorted at a time: a megabyte of them on disk, five in memory while they are sorted."""
BLOCK = 1 << 10
"""Ids of each run that are in memory while runs are merged."""
_WIDTH = 8  # bytes: ids are int64


class Ids:
    """Counts ids, and tells how many are different.

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
        self._spill()
        starts = [sum(self._runs[:number]) for number in range(len(self._runs))]
        runs = [self._read(start, count) for start, count in zip(starts, self._runs, strict=True)]
        return (lower for lower, upper in pairwise(merge(*runs)) if lower == upper)

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
