"""What must be true after a fault of the disk, and after the same command has run again."""

from __future__ import annotations

import zlib
from collections import Counter
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import exporter
from exporter.errors import LedgerError, OutputError
from exporter.ledger.opening import read_ledger
from tests.support.faulty_disk import ACCOUNT, LATENCY, Fault, Kind, Outcome, count_calls, expected, traced
from tests.support.gated_forks import Forks
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import whole_lines

SIDELOADS = ("organizations.ndjson", "groups.ndjson")


class Bench:
    """What every test of the disk needs: an account, processes, and how often an undisturbed run makes each call."""

    def __init__(self) -> None:
        self._sandbox, self.forks = SandboxProcess(*ACCOUNT, *LATENCY), Forks()
        self.url = self._sandbox.url
        self._undisturbed: dict[Kind, tuple[Counter[str], dict[str, list[bytes]]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._sandbox.close()
        self.forks.__exit__(kind, error, traceback)

    def undisturbed(self, kind: Kind, folder: Path) -> tuple[Counter[str], dict[str, list[bytes]]]:
        """Return the calls of an undisturbed run of a kind, by name, and the lines of its sideload files, sorted."""
        if kind not in self._undisturbed:
            home = folder / "undisturbed"
            home.mkdir()
            outcome = traced(self.forks, kind, self.url, home)
            assert outcome.code == 0, outcome.said
            sideloads = {
                name: sorted(plain(home / name).splitlines(keepends=True))
                for name in kind.files
                if Path(name).name in SIDELOADS
            }
            self._undisturbed[kind] = count_calls(outcome.calls), sideloads
        return self._undisturbed[kind]


class Campaign:
    """Faults in exports of one kind, each in a folder of its own.

    :param record: what is counted: faults, kills, and what must never be more than 0.
    """

    def __init__(self, kind: Kind, bench: Bench, folder: Path, record: Counter[str]) -> None:
        self._kind, self._bench, self._folder, self._record = kind, bench, folder, record
        self.calls, self._sideloads = bench.undisturbed(kind, folder)
        self._runs = 0
        for name in ("users lost", "users repeated", "ends other than complete"):
            record[name] += 0

    def every(self, call: str, mode: str, step: int = 1) -> None:
        """Survive a fault at the first of these calls, at the second and so on, until a run makes no more of them."""
        for number in count(1, step):
            if not self.survive(Fault(call, mode, number)) and number >= self.calls[call]:
                return

    def survive(self, fault: Fault) -> bool:
        """Let a fault strike and run the same command again; tell whether it struck."""
        self._runs += 1
        folder = self._folder / str(self._runs)
        folder.mkdir()
        outcome = traced(self._bench.forks, self._kind, self._bench.url, folder, fault)
        self._check(outcome, fault, folder)
        self._record["disk kills"] += outcome.code == -9
        self._record["disk faults"] += outcome.struck and outcome.code != -9
        complete_again(self._kind, self._bench, folder, str(fault), self._record, self._sideloads)
        return outcome.struck

    def _check(self, outcome: Outcome, fault: Fault, folder: Path) -> None:
        assert "Traceback" not in outcome.said, f"{fault}: {outcome.said}"
        if not outcome.struck:
            assert outcome.code == 0, f"{fault}: {outcome.said}"
        elif fault.mode == "kill":
            assert outcome.code == -9
        else:
            # What SQLite does for its own comfort may fail unnoticed; what the output rests on may not.
            paths = self._kind.paths(folder)
            folders = (fault.call, fault.where) == ("fsync", "folders")
            vital = folders or outcome.refused([*paths["data"], *paths["manifest"]])
            assert outcome.code in ((6,) if vital else (0, 6)), f"{fault}: {outcome.code} {outcome.said} {vital}"
            assert outcome.synced_again() == []
        if outcome.code == 6:
            assert str(folder) in outcome.said
            assert " MB free)" in outcome.said, f"{fault}: {outcome.said}"
        if "sync" in fault.call and not fault.where:
            synced = outcome.synced()
            for name, size in claimed(self._kind, folder).items():
                assert size <= synced.get(name, 0), f"{fault}: the ledger claims more of {name} than was synced"
        if outcome.code != 0:
            assert not_called_complete(self._kind, folder), fault


def claimed(kind: Kind, folder: Path) -> dict[str, int]:
    """Return what the ledger calls synced, by file; nothing if there is no ledger yet."""
    ledger = folder / kind.ledger / "ledger.db"
    if not ledger.exists():
        return {}
    try:
        with read_ledger(ledger) as opened:
            return {name: size for name, (size, _) in opened.files().items()}
    except (LedgerError, OutputError):
        return {}


def not_called_complete(kind: Kind, folder: Path) -> bool:
    """Tell whether an export that did not get to its end is not taken for one that did.

    Only the last moments are both: the manifest is there, whole and true, and the ledger did not get to know of it.
    """
    try:
        problems = exporter.verify(folder / kind.output).problems
    except exporter.ExportError:
        return True
    return problems != [] or sorted(users(kind, folder)) == expected()


def complete_again(
    kind: Kind,
    bench: Bench,
    folder: Path,
    what: str,
    record: Counter[str],
    sideloads: dict[str, list[bytes]],
    kept: dict[str, bytes] | None = None,
) -> None:
    """Run the command again: it completes, and all is there once.

    :param kept: what the files must begin with; None: with all that was whole in them.
    """
    before = {name: written(folder / name) for name in kind.files} if kept is None else kept
    again = bench.forks.run(*kind.command(bench.url, folder))
    record["ends other than complete"] += again.code != 0
    assert again.code == 0, f"after {what}: {again.said}"
    for name in kind.files:
        assert (folder / name).read_bytes().startswith(before.get(name, b"")), f"{what}: {name} lost what was there"
        if name in sideloads:
            assert sorted(plain(folder / name).splitlines(keepends=True)) == sideloads[name], f"{what}: {name}"
    there = Counter(users(kind, folder))
    record["users lost"] += sum((Counter(expected()) - there).values())
    record["users repeated"] += sum((there - Counter(expected())).values())
    assert there == Counter(expected()), f"{what}: users were lost or repeated"
    assert exporter.verify(folder / kind.output).problems == [], what


def users(kind: Kind, folder: Path) -> list[bytes]:
    """Return all users' lines of an export."""
    files = [name for name in kind.files if Path(name).name not in SIDELOADS]
    return [line for name in files for line in plain(folder / name).splitlines(keepends=True)]


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
