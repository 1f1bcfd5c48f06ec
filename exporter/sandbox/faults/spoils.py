"""Faults that spoil an honest page: its users, its cursors, its links. `script` has the table of all.

What is not spoilt stays byte for byte what it was. Whatever is no page of users stays as it is.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, quote_plus, urlencode

from exporter.sandbox.faults.kinds import LEVELS, MEGABYTES, Kind
from exporter.sandbox.faults.refusals import HOSTILE
from exporter.sandbox.people.texts import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.endpoint.answers import Answer
    from exporter.sandbox.faults.kinds import Asked

_BEGIN = '{"users":['
_PLACES = ("page", "page[after]", "page[before]", "cursor", "start_time")


@dataclass(slots=True)
class Page:
    """A page taken apart: its users as they are, and the rest of its keys."""

    users: list[bytes]
    rest: dict[str, Any]

    @classmethod
    def read(cls, body: bytes) -> Page | None:
        """Take a body apart; None if it is no page."""
        text = body.decode()
        if not text.startswith(_BEGIN):
            return None
        users, at, decode = [], len(_BEGIN), json.JSONDecoder().raw_decode
        while text[at] != "]":
            start = at + (text[at] == ",")
            _, at = decode(text, start)
            users.append(text[start:at].encode())
        return cls(users, json.loads("{" + text[at + 2 :]))

    def body(self) -> bytes:
        """Put the page together again."""
        rest = wire(self.rest)[1:]
        return b'{"users":[%b]%b%b' % (b",".join(self.users), b"," if self.rest else b"", rest)

    def point(self, cursor: str | None, *, backward: bool) -> None:
        """Let a page with users say that there are more, and where: on, or back if the walk goes backward."""
        if not self.users:
            return
        if "meta" in self.rest:
            way, link = ("before_cursor", "prev") if backward else ("after_cursor", "next")
            place, links = self.rest["meta"], self.rest["links"]
            place["has_more"] = True
        elif "after_cursor" in self.rest:
            way, link, place, links = "after_cursor", "after_url", self.rest, self.rest
            place["end_of_stream"] = False
        else:
            return  # traditional pages have no cursors
        old, address = place[way], links[link]
        place[way] = cursor
        links[link] = address.replace(quote_plus(old), quote_plus(cursor)) if cursor and address else None


_Spoil: TypeAlias = "Callable[[Page, Asked], None]"


def _page(spoil: _Spoil) -> Kind:
    """Make a kind of what is done to a page."""

    def make(asked: Asked, _: str) -> Answer:
        answer = asked.honest()
        page = Page.read(answer.body)
        if page is None:
            return answer
        spoil(page, asked)
        return replace(answer, body=page.body())

    return Kind(make)


def _user(spoil: Callable[[bytes], bytes]) -> Kind:
    """Make a kind of what is done to one user, in the middle of the page."""

    def spoil_page(page: Page, _: Asked) -> None:
        if page.users:
            middle = len(page.users) // 2
            page.users[middle] = spoil(page.users[middle])

    return _page(spoil_page)


def _name(text: bytes) -> Kind:
    """Make a kind of what is put in front of a name, within its quotes."""
    return _user(lambda user: user.replace(b',"name":"', b',"name":"' + text, 1))


def _with_field(user: bytes, value: bytes) -> bytes:
    """Add a user field to a user; all have some already."""
    return user.replace(b',"user_fields":{', b',"user_fields":{"odd":%b,' % value, 1)


def _with_id(written: Callable[[int], bytes]) -> Kind:
    """Make a kind of another way to write a user's id."""

    def spoil(user: bytes) -> bytes:
        number = json.loads(user)["id"]
        return user.replace(b'"id":%d' % number, b'"id":%b' % written(number), 1)

    return _user(spoil)


def _twice(user: bytes) -> bytes:
    """Repeat the id as it is, and the name as another one."""
    number = json.loads(user)["id"]
    return b'%b,"id":%d,"name":"Somebody Else"}' % (user[:-1], number)


def _deep(asked: Asked, levels: str) -> Answer:
    depth = int(levels or 100_000)
    return _user(lambda user: _with_field(user, b"[" * depth + b"]" * depth)).make(asked, "")


def _long(asked: Asked, megabytes: str) -> Answer:
    text = b'"%b"' % (b"x" * int(megabytes or 10) * 1_000_000)
    return _user(lambda user: _with_field(user, text)).make(asked, "")


def _loop(asked: Asked, _: str) -> Answer:
    """Answer with the first page, whatever page was asked for."""
    pairs = [pair for pair in parse_qsl(asked.request.query, keep_blank_values=True) if pair[0] not in _PLACES]
    if "/incremental/" in asked.request.path:
        pairs.append(("start_time", "0"))
    return asked.answer(asked.request._replace(query=urlencode(pairs)))


def _stuck(page: Page, asked: Asked) -> None:
    """Lead to where the page was asked from; the first page of the list, to behind its first user."""
    given = dict(parse_qsl(asked.request.query))
    backward = "page[before]" in given
    cursor = given.get("page[before]") or given.get("page[after]") or given.get("cursor")
    page.point(cursor or page.rest.get("meta", {}).get("before_cursor"), backward=backward)


def _null_cursor(page: Page, asked: Asked) -> None:
    page.point(None, backward="page[before]" in dict(parse_qsl(asked.request.query)))


def _no_meta(page: Page, _: Asked) -> None:
    for key in ("meta", "after_url", "before_url", "after_cursor", "before_cursor", "end_of_stream"):
        page.rest.pop(key, None)


def _foreign(page: Page, asked: Asked) -> None:
    """Lead to another host, with the right one where a link has the name of a user."""
    links = page.rest.get("links", page.rest)
    for key in ("prev", "next", "after_url", "next_page", "previous_page"):
        if links.get(key):
            links[key] = links[key].replace(asked.origin, f"{asked.origin}@{asked.elsewhere}", 1)


def _descending(page: Page, _: Asked) -> None:
    page.users.reverse()


def _descent(page: Page, _: Asked) -> None:
    middle = len(page.users) // 2
    if middle:
        page.users[middle - 1 : middle + 1] = page.users[middle - 1 : middle + 1][::-1]


_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:"]+')
_EMPTY = {b"{": b"}", b"[": b"]"}


def _pretty(asked: Asked, _: str) -> Answer:
    """Set an honest answer in lines; its numbers and texts stay as they are written."""
    answer = asked.honest()
    tokens = _TOKEN.findall(answer.body)
    lines: list[bytes] = []
    depth = 0
    for token, following in zip(tokens, [*tokens[1:], b""], strict=True):
        if token in b"}]":
            depth -= 1
            opened = lines[-1].strip() in (b"{", b"[")
            lines.append(token if opened else b"\n" + b"  " * depth + token)
        elif token in b"{[":
            depth += 1
            lines.append(token if _EMPTY[token] == following else token + b"\n" + b"  " * depth)
        else:
            lines.append({b",": b",\n" + b"  " * depth, b":": b": "}.get(token, token))
    return replace(answer, body=b"".join(lines) + b"\n")


SPOILS: dict[str, Kind] = {
    "loop": Kind(_loop),
    "stuck": _page(_stuck),
    "nullcursor": _page(_null_cursor),
    "nometa": _page(_no_meta),
    "foreign": _page(_foreign),
    "descending": _page(_descending),
    "descent": _page(_descent),
    "pretty": Kind(_pretty),
    "utf8": _name(b"\xff\xc3\x28\xed\xa0\x80"),
    "surrogate": _name(b"\\ud800"),
    "nul": _name(b"\x00"),
    "newline": _name(b"\r\n"),
    "hostile": _name(wire(HOSTILE)[1:-1]),
    "twice": _user(_twice),
    "bigint": _user(lambda user: _with_field(user, b"123456789012345678901234567890")),
    "float": _user(lambda user: _with_field(user, b"1e400")),
    "bigid": _with_id(lambda _: b"123456789012345678901234567890"),
    "floatid": _with_id(lambda number: b"%d.0" % number),
    "textid": _with_id(lambda number: b'"%d"' % number),
    "deep": Kind(_deep, LEVELS),
    "long": Kind(_long, MEGABYTES),
}
"""Every kind by its name."""
