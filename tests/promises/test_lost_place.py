"""Another order than by id, no item cursors, stopped in the middle of a page: what of it is written already?

The saved position says: behind this cursor, so many users, the last of them this one. Where the page has changed since,
the output itself is looked at; where it can't be, a repeat is told of, and a gap can't be.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Page, Position, Role
from exporter.ranges.walk import Walk, accept
from tests.support.command_line import Ended, command, run
from tests.support.stub_server import StubServer, page_of

FLAGS = ("--role", "agent", "--sort", "name", "--no-sweep")
PAGE, NEXT = (50, 40, 30, 20, 10), (5, 4)
WRITTEN = 3
CHANGED = {
    "the last one has gone": (50, 40, 20, 10),
    "the last one comes later": (50, 40, 20, 30, 10),
    "the last one comes first": (30, 50, 40, 20, 10),
    "another one came before": (50, 45, 40, 30, 20, 10),
    "another one has gone": (50, 30, 20, 10),
}
"""How a page of which three users are written may look when the export goes on."""


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with StubServer() as server:
        server.pages = [page_of(PAGE, more=True), page_of(NEXT, more=False, before="1")]
        yield server


def ids_in(content: bytes) -> list[int]:
    return [json.loads(line)["id"] for line in content.splitlines()]


def stopped(stub: StubServer, out: Path, page: tuple[int, ...], *flags: str | Path) -> Ended:
    """Stop in the middle of the first page, let that change, and go on."""
    assert run(stub.url, out, *FLAGS, *flags, "--max-users", str(WRITTEN)).code == 8
    stub.pages[0] = page_of(page, more=True)
    return run(stub.url, out, *FLAGS, *flags)


@pytest.mark.parametrize("page", [PAGE, *CHANGED.values()], ids=["as it was", *CHANGED])
@pytest.mark.parametrize("name", ["out.ndjson", "out.ndjson.gz"])
def test_whatever_became_of_the_page_nobody_in_a_file_is_written_twice_or_left_out(
    stub: StubServer, name: str, page: tuple[int, ...], tmp_path: Path
) -> None:
    out = tmp_path / name
    done = stopped(stub, out, page)
    assert done.code == 0, done.said
    content = gzip.decompress(out.read_bytes()) if name.endswith("gz") else out.read_bytes()
    assert ids_in(content) == [*PAGE[:WRITTEN], *(each for each in page if each not in PAGE[:WRITTEN]), *NEXT]
    assert command("verify", out).code == 0


@pytest.mark.parametrize("page", CHANGED.values(), ids=CHANGED)
def test_stdout_repeats_what_it_must_and_says_so(
    stub: StubServer, page: tuple[int, ...], tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    done = stopped(stub, Path("-"), page, "--ledger", tmp_path / "l.db")
    assert done.code == 0, done.said
    assert ids_in(capfdbinary.readouterr().out) == [*PAGE[:WRITTEN], *page, *NEXT]
    assert "some users of agent were sent twice" in done.said


def test_stdout_repeats_nobody_where_the_page_is_as_it_was(
    stub: StubServer, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    done = stopped(stub, Path("-"), PAGE, "--ledger", tmp_path / "l.db")
    assert ids_in(capfdbinary.readouterr().out) == [*PAGE, *NEXT]
    assert "twice" not in done.said


def test_an_output_that_can_not_be_read_back_ends_it_with_6_by_name(stub: StubServer, tmp_path: Path) -> None:
    out = tmp_path / "out.ndjson"
    assert run(stub.url, out, *FLAGS, "--max-users", str(WRITTEN)).code == 8
    partial = out.with_name("out.ndjson.partial")
    partial.write_bytes(b"{" * partial.stat().st_size)
    stub.pages[0] = page_of(CHANGED["the last one has gone"], more=True)
    done = run(stub.url, out, *FLAGS)
    assert done.code == 6
    assert f"{partial} can't be read back" in done.said.replace("\n", " ")


@given(st.permutations(range(1, 9)), st.permutations(range(1, 9)), st.integers(1, 8))
def test_nobody_unwritten_is_left_out_of_a_page_however_it_has_changed(
    before: list[int], now: list[int], written: int
) -> None:
    walk = Walk(1, Role.AGENT, Position("c", written, before[written - 1], written))
    page = Page(now, [b"%d\n" % each for each in now], None, "a", "z", "z", more=True)
    lost = walk.is_lost_on(page)
    kept = accept(walk, page, by_id=False, trusted=False).move.ids
    assert kept == tuple(now if lost else now[written:])
    if now == before:
        assert not lost
