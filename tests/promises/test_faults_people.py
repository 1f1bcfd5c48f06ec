"""Fault 16, end to end: text of one user that is no Unicode, or stands raw where it has to be escaped.

His page is not lost, U+FFFD stands in place of what is no text, all else is byte for byte what was sent, and the
manifest names him, once; with `--strict` the run ends with 7 and names him.
"""

from __future__ import annotations

import json
import os
import re
import signal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporter import Query, Role
from exporter.ledger.intents import Intent
from exporter.model import Sideload
from exporter.output.files import FileSink
from exporter.pages.mend import MENDED
from exporter.sandbox import Population
from exporter.sandbox.faults.refusals import HOSTILE
from exporter.sandbox.people.texts import wire
from exporter.sandbox.settings import ChurnRate, Quirk
from tests.support.command_line import AT_ONCE, command, run
from tests.support.looks import is_look
from tests.support.outcome import Outcome
from tests.support.sandbox_farm import SandboxFarm
from tests.support.sandbox_process import TIMEOUT
from tests.support.virtual_export import export, serving
from tests.support.virtual_export import run as virtually
from tests.support.wire_pages import page as wire_page
from tests.support.zexport_process import expected_lines, lines, start

USERS = 300
END_USERS = Query(roles=(Role.END_USER,))
ONE = ("--role", "end-user", "--ranges", "off")
"""One stream: three pages, one after the other, and the sweep's."""
IDS = list(Population(USERS).ids("end-user"))
SECOND = IDS[149]
"""Who is struck on the second page."""
TEXT = "text that is no valid Unicode was replaced by U+FFFD"
NAME = b',"name":"'


def warned(out: Path) -> list[str]:
    found: list[str] = json.loads((out / "manifest.json").read_bytes())["warnings"]
    return found


def named(*ids: int) -> list[str]:
    """Return what the manifest warns of where the text of these users was replaced."""
    return [f"{TEXT}: {len(ids)} users, {', '.join(map(str, ids))}"]


def odd_one(out: Path) -> tuple[bytes, bytes]:
    """Check that all lines but one are as they should be; return that one, and what it would be."""
    written, expected = lines(out / "end-user.ndjson"), expected_lines(USERS, "end-user")
    assert len(written) == len(expected)
    [odd], [plain] = set(written) - set(expected), set(expected) - set(written)
    assert json.loads(odd)["id"] == json.loads(plain)["id"] == SECOND
    return odd, plain


@pytest.mark.parametrize(
    ("kind", "became", "value"),
    [
        ("utf8", rb"\uFfFd(\uFfFd", "\ufffd(\ufffd"),
        ("surrogate", rb"\uFfFd", "\ufffd"),
        ("nul", rb"\u0000", "\0"),
        ("newline", rb"\u000d\u000a", "\r\n"),
        ("hostile", wire(HOSTILE)[1:-1], HOSTILE),
    ],
)
def test_a_user_whose_text_is_damaged_costs_nobody_his_line_and_is_named_if_he_lost_some(
    kind: str, became: bytes, value: str, farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", f"{kind}@n:2")
    ended = run(sandbox, tmp_path, *ONE, "--no-sweep")
    assert ended.code == 0, ended.said
    odd, plain = odd_one(tmp_path)
    assert odd == plain.replace(NAME, NAME + became, 1)
    assert json.loads(odd)["name"] == value + json.loads(plain)["name"]
    assert warned(tmp_path) == (named(SECOND) if "\ufffd" in value else [])
    assert command("verify", tmp_path).code == 0


@pytest.mark.parametrize("kind", ["utf8", "surrogate"])
def test_strictly_it_ends_with_7_naming_the_user_and_goes_on_without_the_flag(
    kind: str, farm: SandboxFarm, tmp_path: Path
) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", f"{kind}@n:2,3")
    ended = run(sandbox, tmp_path, *ONE, "--strict", "--no-sweep")
    assert ended.code == 7
    assert f"no valid Unicode: {SECOND}" in ended.said.replace("\n", " ")
    assert run(sandbox, tmp_path, *ONE, "--no-sweep").code == 0
    odd_one(tmp_path)
    assert warned(tmp_path) == named(SECOND)


@pytest.mark.parametrize("kind", ["nul", "newline", "hostile"])
def test_strictly_what_loses_nothing_is_no_damage(kind: str, farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", f"{kind}@n:2")
    assert run(sandbox, tmp_path, *ONE, "--strict", "--no-sweep").code == 0
    odd_one(tmp_path)


@pytest.mark.parametrize("strict", [False, True])
def test_sideloaded_text_that_is_no_unicode_is_told_of_too(strict: bool, tmp_path: Path) -> None:
    body = wire_page(
        b'{"id":1,"role":"end-user"}', more=rb',"identities":[{"id":7,"value":"a"},{"id":8,"value":"\ud800"}]'
    )

    async def strange(request: web.BaseRequest) -> web.StreamResponse | None:
        honest = "/count" in request.path or is_look(request.raw_path)
        return None if honest else web.Response(body=body, content_type="application/json")

    async def main() -> Outcome:
        async with serving() as server:
            server.strange = strange
            query = Query(roles=(Role.END_USER,), include=(Sideload.IDENTITIES,))
            return await server.export(tmp_path, query, strict=strict, sweep=False)

    outcome = virtually(main)
    assert outcome.code == (7 if strict else 0)
    if strict:
        assert str(outcome.error) == "text of sideloaded identities is no valid Unicode"
    else:
        assert warned(tmp_path) == ["text of sideloaded identities that is no valid Unicode was replaced by U+FFFD"]
        assert lines(tmp_path / "identities.ndjson")[1] == b'{"id":8,"value":"\\uFfFd"}\n'


CHANGING: dict[str, Any] = {"churn": ChurnRate(40, 150), "incremental_lag": 0.0, "incremental_limit": None}
"""An account in which 150 of a stream's users change while it is walked, and rests then."""


@pytest.mark.parametrize(
    ("quirks", "struck", "by"), [((), "from:6", "sort=-updated_at"), ((Quirk.NO_SORT,), "from:7", "/incremental/")]
)
def test_strictly_it_ends_with_7_too_where_the_closing_sweep_meets_the_user(
    quirks: tuple[Quirk, ...], struck: str, by: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.engine.changes.READABLE", -1)
    settings = CHANGING | {"quirks": frozenset(quirks)}
    outcome = export(tmp_path, f"utf8@{struck}", query=END_USERS, options={"strict": True}, **settings)
    assert outcome.code == 7
    assert re.search(r"no valid Unicode: \d+$", str(outcome.error))
    assert by in outcome.asked[-1].target
    assert outcome.repeated == 0


def replaced(out: Path) -> list[int]:
    """Return whose lines in the output hold replaced text."""
    return [json.loads(line)["id"] for line in lines(out / "end-user.ndjson") if MENDED in line]


@pytest.mark.parametrize("after", [False, True], ids=["before the lines are written", "after it"])
def test_who_is_fetched_again_after_a_kill_is_counted_once(
    after: bool, farm: SandboxFarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", "utf8@from:2")
    write = FileSink.write

    async def killed(sink: FileSink, intent: Intent) -> None:
        struck = MENDED in b"".join(each.data for each in intent.writes)
        if after or not struck:
            await write(sink, intent)
        if struck:
            os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(FileSink, "write", killed)  # a fork of this process has it, too
        process = start("run", sandbox.url, "-o", tmp_path, *AT_ONCE, *ONE, "--no-sweep")
        process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGKILL
    assert run(sandbox, tmp_path, *ONE, "--no-sweep").code == 0
    assert SECOND in replaced(tmp_path)
    assert warned(tmp_path) == named(*replaced(tmp_path))
    assert len(lines(tmp_path / "end-user.ndjson")) == len(IDS)
    assert command("verify", tmp_path).code == 0


def test_who_is_on_a_page_but_not_written_is_not_counted(farm: SandboxFarm, tmp_path: Path) -> None:
    sandbox = farm.open("--users", str(USERS), "--fault", "utf8@n:2")
    assert run(sandbox, tmp_path, *ONE, "--no-sweep", "--max-users", "120").code == 8
    assert run(sandbox, tmp_path, *ONE, "--no-sweep").code == 0
    assert sorted(lines(tmp_path / "end-user.ndjson")) == expected_lines(USERS, "end-user")
    assert warned(tmp_path) == []


@pytest.mark.parametrize("struck", ["n:2,4", "from:4"])
@pytest.mark.parametrize("quirks", [frozenset(), frozenset([Quirk.NO_SORT])], ids=["sort", "increment"])
def test_whom_the_closing_sweep_writes_is_counted_too_and_nobody_twice(
    quirks: frozenset[Quirk], struck: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.engine.changes.READABLE", -1)
    for seed in count(1):
        out = tmp_path / str(seed)
        options = {"keep_older": True}
        outcome = export(out, f"utf8@{struck}", query=END_USERS, options=options, quirks=quirks, seed=seed, **CHANGING)
        assert outcome.complete
        ids = list(dict.fromkeys(replaced(out)))
        assert list(outcome.warnings) == (named(*ids) if ids else [])
        assert command("verify", out).code == 0
        if ids:  # who is struck may have been deleted, or have another role by now: then another account will do
            break
