"""Stdout: a pipe that can't be cut back (P4).

What a reader has not taken out of a pipe when it closes it was never delivered: the unread bytes are asked for
(FIONREAD) and not counted. After a kill the reader still gets what is in the pipe; only the intent that was noted last
may not be there, and is written again. That makes it at least once, with at most one page repeated.
"""

from __future__ import annotations

import fcntl
import os
import select
import stat
import struct
import termios
from collections.abc import Iterator
from contextlib import suppress

import anyio
import anyio.to_thread

from exporter.destination import STDOUT
from exporter.errors import ClosedPipeError, OutputError
from exporter.ledger import Intent, Write
from exporter.output.delivery import DeliverySink


class StdoutSink(DeliverySink):
    """Lines to a file descriptor that somebody else opened.

    It is written in pieces of at most PIPE_BUF bytes: a pipe that polls as writable takes that many at once and whole.
    So a slow reader never stops the event loop, the descriptor need not be made non-blocking for those who share it,
    and a kill leaves whole lines, but for lines that are longer than that.
    """

    def __init__(self, fd: int = 1) -> None:
        super().__init__()
        self._fd = fd
        self._kind = _kind(fd)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._broken = False

    def open(self, sizes: dict[str, int]) -> None:
        """Go on counting where the last run ended."""
        super().open(sizes)
        if self._written and self._kind == stat.S_IFREG and not self._ends_a_line():
            try:
                os.write(self._fd, b"\n")  # a kill has torn the last line: no other may be glued to it
            except OSError as exc:
                raise OutputError(f"stdout: {exc.strerror or exc}") from exc

    def _ends_a_line(self) -> bool:
        try:
            fd = os.open(f"/dev/fd/{self._fd}", os.O_RDONLY)
        except OSError:
            return True
        try:
            size = os.fstat(fd).st_size
            return not size or os.pread(fd, 1, size - 1) == b"\n"
        finally:
            os.close(fd)

    async def write(self, intent: Intent) -> None:
        """Write all lines, waiting for the reader where it is slow."""
        for write in intent.writes:
            if self._kind == stat.S_IFREG:
                self._append(write)
                continue
            for piece in _pieces(write):
                await self._write(piece)

    def _append(self, write: Write) -> None:
        """Write to a file: where that fails in the middle of a line, the file is cut back to the line's start."""
        rest = memoryview(write.data)
        try:
            while rest:
                rest = rest[os.write(self._fd, rest) :]
        except OSError as exc:
            done = len(write.data) - len(rest)
            whole = max((end - write.start for end in write.ends if end - write.start <= done), default=0)
            with suppress(OSError):
                os.ftruncate(self._fd, os.fstat(self._fd).st_size - (done - whole))
            self._written += whole
            raise OutputError(f"stdout: {exc.strerror or exc}") from exc
        self._written += len(write.data)

    async def _write(self, piece: memoryview) -> None:
        while piece:
            if not self._poll.poll(0):
                await anyio.wait_writable(self._fd)
            try:
                count = os.write(self._fd, piece)
            except BrokenPipeError as exc:
                self._broken = True
                raise ClosedPipeError("the reader of stdout has closed it") from exc
            except OSError as exc:
                raise OutputError(f"stdout: {exc.strerror or exc}") from exc
            piece = piece[count:]
            self._written += count

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        """Count as delivered what the reader has taken out of the pipe; in the end also what it will still take."""
        left = self._unread() if self._broken or not final else 0
        delivered = self._written - left  # before the sync: what is written during it is not covered by it
        if self._kind == stat.S_IFREG:
            try:
                await anyio.to_thread.run_sync(os.fsync, self._fd)
            except OSError as exc:
                raise OutputError(f"stdout: {exc.strerror or exc}") from exc
        return {STDOUT: delivered}

    def _unread(self) -> int:
        if self._kind != stat.S_IFIFO:
            return 0  # a file has what it was given; of a terminal or a socket it can't be asked
        unread: int = struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)))[0]
        return unread


def _kind(fd: int) -> int:
    try:
        return stat.S_IFMT(os.fstat(fd).st_mode)
    except OSError as exc:  # closed: the next file opened would take its number, and users' lines would go there
        raise OutputError(f"stdout: {exc.strerror}") from exc


def _pieces(write: Write) -> Iterator[memoryview]:
    """Cut a write into pieces of whole lines that fit PIPE_BUF, and longer lines into pieces of that size."""
    data, begin, end = memoryview(write.data), 0, 0
    for line_end in (*(end - write.start for end in write.ends), None):
        if line_end is not None and line_end - begin <= select.PIPE_BUF:
            end = line_end
            continue
        if end > begin:
            yield data[begin:end]
        begin, end = end, line_end or end
        while end - begin > select.PIPE_BUF:
            yield data[begin : begin + select.PIPE_BUF]
            begin += select.PIPE_BUF
