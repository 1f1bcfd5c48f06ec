"""The cursor codec, and the check by which it earns trust. Nothing else knows the format.

The cursor of an ascending walk by id is `base64({"o":"id","v":base64("i" + id as int64, little endian)})`, the JSON
compact, both levels padded: observed byte for byte in recorded traffic, documented nowhere. So it is a guess about a
server that says "opaque", and a guess may be used only while every cursor the server sends agrees with it.
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Iterable

_PREFIX, _SUFFIX = b'{"o":"id","v":"', b'"}'


def make(last_id: int) -> str:
    """Make the cursor that stands right after the user `last_id` in a walk by ascending id.

    :param last_id: 0 to 2**63 - 1; no user has to have it.
    """
    value = b64encode(b"i" + last_id.to_bytes(8, "little", signed=True))
    return binascii.b2a_base64(_PREFIX + value + _SUFFIX, newline=False).decode()


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

    def check(self, issued: Iterable[tuple[int, str]]) -> None:
        """Hold cursors the server issued, with the ids they stand after, against the codec."""
        for user_id, cursor in issued:
            if make(user_id) != cursor:
                self._lost = True
                return
            self._earned = True

    def make(self, last_id: int) -> str | None:
        """Make a cursor, or None where the codec is not trusted."""
        return make(last_id) if self else None
