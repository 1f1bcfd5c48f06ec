"""P9 and P10, fault 24: output that nobody else can read or lead astray, and a terminal that obeys no server.

A folder that is itself a symlink is followed, if its owner or root has made it: the person has named it, and it is the
usual way to keep an export on another disk. Everything in it, which nobody has named, is opened through no symlink.
"""

from __future__ import annotations

import fcntl
import io
import json
import os
import sqlite3
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import exporter
from exporter import (
    ExportError,
    Failed,
    Finished,
    Held,
    LedgerError,
    Limits,
    Options,
    OutputError,
    Progress,
    Query,
    Retrying,
    Role,
    RoleProgress,
    Sideload,
    Started,
)
from exporter.cli import main
from exporter.cli.live import LiveView
from exporter.cli.summary import error_text, summary
from exporter.cli.terminal import PlainView, View
from exporter.sandbox.refusals import HOSTILE
from tests.front_server import Asked, Front, Reply
from tests.sandbox_process import SandboxProcess
from tests.zexport_process import FAST, expected_lines, role_files, sorted_lines

USERS = 300
SOME = Options(limits=Limits(users=100))
LONG = HOSTILE + "x" * 100_000
OBEYED = ("owned", "\x1b[31", "\x9b", "\u202e", "\u2066", "\r", "\x08")
"""What nobody writes to a terminal but the server."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess("--users", str(USERS), *FAST) as sandbox:
        yield sandbox.url


def unseen(text: str) -> set[str]:
    """Return what a terminal obeys or a person can't see of a text."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")}


@pytest.mark.anyio
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o022])
@pytest.mark.parametrize("name", ["new/er/out", "new/er/users.ndjson.gz"])
async def test_all_that_is_made_is_private_whatever_the_umask(umask: int, name: str, url: str, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        for options in (SOME, Options()):
            await exporter.export_users(url, tmp_path / name, Query(include=(Sideload.GROUPS,)), options=options)
            made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
            assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in made}
    finally:
        os.umask(before)
    assert len(made) > 8


@pytest.mark.anyio
async def test_files_that_became_open_to_others_are_closed_again(url: str, tmp_path: Path) -> None:
    await exporter.export_users(url, tmp_path, options=SOME)
    for path in tmp_path.glob("*.partial"):
        path.chmod(0o666)
    await exporter.export_users(url, tmp_path)
    assert {stat.S_IMODE(path.stat().st_mode) for path in role_files(tmp_path)} == {0o600}


def _link(path: Path, target: Path) -> None:
    """Put a symlink in the place of a path; what is there becomes its target."""
    if os.path.lexists(path):
        path.rename(target)
    path.symlink_to(target)


FRESH = {
    "end-user.ndjson.partial": LedgerError,
    "end-user.ndjson": LedgerError,
    "manifest.json": LedgerError,
    ".zexport": OutputError,
    ".zexport/lock": OutputError,
    ".zexport/ledger.db": LedgerError,
    ".zexport/ledger.db.new": None,  # what an earlier run left of a ledger is removed: the link itself
    ".zexport/ledger.db-wal": None,
}
RESUMED = {
    "end-user.ndjson.partial": OutputError,
    "end-user.ndjson": LedgerError,
    "manifest.json": None,  # the manifest is renamed to that name: it takes the link's place
    ".zexport": OutputError,
    ".zexport/lock": OutputError,
    ".zexport/ledger.db": LedgerError,
    ".zexport/ledger.db-wal": LedgerError,
    ".zexport/ledger.db-shm": LedgerError,
    ".zexport/ledger.db-mark": OutputError,
}


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "error"), FRESH.items())
async def test_a_symlink_that_waits_for_an_export_is_written_through_by_none(
    name: str, error: type[ExportError] | None, url: str, tmp_path: Path
) -> None:
    precious, out = tmp_path / "precious", tmp_path / "out"
    if name == ".zexport":
        precious.mkdir()
    else:
        precious.write_text("keep me")
    (out / name).parent.mkdir(parents=True)
    (out / name).symlink_to(precious)
    await _export(url, out, error)
    assert not list(precious.iterdir()) if precious.is_dir() else precious.read_text() == "keep me"


@pytest.mark.anyio
@pytest.mark.parametrize("name", [name for name in FRESH if name.count(".zexport") != 1 or "/" in name])
async def test_nothing_is_made_where_a_symlink_to_nothing_leads(name: str, url: str, tmp_path: Path) -> None:
    nothing, out = tmp_path / "nothing", tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).symlink_to(nothing)
    with suppress(OutputError, LedgerError):
        await exporter.export_users(url, out)
    assert not nothing.exists()


@pytest.mark.anyio
@pytest.mark.parametrize(("name", "error"), RESUMED.items())
async def test_a_symlink_that_has_taken_a_files_place_is_written_through_by_none(
    name: str, error: type[ExportError] | None, url: str, tmp_path: Path
) -> None:
    moved, out = tmp_path / "moved", tmp_path / "out"
    await exporter.export_users(url, out, options=SOME)
    if not (out / name).exists():
        moved.write_text("keep me")
    _link(out / name, moved)
    before = moved.read_bytes() if moved.is_file() else sorted(moved.iterdir())
    await _export(url, out, error)
    assert before == (moved.read_bytes() if moved.is_file() else sorted(moved.iterdir()))


async def _export(url: str, out: Path, error: type[ExportError] | None) -> None:
    if error is None:
        assert (await exporter.export_users(url, out)).complete
        return
    with pytest.raises(error) as caught:
        await exporter.export_users(url, out)
    assert "symlink" in str(caught.value) or "is there" in str(caught.value)


@pytest.mark.anyio
async def test_a_folder_that_is_a_symlink_of_ours_is_followed(url: str, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    assert (await exporter.export_users(url, tmp_path / "out")).complete
    assert sorted_lines(*role_files(tmp_path / "disk")) == expected_lines(USERS)


@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a symlink of another user's")
async def test_a_folder_that_is_a_symlink_of_another_user_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    os.lchown(tmp_path / "out", 12345, -1)
    with pytest.raises(OutputError, match="symlink that another user has made"):
        await exporter.export_users(url, tmp_path / "out")
    assert not list((tmp_path / "disk").iterdir())


@pytest.mark.anyio
async def test_a_folder_that_is_a_symlink_to_nothing_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nothing")
    with pytest.raises(OutputError):
        await exporter.export_users(url, tmp_path / "out")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("path", ["../precious.ndjson", "/dev/zero", "sub/users.ndjson"])
def test_verify_reads_nothing_outside_of_the_folder(path: str, tmp_path: Path) -> None:
    entry = {"path": path, "kind": "users", "records": 1, "bytes": 1, "sha256": None}
    manifest = {"complete": True, "users": 0, "files": [entry], "warnings": []}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert "is not in this folder" in exporter.verify(tmp_path).problems[0]


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

    flags = ["-o", str(tmp_path / "out"), "-v", "--patience", "1"] if command == "run" else []
    with Front(answer=answer) as front:
        assert main([command, front.url, *flags]) in (2, 3, 4, 5, 7)
    shown = "".join(capsys.readouterr())
    assert "zexport: " in shown
    assert not unseen(shown)
    assert max(map(len, shown.split("\n"))) < 600


def test_status_and_verify_show_nothing_that_a_terminal_obeys(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", url, "-o", str(tmp_path), "--max-users", "100", "-q"]) == 8
    with sqlite3.connect(tmp_path / ".zexport" / "ledger.db") as database:
        database.execute("UPDATE run SET ended=?, started_at=?", (LONG, LONG))
        database.execute("UPDATE about SET value=? WHERE name='account'", (LONG,))
        database.executemany("INSERT INTO warning VALUES (?, 1, '[]')", [(f"{number}{LONG}",) for number in range(200)])
    assert main(["status", str(tmp_path)]) == 0
    stopped = "".join(capsys.readouterr())
    with (tmp_path / ".zexport" / "lock").open("w+") as lock:
        lock.write(HOSTILE)
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["status", str(tmp_path)]) == 0
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
            view(Progress(seconds, 1, 1, 2, 1.0, 1, 1, 1.0, 1.0, 1, LONG, waiting, LONG, None, (role,)))
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
    from exporter.cli.terminal import JsonView

    stream = io.StringIO()
    JsonView(stream)(Failed(HOSTILE, HOSTILE, 1))
    assert not unseen(stream.getvalue())
    assert stream.getvalue().isascii()
    assert json.loads(stream.getvalue())["error"] == HOSTILE
