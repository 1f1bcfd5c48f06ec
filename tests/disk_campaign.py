"""What must be true after a fault of the disk, and after the same command has run again."""

from __future__ import annotations

import subprocess
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import exporter
from tests.faulty_disk import Kind, Outcome, command, expected, traced
from tests.zexport_process import environment, whole_lines


@dataclass
class Campaign:
    """Faults in exports of one kind, each in a folder of its own; counts what was survived.

    :param sideloads: the sorted lines of each sideload file in an undisturbed run.
    """

    kind: Kind
    url: str
    folder: Path
    sideloads: dict[str, list[bytes]] = field(default_factory=dict)
    faults: int = 0
    kills: int = 0
    runs: int = 0

    def __post_init__(self) -> None:
        self._expected = expected()

    def survive(self, inject: str) -> bool:
        """Let a fault strike and run the same command again; tell whether it struck."""
        self.runs += 1
        folder = self.folder / str(self.runs)
        folder.mkdir()
        outcome = traced(self.kind, self.url, folder, inject)
        self._check(outcome, inject, folder)
        before = {name: written(folder / name) for name in self.kind.files}
        again = subprocess.run(
            command(self.kind, self.url, folder),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert again.returncode == 0, f"after {inject}: {again.stderr}"
        for name in self.kind.files:
            assert (folder / name).read_bytes().startswith(before[name]), f"{inject}: {name} lost what was there"
        self._check_exact(folder, inject)
        self.kills += outcome.code == -9
        self.faults += outcome.struck and outcome.code != -9
        return outcome.struck

    def _check(self, outcome: Outcome, inject: str, folder: Path) -> None:
        assert "Traceback" not in outcome.said, f"{inject}: {outcome.said}"
        if not outcome.struck:
            assert outcome.code == 0, f"{inject}: {outcome.said}"
        elif "signal" in inject:
            assert outcome.code == -9
        else:
            assert outcome.code in (0, 6), f"{inject}: {outcome.code} {outcome.said}"
            assert outcome.synced_again() == []
        if outcome.code == 6:
            assert str(folder) in outcome.said
            assert " MB free)" in outcome.said, f"{inject}: {outcome.said}"

    def _check_exact(self, folder: Path, inject: str) -> None:
        lines: list[bytes] = []
        for name in self.kind.files:
            content = sorted(plain(folder / name).splitlines(keepends=True))
            if Path(name).name in ("organizations.ndjson", "groups.ndjson"):
                assert content == self.sideloads.setdefault(name, content), inject
                assert len(set(content)) == len(content), inject
            else:
                lines += content
        assert sorted(lines) == self._expected, f"{inject}: users were lost or repeated"
        assert exporter.verify(str(folder / self.kind.output)).problems == [], inject


def plain(path: Path) -> bytes:
    """Return the content of an output file, decompressed."""
    content = path.read_bytes()
    return content if path.suffix != ".gz" else b"".join(part for part, _ in _members(content))


def written(path: Path) -> bytes:
    """Return what of a file a reader may count on: up to its last newline, or its last whole gzip member."""
    if path.suffix != ".gz":
        return whole_lines(path)
    there = next((each for each in (path.with_name(path.name + ".partial"), path) if each.exists()), None)
    content = there.read_bytes() if there else b""
    return content[: sum(size for _, size in _members(content))]


def _members(content: bytes) -> list[tuple[bytes, int]]:
    """Return the whole gzip members of a file, decompressed, and their sizes."""
    found = []
    while content:
        member = zlib.decompressobj(31)
        try:
            part = member.decompress(content)
        except zlib.error:
            break
        if not member.eof:
            break
        found.append((part, len(content) - len(member.unused_data)))
        content = member.unused_data
    return found
