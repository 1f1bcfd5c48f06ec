"""A disk that fails at the Nth system call: strace puts the fault into the real interpreter's real calls.

Only calls on the export's own files count: writes to sockets, pipes and the terminal are somebody else's.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from exporter.sandbox import Population, RoleShares
from tests.support.gated_forks import Done, Fork, Forks

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")

USERS = 300
SHARES = RoleShares(0.5, 0.3, 0.2)
ACCOUNT = ("--users", str(USERS), "--roles", "end-user=0.5,agent=0.3,admin=0.2", "--rate-limit", "1000000")
"""Of 50 users a page: three pages of one role, two of each of the others."""
LATENCY = ("--latency", "10ms")
"""So that a run in a fork (`gated_forks.EVERY`) syncs between its pages."""

CALLS = {
    "write": ("ENOSPC", "EDQUOT", "EFBIG", "EIO"),
    "pwrite64": ("ENOSPC", "EDQUOT", "EIO"),
    "fsync": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO", "ENOSPC"),
    "rename": ("EIO", "ENOSPC"),
    "unlink": ("EIO", "EROFS"),
    "ftruncate": ("EIO", "ENOSPC"),
    "openat": ("ENOSPC", "EMFILE", "EIO"),
    "mkdir": ("ENOSPC", "EROFS"),
}
"""The calls that a run makes of a disk, and what each may fail with."""
MODES = ("once", "from", "kill")


@dataclass(frozen=True)
class Kind:
    """A way to export: what it is called, the output's name, flags, and requests a minute."""

    name: str
    output: str
    flags: tuple[str, ...] = ()
    rate: int = 100_000

    @property
    def _usual(self) -> tuple[str, ...]:
        return ("--page-size", "50", "--rate", str(self.rate), "--progress", "off")

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

    def paths(self, folder: Path) -> dict[str, list[Path]]:
        """Return every path that an export in `folder` touches, by what it is."""
        home, out = folder / self.ledger, folder / self.output
        ledger = home / "ledger.db"
        manifests = {home, home if self.output in self.files else out}
        return {
            "data": [folder / name for name in self.files for name in (name, f"{name}.partial")],
            "wal": [ledger.with_name("ledger.db-wal")],
            "mark": [ledger.with_name("ledger.db-mark")],
            "ledger": [ledger, *(ledger.with_name(f"ledger.db{ending}") for ending in ("-shm", "-journal"))],
            "new ledger": [ledger.with_name(f"ledger.db.new{ending}") for ending in ("", "-journal", "-wal", "-shm")],
            "manifest": [each / name for each in manifests for name in ("manifest.json", "manifest.json.new")],
            "lock": [home / "lock"],
            "folders": [folder, home, *([out] if self.output not in self.files else [])],
        }

    def command(self, url: str, folder: Path) -> list[str]:
        """Return the command that exports into `folder`."""
        return ["run", url, "-o", str(folder / self.output), *self.flags, *self._usual]


INCLUDE = Kind("include", "out", ("--include", "organizations,groups"))
GZIP = Kind("gzip", "out.ndjson.gz", ("--ranges", "off"), rate=2000)
"""Slow enough to write several frames, and not one at the end."""
ONE = Kind("one", "out.ndjson", ("--ranges", "off", "--no-sweep"))
KINDS = (INCLUDE, GZIP, ONE)


@dataclass(frozen=True)
class Fault:
    """The Nth call of a thread fails once, or all do from the Nth on, or the process is killed there.

    :param where: which files count (`Kind.paths`); empty: all of the export's.
    """

    call: str
    mode: str
    number: int
    where: str = ""

    def __str__(self) -> str:
        return f"{self.inject} {self.where}".strip()

    @property
    def inject(self) -> str:
        """Say it as strace wants it."""
        errors = CALLS[self.call]
        how = "signal=KILL" if self.mode == "kill" else f"error={errors[self.number % len(errors)]}"
        return f"{self.call}:{how}:when={self.number}{'+' if self.mode == 'from' else ''}"


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

    def refused(self, paths: Iterable[Path]) -> list[str]:
        """Return the writes, syncs and renames of these files that were made to fail."""
        names, begun, refused = set(map(str, paths)), dict[str, str](), []
        for line in self.calls.splitlines():
            thread, call = line.split(maxsplit=1)
            if not re.match(r"(?:<\.\.\. )?(?:write|fsync|fdatasync|rename)\b", call):
                continue
            if found := re.match(r'\w+\((?:\d+<|")([^>"]*)', call):
                begun[thread] = found[1]
            if call.endswith("(INJECTED)") and begun[thread] in names:
                refused.append(f"{begun[thread]}: {call}")
        return refused

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

    def synced(self) -> dict[str, int]:
        """Return how many bytes of each file that is appended to were there before the last sync that succeeded."""
        written: Counter[str] = Counter()
        begun: dict[str, tuple[str, int]] = {}
        synced: dict[str, int] = {}
        for line in self.calls.splitlines():
            thread, call = line.split(maxsplit=1)
            if found := re.match(r"(write|f(?:data)?sync)\(\d+<([^>]*)>", call):
                name = Path(found[2]).name.removesuffix(".partial")
                begun[thread] = (name, written[name])
            if not (found := re.match(r"(?:<\.\.\. )?(write|f(?:data)?sync)\b.*\) += (\d+)$", call)):
                continue
            name, size = begun[thread]
            if found[1] == "write":
                written[name] += int(found[2])
            else:
                synced[name] = size
        return synced


def trace(forks: Forks, fork: Fork, log: Path, *flags: str) -> Done:
    """Let a process go under strace, and wait for its end."""
    command = ["strace", "-f", "-y", "-o", str(log), "-e", "signal=none", *flags, "-p", str(fork.pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
        assert strace.stderr is not None
        told = strace.stderr.readline()
        assert "attached" in told, told
        forks.go(fork)
        done = forks.wait(fork)
        strace.communicate()
    return done


def traced(forks: Forks, kind: Kind, url: str, folder: Path, fault: Fault | None = None) -> Outcome:
    """Run an export to its end under strace, with a fault if one is named."""
    flags = ["-e", f"trace={','.join(CALLS)}"]
    for where, paths in kind.paths(folder).items():
        if fault is None or fault.where in ("", where):
            flags += [flag for path in paths for flag in ("-P", str(path))]
    if fault is not None:
        flags += ["-e", f"inject={fault.inject}"]
    log = folder / "strace.log"
    done = trace(forks, forks.prepare(*kind.command(url, folder)), log, *flags)
    return Outcome(done.code, done.said, log.read_text())


def count_calls(calls: str) -> Counter[str]:
    """Count the calls of each kind that one thread makes at most: strace counts by threads."""
    most: Counter[str] = Counter()
    for (_, call), times in Counter(re.findall(r"^(\d+) +(\w+)\(", calls, re.MULTILINE)).items():
        most[call] = max(most[call], times)
    return most


@cache
def expected() -> list[bytes]:
    """Return the users' lines that an export must hold, sorted."""
    population = Population(USERS, shares=SHARES)
    return sorted(user + b"\n" for role in ("end-user", "agent", "admin") for user in population.users(role))
