"""Users who changed while an export ran: read out of a page, and kept aside until it is known what was written of them.

The lines wait in a temporary database of SQLite's, on disk: an account can change a million users at a time (P6). What
stays in memory is a few bytes for each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

import msgspec

from exporter.errors import NotAPage, OutputError
from exporter.fastzlib import crc32
from exporter.model import Role

CHUNK = 500
"""Users handed on at a time: under a megabyte."""


class Change(NamedTuple):
    """One user as he is now, with the times of his creation and last change: unix seconds, by the server's clock."""

    id: int
    role: Role
    created: float
    updated: float
    line: bytes


class _Head(msgspec.Struct):
    """What is looked at of a user; raw where any JSON may stand, and is no reason to refuse him or his whole page."""

    id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    role: msgspec.Raw = msgspec.Raw()
    created_at: Any = None
    updated_at: Any = None
    active: msgspec.Raw = msgspec.Raw()
    custom_role_id: msgspec.Raw = msgspec.Raw()


class _Role(msgspec.Struct):
    role: msgspec.Raw = msgspec.Raw()


_head = msgspec.json.Decoder(_Head)
_role = msgspec.json.Decoder(_Role)
_text = msgspec.json.Decoder(str)


def read_changes(lines: Iterable[bytes], roles: Iterable[Role], permission_set: int | None = None) -> list[Change]:
    """Read users, but for those who are deleted or not selected.

    :raises NotAPage: if one can't be read, or does not say when he was changed.
    """
    wanted = {role.value: role for role in roles}
    changes = []
    for line in lines:
        try:
            head = _head.decode(line)
            created, updated = (_seconds(time) for time in (head.created_at, head.updated_at))
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError):
            raise NotAPage("a user does not say when he was changed") from None  # such an error quotes the user
        role = wanted.get(_said(head.role))
        selected = permission_set is None or bytes(head.custom_role_id) == b"%d" % permission_set
        if role is not None and bytes(head.active) != b"false" and selected:
            changes.append(Change(head.id, role, created, updated, line))
    return changes


def _said(role: msgspec.Raw) -> str:
    """Return the role that a user says he has, an empty text if that is none."""
    try:
        return _text.decode(role)
    except msgspec.DecodeError:
        return ""


def _seconds(time: Any) -> float:
    told = datetime.fromisoformat(time)
    return (told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp()


class Candidates:
    """Changed users, each once and as he was seen last, waiting on disk.

    :raises OutputError: from every method, if the disk for temporary files refuses.
    """

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # without a name: a file that nobody else can open
        with _told():
            self._db.execute("CREATE TABLE candidate (id INTEGER PRIMARY KEY, role, created, updated, line)")

    def add(self, changes: Iterable[Change]) -> None:
        """Take users in; of two states of one user the newer stays."""
        rows = [(change.id, change.role.value, change.created, change.updated, change.line) for change in changes]
        with _told():
            self._db.executemany(
                "INSERT INTO candidate VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET role=excluded.role, "
                "updated=excluded.updated, line=excluded.line WHERE excluded.updated >= updated",
                rows,
            )

    def ids(self) -> list[int]:
        """Return whose state is known, in order."""
        with _told():
            return [user_id for (user_id,) in self._db.execute("SELECT id FROM candidate ORDER BY id")]

    def chunks(self) -> Iterator[list[Change]]:
        """Yield all of them in order of id, a few at a time."""
        with _told():
            rows = self._db.execute("SELECT id, role, created, updated, line FROM candidate ORDER BY id")
            while chunk := rows.fetchmany(CHUNK):
                yield [Change(user_id, Role(role), *rest) for user_id, role, *rest in chunk]

    def close(self) -> None:
        """Forget them all."""
        self._db.close()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise OutputError(f"what changed can't be kept aside in a temporary file ({exc})") from exc


class Written(NamedTuple):
    """One line that the output holds of a user: in which file, the role it says he has, and its CRC-32."""

    file: str
    role: str
    crc: int

    @classmethod
    def read(cls, file: str, line: bytes) -> Written:
        """Read what a line is remembered by."""
        return cls(file, _said(_role.decode(line).role), crc32(line))
