"""A user as the service sends it, and what belongs to it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from exporter.sandbox.people.archetypes import VARIANTS, archetype, group, has_phone
from exporter.sandbox.people.mixing import mix
from exporter.sandbox.people.texts import HOST, wire

if TYPE_CHECKING:
    from exporter.sandbox.people.names import Names

_FIRST_ORGANIZATION = 6_130_853_000_000
_USERS_PER_ORGANIZATION = 40


class Person(NamedTuple):
    """What distinguishes one user from all others.

    :param id: the id.
    :param place: 0, 1, 2 … in order of id, over the whole account; who came later has places behind all others.
    :param cohort: the number of the cohort.
    :param created: unix seconds.
    :param updated: unix seconds.
    :param name: the number of the name.
    :param dice: 64 random bits, for everything else.
    """

    id: int
    place: int
    cohort: int
    created: int
    updated: int
    name: int
    dice: int


class Users:
    """What the users of one account are like.

    :param total: how many there are: for every forty there is an organisation.
    :param seed: which account.
    :param names: the names they have.
    :param plain: nothing awkward.
    """

    def __init__(self, total: int, seed: int, names: Names, *, plain: bool) -> None:
        self._salt = mix(~seed)
        self._names = names
        self._organizations = total // _USERS_PER_ORGANIZATION + 1
        self._plain = plain

    def dice(self, place: int) -> int:
        """Throw 64 bits for whoever has a place."""
        return mix(self._salt ^ place)

    def email(self, person: Person) -> bytes:
        """Return the e-mail address in wire form; null for one end user in 32."""
        if person.cohort:
            return b'"agent.%x@staff.example"' % person.place
        return b'"user.%x@mail.example"' % person.place if person.dice >> 59 else b"null"

    def organization(self, person: Person) -> int | None:
        """Return the organisation's id; None for agents and admins, and for a quarter of the end users."""
        if person.cohort or not person.dice >> 8 & 3:
            return None
        return _FIRST_ORGANIZATION + (person.dice >> 10) % self._organizations * 20

    def external_id(self, place: int) -> str | None:
        """Return the external id of whoever has a place: every third has one."""
        if place % 3:
            return None
        return f"CRM-{place:08X}" if place % 30 or self._plain else f'Kunde "ä" +/%{place:08X}'

    def place_of_external_id(self, text: str) -> int | None:
        """Return the place that an external id belongs to, whatever its case (documented); None if it is no such id."""
        try:
            place = int(text[-8:], 16)
        except ValueError:
            return None
        theirs = self.external_id(place) if place >= 0 else None
        return place if theirs is not None and theirs.casefold() == text.casefold() else None

    def wire(self, person: Person) -> bytes:
        """Return the user as it stands on a page."""
        user, place, cohort, created, updated, name, dice = person
        external_id = self.external_id(place)
        organization = self.organization(person)
        changed = timestamp(updated)
        return archetype(cohort, dice % VARIANTS, self._plain) % (
            user,
            user,
            self._names.json(name),
            self.email(person),
            timestamp(created),
            changed,
            b'"+1555%07d"' % (dice >> 40 & 0x7FFFFF) if has_phone(dice) else b"null",
            b"null" if dice >> 37 & 7 else _photo(user),
            b"%d" % organization if organization else b"null",
            b'"%b"' % external_id.replace('"', '\\"').encode() if external_id else b"null",
            b'"%b"' % changed if dice >> 36 & 1 else b"null",
        )

    @staticmethod
    def group(person: Person) -> int | None:
        """Return the id of the default group; None for end users."""
        return group(person.cohort, person.dice)


def _photo_template() -> bytes:
    def attachment(name: str, side: int, **more: object) -> dict[str, object]:
        content = f"{HOST}/system/photos/ID/{name}"
        return {
            "url": f"{HOST}/api/v2/attachments/ID.json",
            "id": "ID",
            "file_name": name,
            "content_url": content,
            "mapped_content_url": content,
            "content_type": "image/jpeg",
            "size": side * side,
            "width": side,
            "height": side,
            "inline": False,
            "deleted": False,
            **more,
        }

    photo = wire(attachment("portrait.jpg", 80, thumbnails=[attachment("portrait_thumb.jpg", 32)]))
    return photo.replace(b'"ID"', b"%d").replace(b"ID", b"%d")


_PHOTO = _photo_template()


def _photo(user: int) -> bytes:
    """Return a photo and its thumbnail, two attachments of their own (fields: observed)."""
    return _PHOTO % ((user + 1,) * 4 + (user + 2,) * 4)


@lru_cache(maxsize=8_192)  # the twelve years in which anything happens have 4,383 days
def _day(days: int) -> bytes:
    return datetime.fromtimestamp(days * 86_400, UTC).strftime("%Y-%m-%dT").encode()


_MINUTES = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(1440))
_SECONDS = tuple(b"%02dZ" % second for second in range(60))


def timestamp(seconds: int) -> bytes:
    """Write unix seconds as the service does: `2024-02-08T10:11:12Z`."""
    days = seconds // 86_400
    minutes = seconds // 60
    return _day(days) + _MINUTES[minutes - days * 1440] + _SECONDS[seconds - minutes * 60]
