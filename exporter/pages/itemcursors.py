"""Item cursors: found wherever the server puts them, and cut out of the users they stand in (P7). Pure.

Where `include_item_cursors` puts them is documented nowhere, so the place is found out on every page, and believed only
if the first or the last cursor found there is the page's own. That both should be is for `ranges.judge` to ask.
"""

from __future__ import annotations

import string
from typing import Any, TypeGuard

import msgspec

from exporter.pages import mend


class Meta(msgspec.Struct):
    """The `meta` of a page by cursor, with the places in it where item cursors might be."""

    has_more: bool | None = None
    after_cursor: str | None = None
    before_cursor: str | None = None
    item_cursors: Any = None
    cursors: Any = None


_members = msgspec.json.Decoder(dict[str, msgspec.Raw])  # raw: a number beyond a double is no reason to refuse a page
_text = msgspec.json.Decoder(str)

_PATHS = (("meta", "cursor"), ("meta", "page", "cursor"), ("cursor",))
_TAILS = (
    (b',"meta":{"cursor":"', b'"}}'),
    (b',"meta":{"page":{"cursor":"', b'"}}}'),
    (b',"cursor":"', b'"}'),
)
"""What stands before and behind a cursor at the end of a user, for each path."""
_BASE64 = (string.ascii_letters + string.digits + "+/=_-").encode()


def take(ids: list[int], raws: list[bytes], meta: Meta) -> tuple[list[str] | None, list[bytes]]:
    """Return a cursor for each user, None if the server gave none, and the users without them.

    :param raws: the users as they came.
    """
    if not raws or not meta.before_cursor or not meta.after_cursor:
        return None, raws
    ends = (meta.before_cursor, meta.after_cursor)
    for listed in (meta.item_cursors, meta.cursors):
        found: Any = [listed.get(str(each)) for each in ids] if isinstance(listed, dict) else listed
        if _agree(found, len(ids), ends):
            return found, raws
    if b'"cursor"' not in raws[0]:
        return None, raws
    for before, behind in _TAILS:
        cut = _cut_tails(raws, ends, before, behind)
        if cut is not None:
            return cut
    return _search(raws, ends)


def _cut_tails(
    raws: list[bytes], ends: tuple[str, str], before: bytes, behind: bytes
) -> tuple[list[str], list[bytes]] | None:
    """Cut cursors of one length off the ends of users, where servers append them: a tenth of the cost of a search.

    There they can't stand inside a string, whose quotes would be escaped, nor deeper, where more braces would follow.
    """
    size = len(ends[0])
    cut = -len(before) - size - len(behind)
    tails = b"".join([raw[cut:] for raw in raws])
    if tails.translate(None, _BASE64) != (before + behind).translate(None, _BASE64) * len(raws):
        return None  # something else than cursors between the two
    cursors = tails.decode().replace(behind.decode(), "").split(before.decode())
    if cursors.pop(0) or set(map(len, cursors)) != {size} or not _agree(cursors, len(raws), ends):
        return None
    return cursors, [raw[:cut] + b"}" for raw in raws]


def _search(raws: list[bytes], ends: tuple[str, str]) -> tuple[list[str] | None, list[bytes]]:
    """Look for cursors anywhere in the users."""
    for path in _PATHS:
        found = [_at(raw, path) for raw in raws]
        if _agree(found, len(raws), ends):
            return found, [mend.cut(raw, path, cursor) for raw, cursor in zip(raws, found, strict=True)]
    return None, raws


def _agree(found: Any, count: int, ends: tuple[str, str]) -> TypeGuard[list[str]]:
    return (
        isinstance(found, list)
        and len(found) == count
        and (found[0] == ends[0] or found[-1] == ends[1])
        and {*map(type, found)} == {str}
    )


def _at(raw: bytes, path: tuple[str, ...]) -> str | None:
    for name in path:
        member = _members.decode(raw).get(name) if raw.startswith(b"{") else None
        if member is None:
            return None
        raw = bytes(member)
    return _text.decode(raw) if raw.startswith(b'"') else None
