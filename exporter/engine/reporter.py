"""Tells the observer how far things are, and the ledger what a run has done; and what a run leaves to the next one."""

from __future__ import annotations

import time

import orjson

from exporter.api import MAX_HOLD, Client, Pace
from exporter.engine.meter import Meter
from exporter.events import Observer
from exporter.ledger import Ledger

REPORT_EVERY = 1.0
"""Seconds between notes of a run's figures in the ledger, for `status`."""


class Reporter:
    """Reports on one run."""

    def __init__(self, ledger: Ledger, run: int, meter: Meter, client: Client, pace: Pace, observer: Observer) -> None:
        self._ledger, self._run, self._meter = ledger, run, meter
        self._client, self._pace, self._observe = client, pace, observer
        self._saved = 0.0
        self._paced = ""

    def report(self) -> None:
        """Tell how far things are."""
        statistics = self._client.statistics()
        self._observe(self._meter.progress(statistics.requests, statistics.retries, self._pace.statistics()))
        if self._meter.seconds >= self._saved + REPORT_EVERY:
            self.save("")
            self._saved = self._meter.seconds

    def save(self, ended: str) -> None:
        """Keep what the run has done; `ended`: how it ended, empty while it goes on."""
        statistics = self._client.statistics()
        pace = self._pace.statistics()
        paced = orjson.dumps([pace.limit, round(time.time() + pace.waiting) if pace.waiting else 0, pace.felt]).decode()
        if paced != self._paced:  # for the next run: a loop of crashes and restarts must not be a burst
            self._ledger.note("pace", paced)
            self._paced = paced
        self._ledger.update_run(
            self._run,
            seconds=self._meter.seconds,
            written=self._meter.written,
            requests=statistics.requests,
            retries=statistics.retries,
            ended=ended,
        )


def pace_left(ledger: Ledger) -> tuple[int | None, float | None, float]:
    """Return the account's limit, told or felt, and the seconds of a hold that an earlier run has left."""
    limit, held_until, *felt = orjson.loads(ledger.about().get("pace", "[null, 0]"))
    # By the wall clock, the only one that outlives a process; if that has jumped, no hold is longer than any can be.
    return limit, felt[0] if felt else None, min(max(held_until - time.time(), 0.0), MAX_HOLD)
