"""What a power loss leaves: the calls of a real run are recorded, and every state of the disk built that they allow.

What was synced is there. Of the rest of a file any part may be, in any order: of a write, those sectors that got to the
disk; behind them zeros or what lay there before, or the file is shorter. Of the names in a folder those that were made
before its last sync are there, and any of the changes since. A file's own sync saves no name.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.faulty_disk import Kind, trace
from tests.support.gated_forks import Forks

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""
CALLS = "openat,close,write,pwrite64,lseek,ftruncate,fsync,fdatasync,rename,unlink,mkdir"
STYLES = ("nothing", "all", "in order", "any", "each its own", "torn data")
"""What is left of what was not synced. The last: all but the output files' data, of which only the sizes are sure."""


@dataclass(frozen=True)
class Change:
    """One thing that a run did to its disk; paths are relative to the folder.

    :param what: create, write, truncate, sync, rename, unlink, mkdir or sync names.
    :param upto: for a sync: how many changes had been made when it began.
    """

    what: str
    path: str = ""
    file: int = 0
    at: int = 0
    data: bytes = b""
    to: str = ""
    upto: int = 0


@dataclass
class Recording:
    """What was there when a run began, and what it changed, in order."""

    folder: Path
    names: dict[str, int] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    contents: dict[int, bytes] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    @property
    def moments(self) -> list[int]:
        """Return the numbers of changes right behind which names changed or something was synced."""
        return [number for number, each in enumerate(self.changes, 1) if each.what not in ("write", "truncate")]

    def is_data(self, file: int) -> bool:
        """Tell whether a file is one of the output's."""
        made = [change.path for change in self.changes if change.what == "create" and change.file == file]
        there = [name for name, each in self.names.items() if each == file]
        return any(".ndjson" in Path(name).name for name in made + there)

    def forget(self, synced: dict[str, int]) -> None:
        """Forget what was in the output files but not on the disk: a sync of it had failed."""
        for name, file in self.names.items():
            if self.is_data(file):
                size = synced.get(Path(name).name.removesuffix(".partial"), 0)
                self.contents[file] = self.contents[file][:size]


def record_run(forks: Forks, kind: Kind, url: str, folder: Path) -> Recording:
    """Record an undisturbed run, from what is in `folder` to its end."""
    recording = Recording(folder)
    for path in folder.rglob("*"):
        if path.is_dir():
            recording.folders.add(str(path.relative_to(folder)))
        else:
            file = len(recording.contents) + 1
            recording.names[str(path.relative_to(folder))] = file
            recording.contents[file] = path.read_bytes()
    log = folder.with_name(folder.name + ".strace")
    only = [flag for paths in kind.paths(folder).values() for path in paths for flag in ("-P", str(path))]
    flags = ("-xx", "-s", "9999999", "-e", f"trace={CALLS}", *only)
    done = trace(forks, forks.prepare(*kind.command(url, folder)), log, *flags)
    assert done.code == 0, done.said
    _Reader(recording).read(log.read_text())
    log.unlink()
    return recording


class _Reader:
    """Turns strace's lines into changes. A write counts from its start on, everything else from its end on."""

    def __init__(self, recording: Recording) -> None:
        self._recording, self._changes = recording, recording.changes
        self._names = dict(recording.names)
        self._files = len(recording.contents)
        self._open: dict[str, int | str] = {}
        self._at: dict[str, int] = {}
        self._begun: dict[str, tuple[str, int]] = {}

    def read(self, log: str) -> None:
        for line in log.splitlines():
            thread, call = line.split(maxsplit=1)
            if call.startswith(("+++", "---")):
                continue
            if not call.startswith("<... "):
                self._begun[thread] = (call.removesuffix(" <unfinished ...>"), len(self._changes))
                if call.startswith(("write(", "pwrite64(")):
                    self._write(call)
            if not call.endswith("<unfinished ...>"):
                begun, upto = self._begun.pop(thread)
                self._end(begun, upto, call.rsplit(" = ", 1)[1].split()[0].split("<")[0])

    def _write(self, call: str) -> None:
        fd, data, rest = re.match(r'\w+\((\d+)<[^>]*>, "([^"]*)", (.*)', call).groups()  # type: ignore[union-attr]
        content = _bytes(data)
        place = re.match(r"\d+, (\d+)", rest)
        at = int(place[1]) if place else self._at[fd]
        if not place:
            self._at[fd] = at + len(content)
        file = self._open[fd]
        assert isinstance(file, int)
        self._changes.append(Change("write", file=file, at=at, data=content))

    def _end(self, call: str, upto: int, result: str) -> None:
        name, rest = call.split("(", 1)
        if result == "-1" or name in ("write", "pwrite64"):
            return
        paths = [self._path(_bytes(each).decode()) for each in re.findall(r'"([^"]*)"', rest)]
        fd = rest.split("<")[0]
        if name == "openat":
            self._opened(paths[0], result, "O_CREAT" in rest, "O_TRUNC" in rest, "O_DIRECTORY" in rest)
        elif name == "close":
            self._open.pop(fd, None)
        elif name == "lseek":
            self._at[fd] = int(result)
        elif name == "ftruncate":
            size = int(rest.rsplit(", ", 1)[1].split(")")[0])
            self._changes.append(Change("truncate", file=int(self._open[fd]), at=size))
        elif name in ("fsync", "fdatasync"):
            what = self._open[fd]
            if isinstance(what, str):
                self._changes.append(Change("sync names", path=what, upto=upto))
            else:
                self._changes.append(Change("sync", file=what, upto=upto))
        elif name == "rename":
            file = self._names[paths[1]] = self._names.pop(paths[0])
            self._changes.append(Change("rename", path=paths[0], to=paths[1], file=file))
        elif name in ("unlink", "mkdir"):
            self._names.pop(paths[0], None)
            self._changes.append(Change(name, path=paths[0]))

    def _opened(self, path: str, fd: str, create: bool, cut: bool, folder: bool) -> None:
        self._at[fd] = 0
        if folder or (path not in self._names and not create):
            self._open[fd] = path
            return
        if path not in self._names:
            self._files += 1
            self._names[path] = self._files
            self._changes.append(Change("create", path=path, file=self._files))
        elif cut:
            self._changes.append(Change("truncate", file=self._names[path], at=0))
        self._open[fd] = self._names[path]

    def _path(self, path: str) -> str:
        return str(Path(path).relative_to(self._recording.folder))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def lose_power(recording: Recording, moment: int, style: str, seed: int, folder: Path) -> None:
    """Build in `folder` what may be left when the power goes behind so many changes."""
    rng = random.Random(seed)
    changes = recording.changes[:moment]
    synced: dict[int, int] = defaultdict(int)
    named: dict[str, int] = defaultdict(int)
    for change in changes:
        if change.what == "sync":
            synced[change.file] = max(synced[change.file], change.upto)
        elif change.what == "sync names":
            named[change.path] = max(named[change.path], change.upto)
    contents = {file: bytearray(content) for file, content in recording.contents.items()}
    names, folders = dict(recording.names), set(recording.folders)
    left: dict[int | str, _Left] = {}
    for number, change in enumerate(changes):
        home = str(Path(change.path).parent)
        if change.what in ("write", "truncate"):
            content = contents.setdefault(change.file, bytearray())
            if number < synced[change.file]:
                _apply(content, change)
            else:
                data = recording.is_data(change.file)
                left.setdefault(change.file, _Left.of(style, rng, data=data)).apply(content, change)
        elif not change.what.startswith("sync") and (
            number < named[home] or left.setdefault(home, _Left.of(style, rng)).there()
        ):
            _rename(names, folders, change)
    _build(folder, folders, names, contents)


@dataclass
class _Left:
    """What is left of one file's writes, or of the changes of names in one folder."""

    style: str
    rng: random.Random
    steps: int
    sized: bool

    @classmethod
    def of(cls, style: str, rng: random.Random, *, data: bool = False) -> _Left:
        if style == "torn data":
            return cls("any" if data else "all", rng, 0, sized=True)
        own = rng.choice(STYLES[:4]) if style == "each its own" else style
        return cls(own, rng, rng.randint(0, 12), sized=rng.random() < 0.3)

    def there(self) -> bool:
        """Tell whether the next change is whole on the disk."""
        self.steps -= 1
        in_order, any_ = self.steps >= 0, self.rng.random() < 0.5
        return {"nothing": False, "all": True, "in order": in_order, "any": any_}[self.style]

    def apply(self, content: bytearray, change: Change) -> None:
        """Make of a write what is left of it."""
        if self.style == "any" and change.what == "write":
            self._apply_sectors(content, change)
        elif self.there():
            _apply(content, change)
        elif self.style == "in order" and self.steps == -1 and change.what == "write":  # it was being written: torn
            cut = self.rng.randint(0, len(change.data))
            if change.at < len(content):  # in place: by whole sectors
                cut = max(cut - (change.at + cut) % SECTOR, 0)
            _apply(content, Change("write", at=change.at, data=change.data[:cut]))

    def _apply_sectors(self, content: bytearray, change: Change) -> None:
        likely, end = self.rng.choice((0.0, 0.1, 0.5, 0.9, 1.0)), change.at + len(change.data)
        if self.sized:
            content.extend(bytes(max(end - len(content), 0)))
        at = change.at
        while at < end:
            until = min(at - at % SECTOR + SECTOR, end)
            if self.rng.random() < likely:
                _apply(content, Change("write", at=at, data=change.data[at - change.at : until - change.at]))
            at = until


def _apply(content: bytearray, change: Change) -> None:
    if change.what == "truncate":
        del content[change.at :]
        content.extend(bytes(change.at - len(content)))
    else:
        content.extend(bytes(max(change.at - len(content), 0)))
        content[change.at : change.at + len(change.data)] = change.data


def _rename(names: dict[str, int], folders: set[str], change: Change) -> None:
    if change.what == "create":
        names[change.path] = change.file
    elif change.what == "mkdir":
        folders.add(change.path)
    elif change.what == "unlink":
        names.pop(change.path, None)
    else:
        names.pop(change.path, None)
        names[change.to] = change.file


def _build(folder: Path, folders: set[str], names: dict[str, int], contents: dict[int, bytearray]) -> None:
    folder.mkdir(exist_ok=True)
    for each in sorted(folders):
        if (folder / each).parent.is_dir():
            (folder / each).mkdir(mode=0o700)
    for name, file in names.items():
        if (folder / name).parent.is_dir():
            (folder / name).write_bytes(contents.get(file, b""))
            (folder / name).chmod(0o600)
