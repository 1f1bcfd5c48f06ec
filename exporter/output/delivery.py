"""What sinks have in common that hand lines over and can't take them back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from exporter.destination import STDOUT
from exporter.ledger import Intent, Write
from exporter.model import Role
from exporter.output.candidates import Written
from exporter.output.digest import Digest
from exporter.output.ids import WrittenIds
from exporter.output.plan import plan_lines
from exporter.output.sink import Sideloads
from exporter.ranges import Batch


class DeliverySink:
    """Counts what was handed over; there is nothing to find, cut, rename or close."""

    readable = False

    def __init__(self) -> None:
        self._staged = self._written = 0

    def existing(self) -> list[Path]:
        """Return nothing: what was handed over is not ours any more."""
        return []

    def remove(self, others: Iterable[str] = ()) -> None:
        """Leave it: what was handed over is gone."""

    def differs(self, sizes: dict[str, int]) -> Path | None:
        """Return nothing: what was handed over can't be looked at again."""
        return None

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

    def finish(self) -> list[Intent]:
        """Return nothing: a stream needs no end."""
        return []

    def file_of(self, role: Role) -> str:
        """Name what all users go to."""
        return STDOUT

    async def written(self, ids: Iterable[int]) -> dict[int, list[Written]] | None:
        """Return None: what was handed over can't be looked at again."""
        return None

    async def seen(self, role: Role) -> WrittenIds | None:
        """Return None: what was handed over can't be looked at again."""
        return None

    def digests(self) -> Mapping[str, Digest]:
        """Return nothing: what was handed over can't be read back."""
        return {}

    def publish(self) -> None:
        """Leave it: a stream has no name."""

    def close(self) -> None:
        """Leave it to whoever opened it."""
