"""What one account's API does where no document says: found out in about a dozen requests, none of which writes.

Each question is one request, and its answer has a meaning for an export. No export builds on it: each finds out for
itself, page by page, and believes nothing that was so a day ago.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import orjson

from exporter.api import Answered, Final, read_quota
from exporter.engine.anonymous import Exchange, anonymous
from exporter.errors import NetworkError
from exporter.model import Page, Query
from exporter.pages import Trust, make_cursor, read_page

LIST, COUNT, ME = "/api/v2/users", "/api/v2/users/count", "/api/v2/users/me"
INCREMENTAL = "/api/v2/incremental/users/cursor"
AGO = 300
"""Seconds ago from where the incremental export is asked for: it refuses to begin in the last minute (documented)."""
_END = 2**63 - 1  # the greatest id there can be
_FLAGS = [("include_boundary_indicators", "true"), ("include_item_cursors", "true")]
_SORTS = ("name", "no_such_field")
_BY_SORT = "sort=-updated_at"

Ask = Callable[[str, list[tuple[str, str]]], Awaitable[Answered]]
"""Sends one request: a path and its parameters."""


class Finding(NamedTuple):
    """One fact: what it is about, what was found, what that means for an export. No personal data is in it."""

    about: str
    found: str
    means: str = ""


@dataclass(slots=True)
class Probed:
    """What was found.

    :param ranges: whether a role can be walked by many cursors at once.
    :param sweep: how changes during an export are found; empty if not at all.
    :param limit: requests a minute, as the account says.
    """

    findings: list[Finding] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    ranges: bool = False
    sweep: str = ""
    limit: int | None = None

    def in_a_line(self) -> str:
        """Say what an export of this account would be like."""
        walked = "many cursors at once in each role" if self.ranges else "one cursor a role, since none can be made"
        swept = f"changes meanwhile are found by {self.sweep}" if self.sweep else "changes meanwhile can't be found"
        return f"An export walks by {walked}; {swept}."


class Probe:
    """Asks one account, once."""

    def __init__(self, ask: Ask) -> None:
        self._send = ask
        self.probed = Probed()

    async def run(self) -> Probed:
        """Ask everything.

        :raises ExportError: if the account lets nobody in, or can't be reached.
        """
        page = await self._list()
        await self._me()
        await self._plain()
        await self._made(page)
        await self._last()
        await self._values()
        for sort in _SORTS:
            came = await self._ask(f"sort={sort}", [("page[size]", "2"), ("sort", sort)])
            self._find(f"sort={sort}", "taken" if came.status == 200 else f"refused (HTTP {came.status})")
        await self._count()
        await self._changes()
        if self.probed.sweep == _BY_SORT:  # else it has been asked already; it comes last, for its own limit is low
            await self._incremental()
        return self.probed

    async def brief(self) -> Probed:
        """Ask what decides how an export goes, and no more.

        :raises ExportError: if the account lets nobody in, or can't be reached.
        """
        await self._made(await self._list())
        await self._changes()
        return self.probed

    def _find(self, about: str, found: str, means: str = "") -> None:
        self.probed.findings.append(Finding(about, found, means))

    async def _ask(self, about: str, params: list[tuple[str, str]], path: str = LIST) -> Answered:
        came = await self._send(path, params)
        self.probed.exchanges.append(anonymous(about, path, params, came))
        return came

    async def _list(self) -> Page:
        about = "a page with all that an export asks for"
        came = await self._ask(about, [("page[size]", "100"), *_FLAGS])
        if isinstance(came.verdict, Final):
            raise came.verdict.error
        if came.status != 200:
            raise NetworkError(f"{LIST}: {getattr(came.verdict, 'why', f'HTTP {came.status}')}", hint="")
        page, body = read_page(came.body, Query()), orjson.loads(came.body)
        self.probed.limit = read_quota(came.headers).limit
        limit = f"{self.probed.limit:,} requests a minute" if self.probed.limit else "not told"
        self._find("the account's limit", limit, "" if self.probed.limit else "an export feels for it, step by step")
        self._find("a page", f"{len(page.ids)} users in {came.seconds * 1000:,.0f} ms")
        place = _place_of(body)
        self._find("item cursors", place or "none: the flag has no effect", _ITEMS[bool(place)])
        return page

    async def _me(self) -> None:
        came = await self._ask("users/me", [], ME)
        user = _member(came.body, "user")
        if came.status == 200 and isinstance(user, dict) and user.get("id"):
            role = user.get("role")
            known = role if role in ("admin", "agent", "end-user") else "of a role of its own"
            self._find(
                "whose eyes", f"users/me says: {known}", "" if known != "end-user" else "end users can't list users"
            )
        elif came.status == 200:
            self._find("whose eyes", "users/me says: nobody", "the credentials are wrong, or none were needed")
        else:
            self._find("whose eyes", f"users/me is refused (HTTP {came.status})", "the scope does not cover it")

    async def _plain(self) -> None:
        meta = _member((await self._ask("the same page without flags", [("page[size]", "2")])).body, "meta")
        there = isinstance(meta, dict) and "has_more" in meta
        self._find(
            "has_more without the flag", "there" if there else "left out", "" if there else "the flag is sent always"
        )

    async def _made(self, page: Page) -> None:
        """Ask behind an id that nobody has, in the widest gap of a page, whose next user is known."""
        trust = Trust()
        if page.ids and page.cursors:
            trust.check(page.ids, page.cursors)
        elif page.ids:
            trust.check([page.ids[0], page.ids[-1]], [page.before, page.last])
        if not trust:
            why = "are of a form of their own: none can be made" if page.ids else "can't be tried: there are no users"
            self._find("cursors", why, _ONE)
            return
        lower, upper = max(pairwise(page.ids), key=lambda pair: pair[1] - pair[0], default=(page.ids[0], 0))
        at = (lower + upper) // 2 if upper - lower > 1 else lower
        params = [("page[size]", "2"), *_FLAGS, ("page[after]", make_cursor(at))]
        came = await self._ask("a made cursor", params)
        ids = _ids(came)
        if came.status != 200:
            found = f"refused if made (HTTP {came.status})"
        elif ids[:1] == [upper] or (not upper and not ids):
            found, self.probed.ranges = "taken if made", True
        else:
            found = "misread if made: nobody is behind one" if not ids else "misread if made: it leads elsewhere"
        misread = "an export tries, and goes on by one range a role where that leads nowhere"
        many = "many ranges of a role are walked at once"
        self._find("cursors", found, many if self.probed.ranges else misread if came.status == 200 else _ONE)

    async def _last(self) -> None:
        params = [("page[size]", "2"), *_FLAGS, ("page[before]", make_cursor(_END))]
        came = await self._ask("the last page", params)
        ids = _ids(came)
        found = "found by page[before]" if ids else "not found by page[before]"
        self._find("the end of a stream", found, "" if ids else "it is met by walking there")

    async def _values(self) -> None:
        sized = await self._ask("page[size]=101", [("page[size]", "101")])
        many = len(_ids(sized))
        found = "refused" if sized.status != 200 else "taken for 100" if many <= 100 else "taken as it is"
        self._find("page[size]=101", found)
        role = await self._ask("a role that there is not", [("page[size]", "2"), ("role[]", "no-such-role")])
        found = (
            "refused" if role.status != 200 else "ignored: users of other roles come" if _ids(role) else "nobody has it"
        )
        self._find("an unknown role", found, "role[] does not filter: an export would repeat users" * bool(_ids(role)))
        both = [("page[size]", "2"), ("role[]", "agent"), ("role[]", "admin")]
        found = "taken" if (await self._ask("two roles in one request", both)).status == 200 else "refused"
        self._find("two roles together", found, "" if found == "taken" else "changes can't be looked for by sort")
        cursor = await self._ask("a cursor that is none", [("page[size]", "2"), ("page[after]", "x")])
        self._find("a cursor that is none", f"HTTP {cursor.status}" if cursor.status != 200 else "ignored")

    async def _changes(self) -> None:
        came = await self._ask("sort=-updated_at", [("page[size]", "100"), ("sort", "-updated_at"), *_FLAGS])
        times = [user.get("updated_at") for user in _users(came)]
        told = [time for time in times if isinstance(time, str)]
        if came.status != 200:
            found = f"refused (HTTP {came.status})"
        elif len(told) < len(times) or any(later > earlier for earlier, later in pairwise(told)):
            found = "ignored: the page is in another order"
        elif len(set(told)) < 2:
            found = "taken, but all on the page changed at one time, which shows nothing"
        else:
            found, self.probed.sweep = "taken, newest first", _BY_SORT
        means = "changes during an export are found by it" if self.probed.sweep else "the incremental export has to do"
        self._find("sort=-updated_at", found, means)
        if not self.probed.sweep:
            await self._incremental()

    async def _count(self) -> None:
        came = await self._ask("users/count", [("role[]", "agent")], COUNT)
        count = _member(came.body, "count")
        there = came.status == 200 and isinstance(count, dict) and isinstance(count.get("value"), int)
        refused = f"refused (HTTP {came.status})"
        self._find(
            "users/count", "there" if there else refused, "" if there else "no estimate, and none to hold against"
        )

    async def _incremental(self) -> None:
        start = str(int(time.time()) - AGO)
        came = await self._ask("the incremental export", [("start_time", start), ("per_page", "1")], INCREMENTAL)
        open_ = came.status == 200 and _member(came.body, "end_of_stream") is not None
        if open_ and not self.probed.sweep:
            self.probed.sweep = "the incremental export"
        refused = f"refused (HTTP {came.status})"
        means = "" if open_ else "it is for admins" if came.status == 403 else "it can't stand in for the sort"
        self._find("the incremental export", "open" if open_ else refused, means)


_ITEMS = {
    True: "an export goes on behind any user of a page",
    False: "made ones take their place where cursors can be made",
}
_ONE = "one range a role: a page waits for the one before it"


def _member(body: bytes, name: str) -> Any:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return content.get(name) if isinstance(content, dict) else None


def _users(came: Answered) -> list[dict[str, Any]]:
    users = _member(came.body, "users") if came.status == 200 else None
    return [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []


def _ids(came: Answered) -> list[int]:
    return [user["id"] for user in _users(came) if isinstance(user.get("id"), int)]


def _place_of(body: Any) -> str:
    """Name the place where a page's item cursors stand; empty if there is none: they are believed as by an export."""
    meta, users = body.get("meta") or {}, body.get("users") or []
    ends = [meta.get("before_cursor"), meta.get("after_cursor")]
    found: dict[str, list[Any]] = {
        "users[].meta.cursor": [_at(user, "meta", "cursor") for user in users],
        "users[].meta.page.cursor": [_at(user, "meta", "page", "cursor") for user in users],
        "users[].cursor": [_at(user, "cursor") for user in users],
    }
    for name in ("item_cursors", "cursors"):
        listed = meta.get(name)
        if isinstance(listed, dict):
            found[f"meta.{name}, by id"] = [listed.get(str(_at(user, "id"))) for user in users]
        elif isinstance(listed, list) and len(listed) == len(users):
            found[f"meta.{name}, in order"] = listed
    return next(
        (place for place, each in found.items() if each and None not in each and [each[0], each[-1]] == ends), ""
    )


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
