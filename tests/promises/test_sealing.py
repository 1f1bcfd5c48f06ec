"""P1 and P3: a finished export has one line for each user, the newest, in the file of his role; and after any kill."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.destination import parse_destination
from exporter.engine import finishing
from exporter.ledger import Ledger
from exporter.model import Query
from exporter.output import Sealing, open_plain, sealing
from tests.support.changing_account import Found, compare
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, zexport

CHANGES = 200
CHURN = ("--users", "1500", "--churn", f"8:{CHANGES}", *FAST)
"""200 changes over the 30 or so requests in which the streams are walked: then the account rests."""


OUTPUTS = ["out", "users.ndjson", "users.ndjson.gz", "users.ndjson.zst"]
AT_ONCE = ("--rate", "100000", "--progress", "off")


def files_of(out: Path) -> list[Path]:
    return sorted(out.glob("*.ndjson")) if out.is_dir() else [out]


def lines_of(out: Path) -> list[bytes]:
    found: list[bytes] = []
    for path in files_of(out):
        with open_plain(path) as file:
            found += file.readlines()
    return found


def check_one_line_each(out: Path, sandbox: SandboxProcess) -> None:
    """Check that everybody is there once, as he is now, in the file of his role, and that verify says so."""
    lines = lines_of(out)
    assert compare(sandbox, lines) == Found([], [], CHANGES)
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == len(set(ids))
    for path in files_of(out):
        if out.is_dir():
            assert {json.loads(line)["role"] for line in path.read_bytes().splitlines()} == {path.stem}
    assert not list(out.parent.rglob("*.sealing"))
    verified = zexport("verify", out)
    assert verified.returncode == 0, verified.stderr
    assert "no id twice" in verified.stdout


@pytest.mark.parametrize("out", OUTPUTS)
def test_a_finished_export_of_a_living_account_has_one_line_for_each_user(out: str, tmp_path: Path) -> None:
    with SandboxProcess(*CHURN) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / out, *AT_ONCE).returncode == 0
        check_one_line_each(tmp_path / out, sandbox)
        again = zexport("run", sandbox.url, "-o", tmp_path / out)
    assert again.returncode == 0
    assert "already complete" in again.stderr


def test_keep_older_leaves_what_was_written_and_says_so(tmp_path: Path) -> None:
    with SandboxProcess(*CHURN) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--keep-older", *AT_ONCE)
        assert done.returncode == 0
        lines = lines_of(tmp_path)
        assert compare(sandbox, lines) == Found([], [], CHANGES)
    older = len(lines) - len({json.loads(line)["id"] for line in lines})
    assert older > 20
    assert json.loads((tmp_path / "manifest.json").read_bytes())["superseded"] == older
    assert f"{older} lines with a newer one" in zexport("verify", tmp_path).stdout
    assert f"older     {older} lines that a newer one follows" in done.stderr


def test_frames_that_lose_nothing_are_copied_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.output.files.FRAME_SIZE", 1 << 16)
    with SandboxProcess("--users", "1500", "--churn", "1:12", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "a.ndjson.gz", "--keep-older", *AT_ONCE).returncode == 0
        before = (tmp_path / "a.ndjson.gz").read_bytes()
        sealed = Sealing(parse_destination(str(tmp_path / "a.ndjson.gz")), Query()).rewrite({}, stop=lambda: False)
    assert sealed is not None
    after = (tmp_path / ".a.ndjson.gz.sealing").read_bytes()
    frames = [b"\x1f\x8b" + frame for frame in before.split(b"\x1f\x8b\x08\x00\x00\x00\x00\x00")[1:]]
    assert len(frames) > 10
    assert 0 < sum(frame[2:] not in after for frame in frames) < len(frames) / 2


# Killed anywhere


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process that is forked from here kill itself before or behind one of the things that sealing does."""
    parent, passed = os.getpid(), 0

    def point() -> None:
        nonlocal passed
        passed += os.getpid() != parent
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(whose: Any, name: str, wanted: Callable[..., bool] = lambda *_: True) -> None:
        real = getattr(whose, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not wanted(*args):
                return real(*args, **kwargs)
            point()
            result = real(*args, **kwargs)
            point()
            return result

        monkeypatch.setattr(whose, name, wrapped)

    around(Sealing, "rewrite")
    around(Sealing, "_write")
    around(Path, "replace", lambda path, _: path.suffix == ".sealing")
    around(sealing, "sync_folder")
    around(Ledger, "note", lambda _, name, __: name == "sealing")
    around(Ledger, "resize")
    around(finishing, "write_manifest")


POINTS = 30
"""More than there are with three files; past the last one the run ends in order."""


@pytest.fixture(scope="module", params=["out", "users.ndjson.gz"])
def unsealed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SandboxProcess, Path]]:
    """Give an account that rests, and an export of it that was killed when all was written, and nothing sealed."""
    out = tmp_path_factory.mktemp("unsealed") / request.param
    with SandboxProcess(*CHURN) as sandbox:
        with pytest.MonkeyPatch.context() as monkeypatch:
            killed_at(1, monkeypatch)
            assert zexport("run", sandbox.url, "-o", out, *AT_ONCE).returncode == -signal.SIGKILL
        yield sandbox, out


def copied(out: Path, to: Path) -> Path:
    shutil.copytree(out.parent, to / "copy")
    return to / "copy" / out.name


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_a_run_that_is_killed_anywhere_in_sealing_is_gone_on_with_to_one_line_each(
    every: int, unsealed: tuple[SandboxProcess, Path], tmp_path: Path
) -> None:
    sandbox, out = unsealed
    killed = 0
    for step in range(1, POINTS, every):
        copy = copied(out, tmp_path / str(step))
        with pytest.MonkeyPatch.context() as monkeypatch:
            killed_at(step, monkeypatch)
            code = zexport("run", sandbox.url, "-o", copy, *AT_ONCE).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        assert zexport("run", sandbox.url, "-o", copy, *AT_ONCE).returncode == 0
        check_one_line_each(copy, sandbox)
    else:
        pytest.fail("there are more points to be killed at than were tried")
    assert killed >= 12 / every


def test_without_room_the_older_lines_stay_and_the_manifest_warns(
    unsealed: tuple[SandboxProcess, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, out = unsealed
    real, (_, most) = Sealing._write, resource.getrlimit(resource.RLIMIT_FSIZE)

    def with_little_room(self: Sealing, name: str, older: Any) -> Any:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGXFSZ})  # a Python that was not forked ignores it
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, most))
        try:
            return real(self, name, older)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    copy = copied(out, tmp_path)
    monkeypatch.setattr(Sealing, "_write", with_little_room)
    done = zexport("run", sandbox.url, "-o", copy, *AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert "no room to write" in done.stderr
    assert compare(sandbox, lines_of(copy)) == Found([], [], CHANGES)
    assert zexport("verify", copy).returncode == 0
    assert not list(tmp_path.rglob("*.sealing"))


def test_a_stop_while_it_is_sealed_leaves_it_to_the_next_run(
    unsealed: tuple[SandboxProcess, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, out = unsealed
    copy, real = copied(out, tmp_path), Sealing.rewrite

    def stopped(self: Sealing, newest: Any, *, stop: Callable[[], bool]) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        while not stop():
            pass
        return real(self, newest, stop=stop)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Sealing, "rewrite", stopped)
        assert zexport("run", sandbox.url, "-o", copy, *AT_ONCE).returncode == 130
    assert zexport("run", sandbox.url, "-o", copy, *AT_ONCE).returncode == 0
    check_one_line_each(copy, sandbox)
