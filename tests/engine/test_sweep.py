"""The sweep's decisions: when it goes on, where it goes back to, and what it does where an account does not sort."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from exporter.engine.meter import Meter
from exporter.engine.sweep import MARGIN, MOST, Sweep
from exporter.errors import AuthError, UsageError
from exporter.events import ignore
from exporter.ledger.database import Database
from exporter.ledger.intents import Intent
from exporter.ledger.ledger import Ledger
from exporter.ledger.tables import SCHEMA
from exporter.model import Increment, Page, Query, Role
from exporter.output.candidates import Written, read_changes
from exporter.output.delivery import DeliverySink
from exporter.ranges.moves import Batch

BEGAN = 1_800_000_000.0


def user(user_id: int, updated: float, *, role: str = "agent", name: str = "", active: bool = True) -> bytes:
    created, changed = (datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for time in (1e9, updated))
    return (
        f'{{"id":{user_id},"name":"{name}","created_at":"{created}","updated_at":"{changed}","role":"{role}",'
        f'"active":{str(active).lower()}}}\n'
    ).encode()


@dataclass
class Account:
    """Lists users in the order that it is given, a page at a time; `meanwhile` is what each pass changes.

    :param refuses: what it answers to the sort, or to the incremental export.
    """

    pages: list[list[bytes]]
    size: int = 2
    refuses: dict[str, Exception] = field(default_factory=dict)
    passes: int = 0
    time: float = BEGAN + 1000

    def server_now(self) -> float:
        self.time += 1
        return self.time

    async def newest(self, query: Query, *, after: str | None) -> Page:
        if "sort" in self.refuses:
            raise self.refuses["sort"]
        if after is None:
            self.passes += 1
        users = self.pages[min(self.passes, len(self.pages)) - 1]
        at = int(after or 0)
        there = users[at : at + self.size]
        more = at + self.size < len(users)
        return Page([0] * len(there), there, None, "b", str(at + self.size), str(at + self.size), more)

    async def increment(self, start: int, cursor: str | None) -> Increment:
        if "increment" in self.refuses:
            raise self.refuses["increment"]
        self.passes += 1
        assert start == BEGAN - MARGIN
        return Increment(self.pages[min(self.passes, len(self.pages)) - 1], f"c{self.passes}", True)


class Output(DeliverySink):
    """Holds some lines from the start, and what is appended."""

    def __init__(self, lines: dict[int, list[bytes]]) -> None:
        super().__init__()
        self.there = lines
        self.appended: list[bytes] = []

    async def written(self, ids: Iterable[int]) -> dict[int, list[Written]]:
        return {each: [Written.read("-", line) for line in self.there[each]] for each in ids if each in self.there}

    async def write(self, intent: Intent) -> None:
        """Write nothing: `append` has it."""

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        return {}


async def sweep(account: Account, output: Output, began: float = BEGAN, roles: tuple[Role, ...] = tuple(Role)) -> Sweep:
    database = sqlite3.connect(":memory:", isolation_level=None)
    database.executescript(SCHEMA)
    for role in roles:
        database.execute("INSERT INTO stream (role) VALUES (?)", (role,))
    ledger = Ledger(Database(database))

    async def append(batch: Batch) -> None:
        output.appended += batch.lines

    found = Sweep(account, Query(roles=roles), ledger, output, Meter(roles), observer=ignore, lag=0.0)
    await found.run(began, append)
    return found


pytestmark = pytest.mark.anyio
LATE = BEGAN + 950


async def test_where_nobody_changed_one_page_is_all_it_takes() -> None:
    account = Account([[user(1, BEGAN - 9999), user(2, BEGAN - 99999), user(3, 0)]])
    found = await sweep(account, Output({}))
    assert (found.report.closed, found.report.passes, found.report.candidates) == (True, 1, 0)


async def test_who_changed_within_the_margin_before_the_start_is_looked_at_and_nobody_before_that() -> None:
    account = Account([[user(1, BEGAN - MARGIN + 1), user(2, BEGAN - MARGIN - 1)]])
    output = Output({})
    await sweep(account, output)
    assert output.appended == [user(1, BEGAN - MARGIN + 1)]


async def test_who_is_missing_or_old_is_appended_and_who_is_there_is_not() -> None:
    now = [user(1, LATE, name="new"), user(2, LATE), user(3, LATE)]
    output = Output({1: [user(1, BEGAN)], 2: [user(2, LATE)]})
    found = await sweep(Account([now], size=9), output)
    assert output.appended == [now[0], now[2]]
    assert (found.report.missing, found.report.changed, found.report.candidates) == (1, 1, 3)


async def test_whoever_changes_during_a_pass_is_found_by_the_next_one() -> None:
    first, second = [user(1, LATE)], [user(2, LATE + 1), user(1, LATE)]
    output = Output({})
    found = await sweep(Account([first, second, second]), output)
    assert output.appended == [user(1, LATE), user(2, LATE + 1)]
    assert (found.report.closed, found.report.passes) == (True, 3)


async def test_an_account_in_which_later_states_never_end_is_closed_after_a_few_passes() -> None:
    always = [[user(1, LATE + number, name=str(number))] for number in range(50)]
    found = await sweep(Account(always), Output({1: [user(1, BEGAN)]}))
    assert (found.report.closed, found.report.passes) == (True, 3)


async def test_an_account_that_keeps_showing_lost_users_is_not_called_closed() -> None:
    found = await sweep(Account([[user(number, LATE)] for number in range(50)]), Output({}))
    assert (found.report.closed, found.report.passes) == (False, MOST)
    assert "faster than it can be listed" in found.report.why


async def test_an_account_that_does_not_sort_is_asked_for_its_incremental_export() -> None:
    unsorted = [user(1, BEGAN - 99999), user(2, LATE)]
    output = Output({})
    found = await sweep(Account([unsorted]), output)
    assert found.report.by.startswith("incremental export")
    assert user(2, LATE) in output.appended


async def test_a_user_who_does_not_say_when_he_changed_is_no_sort_either() -> None:
    account = Account([[b'{"id":1,"role":"agent"}\n'], [user(1, LATE)]])
    found = await sweep(account, Output({}))
    assert (found.report.closed, found.report.by[:11]) == (True, "incremental")


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
    found = await sweep(Account([[strange], [strange]]), Output({}))
    assert (found.over, found.report.closed) == (True, False)


def test_of_a_custom_role_are_those_whose_number_is_its_own() -> None:
    lines = [user(1, LATE).replace(b"}", b',"custom_role_id":%b}' % each) for each in (b"7", b"1e400", b"77", b"null")]
    assert [change.line for change in read_changes(lines, Role, 7)] == lines[:1]
    assert [change.line for change in read_changes(lines, Role)] == lines


@pytest.mark.parametrize("why", [UsageError("sort is not valid"), UsageError("no")])
async def test_where_both_ways_are_refused_it_says_what_was_said(why: Exception) -> None:
    refused = {"sort": why, "increment": AuthError("forbidden")}
    found = await sweep(Account([], refuses=refused), Output({}))
    assert (found.over, found.report.closed) == (True, False)
    assert str(why) in found.report.why
    assert "forbidden" in found.report.why


async def test_who_is_deleted_or_of_another_role_is_left_out() -> None:
    users = [user(1, LATE, role="admin"), user(2, LATE, active=False), user(3, LATE)]
    output = Output({})
    await sweep(Account([users], size=9), output, roles=(Role.AGENT,))
    assert output.appended == [user(3, LATE)]


async def test_a_user_with_lines_in_two_roles_counts_for_the_newest() -> None:
    moved = user(1, LATE, role="admin")
    found = await sweep(Account([[moved]]), Output({1: [user(1, BEGAN, role="agent"), moved]}))
    assert found.report.superseded == {"agent": 1, "admin": 0}
