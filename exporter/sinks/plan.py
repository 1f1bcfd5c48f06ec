"""Lines → a write: a unit a line, or one unit for all of them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from exporter.intents import Write
from exporter.model import Sideload
from exporter.sinks.compress import Compressor


def plan_lines(
    file: str, start: int, lines: Sequence[bytes], kind: Sideload | None = None, keys: Sequence[str] = ()
) -> Write:
    """Plan plain lines: each is kept or cut by itself."""
    end = start
    ends = [end := end + len(line) for line in lines]
    crcs = list(map(zlib.crc32, lines))
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
    return Write(file, start, [start + len(data)], [zlib.crc32(data)], [len(lines)], kind, [list(keys)], data)
