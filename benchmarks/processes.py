"""Commands in processes of their own, with what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

PYTHON = sys.executable


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process used: CPU and wall time in seconds, peak resident memory in bytes."""

    cpu: float
    wall: float
    peak: int


def run(*command: str, expect: int = 0) -> Cost:
    """Run a command to its end, silently.

    :raises RuntimeError: if it ends with another exit code.
    """
    started = time.perf_counter()
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, flags, 0) for fd, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY))]
    pid = os.posix_spawn(command[0], command, os.environ, file_actions=null)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - started
    code = os.waitstatus_to_exitcode(status)
    if code != expect:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")
    return Cost(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024)


@contextmanager
def sandbox(*flags: str) -> Iterator[str]:
    """Serve the endpoint in a process of its own; yield its URL."""
    command = [PYTHON, "-m", "exporter", "sandbox", "--port", "0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
