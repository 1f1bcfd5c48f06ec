"""An account's users, made out of a seed when asked for: nothing is stored, so size costs neither memory nor time.

Every query is a merge of at most six sorted walks, one for each cohort it selects, and each walk can start at any
point of its order (see `orders`). A point is a value and an id, so a cursor need not name a user who exists.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from itertools import islice, starmap
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from exporter.sandbox.people.cohorts import EVERYONE, Roster, cohorts_of
from exporter.sandbox.people.ids import id_function
from exporter.sandbox.people.mixing import mix
from exporter.sandbox.people.names import Names
from exporter.sandbox.people.orders import IdOrder, Order
from exporter.sandbox.people.users import Person, Users
from exporter.sandbox.settings import IdLayout, RoleShares

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SORTS = ("id", "created_at", "updated_at", "name")
"""The fields that users can be sorted by (documented for a sibling of this list, assumed for it)."""

_FIRST_CREATED = 1_356_998_400  # 2013-01-01
_CREATED_SPAN = 3_652 * 86_400  # everyone was created within these ten years …
_FIRST_UPDATED = _FIRST_CREATED + _CREATED_SPAN
_UPDATED_SPAN = 730 * 86_400  # … and last changed within the two after them, never before their creation
_NAMESAKES = 2  # users of one cohort who share a name


class Point(NamedTuple):
    """A point in an order: right at this value and id, whether or not somebody stands there."""

    value: float
    id: int


def value_of(person: Person, sort: str) -> int:
    """Return what a user is sorted by; for names it is their number."""
    by_field = {"id": person.id, "created_at": person.created, "updated_at": person.updated, "name": person.name}
    return by_field[sort]


_Seat: TypeAlias = tuple[int, int, int, int, int]
"""Somebody in a walk: value (negative if the order descends), id, cohort, member, place. Seats sort as they stand."""


class Population:
    """All users of an account.

    :param users: how many.
    :param seed: which account; equal arguments make equal bytes, everywhere.
    :param shares: the proportion of roles.
    :param ids: how ids lie.
    :param plain: nothing awkward.
    """

    def __init__(
        self,
        users: int,
        seed: int = 1,
        *,
        shares: RoleShares = RoleShares(),  # noqa: B008 - immutable
        ids: IdLayout = IdLayout.SPREAD,
        plain: bool = False,
    ) -> None:
        self._total = users
        self._roster = Roster(users, shares)
        self._id = id_function(ids, seed)
        self.names = Names(max(self._roster.counts) // _NAMESAKES + 1, plain=plain)
        self.content = Users(users, seed, self.names, plain=plain)
        self._orders = [self._orders_of(cohort, seed) for cohort in EVERYONE]

    def __len__(self) -> int:
        return self._total

    def count(self, role: str | None = None) -> int:
        """Count a role's users; None for everyone."""
        return self.count_in(cohorts_of(role))

    def count_in(self, cohorts: Collection[int]) -> int:
        """Count the users of some cohorts."""
        return sum(self._roster.counts[cohort] for cohort in cohorts)

    def ids(self, role: str | None = None) -> Iterator[int]:
        """Yield the ids of a role's users, ascending; None for everyone."""
        return (seat[1] for seat in self._seats(cohorts_of(role), "id"))

    def users(self, role: str | None = None) -> Iterator[bytes]:
        """Yield a role's users in order of id, as they stand on a page; None for everyone."""
        return map(self.content.wire, self.walk(cohorts_of(role)))

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
        """Yield users in an order, one by one, made as they are taken.

        :param cohorts: whom to select.
        :param sort: one of `SORTS`; the id breaks ties, ascending even if the order descends.
        :param descending: the greatest value first.
        :param start: begin right behind this point, which itself is left out; None is the beginning.
        :param backward: yield who stands before `start` (None: the end), the nearest first.
        :param skip: leave out so many at the start.
        """
        seats = self._seats(cohorts, sort, descending, start, backward)
        return starmap(self._person, islice(seats, skip, None))

    def find(self, external_id: str) -> Person | None:
        """Return the user who has an external id, if there is one; case does not matter (documented)."""
        place = self.content.place_of_external_id(external_id)
        return None if place is None or place >= self._total else self._at(place)

    def with_id(self, user: int) -> Person | None:
        """Return the user who has an id, if there is one."""
        place = bisect_left(range(self._total), user, key=self._id)
        return self._at(place) if place < self._total and self._id(place) == user else None

    def id_at(self, place: int) -> int:
        """Return the id of whoever has a place."""
        return self._id(place)

    def _at(self, place: int) -> Person:
        cohort, member = self._roster.find(place)
        return self._person(0, self._id(place), cohort, member, place)

    def _seats(
        self,
        cohorts: Collection[int],
        sort: str,
        descending: bool = False,
        start: Point | None = None,
        backward: bool = False,
    ) -> Iterator[_Seat]:
        walks = [self._cohort_seats(cohort, sort, descending, start, backward) for cohort in cohorts]
        return walks[0] if len(walks) == 1 else heapq.merge(*walks, reverse=backward)

    def _cohort_seats(
        self, cohort: int, sort: str, descending: bool, start: Point | None, backward: bool
    ) -> Iterator[_Seat]:
        order = self._orders[cohort][sort]
        by_id = sort == "id"

        def seat(rank: int) -> _Seat:
            member = order.member(rank, descending=descending)
            place = self._roster.place(cohort, member)
            user = self._id(place)
            value = user if by_id else order.value(member)
            return -value if descending else value, user, cohort, member, place

        first, last = 0, self._roster.counts[cohort]
        ranks = range(last)
        if start is not None:
            ties = order.ranks_with(start.value, descending=descending)
            ids = [seat(rank)[1] for rank in ties]
            first = ties.start + sum(user <= start.id for user in ids)
            last = ties.start + sum(user < start.id for user in ids)
        return map(seat, ranks[:last][::-1] if backward else ranks[first:])

    def _person(self, _: int, user: int, cohort: int, member: int, place: int) -> Person:
        orders = self._orders[cohort]
        return Person(
            user,
            place,
            cohort,
            orders["created_at"].value(member),
            orders["updated_at"].value(member),
            orders["name"].value(member),
            self.content.dice(place),
        )

    def _orders_of(self, cohort: int, seed: int) -> dict[str, Order | IdOrder]:
        count = self._roster.counts[cohort]
        seed = mix(seed) + cohort
        return {
            "id": IdOrder(count, lambda member: self._id(self._roster.place(cohort, member))),
            "created_at": Order(count, first=_FIRST_CREATED, span=_CREATED_SPAN, run=3, block=8, seed=seed),
            "updated_at": Order(count, first=_FIRST_UPDATED, span=_UPDATED_SPAN, run=2, block=None, seed=seed),
            "name": Order(count, first=0, span=self.names.total, run=_NAMESAKES, block=None, seed=mix(seed)),
        }
