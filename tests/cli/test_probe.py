"""`zexport probe` and what `estimate` says of it, as a person calls them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests.support.sandbox_farm import SandboxFarm
from tests.support.zexport_process import AT_ONCE, zexport

TOKEN = "the-token-of-this-test"


def test_an_account_is_probed_and_the_report_is_written_for_its_owner(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", "3000", "--token", TOKEN)
    report, env = tmp_path / "report.json", {"ZENDESK_OAUTH_TOKEN": TOKEN}
    done = zexport("probe", sandbox.url, "--report", report, *AT_ONCE, env=env)
    assert done.returncode == 0, done.stderr
    assert "users[].meta.cursor" in done.stdout
    assert "An export walks by many cursors at once in each role" in done.stdout
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    told = json.loads(report.read_text())
    assert len(told["exchanges"]) == sandbox.stats()["requests"] == 14
    assert TOKEN not in report.read_text()
    assert zexport("probe", sandbox.url, "--report", report, *AT_ONCE, env=env).returncode == 2  # it is there already


def test_what_was_found_can_be_read_by_a_program(farm: SandboxFarm) -> None:
    url = farm.open("--users", "300", "--quirk", "no-sort", "--fault", "503@n:2").url
    done = zexport("probe", url, "--json", *AT_ONCE)
    told = json.loads(done.stdout)
    assert (told["ranges"], told["sweep"]) == (True, "the incremental export")
    assert {"about", "found", "means"} == {*told["findings"][0]}


def test_estimate_says_it_in_a_line(farm: SandboxFarm) -> None:
    done = zexport("estimate", farm.open("--users", "300", "--quirk", "sealed-cursors").url, *AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert "An export walks by one cursor a role, since none can be made; changes meanwhile" in done.stdout


def test_who_is_not_let_in_is_told_so_with_4(farm: SandboxFarm) -> None:
    done = zexport("probe", farm.open("--token", TOKEN).url, *AT_ONCE)
    assert (done.returncode, done.stdout) == (4, "")
