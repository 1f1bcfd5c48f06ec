"""P1 and P11: one wrong answer of a real server, of each kind, at several places, with one cursor and with many."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exporter.sandbox.faults.lies import LIES
from tests.support.command_line import command, run
from tests.support.sandbox_farm import SandboxFarm
from tests.support.stub_server import StubServer
from tests.support.zexport_process import expected_lines, role_files, sorted_lines

USERS = 1_500
KINDS = sorted(set(LIES) - {"count"})


@pytest.mark.parametrize("ranges", ["off", "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_one_wrong_answer_costs_nobody_and_ends_nothing(
    kind: str, ranges: str, farm: SandboxFarm, tmp_path: Path
) -> None:
    # Of one role, for the last page of a small one may be the one struck, and what is left out there no seam can show.
    sandbox = farm.open("--users", str(USERS), "--latency", "10ms", "--fault", f"{kind}@n:3,8")
    done = run(sandbox, tmp_path, "--ranges", ranges, "--role", "end-user")
    assert done.code == 0, done.said
    assert sandbox.stats()["faults"] == {kind: 2}
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(USERS, "end-user")
    assert command("verify", tmp_path).code == 0


@pytest.mark.parametrize("cursors", [(), ("--quirk", "sealed-cursors")], ids=["open", "sealed"])
def test_a_first_page_without_its_last_users_is_met_without_item_cursors_too(
    cursors: tuple[str, ...], farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS), "--item-cursors", "none", *cursors, "--fault", "fewer@n:1")
    done = run(sandbox, tmp_path, "--role", "end-user")
    assert done.code == 0, done.said
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(USERS, "end-user")


def test_the_manifest_says_what_was_proven(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", "nobody@n:5")
    assert run(sandbox, tmp_path, "--ranges", "off").code == 0
    proof = json.loads((tmp_path / "manifest.json").read_bytes())["proof"]
    assert proof["overlap"] is True
    assert proof["pages_overlapped"] >= USERS // 100 - 3
    assert proof["ends_confirmed"] == 3
    assert proof["asked_again"] == 1


def test_without_overlap_pages_do_not_touch_and_the_manifest_says_so(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS))
    assert run(sandbox, tmp_path, "--no-overlap", "--ranges", "off").code == 0
    proof = json.loads((tmp_path / "manifest.json").read_bytes())["proof"]
    assert proof["overlap"] is False
    assert proof.get("pages_overlapped", 0) == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)


def test_an_end_that_stays_too_early_is_an_error_that_names_the_ids_and_can_be_gone_on_from(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    # Of one role that is under way: a role that nobody is known of and that has nobody each time is believed.
    sandbox = farm.open("--users", str(USERS), "--latency", "10ms")
    assert run(sandbox, tmp_path, "--role", "end-user", "--max-users", "700").code == 8
    sandbox.reopen("--users", str(USERS), "--latency", "10ms", "--fault", "nobody@from:1")
    done = run(sandbox, tmp_path, "--role", "end-user")
    assert done.code == 7
    assert "before they have come to" in done.said or "is empty" in done.said
    sandbox.reopen("--users", str(USERS))
    assert run(sandbox, tmp_path, "--role", "end-user").code == 0
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(USERS, "end-user")


def test_a_million_users_on_a_page_are_refused_at_once(tmp_path: Path) -> None:
    with StubServer() as server:
        users = b",".join([b'{"id":%d}' % each for each in range(1_000_000)])
        server.pages = [b'{"users":[' + users + b'],"meta":{"has_more":false}}']
        done = run(server.url, tmp_path / "out.ndjson", "--role", "agent")
    assert done.code == 7
    assert "at most length 100" in done.said
