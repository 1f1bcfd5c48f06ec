"""P1 and P7: every user is written exactly once, and as he was sent, whatever fails on the way."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from exporter.sandbox import ItemCursors
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, expected_lines, lines, role_files, sorted_lines, zexport

USERS = 1_234


@pytest.mark.parametrize("place", list(ItemCursors))
def test_wherever_item_cursors_stand_every_user_is_written_once_and_as_he_was_sent(place: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--item-cursors", place, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "out").returncode == 0
        asked = [query for query in sandbox.stats()["queries"] if "/users?" in query and "sort=" not in query]
    assert sorted_lines(*role_files(tmp_path / "out")) == expected_lines(USERS)
    assert all("include_item_cursors=true" in each and "include_boundary_indicators=true" in each for each in asked)


@pytest.mark.parametrize("quirk", ["has-more-absent", "has-more-before-empty-page", "sealed-cursors", "no-count"])
def test_what_is_unsettled_of_the_service_makes_no_difference(quirk: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", "500", "--quirk", quirk, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "out").returncode == 0
    assert sorted_lines(*role_files(tmp_path / "out")) == expected_lines(500)


@pytest.mark.parametrize("ranges", ["auto", "off"])
@pytest.mark.parametrize("fault", ["429:1", "429-bare", "500", "502", "503", "reset", "truncate", "html"])
def test_a_fault_on_the_way_loses_and_repeats_nobody(fault: str, ranges: str, tmp_path: Path) -> None:
    # A 429 that names no time holds until the window's end: a window of 2 seconds keeps that short.
    flags = ("--users", str(USERS), "--window", "2", "--fault", f"{fault}@n:2,4,9", *FAST)
    with SandboxProcess(*flags) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path / "out", "--ranges", ranges, "--progress", "json")
        struck = sum(sandbox.stats()["faults"].values())
    assert done.returncode == 0, done.stderr
    assert sorted_lines(*role_files(tmp_path / "out")) == expected_lines(USERS)
    finished = json.loads(done.stderr.splitlines()[-1])
    assert struck == 3
    assert finished["retries"] in ([3] if ranges == "off" else range(4))  # a landing that fails is not tried again


def test_many_faults_at_random_lose_and_repeat_nobody(tmp_path: Path) -> None:
    faults = [f"--fault={kind}@p:0.06" for kind in ("500", "reset", "truncate", "html")]
    with SandboxProcess("--users", "3000", *faults, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "out.ndjson").returncode == 0
    assert sorted(lines(tmp_path / "out.ndjson")) == sorted(expected_lines(3000))


@pytest.mark.parametrize("users", [0, 1, 3, 100, 101])
def test_an_account_of_any_size_is_exported_whole(users: int, tmp_path: Path) -> None:
    with SandboxProcess("--users", str(users), *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path / "out").returncode == 0
    assert sorted_lines(*role_files(tmp_path / "out")) == expected_lines(users)
    assert zexport("verify", tmp_path / "out").returncode == 0


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_output_holds_the_same_lines(compression: str, tmp_path: Path) -> None:
    suffix = {"gzip": ".ndjson.gz", "zstd": ".ndjson.zst"}[compression]
    flags = ("--role", "admin", "--role", "end-user", "--role", "agent")
    with SandboxProcess("--users", "3000", "--roles", "end-user=0.9,agent=0.1", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path / "out", "--compress", compression, *flags)
        assert done.returncode == 0, done.stderr
        assert zexport("run", sandbox.url, "-o", tmp_path / "plain").returncode == 0
    files = role_files(tmp_path / "out", suffix)
    if compression == "gzip":
        content = [gzip.decompress(path.read_bytes()) for path in files]
    else:
        content = [_unzstd(path) for path in files]
    for got, plain in zip(content, role_files(tmp_path / "plain"), strict=True):
        assert sorted(got.splitlines(keepends=True)) == sorted_lines(plain)
    assert content[2] == b""  # nobody is an admin here, and the file can be read all the same
    assert zexport("verify", tmp_path / "out").returncode == 0


def _unzstd(path: Path) -> bytes:
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as reader:
        return reader.read()


def test_awkward_users_stand_on_one_line_each_and_equal_what_was_sent(tmp_path: Path) -> None:
    with SandboxProcess("--users", "2000", *FAST) as sandbox:
        zexport("run", sandbox.url, "-o", tmp_path / "out.ndjson")
    written = (tmp_path / "out.ndjson").read_bytes()
    assert sorted(lines(tmp_path / "out.ndjson")) == sorted(expected_lines(2000))
    assert b"\r" not in written
    written.decode()  # valid UTF-8
    assert any(user["id"] > 2**53 or max_int(user) > 2**53 for user in map(json.loads, written.splitlines()))


def max_int(user: dict[str, object]) -> int:
    fields = user["user_fields"]
    assert isinstance(fields, dict)
    return max((value for value in fields.values() if isinstance(value, int)), default=0)
