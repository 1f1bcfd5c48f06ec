"""Plain lines, JSON, and which view is shown where."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.live import LiveView
from exporter.cli.terminal import JsonView, PlainView, QuietView, TroubleView
from exporter.cli.view import make_view
from exporter.events import Event, Failed, Held, Retrying
from exporter.model import Role
from tests.support.terminal_screen import FINISHED, PROGRESS, STARTED, Terminal, shown


def test_plain_writes_a_line_soon_and_then_every_five_seconds() -> None:
    ticks = [replace(PROGRESS, seconds=tick / 5) for tick in range(62)]
    lines = shown(PlainView, replace(STARTED, resumed=2_300), *ticks, FINISHED).splitlines()
    assert lines[0] == "acme.zendesk.com → acme-users · 2,300 users already there"
    line = "13,124 users (42 %) · 1,240 users/s · 662 of 665 requests/min · 3 retries · ETA 2m 10s"
    assert lines[1:] == [line] * 3  # at 1, 5 and 10 s
    lines = shown(PlainView, *ticks[:6]).splitlines()
    assert lines == [line]


def test_where_nothing_is_shown_trouble_gets_a_line_at_once_and_then_one_in_five_seconds() -> None:
    told, now = io.StringIO(), [0.0]
    view = TroubleView(told, lambda: now[0])
    for attempt in range(1, 13):
        now[0] = float(attempt)
        view(Retrying(Role.AGENT, "HTTP 503", 1.0, attempt))
    assert told.getvalue().splitlines() == [f"HTTP 503 for agent: try {attempt} in 1s" for attempt in (4, 9)]
    now[0] = 20.0
    view(Retrying(None, "HTTP 503", 60.0, 1))  # nobody waits a minute without a word
    view(Held(2.0, "rate limit"))
    now[0] = 26.0
    view(Held(30.0, "rate limit"))
    view(PROGRESS)
    assert told.getvalue().splitlines()[2:] == ["HTTP 503: try 2 in 1m 00s", "waiting 30s: rate limit"]


def test_plain_leaves_out_what_is_unknown() -> None:
    unknown = replace(PROGRESS, expected=None, eta=None, retries=0)
    assert shown(PlainView, unknown) == "13,124 users · 1,240 users/s · 662 of 665 requests/min\n"
    held = replace(unknown, waiting=9.0, why="rate limit")
    assert shown(PlainView, held).endswith(" requests/min · waiting 9s: rate limit\n")


def test_an_outage_does_not_flood_the_log() -> None:
    events: list[Event] = []
    for tick in range(100):
        events += [Retrying(Role.END_USER, "HTTP 503\n", 1.5, 1 + tick // 10)] * 20
        events.append(replace(PROGRESS, seconds=tick / 5))
    lines = [line for line in shown(PlainView, *events).splitlines() if "503" in line]
    assert len(lines) == 4
    assert lines[-1] == "HTTP 503  for end-user: try 11 in 2s (500 retries meanwhile)"


def test_an_everyday_retry_is_no_line_of_its_own() -> None:
    assert "HTTP" not in shown(PlainView, PROGRESS, Retrying(Role.AGENT, "HTTP 502", 0.3, 1), PROGRESS)


def test_a_hold_that_many_ranges_meet_is_told_once() -> None:
    output = shown(PlainView, *[Held(60.4, "rate limit")] * 9)
    assert output == "waiting 1m 00s: rate limit\n"


def test_json_is_one_object_a_line_with_the_event_first() -> None:
    events: list[Event] = [
        STARTED,
        PROGRESS,
        Retrying(None, "HTTP 502", 0.5, 1),
        Held(2.0, "rate limit"),
        FINISHED,
        Failed("x", "", 5),
    ]
    lines = shown(JsonView, *events).splitlines()
    assert [next(iter(json.loads(line).items())) for line in lines] == [("event", event.kind) for event in events]
    assert json.loads(lines[1])["roles"][0] == {
        "role": "end-user",
        "users": 12_300,
        "expected": 30_000,
        "ranges": 9,
        "finished": False,
    }


def test_json_progress_comes_once_a_second() -> None:
    ticks = [replace(PROGRESS, seconds=tick / 5) for tick in range(31)]
    seconds = [json.loads(line)["seconds"] for line in shown(JsonView, *ticks).splitlines()]
    assert len(seconds) == 7
    assert all(after - before >= 1.0 for before, after in pairwise(seconds))


@given(st.text(alphabet=st.characters()))
def test_json_is_printable_and_loses_nothing(text: str) -> None:
    line = shown(JsonView, Held(1.0, text)).removesuffix("\n")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["why"] == text


def test_the_view_fits_mode_and_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    terminal, file = Terminal(), io.StringIO()
    assert type(make_view("auto", False, terminal)) is LiveView
    assert type(make_view("auto", False, file)) is PlainView
    assert type(make_view("bar", False, file)) is LiveView
    assert type(make_view("json", False, terminal)) is JsonView
    assert type(make_view("off", False, terminal)) is QuietView
    assert type(make_view("json", True, terminal)) is QuietView
    assert type(make_view("auto", False, None)) is QuietView
    monkeypatch.setenv("TERM", "dumb")
    assert type(make_view("auto", False, terminal)) is PlainView


def test_quiet_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with QuietView() as view:
        for event in (STARTED, PROGRESS, FINISHED, Failed("x", "", 5)):
            view(event)
    assert capfd.readouterr() == ("", "")


def test_rich_is_imported_for_the_live_view_only() -> None:
    script = (
        "import sys, exporter.cli.summary, exporter.cli.view as t\n"
        "t.make_view('json', False, sys.stderr); t.make_view('auto', False, sys.stderr)\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stderr=subprocess.DEVNULL)
