"""What users of a cohort have in common: 256 templates, each a whole user but for a dozen values.

A page of a hundred users has to cost about a millisecond, so nothing is encoded that could have been encoded before.
Fields and their order are those of 2024 (observed), and so is what agents and admins have that end users have not.
How often a field is null, and what the texts say, is made up.
"""

from __future__ import annotations

from functools import lru_cache

from exporter.sandbox.people import texts
from exporter.sandbox.people.cohorts import COHORTS
from exporter.sandbox.people.mixing import mix
from exporter.sandbox.people.texts import wire

VARIANTS = 256
"""Templates for each cohort. Which is a user's, the lowest eight bits of its dice tell."""

GROUP_IDS = tuple(range(6_130_852_536_346, 6_130_852_536_506, 20))
"""The groups of an account, of which every agent and admin has a default one."""


def has_phone(dice: int) -> bool:
    """Tell whether a user has a phone number: a matter of the template, as two fields have to agree on it."""
    return dice & 1 == 1


def group(cohort: int, dice: int) -> int | None:
    """Return the id of a user's default group; None for end users."""
    return GROUP_IDS[dice % len(GROUP_IDS)] if cohort else None


@lru_cache(maxsize=2 * len(COHORTS) * VARIANTS)
def archetype(cohort: int, number: int, plain: bool) -> bytes:
    """Return a template of a cohort, to be filled by `%`.

    Left open, in this order, are id, id again, name (the inside of a JSON string), email (JSON), created_at, updated_at
    (both bare), phone, photo, organization_id, external_id and last_login_at (all JSON).
    """
    role, role_type, custom_role_id, _ = COHORTS[cohort]
    end_user, light_agent = role == "end-user", role_type == 1
    awkward = number % 8 == 0 and not plain
    prose = texts.AWKWARD if awkward else texts.ORDINARY
    draws = mix(cohort * VARIANTS + number)
    zone, iana_zone = texts.ZONES[number % 8]
    locale_id, locale = texts.LOCALES[number % 8]
    notes = prose[draws & 15] if plain else texts.LONG_NOTES.get(number, prose[draws & 15])
    fields = {
        "id": b"%d",
        "url": b'"%b/api/v2/users/%%d.json"' % texts.HOST.encode(),
        "name": b'"%b"',
        "email": b"%b",
        "created_at": b'"%b"',
        "updated_at": b'"%b"',
        "time_zone": wire(zone),
        "iana_time_zone": wire(iana_zone),
        "phone": b"%b",
        "shared_phone_number": wire(False if has_phone(number) else None),
        "photo": b"%b",
        "locale_id": wire(locale_id),
        "locale": wire(locale),
        "organization_id": b"%b",
        "role": wire(role),
        "verified": wire(bool(draws >> 4 & 3)),
        "external_id": b"%b",
        "tags": wire(texts.TAGS[draws >> 6 & 7]),
        "alias": _text(prose[draws >> 9 & 15]),
        "active": wire(True),
        "shared": wire(False),
        "shared_agent": wire(False),
        "last_login_at": b"%b",
        "two_factor_auth_enabled": wire(None),
        "signature": _text(None if end_user else prose[draws >> 13 & 15]),
        "details": _text(prose[draws >> 17 & 15]),
        "notes": _text(notes),
        "role_type": wire(role_type),
        "custom_role_id": wire(custom_role_id),
        "moderator": wire(role == "admin"),
        "ticket_restriction": wire("requested" if end_user else None),
        "only_private_comments": wire(light_agent),
        "restricted_agent": wire(end_user or light_agent),
        "suspended": wire(not draws >> 21 & 63),
        "default_group_id": wire(group(cohort, number)),
        "report_csv": wire(False),
        "user_fields": texts.AWKWARD_FIELDS[draws >> 27 & 7] if awkward else texts.ORDINARY_FIELDS[draws >> 27 & 63],
    }
    return b"{%b}" % b",".join(wire(field) + b":" + value for field, value in fields.items())


def _text(text: str | None) -> bytes:
    """Encode a text, which may hold percent signs, so that filling the template leaves it alone."""
    return wire(text).replace(b"%", b"%%")
