"""What a service might make of cursors that it issued for nobody: of those that a client made for itself.

That it takes them for points between users is assumed, as a cursor holds nothing but a point. These are what else it
could do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from exporter.sandbox.endpoint.answers import bad_pagination
from exporter.sandbox.people.mixing import mix
from exporter.sandbox.people.population import Point, value_of
from exporter.sandbox.settings import Quirk

if TYPE_CHECKING:
    from collections.abc import Collection

    from exporter.sandbox.endpoint.parameters import ListQuery
    from exporter.sandbox.people.changes import Present

Misreading: TypeAlias = "Callable[[Present, ListQuery, int, str], Point | None]"
"""Returns the point that a cursor is taken for, by its id and the parameter it came in; None ignores it."""

_FAR = 1 << 63  # beyond every value that users are sorted by


def _ignored(_: Present, __: ListQuery, ___: int, ____: str) -> None:
    return None


def _end(_: Present, query: ListQuery, __: int, parameter: str) -> Point:
    upward = query.descending == (parameter == "page[before]")
    return Point(_FAR if upward else -_FAR, 0)


def _elsewhere(present: Present, query: ListQuery, user: int, _: str) -> Point | None:
    somebody = present.with_id(present.id_at(mix(user) % present.places)) if present.places else None
    return Point(value_of(somebody, query.sort), somebody.id) if somebody else None


def _refused(_: Present, __: ListQuery, ___: int, parameter: str) -> Point:
    raise bad_pagination(parameter)


_MISREADINGS: dict[Quirk, Misreading] = {
    Quirk.REFUSE_MADE_CURSORS: _refused,
    Quirk.MISREAD_CURSORS: _ignored,
    Quirk.MISREAD_CURSORS_AS_END: _end,
    Quirk.MISREAD_CURSORS_ELSEWHERE: _elsewhere,
}


def misreading(quirks: Collection[Quirk]) -> Misreading | None:
    """Return the misreading that is among some quirks, the first in order of the table; None if there is none."""
    return next((read for quirk, read in _MISREADINGS.items() if quirk in quirks), None)
