"""Fault 21: a saved cursor that is refused on resume (400, 422).

A cursor made from the last id leads back where the codec is trusted, else the stream is walked again and what is
written is skipped by id: never a gap, never a repeat.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from exporter.model import Page, Position, Role
from exporter.pages.codec import make_cursor
from exporter.ranges.walk import WAYS_BACK, Walk, accept, without
from tests.promises.test_kill import ledger_of
from tests.support.command_line import command, run, spoil_cursors
from tests.support.sandbox_farm import Sandbox, SandboxFarm
from tests.support.zexport_process import (
    expected_lines,
    lines,
    role_files,
    sorted_lines,
    start,
    wait_for_users,
    whole_lines,
)

USERS = 1_500
CHAIN = ("--ranges", "off", "--role", "end-user")
SEALED = ("--quirk", "sealed-cursors", "--item-cursors", "none")
ONCE = ("--fault", "cursor-refused@first:1")


def kill(sandbox: Sandbox, out: Path, *query: str) -> bytes:
    """Kill an export in the middle; return what it has written."""
    with start("run", sandbox.url, "-o", out, *query, "--rate", "1000000", "--progress", "json") as process:
        wait_for_users(process, 200)
        process.kill()
    return whole_lines(out)


@pytest.mark.parametrize(("cursors", "status"), [((), "422"), (SEALED, "400")], ids=["made", "sealed"])
def test_after_a_kill_a_refused_cursor_loses_and_repeats_nobody(
    farm: SandboxFarm, cursors: tuple[str, ...], status: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.ndjson"
    sandbox = farm.open("--users", str(USERS), "--latency", "70ms", *cursors)
    kept = kill(sandbox, out, *CHAIN)
    sandbox.reopen("--users", str(USERS), *cursors, "--fault", f"cursor-refused:{status}@n:1")
    done = run(sandbox, out, *CHAIN)
    assert done.code == 0, done.said
    assert out.read_bytes().startswith(kept)
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")
    pages, written = -(-len(lines(out)) // 100), kept.count(b"\n")
    if cursors:  # the refusal, the stream from its start, and once more its end
        assert len(sandbox.asked()) == 1 + pages + 1
    else:  # the refusal, the first page, which shows the codec right, the way straight back, and once more the end
        assert len(sandbox.asked()) <= 2 + -(-(len(lines(out)) - written + 1) // 99) + 1


def stopped(sandbox: Sandbox, out: Path, *flags: str) -> Path:
    """Stop an export in the middle; return its ledger."""
    assert run(sandbox, out, "--max-users", "730", *flags).code == 8
    return ledger_of(out)


def test_every_range_finds_its_way_back_by_a_made_cursor(farm: SandboxFarm, tmp_path: Path) -> None:
    flags = ("--users", "6000", "--latency", "100ms")
    sandbox = farm.open(*flags)
    assert run(sandbox, tmp_path, "--max-users", "3000").code == 8
    spoilt = spoil_cursors(ledger_of(tmp_path))
    kept = sum(map(len, map(lines_or_partial, role_files(tmp_path))))
    sandbox.reopen(*flags)
    done = run(sandbox, tmp_path)
    assert done.code == 0, done.said
    assert sorted_lines(*role_files(tmp_path)) == expected_lines(6000)
    assert spoilt > 5
    refused = sandbox.stats()["statuses"]["400"]
    assert 5 < refused <= spoilt
    # A refusal, a first page and a way back for each, and half a page more where one range meets the next.
    assert len(sandbox.asked()) <= (6000 - kept) / 100 + 5 * spoilt


def lines_or_partial(path: Path) -> list[bytes]:
    return whole_lines(path).splitlines(keepends=True)


QUIRKS = ["misread-cursors", "misread-cursors-as-end", "misread-cursors-elsewhere", "refuse-made-cursors"]


@pytest.mark.parametrize("quirk", [*QUIRKS, "sealed-cursors"])
def test_whatever_a_server_makes_of_the_made_cursor_nobody_is_lost_or_repeated(
    farm: SandboxFarm, quirk: str, tmp_path: Path
) -> None:
    out = tmp_path / "out.ndjson"
    sandbox = farm.open("--users", str(USERS))
    spoil_cursors(stopped(sandbox, out))
    sandbox.reopen("--users", str(USERS), "--quirk", quirk)
    kept = whole_lines(out)
    done = run(sandbox, out)
    assert done.code == 0, done.said
    assert out.read_bytes().startswith(kept)
    assert sorted(lines(out)) == sorted(expected_lines(USERS))


@pytest.mark.parametrize(
    ("name", "cursors"),
    [("out", ()), ("out.ndjson", SEALED), ("out.ndjson.gz", ()), ("out.ndjson.zst", SEALED)],
    ids=["folder", "file", "gzip", "zstd"],
)
def test_in_another_order_the_walk_begins_anew_and_skips_who_is_in_the_output(
    farm: SandboxFarm, name: str, cursors: tuple[str, ...], tmp_path: Path
) -> None:
    out, query = tmp_path / name, ("--sort", "name", "--role", "end-user")
    sandbox = farm.open("--users", str(USERS), *cursors)
    spoil_cursors(stopped(sandbox, out, *query))
    sandbox.reopen("--users", str(USERS), *cursors, "--fault", "401@n:4")
    # Ended once more where all are written already: that there is something to skip is known to the next run, too.
    assert run(sandbox, out, *query).code == 4
    done = run(sandbox, out, *query)
    assert done.code == 0, done.said
    assert sandbox.stats()["statuses"]["400"] == 1
    assert command("verify", out).code == 0  # which finds whoever is there twice
    content = (out / "end-user.ndjson" if name == "out" else out).read_bytes()
    if name.endswith("zst"):
        content = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(content)
    elif name.endswith("gz"):
        content = gzip.decompress(content)
    assert sorted(content.splitlines(keepends=True)) == expected_lines(USERS, "end-user")


def test_killed_in_another_order_and_refused_nothing_that_was_written_changes(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    out, query = tmp_path / "out.ndjson", ("--sort", "-created_at", "--role", "end-user")
    sandbox = farm.open("--users", str(USERS), "--latency", "70ms", *SEALED)
    kept = kill(sandbox, out, *query)
    sandbox.reopen("--users", str(USERS), *SEALED, *ONCE)
    assert run(sandbox, out, *query).code == 0
    whole = out.read_bytes()
    assert whole.startswith(kept)
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")


def test_what_was_sent_to_stdout_in_another_order_can_not_be_skipped_and_the_error_says_what_can_be_done(
    farm: SandboxFarm, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox, flags = farm.open("--users", str(USERS)), ("--ledger", tmp_path / "l.db", "--sort", "name", *CHAIN)
    assert run(sandbox, Path("-"), *flags, "--max-users", "250").code == 8
    assert capfd.readouterr().out
    sandbox.reopen("--users", str(USERS), *ONCE)
    done = run(sandbox, Path("-"), *flags)
    assert (done.code, capfd.readouterr().out) == (7, "")
    assert "does not take its own cursor" in done.said
    assert "--restart" in done.said


def test_by_id_stdout_goes_on_with_the_next_user(
    farm: SandboxFarm, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    sandbox, flags = farm.open("--users", str(USERS)), ("--ledger", tmp_path / "l.db", *CHAIN)
    assert run(sandbox, Path("-"), *flags, "--max-users", "250").code == 8
    first = capfdbinary.readouterr().out
    sandbox.reopen("--users", str(USERS), *ONCE)
    assert run(sandbox, Path("-"), *flags).code == 0
    both = (first + capfdbinary.readouterr().out).splitlines(keepends=True)
    assert sorted(both) == expected_lines(USERS, "end-user")


@pytest.mark.parametrize("query", [(), ("--sort", "name")], ids=["id", "name"])
def test_a_server_that_refuses_every_cursor_is_not_asked_for_ever(
    farm: SandboxFarm, query: tuple[str, ...], tmp_path: Path
) -> None:
    out, sandbox = tmp_path / "out.ndjson", farm.open("--users", str(USERS))
    stopped(sandbox, out, *CHAIN, *query)
    sandbox.reopen("--users", str(USERS), "--fault", "cursor-refused@from:1")
    done = run(sandbox, out, *CHAIN, *query)
    assert done.code == 7
    assert "--restart" not in done.said
    assert len(sandbox.asked()) <= 6  # the saved cursor; twice the first page, the way back, the cursor of that page
    assert not (tmp_path / "out.ndjson.zexport" / "manifest.json").exists()
    sandbox.reopen("--users", str(USERS))
    assert run(sandbox, out, *CHAIN, *query).code == 0
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")


@pytest.mark.parametrize("name", ["out.ndjson", "out.ndjson.gz"])
def test_refused_in_the_middle_of_a_run_in_another_order_the_walk_begins_anew_behind_all_that_is_under_way(
    farm: SandboxFarm, name: str, tmp_path: Path
) -> None:
    out, query = tmp_path / name, ("--sort", "name", "--role", "end-user")
    sandbox = farm.open("--users", str(USERS), "--fault", "cursor-refused@n:6")
    done = run(sandbox, out, *query)
    assert done.code == 0, done.said
    assert sandbox.stats()["faults"] == {"cursor-refused": 1}
    assert command("verify", out).code == 0  # which finds whoever is there twice
    content = out.read_bytes() if out.suffix == ".ndjson" else gzip.decompress(out.read_bytes())
    assert sorted(content.splitlines(keepends=True)) == expected_lines(USERS, "end-user")


def test_killed_on_the_way_back_the_next_run_takes_the_short_way_all_the_same(
    farm: SandboxFarm, tmp_path: Path
) -> None:
    out = tmp_path / "out.ndjson"
    sandbox = farm.open("--users", str(USERS))
    spoil_cursors(stopped(sandbox, out, *CHAIN))
    # The refusal, the first page, which shows the codec right, and twice the way straight back and a page.
    sandbox.reopen("--users", str(USERS), "--fault", "502@n:3,5", "--fault", "401@n:6")
    assert run(sandbox, out, *CHAIN).code == 4
    assert sandbox.stats()["faults"] == {"502": 2, "401": 1}
    sandbox.reopen("--users", str(USERS))
    done = run(sandbox, out, *CHAIN)
    assert done.code == 0, done.said
    assert sorted(lines(out)) == expected_lines(USERS, "end-user")
    assert len(sandbox.asked()) <= 1 + -(-(len(lines(out)) - 730 + 1) // 99) + 1


def test_the_way_straight_back_is_not_tried_for_ever() -> None:
    walk = Walk(1, Role.AGENT, Position("gone", 0, last_id=50, users=7))
    walk.restart(by_id=True)
    for _ in range(WAYS_BACK):
        assert walk.shortcut == 49
        walk.ways_back -= 1
    assert walk.shortcut is None


def page(*ids: int) -> Page:
    cursors = [make_cursor(each) for each in ids]
    return Page(list(ids), [b"%d\n" % each for each in ids], cursors, cursors[0], cursors[-1], cursors[-1], more=True)


@pytest.mark.parametrize(("first", "proven"), [(50, True), (49, False), (51, False), (100, False)])
def test_only_the_last_user_written_at_its_head_proves_where_a_page_is(first: int, proven: bool) -> None:
    walk = Walk(1, Role.AGENT, Position("gone", 0, last_id=50, users=7))
    assert walk.shortcut is None
    walk.restart(by_id=True)
    assert walk.shortcut == 49
    assert walk.leads_back(page(first, 101)) == proven
    assert walk.shortcut is None  # it is tried once


def test_a_walk_that_has_come_back_by_itself_needs_no_shortcut() -> None:
    walk = Walk(1, Role.AGENT, Position("gone", 0, last_id=50, users=7))
    walk.restart(by_id=True)
    assert accept(walk, page(10, 20), by_id=True, trusted=True).lines == ()
    assert walk.shortcut == 49
    assert accept(walk, page(30, 50, 60), by_id=True, trusted=True).move.ids == (60,)
    assert walk.shortcut is None


def test_a_page_without_those_who_are_written_leads_where_it_led() -> None:
    whole = page(5, 3, 9)
    less = without(whole, {3})
    assert (less.ids, less.lines, less.cursors) == ([5, 9], [b"5\n", b"9\n"], [make_cursor(5), make_cursor(9)])
    assert (less.after, less.more, less.before, less.last) == (whole.after, whole.more, whole.before, whole.last)
