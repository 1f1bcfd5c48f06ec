"""What isal replaces where it is installed, with the same results: inflation in half the time, CRC-32 in a sixth."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

crc32: Callable[[bytes], int] = zlib.crc32
inflater: Callable[[int], Any] = zlib.decompressobj
inflate_errors: tuple[type[Exception], ...] = (zlib.error,)
with suppress(ImportError):
    from isal import isal_zlib

    crc32, inflater = isal_zlib.crc32, isal_zlib.decompressobj
    inflate_errors = (cast("type[Exception]", isal_zlib.error),)
