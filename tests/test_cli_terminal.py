"""What a person sees: cleaned texts, the live table, plain lines, JSON, the summary, and errors with their codes."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from fcntl import ioctl

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from exporter.cli.clean import clean
from exporter.cli.figures import duration, fraction, percent, size
from exporter.cli.live import LiveView, draw
from exporter.cli.summary import error_text, exit_code, flatten, summary
from exporter.cli.terminal import JsonView, PlainView, QuietView, View, make_view
from exporter.errors import AuthError, ClosedPipeError, ContractError, ExportError, LockedError, NetworkError
from exporter.events import Event, Failed, Finished, Held, Progress, Retrying, RoleProgress, Started
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


# --- clean


@given(st.text(alphabet=st.characters()) | st.text(alphabet="\x1b[]\x9b\x9d\x9c\x07\\;0m\u202e\u200d\r\n\ud800a"))
@example("\x1b\x1b[31m[31m")
@example("\x1b]0;never terminated")
def test_nothing_unseen_survives_cleaning(text: str) -> None:
    cleaned = clean(text, limit=20)
    assert not {unicodedata.category(c) for c in cleaned} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert len(cleaned) <= 20
    assert clean(cleaned, limit=20) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("José 李 Ωmega 👍 – it's [bold]fine[/bold]", "José 李 Ωmega 👍 – it's [bold]fine[/bold]"),
        ("a\r\nb\nc\td\u2028e", "a b c d e"),
        ("\x1b[1;31mred\x1b[0m \x9b2Jc1", "red c1"),
        ("\x1b]0;title\x07x \x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\ \x9d52;c;aGk=\x9cy", "x link y"),
        ("\x1b]0;never terminated", "0;never terminated"),
        ("gpj\u202eexe.\u200b\u2066x\u2069\ufeff\xad\u3164", "gpjexe.x"),
        ("a\x00\x07\x08\x7fb", "ab"),
        ("\udc80 \ue000", "\ufffd \ufffd"),
        ("x" * 201, "x" * 199 + "…"),
        ("x" * 200, "x" * 200),
    ],
)
def test_clean(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned


@pytest.mark.parametrize("hostile", ["\x1b]", "\x9d", "\x1b[", "\x1b", "\x1b[0;"])
def test_cleaning_takes_linear_time(hostile: str) -> None:
    began = time.process_time()
    clean(hostile * 100_000)
    assert time.process_time() - began < 1.0


# --- figures


def test_figures() -> None:
    times = (0.2, 45, 200, 3599.6, 3900, 86_399, 180_000)
    assert [duration(s) for s in times] == ["<1s", "45s", "3m 20s", "1h 00m", "1h 05m", "23h 59m", "2d 02h"]
    sizes = (0, 1, 999, 1000, 999_949, 999_950, 24_912_000, 3 * 10**9, 2 * 10**15)
    texts = ["0 bytes", "1 byte", "999 bytes", "1.0 kB", "999.9 kB", "1.0 MB", "24.9 MB", "3.0 GB", "2,000.0 TB"]
    assert [size(count) for count in sizes] == texts


def test_a_hundred_percent_is_said_only_of_what_is_finished() -> None:
    assert percent(fraction(999, 1000, finished=False)) == "99 %"
    assert percent(fraction(1000, 1000, finished=False)) == "99 %"
    assert percent(fraction(900, 1000, finished=True)) == "100 %"


def test_an_estimate_that_proved_too_low_tells_nothing() -> None:
    assert fraction(1001, 1000, finished=False) is None
    assert fraction(1001, None, finished=False) is None
    assert fraction(0, 0, finished=False) is None


# --- the live view


def test_live_shows_a_line_a_role_a_total_and_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
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


def test_live_leaves_the_final_state_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert screen(shown(LiveView, STARTED, PROGRESS, PROGRESS, FINISHED)) == [
        "acme.zendesk.com → acme-users",
        "",
        "  end-user  ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  12,300   done",
        "  agent     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %     812   done",
        "  admin     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %      12   done",
        "  total     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  30,824   in 2m 10s",
        "",
        "",
    ]


@pytest.mark.parametrize("width", [20, 40, 60, 66, 80, 120, 300])
@pytest.mark.parametrize("expected", [None, 5_000_000])
def test_no_line_is_wider_than_the_terminal(width: int, expected: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    roles = tuple(replace(role, expected=expected) for role in ROLES)
    events = replace(PROGRESS, roles=roles, expected=expected, waiting=9.0, why="李" * 300)
    assert max(map(cell_len, screen(shown(LiveView, STARTED, events)))) <= width
    for note in ("", "HTTP 502 for end-user: try 3 in 2s"):
        table = draw("x", events, width, note=note).plain.split("\n")[2:6]
        if width >= 60:
            assert max(map(len, map(str.rstrip, table))) <= width
            assert len({line.index(" users") if " users" in line else 0 for line in table}) == 1


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
    monkeypatch.setenv("TERM", "xterm-256color")
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
        "from tests.test_cli_terminal import STARTED, PROGRESS, FINISHED, make_view\n"
        "from exporter.cli.summary import summary\n"
        "with make_view('auto', False, sys.stderr) as view:\n"
        "    print('data', flush=True)\n"
        "    for event in (STARTED, PROGRESS, PROGRESS, FINISHED): view(event)\n"
        "print(summary(FINISHED, account='acme', destination='acme-users', command=None), file=sys.stderr)\n"
    )
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 70, 0, 0))
    settings = termios.tcgetattr(theirs)
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        env=environment | {"TERM": "xterm-256color", "PYTHONPATH": "."},
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
    assert lines[5] == "  total     ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━  100 %  30,824   in 2m 10s"
    assert lines[6:8] == ["", "complete: 30,824 users of acme"]
    assert sum("total" in line for line in lines) == 1


# --- plain lines


def test_plain_writes_a_line_soon_and_then_every_five_seconds() -> None:
    ticks = [replace(PROGRESS, seconds=tick / 5) for tick in range(62)]
    lines = shown(PlainView, replace(STARTED, resumed=2_300), *ticks, FINISHED).splitlines()
    assert lines[0] == "acme.zendesk.com → acme-users · 2,300 users already there"
    line = "13,124 users (42 %) · 1,240 users/s · 662 of 665 requests/min · 3 retries · ETA 2m 10s"
    assert lines[1:] == [line] * 4  # at 1, 5, 10 and 12 is not yet 15
    lines = shown(PlainView, *ticks[:6]).splitlines()
    assert lines == [line]


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
    assert lines[-1] == "HTTP 503  for end-user: try 10 in 2s (500 retries meanwhile)"


def test_an_everyday_retry_is_no_line_of_its_own() -> None:
    assert "HTTP" not in shown(PlainView, PROGRESS, Retrying(Role.AGENT, "HTTP 502", 0.3, 1), PROGRESS)


def test_a_hold_that_many_ranges_meet_is_told_once() -> None:
    output = shown(PlainView, *[Held(60.4, "rate limit")] * 9)
    assert output == "waiting 1m 00s: rate limit\n"


# --- JSON


def test_json_is_one_object_a_line_with_the_event_first() -> None:
    events = [
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
    assert all(after - before >= 1.0 for before, after in zip(seconds, seconds[1:], strict=False))


@given(st.text(alphabet=st.characters()))
def test_json_is_printable_and_loses_nothing(text: str) -> None:
    line = shown(JsonView, Held(1.0, text)).removesuffix("\n")
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["why"] == text


# --- which view


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
        "import sys, exporter.cli.summary, exporter.cli.terminal as t\n"
        "t.make_view('json', False, sys.stderr); t.make_view('auto', False, sys.stderr)\n"
        "assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, stderr=subprocess.DEVNULL)


# --- the summary


def test_summary_of_a_complete_export() -> None:
    assert summary(FINISHED, account="acme", destination="acme-users", command="zexport run acme").split("\n") == [
        "complete: 30,824 users of acme",
        "",
        "  users     12,300 end-user, 812 agent, 12 admin",
        "  time      2m 10s, 237 users/s",
        "  requests  312, 3 retries, 0 resumes",
        "  files     24.9 MB in acme-users/",
        "            end-user.ndjson, agent.ndjson, admin.ndjson",
        "  next      zexport verify acme-users",
        "            jq -r .email acme-users/end-user.ndjson | head -3",
    ]


def test_summary_of_an_export_that_was_complete() -> None:
    already = replace(FINISHED, seconds=0.0, written=0)
    text = summary(already, account="acme", destination="acme-users/", command="zexport run acme")
    assert text.startswith("already complete: 30,824 users of acme, nothing to do\n")
    assert "  time" not in text
    assert "  files     24.9 MB in acme-users/\n" in text
    assert "zexport run" not in text


def test_summary_of_a_stopped_export_has_the_command_to_go_on() -> None:
    stopped = replace(FINISHED, complete=False, stopped="--max-users", written=824, resumes=1)
    text = summary(stopped, account="acme", destination="acme-users", command="zexport run acme -o 'my users'")
    assert text.startswith("stopped by --max-users: 30,824 users of acme so far\n")
    assert "  time      2m 10s in this run: 824 users, 6/s\n" in text
    assert "end-user.ndjson.partial, agent.ndjson.partial" in text
    assert text.endswith("  next      zexport run acme -o 'my users'")
    assert "verify" not in text


def test_summary_of_an_export_with_something_missing() -> None:
    missing = replace(
        FINISHED, complete=False, missing="users beyond the reach of offset pagination", warnings=("w\x1b[0m",) * 5
    )
    text = summary(missing, account="acme", destination="acme-users", command="zexport run acme")
    assert text.startswith("finished, but something is missing: 30,824 users of acme\n")
    assert "  missing   users beyond the reach of offset pagination\n" in text
    assert text.count("  warning   w\n") == 3
    assert "            and 2 more: the manifest has all of them\n" in text


def test_summary_names_a_file_as_it_was_written() -> None:
    name = "/tmp/all users.ndjson.gz"
    gzipped = replace(FINISHED, files=(name, "/tmp/all users.organizations.ndjson.gz"))
    lines = summary(gzipped, account="acme", destination="../tmp/all users.ndjson.gz", command=None).split("\n")
    assert lines[5:] == [
        "  files     24.9 MB in ../tmp/all users.ndjson.gz",
        "            all users.organizations.ndjson.gz",
        "  next      zexport verify '../tmp/all users.ndjson.gz'",
        "            gzip -dc '../tmp/all users.ndjson.gz' | jq -r .email | head -3",
    ]


def test_summary_of_stdout_names_no_files() -> None:
    piped = replace(FINISHED, files=())
    text = summary(piped, account="acme", destination="-", command=None)
    assert text.endswith("  files     24.9 MB to stdout")


def test_summary_lists_a_few_of_many_files() -> None:
    many = replace(FINISHED, files=tuple(f"/u/{n}.ndjson" for n in range(8)))
    text = summary(many, account="acme", destination="/u", command=None)
    assert "0.ndjson, 1.ndjson, 2.ndjson, and 5 more\n" in text
    assert len(text.split("\n")) <= 12


# --- errors


def test_an_outage_in_every_range_is_one_error() -> None:
    why = "gave up on /api/v2/users for {} after {} tries: HTTP 503"
    outage = ExceptionGroup(
        "ranges",
        [
            NetworkError(why.format("end-user", 7)),
            ExceptionGroup("deeper", [NetworkError(why.format("end-user", 7)), NetworkError(why.format("agent", 6))]),
        ],
    )
    assert exit_code(outage) == 5
    assert error_text(outage, finished_users=41_200, command="zexport run acme").split("\n") == [
        "zexport: gave up on /api/v2/users for end-user after 7 tries: HTTP 503 (and 1 more like it)",
        "  What is written is safe. Run the same command again: it goes on from here.",
        "  written   41,200 users",
        "  next      zexport run acme",
    ]


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([NetworkError("n"), AuthError("a")], 4),
        ([AuthError("a"), ContractError("c"), NetworkError("n")], 7),
        ([ClosedPipeError("p"), NetworkError("n")], 5),
        ([NetworkError("n"), ValueError("v")], 1),
        ([ClosedPipeError("p")], 141),
    ],
)
def test_the_error_that_asks_most_comes_first(errors: list[Exception], code: int) -> None:
    group = ExceptionGroup("", errors)
    assert exit_code(group) == code
    first = flatten(group)[0]
    assert getattr(first, "exit_code", 1) == code
    lines = error_text(group, finished_users=None, command=None).split("\n")
    assert str(first) in lines[0]
    assert sum(line.startswith("  also: ") for line in lines) == len(errors) - 1


@pytest.mark.parametrize("error", [error for error in ExportError.__subclasses__() if error is not ContractError])
def test_the_command_is_shown_where_running_again_makes_sense(error: type[ExportError]) -> None:
    text = error_text(error("what"), finished_users=None, command="zexport run acme")
    assert text.endswith("  next      zexport run acme") == (error.exit_code in (4, 5, 6, 11, 141))
    assert not error.hint or error.hint in text


def test_a_bug_is_called_one() -> None:
    text = error_text(KeyError("x"), finished_users=3, command="zexport run acme")
    assert text.startswith("zexport: a bug: KeyError: 'x'\n")
    assert "zexport run" not in text
    assert error_text(RuntimeError(), finished_users=None, command=None).startswith("zexport: a bug: RuntimeError\n")


def test_a_code_of_no_rank_is_an_error_like_any_other() -> None:
    class NewError(ExportError):
        exit_code = 99

    assert exit_code(ExceptionGroup("", [NetworkError("n"), NewError("x")])) == 99


def test_errors_are_cleaned() -> None:
    text = error_text(LockedError("by \x1b]0;evil\x07me\nagain"), finished_users=None, command="zexport\x1b[2J run")
    assert text.startswith("zexport: by me again\n")
    assert text.endswith("zexport run")
