"""The command line in the test's own process: all of it but the interpreter's start, which takes longer than a run."""

from __future__ import annotations

import contextlib
import gc
import io
import sqlite3
from pathlib import Path
from typing import NamedTuple

from exporter.cli import main
from exporter.ledger.database import Database
from tests.support.sandbox_farm import Sandbox

AT_ONCE = ("--rate", "1000000")
"""No pace is felt: what a run takes is what its requests take, one after another."""


class Ended(NamedTuple):
    """How a command ended, and what it said on stderr."""

    code: int
    said: str


def run(sandbox: Sandbox | str, out: Path, *flags: str | Path) -> Ended:
    """Export to a file or folder, to the end."""
    url = sandbox if isinstance(sandbox, str) else sandbox.url
    return command("run", url, "-o", out, *AT_ONCE, "--progress", "off", *flags)


def command(*words: str | Path) -> Ended:
    """Run any command that keeps away from stdout."""
    said, thresholds = io.StringIO(), gc.get_threshold()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            code = main(list(map(str, words)))
    finally:
        gc.set_threshold(*thresholds)  # `main` sets it for a process of its own
        gc.unfreeze()
    return Ended(code, said.getvalue())


def spoil_cursors(ledger: Path) -> int:
    """Make the server refuse every cursor of a ledger; return how many there were. All else is as it was."""
    with contextlib.closing(Database(sqlite3.connect(ledger, isolation_level=None), ledger)) as database:
        with database.transaction("range") as connection:
            return connection.execute("UPDATE range SET cursor='gone' WHERE cursor IS NOT NULL").rowcount
