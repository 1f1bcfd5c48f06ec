"""What lies where an export goes: whose it is, whether it is complete, and what has to go for another one."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from exporter.destination import Destination
from exporter.errors import LedgerError, OutputError
from exporter.ledger import Ledger, is_blank, is_ledger, known_files, read_ledger, remove_ledger
from exporter.output import Sink
from exporter.proof import is_manifest


class Place:
    """A destination, and what is there.

    :ivar forgot: whether what was there has been forgotten.
    """

    def __init__(self, destination: Destination, sink: Sink) -> None:
        self._destination, self._sink = destination, sink
        self.forgot = False

    def there(self) -> list[Path]:
        """Return what earlier runs have left."""
        paths = [self._destination.ledger, self._destination.manifest]
        return [*self._sink.existing(), *(path for path in paths if path is not None and path.exists())]

    @property
    def age(self) -> float:
        """Seconds since the export that is there was finished; 0 if none was."""
        path = self._destination.ledger
        try:
            with read_ledger(path) if path is not None and path.exists() else nullcontext() as ledger:
                told = ledger.about().get("complete", "") if ledger is not None else ""
            return (datetime.now(UTC) - datetime.fromisoformat(told)).total_seconds() if told else 0.0
        except (LedgerError, OutputError, ValueError, TypeError):
            return 0.0

    def prepare(self, *, restart: bool) -> None:
        """Make room for an export: forget what is there where that is wanted, or it is in nobody's way.

        :raises LedgerError: if nothing tells where what is there comes from.
        """
        path, manifest_path = self._destination.ledger, self._destination.manifest
        there = [*self._sink.existing(), *([manifest_path] if manifest_path and manifest_path.exists() else [])]
        if restart or self._is_in_nobodys_way(there):
            self._forget()
        elif there and path is not None and not path.exists():
            raise LedgerError(f"{there[0]} is there already, and no ledger says where it comes from")

    def _is_in_nobodys_way(self, there: list[Path]) -> bool:
        """Tell whether another query has begun here and written nothing: one that the account refused, for one."""
        path = self._destination.ledger
        if path is None or not path.exists() or any(each.lstat().st_size for each in there):
            return False
        try:
            return is_blank(path)
        except (LedgerError, OutputError):
            return False

    def _forget(self) -> None:
        """Remove what earlier runs made, the ledger first: without it, nothing that is left counts as an export."""
        path, manifest_path = self._destination.ledger, self._destination.manifest
        names = known_files(path) if path is not None and path.exists() else []
        if path is not None and path.exists() and self._destination.stdout and not is_ledger(path):
            raise LedgerError(f"{path} is not a ledger of zexport's", hint="Name another file with --ledger.")
        if manifest_path is not None and manifest_path.exists() and not is_manifest(manifest_path):
            raise LedgerError(f"{manifest_path} is not a manifest of zexport's", hint="Choose another output.")
        self.forgot = True
        for each in (path, manifest_path):
            if each is not None:
                remove_ledger(each)
        self._sink.remove(names)

    def is_sealed(self, ledger: Ledger) -> bool:
        """Tell whether nothing is left to do.

        :raises LedgerError: if the files are not there any more as they were exported.
        """
        if "complete" not in ledger.about():
            return False
        differs = self._sink.differs({name: size for name, (size, _) in ledger.files().items()})
        if differs is not None:
            raise LedgerError(
                f"the export is complete, but {differs} is gone or was changed since",
                hint="Export anew with --restart.",
            )
        return self._destination.manifest is None or self._destination.manifest.exists()

    def check_memory(self, ledger: Ledger) -> None:
        """Refuse a ledger that has forgotten everything, as it does without its write-ahead log and its mark.

        That the export began is on the disk before the first byte of output is written.

        :raises LedgerError: rather than cut away all that is there.
        """
        full = [path for path in self._sink.existing() if path.lstat().st_size]
        if full and "began" not in ledger.about():
            raise LedgerError(f"{self._destination.ledger} has lost all that it knew: nothing in it tells of {full[0]}")
