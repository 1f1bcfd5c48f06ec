"""The live view at a terminal. It is the only module that imports rich."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from exporter.cli.clean import clean
from exporter.cli.figures import counted, duration, fraction, percent
from exporter.cli.terminal import View, eta_text, figures, headline, hold_text, retry_text
from exporter.events import Event, Finished, Progress, Retrying, RoleProgress, Started

BAR = range(8, 41)
"""Cells of a bar: a shorter one tells nothing, a longer one tells no more."""
RETRY_SHOWN = 5.0
"""Seconds for which the last retry stays in sight."""
MARGIN = "  "
TOTAL = "total"
SHARE, STATE = len("100 %"), len("ETA 59m 59s")
"""Widths of columns."""


class LiveView(View):
    """Shows a line for each role and a total, in place; the last state stays on the screen."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._console = _Console(
            file=stream or sys.stderr, force_terminal=True, markup=False, highlight=False, emoji=False
        )
        # stdout carries data and is never touched. What others print to stderr meanwhile appears above the lines.
        self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=True)
        self._closed = False
        self._headline = ""
        self._progress: Progress | None = None
        self._note, self._note_until = "", 0.0

    def __call__(self, event: Event) -> None:
        """Take in an event. Only progress redraws, a few times a second: failures can come by the hundred."""
        match event:
            case Started():
                self._headline = headline(event)
            case Retrying():
                self._note = retry_text(event)
                self._note_until = (self._progress.seconds if self._progress else 0.0) + RETRY_SHOWN
            case Progress():
                self._progress = event
                note = self._note if event.seconds < self._note_until else ""
                self._show(draw(self._headline, event, self._console.width, note=note))
            case Finished():
                if self._progress is not None:
                    self._progress = _final(self._progress, event)

    def close(self) -> None:
        """Leave the last state on the screen, and the terminal as it was."""
        if self._progress is not None and not self._closed:
            self._show(draw(self._headline, self._progress, self._console.width, over=True))
        self._closed = True
        with suppress(OSError, ValueError):
            self._live.stop()

    def _show(self, frame: Text) -> None:
        if self._closed:
            return
        try:
            self._live.start()
            self._live.update(frame, refresh=True)
        except (OSError, ValueError):  # the terminal is gone, and the export goes on
            self._console.quiet = True


class _Console(Console):
    """A console that leaves alone what is not its own."""

    def show_cursor(self, show: bool = True) -> bool:
        """Leave the cursor as it is: a process that is killed or suspended could not bring it back."""
        return False

    def on_broken_pipe(self) -> None:
        """Fall silent. By default rich would point stdout, which carries data, to /dev/null, and exit."""
        self.quiet = True


class _Row(NamedTuple):
    name: str
    users: int
    expected: int | None
    finished: bool
    state: str


def draw(headline: str, progress: Progress, width: int, *, note: str = "", over: bool = False) -> Text:
    """Draw everything there is to see.

    :param note: a recent failure; a hold has precedence.
    :param over: the run has ended: nothing is in motion any more.
    """
    rows = [_role_row(role, over=over) for role in progress.roles]
    finished = all(row.finished for row in rows)
    state = eta_text(progress)
    if over:
        state = f"{'in' if finished else 'after'} {duration(progress.seconds)}"
    rows.append(_Row(TOTAL, progress.users, progress.expected, finished, state))
    lines = [Text(headline, "dim"), Text(), *_table(rows, width), Text()]
    if not over:
        hold = hold_text(progress)
        lines.append(Text(MARGIN + _fitting([*figures(progress), duration(progress.seconds)], width - len(MARGIN))))
        lines.append(Text(MARGIN + (hold or note or clean(progress.closing)), "yellow" if hold else "dim"))
        # The cursor rests below: an echoed ^C, or the prompt after a kill, finds a line of its own.
        lines.append(Text())
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines)


def _role_row(role: RoleProgress, *, over: bool) -> _Row:
    ranges = counted(role.ranges, "range", "ranges") if role.ranges and not over else ""
    state = "done" if role.finished else ranges
    return _Row(role.role, role.users, role.expected, role.finished, state)


def _table(rows: list[_Row], width: int) -> list[Text]:
    """Align the rows; give the bar what is left of the width, and leave out what does not fit.

    Columns are as wide as they will become, so that nothing moves sideways while numbers grow.
    """
    names = max(len(row.name) for row in rows)
    users = max(len(f"{max(row.users, row.expected or 0):,}") for row in rows)
    estimates = 0 if all(row.finished for row in rows) else max(len(_estimate(row.expected)) for row in rows)
    left = width - sum((len(MARGIN), names, 2 + SHARE, 2 + users, 1 + estimates, 2 + STATE))
    bar = min(left - 2, BAR[-1])
    lines = []
    for row in rows:
        part = fraction(row.users, row.expected, finished=row.finished)
        style = "bold" if row.name == TOTAL else ""
        line = Text(f"{MARGIN}{row.name:<{names}}", style)
        if bar in BAR:
            line.append("  ").append_text(_bar(part, bar))
        line.append(f"  {percent(part):>{SHARE}}  {row.users:>{users},}")
        if left >= 0:
            reachable = row.expected if not row.finished and part is not None else None
            line.append(f" {_estimate(reachable):<{estimates}}", "dim not bold")
        line.append(f"  {row.state}", "not bold green" if row.finished and row.name != TOTAL else "not bold")
        lines.append(line)
    return lines


def _estimate(expected: int | None) -> str:
    return "" if expected is None else f"of ~{expected:,}"


def _bar(part: float | None, width: int) -> Text:
    """Draw a bar in half cells. Heavy and light lines tell the parts apart where there is no colour."""
    halves = int((part or 0.0) * width * 2)
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return Text.assemble((done, "green" if part == 1.0 else "cyan"), ("─" * (width - len(done)), "bright_black"))


def _fitting(parts: list[str], width: int) -> str:
    """Join as many parts as fit."""
    while len(parts) > 1 and len(" · ".join(parts)) > width:
        parts = parts[:-1]
    return " · ".join(parts)


def _final(progress: Progress, finished: Finished) -> Progress:
    """Return the state after the run; the estimates are only in the progress before."""
    expected = {role.role: role.expected for role in progress.roles}
    roles = tuple(replace(role, expected=expected.get(role.role)) for role in finished.roles)
    return replace(progress, seconds=finished.seconds, users=finished.users, roles=roles, waiting=0.0)
