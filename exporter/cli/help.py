"""How `--help` looks: examples first, then a line for each flag where the terminal is wide enough. And how a command
line is refused: fit for a terminal, and without repeating what may be a secret.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from typing import Any, NoReturn

from exporter.cli.clean import ERROR_LIMIT, clean

WIDEST = 110
"""Columns: a longer line is hard to read."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps descriptions as they are written, and flags with what they do on one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=min(shutil.get_terminal_size().columns, WIDEST) - 2)


class Parser(argparse.ArgumentParser):
    """Refuses what it does not know by its name alone: `--token VALUE` would put a secret into a log."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Read a command line, all of it."""
        known, unknown = self.parse_known_args(args, namespace)
        if unknown:
            names = [word.partition("=")[0] if word.startswith("--") else word[:2] for word in unknown]
            flags = [name for name in names if name.startswith("-")]
            self.error(f"unrecognized arguments: {' '.join(flags) or 'there are more words than the command takes'}")
        return known

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit with 2."""
        super().error(clean(message, ERROR_LIMIT))
