"""Side by side: from stored figures to tables and a chart, and what counts as a user. No peer runs here."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from benchmarks.peers import chart, tables
from benchmarks.peers.__main__ import CHART, README, RESULTS, reason
from benchmarks.peers.checking import check, keeps
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.environments import REQUIREMENTS, ROOT, version_of
from benchmarks.peers.measuring import ContestantError, run
from benchmarks.processes import PYTHON


def a_row(number: int, name: str) -> dict[str, Any]:
    """Return a contestant's figures, all of them recognisable."""
    return {
        "name": name,
        "version": f"3.{number}",
        "allowed": 2500,
        "paced": {
            "users": 1000 + number,
            "wall": 2.0,
            "requests": 11,
            "limited": 0,
            "most_under_way": 1,
            "lines": 1000 + number,
            "distinct": 1000 + number,
        },
        "free": {
            "users": 21000,
            "cpu_per_1000": 0.101 + number / 1000,
            "start_up": 0.5,
            "peak": 2**25,
            "kept": 21000,
        },
        "odd": {"users": 5000, "kept": 4999},
    }


@pytest.fixture
def results() -> dict[str, Any]:
    return {
        "date": "2026-11-24",
        "commit": "abc1234",
        "machine": {"cores": 2, "architecture": "x86_64", "python": "3.11.7", "node": "20"},
        "paced": {"latency": "300ms", "jitter": "100ms", "allowed": 2500},
        "free": {"users": 21000},
        "odd": {"users": 5000},
        "contestants": [a_row(2 * number, each.name) for number, each in enumerate(CONTESTANTS)],
    }


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_the_chart_has_each_name_and_its_numbers(results: dict[str, Any]) -> None:
    words = texts(chart.draw(results))
    for number, each in enumerate(CONTESTANTS):
        assert each.name in words
        assert f"{500 + number}" in words
        assert f"{0.101 + 2 * number / 1000:.3f}" in words


def test_bars_are_as_long_as_their_numbers(results: dict[str, Any]) -> None:
    results["contestants"] = results["contestants"][:2]
    results["contestants"][0]["paced"]["wall"] = 1.0  # 1,000 users/s, against 501
    bars = ElementTree.fromstring(chart.draw(results)).iter("{http://www.w3.org/2000/svg}rect")
    lengths = [float(bar.attrib["width"]) for bar in bars if "bar" in bar.attrib["class"]]
    assert lengths[0] / lengths[2] == pytest.approx(1000 / 501, rel=0.01)
    assert lengths[1] / lengths[3] == pytest.approx(0.101 / 0.103, rel=0.01)


def test_what_failed_is_said_in_chart_and_tables(results: dict[str, Any]) -> None:
    results["contestants"][3] |= {way: {"error": "no such <endpoint>"} for way in ("paced", "free", "odd")}
    assert texts(chart.draw(results)).count("failed") == 2
    assert tables.render(results).count("failed: no such <endpoint>") == 3


def test_the_tables_have_a_line_for_each(results: dict[str, Any]) -> None:
    text = tables.render(results)
    for number, each in enumerate(CONTESTANTS):
        assert f"| {each.name} | {1000 + 2 * number:,} | 2.0 | {500 + number} | 330 | 13% of 2,500 |" in text
        assert f"| {each.name} | 3.{2 * number} | {each.call} | {each.patch} |" in text
    assert "| yes |" in text
    assert "| all | 4,999 |" in text


def test_users_who_are_missing_or_there_twice_are_counted(results: dict[str, Any]) -> None:
    results["contestants"][0]["paced"] |= {"lines": 1000, "distinct": 990}
    assert "| 990, 10 twice |" in tables.render(results)


def test_tables_take_the_place_of_those_before(results: dict[str, Any]) -> None:
    once = tables.put_into(f"above\n\n{tables.BEGIN}\n\nold\n\n{tables.END}\n\nbelow\n", results)
    assert once.startswith("above\n\n")
    assert once.endswith("\n\nbelow\n")
    assert "old" not in once
    assert tables.put_into(once, results) == once


def test_readme_and_chart_are_those_of_the_stored_results() -> None:
    stored = json.loads(RESULTS.read_text())
    assert README.read_text() == tables.put_into(README.read_text(), stored)
    assert CHART.read_text() == chart.draw(stored)


def test_the_figures_of_the_projects_readme_are_stored_too() -> None:
    shown = re.findall(
        r"^\| .+ \| \**([\d,]+)\** \| \**([\d.]+) s\** \| (\d+) MiB \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    rows = json.loads(RESULTS.read_text())["contestants"]
    assert sorted(shown) == sorted(
        (
            f"{tables.users_per_second(row):,.0f}",
            f"{row['free']['cpu_per_1000']:.3f}",
            f"{row['free']['peak'] / 2**20:.0f}",
        )
        for row in rows
    )


def test_users_are_found_in_plain_lines_and_singer_messages(tmp_path: Path) -> None:
    plain = [{"id": 1, "type": "odd"}, {"id": 1}, {"id": 2}]
    singer = [{"type": "SCHEMA", "stream": "users"}, {"type": "RECORD", "record": {"id": 3}}, {"type": "STATE"}]
    (tmp_path / "users.ndjson").write_text("".join(json.dumps(each) + "\n" for each in plain + singer))
    assert check(tmp_path, "*.ndjson") == {"lines": 4, "distinct": 3}


@pytest.mark.parametrize(
    ("user", "kept"),
    [
        ({"number": 9007199254740993, "added": None, "score": 2}, True),
        ({"number": 9007199254740992, "score": 2.0}, False),
        ({"number": 9007199254740993}, False),
    ],
)
def test_a_user_is_whole_if_no_value_is_lost_or_changed(user: dict[str, Any], kept: bool) -> None:
    assert keeps(user, {"number": 9007199254740993, "score": 2.0, "notes": None}) is kept


def test_an_error_is_its_last_line_and_names_no_folder_of_this_machine() -> None:
    script = f"import sys; print('Traceback', file=sys.stderr); sys.exit('no {ROOT}/x | y')"
    with pytest.raises(ContestantError) as caught:
        run((PYTHON, "-c", script))
    assert reason(caught.value) == "no ./x / y"
    assert reason(subprocess.CalledProcessError(1, ["pip"], stderr="")).startswith("Command")


def test_what_a_run_costs_counts_the_processes_it_started() -> None:
    spin = "import time\nwhile time.process_time() < 0.3: pass"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spin!r}])"
    assert run((PYTHON, "-c", script)).cpu >= 0.3


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.iterdir()), ids=lambda path: path.name)
def test_peers_are_pinned_and_no_index_is_named(path: Path) -> None:
    if path.suffix == ".json":
        pins = [f"{name}=={version}" for name, version in json.loads(path.read_text())["dependencies"].items()]
    else:
        pins = path.read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][A-Za-z0-9.]*", pin) for pin in pins)
    assert pins[0] == f"{path.stem}=={version_of(path.stem)}"
