"""Ranges: whatever is cut off wherever, every user is taken once, in order; and no walk goes on for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from exporter.errors import ContractError
from exporter.model import Page, Position, Role
from exporter.pages.codec import make_cursor
from exporter.ranges.moves import Batch, first, position_after
from exporter.ranges.walk import Walk, accept

IDS = st.lists(st.integers(0, 2**63 - 1), unique=True, max_size=40)
SIZES = st.integers(1, 7)
CUTS = st.lists(st.none() | st.integers(0, 7), max_size=25)
"""For each batch in turn: how many of its items are written before the process is killed; None: it is not."""


def line(user_id: int) -> bytes:
    return b'{"id":%d}\n' % user_id


@dataclass
class Account:
    """A stream on a server: users in its own order, and pages of them behind a cursor."""

    ids: list[int]
    size: int
    item_cursors: bool = False
    by_id: bool = True

    def page(self, cursor: str | None) -> Page:
        rest = self.ids[self._after[cursor] if cursor else 0 :]
        there = rest[: self.size]
        cursors = [self._cursor(each) for each in there]
        return Page(
            ids=there,
            lines=lines(there),
            cursors=cursors if self.item_cursors else None,
            before=cursors[0] if there else None,
            last=cursors[-1] if there else None,
            after=cursors[-1] if there else None,
            more=len(rest) > self.size,
        )

    def __post_init__(self) -> None:
        self._after = {self._cursor(each): number for number, each in enumerate(self.ids, 1)}

    def _cursor(self, user_id: int) -> str:
        return make_cursor(user_id) if self.by_id else f"after {user_id}"

    def drop(self, gone: set[int]) -> None:
        """Delete users; cursors that stood after them stay good."""
        after = {cursor: sum(each not in gone for each in self.ids[:count]) for cursor, count in self._after.items()}
        self.ids = [each for each in self.ids if each not in gone]
        self._after = after


@dataclass
class Export:
    """An export of one range: what its ledger and its file hold, whatever happens to the process."""

    account: Account
    trusted: bool = False
    position: Position = field(default_factory=Position)
    written: list[bytes] = field(default_factory=list)
    pages: int = 0

    def step(self, walk: Walk, cut: int | None = None) -> bool:
        """Take one page; tell whether the process was killed before all of it was written."""
        self.pages += 1
        page = self.account.page(walk.position.cursor)
        batch = accept(walk, page, by_id=self.account.by_id, trusted=self.trusted)
        count = len(batch.lines) if cut is None else min(cut, len(batch.lines))
        self.written += batch.lines[:count]
        self.position = position_after(batch.move, count, make_cursor)
        assert cut is not None or self.position == walk.position
        return cut is not None

    def run(self, cuts: list[int | None]) -> None:
        """Go on from what is saved until the range is finished, killed at each cut."""
        left = iter(cuts)
        while not self.position.finished:
            walk = Walk(1, Role.AGENT, self.position)
            while not walk.position.finished and not self.step(walk, next(left, None)):
                pass


def lines(ids: list[int]) -> list[bytes]:
    return [line(each) for each in ids]


@given(IDS.map(sorted), SIZES, CUTS, st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_killed_anywhere_every_user_is_taken_once_and_in_order(
    ids: list[int], size: int, cuts: list[int | None], item_cursors: bool, trusted: bool
) -> None:
    export = Export(Account(ids, size, item_cursors), trusted)
    export.run(cuts)
    assert export.written == lines(ids)
    assert export.position.users == len(ids)
    assert export.position.last_id == (ids[-1] if ids else None)


@given(IDS, SIZES, CUTS, st.booleans())
@settings(deadline=None)
def test_in_an_order_other_than_id_every_user_is_taken_once_too(
    ids: list[int], size: int, cuts: list[int | None], item_cursors: bool
) -> None:
    export = Export(Account(ids, size, item_cursors, by_id=False), trusted=True)
    export.run(cuts)
    assert export.written == lines(ids)


@given(IDS.map(sorted), SIZES, st.integers(0, 7), st.sets(st.integers(0, 39)), st.booleans(), st.booleans())
@settings(deadline=None)
def test_users_deleted_while_the_process_was_down_take_nobody_with_them(
    ids: list[int], size: int, cut: int, gone: set[int], item_cursors: bool, trusted: bool
) -> None:
    export = Export(Account(ids, size, item_cursors), trusted)
    export.step(Walk(1, Role.AGENT, export.position))
    assume(not export.position.finished)
    export.step(Walk(1, Role.AGENT, export.position), cut)
    before = list(export.written)
    export.account.drop({ids[each] for each in gone if each < len(ids)})
    export.run([])
    assert export.written == before + [each for each in lines(export.account.ids) if each not in before]


def test_a_page_whose_written_part_is_gone_is_taken_whole() -> None:
    account = Account([1, 2, 3, 4], 4)
    export = Export(account)
    export.step(Walk(1, Role.AGENT, export.position), 2)
    account.drop({1, 2})
    export.run([0, 1])
    assert export.written == lines([1, 2, 3, 4])


def test_in_another_order_a_last_user_who_is_gone_means_a_repeat_and_no_gap() -> None:
    export = Export(Account([5, 3, 9, 1], 4, by_id=False))
    export.step(Walk(1, Role.AGENT, export.position), 2)
    export.account.ids.remove(3)
    export.run([])
    assert export.written == lines([5, 3, 5, 9, 1])


@given(IDS.map(sorted), SIZES, st.integers(0, 20), CUTS, st.booleans(), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_walk_begun_anew_writes_nothing_twice_and_leaves_nobody_out(
    ids: list[int], size: int, refused_at: int, cuts: list[int | None], item_cursors: bool, trusted: bool
) -> None:
    export = Export(Account(ids, size, item_cursors), trusted)
    walk = Walk(1, Role.AGENT, export.position)
    for _ in range(refused_at):
        if not walk.position.finished:
            export.step(walk)
    if not walk.position.finished:
        walk.restart(by_id=True)
        for cut in cuts:
            if walk.position.finished or export.step(walk, cut):
                break
        else:
            while not walk.position.finished:
                export.step(walk)
    export.run(cuts)
    assert export.written == lines(ids)
    assert export.position.users == len(ids)


@pytest.mark.parametrize("pages", range(1, 20))
def test_a_walk_begun_anew_in_the_middle_is_not_taken_for_a_circle(pages: int) -> None:
    export = Export(Account(list(range(40)), 2))
    walk = Walk(1, Role.AGENT, export.position)
    for _ in range(pages):
        export.step(walk)
    walk.restart(by_id=True)
    while not walk.position.finished:
        export.step(walk)
    assert export.written == lines(list(range(40)))


def page_of(*ids: int, after: str = "next", more: bool = True) -> Page:
    return Page(list(ids), lines(list(ids)), None, "first", after, after, more)


@given(IDS.filter(lambda ids: ids != sorted(ids)), st.integers(0, 50))
def test_a_descent_within_a_page_names_both_ids(ids: list[int], last: int) -> None:
    later, sooner = next((b, a) for a, b in pairwise(ids) if b < a)
    for position in (Position(), Position("c", skip=3, last_id=last, users=3)):
        with pytest.raises(ContractError, match=rf"\b{later} follows {sooner}\b"):
            accept(Walk(1, Role.AGENT, position), page_of(*ids), by_id=True, trusted=True)


@pytest.mark.parametrize("second", [6, 0])
def test_a_descent_from_one_page_to_the_next_names_both_ids(second: int) -> None:
    walk = Walk(1, Role.AGENT, Position())
    accept(walk, page_of(3, 7, after="a"), by_id=True, trusted=False)
    with pytest.raises(ContractError, match=rf"agent .*\b{second} follows 7\b"):
        accept(walk, page_of(second, 9, after="b"), by_id=True, trusted=False)


def test_the_same_id_twice_is_a_descent() -> None:
    with pytest.raises(ContractError, match="5 follows 5"):
        accept(Walk(1, Role.AGENT, Position()), page_of(5, 5), by_id=True, trusted=False)


def test_in_another_order_ids_may_descend() -> None:
    batch = accept(Walk(1, Role.AGENT, Position()), page_of(5, 3), by_id=False, trusted=False)
    assert batch.move.ids == (5, 3)


@given(st.integers(0, 60), st.integers(1, 60), st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_circle_is_met_within_its_length_three_times(tail: int, length: int, resumed: bool) -> None:
    walk = Walk(1, Role.AGENT, Position("saved" if resumed else None))
    with pytest.raises(ContractError, match="circle"):
        for step in range(2 * max(tail, length) + length + 3):
            number = step if step < tail else tail + (step - tail) % length
            accept(walk, page_of(number, after=f"c{number}"), by_id=False, trusted=False)


def test_a_cursor_that_leads_to_itself_is_met_at_once() -> None:
    walk = Walk(1, Role.AGENT, Position("c"))
    with pytest.raises(ContractError, match="one cursor came twice"):
        accept(walk, page_of(1, after="c"), by_id=True, trusted=True)


def test_a_long_walk_that_goes_straight_is_no_circle() -> None:
    export = Export(Account(list(range(3000)), 1))
    export.run([])
    assert export.pages == 3000


@pytest.mark.parametrize("after", [None, "c"])
def test_an_empty_last_page_finishes_the_range_where_it_is(after: str | None) -> None:
    walk = Walk(1, Role.AGENT, Position("c", last_id=9, users=5))
    batch = accept(walk, Page([], [], None, None, after, after, more=False), by_id=True, trusted=True)
    assert batch.move.end == Position("c", last_id=9, users=5, finished=True)
    assert batch.lines == ()


def batch_of(ids: list[int], item_cursors: bool, trusted: bool) -> Batch:
    walk = Walk(1, Role.AGENT, Position("start", last_id=None, users=10))
    return accept(walk, Account(ids, len(ids), item_cursors).page(None), by_id=True, trusted=trusted)


@given(IDS.filter(bool).map(sorted), st.integers(0, 50), st.booleans(), st.booleans())
def test_the_first_items_of_a_batch_leave_the_position_behind_them(
    ids: list[int], count: int, item_cursors: bool, trusted: bool
) -> None:
    batch = batch_of(ids, item_cursors, trusted)
    cut = first(batch, count, make_cursor)
    assert cut.lines == batch.lines[:count]
    assert cut.move.ids == batch.move.ids[:count]
    assert cut.move.start == batch.move.start
    assert cut.move.end == position_after(batch.move, min(count, len(ids)), make_cursor)
    assert cut.move.end.users == 10 + min(count, len(ids))


@given(IDS.filter(lambda ids: len(ids) > 1).map(sorted), st.data())
def test_a_position_claims_no_more_than_what_precedes_it(ids: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(ids) - 1))
    last_id, users = ids[count - 1], 10 + count
    issued, skipping = Position(make_cursor(last_id), 0, last_id, users), Position("start", count, last_id, users)
    for trusted in (False, True):
        assert position_after(batch_of(ids, True, trusted).move, count, make_cursor) == issued
        assert position_after(batch_of(ids, False, trusted).move, count, make_cursor) == skipping


def test_how_many_to_skip_is_counted_anew_on_every_page() -> None:
    walk = Walk(1, Role.AGENT, Position("c", skip=3, last_id=3, users=3))
    batch = accept(walk, page_of(2, 3, 4, 5, 6), by_id=True, trusted=False)  # 1 has gone meanwhile
    assert position_after(batch.move, 1, make_cursor) == Position("c", skip=3, last_id=4, users=4)
    assert batch.move.end == Position("next", skip=0, last_id=6, users=6)


@pytest.mark.parametrize("by_id", [True, False])
def test_no_cursor_is_made_where_the_server_issued_none(by_id: bool) -> None:
    walk = Walk(1, Role.AGENT, Position("start"))
    batch = accept(walk, page_of(1, 3, 5), by_id=by_id, trusted=True)
    assert not batch.move.made
    assert position_after(batch.move, 2, make_cursor) == Position("start", 2, 3, 2)


def test_no_cursor_is_made_where_the_walk_is_not_by_id() -> None:
    walk = Walk(1, Role.AGENT, Position("start"))
    batch = accept(walk, Account([5, 3, 1], 3, item_cursors=True, by_id=False).page(None), by_id=False, trusted=True)
    assert not batch.move.made
    assert position_after(batch.move, 2, make_cursor) == Position("after 3", 0, 3, 2)


def test_where_the_codec_is_right_about_the_cursors_that_were_issued_the_ids_stand_for_them() -> None:
    made, kept = (batch_of([1, 3, 5], True, trusted).move for trusted in (True, False))
    assert (made.made, made.cursors) == (True, ())
    assert (kept.made, kept.cursors) == (False, tuple(map(make_cursor, (1, 3, 5))))
