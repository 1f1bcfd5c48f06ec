"""Whether a page may be believed, by what a walk knows."""

from __future__ import annotations

import pytest

from exporter.model import Page, Position, Role
from exporter.pages.codec import make_cursor
from exporter.ranges.judging import BARE, EMPTY, ODD_CURSORS, SHORT, Doubt, judge, shows_nobody, without_repeats
from exporter.ranges.walk import ANEW, Walk, accept

SIZE = 4


def page(*ids: int, more: bool = True, items: bool = True) -> Page:
    cursors = [make_cursor(each) for each in ids]
    first, last = (cursors[0], cursors[-1]) if ids else (None, None)
    return Page(list(ids), [b"%d\n" % each for each in ids], cursors if items else None, first, last, last, more)


def walk(*, until: int | None = None, at: Position | None = None) -> Walk:
    """A walk that has written the users 1, 2 and 3, and asks from behind 2."""
    position = at or Position(make_cursor(2), 1, 3, 3)
    return Walk(1, Role.AGENT, position, until, overlap=True, confirm=True)


@pytest.mark.parametrize(
    ("came", "why"),
    [
        (page(3, 5, 4, 6), "4 follows 5"),
        (page(1, 2, 4, 5), "behind 3 begins with 1"),
        (page(1, 2, 3, 3), "3 follows 3"),
        (page(0, 1, 2, 3), "does not get ahead"),
    ],
)
def test_what_contradicts_itself_or_what_is_known_is_never_believed(came: Page, why: str) -> None:
    doubt = judge(walk(), came, SIZE)
    assert doubt is not None
    assert why in doubt.why
    assert (doubt.odd, doubt.before) == ("", None)


def test_a_page_that_begins_with_the_last_user_before_is_believed() -> None:
    assert judge(walk(), page(3, 5, 7, 8), SIZE) is None
    assert judge(walk(), page(2, 3, 5, 7), SIZE) is None  # a cursor that includes its own user


def test_where_the_last_user_is_not_there_a_look_tells_whether_anybody_is_between() -> None:
    doubt = judge(walk(), page(5, 6, 7, 8), SIZE)
    assert doubt is not None
    assert doubt.before == 5
    stands = walk().position
    assert shows_nobody(page(1, 2, 3), 5, 3, stands) is True
    assert shows_nobody(page(1, 2), 5, 3, stands) is True  # he is gone, and the one before him is not
    assert shows_nobody(page(1), 5, 3, stands) is None  # both are gone, or it is a page of somebody else's
    assert shows_nobody(page(2, 3, 4), 5, 3, stands) is False
    assert shows_nobody(page(), 5, 3, stands) is None
    assert shows_nobody(page(2), 5, None, Position()) is False
    assert shows_nobody(page(), 5, None, Position()) is True
    assert shows_nobody(page(5, 6), 5, None, Position()) is True  # `before` is ignored, and it is the first page again
    assert shows_nobody(page(4, 6), 5, None, Position()) is False


@pytest.mark.parametrize(
    ("came", "odd"),
    [
        (page(3, 5, 6), SHORT),
        (Page([3, 5], [b"", b""], None, None, None, None, more=False), BARE),
        (Page([3, 5], [b"", b""], [make_cursor(3), "x"], make_cursor(3), "y", "y", more=False), ODD_CURSORS),
        (page(more=False), EMPTY),
    ],
)
def test_what_is_odd_is_believed_when_it_comes_again(came: Page, odd: str) -> None:
    doubt = judge(walk(), came, SIZE)
    assert doubt is not None
    assert doubt.odd == odd
    assert doubt.times > 1
    assert judge(walk(), came, SIZE, {odd}) is None


@pytest.mark.parametrize("came", [page(3, more=False), page(3, 5, 6, more=False), page(3, 5, 6, 7, more=False)])
def test_a_range_that_ends_before_it_meets_the_one_above_is_looked_into(came: Page) -> None:
    doubt = judge(walk(until=20), came, SIZE)
    assert doubt is not None
    assert (doubt.before, doubt.ends) == (20, True)
    assert "before they have come to 20" in doubt.why


@pytest.mark.parametrize(
    "came", [page(3, 5, 19, more=False), page(3, 5, 20, 21), page(3, 20, more=False), page(3, 5, 6, 7)]
)
def test_a_range_that_meets_the_one_above_or_goes_on_is_believed(came: Page) -> None:
    assert judge(walk(until=20), came, SIZE) is None


def test_a_walk_begun_anew_sees_who_is_written() -> None:
    anew = walk(at=Position(None, ANEW, 30, 30))
    assert judge(anew, page(1, 2, 3, 4), SIZE) is None
    assert accept(anew, page(1, 2, 3, 4), by_id=True, trusted=True).lines == ()


def test_a_streams_end_is_believed_when_it_was_said_twice() -> None:
    there = walk()
    accept(there, page(3, 5, more=False), by_id=True, trusted=True)
    assert not there.position.finished
    assert there.position == Position(make_cursor(3), 1, 5, 4)
    accept(there, page(5, more=False), by_id=True, trusted=True)
    assert there.position.finished


def test_an_end_that_was_none_is_walked_on_from() -> None:
    there = walk()
    accept(there, page(3, 5, more=False), by_id=True, trusted=True)
    assert accept(there, page(5, 6, 7, 8), by_id=True, trusted=True).move.ids == (6, 7, 8)
    accept(there, page(8, more=False), by_id=True, trusted=True)
    assert not there.position.finished  # said once since somebody came


def test_who_comes_twice_in_a_row_is_taken_once() -> None:
    tidy = without_repeats(page(3, 3, 4, 5))
    assert (tidy.ids, len(tidy.lines), len(tidy.cursors or [])) == ([3, 4, 5], 3, 3)
    whole = page(3, 4)
    assert without_repeats(whole) is whole


def test_a_doubt_says_what_would_settle_it() -> None:
    assert Doubt("why") == Doubt("why", odd="", times=2, before=None, ends=False)
