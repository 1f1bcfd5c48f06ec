"""Which users are on a page, and what stands before and behind it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from exporter.sandbox.endpoint import cursors
from exporter.sandbox.endpoint.answers import bad_pagination
from exporter.sandbox.people.cohorts import COHORTS, cohorts_of
from exporter.sandbox.people.population import Point, value_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.sandbox.endpoint.misreadings import Misreading
    from exporter.sandbox.endpoint.parameters import CursorPage, ListQuery, OffsetPage, Selection
    from exporter.sandbox.people.changes import Present
    from exporter.sandbox.people.users import Person


class Page(NamedTuple):
    """Users in the order asked for, and whether there are more of them in the direction of the walk."""

    people: list[Person]
    more: bool


class Pager:
    """Finds the users of a page and makes the cursors at them.

    :param present: whose users.
    :param seal: hides what cursors hold; None leaves them as the service writes them.
    :param misread: what becomes of cursors with an id that nobody has; None takes them for what they say.
    """

    def __init__(self, present: Present, seal: cursors.Seal | None = None, misread: Misreading | None = None) -> None:
        self._present = present
        self._seal = seal
        self._misread = misread

    def count(self, selection: Selection) -> int:
        """Count the users selected."""
        cohorts = _cohorts(selection)
        if selection.external_id is None:
            return self._present.count_in(cohorts)
        person = self._present.find(selection.external_id)
        return int(person is not None and person.cohort in cohorts)

    def by_offset(self, query: ListQuery, page: OffsetPage) -> Page:
        """Return the page of a number."""
        walk = self._walk(query, None, backward=False, skip=(page.number - 1) * page.size)
        return _take(walk, page.size)

    def by_cursor(self, query: ListQuery, page: CursorPage) -> Page:
        """Return the page after a cursor or before one, both exclusive, or the first page.

        :raises RefusedError: for a cursor that is none, or belongs to another order.
        """
        if page.before is not None:
            end = self._point(query, page.before, "page[before]")
            people, more = _take(self._walk(query, end, backward=True), page.size)
            return Page(people[::-1], more)
        start = None if page.after is None else self._point(query, page.after, "page[after]")
        return _take(self._walk(query, start, backward=False), page.size)

    def cursor(self, query: ListQuery, person: Person) -> str:
        """Return the cursor at a user."""
        codec = cursors.codec(query.sort, descending=query.descending)
        if query.sort == "id":
            cursor = codec.encode(person.id)
        elif query.sort == "name":
            cursor = codec.encode(self._present.names.text(person.name), person.id)
        else:
            cursor = codec.encode(value_of(person, query.sort), person.id)
        return self._seal.wrap(cursor) if self._seal else cursor

    def _point(self, query: ListQuery, cursor: str, parameter: str) -> Point | None:
        try:
            plain = self._seal.unwrap(cursor) if self._seal else cursor
            *values, user = cursors.codec(query.sort, descending=query.descending).decode(plain)
        except cursors.BadCursorError as error:
            raise bad_pagination(parameter) from error
        if self._misread and self._present.with_id(int(user)) is None:
            return self._misread(self._present, query, int(user), parameter)
        value = values[0] if values else user
        return Point(self._present.names.position(value) if isinstance(value, str) else value, int(user))

    def _walk(self, query: ListQuery, start: Point | None, *, backward: bool, skip: int = 0) -> Iterator[Person]:
        cohorts = _cohorts(query.selection)
        external_id = query.selection.external_id
        if external_id is None:
            sort, descending = query.sort, query.descending
            return self._present.walk(cohorts, sort, descending=descending, start=start, backward=backward, skip=skip)
        person = self._present.find(external_id)
        if person is None or person.cohort not in cohorts or not _lies(query, person, start, backward=backward):
            return iter(())
        return islice([person], skip, None)


def _cohorts(selection: Selection) -> list[int]:
    """Return the numbers of the cohorts that a selection's roles and permission set name, each once."""
    named = {number for role in selection.roles or (None,) for number in cohorts_of(role)}
    wanted = selection.permission_set
    return [number for number in sorted(named) if wanted in (None, COHORTS[number].custom_role_id)]


def _take(walk: Iterator[Person], size: int) -> Page:
    people = list(islice(walk, size + 1))
    return Page(people[:size], len(people) > size)


def _lies(query: ListQuery, person: Person, start: Point | None, *, backward: bool) -> bool:
    """Tell whether a user lies behind a point, or before it if the walk goes backward."""
    if start is None:
        return True
    turn = -1 if query.descending else 1
    theirs, point = (turn * value_of(person, query.sort), person.id), (turn * start.value, start.id)
    return theirs < point if backward else theirs > point
