"""Pages by cursor: their shape, their cursors and links, and walks over them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sandbox import ItemCursors, Quirk
from exporter.sandbox.endpoint.cursors import Codec
from tests.support.sandbox_account import ORIGIN, Account, by_cursor, chained, ids

ACCOUNT = Account()
BY_ID = Codec("id")
NOBODY = (
    b'{"users":[],"meta":{"has_more":false,"after_cursor":null,"before_cursor":null},"links":{"prev":null,"next":null}}'
)


def test_a_page_has_users_then_meta_then_links() -> None:
    assert list(ACCOUNT.page()) == ["users", "meta", "links"]


def test_meta_has_its_keys_in_order() -> None:
    assert list(ACCOUNT.page()["meta"]) == ["has_more", "after_cursor", "before_cursor"]


def test_links_has_prev_before_next() -> None:
    assert list(ACCOUNT.page()["links"]) == ["prev", "next"]


@pytest.mark.parametrize("position", [0, 245, 490])
def test_the_cursors_of_a_page_are_those_of_its_first_and_last_user(position: int) -> None:
    page = ACCOUNT.page(after=BY_ID.encode(ACCOUNT.ids()[position] - 1))
    assert BY_ID.decode(page["meta"]["before_cursor"]) == (page["users"][0]["id"],)
    assert BY_ID.decode(page["meta"]["after_cursor"]) == (page["users"][-1]["id"],)


@pytest.mark.parametrize("position", [0, 490])
def test_the_first_and_the_last_page_have_both_links(position: int) -> None:
    page = ACCOUNT.page(after=BY_ID.encode(ACCOUNT.ids()[position] - 1))
    assert page["links"]["prev"]
    assert page["links"]["next"]


def test_a_page_past_the_end_has_nothing_but_nulls() -> None:
    assert ACCOUNT.ask(by_cursor(after=BY_ID.encode(2**63 - 1))).body == NOBODY


def test_a_page_of_an_empty_account_has_nothing_but_nulls() -> None:
    assert Account(0).ask(by_cursor()).body == NOBODY


def test_has_more_looks_ahead_so_a_full_last_page_has_none() -> None:
    last_ten = BY_ID.encode(ACCOUNT.ids()[-11])
    page = ACCOUNT.page(after=last_ten)
    assert len(page["users"]) == 10
    assert page["meta"]["has_more"] is False
    assert ACCOUNT.page(size=9, after=last_ten)["meta"]["has_more"] is True


def test_has_more_is_there_without_being_asked_for() -> None:
    assert "has_more" in ACCOUNT.page()["meta"]


def test_has_more_can_be_made_to_need_asking() -> None:
    account = Account(quirks=frozenset({Quirk.HAS_MORE_ABSENT}))
    assert list(account.page()["meta"]) == ["after_cursor", "before_cursor"]
    assert account.page(include_boundary_indicators="true")["meta"]["has_more"] is True


def test_has_more_can_be_made_to_precede_an_empty_page() -> None:
    account = Account(10, quirks=frozenset({Quirk.HAS_MORE_BEFORE_EMPTY_PAGE}))
    page = account.page()
    assert page["meta"]["has_more"] is True
    assert account.ask(by_cursor(after=page["meta"]["after_cursor"])).body == NOBODY


def test_links_are_encoded_and_sorted_and_keep_other_parameters() -> None:
    page = ACCOUNT.page(sort="id", include="groups,roles", after=BY_ID.encode(ACCOUNT.ids()[3]), foo="ü b")
    cursor = BY_ID.encode(page["users"][-1]["id"])
    assert page["links"]["next"] == (
        f"{ORIGIN}/api/v2/users?foo=%C3%BC+b&include=groups%2Croles&page%5Bafter%5D={cursor.replace('=', '%3D')}"
        "&page%5Bsize%5D=10&sort=id"
    )


def test_the_link_back_asks_for_what_is_before_the_first_user() -> None:
    page = ACCOUNT.page(after=BY_ID.encode(ACCOUNT.ids()[3]))
    asked = dict(parse_qsl(urlsplit(page["links"]["prev"]).query))
    assert asked == {"page[before]": BY_ID.encode(page["users"][0]["id"]), "page[size]": "10"}


def test_links_keep_every_role() -> None:
    page = ACCOUNT.get("role%5B%5D=agent&page%5Bsize%5D=1&role%5B%5D=admin")
    assert page["links"]["next"].endswith("&page%5Bsize%5D=1&role%5B%5D=agent&role%5B%5D=admin")


def test_links_keep_the_suffix_as_requested() -> None:
    page = ACCOUNT.get(by_cursor(), path="/api/v2/users.json")
    assert page["links"]["next"].startswith(f"{ORIGIN}/api/v2/users.json?")


def test_users_are_the_bytes_of_the_population_in_order_of_id() -> None:
    body = ACCOUNT.ask(by_cursor(100)).body
    users = list(ACCOUNT.population.users())[:100]
    assert body.startswith(b'{"users":[' + b",".join(users) + b'],"meta":')


@pytest.mark.parametrize(
    "sort", ["id", "-id", "name", "-name", "created_at", "-created_at", "updated_at", "-updated_at"]
)
def test_a_walk_along_the_links_meets_everyone_once_in_order(sort: str) -> None:
    walked = chained(ACCOUNT.walk(size=37, sort=sort))
    people = ACCOUNT.population.walk(sort=sort.removeprefix("-"), descending=sort.startswith("-"))
    assert walked == [person.id for person in people]
    assert sorted(walked) == ACCOUNT.ids()


@pytest.mark.parametrize("sort", ["id", "-name", "created_at"])
def test_a_walk_back_meets_the_same_pages_from_the_end(sort: str) -> None:
    forward = ACCOUNT.walk(size=37, sort=sort)
    backward = ACCOUNT.walk("prev", size=37, sort=sort, before=forward[-1]["meta"]["before_cursor"])
    assert [page["users"] for page in backward[::-1]] == [page["users"] for page in forward[:-1]]


def test_has_more_of_a_walk_back_tells_whether_someone_is_before() -> None:
    eleventh = BY_ID.encode(ACCOUNT.ids()[10])
    assert ACCOUNT.page(size=10, before=eleventh)["meta"]["has_more"] is False
    assert ACCOUNT.page(size=9, before=eleventh)["meta"]["has_more"] is True


@given(st.sampled_from([*ACCOUNT.ids()[::7], 0, 2**63 - 1]), st.integers(-1, 1), st.integers(1, 100))
@settings(deadline=None, max_examples=60)
def test_after_and_before_a_cursor_are_what_a_list_has_there(user: int, offset: int, size: int) -> None:
    number = min(user + offset, 2**63 - 1)
    cursor = BY_ID.encode(number)
    everyone = ACCOUNT.ids()
    assert ids(ACCOUNT.page(size=size, after=cursor)["users"]) == [each for each in everyone if each > number][:size]
    assert ids(ACCOUNT.page(size=size, before=cursor)["users"]) == [each for each in everyone if each < number][-size:]


def test_a_cursor_is_good_under_any_role() -> None:
    cursor = ACCOUNT.page(size=50, role="end-user")["meta"]["after_cursor"]
    (user,) = BY_ID.decode(cursor)
    agents = ACCOUNT.page(size=100, role="agent", after=cursor)["users"]
    assert ids(agents) == [each for each in ACCOUNT.ids("agent") if each > int(user)]


def test_the_end_of_a_role_is_found_by_asking_before_the_greatest_id() -> None:
    page = ACCOUNT.page(size=10, role="end-user", before=BY_ID.encode(2**63 - 1))
    assert ids(page["users"]) == ACCOUNT.ids("end-user")[-10:]


def test_a_cursor_survives_the_server_and_the_user_it_names() -> None:
    nobody = BY_ID.encode(ACCOUNT.ids()[5] + 1)
    assert ids(Account().page(after=nobody)["users"]) == ACCOUNT.ids()[6:16]


IN_USER = {
    ItemCursors.USER_META: ("meta", "cursor"),
    ItemCursors.USER_META_PAGE: ("meta", "page", "cursor"),
    ItemCursors.USER: ("cursor",),
}


@pytest.mark.parametrize(("place", "path"), IN_USER.items())
def test_item_cursors_in_users_stand_behind_the_other_fields(place: ItemCursors, path: tuple[str, ...]) -> None:
    page = Account(item_cursors=place).page(include_item_cursors="true")
    for user in page["users"]:
        assert list(user)[-1] == path[0]
        cursor = user
        for key in path:
            cursor = cursor[key]
        assert cursor == BY_ID.encode(user["id"])


@pytest.mark.parametrize(
    ("place", "key"), [(ItemCursors.META_LIST, "item_cursors"), (ItemCursors.META_CURSORS, "cursors")]
)
def test_item_cursors_in_meta_are_as_many_as_the_users(place: ItemCursors, key: str) -> None:
    page = Account(item_cursors=place).page(include_item_cursors="true")
    assert list(page["meta"]) == ["has_more", "after_cursor", "before_cursor", key]
    assert page["meta"][key] == [BY_ID.encode(user["id"]) for user in page["users"]]


def test_item_cursors_can_be_a_map_by_id() -> None:
    page = Account(item_cursors=ItemCursors.META_MAP).page(include_item_cursors="true")
    assert page["meta"]["item_cursors"] == {str(user["id"]): BY_ID.encode(user["id"]) for user in page["users"]}


def test_item_cursors_can_be_nowhere() -> None:
    account = Account(item_cursors=ItemCursors.NONE)
    assert account.page(include_item_cursors="true")["users"] == account.page()["users"]


@pytest.mark.parametrize("place", ItemCursors)
def test_item_cursors_come_only_when_asked_for(place: ItemCursors) -> None:
    assert Account(item_cursors=place).ask(by_cursor()).body == ACCOUNT.ask(by_cursor()).body


@pytest.mark.parametrize("place", ItemCursors)
def test_traditional_pages_have_no_item_cursors(place: ItemCursors) -> None:
    page = Account(item_cursors=place).get("include_item_cursors=true")
    assert list(page) == ["users", "next_page", "previous_page", "count"]
    assert page["users"] == ACCOUNT.get()["users"]


@pytest.mark.parametrize("sort", ["id", "name", "-updated_at"])
def test_an_item_cursor_goes_on_in_the_middle_of_a_page(sort: str) -> None:
    page = ACCOUNT.page(sort=sort, include_item_cursors="true")
    rest = ACCOUNT.page(size=6, sort=sort, after=page["users"][3]["meta"]["cursor"])
    assert ids(rest["users"]) == ids(page["users"])[4:]


def test_sealed_cursors_work_and_are_no_cursors_to_the_eye() -> None:
    account = Account(quirks=frozenset({Quirk.SEALED_CURSORS}))
    pages = account.walk(size=100, sort="name")
    assert sorted(chained(pages)) == ACCOUNT.ids()
    assert not pages[0]["meta"]["after_cursor"].startswith("eyJ")
