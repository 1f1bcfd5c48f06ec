"""How `--help` looks: examples first, then a line for each flag where the terminal is wide enough."""

from __future__ import annotations

import argparse
import shutil

WIDEST = 110
"""Columns: a longer line is hard to read."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps descriptions as they are written, and flags with what they do on one line."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=34, width=min(shutil.get_terminal_size().columns, WIDEST) - 2)
