"""The manifest of a finished export: written last, and proved against the files by `verify` (P11).

It is read back from the disk, not remembered: sizes and SHA-256 are those of the files as they are. Fields are only
ever added to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson

from exporter.destination import Destination, find_destination
from exporter.disk import open_file, sync_folder, translated
from exporter.errors import IncompleteError, OutputError, UsageError
from exporter.output import DAMAGE, Digest, RepeatedIds, id_of, open_plain, read_back
from exporter.proof.evidence import evidence

SWAP = "swap.json"
"""The name, beside a ledger, of what notes that a new export is complete and not all in the old one's place."""


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
    superseded: int = 0


def read_manifest(path: Path) -> dict[str, Any]:
    """Read a manifest.

    :raises IncompleteError: if there is none, or it can't be read.
    """
    try:
        manifest: dict[str, Any] = _load(path)
        msgspec.convert(manifest, _Manifest)
    except FileNotFoundError as exc:
        raise IncompleteError(
            f"{path} is not there: the export has not finished", hint="Run the same `zexport run` again to go on."
        ) from exc
    except OSError as exc:
        raise IncompleteError(f"{path} can't be read ({exc.strerror})", hint="") from exc
    except (ValueError, msgspec.ValidationError) as exc:
        raise IncompleteError(f"{path} can't be read ({exc})", hint="Export anew with --restart.") from exc
    return manifest


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest: whole or not at all, and durable.

    :raises OutputError: if the disk refuses.
    """
    new = path.with_name(path.name + ".new")
    with translated(path):
        with suppress(FileNotFoundError):
            new.unlink()
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
            file.flush()
            os.fsync(fd)
        new.rename(path)
    sync_folder(path.parent)


def is_manifest(path: Path) -> bool:
    """Tell whether a file is a manifest that zexport wrote."""
    try:
        return "zexport" in _load(path)
    except (OSError, ValueError, TypeError):
        return False


def _load(path: Path) -> Any:
    with open_file(path) as file:
        return orjson.loads(file.readall())


def describe_file(
    path: Path, digest: Digest | None = None, *, stop: Callable[[], bool] = lambda: False
) -> dict[str, Any] | None:
    """Read a file's size and SHA-256 back from the disk; None if `stop` said so meanwhile.

    :param digest: what has been read of it already.
    :raises OutputError: if it can't be read.
    """
    digest = digest or Digest()
    with translated(path):
        return {"bytes": digest.size, "sha256": digest.hexdigest()} if digest.read(path, stop=stop) else None


@dataclass(slots=True)
class Verified:
    """What `verify` found: users and files that were read, and every difference, in words.

    :param superseded: lines of users who changed during the export and have a newer line.
    :param evidence: what the manifest keeps of how the export went, in words.
    """

    users: int = 0
    superseded: int = 0
    files: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)


class _Line(msgspec.Struct):
    id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


_line = msgspec.json.Decoder(_Line)


def verify(destination: Destination | str | os.PathLike[str], keep: RepeatedIds | None = None) -> Verified:
    """Prove the files of a finished export against its manifest.

    Each file has the size and SHA-256 that the manifest names, each line is a JSON object, each user has an id, and
    there are as many different ids as the manifest says, and lines superseded by a newer one of the same id.

    :param keep: counts the ids, and is left open: for whoever needs them afterwards without reading all of it again.
    :raises IncompleteError: if there is no manifest yet.
    """
    if not isinstance(destination, Destination):
        destination = find_destination(os.fspath(destination))
    if destination.manifest is None:
        raise UsageError("stdout without --ledger leaves no manifest to verify")
    if destination.ledger is not None and destination.ledger.with_name(SWAP).exists():
        raise IncompleteError(
            f"{destination.text} is being replaced by a newer export, which is complete",
            hint="Run the same `zexport run` again: it puts it in place.",
        )
    manifest = read_manifest(destination.manifest)
    found = Verified(evidence=evidence(manifest))
    with nullcontext(keep) if keep is not None else RepeatedIds() as ids:
        for entry in manifest["files"]:
            if entry["path"] == "-":
                found.problems.append("the users went to stdout: there is no file to verify")
                continue
            if Path(entry["path"]).name != entry["path"]:
                found.problems.append(f"{entry['path']} is not in this folder: no export has written that")
                continue
            _verify_file(destination.folder / entry["path"], entry, ids, found)
        twice = list(islice(ids.twice(), manifest.get("superseded", 0) + 1))
    found.superseded = len(twice)
    found.users -= len(twice)
    if len(twice) > manifest.get("superseded", 0):
        found.problems.append(f"user {twice[-1]} is there twice")
    if found.users != manifest["users"]:
        found.problems.append(f"{found.users} users, the manifest has {manifest['users']}")
    if not manifest["complete"]:
        found.problems.append("the export is not complete: " + "; ".join(manifest["warnings"]))
    return found


def _verify_file(path: Path, entry: dict[str, Any], ids: RepeatedIds, found: Verified) -> None:
    found.files += 1
    try:
        facts = describe_file(path) or {}
        facts["records"] = _read_lines(path, ids if entry["kind"] == "users" else None)
    except (OutputError, OSError, *DAMAGE) as exc:
        found.problems.append(f"{entry['path']}: {exc}")
        return
    found.bytes += facts["bytes"]
    for name in ("bytes", "sha256", "records"):
        if facts[name] != entry[name]:
            found.problems.append(f"{entry['path']}: {name} {facts[name]}, the manifest has {entry[name]}")
    if entry["kind"] == "users":
        found.users += facts["records"]


def _read_lines(path: Path, ids: RepeatedIds | None) -> int:
    """Count the lines of a file, each a JSON object, and its users' ids."""
    count = 0
    with open_plain(path) as file:
        for line in file:
            count += 1
            if not line.endswith(b"\n"):
                raise EOFError("the last line has no end")
            if ids is None:
                msgspec.json.decode(line, type=dict)
            else:
                ids.add(_line.decode(line).id)
    return count


def count_superseded(paths: Iterable[Path], *, stop: Callable[[], bool]) -> int | None:
    """Count the lines of users' files that another line of the same id follows; None if `stop` said so meanwhile.

    :raises OutputError: if a file can't be read.
    """
    with RepeatedIds() as ids:
        for path in paths:
            with read_back(path), open_plain(path) as file:
                for line in file:
                    ids.add(id_of(line))
            if stop():
                return None
        return sum(1 for _ in ids.twice())


def first_user(path: Path) -> bytes:
    """Return the first line of a users' file, empty if it has none."""
    with open_plain(path) as file:
        return file.readline()
