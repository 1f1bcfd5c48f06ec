"""P1 and P11: what the account says of itself is held against the export: its counts, who asks, and when it changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.changing_account import Found, compare
from tests.support.command_line import command, run
from tests.support.front_server import Asked, Front, Reply
from tests.support.sandbox_farm import SandboxFarm
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import FAST, expected_lines, lines, role_files, sorted_lines, zexport

USERS = 1_500


def manifest_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


# Counts


def test_what_the_account_counts_is_in_the_manifest_the_summary_and_the_words_of_verify(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    done = run(farm.open("--users", str(USERS)), tmp_path)
    assert done.code == 0
    assert "counted   1,500 by the account, as many as written" in done.said
    counts = manifest_in(tmp_path)["proof"]["counts"]
    assert counts["end-user"] == {"start": 1455, "end": 1455, "written": 1455, "difference": 0}
    said = "users of end-user: the account counted 1,455 at the start, 1,455 at the end; 1,455 were written"
    assert said in zexport("verify", tmp_path).stdout


def test_many_more_counted_than_written_is_3_with_both_numbers_and_what_to_do(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    done = run(farm.open("--users", str(USERS), "--fault", "count:8000@from:1"), tmp_path, "--role", "end-user")
    assert done.code == 3
    assert "the account counts 8,000 users of end-user, 1,455 were written" in done.said
    assert "--against" in done.said
    made = manifest_in(tmp_path)
    assert made["complete"] is False
    assert made["proof"]["counts"]["end-user"]["difference"] == 1455 - 8000
    assert sorted_lines(tmp_path / "end-user.ndjson") == expected_lines(USERS, "end-user")


def test_a_count_that_may_be_a_day_old_is_a_warning(farm: SandboxFarm, tmp_path: Path) -> None:
    done = run(farm.open("--users", str(USERS), "--fault", "count:100000@from:1"), tmp_path, "--role", "end-user")
    assert done.code == 0
    (warning,) = manifest_in(tmp_path)["warnings"]
    assert "counts 100,000 users of end-user, 1,455 were written; its count may be a day old" in warning


def test_a_role_in_which_nobody_is_found_though_somebody_is_counted_is_3(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", "nobody@from:1")
    done = run(sandbox, tmp_path, "--role", "admin", "--no-sweep")
    assert done.code == 3, done.said
    assert "the account counts 7 users of admin, 0 were written" in done.said


@pytest.mark.parametrize("number", ["10000000000000000000", "9223372036854775807"])
def test_no_count_is_too_large_to_go_on(number: str, farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", "300", "--fault", f"count:{number}@from:1")
    done = run(sandbox, tmp_path)
    assert done.code == 0, done.said
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(300)


# Whose eyes see

ADMIN = {"id": 1, "role": "admin", "restricted_agent": False, "ticket_restriction": None}
AGENT = {"id": 2, "role": "agent", "restricted_agent": False, "ticket_restriction": None}
LESS = [
    (ADMIN, AGENT),
    (AGENT, AGENT | {"restricted_agent": True}),
    (AGENT, AGENT | {"ticket_restriction": "organization"}),
    (AGENT, {"id": 3, "role": "end-user"}),
]
AS_MUCH = [(ADMIN, ADMIN), (AGENT, ADMIN), (ADMIN, ADMIN | {"id": 9}), (AGENT | {"restricted_agent": True}, AGENT)]


def seen_by(caller: dict[str, Any] | None) -> Callable[[Asked], Reply | None]:
    """Answer who asks; None refuses to."""

    def answer(asked: Asked) -> Reply | None:
        if "/users/me" not in asked.target:
            return None
        return Reply(200, json.dumps({"user": caller}).encode()) if caller else Reply(403, b"{}")

    return answer


@pytest.mark.parametrize(("before", "after"), LESS)
def test_whoever_sees_less_than_who_began_does_not_go_on(
    before: dict[str, Any], after: dict[str, Any], farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS))
    with Front(sandbox.url, seen_by(before)) as front:
        assert run(front.url, tmp_path, "--max-users", "700").code == 8
        front.answer = seen_by(after)
        partial = sorted_lines(*(path.with_name(path.name + ".partial") for path in role_files(tmp_path)))
        done = run(front.url, tmp_path)
        assert done.code == 10
        assert f"these credentials are those of user {after['id']} ({after['role']}" in done.said
        assert sorted_lines(*(path.with_name(path.name + ".partial") for path in role_files(tmp_path))) == partial
        front.answer = seen_by(before)
        assert run(front.url, tmp_path).code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)


@pytest.mark.parametrize(("before", "after"), [*AS_MUCH, (ADMIN, None), (None, AGENT)])
def test_whoever_sees_as_much_or_does_not_say_goes_on(
    before: dict[str, Any] | None, after: dict[str, Any] | None, farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS))
    with Front(sandbox.url, seen_by(before)) as front:
        assert run(front.url, tmp_path, "--max-users", "700").code == 8
        front.answer = seen_by(after)
        assert run(front.url, tmp_path).code == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(USERS)


# Back to when


CHURN = ("--users", "6000", "--churn", "8:500")


@pytest.mark.parametrize("status", [429, 502])
def test_a_clock_beside_a_failure_or_far_ahead_hides_no_change(status: int, tmp_path: Path) -> None:
    first = iter([Reply(status, b"{}", {"Date": "Fri, 31 Dec 9999 23:59:59 GMT", "Retry-After": "1"})])
    with SandboxProcess(*CHURN, "--clock-skew=3600s", *FAST) as sandbox:
        with Front(sandbox.url, lambda asked: None if "/count" in asked.target else next(first, None)) as front:
            done = zexport("run", front.url, "-o", tmp_path)
        assert done.returncode == 0, done.stderr
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)


def test_a_sort_that_is_ignored_hides_no_change(tmp_path: Path) -> None:
    flags = ("--quirk", "ignored-sort", "--quirk", "no-incremental")
    with SandboxProcess(*CHURN, *flags, *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
        assert compare(sandbox, lines(*role_files(tmp_path))) == Found([], [], 500)
    assert manifest_in(tmp_path)["sweep"]["by"].startswith("all pages (sort=-updated_at: it does not sort by the time")


# Roles that are not told apart

MIXED = ("--users", str(USERS), "--quirk", "ignored-role")


@pytest.mark.parametrize("flags", [(), ("--ranges", "off"), ("--no-overlap",), ("--sort", "name"), ("--role", "agent")])
@pytest.mark.parametrize("place", ["meta.map", "none"])
def test_where_the_account_ignores_roles_users_are_told_apart_here(
    place: str, flags: tuple[str, ...], farm: SandboxFarm, tmp_path: Path
) -> None:
    done = run(farm.open(*MIXED, "--item-cursors", place), tmp_path, *flags)
    assert done.code == 0, done.said
    roles = ("agent",) if "agent" in flags else ("end-user", "agent", "admin")
    for role in roles:
        assert sorted_lines(tmp_path / f"{role}.ndjson") == expected_lines(USERS, role)
    assert any("ignores role[]" in each for each in manifest_in(tmp_path)["warnings"])
    assert command("verify", tmp_path).code == 0


@pytest.mark.parametrize("out", ["out", "users.ndjson", "users.ndjson.gz"])
def test_it_stays_so_when_the_export_is_stopped_anywhere_and_goes_on(
    out: str, farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox, codes = farm.open(*MIXED), list[int]()
    while not codes or codes[-1] == 8:
        codes.append(run(sandbox, tmp_path / out, "--max-users", "333").code)
    assert codes == [8] * 4 + [0]
    assert command("verify", tmp_path / out).code == 0
    if out == "out":
        assert sorted_lines(*role_files(tmp_path / out)) == expected_lines(USERS)


def test_with_strict_an_account_that_ignores_roles_is_an_error(farm: SandboxFarm, tmp_path: Path) -> None:
    done = run(farm.open(*MIXED), tmp_path, "--strict")
    assert done.code == 7
    assert "the account ignores role[]" in done.said
    assert not any(lines(path) for path in tmp_path.glob("*.ndjson*"))
