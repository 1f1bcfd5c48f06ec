"""Where item cursors stand: the service documents that there are some, and not where.

Three places are inside a user, behind its other fields; three are in `meta`, behind its other fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sandbox.settings import ItemCursors

if TYPE_CHECKING:
    from exporter.sandbox.people.users import Person

_IN_USER = {
    ItemCursors.USER_META: b'%b,"meta":{"cursor":"%b"}}',
    ItemCursors.USER_META_PAGE: b'%b,"meta":{"page":{"cursor":"%b"}}}',
    ItemCursors.USER: b'%b,"cursor":"%b"}',
}


def cursors_in_users(place: ItemCursors, users: list[bytes], cursors: list[str]) -> list[bytes]:
    """Return users with their cursors inside, if that is the place."""
    if place not in _IN_USER:
        return users
    template = _IN_USER[place]
    return [template % (user[:-1], cursor.encode()) for user, cursor in zip(users, cursors, strict=True)]


def cursors_in_meta(place: ItemCursors, people: list[Person], cursors: list[str]) -> dict[str, object]:
    """Return what `meta` holds besides, if that is the place."""
    if place is ItemCursors.META_LIST:
        return {"item_cursors": cursors}
    if place is ItemCursors.META_CURSORS:
        return {"cursors": cursors}
    if place is ItemCursors.META_MAP:
        return {"item_cursors": {str(person.id): cursor for person, cursor in zip(people, cursors, strict=True)}}
    return {}
