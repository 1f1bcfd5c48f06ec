"""The ledger (fault cases 2, 5 and 6): what recovery keeps, whatever was cut and whichever intents were noted."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import LedgerError
from exporter.ledger import intents
from exporter.ledger.intents import Intent, Write
from exporter.ledger.ledger import Ledger, Range
from exporter.ledger.opening import open_ledger
from exporter.model import Position, Role, Sideload
from exporter.output.plan import plan_lines
from exporter.ranges.moves import Move

ROLES = ("end-user", "agent")


@dataclass
class Story:
    """What an export noted, in order, and what its files would hold had everything been written."""

    noted: list[Intent] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    users: dict[int, int] = field(default_factory=dict)

    def append(self, number: int, count: int, sideloads: int, *, one_file: bool, cursors: bool) -> None:
        """Note `count` users of range `number`, with so many sideloaded records."""
        before = self.users.get(number, 0)
        ids = tuple(range(before + 1, before + count + 1))
        writes = []
        if sideloads:
            known = self.files.get("groups", b"").count(b"\n")
            keys = [f"id={key}" for key in range(known, known + sideloads)]
            writes.append(self._write("groups", [b'{"id":%d}\n' % key for key in range(len(keys))], keys))
        if ids:
            name = "users" if one_file else f"users{number}"
            writes.append(self._write(name, [b'{"id":%d,"range":%d}\n' % (each, number) for each in ids], []))
        self.users[number] = before + count
        move = Move(
            range=number,
            start=Position(f"c{before}", 0, before or None, before),
            end=Position(f"c{before + count}", 0, before + count or None, before + count),
            ids=ids,
            cursors=tuple(f"c{each}" if cursors else None for each in ids),
        )
        self.noted.append(Intent(tuple(writes), (move,)))

    def _write(self, name: str, lines: list[bytes], keys: list[str]) -> Write:
        there = self.files.get(name, b"")
        self.files[name] = there + b"".join(lines)
        return plan_lines(name, len(there), lines, Sideload.GROUPS if keys else None, keys)


def whole_units(files: dict[str, bytes]) -> Callable[[Write], int]:
    def count(write: Write) -> int:
        begin = write.start
        for whole, (end, crc) in enumerate(zip(write.ends, write.crcs, strict=True)):
            unit = files.get(write.file, b"")[begin:end]
            if len(unit) < end - begin or zlib.crc32(unit) != crc:
                return whole
            begin = end
        return len(write.ends)

    return count


steps = st.lists(st.tuples(st.integers(1, 2), st.integers(0, 5), st.integers(0, 3)), max_size=12)


@given(steps=steps, one_file=st.booleans(), cursors=st.booleans(), data=st.data())
@settings(deadline=None)
def test_whatever_was_cut_positions_claim_just_the_lines_that_are_kept(
    steps: list[tuple[int, int, int]], one_file: bool, cursors: bool, data: st.DataObject
) -> None:
    story = Story()
    for number, count, sideloads in steps:
        story.append(number, count, sideloads, one_file=one_file, cursors=cursors)
    cut = {name: content[: data.draw(st.integers(0, len(content)))] for name, content in story.files.items()}
    torn = {
        name: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        if content and data.draw(st.booleans())
        else content
        for name, content in cut.items()
        for at in [data.draw(st.integers(0, max(len(content) - 1, 0)))]
    }
    found = intents.recover(story.noted, {}, {}, whole_units(torn))
    kept = {name: content[: found.sizes.get(name, 0)] for name, content in torn.items()}
    for name, content in kept.items():
        assert story.files[name].startswith(content)
        assert content[-1:] in (b"", b"\n")
        assert found.records.get(name, 0) == content.count(b"\n")
    lines = b"".join(content for name, content in kept.items() if name != "groups").splitlines()
    for number in story.users:
        claimed = found.positions[number].users if number in found.positions else 0
        assert claimed == sum(line.endswith(b'"range":%d}' % number) for line in lines)
    written = kept.get("groups", b"").count(b"\n")
    keys = [key for intent in story.noted for write in intent.writes for unit in write.keys for key in unit]
    assert [key for _, key in found.lost] == keys[written:]


@given(steps=steps, noted=st.integers(0, 12))
@settings(deadline=None)
def test_a_kill_between_any_two_intents_loses_no_line_that_is_in_a_file(
    steps: list[tuple[int, int, int]], noted: int
) -> None:
    story = Story()
    for number, count, sideloads in steps[:noted]:
        story.append(number, count, sideloads, one_file=False, cursors=True)
    found = intents.recover(story.noted, {}, {}, whole_units(story.files))
    assert found.sizes == {name: len(content) for name, content in story.files.items()}
    assert {n: p.users for n, p in found.positions.items()} == story.users
    assert found.lost == []


@given(steps=steps, data=st.data())
@settings(deadline=None)
def test_with_intents_missing_a_range_never_claims_more_than_its_lines_up_to_the_gap(
    steps: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    story = Story()
    for number, count, sideloads in steps:
        story.append(number, count, sideloads, one_file=False, cursors=True)
    there = [intent for intent in story.noted if data.draw(st.booleans())]
    found = intents.recover(there, {}, {}, whole_units(story.files))
    for number in story.users:
        kept = story.files.get(f"users{number}", b"")[: found.sizes.get(f"users{number}", 0)]
        claimed = found.positions[number].users if number in found.positions else 0
        assert claimed == kept.count(b"\n")


def test_a_user_is_not_kept_without_the_sideloads_that_came_with_him() -> None:
    story = Story()
    story.append(1, 3, 2, one_file=False, cursors=True)
    found = intents.recover(story.noted, {}, {}, whole_units(story.files | {"groups": b""}))
    assert found.sizes.get("users1", 0) == 0
    assert found.positions == {}
    assert len(found.lost) == 2


def test_a_range_that_lost_lines_does_not_finish_by_a_later_empty_page() -> None:
    story = Story()
    story.append(1, 3, 0, one_file=False, cursors=True)
    end = Position("c3", 0, 3, 3, finished=True)
    story.noted.append(Intent((), (Move(1, Position("c3", 0, 3, 3), end),)))
    found = intents.recover(story.noted, {}, {}, whole_units({"users1": story.files["users1"][:-1]}))
    assert (found.positions[1].users, found.positions[1].finished) == (2, False)


def test_without_any_cursor_a_position_in_a_page_is_its_start_and_what_to_skip() -> None:
    story = Story()
    story.append(1, 5, 0, one_file=False, cursors=False)
    cut = story.files["users1"][:-1]
    assert intents.recover(story.noted, {}, {}, whole_units({"users1": cut})).positions[1] == Position("c0", 4, 4, 4)


@given(steps=steps)
@settings(deadline=None)
def test_an_intent_reads_back_as_it_was_noted(steps: list[tuple[int, int, int]]) -> None:
    story = Story()
    for number, count, sideloads in steps:
        story.append(number, count, sideloads, one_file=True, cursors=False)
    for intent in story.noted:
        read = intents.decode(intents.encode(intent))
        assert read.moves == intent.moves
        assert [(w.file, w.start, w.ends, w.crcs, w.kind, w.keys) for w in read.writes] == [
            (w.file, w.start, w.ends, w.crcs, w.kind, w.keys) for w in intent.writes
        ]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def _note(ledger: Ledger, story: Story) -> None:
    for intent in story.noted:
        ledger.intend(intent)


def test_settled_positions_survive_and_intents_behind_them_go(path: Path) -> None:
    story = Story()
    story.append(1, 3, 0, one_file=False, cursors=True)
    story.append(1, 2, 0, one_file=False, cursors=True)
    with open_ledger(path, {}, ROLES) as ledger:
        _note(ledger, story)
        ledger.settle({"users1": story.noted[0].writes[0].end})
    with open_ledger(path, {}, ROLES) as ledger:
        assert [each.position.users for each in ledger.ranges()] == [3, 0]
        assert len(list(ledger.intents())) == 1
        assert ledger.files() == {"users1": (story.noted[0].writes[0].end, 3)}


def test_a_sideloaded_record_is_handed_out_once_even_before_it_is_noted(path: Path) -> None:
    records = {Sideload.GROUPS: [("id=1", b"a\n"), ("id=1", b"a\n"), ("id=2", b"b\n")]}
    with open_ledger(path, {}, ROLES) as ledger:
        assert ledger.unwritten(records) == {Sideload.GROUPS: [("id=1", b"a\n"), ("id=2", b"b\n")]}
        assert ledger.unwritten(records) == {}


def test_a_sideloaded_record_that_was_lost_is_handed_out_again(path: Path) -> None:
    story = Story()
    story.append(1, 1, 2, one_file=False, cursors=True)
    with open_ledger(path, {}, ROLES) as ledger:
        _note(ledger, story)
        ledger.adopt(ledger.recover(lambda write, last: 1 if write.kind else 0))
        records = {Sideload.GROUPS: [("id=0", b"a\n"), ("id=1", b"b\n")]}
        assert ledger.unwritten(records) == {Sideload.GROUPS: [("id=1", b"b\n")]}


def test_after_a_sync_that_failed_nothing_that_is_not_settled_is_believed(path: Path) -> None:
    story = Story()
    story.append(1, 3, 0, one_file=False, cursors=True)
    story.append(1, 2, 2, one_file=False, cursors=True)
    with open_ledger(path, {}, ROLES) as ledger:
        _note(ledger, story)
        ledger.settle({"users1": story.noted[0].writes[0].end})
        ledger.distrust()
        records = {Sideload.GROUPS: [("id=0", b"a\n"), ("id=1", b"b\n")]}
        assert ledger.unwritten(records) == records
    with open_ledger(path, {}, ROLES) as ledger:
        assert list(ledger.intents()) == []
        assert [each.position.users for each in ledger.ranges()] == [3, 0]


def test_a_ledger_of_another_export_is_refused_with_the_difference(path: Path) -> None:
    with open_ledger(path, {"account": "https://a.zendesk.com"}, ROLES):
        pass
    refused = pytest.raises(LedgerError, match=r"account https://a\.zendesk\.com there, https://b\.zendesk\.com now")
    with refused, open_ledger(path, {"account": "https://b.zendesk.com"}, ROLES):
        pass


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + b"\0" * 4000])
def test_a_ledger_that_can_not_be_read_is_refused_and_left_as_it_is(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(LedgerError), open_ledger(path, {}, ROLES):
        pass
    assert path.read_bytes() == content


def test_a_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    with open_ledger(path, {}, ROLES):
        pass
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LedgerError, match="another version"), open_ledger(path, {}, ROLES):
        pass


def test_the_tables_explain_themselves(path: Path) -> None:
    with open_ledger(path, {}, ROLES) as ledger:
        about = ledger.about()
    database = sqlite3.connect(path)
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    database.close()
    assert {f"table {name}" for name in tables} <= set(about)
    assert path.stat().st_mode & 0o777 == 0o600


def test_ranges_begin_at_the_start_of_their_stream(path: Path) -> None:
    with open_ledger(path, {}, ROLES) as ledger:
        assert list(ledger.ranges()) == [
            Range(1, Role.END_USER, Position(), None),
            Range(2, Role.AGENT, Position(), None),
        ]
