"""Streams: wherever they are cut, whatever a server makes of made cursors, and wherever a crash falls (P1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.cursor import make
from exporter.errors import ContractError
from exporter.model import Page, Position, Role
from exporter.ranges import Walk
from exporter.streams import END, Aim, Birth, Kind, Stream, choose
from tests.ranges_world import ROLES, Server, World, line

DENSE = st.integers(0, 60).map(lambda count: list(range(1000, 1000 + count)))
RANDOM = st.lists(st.integers(0, 2**63 - 2), unique=True, max_size=60).map(sorted)
CLUSTERS = st.lists(st.tuples(st.integers(1, 10**10), st.integers(1, 25)), max_size=6).map(
    lambda runs: [start + user for start, count in _spread(runs) for user in range(count)]
)
IDS = DENSE | RANDOM | CLUSTERS


def _spread(runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    at, spread = 10**12, []
    for gap, count in runs:
        spread.append((at + gap, count))
        at += gap + count
    return spread


def honest_index(count: int) -> int:
    raise AssertionError("a cursor that was never issued")


@given(data=st.data(), ids=st.tuples(IDS, IDS), size=st.integers(1, 6), item_cursors=st.booleans())
@settings(max_examples=300, deadline=None)
def test_cut_and_killed_anywhere_every_user_is_written_once_whatever_is_made_of_made_cursors(
    data: st.DataObject, ids: tuple[list[int], list[int]], size: int, item_cursors: bool
) -> None:
    def misread(count: int) -> int | None:
        return data.draw(st.none() | st.integers(0, count), label="misread")

    users = dict(zip(ROLES, ids, strict=True))
    world = World(Server(users, size, item_cursors, misread), most=data.draw(st.none() | st.integers(1, 5)))
    seen = b""
    for _ in range(data.draw(st.integers(0, 60), label="steps")):
        if world.done:
            break
        match data.draw(st.sampled_from(["answer", "answer", "answer", "cut", "cut", "settle", "crash"]), label="step"):
            case "answer":
                world.answer(data.draw(st.integers(0, 50), label="which"))
            case "cut":
                world.cut()
            case "settle":
                world.settle()
            case "crash":
                seen = world.file[: world.file.rfind(b"\n", 0, world.synced) + 1]
                world.crash(data.draw(st.integers(0, 400), label="lost"))
                assert world.file.startswith(seen)
    answers = 0
    while not world.done:
        world.cut()
        world.answer(0)
        answers += 1
        assert answers <= 40 * sum(map(len, ids)) + 40, "it does not end"
    wanted = [line(role, each) for role in ROLES for each in users[role]]
    assert sorted(world.file.splitlines(keepends=True)) == sorted(wanted)
    world.settle()
    assert all(position.finished for position in world.positions())
    assert sum(position.users for position in world.positions()) == len(wanted)


def honest(server: Server, role: Role) -> Server:
    """Let a server read made cursors as it reads its own."""
    ids = server.ids[role]
    server.issued |= {make(each) for each in ids}
    return server
