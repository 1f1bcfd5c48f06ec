"""What shows that nobody is missing: counted as an export goes, kept in the ledger, for the manifest."""

from __future__ import annotations

from collections import Counter

import orjson

from exporter.ledger import Ledger

AGAIN, SEAMS, BETWEEN = "asked_again", "pages_overlapped", "looks_between"
ENDS, REPEATS = "ends_confirmed", "repeats_dropped"
"""Contradictions that were asked again; pages that began with the last user before; looks at who is between two users;
streams whose end was said twice; users who came twice in a row."""


class Evidence:
    """Counts of all runs of an export, by name. A run that is killed takes the counts of its last second along."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.counts: Counter[str] = Counter(orjson.loads(ledger.about().get("evidence", "{}")))
        self._kept = self.counts.copy()

    def __repr__(self) -> str:
        return f"<Evidence {dict(self.counts)}>"

    def add(self, name: str, times: int = 1) -> None:
        """Count something."""
        self.counts[name] += times

    def keep(self) -> None:
        """Keep the counts in the ledger."""
        if self.counts != self._kept:
            self._ledger.note("evidence", orjson.dumps(self.counts).decode())
            self._kept = self.counts.copy()
