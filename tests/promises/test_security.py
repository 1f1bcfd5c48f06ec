"""P9, fault 24: output that nobody else can read or lead astray.

A folder that is itself a symlink is followed, if its owner or root has made it: the person has named it, and it is the
usual way to keep an export on another disk. Everything in it, which nobody has named, is opened through no symlink.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

import exporter
from exporter import ExportError, LedgerError, Limits, Options, OutputError, Query, Sideload
from exporter.cli import main
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import AT_ONCE, FAST, expected_lines, role_files, sorted_lines

USERS = 300
ALL = Options(rate=1e6)
"""Spares an export the third of a second that a careful start takes."""
SOME = replace(ALL, limits=Limits(users=100))


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with SandboxProcess("--users", str(USERS), *FAST) as sandbox:
        yield sandbox.url


@pytest.mark.anyio
@pytest.mark.parametrize("umask", [0o000, 0o077, 0o022])
@pytest.mark.parametrize("name", ["new/er/out", "new/er/users.ndjson.gz"])
async def test_all_that_is_made_is_private_whatever_the_umask(umask: int, name: str, url: str, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        for options in (SOME, ALL):
            await exporter.export_users(url, tmp_path / name, Query(include=(Sideload.GROUPS,)), options=options)
            made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
            modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made}
            assert modes == {path: 0o700 if path.is_dir() else 0o600 for path in made}
    finally:
        os.umask(before)
    assert len(made) > 8


def test_a_ledger_of_an_export_to_stdout_is_private_and_no_symlink(
    url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = os.umask(0)
    try:
        assert main(["run", url, "-o", "-", "--ledger", str(tmp_path / "l.db"), "-q", *AT_ONCE]) == 0
    finally:
        os.umask(before)
    assert capfd.readouterr().out.count("\n") == USERS
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}
    (tmp_path / "link.db").symlink_to("l.db")
    assert main(["run", url, "-o", "-", "--ledger", str(tmp_path / "link.db"), "-q"]) == 10
    assert capfd.readouterr().out == ""


@pytest.mark.anyio
async def test_files_that_became_open_to_others_are_closed_again(url: str, tmp_path: Path) -> None:
    await exporter.export_users(url, tmp_path, options=SOME)
    for path in tmp_path.glob("*.partial"):
        path.chmod(0o666)
    await exporter.export_users(url, tmp_path, options=ALL)
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
        await exporter.export_users(url, out, options=ALL)
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
        assert (await exporter.export_users(url, out, options=ALL)).complete
        return
    with pytest.raises(error) as caught:
        await exporter.export_users(url, out, options=ALL)
    assert "symlink" in str(caught.value) or "is there" in str(caught.value)


@pytest.mark.anyio
async def test_a_folder_that_is_a_symlink_of_ours_is_followed(url: str, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    assert (await exporter.export_users(url, tmp_path / "out", options=ALL)).complete
    assert sorted_lines(*role_files(tmp_path / "disk")) == expected_lines(USERS)


@pytest.mark.anyio
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a symlink of another user's")
async def test_a_folder_that_is_a_symlink_of_another_user_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to("disk")
    os.lchown(tmp_path / "out", 12345, -1)
    with pytest.raises(OutputError, match="symlink that another user has made"):
        await exporter.export_users(url, tmp_path / "out", options=ALL)
    assert not list((tmp_path / "disk").iterdir())


@pytest.mark.anyio
async def test_a_folder_that_is_a_symlink_to_nothing_is_refused(url: str, tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("nothing")
    with pytest.raises(OutputError):
        await exporter.export_users(url, tmp_path / "out", options=ALL)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("path", ["../precious.ndjson", "/dev/zero", "sub/users.ndjson"])
def test_verify_reads_nothing_outside_of_the_folder(path: str, tmp_path: Path) -> None:
    entry = {"path": path, "kind": "users", "records": 1, "bytes": 1, "sha256": None}
    manifest = {"complete": True, "users": 0, "files": [entry], "warnings": []}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert "is not in this folder" in exporter.verify(tmp_path).problems[0]
