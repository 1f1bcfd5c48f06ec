"""Faults 9, 10 and 23, end to end: 429s that name a time, 429s that name none or nonsense, and credentials that stop.

Each test says by its section which case it is. Holds last as long as they would, in a time that jumps; what is about
signals, streams and exit codes happens to a process. Elsewhere: that a hold outlives its process
(`test_promises_pace`), a bad token at the start and its traces (`test_promises_trust`), every value of a header
(`test_verdict`).
"""

from __future__ import annotations

import json
import re
import signal
from base64 import b64encode
from collections import Counter
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from exporter import Query, Role
from exporter.errors import AuthError, NetworkError
from exporter.events import Split
from tests.support.outcome import Outcome
from tests.support.sandbox_process import SandboxProcess
from tests.support.virtual_export import USERS, assert_exact, each_once, export, export_twice, run, serving
from tests.support.zexport_process import FAST, environment, events, start, zexport

MANY = 3_000
OLD, NEW = "0ld-t0ken-of-the-test", "n3w-t0ken-of-the-test"


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many requests an export takes that meets no fault."""
    return len(export(tmp_path_factory.mktemp("honest") / "out").asked)


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return the number of the sweep's request, the last one that has any, where no fault is met."""
    asked = [each.target for each in export(tmp_path_factory.mktemp("sweeps") / "out").asked]
    return sum("/count" not in each and "page[before]" not in each for each in asked)


# 9: Retry-After in seconds


def test_a_429_holds_every_range_as_long_as_it_says_and_a_jitter_longer(tmp_path: Path) -> None:
    outcome = export(tmp_path, "429:30@n:24", users=MANY, ranges=None, latency=0.3)
    [(since, held)] = outcome.holds
    assert 30 < held.seconds < 31
    assert sum(isinstance(event, Split) for time, event in outcome.events if time < since) > 2
    assert outcome.asked_between(since, since + held.seconds) == 0
    assert outcome.asked_between(since + held.seconds, since + held.seconds + 1) > 0
    assert outcome.complete
    assert outcome.retrying == []
    assert_exact(tmp_path, MANY)


def test_of_several_429s_at_once_the_longest_counts(tmp_path: Path) -> None:
    faults = ("429:5@n:19", "429:30@n:20", "429:5@n:21,22")
    outcome = export(tmp_path, *faults, users=MANY, ranges=None, latency=0.3)
    until = max(time + held.seconds for time, held in outcome.holds)
    latest = max(time for time, _ in outcome.holds)
    assert len(outcome.holds) == 4
    assert outcome.asked_between(latest, until) == 0
    assert outcome.complete
    assert_exact(tmp_path, MANY)


def test_no_number_of_429s_uses_up_the_tries_of_a_page(tmp_path: Path) -> None:
    query = Query(roles=(Role.END_USER,))
    outcome = export(tmp_path, "429:1@first:220", query=query)  # a page has 60 tries, the run a budget of 200 retries
    assert outcome.complete
    assert outcome.retrying == []
    assert outcome.repeated == 220
    assert_exact(tmp_path, USERS, "end-user")


def test_429s_that_never_end_outlast_the_patience_and_the_same_command_goes_on(honest: int, tmp_path: Path) -> None:
    first, second = export_twice(tmp_path, "429:60@from:6")
    assert isinstance(first.error, NetworkError)
    assert first.code == 5
    assert "rate limit" in str(first.error)
    assert 900 <= first.seconds <= 1000
    assert len(first.asked) <= honest + 3 * 16  # three streams, a try a minute
    assert second.complete
    assert len(first.asked) + len(second.asked) - len(first.holds) <= honest + 3  # a stream's page again at most
    assert_exact(tmp_path)


def test_ctrl_c_ends_a_hold_at_once(tmp_path: Path) -> None:
    with SandboxProcess("--users", "300", "--fault", "429:600@n:4", *FAST) as sandbox:
        with start("run", sandbox.url, "-o", tmp_path, "--progress", "json") as process:
            assert process.stderr is not None
            assert any(event["event"] == "held" for event in events(process.stderr))
            since = monotonic()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20)
            assert monotonic() - since < 5
    assert process.returncode == 130


# 10: any other Retry-After

NOTHING = ["429-bare", "429-edge", "429-html", "429:0", "429-negative", "429-garbage", "429-date:0"]
"""Refusals that name no time: no header, JSON and HTML of the edge, 0, -1, words, a date that is over."""


def test_429s_that_name_no_time_hold_until_the_window_ends(honest: int, tmp_path: Path) -> None:
    outcome = export(tmp_path, *each_once(NOTHING, 5), window=20.0)
    assert all(10 < held.seconds <= 21 for _, held in outcome.holds)
    assert len(outcome.holds) == len(NOTHING)
    assert outcome.complete
    assert outcome.warnings == ()
    assert len(outcome.asked) <= honest + len(NOTHING)  # a count is given up when all is written
    assert_exact(tmp_path)


def test_where_no_header_tells_of_a_window_either_they_hold_for_a_minute(honest: int, tmp_path: Path) -> None:
    outcome = export(tmp_path, *each_once(NOTHING, 5), rate_limit=None)
    assert all(60 <= held.seconds <= 61 for _, held in outcome.holds)
    assert len(outcome.holds) == len(NOTHING)
    assert outcome.complete
    assert len(outcome.asked) <= honest + len(NOTHING)  # a count is given up when all is written
    assert_exact(tmp_path)


def test_a_retry_after_that_is_a_date_is_held_against_the_servers_clock(tmp_path: Path) -> None:
    outcome = export(tmp_path, "429-date:90@n:5", clock_skew=5000.0)
    [(_, held)] = outcome.holds
    assert 89 <= held.seconds <= 91  # dates have whole seconds
    assert outcome.complete
    assert_exact(tmp_path)


@pytest.mark.parametrize(("kind", "asked"), [("429-huge", "1,000,000,000 s"), ("429-date:5000", r"(5,000|4,999) s")])
def test_no_hold_is_longer_than_a_quarter_of_an_hour_and_the_manifest_warns_of_it(
    kind: str, asked: str, honest: int, tmp_path: Path
) -> None:
    outcome = export(tmp_path, f"{kind}@n:5")
    [(_, held)] = outcome.holds
    assert 900 <= held.seconds <= 901
    assert outcome.complete
    assert len(outcome.asked) == honest + 1
    [warning] = json.loads((tmp_path / "manifest.json").read_bytes())["warnings"]
    assert re.search(asked, str(warning))
    assert_exact(tmp_path)


def test_whatever_is_asked_for_first_meets_a_429_and_is_asked_for_again(tmp_path: Path) -> None:
    met: set[str] = set()

    async def strange(request: web.BaseRequest) -> web.Response | None:
        if request.raw_path in met:
            return None
        met.add(request.raw_path)
        return web.Response(status=429, headers={"Retry-After": "7"})

    async def main() -> Outcome:
        async with serving(users=USERS) as server:
            server.strange = strange
            return await server.export(tmp_path, ranges=1)

    outcome = run(main)
    assert outcome.complete
    assert outcome.retrying == []
    times = Counter(each.target for each in outcome.asked)
    assert sum("sort=" in target for target in times) == 1
    assert {times[target] for target in times if "count" not in target} == {2}
    assert_exact(tmp_path)


def test_429s_of_every_kind_at_random_lose_and_repeat_nobody(tmp_path: Path) -> None:
    faults = [f"{kind}@p:0.02" for kind in (*NOTHING, "429:3", "429-date")]  # two of 429-huge outlast the patience
    outcome = export(tmp_path, *faults, users=1500, ranges=None, latency=0.3)
    assert len(outcome.holds) > 3
    assert outcome.complete
    assert_exact(tmp_path, 1500)


# 23: credentials that stop


@pytest.mark.parametrize(("status", "turn"), [("401", 4), ("403", 20), ("401", 27)])
def test_credentials_that_stop_in_mid_run_are_no_storm_and_with_new_ones_it_goes_on(
    status: str, turn: int, tmp_path: Path
) -> None:
    first, second = export_twice(tmp_path, f"{status}@from:{turn}", users=MANY, latency=0.3, ranges=None)
    assert isinstance(first.error, AuthError)
    assert first.code == 4
    assert first.retrying == []
    refused = [each for each in first.asked if "/count" not in each.target][turn - 1 :]
    assert refused[-1].time - refused[0].time <= 0.4  # one round trip: only what was under way already
    assert second.complete
    assert_exact(tmp_path, MANY)


@pytest.mark.parametrize("status", ["401", "403"])
def test_credentials_that_stop_before_the_closing_sweep_leave_it_to_the_next_run(
    status: str, sweeps: int, tmp_path: Path
) -> None:
    first, second = export_twice(tmp_path, f"{status}@from:{sweeps}")
    assert "sort=-updated_at" in [each.target for each in first.asked if "/count" not in each.target][-2]
    assert first.code == 4
    assert second.complete
    assert sum("/count" not in each.target for each in second.asked) == 1
    assert_exact(tmp_path)


def test_a_token_revoked_in_mid_run_is_one_clear_line_with_4_and_a_new_one_completes_it(tmp_path: Path) -> None:
    basic = b64encode(f"a@b.example/token:{OLD}".encode()).decode()
    secret = re.compile(f"{OLD}|{NEW}|{basic[8:-4]}".encode())
    out, user = tmp_path / "out", {"ZENDESK_EMAIL": "a@b.example"}
    with SandboxProcess("--users", "1500", "--token", OLD, "--fault", "401@from:11", *FAST) as sandbox:
        url, port = sandbox.url, str(urlsplit(sandbox.url).port)
        done = zexport("run", url, "-o", out, env=user | {"ZENDESK_API_TOKEN": OLD})
        requests = sandbox.stats()["requests"]
    assert done.returncode == 4
    said = done.stderr.splitlines()
    assert [line for line in said if line.startswith("zexport: ")] == [
        "zexport: the account refuses these credentials: HTTP 401, Couldn't authenticate you"
    ]
    assert "Mend the credentials, then run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert requests < 12 + 40
    with SandboxProcess("--users", "1500", "--token", NEW, "--port", port, *FAST):
        env = environment(ZENDESK_OAUTH_TOKEN=NEW)
        with start("run", url, "-o", out, "-v", env=env, fresh=True) as process:
            assert not secret.search(Path(f"/proc/{process.pid}/cmdline").read_bytes())
            output = b"".join(process.communicate(timeout=60))
    assert process.returncode == 0, output
    assert_exact(out, 1500)
    assert not secret.search(output + done.stdout.encode() + done.stderr.encode())
    assert not any(secret.search(path.read_bytes()) for path in out.rglob("*") if path.is_file())
