"""The users of the sandbox: the bytes they are, and what is in them."""

from __future__ import annotations

import hashlib
import json
from itertools import islice

import pytest

from exporter.sandbox import Population

FIELDS = [
    "id", "url", "name", "email", "created_at", "updated_at", "time_zone", "iana_time_zone", "phone",
    "shared_phone_number", "photo", "locale_id", "locale", "organization_id", "role", "verified", "external_id",
    "tags", "alias", "active", "shared", "shared_agent", "last_login_at", "two_factor_auth_enabled", "signature",
    "details", "notes", "role_type", "custom_role_id", "moderator", "ticket_restriction", "only_private_comments",
    "restricted_agent", "suspended", "default_group_id", "report_csv", "user_fields",
]  # fmt: skip

THOUSANDS = list(islice(Population(100_000, 1).users(), 5_000))
"""The first users of an account."""


def test_an_account_is_the_same_bytes_everywhere() -> None:
    assert (
        hashlib.sha256(b"".join(THOUSANDS[:1_000])).hexdigest()
        == "6d3471fa671c21bbcb5ab1da02fc4d0071cfe639784b0e42472c21572814a94d"
    )


def test_another_seed_is_another_account() -> None:
    assert not set(Population(1_000, 1).users()) & set(Population(1_000, 2).users())


def test_a_user_has_the_fields_of_2024_in_their_order() -> None:
    for user in Population(300).users():
        assert list(json.loads(user)) == FIELDS


def test_a_user_is_written_without_spaces_and_with_utf8() -> None:
    for user in Population(2_000, plain=True).users():
        assert json.dumps(json.loads(user), ensure_ascii=False, separators=(",", ":")).encode() == user


@pytest.mark.parametrize(
    ("cohort", "expected"),
    [
        (0, {"role": "end-user", "role_type": None, "custom_role_id": None, "moderator": False}),
        (0, {"ticket_restriction": "requested", "restricted_agent": True, "default_group_id": None}),
        (1, {"role": "agent", "role_type": None, "custom_role_id": None, "restricted_agent": False}),
        (2, {"role": "agent", "role_type": 1, "only_private_comments": True}),
        (3, {"role": "agent", "role_type": 0, "moderator": False, "ticket_restriction": None}),
        (5, {"role": "admin", "role_type": 4, "moderator": True, "ticket_restriction": None}),
    ],
)
def test_fields_follow_the_role(cohort: int, expected: dict[str, object]) -> None:
    account = Population(5_000)
    for person in islice(account.walk([cohort]), 20):
        user = json.loads(account.content.wire(person))
        assert {name: user[name] for name in expected} == expected
        assert user["active"] is True
        assert (user["custom_role_id"] is not None) == (user["role_type"] is not None)
        assert (user["default_group_id"] is not None) == (user["role"] != "end-user")


def test_a_user_takes_about_a_kilobyte() -> None:
    sizes = sorted(map(len, THOUSANDS))
    assert sizes[0] > 800
    assert 1_000 < sum(sizes) / len(sizes) < 1_500


@pytest.mark.parametrize(
    "awkward",
    [
        '\\"',
        "🎯",
        "ש",
        "\\n",
        "\\u0000",
        "\\u001b",
        "\u2028",
        "\u202e",
        "\x7f",
        "\\\\",
        "<script>",
        '"meta\\":{\\"cursor',
    ],
)
def test_awkward_users_are_among_the_first_thousands(awkward: str) -> None:
    assert awkward.encode() in b"".join(THOUSANDS)


def test_user_fields_hold_numbers_that_no_float_can() -> None:
    content = b"".join(THOUSANDS)
    assert b"9007199254740993" in content
    assert b"123456789012345678901234567890" in content


def test_some_notes_are_very_long() -> None:
    assert max(map(len, THOUSANDS)) > 40_000


def test_a_plain_account_has_nothing_awkward() -> None:
    for user in Population(5_000, plain=True).users():
        assert len(user) < 3_000
        assert not any(ord(letter) < 32 or letter in "\x7f\u2028\u202e🎯" for letter in str(json.loads(user)))


def test_external_ids_are_unique_and_lead_back_in_any_case() -> None:
    account = Population(900)
    found = [(json.loads(user)["id"], json.loads(user)["external_id"]) for user in account.users()]
    with_one = [(user, text) for user, text in found if text is not None]
    assert len({text.casefold() for _, text in with_one}) == len(with_one) == 300
    for user, text in with_one:
        for spelling in (text, text.upper(), text.casefold()):
            person = account.find(spelling)
            assert person is not None
            assert person.id == user


@pytest.mark.parametrize(
    "text", ["", "CRM-00000001", "CRM-FFFFFFFF", "CRM--0000003", "CRM-0000000Z", "\ud800", "x" * 99]
)
def test_an_external_id_of_nobody_leads_to_nobody(text: str) -> None:
    assert Population(900).find(text) is None
