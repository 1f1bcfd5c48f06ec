"""Where an export goes: what a person writes for it, and the names of everything that is put there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from exporter.errors import UsageError
from exporter.model import Query, Role, Sideload

STDOUT = "-"
_SQLITE = b"SQLite format 3\0"
_USERS_FILE = re.compile(r"(?P<stem>.+?)\.(?:ndjson|jsonl)(?P<suffix>\.gz|\.zst)?")


class Compression(StrEnum):
    """How output files are compressed. gzip can be read everywhere; zstd is faster and smaller."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"

    @property
    def suffix(self) -> str:
        """What file names end with."""
        return {"none": "", "gzip": ".gz", "zstd": ".zst"}[self.value]


@dataclass(frozen=True, slots=True)
class Destination:
    """A folder, one file or stdout, and the names in it.

    :param text: what a person would write for it.
    :param folder: where output files are; for stdout where the ledger is, if there is one.
    :param file: the one users' file; None for a folder with a file a role.
    :param ledger: the ledger's path; None for stdout without one.
    """

    text: str
    folder: Path
    file: str | None
    ledger: Path | None
    compression: Compression = Compression.NONE

    @property
    def stdout(self) -> bool:
        """Whether users go to stdout."""
        return self.file == STDOUT

    @property
    def manifest(self) -> Path | None:
        """The path of the manifest; None for stdout without a ledger."""
        if self.ledger is None:
            return None
        if self.stdout:
            return self.ledger.with_name(self.ledger.name + ".manifest.json")
        return (self.folder if self.file is None else self.ledger.parent) / "manifest.json"

    @property
    def lock(self) -> Path | None:
        """The path of the lock; None for stdout without a ledger."""
        if self.ledger is None:
            return None
        return self.ledger.with_name(self.ledger.name + ".lock" if self.stdout else "lock")

    def users_file(self, role: Role) -> str:
        """Name the file for a role's users."""
        return self.file or f"{role.value}.ndjson{self.compression.suffix}"

    def sideload_file(self, kind: Sideload) -> str:
        """Name the file for sideloaded records."""
        found = _USERS_FILE.fullmatch(self.file or "")
        stem = f"{found['stem']}." if found else ""
        return f"{stem}{kind.value}.ndjson{self.compression.suffix}"

    def files(self, query: Query) -> dict[str, Role | Sideload | None]:
        """Return every output file of an export of this query, and what is in it (None: users of all roles)."""
        names: dict[str, Role | Sideload | None] = {}
        for role in query.roles:
            names[self.users_file(role)] = role if self.file is None else None
        for kind in query.include:
            names[self.sideload_file(kind)] = kind
        return names


def parse_destination(text: str, *, compression: Compression | None = None, ledger: str | None = None) -> Destination:
    """Read what a person writes for a destination.

    :param compression: what `--compress` says; a file's own name tells for a file.
    :param ledger: what `--ledger` says, for stdout only.
    :raises UsageError: if it can't be meant.
    """
    if text == STDOUT:
        if compression not in (None, Compression.NONE):
            raise UsageError("--compress is for files", hint="For a pipe, put the compressor behind it: | zstd")
        path = _absolute(ledger) if ledger else None
        return Destination(STDOUT, path.parent if path else Path(), STDOUT, path)
    if not text.strip() or "\0" in text:
        raise UsageError("the destination's name is empty, or none that a file can have")
    if ledger is not None:
        raise UsageError("--ledger is for stdout (-o -): a folder or file has its ledger beside it")
    path = _absolute(text)
    if path.exists() and not path.is_dir() and not path.is_file():
        raise UsageError(f"{text} is a pipe or a device", hint="Users go there by way of stdout: -o - > it")
    found = _USERS_FILE.fullmatch(path.name)
    if found and not path.is_dir():
        by_name = {None: Compression.NONE, ".gz": Compression.GZIP, ".zst": Compression.ZSTD}[found["suffix"]]
        if compression not in (None, by_name):
            raise UsageError(f"--compress {compression} does not fit the name {path.name}")
        return Destination(text, path.parent, path.name, Path(f"{path}.zexport") / "ledger.db", by_name)
    if path.suffix in (".json", ".csv", ".tsv", ".txt", ".gz", ".zst", ".zstd", ".zip", ".db", ".parquet"):
        raise UsageError(f"{path.name} is no name for NDJSON", hint="Name it .ndjson or .jsonl, or name a folder.")
    if path.exists() and not path.is_dir():
        raise UsageError(f"{text} is neither a folder nor an NDJSON file")
    return Destination(text, path, None, path / ".zexport" / "ledger.db", compression or Compression.NONE)


def find_destination(text: str) -> Destination:
    """Read what a person writes for an export that is there: a folder, a file, or the ledger of one to stdout.

    :raises UsageError: if it can't be meant.
    """
    path = _absolute(text)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                return parse_destination(STDOUT, ledger=text)
    return parse_destination(text)


def _absolute(text: str) -> Path:
    """Make a path absolute without following symlinks: where one leads is for the opening to refuse."""
    return Path(os.path.abspath(text))  # noqa: PTH100
