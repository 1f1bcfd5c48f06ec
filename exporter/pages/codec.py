"""The cursor codec, and the check by which it earns trust. Nothing else knows the format.

The cursor of an ascending walk by id is `base64({"o":"id","v":base64("i" + id as int64, little endian)})`, the JSON
compact, both levels padded: observed byte for byte in recorded traffic, documented nowhere. So it is a guess about a
server that says "opaque", and a guess may be used only while every cursor the server sends agrees with it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from struct import pack

_PREFIX, _SUFFIX = b64encode(b'{"o":"id","v":"').decode(), b64encode(b'"}').decode()


def make_cursor(last_id: int) -> str:
    """Make the cursor that stands right after the user `last_id` in a walk by ascending id.

    :param last_id: 0 to 2**63 - 1; no user has to have it.
    """
    return make_cursors([last_id])[0]


def make_cursors(ids: Sequence[int]) -> list[str]:
    """Make a cursor for each id.

    No part of a cursor is padded but the last (9 bytes are 12 characters, and those 16), so that all values are encoded
    at once and cut apart again: a fifth of the cost.
    """
    return [f"{_PREFIX}{middle}{_SUFFIX}" for middle in _middles(ids)]


def _are_made(cursors: Sequence[str | None], ids: Sequence[int]) -> bool:
    """Tell whether cursors are those of `make_cursors`, as one text: half the cost."""
    texts = [cursor for cursor in cursors if cursor is not None]
    size = len(_PREFIX) + 16 + len(_SUFFIX)
    if len(texts) != len(ids) or {*map(len, texts)} - {size}:
        return False
    made = (_SUFFIX + _PREFIX).join(_middles(ids))
    return "".join(texts) == (f"{_PREFIX}{made}{_SUFFIX}" if ids else "")


def _middles(ids: Sequence[int]) -> list[str]:
    values: list[bytes | int] = [b"i"] * (2 * len(ids))
    values[1::2] = ids
    encoded = b64encode(b64encode(pack("<" + "cq" * len(ids), *values))).decode()
    return [encoded[at : at + 16] for at in range(0, len(encoded), 16)]


class Trust:
    """Whether cursors may be made in this run.

    Rules: 1. none is made before a page has shown the codec right. 2. One mismatch ends it for good.
    """

    def __init__(self) -> None:
        self._earned = self._lost = False

    def __repr__(self) -> str:
        return f"<Trust {'lost' if self._lost else 'earned' if self._earned else 'not yet earned'}>"

    def __bool__(self) -> bool:
        return self._earned and not self._lost

    @property
    def lost(self) -> bool:
        """Whether no cursor is to be made any more."""
        return self._lost

    def lose(self) -> None:
        """Make no more cursors: the server does not take them."""
        self._lost = True

    def check(self, ids: Sequence[int], issued: Sequence[str | None]) -> None:
        """Hold the cursors that the server issued against those the codec makes of the ids they stand after."""
        if _are_made(issued, ids):
            self._earned = self._earned or bool(ids)  # no cursors show nothing
        else:
            self.lose()
