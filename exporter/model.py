"""The values everything else speaks of: frozen, and without imports of ours."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

MAX_PAGE_SIZE = 100
"""Records a page, at most (documented for the endpoint)."""

INCREMENT = 1000
"""Users on a page of the incremental export, at most (documented)."""
OFFSET_LIMIT = 10_000
"""Records that offset pagination reaches: page × per_page (documented, enforced since 2024 with a 400)."""


class Role(StrEnum):
    """The three roles that partition an account: disjoint, and together everyone (documented)."""

    END_USER = "end-user"
    AGENT = "agent"
    ADMIN = "admin"


class Sideload(StrEnum):
    """What `include` can bring along with users (documented)."""

    ORGANIZATIONS = "organizations"
    ROLES = "roles"
    GROUPS = "groups"
    IDENTITIES = "identities"
    ABILITIES = "abilities"


class Pagination(StrEnum):
    """The two forms of `page`: a cursor, without limit, or an offset, up to `OFFSET_LIMIT`."""

    CURSOR = "cursor"
    OFFSET = "offset"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for. Two queries with equal fields continue each other; others never do.

    :param roles: which roles, each its own stream; no duplicates.
    :param permission_set: the id of one custom role, as the API filters by it.
    :param external_id: users bearing this external id (0 or 1: it is unique in an account).
    :param include: sideloads, each written to its own file.
    :param sort: a field, `-` before it for descending; None is the API's own order, ascending id.
    :param page_size: users a request, 1–100.
    :param pagination: cursor, or the traditional offset.
    :raises ValueError: if a field is out of range, in words fit for a person.
    """

    roles: tuple[Role, ...] = tuple(Role)
    permission_set: int | None = None
    external_id: str | None = None
    include: tuple[Sideload, ...] = ()
    sort: str | None = None
    page_size: int = MAX_PAGE_SIZE
    pagination: Pagination = Pagination.CURSOR

    def __post_init__(self) -> None:
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise ValueError(f"page size must be between 1 and {MAX_PAGE_SIZE}, not {self.page_size}")
        if not self.roles:
            raise ValueError("at least one role is needed")
        if len(set(self.roles)) != len(self.roles):
            raise ValueError("a role is named twice")
        if len(set(self.include)) != len(self.include):
            raise ValueError("a sideload is named twice")
        if self.sort is not None and not self.sort.removeprefix("-").replace("_", "a").isalnum():
            raise ValueError(f"sort must be a field name, with or without '-' before it, not {self.sort!r}")

    @property
    def by_id(self) -> bool:
        """Whether a walk ascends by id: cursors do, unless another sort is asked for; offsets are not known to."""
        return self.sort in (None, "id") and self.pagination is Pagination.CURSOR

    def describe(self) -> dict[str, object]:
        """Name every field, as plain JSON values: the ledger and the manifest hold the query in this form."""
        return dataclasses.asdict(self)


class Item(NamedTuple):
    """One user, as programs get it.

    `line` is the user as the server sent it, one physical line with `\\n` at its end. `cursor` is the point right
    after this user, None if the server gave none.
    """

    id: int
    line: bytes
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One response, read and checked.

    `ids`, `lines` and `cursors` are columns, in the order of the response: an object for each user would cost as much
    as cutting the page apart.

    :param ids: the users' ids.
    :param lines: the users as the server sent them, each one physical line with `\\n` at its end.
    :param cursors: the point right after each user, as the server issued it; None if it gave none.
    :param before: the server's cursor of the first item.
    :param last: the server's cursor of the last item.
    :param after: where the walk goes on: `last`, or with offset pagination the next page's number; None if nowhere.
    :param more: whether the walk goes on behind this page.
    :param sideloads: records that came along, by kind: each its identity within the kind, and its line.
    :param mended: ids of users whose text was not valid Unicode and had it replaced by U+FFFD.
    :param mended_kinds: kinds of sideloaded records of which the same is true.
    :param strays: users who bear another role than was asked for, by id, each with the role that is said; empty: none.
    :param beyond: there is more behind this page, out of reach of offset pagination.
    :param links: the page's links as the server sent them; they are never followed.
    """

    ids: list[int]
    lines: list[bytes]
    cursors: list[str] | None
    before: str | None
    last: str | None
    after: str | None
    more: bool
    sideloads: dict[Sideload, list[tuple[str, bytes]]] = dataclasses.field(default_factory=dict)
    mended: tuple[int, ...] = ()
    mended_kinds: tuple[Sideload, ...] = ()
    strays: Mapping[int, str] = dataclasses.field(default_factory=dict)
    beyond: bool = False
    links: bytes = b"null"

    def only(self, keep: list[int]) -> Page:
        """Return the page with those of its users alone that stand at some places; where it leads stays."""
        return dataclasses.replace(
            self,
            ids=[self.ids[at] for at in keep],
            lines=[self.lines[at] for at in keep],
            cursors=self.cursors and [self.cursors[at] for at in keep],
        )

    @property
    def consistent(self) -> bool:
        """Whether the page's own cursors are those of its first and last user, where users have cursors."""
        return not self.cursors or (self.cursors[0], self.cursors[-1]) == (self.before, self.last)


class Caller(NamedTuple):
    """As whom an account sees us, and so whose eyes an export sees with.

    :param role: as the account says it, `restricted` and `tickets` as well: an agent who may not see all of it, and
        which tickets he may see (documented: `restricted_agent`, `ticket_restriction`, null for all).
    """

    id: int
    role: str
    restricted: bool = False
    tickets: str = ""


class Increment(NamedTuple):
    """One page of the incremental export; `end`: it holds everything up to a minute ago; `mended` as for `Page`."""

    lines: list[bytes]
    cursor: str | None
    end: bool
    mended: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """A claim: every user of its range up to here is in the output, and none after.

    :param cursor: where the next request starts (exclusive); None is the start of the stream.
    :param skip: how many users behind `cursor` are written already: only where no cursor stands right after the last.
        -1 where a range begins with the very user that `cursor` stands after, and he is not written yet.
    :param last_id: the id of the last user written; None before the first.
    :param users: how many users of this range are written.
    :param finished: nothing is left of this range.
    """

    cursor: str | None = None
    skip: int = 0
    last_id: int | None = None
    users: int = 0
    finished: bool = False
