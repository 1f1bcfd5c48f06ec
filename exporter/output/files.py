"""Output files: `NAME.partial` while the export is under way, `NAME` when it is complete.

Every file is private (0600) whatever the umask, and never opened through a symlink.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from threading import Event

import anyio.to_thread

from exporter.destination import Destination
from exporter.disk import open_file, sync_folder, translated
from exporter.errors import LedgerError
from exporter.fastzlib import crc32
from exporter.ledger import Intent, Write
from exporter.model import Query, Role, Sideload
from exporter.output.candidates import Written
from exporter.output.digest import Digest
from exporter.output.ids import WrittenIds
from exporter.output.plan import FRAME_SIZE, compressor, plan_frame, plan_lines
from exporter.output.reading import lines_of, read_back
from exporter.output.sink import Sideloads
from exporter.ranges import Batch, Move

PARTIAL = ".partial"
READ_BACK = 32 << 20
"""Bytes read back with each sync: about what is written between two of them at full speed; a disk gives it at once."""
_CHUNK = 1 << 20
_sync_data = getattr(os, "fdatasync", os.fsync)  # macOS has no fdatasync


@dataclass(slots=True)
class _Held:
    """What one compressed users' file holds back until it makes a frame."""

    lines: list[bytes] = field(default_factory=list)
    moves: dict[int, Move] = field(default_factory=dict)
    sideloads: Sideloads = field(default_factory=dict)
    size: int = 0

    def add(self, batch: Batch, sideloads: Sideloads) -> None:
        self.lines += batch.lines
        before = self.moves.get(batch.move.range)
        self.moves[batch.move.range] = (
            Move(before.range, before.start, batch.move.end, split=before.split) if before else batch.move
        )
        for kind, records in sideloads.items():
            self.sideloads.setdefault(kind, []).extend(records)
        self.size += sum(map(len, batch.lines)) + sum(len(line) for r in sideloads.values() for _, line in r)


class FileSink:
    """A folder with one file a role, or one file for all.

    :raises OutputError: from every method, naming the path, if the disk refuses.
    """

    readable = True

    def __init__(self, destination: Destination, query: Query) -> None:
        self._destination = destination
        self._compress = compressor(destination.compression)
        self._names = list(destination.files(query))
        self._roles = query.roles
        self._fds: dict[str, int] = {}
        self._paths: dict[str, Path] = {}
        self._staged: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._dirty: set[str] = set()
        self._held: dict[str, _Held] = {}
        self._digests = {name: Digest() for name in self._names}
        self._unproven: dict[str, int] = {}  # from where on a file was adopted by its intents

    def existing(self, others: Iterable[str] = ()) -> list[Path]:
        """Return what is there already under the names of this output, and under others."""
        names = dict.fromkeys([*self._names, *others])
        paths = [self._destination.folder / (name + ending) for name in names for ending in ("", PARTIAL)]
        return [path for path in paths if os.path.lexists(path)]

    def remove(self, others: Iterable[str] = ()) -> None:
        """Remove what is there under the names of this output, and under others in its folder."""
        for path in self.existing(others):
            with translated(path):
                path.unlink()

    def differs(self, sizes: dict[str, int]) -> Path | None:
        """Return a file of a finished output that is gone or has another size than it had, if there is one."""
        for name in self._names:
            path = self._destination.folder / name
            with translated(path):
                if not path.is_file() or path.stat().st_size != sizes.get(name, 0):
                    return path
        return None

    def whole_units(self, write: Write, last: bool) -> int:
        """Hold a write against its file, unit by unit."""
        self._unproven.setdefault(write.file, write.start)
        path = self._path(write.file)
        if not path.exists():
            return 0
        with translated(path), BufferedReader(open_file(path)) as file:
            file.seek(write.start)
            begin = write.start
            for whole, (end, crc) in enumerate(zip(write.ends, write.crcs, strict=True)):
                unit = file.read(end - begin)
                if len(unit) < end - begin or crc32(unit) != crc:
                    return whole
                begin = end
        return len(write.ends)

    def open(self, sizes: dict[str, int]) -> None:
        """Cut each file to its size, and open it for more.

        :raises LedgerError: before anything is touched, if a file is shorter than that, or there twice.
        """
        self._paths = {name: self._path(name) for name in self._names}
        for name, path in self._paths.items():
            with translated(path):
                self._check(name, path, sizes.get(name, 0))
        for name, path in self._paths.items():
            with translated(path):
                self._open(name, path, sizes.get(name, 0))
        sync_folder(self._destination.folder)

    def _check(self, name: str, path: Path, size: int) -> None:
        final = self._destination.folder / name
        if path != final and os.path.lexists(final):
            raise LedgerError(f"{final} is there beside {path.name}: which one belongs to the export can't be told")
        there = path.lstat().st_size if os.path.lexists(path) else 0
        if there < size and not path.is_symlink():
            raise LedgerError(f"{path} is shorter than the ledger knows: {there:,} bytes of {size:,}")

    def _open(self, name: str, path: Path, size: int) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._fds[name] = fd
        os.fchmod(fd, 0o600)
        os.ftruncate(fd, size)
        # What recovery adopts was perhaps never brought to the disk; after a sync that failed, another one would bring
        # nothing. Written again it is.
        for at in range(self._unproven.get(name, size), size, _CHUNK):
            piece = os.pread(fd, min(_CHUNK, size - at), at)
            if os.pwrite(fd, piece, at) < len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.lseek(fd, size, os.SEEK_SET)
        os.fsync(fd)
        self._staged[name] = self._written[name] = size

    def stage(self, batch: Batch, sideloads: Sideloads) -> list[Intent]:
        """Make an intent of a batch at once; compressed, when it has grown to a frame."""
        held = self._held.setdefault(self._destination.users_file(batch.role), _Held())
        held.add(batch, sideloads)
        return self.flush() if self._compress is None or held.size >= FRAME_SIZE else []

    def flush(self) -> list[Intent]:
        """Make intents of all that is held back."""
        held, self._held = self._held, {}
        return [self._intent(name, each) for name, each in held.items()]

    def _intent(self, name: str, held: _Held) -> Intent:
        writes = [
            self._plan(
                self._destination.sideload_file(kind), [line for _, line in records], kind, [k for k, _ in records]
            )
            for kind, records in held.sideloads.items()
        ]
        if held.lines:
            writes.append(self._plan(name, held.lines))
        return Intent(tuple(writes), tuple(held.moves.values()))

    def _plan(self, name: str, lines: list[bytes], kind: Sideload | None = None, keys: Sequence[str] = ()) -> Write:
        start = self._staged[name]
        if self._compress is None:
            write = plan_lines(name, start, lines, kind, keys)
        else:
            write = plan_frame(name, start, lines, kind, keys, compress=self._compress)
        self._staged[name] = write.end
        return write

    async def write(self, intent: Intent) -> None:
        """Append the bytes of each write. Without a single await: nothing comes in between."""
        for write in intent.writes:
            rest = memoryview(write.data)
            with translated(self._paths[write.file]):
                while rest:
                    rest = rest[os.write(self._fds[write.file], rest) :]
            self._written[write.file] = write.end
            self._dirty.add(write.file)

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        """Bring what is written up to now onto the disk, in a thread. A sync that failed is never tried again."""
        sizes = dict(self._written)
        await anyio.to_thread.run_sync(self._sync, list(self._dirty), {} if final else sizes)
        return sizes

    def _sync(self, names: list[str], sizes: dict[str, int]) -> None:
        for name in names:
            self._dirty.discard(name)  # here, not before the thread: a cancelled sync leaves what it did not do
            with translated(self._paths[name]):
                _sync_data(self._fds[name])
        left = READ_BACK
        for name, size in sizes.items():
            digest = self._digests[name]
            before = digest.size
            with suppress(OSError):  # the end of the export reads on, and says what is wrong
                digest.read(self._paths[name], min(size - before, left))
            left -= digest.size - before

    def digests(self) -> Mapping[str, Digest]:
        """Return what has been read back of files meanwhile, by name."""
        return self._digests

    def finish(self) -> list[Intent]:
        """Give compressed files without a single line an empty frame: a file of no bytes is no gzip file."""
        if self._compress is None:
            return []
        return [Intent((self._plan(name, []),), ()) for name in self._names if not self._written[name]]

    def file_of(self, role: Role) -> str:
        """Name the file that a role's users go to."""
        return self._destination.users_file(role)

    async def written(self, ids: Iterable[int]) -> dict[int, list[Written]] | None:
        """Look up the lines of some users, file by file: one scan, in a thread, for all of them."""
        wanted, sizes, stopped = set(ids), dict(self._written), Event()
        try:
            return await anyio.to_thread.run_sync(self._written_lines, wanted, sizes, stopped, abandon_on_cancel=True)
        finally:
            stopped.set()

    def _written_lines(self, ids: set[int], sizes: dict[str, int], stopped: Event) -> dict[int, list[Written]]:
        found: dict[int, list[Written]] = {}
        for name in dict.fromkeys(map(self.file_of, self._roles)):
            path = self._paths[name]
            with read_back(path):
                for user_id, line in lines_of(path, sizes[name], stopped.is_set):
                    if user_id in ids:
                        found.setdefault(user_id, []).append(Written.read(name, line))
        return found

    async def seen(self, role: Role) -> WrittenIds | None:
        """Look up everybody in the file for a role: one scan, in a thread."""
        name, stopped = self.file_of(role), Event()
        path, size = self._paths[name], self._written[name]

        def scan() -> WrittenIds:
            seen = WrittenIds(user_id for user_id, _ in lines_of(path, size, stopped.is_set))
            if stopped.is_set():  # nobody waits for it any more
                seen.close()
            return seen

        try:
            return await anyio.to_thread.run_sync(scan, abandon_on_cancel=True)
        finally:
            stopped.set()

    def publish(self) -> None:
        """Rename every file to its final name, and make that durable."""
        for name in self._names:
            final = self._destination.folder / name
            partial = final.with_name(name + PARTIAL)
            with translated(final):
                if not partial.exists():
                    continue
                if os.path.lexists(final):
                    raise LedgerError(f"{final} has come to be there meanwhile: it is not replaced by {partial.name}")
                partial.rename(final)
        sync_folder(self._destination.folder)

    def close(self) -> None:
        """Close every file."""
        while self._fds:
            _, fd = self._fds.popitem()
            with suppress(OSError):
                os.close(fd)

    def _path(self, name: str) -> Path:
        """Where a file is now: a run that was killed while it renamed has left some under their final names."""
        final = self._destination.folder / name
        partial = final.with_name(name + PARTIAL)
        return final if final.exists() and not partial.exists() else partial
