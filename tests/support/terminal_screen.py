"""Events to show, streams to show them on, and what a terminal makes of the output."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

from exporter.cli.terminal import View
from exporter.events import Event, Finished, Progress, RoleProgress, Started
from exporter.model import Role

STARTED = Started("https://acme.zendesk.com", "acme-users", 1, 0)
ROLES = (
    RoleProgress(Role.END_USER, 12_300, 30_000, 9, False),
    RoleProgress(Role.AGENT, 812, 800, 1, False),
    RoleProgress(Role.ADMIN, 12, 20, 0, True),
)
PROGRESS = Progress(
    seconds=10.0,
    users=13_124,
    written=13_124,
    expected=30_824,
    rate=1_240.4,
    requests=140,
    retries=3,
    requests_per_minute=661.8,
    allowed_per_minute=665.0,
    limit_felt=False,
    in_flight=10,
    closing="",
    waiting=0.0,
    why="",
    eta=130.0,
    roles=ROLES,
)
FINISHED = Finished(
    complete=True,
    missing="",
    stopped="",
    users=30_824,
    written=30_824,
    added=0,
    renewed=0,
    bytes=24_912_000,
    seconds=130.0,
    requests=312,
    retries=3,
    resumes=0,
    roles=tuple(replace(role, expected=None, ranges=0, finished=True) for role in ROLES),
    files=tuple(f"/home/me/acme-users/{role}.ndjson" for role in Role),
    warnings=(),
)


class Gone(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        pass


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def screen(output: str) -> list[str]:
    """Return the lines that a terminal shows after this output: cursor up, carriage return and erasing are obeyed."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif token == "\x1b[2K":
            lines[row] = ""
        elif re.fullmatch(r"\x1b\[[0-9]+A", token):
            row -= int(token[2:-1])
            assert row >= 0, "the cursor left the frame"
        elif token.startswith("\x1b"):
            assert token.endswith("m"), f"{token!r} is neither a colour nor a known movement"
        else:
            lines[row] = lines[row][:column].ljust(column) + token + lines[row][column + len(token) :]
            column += len(token)
    return [line.rstrip() for line in lines]


def shown(view_class: Callable[[io.StringIO], View], *events: Event) -> str:
    stream = io.StringIO()
    with view_class(stream) as view:
        for event in events:
            view(event)
    return stream.getvalue()
