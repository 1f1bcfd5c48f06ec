"""Streams: wherever they are cut, whatever a server makes of made cursors, and wherever a crash falls (P1)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import ContractError
from exporter.model import Page, Position, Role
from exporter.pages.codec import make_cursor
from exporter.ranges.moves import Split
from exporter.ranges.streams import END, Aim, Birth, Kind, Stream, choose
from exporter.ranges.walk import Walk, accept
from tests.support.ranges_world import ROLES, Server, World, line

DENSE = st.integers(0, 60).map(lambda count: list(range(1000, 1000 + count)))
RANDOM = st.lists(st.integers(0, 2**63 - 2), unique=True, max_size=60).map(sorted)
CLUSTERS = st.lists(st.tuples(st.integers(1, 10**10), st.integers(1, 25)), max_size=6).map(
    lambda runs: [start + user for start, count in _spread(runs) for user in range(count)]
)
IDS = DENSE | RANDOM | CLUSTERS


def _spread(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    at, spread = 10**12, []
    for gap, count in runs:
        spread.append((at + gap, count))
        at += gap + count
    return spread


@given(data=st.data(), ids=st.tuples(IDS, IDS), size=st.integers(1, 6), item_cursors=st.booleans())
@settings(max_examples=300, deadline=None)
def test_cut_and_killed_anywhere_every_user_is_written_once_whatever_is_made_of_made_cursors(
    data: st.DataObject, ids: tuple[list[int], list[int]], size: int, item_cursors: bool
) -> None:
    def misread(count: int) -> int | None:
        return data.draw(st.none() | st.integers(0, count), label="misread")

    users = dict(zip(ROLES, ids, strict=True))
    world = World(Server(users, size, item_cursors, misread), most=data.draw(st.none() | st.integers(1, 5)))
    seen = b""
    for _ in range(data.draw(st.integers(0, 60), label="steps")):
        if world.done:
            break
        match data.draw(st.sampled_from(["answer", "answer", "answer", "cut", "cut", "settle", "crash"]), label="step"):
            case "answer":
                world.answer(data.draw(st.integers(0, 50), label="which"))
            case "cut":
                world.cut()
            case "settle":
                world.settle()
            case "crash":
                seen = world.file[: world.file.rfind(b"\n", 0, world.synced) + 1]
                world.crash(data.draw(st.integers(0, 400), label="lost"))
                assert world.file.startswith(seen)
    answers = 0
    while not world.done:
        world.cut()
        world.answer(0)
        answers += 1
        assert answers <= 40 * sum(map(len, ids)) + 40, "it does not end"
    wanted = [line(role, each) for role in ROLES for each in users[role]]
    assert sorted(world.file.splitlines(keepends=True)) == sorted(wanted)
    world.settle()
    assert all(position.finished for position in world.positions())
    assert sum(position.users for position in world.positions()) == len(wanted)


def page(ids: list[int], *, more: bool = True) -> Page:
    cursors = [make_cursor(each) for each in ids]
    first, last = (cursors[0], cursors[-1]) if ids else (None, None)
    return Page(ids, [line(Role.AGENT, each) for each in ids], cursors, first, last, last, more)


def walked(number: int, ids: range, *, until: int | None = None, head: str | None = None) -> Walk:
    """Return a range that has just come to the last of some ids."""
    near = len(ids) / (ids[-1] - ids[0] + 1)
    position = Position(make_cursor(ids[-1]), 0, ids[-1], len(ids))
    return Walk(number, Role.AGENT, position, until, head, span=ids[-1] - ids[0], seen=len(ids), near=near)


def stream(*walks: Walk, most: int | None = None) -> Stream:
    return Stream(Role.AGENT, 100, list(walks), most, end_sought=True)


def test_the_end_of_a_stream_is_sought_first_and_once() -> None:
    there = stream(walked(1, range(0, 10_000, 100)))
    there.end_sought = False
    aim = choose([there])
    assert aim == Aim(Role.AGENT, Kind.END, END, before=make_cursor(END))
    assert choose([there]) is None


def test_a_stream_of_one_page_is_not_cut() -> None:
    done = walked(1, range(10))
    done.position = Position(make_cursor(9), 0, 9, 10, finished=True)
    assert choose([stream(done)]) is None


def test_the_range_with_the_most_left_is_cut_in_the_middle_of_what_is_left() -> None:
    short, long = (
        walked(1, range(0, 10_000, 100), until=100_000),
        walked(2, range(100_000, 110_000, 100), until=900_000),
    )
    aim = choose([stream(short, long, walked(3, range(900_000, 910_000, 100)))])
    assert aim is not None
    assert aim.kind is Kind.MIDDLE
    assert 490_000 < aim.at < 530_000
    assert aim.after == make_cursor(aim.at)


def test_where_an_aim_is_under_way_a_range_counts_as_cut() -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=810_000), walked(2, range(810_000, 820_000, 100)))
    aims = [aim.at for aim in (choose([there]) for _ in range(7)) if aim is not None]
    assert len(aims) == 7
    parts = sorted([*aims, 9_900, 810_000])
    widths = [upper - lower for lower, upper in pairwise(parts)]
    assert max(widths) < 2.5 * min(widths)


@pytest.mark.parametrize(("pages", "cut"), [(1.9, False), (2.1, True)])
def test_what_has_under_two_pages_left_is_not_cut(pages: float, cut: bool) -> None:
    last = 9_900
    there = stream(
        walked(1, range(0, 10_000, 100), until=last + int(pages * 10_000)), walked(2, range(10**6, 10**6 + 99))
    )
    assert (choose([there]) is not None) == cut


@pytest.mark.parametrize("most", [1, 2, 3])
def test_no_more_ranges_are_at_work_than_are_allowed(most: int) -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99)), most=most)
    assert sum(choose([there]) is not None for _ in range(5)) == max(most - 2, 0)


def test_a_landing_cuts_the_range_it_comes_down_in() -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99)))
    aim = choose([there])
    assert aim is not None
    born = there.landed(aim, page(list(range(600_000, 610_000, 100))), 3, trusted=True)
    assert isinstance(born, Birth)
    assert [walk.until for walk in there.walks] == [600_000, 10**6, None]
    assert (born.walk.number, born.walk.until) == (3, 10**6)
    assert born.batch.move.split == Split(1, 600_000, 10**6)
    assert len(born.batch.lines) == 100


@pytest.mark.parametrize("ids", [list(range(100)), list(range(9_000, 9_900, 100))])
def test_a_landing_where_somebody_has_been_changes_nothing(ids: list[int]) -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99)))
    aim = choose([there])
    assert aim is not None
    assert there.landed(aim, page(ids), 3, trusted=True) is None
    assert [walk.until for walk in there.walks] == [10**6, None]


@pytest.mark.parametrize("ids", [[], list(range(10**6, 10**6 + 100))])
def test_after_a_miss_the_users_right_below_the_range_above_are_asked_for(ids: list[int]) -> None:
    head = make_cursor(10**6)
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99), head=head))
    aim = choose([there])
    assert aim is not None
    second = there.landed(aim, page(ids), 3, trusted=True)
    assert second == Aim(Role.AGENT, Kind.BELOW, 10**6, before=head)
    born = there.landed(second, page(list(range(20_000, 20_100))), 3, trusted=True)
    assert isinstance(born, Birth)
    assert not born.walk.position.finished  # it has to meet the range above, whatever that page was before
    assert [walk.until for walk in there.walks] == [20_000, 10**6, None]


def test_below_a_range_whose_cursor_is_only_made_the_end_is_walked_to() -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99)))
    aim = choose([there])
    assert aim is not None
    second = there.landed(aim, page([]), 3, trusted=True)
    assert isinstance(second, Aim)
    born = there.landed(second, page(list(range(20_000, 20_100))), 3, trusted=True)
    assert isinstance(born, Birth)
    assert not born.walk.position.finished


def test_a_range_that_ends_at_the_next_number_asks_for_nothing_more() -> None:
    walk = walked(1, range(100), until=200)
    accept(walk, page(list(range(100, 200))), by_id=True, trusted=True)
    assert walk.position.finished


def test_where_trust_is_gone_a_landing_comes_to_nothing() -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99)))
    aim = choose([there])
    assert aim is not None
    assert there.landed(aim, page(list(range(600_000, 600_100))), 3, trusted=False) is None
    assert there.aims == []


def test_ids_that_descend_on_a_landing_are_an_error_that_names_both() -> None:
    there = stream(walked(1, range(0, 10_000, 100), until=10**6), walked(2, range(10**6, 10**6 + 99)))
    aim = choose([there])
    assert aim is not None
    with pytest.raises(ContractError, match="600001 follows 600002"):
        there.landed(aim, page([600_002, 600_001]), 3, trusted=True)
