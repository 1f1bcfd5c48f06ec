"""An export that is there already: whether it is to be replaced, and the commands for another one."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exporter.cli.clean import clean
from exporter.cli.figures import counted, when
from exporter.destination import Destination
from exporter.errors import IncompleteError, UsageError
from exporter.proof import read_manifest


def ask_to_replace(destination: Destination) -> None:
    """Ask a person whether what is there is to be replaced.

    :raises UsageError: if it is not.
    """
    if destination.manifest is None or not (sys.stdin and sys.stdin.isatty() and sys.stderr and sys.stderr.isatty()):
        return
    try:
        manifest = read_manifest(destination.manifest)
        there = f"{counted(manifest['users'], 'user', 'users')}, exported {_when(manifest)}"
    except IncompleteError:
        if destination.ledger is None or not destination.ledger.exists():
            return
        there = "an export that has not finished"
    sys.stderr.write(f"Replace what is in {clean(destination.text)}: {clean(there)}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing is replaced", hint="--yes answers the question beforehand.")


def _when(manifest: dict[str, Any]) -> str:
    return when(str(manifest.get("finished_at", "")), datetime.now(UTC).astimezone())


def dated(destination: Destination) -> str:
    """Return the destination with today's date in its name."""
    path, today = Path(destination.text), datetime.now(UTC).astimezone().strftime("%Y-%m-%d")
    stem, dot, rest = path.name.partition(".") if destination.file else (path.name, "", "")
    return str(path.with_name(f"{stem}-{today}{dot}{rest}"))


def this_command(output: str = "") -> str:
    """Return the command to go on with: this one, but for what would begin anew.

    :param output: another destination, in place of this one's.
    """
    words = [word for word in sys.argv[1:] if word not in ("--restart", "--yes")]
    if output:
        named = [at for at, word in enumerate(words) if word in ("-o", "--output")]
        words = [word for at, word in enumerate(words) if at not in named and at - 1 not in named]
        words = [*(word for word in words if not word.startswith(("--output=", "-o"))), "-o", output]
    return shlex.join(["zexport", *words])
