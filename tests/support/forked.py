"""A process that is `zexport` without the half second in which Python imports it.

Most of the suite's time went by in that half second, a thousand times. So a process of the suite, which has imported
all of it, forks: the child lets go of everything it has from the suite, and runs the command. It is a process like any
other, with a pid, pipes, signals and an exit code of its own. Only its start is not the real one: where that is what a
test is about, or its memory, its arguments or strace's view of it, the test starts a new Python.

A test closes a database before it starts a process that opens the same: SQLite's locks don't survive a fork.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import exporter.cli.loop
import exporter.cli.run
import exporter.sandbox.server.app  # noqa: F401 (all of them are imported where they are first needed)
from exporter.cli import main


def can_fork() -> bool:
    """Tell whether this process may: not while a loop runs, whose tests watch what blocks it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def becoming(arguments: Sequence[str], environment: Mapping[str, str]) -> Callable[[], None]:
    """Return what makes a command of a fork, for `Popen`'s `preexec_fn`: it never returns there."""

    def become() -> None:
        code = 1
        try:
            _let_go(environment)
            sys.argv = ["zexport", *arguments]
            code = main(arguments)
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 1
        except BaseException:  # noqa: BLE001 (whatever it is, a new Python would print it)
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            os._exit(code)

    return become


def _let_go(environment: Mapping[str, str]) -> None:
    """Set back what a new Python would have of its own."""
    for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
        if number > 2:  # among them the one that tells whoever has started us that we run
            try:
                os.close(number)
            except OSError:
                continue  # that of the listing itself
    os.environ.clear()
    os.environ.update(environment)
    for name, fd, mode, errors in (
        ("stdin", 0, "r", "strict"),
        ("stdout", 1, "w", "strict"),
        ("stderr", 2, "w", "backslashreplace"),
    ):
        buffering = 1 if name == "stderr" else -1
        setattr(sys, name, open(fd, mode, buffering, encoding="utf-8", errors=errors, closefd=False))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    warnings.resetwarnings()
    random.seed()
