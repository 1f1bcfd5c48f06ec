"""`zexport verify`: proves files against their manifest."""

from __future__ import annotations

import argparse

from exporter.cli.clean import clean
from exporter.cli.figures import counted
from exporter.cli.say import say
from exporter.destination import find_destination
from exporter.errors import IncompleteError
from exporter.proof import verify

SHOWN = 20
"""Differences shown: more say no more."""


def main(args: argparse.Namespace) -> int:
    """Verify, print what was proved or what differs, and return the exit code."""
    found = verify(find_destination(args.destination))
    for problem in found.problems[:SHOWN]:
        say(f"zexport: {clean(problem)}")
    if len(found.problems) > SHOWN:
        say(f"zexport: and {len(found.problems) - SHOWN} more")
    if found.problems:
        return IncompleteError.exit_code
    twice = f"{counted(found.superseded, 'line', 'lines')} with a newer one" if found.superseded else "no id twice"
    print(
        f"verified: {found.users:,} users in {found.files} files, {found.bytes:,} bytes: "
        f"every size, SHA-256, line and id as in the manifest, {twice}"
    )
    return 0
