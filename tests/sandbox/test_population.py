"""The account that the sandbox serves: who is in it, in which orders, and at what cost."""

from __future__ import annotations

import tracemalloc
from collections import Counter, deque
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sandbox import IdLayout, Population, RoleShares
from exporter.sandbox.people.cohorts import COHORTS, EVERYONE, apportion, cohorts_of
from exporter.sandbox.people.names import Names
from exporter.sandbox.people.population import SORTS, Point
from exporter.sandbox.people.users import Person
from exporter.sandbox.settings import MAX_USERS

ROLES = ("end-user", "agent", "admin")

FEW_NAMES, MANY_NAMES = Names(1, plain=False), Names(10**6, plain=False)

unhurried = settings(deadline=None, max_examples=60)  # a machine under load is no failure
shares = st.builds(RoleShares, *[st.floats(0.01, 1) for _ in ROLES])
accounts = st.builds(
    Population,
    st.integers(0, 120),
    st.integers(0, 9),
    shares=shares,
    ids=st.sampled_from(IdLayout),
    plain=st.booleans(),
)
some_cohorts = st.lists(st.sampled_from(EVERYONE), min_size=1, unique=True)


def value(account: Population, sort: str, person: Person) -> int | str:
    values: dict[str, int | str] = {"id": person.id, "created_at": person.created, "updated_at": person.updated}
    return values[sort] if sort in values else account.names.text(person.name).casefold()


def point(sort: str, person: Person) -> Point:
    values = {"id": person.id, "created_at": person.created, "updated_at": person.updated, "name": person.name}
    return Point(values[sort], person.id)


def by_hand(account: Population, cohorts: list[int], sort: str, *, descending: bool) -> list[int]:
    """Sort an account the slow way: by value, then by id; return the ids."""
    people = [person for person in account.walk() if person.cohort in cohorts]
    people.sort(key=lambda person: value(account, sort, person), reverse=descending)  # stable: ids stay ascending
    return [person.id for person in people]


@given(accounts)
@unhurried
def test_everyone_is_there_once_and_ids_ascend(account: Population) -> None:
    ids = list(account.ids())
    assert len(ids) == len(account) == account.count()
    assert all(before < after for before, after in pairwise(ids))


@given(accounts)
@unhurried
def test_roles_are_disjoint_and_complete(account: Population) -> None:
    assert sorted(user for role in ROLES for user in account.ids(role)) == list(account.ids())


@given(st.integers(0, 10**8), shares)
@unhurried
def test_every_role_has_its_share_exact_to_rounding(total: int, of_roles: RoleShares) -> None:
    parts = apportion(total, of_roles)
    assert sum(parts) == total
    for part, share in zip(parts, of_roles, strict=True):
        assert abs(part - total * share / sum(of_roles)) < 1


@given(accounts)
@unhurried
def test_each_role_is_spread_over_the_account_evenly(account: Population) -> None:
    for role in ROLES:
        places = [person.place for person in account.walk(cohorts_of(role))]
        for rank, place in enumerate(places):
            assert abs(rank - place * len(places) / len(account)) < len(COHORTS)


def test_the_first_user_is_an_admin_as_founders_are() -> None:
    assert COHORTS[next(Population(100_000).walk()).cohort].role == "admin"


@given(accounts, some_cohorts, st.sampled_from(SORTS), st.booleans())
@unhurried
def test_a_walk_has_the_order_of_a_sorted_list(
    account: Population, cohorts: list[int], sort: str, descending: bool
) -> None:
    walked = [person.id for person in account.walk(cohorts, sort, descending=descending)]
    assert walked == by_hand(account, cohorts, sort, descending=descending)


@given(accounts, some_cohorts, st.sampled_from(SORTS), st.booleans(), st.data())
@unhurried
def test_a_walk_can_start_at_any_point_forward_and_backward(
    account: Population, cohorts: list[int], sort: str, descending: bool, data: st.DataObject
) -> None:
    people = list(account.walk(cohorts, sort, descending=descending))
    points = [point(sort, person) for person in people]
    anywhere = st.builds(Point, st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
    near = st.sampled_from(points or [Point(0, 0)]).flatmap(
        lambda near: st.builds(
            Point, st.just(near.value) | st.just(near.value - 0.5), st.integers(near.id - 1, near.id + 1)
        )
    )
    start = data.draw(near | anywhere)
    turn = -1 if descending else 1

    def behind(point: Point) -> bool:
        return (turn * point.value, point.id) > (turn * start.value, start.id)

    after = [person for person, point in zip(people, points, strict=True) if behind(point)]
    before = [person for person, point in zip(people, points, strict=True) if not behind(point) and point != start]
    walk = account.walk(cohorts, sort, descending=descending, start=start)
    assert list(walk) == after
    walk = account.walk(cohorts, sort, descending=descending, start=start, backward=True)
    assert list(walk) == before[::-1]


@given(accounts, st.integers(0, 130))
@unhurried
def test_skipping_leaves_out_the_first(account: Population, skip: int) -> None:
    assert list(account.walk(skip=skip)) == list(account.walk())[skip:]


@given(accounts)
@unhurried
def test_nobody_was_changed_before_being_created(account: Population) -> None:
    assert all(person.created <= person.updated for person in account.walk())


def test_creation_follows_the_ids_roughly_not_exactly() -> None:
    created = [person.created for person in Population(5_000).walk(cohorts_of("end-user"))]
    descents = [before - after for before, after in pairwise(created) if before > after]
    assert descents
    assert max(descents) < (max(created) - min(created)) / 100


@pytest.mark.parametrize("sort", SORTS[1:])
def test_ties_are_common_in_every_order_but_ids(sort: str) -> None:
    account = Population(2_000)
    counts = Counter(value(account, sort, person) for person in account.walk())
    assert sum(count > 1 for count in counts.values()) > 500


def test_names_sort_as_their_numbers_do_without_regard_to_case() -> None:
    for names in (FEW_NAMES, MANY_NAMES):
        step = max(names.total // 20_000, 1)
        sample = [names.text(number).casefold() for number in range(0, names.total, step)]
        assert all(before < after for before, after in pairwise(sample))


def test_no_name_swallows_the_names_behind_it() -> None:
    for table in (FEW_NAMES.first, FEW_NAMES.last):
        for before, after in pairwise(table):
            assert f"{before.casefold()} \U0010ffff" < after.casefold()


@given(st.text(max_size=12), st.sampled_from([FEW_NAMES, MANY_NAMES]))
@unhurried
def test_any_text_has_a_position_among_the_names(text: str, names: Names) -> None:
    position = names.position(text)
    below, above = int(position + 0.5) - 1, int(position + 1)
    assert below < 0 or names.text(below).casefold() < text.casefold()
    assert above >= names.total or names.text(above).casefold() > text.casefold()


def test_clustered_ids_lie_in_runs_of_about_a_thousand_with_wide_gaps() -> None:
    ids = list(islice(Population(100_000, ids=IdLayout.CLUSTERED).ids(), 20_000))
    gaps = [after - before for before, after in pairwise(ids)]
    wide = [gap for gap in gaps if gap > 1]
    assert 15 < len(wide) < 25
    assert all(10**9 < gap < 10**10 for gap in wide)


def test_dense_ids_leave_no_number_out() -> None:
    ids = list(Population(500, ids=IdLayout.DENSE).ids())
    assert ids == list(range(ids[0], ids[0] + 500))


@pytest.mark.parametrize("layout", IdLayout)
def test_ids_of_the_largest_account_are_exact_as_floats(layout: IdLayout) -> None:
    last = next(Population(MAX_USERS, ids=layout).walk(backward=True))
    assert 6 * 10**12 < last.id < 2**53


def peak_memory(users: int) -> int:
    """Return the most that an account and some of its pages take, in bytes."""
    tracemalloc.start()
    account = Population(users)
    for sort in SORTS:
        deque(map(account.content.wire, islice(account.walk(sort=sort, backward=True), 100)), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_ten_million_users_take_no_more_memory_than_ten() -> None:
    deque(Population(20_000).users(), maxlen=0)  # fills the caches of templates and days, which any account uses
    assert peak_memory(10_000_000) < peak_memory(10) + 1_000_000  # a byte for ten users


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_far_out_takes_no_more_steps_than_the_first(sort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = Population(10_000_000)
    ids = account._id
    calls = 0

    def counted(place: int) -> int:
        nonlocal calls
        calls += 1
        return ids(place)

    monkeypatch.setattr(account, "_id", counted)
    first, last = (point(sort, next(account.walk(sort=sort, backward=backward))) for backward in (False, True))
    calls = 0
    middle = Point((first.value + last.value) // 2, last.id)
    assert len(list(islice(account.walk(sort=sort, start=middle), 100))) == 100
    assert calls < 100 + len(EVERYONE) * 30  # a bisection over ten million takes 24 steps
