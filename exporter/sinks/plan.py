"""Lines → a write: a unit a line, or one unit for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from exporter.fast import crc32
from exporter.intents import Write
from exporter.model import Sideload
from exporter.sinks.compress import Compressor


def plan_lines(
    file: str, start: int, lines: Sequence[bytes], kind: Sideload | None = None, keys: Sequence[str] = ()
) -> Write:
    """Plan plain lines: each is kept or cut by itself."""
    ends = list(accumulate(map(len, lines), initial=start))[1:]
    crcs = list(map(crc32, lines))
    return Write(file, start, ends, crcs, [1] * len(lines), kind, [[key] for key in keys], b"".join(lines))


def plan_frame(
    file: str,
    start: int,
    lines: Sequence[bytes],
    kind: Sideload | None = None,
    keys: Sequence[str] = (),
    *,
    compress: Compressor,
) -> Write:
    """Plan one compressed frame: its lines are kept or cut together."""
    data = compress(b"".join(lines))
    return Write(file, start, [start + len(data)], [crc32(data)], [len(lines)], kind, [list(keys)], data)
