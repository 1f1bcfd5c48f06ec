"""`--ranges`: how many cursors a role are walked at once, and that it makes no difference to what is exported."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.sandbox import Population
from tests.support.looks import is_look
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, ROLES, expected_lines, lines, role_files, sorted_lines, zexport

USERS = 6_000


def asked(queries: list[str], name: str) -> list[str]:
    """Return the values of one parameter, in the order of the requests."""
    return [value for query in queries for value in parse_qs(urlsplit(query).query).get(name, [])]


def in_order_of_id(role: str) -> list[bytes]:
    return [user + b"\n" for user in Population(USERS, 1).users(role)]


def test_with_ranges_off_each_role_is_written_by_id_with_one_request_under_way_a_role(tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--latency", "20ms", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--ranges", "off").returncode == 0
        stats = sandbox.stats()
    for role, path in zip(ROLES, role_files(tmp_path), strict=True):
        assert lines(path) == in_order_of_id(role)
        asked_for = [query for query in stats["queries"] if f"role%5B%5D={role}&" in query]
        pages = [query for query in asked_for if "count" not in query and "sort=" not in query and not is_look(query)]
        assert len(pages) <= -(-len(lines(path)) // 99) + 2  # a look before the first, and the end said twice
        assert len(asked(pages, "page[before]")) == 1  # who is before the first user
    assert stats["most_under_way"] <= len(ROLES) + 4  # and a count, and three looks


def test_without_the_flag_a_role_is_walked_by_many_cursors_at_once(tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--latency", "100ms", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--role", "end-user", "--progress", "json")
        stats = sandbox.stats()
    seen = [json.loads(line) for line in done.stderr.splitlines()]
    there = set(Population(USERS, 1).ids("end-user"))
    splits = [event for event in seen if event["event"] == "split"]
    assert done.returncode == 0
    assert stats["most_under_way"] > 6
    assert len(splits) > 6
    assert all(event["role"] == "end-user" and event["at"] in there for event in splits)
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(USERS, "end-user")
    assert lines(tmp_path / "end-user.ndjson") != in_order_of_id("end-user")


def test_a_number_bounds_the_cursors_of_a_role(tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--latency", "50ms", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--role", "end-user", "--ranges", "3").returncode == 0
        stats = sandbox.stats()
    assert 3 <= stats["most_under_way"] <= 3 + 1  # and a count
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(USERS, "end-user")


@pytest.mark.parametrize("second", ["auto", "off", "2"])
@pytest.mark.parametrize("first", ["auto", "off"])
def test_an_export_begun_with_some_ranges_goes_on_with_others(first: str, second: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--latency", "20ms", *FAST) as sandbox:
        begun = zexport("run", sandbox.url, "-o", tmp_path, "--ranges", first, "--max-users", "2500")
        assert begun.returncode == 8
        assert zexport("run", sandbox.url, "-o", tmp_path, "--ranges", second).returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)
    assert zexport("verify", tmp_path).returncode == 0


@pytest.mark.parametrize("layout", ["dense", "spread", "clustered"])
def test_however_ids_lie_every_user_is_written_once(layout: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--ids", layout, "--latency", "20ms", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
    there = [json.loads(line)["id"] for line in lines(*role_files(tmp_path))]
    assert (len(there), len(set(there))) == (USERS, USERS)
    assert zexport("verify", tmp_path).returncode == 0


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_compressed_output_of_many_ranges_is_what_its_manifest_says(compression: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", str(USERS), "--latency", "20ms", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--compress", compression).returncode == 0
    assert json.loads((tmp_path / "manifest.json").read_bytes())["users"] == USERS
    assert zexport("verify", tmp_path).returncode == 0
