"""The ways to list who changed: what makes each worth believing, and when another one takes its place."""

from __future__ import annotations

import pytest

from exporter.engine.changes import READABLE
from exporter.errors import AuthError, ContractError, NetworkError, UsageError
from tests.support.sweeping import BEGAN, LATE, Account, Output, sweep, user

pytestmark = pytest.mark.anyio


async def test_an_account_that_does_not_sort_is_asked_for_its_incremental_export() -> None:
    output = Output({})
    found = await sweep(Account([[user(1, BEGAN - 99999), user(2, LATE)]]), output)
    assert found.report.by.startswith("the incremental export")
    assert user(2, LATE) in output.appended


IMPORTED = [user(each, BEGAN - 99999) for each in range(1, 9)]


async def test_one_second_for_all_shows_no_order_unless_the_opposite_one_begins_otherwise() -> None:
    sorts = Account([IMPORTED])
    found = await sweep(sorts, Output({}), users=8)
    assert (found.report.by, sorts.asked) == ("sort=-updated_at", ["-updated_at", "updated_at"])
    ignores = Account([IMPORTED], opposite=IMPORTED)
    found = await sweep(ignores, Output({}), users=8)
    assert found.report.by.startswith("the incremental export (sort=-updated_at: it begins with the same user")


async def test_an_empty_first_page_is_none_where_somebody_was_written() -> None:
    account = Account([[]], refuses={"increment": AuthError("forbidden")}, plain=[user(1, LATE)])
    output = Output({})
    found = await sweep(account, output, users=1, readable=READABLE)
    assert "its first page is empty, each time" in found.report.by
    assert (found.report.by[:9], found.report.closed, output.appended) == ("all pages", True, [user(1, LATE)])
    assert (await sweep(Account([[]]), Output({}))).report.by == "sort=-updated_at"


@pytest.mark.parametrize("length", [2, 3, 7])
async def test_circles_of_any_length_are_seen_in_every_way(length: int) -> None:
    many = [user(each, LATE) for each in range(1, 2 * length + 3)]
    account = Account([many], circle=length, plain=[user(1, LATE)])
    found = await sweep(account, Output({}), users=99)
    assert found.report.why.count("it goes in a circle: a page came twice") == 2
    assert not found.report.closed
    found = await sweep(account, Output({}), users=99, readable=READABLE)
    assert found.report.by == "all pages (sort=-updated_at: it goes in a circle: a page came twice)"
    assert found.report.closed


async def test_pages_without_end_are_more_than_the_account_can_fill() -> None:
    account = Account([[user(each, LATE) for each in range(1, 1000)]], plain=[user(1, LATE)])
    found = await sweep(account, Output({}), readable=READABLE)
    assert "more pages than the account can fill" in found.report.by


@pytest.mark.parametrize("failure", [NetworkError("gave up: HTTP 504"), AuthError("HTTP 403"), ContractError("HTML")])
async def test_a_sort_that_fails_each_time_is_as_good_as_refused_if_the_account_answers(failure: Exception) -> None:
    output = Output({})
    found = await sweep(Account([[user(1, LATE)]], refuses={"-updated_at": failure}), output)
    assert found.report.by.startswith(f"the incremental export (sort=-updated_at: {failure}; all pages: too many")
    assert output.appended == [user(1, LATE)]
    down = Account([], refuses={"-updated_at": failure, "plain": NetworkError("gave up")})
    with pytest.raises(NetworkError, match="gave up"):
        await sweep(down, Output({}))


async def test_a_user_who_does_not_say_when_he_changed_is_no_sort_either() -> None:
    account = Account([[b'{"id":1,"role":"agent"}\n'], [user(1, LATE)]])
    found = await sweep(account, Output({}))
    assert (found.report.closed, found.report.by[:15]) == (True, "the incremental")


@pytest.mark.parametrize("why", [UsageError("sort is not valid"), UsageError("no")])
async def test_where_all_ways_are_refused_it_says_what_was_said(why: Exception) -> None:
    refused = {"-updated_at": why, "increment": AuthError("forbidden")}
    found = await sweep(Account([], refuses=refused), Output({}), users=READABLE + 1)
    assert (found.over, found.report.closed) == (True, False)
    assert "too many to be read once more" in found.report.why
    assert str(why) in found.report.why
    assert "forbidden" in found.report.why
