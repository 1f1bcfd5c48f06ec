"""A new export in place of a finished one: the old one stays, whole, until the new one is.

Rules:

1. The new one is an ordinary export into a folder of its own (`next`), with a ledger of its own, beside the old one's
   ledger. Killed, it is gone on with by the same command.
2. When it is complete, what has to be moved is noted (`swap.json`). From there on it only goes forward: files, then the
   ledger, then the manifest. Whatever has been moved is not there any more, so each step can be made twice.
3. Only files that a ledger or manifest of ours names are replaced or removed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import orjson

from exporter.destination import Destination
from exporter.disk import sync_folder, translated
from exporter.errors import ExportError, IncompleteError, LedgerError, OutputError
from exporter.ledger import known_files, read_ledger, remove_ledger
from exporter.model import Query
from exporter.proof import SWAP, is_manifest, read_manifest


class Replacing:
    """What a new export in place of a finished one needs.

    :raises OutputError: from every method, if the disk refuses.
    """

    def __init__(self, destination: Destination, query: Query) -> None:
        assert destination.ledger is not None
        assert destination.manifest is not None
        self._destination, self._query = destination, query
        self._ledger, self._manifest = destination.ledger, destination.manifest
        self._beside = destination.ledger.parent / "next"
        self._journal = destination.ledger.parent / SWAP
        home = self._beside / self._ledger.parent.name
        self.staged = replace(destination, folder=self._beside, ledger=home / self._ledger.name)

    @property
    def pending(self) -> bool:
        """Whether a new export is complete, and not all in place."""
        return self._journal.exists()

    @property
    def old_is_complete(self) -> bool:
        """Whether there is a finished export that is worth keeping until then: its manifest says so, written last.

        That its ledger is damaged or gone makes it no worse: `verify` proves it without.
        """
        try:
            read_manifest(self._manifest)
        except (ExportError, OSError):
            return False
        return is_manifest(self._manifest)

    def begin(self, belongs_to: Mapping[str, str]) -> None:
        """Make room for the new export, or go on with one that was begun, if it is of the same query.

        :raises LedgerError: before anything is touched, if it would replace what is not ours.
        """
        self._check_names()
        assert self.staged.ledger is not None
        try:
            with read_ledger(self.staged.ledger) as ledger:
                about = ledger.about()
        except (ExportError, OSError):
            about = {}
        if any(about.get(name) != value for name, value in belongs_to.items()):
            shutil.rmtree(self._beside, ignore_errors=True)

    def swap(self) -> None:
        """Put the new export, which is complete, in the old one's place."""
        assert self.staged.ledger is not None
        log = self.staged.ledger.with_name(self.staged.ledger.name + "-wal")
        if log.exists() and log.stat().st_size:  # what it holds would stay behind
            raise OutputError(f"{self.staged.ledger} is being looked at: nothing is replaced meanwhile")
        new = self._check_names()
        gone = sorted(self._old() - set(new))
        draft = self._journal.with_name(SWAP + ".new")
        with translated(self._journal):
            with suppress(FileNotFoundError):
                draft.unlink()
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(orjson.dumps({"new": new, "gone": gone}))
                file.flush()
                os.fsync(fd)
            draft.rename(self._journal)
        sync_folder(self._journal.parent)
        self.finish()

    def finish(self) -> None:
        """Go on with what was noted, to the end."""
        with translated(self._journal):
            noted = _read(self._journal)
        folder = self._destination.folder
        for name in noted["new"]:
            _move(self._beside / name, folder / name)
        for name in noted["gone"]:
            with translated(folder / name), suppress(FileNotFoundError):
                (folder / name).unlink()
        sync_folder(folder)
        assert self.staged.ledger is not None
        assert self.staged.manifest is not None
        if self.staged.ledger.exists():
            remove_ledger(self._ledger)
            _move(self.staged.ledger, self._ledger)
        sync_folder(self._ledger.parent)
        _move(self.staged.manifest, self._manifest)
        sync_folder(self._manifest.parent)
        with translated(self._journal):
            self._journal.unlink()
        sync_folder(self._journal.parent)
        shutil.rmtree(self._beside, ignore_errors=True)

    def _check_names(self) -> list[str]:
        """Return the names of the new export's files.

        :raises LedgerError: if one is there already, and no file of the old export.
        """
        new, old = list(self._destination.files(self._query)), self._old()
        for name in new:
            if name not in old and os.path.lexists(self._destination.folder / name):
                path = self._destination.folder / name
                raise LedgerError(f"{path} is there, and no file of the export that is to be replaced", hint="Move it.")
        return new

    def _old(self) -> set[str]:
        """Name the files of the old export, by its ledger and its manifest."""
        names = set(known_files(self._ledger)) if self._ledger.exists() else set()
        with suppress(IncompleteError):
            names |= {str(entry["path"]) for entry in read_manifest(self._manifest)["files"]}
        return {name for name in names if Path(name).name == name}


def _read(journal: Path) -> dict[str, list[str]]:
    """Read what was noted.

    :raises LedgerError: if it is not as it was written: names of files in the folder, and no others.
    """
    try:
        noted = msgspec.json.decode(journal.read_bytes(), type=dict[str, list[str]])
        plain = all(Path(name).name == name for names in noted.values() for name in names)
        if plain and noted.keys() == {"new", "gone"}:
            return noted
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    raise LedgerError(f"{journal} is damaged: what was being replaced can't be told", hint="")


def _move(source: Path, target: Path) -> None:
    with translated(target):
        if source.exists():
            source.replace(target)
