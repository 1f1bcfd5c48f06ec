"""The only modules that write output. `Sink` is what the engine asks of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from exporter.ledger import Intent, Write
from exporter.model import Role, Sideload
from exporter.output.candidates import Written
from exporter.output.digest import Digest
from exporter.output.ids import WrittenIds
from exporter.ranges import Batch

Sideloads = dict[Sideload, list[tuple[str, bytes]]]


class Sink(Protocol):
    """Where lines go.

    Lines are staged, which makes intents of them; the caller notes an intent and then writes it, in order. Nothing
    is written that was not staged, and nothing else may be written between noting and writing.

    `readable`: what was written can be held against its intents, and written again where it may not be on the disk.
    """

    readable: bool

    def existing(self) -> list[Path]:
        """Return what is there already under the names of this output."""

    def remove(self, others: Iterable[str] = ()) -> None:
        """Remove what is there under the names of this output, and under others in its folder."""

    def differs(self, sizes: dict[str, int]) -> Path | None:
        """Return a file of a finished output that is gone or has another size than it had, if there is one."""

    def whole_units(self, write: Write, last: bool) -> int:
        """Tell how many units of a write, from the first on, are in the output; `last`: it was the last one noted."""

    def open(self, sizes: dict[str, int]) -> None:
        """Cut the output to these sizes and make it ready for more."""

    def stage(self, batch: Batch, sideloads: Sideloads) -> list[Intent]:
        """Take a batch in; return what is to be noted and written now (perhaps nothing yet)."""

    def flush(self) -> list[Intent]:
        """Return what was held back."""

    async def write(self, intent: Intent) -> None:
        """Write an intent's bytes, all of them.

        :raises OutputError: if the disk refuses; ClosedPipeError: if the reader has gone.
        """

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        """Make what is written durable; return for each file the size up to which it is.

        :param final: nothing will be written after this.
        """

    def finish(self) -> list[Intent]:
        """Return what a complete output needs at its very end."""

    def file_of(self, role: Role) -> str:
        """Name the file that a role's users go to."""

    async def written(self, ids: Iterable[int]) -> dict[int, list[Written]] | None:
        """Look up the lines of some users, file by file in order; None if the output can't be looked at again."""

    async def seen(self, role: Role) -> WrittenIds | None:
        """Look up everybody in the file for a role; None if the output can't be looked at again."""

    def digests(self) -> Mapping[str, Digest]:
        """Return what has been read back of files meanwhile, by name."""

    def publish(self) -> None:
        """Give a complete, synced output its final names."""

    def close(self) -> None:
        """Let go of the output."""
