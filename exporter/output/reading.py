"""Reading output back: lines of a file whatever its compression, and what it holds of some users."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from exporter.disk import open_file, translated
from exporter.errors import OutputError, UsageError

_CHUNK = 1 << 20
_PIECE = 1 << 16
"""Bytes of zstd unpacked at a time: what they hold is in memory at once."""
DAMAGE = (EOFError, zlib.error, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a damaged file brings, beside an OSError."""
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


def lines_of(path: Path, size: int, stop: Callable[[], bool]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines in the first `size` bytes of a users' file, with their ids, until `stop` says so.

    :raises OutputError: if they can't be read.
    """
    with read_back(path), open_plain(path, size) as file:
        for number, line in enumerate(file):
            if not line.endswith(b"\n"):
                raise EOFError("the last line has no end")
            yield id_of(line), line
            if number % 1000 == 0 and stop():
                break


@contextmanager
def read_back(path: Path) -> Iterator[None]:
    """Turn whatever keeps an output file from being read back into an OutputError which names it."""
    try:
        with translated(path):
            yield
    except DAMAGE as exc:
        raise OutputError(f"{path} can't be read back ({exc})") from exc


@contextmanager
def open_plain(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """Open an output file for reading its lines, whatever its compression.

    :param size: bytes to be read at most: while a file grows, it may end in half a line.
    :raises OSError, EOFError, zlib.error: while it is read, if it is damaged.
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".partial" else path.suffix
    with io.BufferedReader(_Part(path, size), _CHUNK) as file:
        if suffix == ".gz":
            yield io.BufferedReader(gzip.GzipFile(fileobj=file), _CHUNK)
        elif suffix == ".zst":
            try:
                import zstandard
            except ImportError as exc:
                raise UsageError("to read zstd needs one more package", hint="pip install zstandard") from exc
            yield io.BufferedReader(_ZstdReader(file, zstandard), _CHUNK)
        else:
            yield file


class _Part(io.RawIOBase):
    """The first bytes of a file, or all of them."""

    def __init__(self, path: Path, size: int | None) -> None:
        self._file, self._left = open_file(path), size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(memoryview(buffer)[: self._left]) or 0
        if self._left is not None:
            if self._left and not count:
                raise EOFError(f"{self._left:,} bytes are missing at its end")
            self._left -= count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _ZstdReader(io.RawIOBase):
    """Reads the frames of a zstd file; damage is an OSError or an EOFError, as with gzip.

    Frame by frame: the library's own reader takes a frame that is cut short for the end of the file.
    """

    def __init__(self, file: BinaryIO, zstandard: Any) -> None:
        self._file, self._error = file, zstandard.ZstdError
        self._begin = zstandard.ZstdDecompressor().decompressobj
        self._frame: Any = None
        self._packed = self._plain = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._plain:
            self._packed = self._packed or self._file.read(_PIECE)
            if not self._packed and self._frame is None:
                return 0
            self._plain = self._unpack()
        count = min(len(buffer), len(self._plain))
        buffer[:count], self._plain = self._plain[:count], self._plain[count:]
        return count

    def _unpack(self) -> bytes:
        if not self._packed:
            raise EOFError("the last zstd frame has no end")
        self._frame = self._frame or self._begin()
        try:
            plain: bytes = self._frame.decompress(self._packed)
        except self._error as exc:
            raise OSError(f"no zstd frame ({exc})") from exc
        self._packed = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return plain
