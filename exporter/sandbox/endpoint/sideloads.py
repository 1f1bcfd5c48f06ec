"""Sideloads: what `include` brings along, the records that users of the page refer to, each once.

The names of their fields are documented, or observed in recordings of single records; what they hold is made up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sandbox.people.cohorts import COHORTS, Cohort
from exporter.sandbox.people.texts import HOST, wire
from exporter.sandbox.people.users import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.sandbox.people.users import Person, Users

_FOUNDED = "2013-01-01T00:00:00Z"


def sideloads(kinds: Iterable[str], people: list[Person], users: Users) -> bytes:
    """Write sideloads as they stand right behind the users (observed at a sibling)."""
    return b"".join(b",%b:%b" % (wire(kind), sideload(kind, people, users)) for kind in kinds)


def sideload(kind: str, people: list[Person], users: Users) -> bytes:
    """Return the records of one kind that belong to a page, as a JSON array.

    :param kind: one of the five that are documented.
    :param people: the users of the page.
    :param users: knows what belongs to them.
    """
    return wire(_RECORDS[kind](people, users))


def _organizations(people: Iterable[Person], users: Users) -> list[dict[str, object]]:
    ids = dict.fromkeys(filter(None, map(users.organization, people)))
    return [
        {
            "url": f"{HOST}/api/v2/organizations/{number}.json",
            "id": number,
            "name": f"Organisation № {number}",
            "shared_tickets": False,
            "shared_comments": False,
            "external_id": None,
            "created_at": _FOUNDED,
            "updated_at": _FOUNDED,
            "domain_names": [f"o{number}.example"],
            "details": None,
            "notes": None,
            "group_id": None,
            "tags": [],
            "organization_fields": {},
        }
        for number in ids
    ]


def _groups(people: Iterable[Person], users: Users) -> list[dict[str, object]]:
    ids = dict.fromkeys(filter(None, map(users.group, people)))
    return [
        {
            "url": f"{HOST}/api/v2/groups/{number}.json",
            "id": number,
            "is_public": True,
            "name": f"Group “{number}”",
            "description": "",
            "default": False,
            "deleted": False,
            "created_at": _FOUNDED,
            "updated_at": _FOUNDED,
        }
        for number in ids
    ]


def _role(cohort: Cohort) -> dict[str, object]:
    """Return a role: the account's own has an id, the system's has none, and admins have a system's (observed)."""
    custom = cohort.role_type in (0, 1)
    return {
        "id": cohort.custom_role_id if custom else None,
        "description": f"{cohort.title}: what they may do" if custom else None,
        "created_at": _FOUNDED if custom else None,
        "updated_at": _FOUNDED if custom else None,
        "name": cohort.title,
        "configuration": {
            "end_user_profile_access": "readonly" if cohort.role == "end-user" else "full",
            "ticket_access": "all" if cohort.role_type in (0, 4) else "assigned-only",
            "ticket_editing": cohort.role != "end-user" and cohort.role_type != 1,
        },
    }


def _roles(people: Iterable[Person], _: Users) -> list[dict[str, object]]:
    return [_role(COHORTS[number]) for number in dict.fromkeys(person.cohort for person in people)]


def _identities(people: Iterable[Person], users: Users) -> list[dict[str, object]]:
    return [
        {
            "url": f"{HOST}/api/v2/users/{person.id}/identities/{person.id + 3}.json",
            "id": person.id + 3,
            "user_id": person.id,
            "type": "email",
            "value": email.decode().strip('"'),
            "verified": True,
            "primary": True,
            "created_at": timestamp(person.created).decode(),
            "updated_at": timestamp(person.updated).decode(),
            "undeliverable_count": 0,
            "deliverable_state": "deliverable",
        }
        for person in people
        if (email := users.email(person)) != b"null"
    ]


def _abilities(people: Iterable[Person], _: Users) -> list[dict[str, object]]:
    return [
        {
            "url": f"{HOST}/api/v2/users/{person.id}.json",
            "user_id": person.id,
            "can_edit": True,
            "can_edit_password": COHORTS[person.cohort].role == "end-user",
            "can_manage_identities_of": True,
            "can_verify_identities": False,
        }
        for person in people
    ]


_RECORDS: dict[str, Callable[[list[Person], Users], list[dict[str, object]]]] = {
    "organizations": _organizations,
    "abilities": _abilities,
    "roles": _roles,
    "identities": _identities,
    "groups": _groups,
}
