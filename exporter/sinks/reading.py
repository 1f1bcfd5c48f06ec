"""Reading output back: lines of a file whatever its compression, and what it holds of some users."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from exporter.errors import UsageError

_CHUNK = 1 << 20
_ID = re.compile(rb'\{"id":([1-9][0-9]{0,17})[,}]')


class _Line(msgspec.Struct):
    id: int


_line = msgspec.json.Decoder(_Line)


def id_of(line: bytes) -> int:
    """Return the id of a user's line.

    :raises msgspec.DecodeError: if it has none.
    """
    found = _ID.match(line)
    return int(found[1]) if found else _line.decode(line).id


def lines_of(path: Path, ids: Container[int], stop: Callable[[], bool]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that a users' file has of some users, with their ids.

    :raises OSError, EOFError: if the file can't be read to its end.
    """
    with open_plain(path) as file:
        for number, line in enumerate(file):
            if (user_id := id_of(line)) in ids:
                yield user_id, line
            if number % 1000 == 0 and stop():
                break


def ids_of(path: Path, stop: Callable[[], bool]) -> Iterator[int]:
    """Yield the id of every line of a users' file.

    :raises OSError, EOFError: if the file can't be read to its end.
    """
    with open_plain(path) as file:
        for number, line in enumerate(file):
            yield id_of(line)
            if number % 1000 == 0 and stop():
                break


def open_plain(path: Path) -> BinaryIO:
    """Open an output file for reading its lines, whatever its compression."""
    suffix = path.with_suffix("").suffix if path.suffix == ".partial" else path.suffix
    if suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"), _CHUNK)
    if suffix == ".zst":
        try:
            import zstandard
        except ImportError as exc:
            raise UsageError("to read zstd needs one more package", hint="pip install 'zexport[zstd]'") from exc
        return io.BufferedReader(_ZstdReader(path, zstandard), _CHUNK)
    return path.open("rb")


class _ZstdReader(io.RawIOBase):
    """Reads the frames of a zstd file; damage is an OSError, as with gzip."""

    def __init__(self, path: Path, zstandard: Any) -> None:
        self._error = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._stream.readinto(buffer))
        except self._error as exc:
            raise OSError(f"no zstd frame ({exc})") from exc

    def close(self) -> None:
        self._stream.close()
        super().close()
