"""Sealing: finished files are rewritten without the lines that a newer one of the same user follows.

Rules:

1. Of several lines of a user the newest stays, in the file of his role: what the closing sweep saw last counts; where
   it saw nothing of him, his `updated_at`; of lines in one file, the last.
2. A file is rewritten beside itself, on the disk, and then renamed. Which ones were is noted in the ledger in between,
   so that after a kill the next run goes on to the end; what was not noted is left over, and removed.
3. Compressed files go frame by frame: frames that lose nothing are copied as they are.
"""

from __future__ import annotations

import errno
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from exporter.destination import Compression, Destination
from exporter.disk import open_file, sync_folder, translated
from exporter.errors import OutputError
from exporter.model import Query
from exporter.output.digest import Digest
from exporter.output.ids import RepeatedIds
from exporter.output.plan import compressor
from exporter.output.reading import id_of, read_back

_CHUNK = 1 << 20
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class _Changed(msgspec.Struct):
    updated_at: Any = None


_changed = msgspec.json.Decoder(_Changed)


@dataclass(slots=True)
class Sealed:
    """A file that was rewritten beside itself: its lines, and all that was read of it."""

    records: int
    digest: Digest


class _Stopped(Exception):
    """A stop came while files were read or written."""


class NoRoomError(Exception):
    """The disk has no room for a file beside itself."""


class Sealing:
    """Seals the files of one finished export to files.

    :raises OutputError: from every method, if the disk refuses.
    """

    def __init__(self, destination: Destination, query: Query) -> None:
        self._folder, self._compression = destination.folder, destination.compression
        self._files = list(dict.fromkeys(map(destination.users_file, query.roles)))
        self._stop: Callable[[], bool] = lambda: False
        self._ids_in: dict[str, set[int]] = {name: set() for name in self._files}
        self._file_of = {role.value: destination.users_file(role) for role in query.roles}

    def rewrite(self, newest: Mapping[int, str], *, stop: Callable[[], bool]) -> dict[str, Sealed] | None:
        """Write each file that holds older lines anew, beside itself; None if `stop` said so meanwhile.

        :param newest: the role of users as it was seen last.
        :raises NoRoomError: if there is no room for that: then nothing is left of it.
        """
        self.clear()
        self._stop = stop
        try:
            sealed = self._rewrite(newest)
        except _Stopped:
            self.clear()
            return None
        sync_folder(self._folder)
        return sealed

    def _rewrite(self, newest: Mapping[int, str]) -> dict[str, Sealed]:
        repeated = self._repeated()
        kept = self._kept(repeated, newest) if repeated else {}
        sealed: dict[str, Sealed] = {}
        for name in self._files:
            older = {user_id for user_id, (file, count) in kept.items() if file != name or count > 1}
            if not older.isdisjoint(self._ids_in[name]):
                try:
                    sealed[name] = self._write(name, {each: kept[each] for each in older})
                except OSError as exc:
                    self.clear()
                    if exc.errno in _NO_ROOM:
                        raise NoRoomError(f"{self._folder / name} ({exc.strerror})") from exc
                    raise OutputError(f"{self._folder / name} can't be written anew ({exc.strerror or exc})") from exc
        return sealed

    def put(self, names: Iterable[str]) -> None:
        """Give files that were rewritten their names; those that have them already stay."""
        for name in names:
            new = self._beside(name)
            with translated(new):
                if new.exists():
                    new.replace(self._folder / name)
        sync_folder(self._folder)

    def clear(self) -> None:
        """Remove what a run that was killed has left."""
        for name in self._files:
            with suppress(OSError):
                self._beside(name).unlink()

    def _beside(self, name: str) -> Path:
        return self._folder / f".{name}.sealing"

    def _repeated(self) -> set[int]:
        """Return the ids that more than one line bears."""
        with RepeatedIds() as ids:
            for name in self._files:
                for line in self._lines(name):
                    ids.add(id_of(line))
            return set(ids.twice())

    def _kept(self, repeated: set[int], newest: Mapping[int, str]) -> dict[int, tuple[str, int]]:
        """Say of these users in which file their newest line is, and which of their lines there, from 1."""
        times: dict[int, dict[str, str]] = {}
        counts: dict[int, Counter[str]] = {}
        for name in self._files:
            for line in self._lines(name):
                if (user_id := id_of(line)) in repeated:
                    self._ids_in[name].add(user_id)
                    counts.setdefault(user_id, Counter())[name] += 1
                    times.setdefault(user_id, {})[name] = str(_changed.decode(line).updated_at)
        kept = {}
        for user_id, told in times.items():
            file = self._file_of.get(newest.get(user_id, ""))
            if file not in told:
                file = max(told, key=lambda name: told[name])
            kept[user_id] = file, counts[user_id][file]
        return kept

    def _lines(self, name: str) -> Iterator[bytes]:
        for _, plain in self._frames(name):
            yield from plain.splitlines(keepends=True)

    def _write(self, name: str, older: Mapping[int, tuple[str, int]]) -> Sealed:
        """Write a file anew: of users of whom there are older lines, only the one that is named."""
        compress = compressor(self._compression) or bytes
        passed, sealed = Counter[int](), Sealed(0, Digest())
        fd = os.open(self._beside(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb", _CHUNK) as file:
            for raw, plain in self._frames(name):
                lines, kept = plain.splitlines(keepends=True), []
                for line in lines:
                    user_id = id_of(line)
                    if user_id in older:
                        passed[user_id] += 1
                        if older[user_id] != (name, passed[user_id]):
                            continue
                    kept.append(line)
                sealed.records += len(kept)
                data = raw if len(kept) == len(lines) else compress(b"".join(kept)) if kept else b""
                sealed.digest.update(data)
                file.write(data)
            if not sealed.digest.size:
                file.write(empty := compress(b""))
                sealed.digest.update(empty)
            file.flush()
            os.fsync(fd)
        return sealed

    def _frames(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield a file frame by frame: as it is, and unpacked; a plain one in pieces of whole lines.

        :raises _Stopped: between two of them.
        """
        for frame in self._unstopped(name):
            if self._stop():
                raise _Stopped
            yield frame

    def _unstopped(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        path = self._folder / name
        with read_back(path), open_file(path) as file:
            if self._compression is Compression.NONE:
                yield from _pieces(file)
            elif self._compression is Compression.GZIP:
                yield from _unpacked(file, lambda: zlib.decompressobj(wbits=31))
            else:
                import zstandard  # it wrote them

                try:
                    yield from _unpacked(file, lambda: zstandard.ZstdDecompressor().decompressobj())
                except zstandard.ZstdError as exc:
                    raise OSError(f"no zstd frame ({exc})") from exc


def _pieces(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    rest = b""
    while read := file.read(_CHUNK):
        whole, end, rest = (rest + read).rpartition(b"\n")
        if end:
            yield whole + end, whole + end
    if rest:
        raise EOFError("the last line has no end")


def _unpacked(file: BinaryIO, begin: Callable[[], Any]) -> Iterator[tuple[bytes, bytes]]:
    packed = file.read(_CHUNK)
    while packed:
        raw, plain, frame = bytearray(), [], begin()
        while not frame.eof:
            if not packed:
                raise EOFError("the last frame has no end")
            plain.append(frame.decompress(packed))
            left = frame.unused_data if frame.eof else b""
            raw += packed[: len(packed) - len(left)]
            packed = left or file.read(_CHUNK)
        yield bytes(raw), b"".join(plain)
