"""What others may have put where an export goes or is looked at: their folders, pipes, circles of symlinks."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from exporter.disk.files import check_owner, open_file
from exporter.errors import OutputError
from tests.support.command_line import command, run
from tests.support.sandbox_farm import SandboxFarm
from tests.support.zexport_process import expected_lines, lines

USERS = 300
NOBODY = 65534
FLAGS = ("--role", "end-user")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def sandbox(farm: SandboxFarm) -> str:
    return farm.open("--users", str(USERS)).url


def stopped(sandbox: str, out: Path) -> Path:
    """Stop an export in the middle; return its ledger's folder."""
    assert run(sandbox, out, *FLAGS, "--max-users", "150").code == 8
    return out.with_name(f"{out.name}.zexport")


@AS_ROOT
@pytest.mark.parametrize("name", ["", "lock", "ledger.db"])
def test_a_ledger_that_another_user_has_made_or_can_change_is_not_built_upon(
    sandbox: str, name: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.ndjson"
    theirs = stopped(sandbox, out) / name
    os.chown(theirs, NOBODY, -1)
    done = run(sandbox, out, *FLAGS)
    assert done.code == 6
    assert f"{theirs} belongs to another user (uid {NOBODY})" in done.said.replace("\n", " ")
    os.chown(theirs, 0, -1)
    assert run(sandbox, out, *FLAGS).code == 0
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")


@AS_ROOT
def test_a_ledger_for_stdout_has_to_be_ours_too(sandbox: str, tmp_path: Path) -> None:
    ledger = tmp_path / "l.db"
    ledger.touch()
    os.chown(ledger, NOBODY, -1)
    assert run(sandbox, Path("-"), "--ledger", ledger).code == 6


@AS_ROOT
def test_where_a_share_gives_all_files_to_one_owner_they_are_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(tmp_path, NOBODY, -1)
    with pytest.raises(OutputError, match="belongs to another user"):
        check_owner(tmp_path)
    make = tempfile.TemporaryFile

    def given(**how: Any) -> IO[bytes]:
        file: IO[bytes] = make(**how)
        os.fchown(file.fileno(), NOBODY, -1)
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", given)
    check_owner(tmp_path)
    os.chown(tmp_path, NOBODY - 1, -1)
    with pytest.raises(OutputError, match="belongs to another user"):
        check_owner(tmp_path)


PIPES: dict[str, tuple[Callable[[Path], Path], dict[str, int]]] = {
    "the output": (lambda out: out, {"run": 2, "status": 2, "verify": 2}),
    "the ledger": (lambda out: out.with_name(f"{out.name}.zexport") / "ledger.db", {"run": 10, "status": 10}),
    "its log": (lambda out: out.with_name(f"{out.name}.zexport") / "ledger.db-wal", {"run": 10, "status": 10}),
    "the lock": (lambda out: out.with_name(f"{out.name}.zexport") / "lock", {"run": 6, "status": 8}),
    "the manifest": (lambda out: out.with_name(f"{out.name}.zexport") / "manifest.json", {"verify": 3}),
}


@pytest.mark.parametrize(("where", "codes"), PIPES.values(), ids=PIPES)
@pytest.mark.timeout(30)
def test_nothing_waits_for_a_pipe_in_the_place_of_a_file(
    sandbox: str, where: Callable[[Path], Path], codes: dict[str, int], tmp_path: Path
) -> None:
    out = tmp_path / "out.ndjson"
    stopped(sandbox, out)
    path = where(out)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    ends = {
        "run": lambda: run(sandbox, out, *FLAGS),
        "status": lambda: command("status", out),
        "verify": lambda: command("verify", out),
    }
    for name, code in codes.items():
        done = ends[name]()
        assert (name, done.code) == (name, code), done.said
        assert "bug" not in done.said
    assert stat.S_ISFIFO(path.lstat().st_mode)


@pytest.mark.timeout(30)
def test_nor_does_verify_for_one_in_the_place_of_a_finished_file(sandbox: str, tmp_path: Path) -> None:
    assert run(sandbox, tmp_path, *FLAGS).code == 0
    path = tmp_path / "end-user.ndjson"
    path.unlink()
    os.mkfifo(path)
    done = command("verify", tmp_path)
    assert done.code == 3
    assert "it is no plain file" in done.said


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "/dev/tty"])
def test_a_device_is_no_output_and_the_words_name_the_way(sandbox: str, name: str) -> None:
    done = run(sandbox, Path(name), *FLAGS)
    assert done.code == 2
    assert "a pipe or a device" in done.said
    assert "-o -" in done.said


@pytest.mark.parametrize("below", ["", "deeper"])
def test_a_circle_of_symlinks_is_no_folder(sandbox: str, below: str, tmp_path: Path) -> None:
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    done = run(sandbox, circle / below, *FLAGS)
    assert done.code == 6
    assert f"{circle} is there, and no folder" in done.said.replace("\n", " ")
    done = run(sandbox, Path("-"), "--ledger", circle / "l.db")
    assert done.code == 6
    assert "lead in a circle" in done.said.replace("\n", " ")


def test_a_file_in_the_way_of_a_folder_is_named(sandbox: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run(sandbox, tmp_path / "file" / "out", *FLAGS)
    assert done.code == 6
    assert f"{tmp_path / 'file'} is there, and no folder" in done.said.replace("\n", " ")


def test_a_plain_file_is_opened_and_closed_as_ever(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with open_file(path) as file:
        assert file.readall() == b"abc"
    with pytest.raises(OSError, match="no plain file"):
        open_file(tmp_path)
