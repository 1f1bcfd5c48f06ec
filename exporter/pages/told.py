"""What an account says of itself: how many users it has, and as whom it sees us. Pure.

What can't be read is not known, and no reason to ask again: an export can do without.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from exporter.model import Caller

_Int64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Count(msgspec.Struct):
    value: _Int64 | None = None


class _CountBody(msgspec.Struct):
    count: _Count


class _Me(msgspec.Struct):
    id: _Int64 | None = None
    role: str | None = None
    restricted_agent: Any = None
    ticket_restriction: Any = None


class _MeBody(msgspec.Struct):
    user: _Me


_counted = msgspec.json.Decoder(_CountBody)
_me = msgspec.json.Decoder(_MeBody)


def read_count(body: bytes) -> int | None:
    """Read the account's own count; None where it gives none, or one that can be none."""
    try:
        return _counted.decode(body).count.value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def read_caller(body: bytes) -> Caller | None:
    """Read as whom the account sees us; None where it says nobody."""
    try:
        user = _me.decode(body).user
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if user.id is None:
        return None
    told = user.ticket_restriction if isinstance(user.ticket_restriction, str) else ""
    return Caller(user.id, (user.role or "")[:20], user.restricted_agent is True, told[:40])
