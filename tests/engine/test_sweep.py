"""The sweep's decisions: when it goes on, where it goes back to, and what it does where an account does not sort."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from exporter.engine.sweep import MOST
from exporter.errors import UsageError
from exporter.model import Role
from exporter.output.candidates import Written, read_changes
from tests.support.sweeping import BEGAN, LATE, Account, Output, sweep, user

pytestmark = pytest.mark.anyio


async def test_where_nobody_changed_one_page_is_all_it_takes() -> None:
    account = Account([[user(each, BEGAN - 10 * each) for each in range(1, 9)]], size=3)
    found = await sweep(account, Output({}))
    assert (found.report.closed, found.report.passes, found.report.candidates) == (True, 1, 0)
    assert account.asked == ["-updated_at"]


async def test_who_changed_at_the_floor_is_looked_at_and_nobody_before_that() -> None:
    output = Output({})
    await sweep(Account([[user(1, BEGAN), user(2, BEGAN - 1)]]), output)
    assert output.appended == [user(1, BEGAN)]


async def test_who_is_missing_or_old_is_appended_and_who_is_there_is_not() -> None:
    now = [user(1, LATE, name="new"), user(2, LATE), user(3, LATE)]
    output = Output({1: [user(1, BEGAN)], 2: [user(2, LATE)]})
    found = await sweep(Account([now], size=9), output)
    assert output.appended == [now[0], now[2]]
    assert (found.report.missing, found.report.changed, found.report.candidates) == (1, 1, 3)


async def test_one_page_that_reaches_back_is_one_instant_and_closes_the_sweep_whatever_it_brought() -> None:
    always = [[user(1, LATE + number, name=str(number)), user(9, 0)] for number in range(50)]
    found = await sweep(Account(always), Output({1: [user(1, BEGAN)]}))
    assert (found.report.closed, found.report.settled, found.report.passes) == (True, True, 2)


async def test_whoever_changes_during_a_pass_is_found_by_the_next_one() -> None:
    first = [user(2, LATE), user(3, LATE - 9), user(1, LATE - 99)]
    second = [user(4, LATE + 9), user(2, LATE), user(3, LATE - 9)]
    output = Output({})
    found = await sweep(Account([first, second]), output)
    assert set(output.appended) == {*first, second[0]}
    assert found.report.closed


async def test_passes_go_back_to_what_was_the_newest_change_when_the_one_before_began() -> None:
    old = [user(each, LATE - 100 * each) for each in range(1, 7)]
    account = Account([old, [user(9, LATE + 9), *old]])
    found = await sweep(account, Output({}))
    assert found.report.passes == 4
    # All of them, once behind the end; back to who was the newest; back to who is now; and once more a while later.
    assert account.asked.count("-updated_at") == 4 + 2 + 1 + 1
    assert found.report.closed


async def test_a_change_that_is_listed_late_is_found_by_the_look_after_the_end() -> None:
    seen, late = [user(1, LATE), user(9, 0)], [user(2, LATE), user(1, LATE), user(9, 0)]
    output = Output({})
    found = await sweep(Account([seen, late]), output)
    assert output.appended == [user(1, LATE), user(2, LATE)]
    assert (found.report.closed, found.report.settled) == (True, True)


async def test_an_account_that_keeps_showing_lost_users_is_not_called_closed() -> None:
    lists = [[user(10 * number + each, LATE) for each in range(3)] for number in range(50)]
    found = await sweep(Account(lists), Output({}))
    assert (found.report.closed, found.report.passes) == (False, MOST)
    assert "faster than it can be listed" in found.report.why


@pytest.mark.parametrize("zone", ["-05:00", "+09:30", "Z", ""])
def test_a_time_says_its_zone_and_without_one_it_is_universal(zone: str) -> None:
    told = datetime.fromtimestamp(LATE, UTC)
    if zone not in ("Z", ""):
        told = told.astimezone(datetime.fromisoformat(f"2020-01-01T00:00:00{zone}").tzinfo)
    text = told.strftime("%Y-%m-%dT%H:%M:%S") + zone
    line = user(1, 0).replace(b'"updated_at":"1970-01-01T00:00:00Z"', b'"updated_at":"%b"' % text.encode())
    assert [change.updated for change in read_changes([line], Role)] == [LATE]


ODD = ["1e400", "5", "null", "{}", "[[]]"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("name", ["role", "active", "custom_role_id"])
async def test_a_written_line_with_an_odd_value_is_compared_like_any_other(name: str, odd: str) -> None:
    line = b'{"id":1,"%b":%b}\n' % (name.encode(), odd.encode())
    assert Written.read("-", line).role == ""
    output = Output({1: [line]})
    found = await sweep(Account([[user(1, LATE)]]), output)
    assert output.appended == [user(1, LATE)]
    assert (found.report.closed, found.report.changed) == (True, 1)


@pytest.mark.parametrize("odd", ODD)
async def test_one_user_with_an_odd_role_does_not_cost_his_page(odd: str) -> None:
    strange = user(1, LATE).replace(b'"agent"', odd.encode())
    output = Output({})
    found = await sweep(Account([[strange, user(2, LATE)]]), output)
    assert output.appended == [user(2, LATE)]
    assert found.report.by == "sort=-updated_at"


@pytest.mark.parametrize("odd", ODD)
async def test_who_is_said_to_be_active_in_an_odd_way_is_not_deleted(odd: str) -> None:
    strange = user(1, LATE).replace(b"true", odd.encode())
    output = Output({})
    found = await sweep(Account([[strange]]), output)
    assert output.appended == [strange]
    assert found.report.by == "sort=-updated_at"


@pytest.mark.parametrize("number", [b"123456789012345678901234567890", b"-1", b"1e400", b'"1"'])
async def test_a_user_whose_id_is_none_is_no_change(number: bytes) -> None:
    strange = user(1, LATE).replace(b'"id":1,', b'"id":%b,' % number)
    found = await sweep(Account([[strange], [strange]], refuses={"plain": UsageError("no")}), Output({}))
    assert (found.over, found.report.closed) == (True, False)


def test_of_a_custom_role_are_those_whose_number_is_its_own() -> None:
    lines = [user(1, LATE).replace(b"}", b',"custom_role_id":%b}' % each) for each in (b"7", b"1e400", b"77", b"null")]
    assert [change.line for change in read_changes(lines, Role, 7)] == lines[:1]
    assert [change.line for change in read_changes(lines, Role)] == lines


async def test_who_is_deleted_or_of_another_role_is_left_out() -> None:
    users = [user(1, LATE, role="admin"), user(2, LATE, active=False), user(3, LATE)]
    output = Output({})
    await sweep(Account([users], size=9), output, roles=(Role.AGENT,))
    assert output.appended == [user(3, LATE)]


async def test_a_user_with_lines_in_two_roles_counts_for_the_newest() -> None:
    moved = user(1, LATE, role="admin")
    found = await sweep(Account([[moved]]), Output({1: [user(1, BEGAN, role="agent"), moved]}))
    assert found.report.superseded == {"agent": 1, "admin": 0}
