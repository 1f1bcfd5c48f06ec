"""Positions and intents, in SQLite beside the output; and recovery, which holds them against the output.

May touch: the ledger's own files, over `disk`. Promises: a position never claims a user whose line is not in the output
(P3); damage, another export and a second run are told apart, and never answered by a silent new start.
"""

from __future__ import annotations

from exporter.ledger.intents import Intent, Write
from exporter.ledger.ledger import SEALING, Ledger, Range, Run
from exporter.ledger.opening import (
    holder,
    identity,
    is_blank,
    is_ledger,
    known_files,
    locked,
    open_ledger,
    read_ledger,
    remove_ledger,
)

__all__ = [
    "SEALING",
    "Intent",
    "Ledger",
    "Range",
    "Run",
    "Write",
    "holder",
    "identity",
    "is_blank",
    "is_ledger",
    "known_files",
    "locked",
    "open_ledger",
    "read_ledger",
    "remove_ledger",
]
