"""Runs of `zexport` that wait for a word to begin, so that strace can take hold of them, or several begin at once.

They are forked off one process that has everything imported (as in `forked`, but off a process of their own, in which a
run of a third of a second syncs as often as one of a minute does: `EVERY`). What runs is the real command line, from
argv to exit code, on the real disk.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from tests.support.zexport_process import environment

EVERY = 0.01
"""Seconds between two syncs of a run in a fork, where one a second would be one at the end."""

_PARENT = """
import json, os, sys
try:
    import uvloop
except ImportError:  # there is no wheel for every machine
    pass
import aiohttp, exporter.cli.run, exporter.library, exporter.cli.summary, exporter.cli.terminal
from exporter import cli
from exporter.engine import engine

def child(gate, stdout, stderr, args):
    os.read(gate, 1)
    os.close(gate)
    for number, path in ((0, os.devnull), (1, stdout), (2, stderr)):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.closerange(3, 64)
    sys.argv[1:] = args
    sys.exit(cli.main())

engine.SYNC_EVERY = engine.TICK = float(sys.argv[1])
gates = {}
while line := os.read(0, 1 << 16):
    word, *rest = json.loads(line)
    if word == "fork":
        end, gate = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(gate)
            child(end, *rest)
        os.close(end)
        gates[pid] = gate
        answer = pid
    elif word == "go":
        for pid in rest:
            os.write(gates[pid], b"x")
        answer = None
    else:
        os.close(gates.pop(rest[0]))
        answer = os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1])
    os.write(1, json.dumps(answer).encode() + b"\\n")
"""


@dataclass(frozen=True)
class Fork:
    """One process; it does nothing before it is let go."""

    pid: int
    stderr: Path

    def said(self) -> str:
        """Return what it has said so far."""
        return self.stderr.read_text()


@dataclass(frozen=True)
class Done:
    """How a process ended: its exit code (-9: killed), and what it said."""

    code: int
    said: str


class Forks:
    """The process that others are forked off, for as long as the context lasts."""

    def __init__(self, every: float = EVERY) -> None:
        self._folder = TemporaryDirectory()
        self._count = 0
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT, str(every)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment(),
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.killpg(self._parent.pid, signal.SIGKILL)
        self._parent.communicate()
        self._folder.cleanup()

    def prepare(self, *args: str | Path) -> Fork:
        """Make a process that will run a command once it is let go."""
        self._count += 1
        stdout, stderr = (Path(self._folder.name) / f"{self._count}.{name}" for name in ("out", "err"))
        return Fork(self._ask("fork", str(stdout), str(stderr), [str(each) for each in args]), stderr)

    def go(self, *forks: Fork) -> None:
        """Let processes go, all at the same instant."""
        self._ask("go", *(fork.pid for fork in forks))

    def wait(self, fork: Fork) -> Done:
        """Wait until a process has ended."""
        return Done(self._ask("wait", fork.pid), fork.said() if fork.stderr.exists() else "")

    def run(self, *args: str | Path) -> Done:
        """Run a command to its end."""
        fork = self.prepare(*args)
        self.go(fork)
        return self.wait(fork)

    def _ask(self, *words: Any) -> Any:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(words).encode())
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())
