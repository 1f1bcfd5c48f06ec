"""An account that changes: everything that is said of it agrees, whatever happened to it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sandbox import ChurnRate, IdLayout, Population, Settings
from exporter.sandbox.people.changes import GONE, Present
from exporter.sandbox.people.churn import Change, Churn, Kind
from exporter.sandbox.people.cohorts import COHORTS, EVERYONE
from exporter.sandbox.people.population import SORTS, Point, value_of
from exporter.sandbox.people.users import Person

unhurried = settings(deadline=None, max_examples=80)
LAYOUT = Settings().ids
NOW = 1_800_000_000


class Model:
    """The same account as plain dictionaries, changed one by one by drawn numbers."""

    def __init__(self, population: Population) -> None:
        self.present = Present(population)
        self.there = {person.id: person for person in population.walk()}
        self.gone: dict[int, Person] = {}
        self.places = len(population)

    def change(self, kind: Kind, number: int) -> None:
        ids = sorted(self.there)
        if kind is Kind.CREATED or not ids:
            user = number if number not in self.there.keys() | self.gone.keys() else max(self.there | self.gone) + 1
            person = Person(user, self.places, number % len(COHORTS), NOW, NOW, number % 50, number)
            self.places += 1
        else:
            person = self.there[ids[number % len(ids)]]
        if kind is Kind.DELETED and ids:
            del self.there[person.id]
            self.gone[person.id] = person._replace(updated=NOW + number % 3)
            self.present.delete(self.gone[person.id])
            return
        if kind is Kind.EDITED:
            person = person._replace(name=number % 50, updated=NOW + number % 3)
        if kind is Kind.RE_ROLED:
            person = person._replace(cohort=number % len(COHORTS), updated=NOW)
        self.there[person.id] = person
        self.present.put(person)

    def sorted(self, cohorts: list[int], sort: str, *, descending: bool) -> list[Person]:
        turn = -1 if descending else 1
        chosen = [person for person in self.there.values() if person.cohort in cohorts]
        chosen += self.gone.values() if GONE in cohorts else []
        return sorted(chosen, key=lambda person: (turn * value_of(person, sort), person.id))


@st.composite
def models(draw: st.DrawFn) -> Model:
    layout = draw(st.sampled_from(IdLayout))
    model = Model(Population(draw(st.integers(0, 40)), draw(st.integers(0, 3)), ids=layout))
    near = 6_130_852_530_000
    asked = draw(st.lists(st.sampled_from(SORTS), max_size=2))
    for kind, number in draw(
        st.lists(st.tuples(st.sampled_from(Kind), st.integers(near, near + 2_000_000)), max_size=40)
    ):
        model.change(kind, number)
        for sort in asked:  # an order that was asked for before is kept up from then on
            next(model.present.walk(sort=sort, descending=number % 2 == 0), None)
    return model


cohort_lists = st.lists(st.sampled_from([*EVERYONE, GONE]), min_size=1, unique=True)


@given(models(), cohort_lists, st.sampled_from(SORTS), st.booleans(), st.integers(0, 50))
@unhurried
def test_a_walk_has_the_order_of_a_sorted_list(
    model: Model, cohorts: list[int], sort: str, descending: bool, skip: int
) -> None:
    expected = model.sorted(cohorts, sort, descending=descending)
    assert list(model.present.walk(cohorts, sort, descending=descending, skip=skip)) == expected[skip:]
    assert list(model.present.walk(cohorts, sort, descending=descending, backward=True)) == expected[::-1]


@given(models(), cohort_lists, st.sampled_from(SORTS), st.booleans(), st.data())
@unhurried
def test_a_walk_can_start_at_anybody_there_or_gone_forward_and_backward(
    model: Model, cohorts: list[int], sort: str, descending: bool, data: st.DataObject
) -> None:
    turn = -1 if descending else 1
    somebody = data.draw(st.sampled_from([*model.there.values(), *model.gone.values(), None]))
    value, user = (value_of(somebody, sort), somebody.id) if somebody else (0, 0)
    start = Point(value - data.draw(st.sampled_from([0, 0.5])), user + data.draw(st.integers(-1, 1)))
    people = model.sorted(cohorts, sort, descending=descending)
    seats = [(turn * value_of(person, sort), person.id) for person in people]
    point = (turn * start.value, start.id)
    after = [person for person, seat in zip(people, seats, strict=True) if seat > point]
    before = [person for person, seat in zip(people, seats, strict=True) if seat < point]
    walk = model.present.walk
    assert list(walk(cohorts, sort, descending=descending, start=start)) == after
    assert list(walk(cohorts, sort, descending=descending, start=start, backward=True)) == before[::-1]


@given(models(), cohort_lists)
@unhurried
def test_the_count_is_of_those_who_are_there(model: Model, cohorts: list[int]) -> None:
    known = [cohort for cohort in cohorts if cohort != GONE]
    assert model.present.count_in(known) == len(model.sorted(known, "id", descending=False))


@given(models())
@unhurried
def test_an_id_and_an_external_id_lead_to_the_user_as_they_are_now(model: Model) -> None:
    content = model.present.content
    for person in model.there.values():
        external_id = content.external_id(person.place)
        assert model.present.with_id(person.id) == person
        assert external_id is None or model.present.find(external_id) == person
    for person in model.gone.values():
        external_id = content.external_id(person.place)
        assert model.present.with_id(person.id) is None
        assert external_id is None or model.present.find(external_id) is None
        assert model.present.knows(person.id)


def churned(
    users: int, requests: int, rate: float = 1.0, total: int | None = None, *, seed: int = 1, ids: IdLayout = LAYOUT
) -> tuple[Present, Churn]:
    """Return an account after some requests, a second apart, and its churn."""
    present = Present(Population(users, ids=ids))
    clock: Callable[[], float] = iter(range(NOW, NOW + 10**9)).__next__
    churn = Churn(present, Settings(users=users, churn=ChurnRate(rate, total), seed=seed), clock)
    for _ in range(requests):
        churn.pass_request()
    return present, churn


@pytest.mark.parametrize("layout", IdLayout)
def test_the_changes_told_are_those_that_happened(layout: IdLayout) -> None:
    present = Present(Population(300, ids=layout))
    churn = Churn(present, Settings(users=300, churn=ChurnRate(1)), lambda: NOW + 0.9)
    before = {person.id: person for person in present.walk()}
    for number in range(1, 400):
        churn.pass_request()
        after = {person.id: person for person in present.walk()}
        kind, user, request, at = churn.changes[-1]
        assert (request, at) == (number, NOW)
        changed = {each for each in before.keys() | after.keys() if before.get(each) != after.get(each)}
        assert changed == {user}
        if kind is Kind.CREATED:
            assert user not in before
            assert after[user].created == after[user].updated == NOW
        elif kind is Kind.DELETED:
            assert user not in after
        else:
            assert after[user].updated == NOW
            roles = [COHORTS[state[user].cohort].role for state in (before, after)]
            assert (roles[0] != roles[1]) == (kind is Kind.RE_ROLED)
        before = after
    assert {change.kind for change in churn.changes} == set(Kind)


def greatest_at_first(changes: list[Change], population: Population) -> Iterator[tuple[int, int]]:
    greatest = next(person.id for person in population.walk(backward=True))
    for change in changes:
        if change.kind is Kind.CREATED:
            yield change.id, greatest
            greatest = max(greatest, change.id)


def test_most_new_ids_are_beyond_all_others_and_some_are_in_gaps() -> None:
    _, churn = churned(1_000, 1_000)
    beyond = [user > greatest for user, greatest in greatest_at_first(churn.changes, Population(1_000))]
    assert len(beyond) * 0.6 < sum(beyond) < len(beyond) * 0.9


def test_where_ids_have_no_gaps_all_new_ones_are_beyond() -> None:
    _, churn = churned(1_000, 200, ids=IdLayout.DENSE)
    created = list(greatest_at_first(churn.changes, Population(1_000, ids=IdLayout.DENSE)))
    assert created
    assert all(user > greatest for user, greatest in created)


def test_all_roles_are_left_and_entered() -> None:
    _, churn = churned(2_000, 500)
    population = Population(2_000)
    at_first = [population.with_id(change.id) for change in churn.changes if change.kind is Kind.RE_ROLED]
    assert {COHORTS[person.cohort].role for person in at_first if person} == {"end-user", "agent", "admin"}


@pytest.mark.parametrize(
    ("rate", "total", "expected"),
    [
        (1.0, None, [1, 2, 3, 4, 5, 6]),
        (0.5, None, [0, 1, 1, 2, 2, 3]),
        (2.5, None, [2, 5, 7, 10, 12, 15]),
        (2.0, 5, [2, 4, 5, 5, 5, 5]),
        (0.0, None, [0, 0, 0, 0, 0, 0]),
        (1.0, 0, [0, 0, 0, 0, 0, 0]),
    ],
)
def test_changes_come_at_their_rate_up_to_their_total(rate: float, total: int | None, expected: list[int]) -> None:
    _, churn = churned(100, 0, rate, total)
    numbers = []
    for _ in expected:
        churn.pass_request()
        numbers.append(len(churn.changes))
    assert numbers == expected


def test_the_same_seed_makes_the_same_changes() -> None:
    first, again, other = (churned(500, 100, seed=seed) for seed in (1, 1, 2))
    assert first[1].changes == again[1].changes
    assert list(first[0].walk()) == list(again[0].walk())
    assert [change.id for change in first[1].changes] != [change.id for change in other[1].changes]


def test_an_account_that_was_empty_fills() -> None:
    present, churn = churned(0, 30)
    assert churn.changes[0].kind is Kind.CREATED
    assert present.count_in(EVERYONE) == len(list(present.walk()))


def test_edits_show_in_the_bytes() -> None:
    present, churn = churned(1_000, 100)
    population = Population(1_000)
    for change in churn.changes:
        before, now = population.with_id(change.id), present.with_id(change.id)
        if before and now:
            first, second = population.content.wire(before), present.wire(now)
            cut = first.index(b',"updated_at"')
            assert first != second
            assert first[:cut] != second[:cut] or first[cut + 40 :] != second[cut + 40 :]


def test_who_is_gone_is_not_active_any_more() -> None:
    present, churn = churned(100, 50)
    gone = list(present.walk([GONE]))
    assert {person.id for person in gone} == {each.id for each in churn.changes if each.kind is Kind.DELETED}
    for person in gone:
        assert present.wire(person) == present.content.wire(person).replace(b'"active":true', b'"active":false')


def test_an_account_of_ten_million_pays_for_its_changes_alone() -> None:
    present, _ = churned(2_000, 100)  # fills the caches of templates and days, which any account uses
    tracemalloc.start()
    present, churn = churned(10_000_000, 200)
    for sort in SORTS:
        assert len(list(islice(present.walk(sort=sort), 100))) == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(churn.changes) == 200
    assert peak < 1_000_000
