"""What a person, or a program, sees on stderr while an export runs.

A view is an observer of events and a context; leaving the context leaves the terminal as it was. A stream that is gone
ends what is shown, never the export.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Self, TextIO
from unicodedata import east_asian_width

from exporter.cli.clean import clean
from exporter.cli.figures import counted, duration, fraction, percent
from exporter.events import Event, Held, Progress, Retrying, Started, describe

LINE_EVERY = 5.0
"""Seconds between two lines of progress off a terminal, and between two that tell of trouble."""
NOTABLE_TRY = 3
"""A try of the same page that is worth a line: one lost connection is everyday, and the count of retries tells."""


class View:
    """Shows events to somebody; this one shows nothing."""

    def __call__(self, event: Event) -> None:
        """Take in an event."""

    def close(self) -> None:
        """Leave the terminal as it was. More than once does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class QuietView(View):
    """Shows nothing."""


class _LineView(View):
    """Writes lines, until nobody reads them any more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream

    def _write(self, line: str) -> None:
        if self._stream is None:
            return
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class PlainView(_LineView):
    """Writes a line of progress every few seconds, and one for a hold or for a page that keeps failing."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._headline = ""
        self._seconds = 0.0
        self._due = 1.0
        self._hold_due = self._trouble_due = 0.0
        self._retried = 0
        self._worst: Retrying | None = None

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case Started():
                self._headline = headline(event)
            case Progress():
                self._progress(event)
            case Held():
                if self._seconds >= self._hold_due:  # each range that meets a 429 tells of it
                    self._hold_due = self._seconds + LINE_EVERY
                    self._write(waiting_text(event.seconds, event.why))
            case Retrying():
                self._retried += 1
                if event.attempt >= NOTABLE_TRY and (self._worst is None or event.attempt >= self._worst.attempt):
                    self._worst = event

    def _progress(self, progress: Progress) -> None:
        self._seconds = progress.seconds
        if self._headline:  # not before there is progress: an export that is complete has nothing to say of itself
            self._write(self._headline)
            self._headline = ""
        if self._worst is not None and progress.seconds >= self._trouble_due:
            self._trouble_due = progress.seconds + LINE_EVERY
            meanwhile = f" ({self._retried:,} retries meanwhile)" if self._retried > 1 else ""
            self._write(retry_text(self._worst) + meanwhile)
            self._retried, self._worst = 0, None
        if progress.seconds >= self._due:
            self._due = (progress.seconds // LINE_EVERY + 1) * LINE_EVERY
            self._write(progress_text(progress))


class TroubleView(_LineView):
    """Writes a line where a command that shows no progress has to wait, and every few seconds while it does."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(stream)
        self._clock, self._due = clock, clock()

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case Held():
                text = waiting_text(event.seconds, event.why)
            case Retrying() if event.attempt >= NOTABLE_TRY or event.delay >= LINE_EVERY:
                text = retry_text(event)
            case _:
                return
        if self._clock() >= self._due:
            self._due = self._clock() + LINE_EVERY
            self._write(text)


class OneLineView(View):
    """Rewrites one line and moves nothing else: whoever reads our stdout prints to the same terminal.

    :param width: the terminal's columns, asked each time.
    """

    def __init__(self, stream: TextIO, width: Callable[[], int]) -> None:
        self._stream: TextIO | None = stream
        self._width = width
        self._there = False

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Progress):
            self._show(_cut(progress_text(event), self._width() - 1))
            self._there = True

    def close(self) -> None:
        """Clear the line."""
        if self._there:
            self._show("")
        self._there = False

    def _show(self, text: str) -> None:
        try:
            if self._stream is not None:
                self._stream.write(f"\r\x1b[2K{text}")
                self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class JsonView(_LineView):
    """Writes every event as one JSON object a line, progress once a second and where the closing sweep begins."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._due = 0.0
        self._closing = False

    def __call__(self, event: Event) -> None:
        """Take in an event."""
        if isinstance(event, Progress):
            begins = bool(event.closing) and not self._closing
            if event.seconds < self._due and not begins:
                return
            self._due, self._closing = event.seconds + 1.0, bool(event.closing)
        # The stdlib's ASCII form: lossless for a path of any bytes, which orjson refuses, and harmless on a terminal.
        self._write(json.dumps(describe(event), separators=(",", ":")).replace("\x7f", "\\u007f"))


def _cut(text: str, cells: int) -> str:
    """Return as much of a text as fits on so many cells: a line that wraps could not be rewritten."""
    for length, cell in enumerate(text):
        cells -= 2 if east_asian_width(cell) in "WF" else 1
        if cells < 0:
            return text[:length]
    return text


def headline(started: Started) -> str:
    """Say what goes where, and how much of it is there."""
    destination = "stdout" if started.destination == "-" else clean(started.destination)
    there = f" · {counted(started.resumed, 'user', 'users')} already there" if started.resumed else ""
    return f"{clean(started.account).removeprefix('https://')} → {destination}{there}"


def progress_text(progress: Progress) -> str:
    """Say in one line where the export stands."""
    finished = all(role.finished for role in progress.roles)
    share = percent(fraction(progress.users, progress.expected, finished=finished))
    users = counted(progress.users, "user", "users") + (f" ({share})" if share else "")
    return " · ".join([users, *figures(progress), hold_text(progress) or eta_text(progress)]).removesuffix(" · ")


def figures(progress: Progress) -> list[str]:
    """Say how fast it goes, and at what cost."""
    # What a window's beginning lets through at once is no rate: more than is allowed is never meant.
    rate = min(progress.requests_per_minute, progress.allowed_per_minute)
    requests = f"{rate:,.0f} of {progress.allowed_per_minute:,.0f} requests/min"
    if progress.limit_felt:
        requests += " (the account tells no limit)"
    retries = [counted(progress.retries, "retry", "retries")] if progress.retries else []
    return [f"{progress.rate:,.0f} users/s", requests, *retries]


def eta_text(progress: Progress) -> str:
    """Say when it will be done; nothing if that is unknown."""
    return "" if progress.eta is None else f"ETA {duration(progress.eta)}"


def hold_text(progress: Progress) -> str:
    """Say how long the account still waits, and why; nothing if it doesn't."""
    return waiting_text(progress.waiting, progress.why) if progress.waiting > 0 else ""


def waiting_text(seconds: float, why: str) -> str:
    """Say how long is waited, and what for."""
    return f"waiting {duration(seconds)}: {clean(why)}"


def retry_text(retrying: Retrying) -> str:
    """Say what failed, and when it is tried again."""
    role = f" for {retrying.role}" if retrying.role else ""
    return f"{clean(retrying.why)}{role}: try {retrying.attempt + 1} in {duration(retrying.delay)}"
