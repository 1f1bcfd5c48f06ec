"""Refusals that pass: what a deploy, a captive portal or a proxy's restart answers for a moment, in mid-run."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.api import retry
from tests.support.command_line import run
from tests.support.sandbox_farm import SandboxFarm
from tests.support.zexport_process import expected_lines, lines

USERS = 700
"""Seven pages of end users."""


@pytest.fixture(autouse=True)
def no_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "REFUSED_AFTER", 0.0)
    monkeypatch.setattr(retry, "BASE", 0.0)  # how often is asked again matters here, not how soon


PASSING = {
    **{f"redirect:{status}": (4, f"HTTP {status} to http://localhost:") for status in (302, 303, 307)},
    "402": (4, "the account is suspended (HTTP 402)"),
    **{f"{status}": (7, f"HTTP {status}: ") for status in (404, 410, 423, 499)},
}
"""Refusals of a deploy or a captive portal: how they end a run where they stay, and in what words."""


@pytest.mark.parametrize("fault", PASSING)
def test_a_refusal_in_mid_run_that_passes_ends_nothing(farm: SandboxFarm, fault: str, tmp_path: Path) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", f"{fault}@n:3,4,6")
    assert run(sandbox, out, "--role", "end-user", "--ranges", "off").code == 0
    assert len(sandbox.stats()["hosts"]) == 1
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")


@pytest.mark.parametrize(("fault", "end"), PASSING.items(), ids=PASSING)
def test_a_refusal_in_mid_run_that_stays_ends_it_in_its_own_words(
    farm: SandboxFarm, fault: str, end: tuple[int, str], tmp_path: Path
) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS), "--fault", f"{fault}@from:3")
    done = run(sandbox, out, "--role", "end-user", "--ranges", "off")
    assert done.code == end[0]
    assert end[1] in done.said
    assert len(sandbox.asked()) == 7  # two pages, four tries, and what is before the first
    assert "Traceback" not in done.said
    sandbox.reopen("--users", str(USERS))
    assert run(sandbox, out, "--role", "end-user", "--ranges", "off").code == 0
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")
