"""P10, fault 24: a terminal obeys no server, no user's name and no foreign file, and is not flooded by them."""

from __future__ import annotations

import fcntl
import io
import json
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from exporter import ExportError, Failed, Finished, Held, LedgerError, Progress, Retrying, Role, RoleProgress, Started
from exporter.cli import main
from exporter.cli.live import LiveView
from exporter.cli.summary import error_text, summary
from exporter.cli.terminal import JsonView, PlainView, View
from exporter.sandbox.faults.refusals import HOSTILE
from tests.support.front_server import Asked, Front, Reply
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import AT_ONCE, FAST

LONG = HOSTILE + "x" * 100_000
OBEYED = ("owned", "\x1b[31", "\x9b", "\u202e", "\u2066", "\r", "\x08")
"""What nobody writes to a terminal but the server."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        yield sandbox.url


def unseen(text: str) -> set[str]:
    """Return what a terminal obeys or a person can't see of a text."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}


@pytest.mark.parametrize(
    ("command", "status"),
    [("run", 200), ("run", 400), ("run", 401), ("run", 404), ("run", 503), ("estimate", 400), ("estimate", 401)],
)
def test_a_server_can_tell_the_terminal_nothing(
    command: str, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failure = {"error": {"title": LONG, "message": LONG}}
    circle = {"meta": {"has_more": True, "after_cursor": LONG[:999]}, "links": {}}  # whose error names the cursor

    def answer(asked: Asked) -> Reply:
        page = {"users": [{"id": asked.number, "role": "agent"}]} | circle
        return Reply(status, json.dumps(page if status == 200 else failure).encode())

    flags = ["-o", str(tmp_path / "out"), "-v", "--patience", "0.5", *AT_ONCE] if command == "run" else []
    with Front(answer=answer) as front:
        assert main([command, front.url, *flags]) in (2, 3, 4, 5, 7)
    shown = "".join(capsys.readouterr())
    assert "zexport: " in shown
    assert not unseen(shown)
    assert max(map(len, shown.split("\n"))) < 600


def test_status_and_verify_show_nothing_that_a_terminal_obeys(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", url, "-o", str(tmp_path), "--max-users", "100", "-q", *AT_ONCE]) == 8
    with closing(sqlite3.connect(tmp_path / ".zexport" / "ledger.db", isolation_level=None)) as database:
        database.execute("UPDATE run SET ended=?, started_at=?", (LONG, LONG))
        database.execute("UPDATE about SET value=? WHERE name='account'", (LONG,))
        database.executemany("INSERT INTO warning VALUES (?, 1, '[]')", [(f"{number}{LONG}",) for number in range(200)])
    assert main(["status", str(tmp_path)]) == 8
    stopped = "".join(capsys.readouterr())
    with (tmp_path / ".zexport" / "lock").open("w+") as lock:
        lock.write(HOSTILE)
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["status", str(tmp_path)]) == 12
        assert main(["run", url, "-o", str(tmp_path)]) == 11
    entry = {"path": HOSTILE, "kind": "users", "records": 1, "bytes": 1, "sha256": LONG}
    manifest = {"complete": False, "users": 0, "files": [entry], "warnings": [LONG]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert main(["verify", str(tmp_path)]) == 3
    shown = stopped + "".join(capsys.readouterr())
    assert not unseen(shown)
    assert max(map(len, shown.split("\n"))) < 600
    assert len(shown.split("\n")) < 100


@pytest.mark.parametrize("view_class", [PlainView, LiveView])
def test_no_view_passes_on_what_a_terminal_obeys(view_class: type[View], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    role = RoleProgress(Role.AGENT, 1, 2, 1, finished=False)
    stream = io.StringIO()
    with view_class(stream) as view:  # type: ignore[call-arg]
        view(Started(LONG, LONG, 1, 0))
        for seconds in range(9):
            for attempt in range(3, 6):
                view(Retrying(Role.AGENT, LONG, 1.0, attempt))
            view(Held(9.0, LONG))
            waiting = 3.0 if seconds % 2 else 0.0
            view(Progress(seconds, 1, 1, 2, 1.0, 1, 1, 1.0, 1.0, True, 1, LONG, waiting, LONG, None, (role,)))
    shown = stream.getvalue()
    assert "gnp.exe" in shown
    assert not [each for each in OBEYED[:-2] if each in shown]
    assert len(shown) < 50_000


def test_neither_summary_nor_error_passes_on_what_a_terminal_obeys() -> None:
    finished = Finished(
        complete=False, missing=LONG, stopped=LONG, users=1, written=1, added=0, renewed=0, bytes=1, seconds=1.0,
        requests=1, retries=0, resumes=0, roles=(), files=(HOSTILE, f"{HOSTILE}/{HOSTILE}"), warnings=(LONG,) * 50,
    )  # fmt: skip
    shown = [summary(finished, account=LONG, destination=HOSTILE, command=LONG)]
    shown += [error_text(kind(LONG), finished_users=1, command=LONG) for kind in (ExportError, LedgerError, ValueError)]
    failures = ExceptionGroup(LONG, [ExportError(f"{number} {LONG}", hint=LONG) for number in range(500)])
    shown.append(error_text(failures, finished_users=1, command=LONG))
    assert not unseen("".join(shown))
    assert max(map(len, shown)) < 10_000


def test_progress_as_json_is_ascii_whatever_the_words() -> None:
    stream = io.StringIO()
    JsonView(stream)(Failed(HOSTILE, HOSTILE, 1))
    assert not unseen(stream.getvalue())
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue())["error"] == HOSTILE
