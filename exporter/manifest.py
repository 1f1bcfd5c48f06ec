"""The manifest of a finished export: written last, and proved against the files by `verify` (P11).

It is read back from the disk, not remembered: sizes and SHA-256 are those of the files as they are. Fields are only
ever added to it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import merge
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
import orjson

from exporter.destination import Destination, find_destination
from exporter.errors import IncompleteError, OutputError, UsageError

_CHUNK = 1 << 18  # fits a cache
_SORTED_RUN = 1 << 20  # ids sorted at a time: 8 MiB, whatever the number of users


class _File(msgspec.Struct):
    path: str
    kind: str
    records: int
    bytes: int
    sha256: str | None


class _Manifest(msgspec.Struct):
    complete: bool
    users: int
    files: list[_File]
    warnings: list[str]


def read(path: Path) -> dict[str, Any]:
    """Read a manifest.

    :raises IncompleteError: if there is none, or it can't be read.
    """
    try:
        manifest: dict[str, Any] = orjson.loads(path.read_bytes())
        msgspec.convert(manifest, _Manifest)
    except FileNotFoundError as exc:
        raise IncompleteError(
            f"{path} is not there: the export has not finished", hint="Run the same `zexport run` again to go on."
        ) from exc
    except (OSError, ValueError, msgspec.ValidationError) as exc:
        raise IncompleteError(f"{path} can't be read ({exc})", hint="Export anew with --restart.") from exc
    return manifest


def write(path: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest: whole or not at all, and durable.

    :raises OutputError: if the disk refuses.
    """
    new = path.with_name(path.name + ".new")
    try:
        with suppress(FileNotFoundError):
            new.unlink()
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(fd)
        new.rename(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as exc:
        raise OutputError(f"{path}: {exc.strerror}") from exc


def is_ours(path: Path) -> bool:
    """Tell whether a file is a manifest that zexport wrote."""
    try:
        return "zexport" in orjson.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False


def describe_file(path: Path, *, stop: Callable[[], bool] = lambda: False) -> dict[str, Any] | None:
    """Read a file's size and SHA-256 back from the disk; None if `stop` said so meanwhile.

    :raises OutputError: if it can't be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            size, chunk = 0, memoryview(bytearray(_CHUNK))
            while count := file.readinto(chunk):
                if stop():
                    return None
                digest.update(chunk[:count])
                size += count
            return {"bytes": size, "sha256": digest.hexdigest()}
    except OSError as exc:
        raise OutputError(f"{path}: {exc.strerror}") from exc


@dataclass(slots=True)
class Verified:
    """What `verify` found: users and files that were read, and every difference, in words."""

    users: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)


class _Line(msgspec.Struct):
    id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


_line = msgspec.json.Decoder(_Line)


def verify(destination: Destination | str | os.PathLike[str]) -> Verified:
    """Prove the files of a finished export against its manifest.

    Each file has the size and SHA-256 that the manifest names, each line is a JSON object, each user has an id, no id
    comes twice, and there are as many users as the manifest says. Memory: 8 bytes a user.

    :raises IncompleteError: if there is no manifest yet.
    """
    if not isinstance(destination, Destination):
        destination = find_destination(os.fspath(destination))
    if destination.manifest is None:
        raise UsageError("stdout without --ledger leaves no manifest to verify")
    manifest = read(destination.manifest)
    found = Verified()
    runs: list[array[int]] = []
    for entry in manifest["files"]:
        if entry["path"] == "-":
            found.problems.append("the users went to stdout: there is no file to verify")
            continue
        path = destination.folder / entry["path"]
        found.files += 1
        try:
            facts = describe_file(path) or {}
            count = _read_lines(path, runs if entry["kind"] == "users" else None)
        except (OutputError, OSError, EOFError, zlib.error, msgspec.DecodeError, RecursionError) as exc:
            found.problems.append(f"{entry['path']}: {exc}")
            continue
        found.bytes += facts["bytes"]
        facts["records"] = count
        for name in ("bytes", "sha256", "records"):
            if facts[name] != entry[name]:
                found.problems.append(f"{entry['path']}: {name} {facts[name]}, the manifest has {entry[name]}")
        if entry["kind"] == "users":
            found.users += count
    twice = _first_twice(runs)
    if twice is not None:
        found.problems.append(f"user {twice} is there twice")
    if found.users != manifest["users"]:
        found.problems.append(f"{found.users} users, the manifest has {manifest['users']}")
    if not manifest["complete"]:
        found.problems.append("the export is not complete: " + "; ".join(manifest["warnings"]))
    return found


def _read_lines(path: Path, runs: list[array[int]] | None) -> int:
    """Count the lines of a file, each a JSON object; collect users' ids in sorted runs."""
    count, ids = 0, array("q")
    with open_plain(path) as file:
        for line in file:
            count += 1
            if not line.endswith(b"\n"):
                raise EOFError("the last line has no end")
            if runs is None:
                msgspec.json.decode(line, type=dict)
                continue
            ids.append(_line.decode(line).id)
            if len(ids) == _SORTED_RUN:
                runs.append(array("q", sorted(ids)))
                ids = array("q")
    if runs is not None:
        runs.append(array("q", sorted(ids)))
    return count


def _first_twice(runs: list[array[int]]) -> int | None:
    return next((lower for lower, upper in pairwise(merge(*runs)) if lower == upper), None)


def open_plain(path: Path) -> BinaryIO:
    """Open an output file for reading its lines, whatever its compression."""
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"), _CHUNK)
    if path.suffix == ".zst":
        try:
            import zstandard
        except ImportError as exc:
            raise UsageError("to read zstd needs one more package", hint="pip install 'zexport[zstd]'") from exc
        return io.BufferedReader(_ZstdReader(path, zstandard), _CHUNK)
    return path.open("rb")


class _ZstdReader(io.RawIOBase):
    """Reads the frames of a zstd file; damage is an OSError, as with gzip."""

    def __init__(self, path: Path, zstandard: Any) -> None:
        self._error = zstandard.ZstdError
        self._stream = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return int(self._stream.readinto(buffer))
        except self._error as exc:
            raise OSError(f"no zstd frame ({exc})") from exc

    def close(self) -> None:
        self._stream.close()
        super().close()


def first_user(path: Path) -> bytes:
    """Return the first line of a users' file, empty if it has none."""
    with open_plain(path) as file:
        return file.readline()
