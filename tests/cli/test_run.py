"""`zexport run`: what each flag does, and what each refusal says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.looks import is_look
from tests.support.sandbox_process import SandboxProcess
from tests.support.zexport_process import (
    FAST,
    ROLES,
    expected_lines,
    lines,
    role_files,
    sorted_lines,
    start,
    users_of,
    wait_for_users,
    zexport,
)


def test_a_folder_is_the_default_and_is_named_after_the_account(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, cwd=tmp_path).returncode == 0
        port = sandbox.url.rpartition(":")[2]
    assert sorted_lines(*role_files(tmp_path / f"127.0.0.1-{port}-users")) == expected_lines(300)


def test_role_selects_streams_and_is_sent_as_a_list(tmp_path: Path) -> None:
    with SandboxProcess("--users", "900", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--role", "agent", "--role", "admin")
        queries = sandbox.stats()["queries"]
    assert done.returncode == 0
    assert sorted(path.name for path in tmp_path.glob("*.ndjson")) == ["admin.ndjson", "agent.ndjson"]
    assert {query.split("role%5B%5D=")[1].split("&")[0] for query in queries if "role" in query} == {"agent", "admin"}


@pytest.mark.parametrize("pagination", ["cursor", "offset"])
@pytest.mark.parametrize("sort", ["name", "-created_at", "updated_at"])
def test_sort_is_the_order_of_each_role(sort: str, pagination: str, tmp_path: Path) -> None:
    with SandboxProcess("--users", "900", "--plain", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--sort", sort, "--pagination", pagination)
    assert done.returncode == 0
    for path in role_files(tmp_path):
        keys = [str(json.loads(line)[sort.removeprefix("-")]).casefold() for line in lines(path)]
        assert keys == sorted(keys, reverse=sort.startswith("-"))


def test_external_id_exports_the_one_user_who_has_it(tmp_path: Path) -> None:
    wanted = next(user for user in map(json.loads, expected_lines(300)) if user["external_id"])
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", "-", "--external-id", wanted["external_id"].upper())
    assert [user["id"] for user in users_of(done.stdout)] == [wanted["id"]]


def test_permission_set_selects_the_agents_who_have_it(tmp_path: Path) -> None:
    with SandboxProcess("--users", "4000", *FAST) as sandbox:
        agents = [json.loads(line) for line in expected_lines(4000, "agent", "admin")]
        wanted = next(
            agent["custom_role_id"] for agent in agents if agent["role"] == "agent" and agent["custom_role_id"]
        )
        done = zexport("run", sandbox.url, "-o", "-", "--permission-set", str(wanted))
    assert sorted(user["id"] for user in users_of(done.stdout)) == sorted(
        agent["id"] for agent in agents if agent["custom_role_id"] == wanted
    )


def test_sideloads_go_to_files_of_their_own_each_record_once(tmp_path: Path) -> None:
    kinds = ["organizations", "roles", "groups", "identities", "abilities"]
    with SandboxProcess("--users", "900", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--include", ",".join(kinds))
    assert done.returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(900)
    for kind in kinds:
        records = lines(tmp_path / f"{kind}.ndjson")
        assert records
        assert len(set(records)) == len(records)
    users = [json.loads(line) for line in lines(*role_files(tmp_path))]
    there = {json.loads(line)["id"] for line in lines(tmp_path / "organizations.ndjson")}
    assert {user["organization_id"] for user in users} - {None} <= there
    assert zexport("verify", tmp_path).returncode == 0


def test_page_size_is_asked_for(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--page-size", "7").returncode == 0
        pages = [
            query
            for query in sandbox.stats()["queries"]
            if "/users?" in query and "sort=" not in query and not is_look(query)
        ]
    assert all("page%5Bsize%5D=7&" in query for query in pages)
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(300)


def test_offset_pagination_exports_what_it_reaches(tmp_path: Path) -> None:
    with SandboxProcess("--users", "1234", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--pagination", "offset")
        assert any("page=2&per_page=100" in query for query in sandbox.stats()["queries"])
    assert done.returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(1234)


def test_offset_pagination_says_so_when_more_exist_than_it_reaches(tmp_path: Path) -> None:
    with SandboxProcess("--users", "10500", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--pagination", "offset")
        again = zexport("run", sandbox.url, "-o", tmp_path, "--pagination", "offset")
    assert done.returncode == again.returncode == 3
    assert "more users of end-user than offset pagination reaches" in done.stderr
    assert len(lines(tmp_path / "end-user.ndjson")) == 10_000
    manifest = json.loads((tmp_path / "manifest.json").read_bytes())
    assert manifest["complete"] is False
    assert manifest["warnings"]
    assert zexport("verify", tmp_path).returncode == 3


def test_max_users_stops_resumable_with_8_and_a_complete_export_has_nothing_left_to_do(tmp_path: Path) -> None:
    with SandboxProcess("--users", "500", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "150").returncode == 8
        assert len(lines(*tmp_path.glob("*.partial"))) == 150
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "350").returncode == 0
        asked = sandbox.stats()["requests"]
        done = zexport("run", sandbox.url, "-o", tmp_path)
        assert sandbox.stats()["requests"] == asked
    assert done.returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(500)


def test_max_duration_stops_resumable_with_8(tmp_path: Path) -> None:
    with SandboxProcess("--users", "5000", "--latency", "300ms", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-duration", "0.5").returncode == 8
        assert zexport("status", tmp_path).returncode == 8
        assert zexport("run", sandbox.url, "-o", tmp_path).returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(5000)


def test_restart_forgets_what_is_there(tmp_path: Path) -> None:
    with SandboxProcess("--users", "500", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "150").returncode == 8
    (tmp_path / "mine.txt").write_text("not zexport's")
    with SandboxProcess("--users", "400", "--seed", "2", *FAST) as other:
        assert zexport("run", other.url, "-o", tmp_path).returncode == 10
        assert zexport("run", other.url, "-o", tmp_path, "--restart").returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(400, seed=2)
    assert (tmp_path / "mine.txt").exists()


def test_rate_bounds_the_requests_a_minute(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--rate", "300", "--progress", "json")
    finished = json.loads(done.stderr.splitlines()[-1])
    # The first permit is free; the others come 0.2 s apart. The last requests may be counts nobody waits for.
    assert finished["seconds"] >= (finished["requests"] - 4) * 0.2


def test_share_takes_that_part_of_the_accounts_limit(tmp_path: Path) -> None:
    with SandboxProcess("--users", "800", "--latency", "300ms", "--rate-limit", "5000") as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path, "--share", "0.5", "--progress", "json")
    progress = [json.loads(line) for line in done.stderr.splitlines()]
    assert 2500 in {round(each["allowed_per_minute"]) for each in progress if each["event"] == "progress"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--page-size", "101"], "page size must be between 1 and 100"),
        (["--role", "owner"], "knows end-user, agent, admin, not 'owner'"),
        (["--role", "agnet"], "did you mean agent"),
        (["--include", "organisations"], "did you mean organizations"),
        (["--compress", "bzip2"], "knows none, gzip, zstd"),
        (["--patience", "soon"], "such as 90, 90s, 10m or 1h30m"),
        (["--include", "tickets"], "knows organizations"),
        (["--share", "0"], "above 0"),
        (["--share", "1.5"], "at most 1"),
        (["--rate", "-1"], "more than 0"),
        (["--ranges", "0"], "at least 1"),
        (["--ranges", "many"], "must be auto, off or a whole number"),
        (["--max-users", "0"], "at least 1"),
        (["--max-duration", "nan"], "more than 0"),
        (["--sort", "a&b"], "sort must be a field name"),
        (["-o", "users.json"], "no name for NDJSON"),
        (["-o", "users.ndjson", "--compress", "gzip"], "does not fit"),
        (["-o", "-", "--compress", "gzip"], "--compress is for files"),
        (["-o", "-", "--include", "groups"], "not stdout"),
        (["--ledger", "l.db"], "--ledger is for stdout"),
        (["--token-file", "nowhere"], "token file can't be read"),
        (["--token"], "there is no --token: did you mean --token-file"),
    ],
)
def test_what_can_not_be_meant_is_refused_with_2_before_anything_is_done(
    flags: list[str], words: str, tmp_path: Path
) -> None:
    import re

    done = zexport("run", "http://127.0.0.1:9", *flags, cwd=tmp_path)
    assert done.returncode == 2
    assert re.search(words, done.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_query_the_account_refuses_is_a_usage_error_in_its_own_words(tmp_path: Path) -> None:
    with SandboxProcess("--users", "100", *FAST) as sandbox:
        done = zexport("run", sandbox.url, "-o", tmp_path / "out", "--sort", "shoe_size")
    assert done.returncode == 2
    assert "sort is not valid" in done.stderr


def test_a_second_run_on_the_same_output_is_refused_at_once_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    with SandboxProcess("--users", "9000", "--latency", "100ms", *FAST) as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--ranges", "off", "--progress", "json") as process:
            wait_for_users(process, 500)
            second = zexport("run", sandbox.url, "-o", tmp_path)
            assert second.returncode == 11
            assert f"process {process.pid}" in second.stderr
            process.kill()
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "1").returncode == 8


def test_of_two_runs_started_together_exactly_one_goes_on(tmp_path: Path) -> None:
    with SandboxProcess("--users", "3000", "--latency", "100ms", *FAST) as sandbox:
        both = [start("run", sandbox.url, "-o", tmp_path, "--ranges", "off") for _ in range(2)]
        codes = sorted(process.wait(timeout=30) for process in both)
        for process in both:
            process.communicate()
    assert codes == [0, 11]
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(3000)


def test_how_an_export_is_tuned_is_no_part_of_what_it_is(tmp_path: Path) -> None:
    tunings = [["--page-size", "30"], ["--ranges", "off"], ["--rate", "9000"], ["--no-overlap", "--page-size", "7"]]
    with SandboxProcess("--users", "900", *FAST) as sandbox:
        for tuning in tunings:
            assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "150", *tuning).returncode == 8
        assert zexport("run", sandbox.url, "-o", tmp_path, "--patience", "5m").returncode == 0
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(900)
    assert zexport("verify", tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("flags", "difference"),
    [
        (["--role", "agent"], "query roles"),
        (["--sort", "name"], "query sort"),
        (["--pagination", "offset"], "query page"),
        (["--include", "groups"], "query include"),
        (["--compress", "gzip"], "compression none there, gzip now"),
    ],
)
def test_a_ledger_of_another_query_is_refused_with_the_difference(
    flags: list[str], difference: str, tmp_path: Path
) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "150").returncode == 8
        before = {path: path.read_bytes() for path in tmp_path.glob("*.partial")}
        done = zexport("run", sandbox.url, "-o", tmp_path, *flags)
    assert done.returncode == 10
    assert difference in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.glob("*.partial")} == before


@pytest.mark.parametrize("content", [b"", b"garbage", None])
def test_data_without_a_ledger_that_fits_is_never_overwritten(content: bytes | None, tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", *FAST) as sandbox:
        assert zexport("run", sandbox.url, "-o", tmp_path, "--max-users", "150").returncode == 8
        ledger = tmp_path / ".zexport" / "ledger.db"
        for path in ledger.parent.glob("ledger.db-*"):
            path.unlink()
        if content is None:
            ledger.unlink()
        else:
            ledger.write_bytes(content)
        before = {path: path.read_bytes() for path in tmp_path.glob("*.partial")}
        done = zexport("run", sandbox.url, "-o", tmp_path)
        assert done.returncode == 10
        assert "--restart" in done.stderr
        assert {path: path.read_bytes() for path in tmp_path.glob("*.partial")} == before
        assert zexport("run", sandbox.url, "-o", tmp_path, "--restart").returncode == 0


def test_the_roles_are_all_there_is() -> None:
    assert ROLES == ("end-user", "agent", "admin")
