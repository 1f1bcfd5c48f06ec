"""The live view, on what a terminal shows of its output."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from dataclasses import replace
from fcntl import ioctl
from pathlib import Path

import pytest
from rich.cells import cell_len

from exporter.cli.live import LiveView, draw
from exporter.cli.terminal import JsonView, PlainView, View
from exporter.errors import NetworkError
from exporter.events import Held, Retrying
from exporter.model import Role
from tests.support.terminal_screen import FINISHED, PROGRESS, ROLES, STARTED, Gone, screen, shown


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every test the same terminal, wherever it runs."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "30"}.items():
        monkeypatch.setenv(name, value)


def test_live_shows_a_line_a_role_a_total_and_the_pace() -> None:
    stream = io.StringIO()
    with LiveView(stream) as view:
        view(STARTED)
        for users in range(0, 13_124, 1000):
            view(replace(PROGRESS, users=users))
        view(PROGRESS)
        assert screen(stream.getvalue()) == [
            "acme.zendesk.com → acme-users",
            "",
            "  end-user  ━━━━━━━━━━━╸─────────────────   41 %  12,300 of ~30,000  9 ranges",
            "  agent     ─────────────────────────────            812             1 range",
            "  admin     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %      12             done",
            "  total     ━━━━━━━━━━━━─────────────────   42 %  13,124 of ~30,824  ETA 2m 10s",
            "",
            "  1,240 users/s · 662 of 665 requests/min · 3 retries · 10s",
            "",
            "",
        ]


def test_live_leaves_the_final_state_once() -> None:
    lines = screen(shown(LiveView, STARTED, PROGRESS, PROGRESS, FINISHED))
    assert lines[:6] == [
        "acme.zendesk.com → acme-users",
        "",
        "  end-user  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  12,300   done",
        "  agent     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %     812   done",
        "  admin     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %      12   done",
        "  total     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  30,824   in 2m 10s",
    ]
    assert not any(lines[6:])


@pytest.mark.parametrize("width", [20, 40, 60, 66, 80, 120, 300])
@pytest.mark.parametrize("expected", [None, 5_000_000])
def test_no_line_is_wider_than_the_terminal(width: int, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    roles = tuple(replace(role, expected=expected) for role in ROLES)
    events = replace(PROGRESS, roles=roles, expected=expected, waiting=9.0, why="李" * 300)
    assert max(map(cell_len, screen(shown(LiveView, STARTED, events)))) <= width
    if width >= 60:  # all of the table fits, so nothing is cut
        rows = draw("", events, width).plain.split("\n")[2:6]
        assert max(len(row.rstrip()) for row in rows) <= width


def test_columns_stay_where_they_are_while_numbers_grow() -> None:
    def column(users: int) -> int:
        roles = (replace(ROLES[0], users=users), *ROLES[1:])
        return draw("", replace(PROGRESS, users=users, roles=roles), 80).plain.split("\n")[2].index(" of ~")

    assert column(0) == column(999) == column(1000) == column(29_999)


def test_a_hold_is_counted_down_with_its_reason() -> None:
    held = replace(PROGRESS, waiting=41.6, why="rate \x1b[31mlimit")
    assert "  waiting 42s: rate limit" in draw("", held, 80, note="HTTP 502").plain.split("\n")


def test_a_retry_is_noted_for_a_few_seconds() -> None:
    stream = io.StringIO()
    with LiveView(stream) as view:
        view(PROGRESS)
        view(Retrying(Role.AGENT, "HTTP [red]502[/red]", 2.1, 2))
        view(replace(PROGRESS, seconds=10.2))
        assert "  HTTP [red]502[/red] for agent: try 3 in 2s" in screen(stream.getvalue())
        view(replace(PROGRESS, seconds=16.0))
        assert not any("502" in line for line in screen(stream.getvalue()))


def test_a_complete_export_and_a_start_alone_draw_nothing() -> None:
    assert shown(LiveView, STARTED, FINISHED) == ""


def test_what_others_print_to_stderr_appears_above(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with LiveView(stream) as view:
        view(STARTED)
        view(PROGRESS)
        print("a warning", file=sys.stderr)
    lines = screen(stream.getvalue())
    assert lines[0] == "a warning"
    assert sum("total" in line for line in lines) == 1


def test_live_restores_the_terminal_after_an_exception(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    stdout, stderr = sys.stdout, sys.stderr
    with pytest.raises(NetworkError), LiveView(stream) as view:
        view(STARTED)
        view(PROGRESS)
        assert sys.stdout is stdout, "data goes there"
        raise NetworkError("gave up")
    assert (sys.stdout, sys.stderr) == (stdout, stderr)
    assert "\x1b[?25l" not in stream.getvalue(), "a killed process could not show the cursor again"
    assert stream.getvalue().endswith("\n")
    assert [line for line in screen(stream.getvalue()) if "after 10s" in line]
    before = stream.getvalue()
    view(PROGRESS)
    view.close()
    assert stream.getvalue() == before
    assert capsys.readouterr() == ("", "")


def test_no_color_leaves_no_colour_and_the_bar_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert re.search(r"\x1b\[[0-9;]*3[0-9]m", shown(LiveView, STARTED, PROGRESS))
    monkeypatch.setenv("NO_COLOR", "1")
    output = shown(LiveView, STARTED, PROGRESS)
    assert not re.search(r"\x1b\[[0-9;]*[39][0-9]m", output)
    assert "╸─" in output


@pytest.mark.parametrize("view_class", [LiveView, PlainView, JsonView])
def test_a_stream_that_is_gone_does_not_end_the_export(view_class: Callable[[io.StringIO], View]) -> None:
    stdout = os.fstat(1)
    stream = Gone()
    with view_class(stream) as view:
        for event in (STARTED, PROGRESS, Held(1.0, "rate limit"), replace(PROGRESS, seconds=20.0), FINISHED):
            view(event)
    assert os.path.samestat(stdout, os.fstat(1)), "rich would have pointed stdout to /dev/null"


def test_live_at_a_real_terminal() -> None:
    script = (
        "import sys\n"
        "from tests.support.terminal_screen import STARTED, PROGRESS, FINISHED\n"
        "from exporter.cli.view import make_view\n"
        "from exporter.cli.summary import summary\n"
        "with make_view('auto', False, sys.stderr) as view:\n"
        "    print('data', flush=True)\n"
        "    for event in (STARTED, PROGRESS, PROGRESS, FINISHED): view(event)\n"
        "print(summary(FINISHED, account='acme', destination='acme-users', command=None), file=sys.stderr)\n"
    )
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 70, 0, 0))
    settings = termios.tcgetattr(theirs)
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=Path(__file__).parent.parent.parent,
    ) as process:
        assert process.communicate()[0] == b"data\n"
    assert termios.tcgetattr(theirs) == settings
    os.close(theirs)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # how Linux tells that the other end is closed
        pass
    os.close(ours)
    lines = screen(output.decode())
    assert lines[5] == "  total     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  30,824   in 2m 10s"
    assert lines[6:8] == ["", "complete: 30,824 users of acme"]
    assert sum("total" in line for line in lines) == 1
