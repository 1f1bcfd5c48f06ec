"""An account that changes: a population, and what has become of some of its users since.

Theory of operation. The population stays as it is made. Who was changed, created or deleted is kept here, as they are
now; for each order that is asked for, they are kept sorted too, one list for each cohort and one for those who are
gone. A walk merges the population's walk, without those who are kept here, with the lists: so memory and time grow with
the number of changes, not with that of users, and an account without changes is the population itself.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from exporter.sandbox.people.cohorts import COHORTS, EVERYONE
from exporter.sandbox.people.population import Point, Population, value_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from exporter.sandbox.people.users import Person

GONE = len(COHORTS)
"""The number of the cohort that deleted users are in, whatever they were before."""

_Seat: TypeAlias = tuple[int, int, "Person"]
"""Somebody in an order: value (negative if it descends), id, and who it is."""


class Present:
    """The account as it is now, with the methods of `Population` that pages are made by.

    :param population: the account as it was at first.
    """

    def __init__(self, population: Population) -> None:
        self.population = population
        self.names = population.names
        self.content = population.content
        self._kept: dict[int, Person] = {}  # by id: who isn't as the population has them
        self._gone: set[int] = set()
        self._created: dict[int, int] = {}  # ids by place: those whom the population doesn't know
        self._balance = dict.fromkeys((*EVERYONE, GONE), 0)  # by cohort: how many more there are than at first
        self._orders: dict[tuple[str, bool], dict[int, list[_Seat]]] = {}

    @property
    def places(self) -> int:
        """How many places have ever been taken: those of the population, and one for each user created since."""
        return len(self.population) + len(self._created)

    def id_at(self, place: int) -> int:
        """Return the id of whoever has or had a place."""
        return self._created[place] if place in self._created else self.population.id_at(place)

    def knows(self, user: int) -> bool:
        """Tell whether somebody has or had an id."""
        return user in self._kept or self.population.with_id(user) is not None

    def with_id(self, user: int) -> Person | None:
        """Return the user who has an id, as they are now; None if nobody has."""
        if user in self._kept:
            return None if user in self._gone else self._kept[user]
        return self.population.with_id(user)

    def put(self, person: Person) -> None:
        """Let a user be as given from now on: somebody new, or whoever had the id."""
        self._withdraw(person.id)
        self._keep(person, person.cohort)
        if person.place >= len(self.population):
            self._created[person.place] = person.id

    def delete(self, person: Person) -> None:
        """Let a user be gone from now on; `person` is what the incremental export shows of them."""
        self._withdraw(person.id)
        self._gone.add(person.id)
        self._keep(person, GONE)

    def count_in(self, cohorts: Collection[int]) -> int:
        """Count the users of some cohorts."""
        return self.population.count_in(cohorts) + sum(self._balance[cohort] for cohort in cohorts)

    def find(self, external_id: str) -> Person | None:
        """Return the user who has an external id, if there is one; case does not matter (documented)."""
        place = self.content.place_of_external_id(external_id)
        return self.with_id(self.id_at(place)) if place is not None and place < self.places else None

    def wire(self, person: Person) -> bytes:
        """Return a user as the incremental export has them: who is gone is not active any more (documented)."""
        user = self.content.wire(person)
        return user.replace(b',"active":true,', b',"active":false,', 1) if person.id in self._gone else user

    def walk(
        self,
        cohorts: Collection[int] = EVERYONE,
        sort: str = "id",
        *,
        descending: bool = False,
        start: Point | None = None,
        backward: bool = False,
        skip: int = 0,
    ) -> Iterator[Person]:
        """Yield users in an order, one by one, as `Population.walk` does; `cohorts` may have `GONE` among them.

        To be taken before the account changes again.
        """
        known = [cohort for cohort in cohorts if cohort != GONE]
        if not self._kept:
            return self.population.walk(known, sort, descending=descending, start=start, backward=backward, skip=skip)
        turn = -1 if descending else 1

        def seat(person: Person) -> tuple[int, int]:
            return turn * value_of(person, sort), person.id

        walk = self.population.walk(known, sort, descending=descending, start=start, backward=backward)
        unchanged = (person for person in walk if person.id not in self._kept)
        order = self._order(sort, descending)
        kept = [_part(order[cohort], start and (turn * start.value, start.id), backward) for cohort in cohorts]
        return islice(heapq.merge(unchanged, *kept, key=seat, reverse=backward), skip, None)

    def _withdraw(self, user: int) -> None:
        """Take somebody out of the count and the orders, if there is somebody with this id."""
        person = self.with_id(user)
        if person is None:
            return
        self._balance[person.cohort] -= 1
        if user in self._kept:
            for (sort, descending), order in self._orders.items():
                seats = order[person.cohort]
                del seats[bisect_left(seats, _seat(person, sort, descending))]

    def _keep(self, person: Person, cohort: int) -> None:
        self._kept[person.id] = person
        self._balance[cohort] += 1
        for (sort, descending), order in self._orders.items():
            insort(order[cohort], _seat(person, sort, descending))

    def _order(self, sort: str, descending: bool) -> dict[int, list[_Seat]]:
        """Return who is kept in an order, by cohort; sorted once, when it is first asked for."""
        if (sort, descending) not in self._orders:
            order: dict[int, list[_Seat]] = {cohort: [] for cohort in (*EVERYONE, GONE)}
            for user, person in self._kept.items():
                order[GONE if user in self._gone else person.cohort].append(_seat(person, sort, descending))
            for seats in order.values():
                seats.sort()
            self._orders[sort, descending] = order
        return self._orders[sort, descending]


def _seat(person: Person, sort: str, descending: bool) -> _Seat:
    value = value_of(person, sort)
    return -value if descending else value, person.id, person


def _part(seats: list[_Seat], point: tuple[float, int] | None, backward: bool) -> Iterator[Person]:
    """Yield who stands behind a point, or before it if the walk goes backward, the nearest first."""
    first, last = 0, len(seats)
    if point is not None:
        value, user = point
        last = bisect_left(seats, point, key=lambda seat: seat[:2])
        first = bisect_left(seats, (value, user + 1), key=lambda seat: seat[:2])
    ranks = range(last - 1, -1, -1) if backward else range(first, len(seats))
    return (seats[rank][2] for rank in ranks)
