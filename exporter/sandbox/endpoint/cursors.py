"""Cursors, as the service writes them: found in 213 of 213 recorded pages, byte for byte (observed, not documented).

    cursor  =  base64( {"o":"<columns>","v":"<base64 of the values>"} )        compact, padded, standard alphabet
    values  =  for each column   'i' + int64, little-endian                    whole numbers
                                 'd' + int64, little-endian                    times, in unix seconds
                                 's' + uint32, little-endian + UTF-8           texts; the number counts code points

The columns are those of the order, `-` before one that descends, and `id` at the end to break ties. A cursor holds a
point in an order and nothing else: no account, no filter, no time to expire.

The incremental export has cursors of its own (observed), right at a time of change and an id:

    cursor  =  base64( <unix seconds>.0||<id>| )
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import b2a_base64
from functools import lru_cache
from operator import xor
from typing import TypeAlias

Values: TypeAlias = tuple[int | str, ...]
"""One value for each column of an order; times in unix seconds."""

_EXPORT = re.compile(rb"([0-9]{1,19})\.0\|\|([0-9]{1,19})\|")

_KINDS = {"id": b"i", "created_at": b"d", "updated_at": b"d", "name": b"s"}


class BadCursorError(ValueError):
    """Raised for what is no cursor, or is one of another order."""


class Codec:
    """Writes and reads the cursors of one order.

    :param sort: the column to sort by.
    :param descending: whether its greatest value comes first.
    """

    def __init__(self, sort: str, *, descending: bool = False) -> None:
        names = (sort,) if sort == "id" else (sort, "id")
        self.order = "-" * descending + ",".join(names)
        self._kinds = [_KINDS[name] for name in names]
        self._head = b'{"o":"%b","v":"' % self.order.encode()

    def encode(self, *values: int | str) -> str:
        """Make the cursor right at some values."""
        packed = b"".join(map(_pack, self._kinds, values))
        return b2a_base64(self._head + b2a_base64(packed, newline=False) + b'"}', newline=False).decode()

    def decode(self, cursor: str) -> Values:
        """Read the values out of a cursor.

        :raises BadCursorError: if it is none, or belongs to another order (what the service does then is not known).
        """
        try:
            content = json.loads(b64decode(cursor, validate=True))
            packed = b64decode(content["v"], validate=True)
            values = _unpack(packed, self._kinds)
        except (KeyError, TypeError, ValueError, RecursionError, struct.error) as error:
            raise BadCursorError("not a cursor") from error
        if content["o"] != self.order:
            raise BadCursorError(f"the cursor belongs to the order {content['o']}, not {self.order}")
        return values


@lru_cache
def codec(sort: str, *, descending: bool) -> Codec:
    """Return the codec of an order, made once."""
    return Codec(sort, descending=descending)


def _pack(kind: bytes, value: int | str) -> bytes:
    if isinstance(value, str):
        text = value.encode()
        return struct.pack("<cI", kind, len(value)) + text
    return struct.pack("<cq", kind, value)


def _unpack(packed: bytes, kinds: list[bytes]) -> Values:
    values: list[int | str] = []
    for kind in kinds:
        if packed[:1] != kind:
            raise BadCursorError(f"a value of another kind than {kind!r}")
        if kind == b"s":
            (length,) = struct.unpack_from("<I", packed, 1)
            # What follows the text need not be UTF-8; what belongs to it must be, or `encode` refuses it.
            text = packed[5:].decode(errors="surrogateescape")[:length]
            if len(text) != length:
                raise BadCursorError("the text is cut")
            values.append(text)
            packed = packed[5 + len(text.encode()) :]
        else:
            values.append(*struct.unpack_from("<q", packed, 1))
            packed = packed[9:]
    if packed:
        raise BadCursorError("bytes are left over")
    return tuple(values)


def encode_export(updated: int, user: int) -> str:
    """Make the cursor of the incremental export at a user who changed at a time."""
    return b64encode(b"%d.0||%d|" % (updated, user)).decode()


def decode_export(cursor: str) -> tuple[int, int]:
    """Read the time of change and the id out of a cursor of the incremental export.

    :raises BadCursorError: if it is none.
    """
    try:
        match = _EXPORT.fullmatch(b64decode(cursor, validate=True))
    except ValueError as error:
        raise BadCursorError("not a cursor") from error
    if not match:
        raise BadCursorError("not a cursor of the incremental export")
    return int(match[1]), int(match[2])


class Seal:
    """Wraps cursors so that they work and tell nothing: for clients that claim not to rely on what is in them.

    :param seed: makes the key, so that a cursor outlives the server.
    """

    _TAG = 8  # bytes

    def __init__(self, seed: int) -> None:
        self._key = hashlib.blake2b(str(seed).encode(), digest_size=32).digest()

    def wrap(self, cursor: str) -> str:
        """Hide a cursor."""
        plain = cursor.encode()
        tag = self._tag(plain)
        return urlsafe_b64encode(tag + self._mask(plain, tag)).decode()

    def unwrap(self, sealed: str) -> str:
        """Recover a cursor.

        :raises BadCursorError: if it was not wrapped with this seal.
        """
        try:
            content = b64decode(sealed, b"-_", validate=True)
        except ValueError as error:
            raise BadCursorError("not a cursor") from error
        tag, hidden = content[: self._TAG], content[self._TAG :]
        plain = self._mask(hidden, tag)
        if self._tag(plain) != tag:
            raise BadCursorError("not a cursor of this account")
        return plain.decode()

    def _tag(self, plain: bytes) -> bytes:
        return hashlib.blake2b(plain, key=self._key, digest_size=self._TAG).digest()

    def _mask(self, content: bytes, tag: bytes) -> bytes:
        stream = hashlib.shake_256(self._key + tag).digest(len(content))
        return bytes(map(xor, content, stream))
