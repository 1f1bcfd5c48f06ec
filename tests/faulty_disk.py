"""A disk that fails at the Nth system call: strace puts the fault into the real interpreter's real calls.

Only calls on the export's own files count: writes to sockets, pipes and the terminal are somebody else's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from exporter.sandbox import Population, RoleShares
from tests.zexport_process import environment

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

USERS = 600
SHARES = RoleShares(0.5, 0.3, 0.2)
ACCOUNT = ("--users", str(USERS), "--roles", "end-user=0.5,agent=0.3,admin=0.2", "--rate-limit", "1000000")
"""Three pages of one role, two of each of the others."""

CALLS = {
    "write": ("ENOSPC", "EDQUOT", "EFBIG", "EIO"),
    "pwrite64": ("ENOSPC", "EDQUOT", "EIO"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"),
    "unlink": ("EIO", "EROFS"),
    "ftruncate": ("EIO", "ENOSPC"),
    "openat": ("ENOSPC", "EMFILE", "EIO"),
}
"""The calls that a run makes of a disk, and what each may fail with."""
MODES = ("once", "from", "kill")


@dataclass(frozen=True)
class Kind:
    """A way to export: what it is called, the output's name, flags, and latency of the server."""

    name: str
    output: str
    flags: tuple[str, ...] = ()
    latency: str = "0"

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the output files, without the endings of what is under way."""
        if self.output.endswith((".ndjson", ".gz")):
            return (self.output,)
        sideloads = ("organizations", "groups") if "--include" in self.flags else ()
        return tuple(f"{self.output}/{each}.ndjson" for each in ("end-user", "agent", "admin", *sideloads))

    @property
    def ledger(self) -> str:
        """The folder that holds the ledger."""
        return f"{self.output}.zexport" if self.output in self.files else f"{self.output}/.zexport"

    def paths(self, folder: Path) -> Iterator[Path]:
        """Yield every path that an export in `folder` touches."""
        yield from (folder, folder / self.output, folder / self.ledger)
        for name in self.files:
            yield from (folder / name, folder / f"{name}.partial")
        for home in {Path(self.ledger), Path(self.ledger if self.output in self.files else self.output)}:
            yield from (folder / home / "manifest.json", folder / home / "manifest.json.new")
        for ending in ("", "-wal", "-shm", "-journal", "-mark", ".new", ".new-journal", ".new-wal", ".new-shm"):
            yield folder / self.ledger / f"ledger.db{ending}"
        yield folder / self.ledger / "lock"


FOLDER = Kind("folder", "out")
INCLUDE = Kind("include", "out", ("--include", "organizations,groups"))
GZIP = Kind("gzip", "out.ndjson.gz", (), "450ms")
"""Slow, so that a frame is written and synced each second, and not one at the end."""
ONE = Kind("one", "out.ndjson", ("--ranges", "off"), "450ms")


@dataclass(frozen=True)
class Outcome:
    """How a run under a fault ended: its exit code (-9: killed), what it said, and the traced calls."""

    code: int
    said: str
    calls: str

    @property
    def struck(self) -> bool:
        """Whether the fault happened at all."""
        return self.code == -9 or "(INJECTED)" in self.calls

    def synced_again(self) -> list[str]:
        """Return the files that were synced once more after a sync of theirs had failed.

        Folders do not count, which SQLite syncs on its own and for nothing but names, nor what is thrown away then.
        """
        failed, again = set(), []
        for call in self.calls.splitlines():
            found = re.search(r"f(?:data)?sync\(\d+<([^>]*)>", call)
            if found and (Path(found[1]).is_dir() or "ledger.db.new" in found[1]):
                continue
            if found and found[1] in failed:
                again.append(call)
            if found and "(INJECTED)" in call:
                failed.add(found[1])
        return again


def command(kind: Kind, url: str, folder: Path) -> list[str]:
    return [sys.executable, "-m", "exporter", "run", url, "-o", str(folder / kind.output), *kind.flags, "-q"]


def traced(kind: Kind, url: str, folder: Path, inject: str | None = None) -> Outcome:
    """Run an export to its end under strace, with a fault if one is named."""
    log = folder / "strace.log"
    trace = ["strace", "-f", "-qq", "-y", "-o", str(log), "-e", "signal=none", "-e", f"trace={','.join(CALLS)}"]
    for path in kind.paths(folder):
        trace += ["-P", str(path)]
    if inject is not None:
        trace += ["-e", f"inject={inject}"]
    if inject is None or "signal" not in inject:
        trace.append("--seccomp-bpf")  # faster, and blind to signals
    done = subprocess.run(
        [*trace, *command(kind, url, folder), "--progress", "off"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Outcome(done.returncode, done.stderr, log.read_text())


def calls_of(kind: Kind, url: str, folder: Path) -> Counter[str]:
    """Count the calls of each kind that one thread of an undisturbed run makes at most: strace counts by threads."""
    outcome = traced(kind, url, folder)
    assert outcome.code == 0, outcome.said
    by_thread = Counter(re.findall(r"^(\d+) +(\w+)\(", outcome.calls, re.MULTILINE))
    most: Counter[str] = Counter()
    for (_, call), times in by_thread.items():
        most[call] = max(most[call], times)
    return most


def fault(call: str, mode: str, number: int) -> str:
    """Name a fault as strace wants it: the Nth call fails once, all from the Nth on fail, or the process is killed."""
    errors = CALLS[call]
    how = "signal=KILL" if mode == "kill" else f"error={errors[number % len(errors)]}"
    return f"{call}:{how}:when={number}{'+' if mode == 'from' else ''}"


def every_fault(call: str, mode: str) -> Iterator[str]:
    """Yield the faults at the first call, the second and so on, without an end."""
    return (fault(call, mode, number) for number in count(1))


def expected() -> list[bytes]:
    """Return the users' lines that an export must hold, sorted."""
    population = Population(USERS, shares=SHARES)
    return sorted(user + b"\n" for role in ("end-user", "agent", "admin") for user in population.users(role))
