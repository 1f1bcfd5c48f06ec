"""From a query string to a query: every parameter with its type, and the refusals of those that don't fit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from exporter.sandbox.endpoint.answers import bad_attribute, bad_pagination, no_start, too_deep
from exporter.sandbox.people.population import SORTS
from exporter.sandbox.settings import Quirk

if TYPE_CHECKING:
    from collections.abc import Collection

MAX_SIZE = 100
"""Records a page, at most (documented)."""

MAX_EXPORT_SIZE = 1_000
"""Records a page of the incremental export, at most and by default (documented)."""

OFFSET_LIMIT = 10_000
"""Records that offset pagination reaches (documented)."""

SIDELOADS = ("organizations", "abilities", "roles", "identities", "groups")
"""What `include` can name (documented)."""

_KNOWN = {
    "users/index": {
        "page",
        "per_page",
        "sort",
        "sort_by",
        "sort_order",
        "role",
        "permission_set",
        "external_id",
        "include",
        "include_boundary_indicators",
        "include_item_cursors",
        "brand_id",
    },
    "users/count": {"role", "permission_set", "brand_id"},
    "incremental/users": {"start_time", "cursor", "per_page", "include"},
}

_PLACES = ("page", "page[after]", "page[before]")
_EXPORT_PLACES = ("start_time", "cursor")

_INTEGER = re.compile(r"-?[0-9]{1,19}")
_BOOLEANS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}


@dataclass(frozen=True, slots=True)
class CursorPage:
    """One page by cursor: the users after a cursor, before one, or the first."""

    size: int
    after: str | None
    before: str | None


@dataclass(frozen=True, slots=True)
class OffsetPage:
    """One page by number; pages count from 1."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which users: each field narrows, None does not."""

    roles: tuple[str, ...] | None
    permission_set: int | None
    external_id: str | None


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a request for the list of users asks for."""

    selection: Selection
    sort: str
    descending: bool
    page: CursorPage | OffsetPage
    include: tuple[str, ...]
    boundary_indicators: bool
    item_cursors: bool


@dataclass(frozen=True, slots=True)
class ExportQuery:
    """What a request for the incremental export asks for: who changed at `start_time` or later, or after a cursor."""

    start_time: int | None
    cursor: str | None
    size: int
    include: tuple[str, ...]


class Parameters:
    """The parameters of one request by name, as Rack reads them: of several with one name, the last one stands.

    :param query: the query string, still encoded.
    :param action: what is called: `users/index`, `users/count` or `incremental/users`.
    :raises RefusedError: if `page` or `role` comes both plain and with brackets: 400 (that `page` must not is
        documented, what happens then is assumed).
    """

    def __init__(self, query: str, action: str) -> None:
        self.action = action
        self._pairs = parse_qsl(query, keep_blank_values=True)
        self._values = {name: value for name, value in self._pairs if _base(name) in _KNOWN[action]}
        for name, expected in (("page", "an integer"), ("role", "a string")):
            if name in self._values and any(other.startswith(f"{name}[") for other in self._values):
                raise bad_attribute(name, expected, action)

    def text(self, name: str) -> str | None:
        """Return a parameter as it is; None if it is not there."""
        return self._values.get(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return all values of a parameter that may come several times."""
        return tuple(value for other, value in self._pairs if other == name)

    def integer(self, name: str) -> int | None:
        """Return a parameter as a number; None if it is not there."""
        value = self._values.get(name)
        if value is not None and not _INTEGER.fullmatch(value):
            raise bad_attribute(name, "an integer", self.action)
        return None if value is None else int(value)

    def boolean(self, name: str) -> bool:
        """Return a parameter as a truth value; False if it is not there."""
        value = self._values.get(name, "false")
        if value not in _BOOLEANS:
            raise bad_attribute(name, "either true or false", self.action)
        return _BOOLEANS[value]

    def warning(self) -> str | None:
        """Return the header that reports unknown parameters, which are ignored (observed); None if all are known."""
        names = dict.fromkeys(_base(name) for name, _ in self._pairs)
        unknown = ", ".join(json.dumps(name) for name in names if name not in _KNOWN[self.action])
        controller, action = self.action.split("/")
        return unknown and (
            f'{{:allowed_parameters=>{{:controller=>"{controller}", :action=>"{action}", '
            f":unpermitted_keys=>[{unknown}], :invalid_values=>[]}}}}"
        )

    def link(self, changes: dict[str, str]) -> str:
        """Return these parameters as a query string, sorted by name (observed), with the place in the walk replaced."""
        places = _EXPORT_PLACES if self.action == "incremental/users" else _PLACES
        kept = [pair for pair in self._pairs if pair[0] not in places]
        return urlencode(sorted([*kept, *changes.items()], key=lambda pair: pair[0]))


def _base(name: str) -> str:
    """Return a name without what it has in brackets: `page[size]` is a part of `page`."""
    return name.partition("[")[0]


def read_selection(parameters: Parameters, quirks: Collection[Quirk]) -> Selection:
    """Read which users are meant.

    An unknown role selects nobody (assumed: names of custom roles are accepted, so it may be one).
    """
    role = parameters.text("role")
    roles = (role,) if role is not None else parameters.texts("role[]") or None
    if Quirk.STRICT_ROLE in quirks and not {"end-user", "agent", "admin"}.issuperset(roles or ()):
        raise bad_attribute("role", "one of these: end-user, agent, admin", parameters.action)
    return Selection(roles, parameters.integer("permission_set"), parameters.text("external_id"))


def read_list_query(parameters: Parameters, quirks: Collection[Quirk]) -> ListQuery:
    """Read everything that the list of users understands.

    :raises RefusedError: for a value that does not fit.
    """
    page = _cursor_page(parameters, quirks) if parameters.text("page[size]") is not None else _offset_page(parameters)
    sort, descending = _sort(parameters, quirks, by_cursor=isinstance(page, CursorPage))
    selection = read_selection(parameters, quirks)
    return ListQuery(
        selection=replace(selection, roles=None) if Quirk.IGNORED_ROLE in quirks else selection,
        sort=sort,
        descending=descending,
        page=page,
        include=_include(parameters, quirks),
        boundary_indicators=parameters.boolean("include_boundary_indicators"),
        item_cursors=parameters.boolean("include_item_cursors"),
    )


def read_export_query(parameters: Parameters, quirks: Collection[Quirk]) -> ExportQuery:
    """Read everything that the incremental export understands; of its two ways to begin, the cursor stands (assumed).

    :raises RefusedError: for a value that does not fit, or if both ways are missing.
    """
    start_time, cursor = parameters.integer("start_time"), parameters.text("cursor")
    if start_time is None and cursor is None:
        raise no_start()
    size = parameters.integer("per_page") or MAX_EXPORT_SIZE
    size = min(size, MAX_EXPORT_SIZE) if size > 0 else MAX_EXPORT_SIZE  # assumed: refused nowhere
    return ExportQuery(start_time, cursor, size, _include(parameters, quirks))


def _include(parameters: Parameters, quirks: Collection[Quirk]) -> tuple[str, ...]:
    """Read the sideloads; an unknown one is ignored (assumed)."""
    include = tuple(dict.fromkeys(filter(None, (parameters.text("include") or "").split(","))))
    if Quirk.STRICT_INCLUDE in quirks and not set(SIDELOADS).issuperset(include):
        raise bad_attribute("include", f"one of these: {', '.join(SIDELOADS)}", parameters.action)
    return tuple(name for name in include if name in SIDELOADS)


def _cursor_page(parameters: Parameters, quirks: Collection[Quirk]) -> CursorPage:
    size = parameters.text("page[size]") or ""
    if not _INTEGER.fullmatch(size) or int(size) < 1 or (int(size) > MAX_SIZE and Quirk.CLAMPED_SIZE not in quirks):
        raise bad_pagination("page[size]")
    after, before = parameters.text("page[after]"), parameters.text("page[before]")
    if after is not None and before is not None:
        raise bad_pagination("page[before]")  # assumed: nothing tells what both together would mean
    return CursorPage(min(int(size), MAX_SIZE), after, before)


def _offset_page(parameters: Parameters) -> OffsetPage:
    """Read traditional pagination, which is whatever lacks `page[size]`, even beside `page[after]` (documented)."""
    number = max(parameters.integer("page") or 1, 1)
    size = parameters.integer("per_page") or MAX_SIZE
    size = min(size, MAX_SIZE) if size > 0 else MAX_SIZE
    if number * size > OFFSET_LIMIT:
        raise too_deep()
    return OffsetPage(number, size)


def _sort(parameters: Parameters, quirks: Collection[Quirk], *, by_cursor: bool) -> tuple[str, bool]:
    """Read the order. `sort_by` and `sort_order` belong to traditional pagination; cursors ignore them (reported)."""
    sort = parameters.text("sort")
    if sort is not None:
        field = sort.removeprefix("-")
        if field not in SORTS or Quirk.NO_SORT in quirks:
            raise bad_pagination("sort")
        if Quirk.IGNORED_SORT in quirks:
            return "id", False
        return field, sort.startswith("-")
    field = parameters.text("sort_by") or "id"
    if by_cursor or field not in SORTS:
        return "id", False
    return field, parameters.text("sort_order") == "desc"
