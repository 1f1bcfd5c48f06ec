"""P3: `--restart` of a finished export: the old one stays, whole, until the new one is complete, whatever is killed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from exporter.engine import replacing
from tests.support.command_line import command, run
from tests.support.sandbox_farm import Sandbox, SandboxFarm
from tests.support.zexport_process import expected_lines, lines, role_files, sorted_lines, zexport

OLD, NEW = 300, 400
AT_ONCE = ("--rate", "100000", "--progress", "off")
OUTPUTS = ["out", "users.ndjson"]


def exported(farm: SandboxFarm, out: Path) -> Sandbox:
    """Export an account, which has a hundred users more from then on."""
    sandbox = farm.open("--users", str(OLD))
    assert run(sandbox, out).code == 0
    sandbox.reopen("--users", str(NEW))
    return sandbox


def check_is(users: int, out: Path) -> None:
    """Check that an export is that of so many users, and whole."""
    files = role_files(out) if out.is_dir() else [out]
    assert sorted(lines(*files)) == sorted(expected_lines(users))
    verified = zexport("verify", out)
    assert verified.returncode == 0, verified.stderr
    assert f"verified: {users} users" in verified.stdout


def check_nothing_is_left_beside(out: Path) -> None:
    assert not [path for path in out.parent.rglob("*") if "next" in path.name or "swap" in path.name]


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_finished_export_is_replaced_when_the_new_one_is_complete(
    name: str, farm: SandboxFarm, tmp_path: Path
) -> None:
    out = tmp_path / name
    sandbox = exported(farm, out)
    done = run(sandbox, out, "--restart", "--max-users", "150")
    assert done.code == 8
    assert "--restart" in done.said  # what goes on with it
    check_is(OLD, out)
    assert run(sandbox, out, "--restart").code == 0
    check_is(NEW, out)
    check_nothing_is_left_beside(out)
    assert "already complete: 400 users" in run(sandbox, out).said


@pytest.mark.parametrize("fault", ["401@from:4", "html@from:4"])
def test_a_restart_that_fails_half_way_costs_the_old_export_nothing(
    fault: str, farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = exported(farm, tmp_path)
    sandbox.reopen("--users", str(NEW), "--fault", fault)
    assert run(sandbox, tmp_path, "--restart").code in (4, 7)
    check_is(OLD, tmp_path)
    sandbox.reopen("--users", str(NEW))
    assert run(sandbox, tmp_path, "--restart").code == 0
    check_is(NEW, tmp_path)


def test_another_query_takes_its_place_whole_and_what_was_begun_of_a_third_is_forgotten(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = exported(farm, tmp_path)
    assert run(sandbox, tmp_path, "--restart", "--include", "groups", "--max-users", "150").code == 8
    assert run(sandbox, tmp_path, "--restart", "--role", "agent", "--compress", "gzip").code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [".zexport", "agent.ndjson.gz", "manifest.json"]
    assert command("verify", tmp_path).code == 0


def test_what_is_not_of_the_old_export_is_never_replaced(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(OLD))
    assert run(sandbox, tmp_path, "--role", "end-user").code == 0
    (tmp_path / "agent.ndjson").write_text("mine\n")
    done = run(sandbox, tmp_path, "--restart")
    assert done.code == 10
    assert "agent.ndjson is there, and no file of the export that is to be replaced" in done.said
    assert (tmp_path / "agent.ndjson").read_text() == "mine\n"
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(OLD, "end-user")
    assert command("verify", tmp_path).code == 0


def killed_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a process that is forked from here kill itself before or behind one of the steps of the swap."""
    parent, passed = os.getpid(), 0

    def point() -> None:
        nonlocal passed
        passed += os.getpid() != parent
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(name: str) -> None:
        real = getattr(replacing, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            point()
            result = real(*args, **kwargs)
            point()
            return result

        monkeypatch.setattr(replacing, name, wrapped)

    for name in ("_move", "sync_folder", "remove_ledger"):
        around(name)
    monkeypatch.setattr(shutil, "rmtree", _killing(shutil.rmtree, point))


def _killing(real: Callable[..., Any], point: Callable[[], None]) -> Callable[..., Any]:
    def wrapped(path: Any, *args: Any, **kwargs: Any) -> Any:
        if Path(path).name == "next":
            point()
        return real(path, *args, **kwargs)

    return wrapped


STEPS = 40
"""More than there are; past the last one the run ends in order."""


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", OUTPUTS)
def test_killed_anywhere_in_the_swap_the_same_command_finishes_it(
    name: str, every: int, farm: SandboxFarm, tmp_path: Path
) -> None:
    first = tmp_path / "first" / name
    first.parent.mkdir()
    sandbox, killed = exported(farm, first), 0
    for step in range(1, STEPS, every):
        copy = tmp_path / str(step) / name
        shutil.copytree(first.parent, copy.parent)
        with pytest.MonkeyPatch.context() as monkeypatch:
            killed_at(step, monkeypatch)
            code = zexport("run", sandbox.url, "-o", copy, "--restart", *AT_ONCE).returncode
        if code == 0:
            break
        assert code == -signal.SIGKILL
        killed += 1
        if zexport("verify", copy).returncode == 0:
            check_is(NEW if len(lines(*(role_files(copy) if copy.is_dir() else [copy]))) == NEW else OLD, copy)
        assert zexport("run", sandbox.url, "-o", copy, "--restart", *AT_ONCE).returncode == 0
        check_is(NEW, copy)
        check_nothing_is_left_beside(copy)
    else:
        pytest.fail("there are more steps to be killed at than were tried")
    assert killed >= 15 / every


def test_between_two_steps_of_the_swap_verify_says_what_to_do(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = exported(farm, tmp_path)
    with pytest.MonkeyPatch.context() as monkeypatch:
        killed_at(5, monkeypatch)
        assert zexport("run", sandbox.url, "-o", tmp_path, "--restart", *AT_ONCE).returncode == -signal.SIGKILL
    done = command("verify", tmp_path)
    assert done.code == 3
    assert "is being replaced by a newer export, which is complete" in done.said
    assert run(sandbox, tmp_path).code == 0  # without --restart, too
    check_is(NEW, tmp_path)


@pytest.mark.parametrize("noted", ["", "[]", "{}", '{"new": ["../x"], "gone": []}', '{"new": [1], "gone": []}', "\xff"])
def test_a_note_of_a_swap_that_is_not_ours_moves_nothing(noted: str, farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(OLD))
    assert run(sandbox, tmp_path).code == 0
    (tmp_path / ".zexport" / "swap.json").write_bytes(noted.encode("latin-1"))
    done = run(sandbox, tmp_path)
    assert done.code == 10
    assert "swap.json is damaged" in done.said
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(OLD)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"\0" * 9000), Path.unlink], ids=["damaged", "gone"])
def test_a_finished_export_whose_ledger_is_damaged_or_gone_is_kept_as_well(
    damage: Callable[[Path], Any], farm: SandboxFarm, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    sandbox = exported(farm, out)
    damage(out / ".zexport" / "ledger.db")
    check_is(OLD, out)
    assert run(sandbox, out, "--restart", "--max-users", "150").code == 8
    check_is(OLD, out)
    assert command("status", out).code == 10
    assert run(sandbox, out, "--restart").code == 0
    check_is(NEW, out)
    check_nothing_is_left_beside(out)
