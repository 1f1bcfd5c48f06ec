"""Churn: what happens to an account while it is exported, drawn from the seed and the number of the request.

Users are edited, change role, are created and deleted. What happens at which request is the same every time, however
fast the requests come; only the time it is said to have happened is the clock's.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from exporter.sandbox.people.cohorts import COHORTS, EVERYONE
from exporter.sandbox.people.ids import FIRST_ID
from exporter.sandbox.people.mixing import mix
from exporter.sandbox.people.population import Point
from exporter.sandbox.people.users import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from exporter.sandbox.people.changes import Present
    from exporter.sandbox.settings import Settings


class Kind(StrEnum):
    """What can happen to a user."""

    EDITED = "edited"
    """Another name, or other phone, notes, tags and so on."""
    RE_ROLED = "re-roled"
    """Another role, and the fields that go with it."""
    CREATED = "created"
    """Mostly with an id beyond all others, at times in a gap: ids grow only roughly with time (observed)."""
    DELETED = "deleted"
    """Gone from the list and its count; the incremental export still has them (documented)."""


class Change(NamedTuple):
    """One change: what happened to whom, before the answer to which request, and when, in unix seconds."""

    kind: Kind
    id: int
    request: int
    at: int


_MIX = (Kind.EDITED,) * 4 + (Kind.RE_ROLED,) * 2 + (Kind.CREATED,) * 2 + (Kind.DELETED,) * 2
_ROLES = tuple(dict.fromkeys(cohort.role for cohort in COHORTS))
_STAFF = tuple(number for number in EVERYONE if COHORTS[number].role != "end-user")
_ID_GAP = 1 << 16  # the id of somebody new is at most so far beyond the greatest


class Churn:
    """Lets an account change.

    :param present: the account.
    :param settings: how often it changes, and the seed. Requests are those to the list and the incremental export that
        the limits let through, whatever comes of them.
    :param clock: the time, in unix seconds.
    """

    def __init__(self, present: Present, settings: Settings, clock: Callable[[], float]) -> None:
        self._present = present
        self._rate, self._total = settings.churn
        self._salt = mix(settings.seed ^ 0xC4A26E)  # another sequence than faults and latencies draw from
        self._clock = clock
        self._requests = 0
        self._greatest = next((person.id for person in present.walk(backward=True)), FIRST_ID)
        self.changes: list[Change] = []

    def pass_request(self) -> None:
        """Count a request, and let happen what is due before its answer."""
        self._requests += 1
        due = math.floor(self._requests * self._rate)
        if self._total is not None:
            due = min(due, self._total)
        while len(self.changes) < due:
            self._change(mix(self._salt ^ len(self.changes)))

    def _change(self, dice: int) -> None:
        now = math.floor(self._clock())
        kind = _MIX[dice % len(_MIX)]
        dice = mix(dice)
        # Of those who change role, half are agents and admins: else hardly any of them would.
        person = self._someone(_STAFF if kind is Kind.RE_ROLED and dice & 1 else EVERYONE, mix(dice))
        if person is None or kind is Kind.CREATED:
            kind, person = Kind.CREATED, self._newcomer(dice, now)
            self._present.put(person)
        elif kind is Kind.EDITED:
            self._present.put(self._edited(person, dice)._replace(updated=now))
        elif kind is Kind.RE_ROLED:
            self._present.put(person._replace(cohort=_another_cohort(person.cohort, dice >> 1), updated=now))
        else:
            self._present.delete(person._replace(updated=now))
        self.changes.append(Change(kind, person.id, self._requests, now))

    def _someone(self, cohorts: Collection[int], dice: int) -> Person | None:
        """Return one of the users: whoever is next to a place drawn from all; None if nobody is there."""
        if not self._present.places:
            return None
        start = self._present.id_at(dice % self._present.places) - 1
        return next(self._present.walk(cohorts, start=Point(start, start)), None) or next(
            self._present.walk(cohorts), None
        )

    def _edited(self, person: Person, dice: int) -> Person:
        if dice & 1:
            return person._replace(name=(dice >> 1) % self._present.names.total)
        return person._replace(dice=dice)

    def _newcomer(self, dice: int, now: int) -> Person:
        present = self._present
        place = present.places
        user = None if dice & 3 else self._id_in_a_gap(mix(dice))
        if user is None:
            self._greatest = user = self._greatest + 1 + (dice >> 2) % _ID_GAP
        cohort = _STAFF[(dice >> 24) % len(_STAFF)] if (dice >> 20) % 5 == 0 else 0
        return Person(user, place, cohort, now, now, (dice >> 30) % present.names.total, present.content.dice(place))

    def _id_in_a_gap(self, dice: int) -> int | None:
        """Return an id that nobody has between two others; None if there is none where the dice fell."""
        population = self._present.population
        if len(population) < 2:
            return None
        place = dice % (len(population) - 1)
        low, high = population.id_at(place), population.id_at(place + 1)
        user = low + 1 + (dice >> 32) % max(high - low - 1, 1)
        return None if self._present.knows(user) else user


def _another_cohort(cohort: int, dice: int) -> int:
    """Return a cohort of another role; each of the others is as likely."""
    roles = [role for role in _ROLES if role != COHORTS[cohort].role]
    role = roles[dice % len(roles)]
    cohorts = [number for number in EVERYONE if COHORTS[number].role == role]
    return cohorts[(dice >> 1) % len(cohorts)]
