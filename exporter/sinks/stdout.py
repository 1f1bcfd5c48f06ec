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
from pathlib import Path

import anyio

from exporter.destination import STDOUT
from exporter.errors import ClosedPipeError, OutputError
from exporter.intents import Intent, Write
from exporter.ranges import Batch
from exporter.sinks import Sideloads
from exporter.sinks.plan import plan_lines


class StdoutSink:
    """Lines to a file descriptor that somebody else opened.

    It is written in pieces of at most PIPE_BUF bytes: a pipe that polls as writable takes that many at once and whole.
    So a slow reader never stops the event loop, the descriptor need not be made non-blocking for those who share it,
    and a kill leaves whole lines, but for lines that are longer than that.
    """

    def __init__(self, fd: int = 1) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)
        self._staged = self._written = 0
        self._broken = False

    def existing(self) -> list[Path]:
        """Return nothing: a pipe holds nothing of ours."""
        return []

    def remove(self) -> None:
        """Leave it: what a pipe has taken is gone."""

    def whole_units(self, write: Write, last: bool) -> int:
        """Count every write as delivered but the last: the one before it was finished before the last was noted."""
        return 0 if last else len(write.ends)

    def open(self, sizes: dict[str, int]) -> None:
        """Go on counting where the last run ended."""
        self._staged = self._written = sizes.get(STDOUT, 0)

    def stage(self, batch: Batch, sideloads: Sideloads) -> list[Intent]:
        """Make an intent of a batch at once."""
        if not batch.lines:
            return [Intent((), (batch.move,))]
        write = plan_lines(STDOUT, self._staged, batch.lines)
        self._staged = write.end
        return [Intent((write,), (batch.move,))]

    def flush(self) -> list[Intent]:
        """Return nothing: nothing is held back."""
        return []

    async def write(self, intent: Intent) -> None:
        """Write all lines, waiting for the reader where it is slow."""
        for write in intent.writes:
            for piece in _pieces(write):
                await self._write(piece)

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
        return {STDOUT: self._written - left}

    def _unread(self) -> int:
        if not stat.S_ISFIFO(os.fstat(self._fd).st_mode):
            return 0  # a file has what it was given; of a terminal or a socket it can't be asked
        unread: int = struct.unpack("i", fcntl.ioctl(self._fd, termios.FIONREAD, bytes(4)))[0]
        return unread

    def size(self) -> int:
        """Return the bytes written, by all runs."""
        return self._written

    def finish(self) -> list[Intent]:
        """Return nothing: a pipe needs no end."""
        return []

    def publish(self) -> None:
        """Leave it: a pipe has no name."""

    def close(self) -> None:
        """Leave it to whoever opened it."""


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
