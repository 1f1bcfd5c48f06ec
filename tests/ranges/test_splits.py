"""A range cut off another, on its way to the ledger: what it takes of pages, and what is left of it after a crash."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.destination import parse_destination
from exporter.ledger import intents
from exporter.ledger.intents import Intent
from exporter.ledger.ledger import Range
from exporter.ledger.opening import locked, open_ledger
from exporter.model import Page, Position, Query, Role
from exporter.output.files import FileSink
from exporter.output.plan import plan_lines
from exporter.pages.codec import make_cursor
from exporter.ranges.moves import Batch, Split, first, position_after
from exporter.ranges.walk import Walk, accept

QUERY = Query(roles=(Role.AGENT,))
SPLIT = Split(of=1, at=5, until=None)


def line(user_id: int) -> bytes:
    return b'{"id":%d}\n' % user_id


def page_of(*ids: int, more: bool = True, item_cursors: bool = False) -> Page:
    cursors = [make_cursor(each) for each in ids]
    first, last = (cursors[0], cursors[-1]) if ids else (None, None)
    return Page(list(ids), list(map(line, ids)), cursors if item_cursors else None, first, last, last, more)


def take(walk: Walk, page: Page, split: Split | None = None) -> Batch:
    return accept(walk, page, by_id=True, trusted=True, split=split)


def old() -> Walk:
    """Return a range that has come to 3, and ends before 5."""
    return Walk(1, Role.AGENT, Position(make_cursor(3), 0, 3, 3), until=5)


def new() -> Walk:
    """Return a range that begins with 5."""
    return Walk(2, Role.AGENT, Position(make_cursor(5), skip=-1))


def intent_of(batch: Batch, start: int) -> Intent:
    return Intent((plan_lines("users", start, batch.lines),) if batch.lines else (), (batch.move,))


@pytest.mark.parametrize(
    ("ids", "taken", "finished"),
    [
        ((4, 5, 6), (4,), True),
        ((4, 6), (4,), True),
        ((4,), (4,), True),  # nobody can be between 4 and 5
        ((5, 6), (), True),
        ((7,), (), True),
    ],
)
def test_a_range_takes_what_is_below_the_range_above_and_ends_there(
    ids: tuple[int, ...], taken: tuple[int, ...], finished: bool
) -> None:
    batch = take(old(), page_of(*ids))
    assert (batch.move.ids, batch.lines) == (taken, tuple(map(line, taken)))
    assert batch.move.end.finished is finished
    assert batch.move.end.last_id == (taken or (3,))[-1]


def test_a_range_that_does_not_reach_the_range_above_goes_on() -> None:
    walk = Walk(1, Role.AGENT, Position(make_cursor(3), 0, 3, 3), until=9)
    assert not take(walk, page_of(4, 5, 7)).move.end.finished
    assert walk.position == Position(make_cursor(7), 0, 7, 6)


@given(st.integers(1, 3), st.booleans())
def test_a_new_range_that_is_cut_within_its_first_page_goes_on_behind_what_is_there(
    count: int, item_cursors: bool
) -> None:
    batch = take(new(), page_of(5, 6, 8, 9, item_cursors=item_cursors), SPLIT)
    position = position_after(batch.move, count, make_cursor)
    assert first(batch, count, make_cursor).move.split == SPLIT
    after = (5, 6, 8)[count - 1]
    assert position == (
        Position(make_cursor(after), 0, after, count)
        if item_cursors
        else Position(make_cursor(5), count - 1, after, count)
    )
    rest = page_of(6, 8, 9) if not item_cursors else page_of(*[each for each in (6, 8, 9) if each > after])
    resumed = accept(Walk(2, Role.AGENT, position), rest, by_id=True, trusted=False)
    assert resumed.move.ids == tuple(each for each in (6, 8, 9) if each > after)


def test_a_first_page_of_one_user_is_no_circle() -> None:
    walk = new()
    assert take(walk, page_of(5), SPLIT).move.end == Position(make_cursor(5), 0, 5, 1)


def test_an_intent_keeps_how_a_range_came_to_be() -> None:
    intent = intent_of(take(new(), page_of(5, 6), SPLIT), 0)
    assert intents.decode(intents.encode(intent)).moves == intent.moves
    assert intent.summary().moves[0].split == SPLIT


@pytest.mark.parametrize("kept", range(3))
def test_a_range_is_there_once_a_user_of_its_first_batch_is(kept: int) -> None:
    intent = intent_of(take(new(), page_of(5, 6), SPLIT), 0)
    found = intents.recover([intent], {}, {1: 3}, lambda _: kept)
    assert found.splits == ({2: SPLIT} if kept else {})
    assert {number: position.users for number, position in found.positions.items()} == ({2: kept} if kept else {})


@pytest.mark.parametrize("ids", [(5, 6), (4, 5)])
def test_a_range_does_not_come_to_its_end_without_the_range_that_was_cut_off_it(ids: tuple[int, ...]) -> None:
    """Its last page may hold nobody of its own: there is no write then that would be missing with the others."""
    birth = intent_of(take(new(), page_of(5, 6), SPLIT), 0)
    end = intent_of(take(old(), page_of(*ids)), birth.writes[0].end)
    found = intents.recover([birth, end], {}, {1: 3}, lambda _: 0)
    assert found.splits == {}
    assert not any(position.finished for position in found.positions.values())


def test_the_ledger_knows_both_ranges_when_the_first_batch_of_the_new_one_is_on_disk(tmp_path: Path) -> None:
    birth = intent_of(take(new(), page_of(5, 6, 9, more=False), SPLIT), 0)
    with open_ledger(tmp_path / "ledger.db", {}, ("agent",)) as ledger:
        ledger.intend(birth)
        assert [each.number for each in ledger.ranges()] == [1]
        ledger.settle({"users": birth.writes[0].end})
    with open_ledger(tmp_path / "ledger.db", {}, ("agent",)) as ledger:
        assert list(ledger.ranges()) == [
            Range(1, Role.AGENT, Position(), 5),
            Range(2, Role.AGENT, Position(make_cursor(9), 0, 9, 3, finished=True), None),
        ]


@pytest.mark.anyio
async def test_a_frame_with_several_batches_of_a_new_range_keeps_how_it_came_to_be(tmp_path: Path) -> None:
    destination = parse_destination(str(tmp_path / "users.ndjson.gz"))
    with locked(destination), open_ledger(destination.ledger, {}, ("agent",)) as ledger:
        sink = FileSink(destination, QUERY)
        sink.open({})
        walk = new()
        for batch in (take(walk, page_of(5, 6), SPLIT), take(walk, page_of(7, more=False))):
            assert sink.stage(batch, {}) == []
        for intent in sink.flush():
            ledger.intend(intent)
            await sink.write(intent)
        ledger.settle(await sink.sync())
        sink.close()
        assert [(each.number, each.position.users, each.until) for each in ledger.ranges()] == [(1, 0, 5), (2, 3, None)]
    assert gzip.decompress((tmp_path / "users.ndjson.gz.partial").read_bytes()) == line(5) + line(6) + line(7)
