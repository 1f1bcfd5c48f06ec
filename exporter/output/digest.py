"""The SHA-256 of a file that grows, read back from the disk while it does: so nobody waits for it in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from exporter.disk import open_file

_CHUNK = 1 << 18  # fits a cache


class Digest:
    """What has been read of one file so far: `size` bytes. What was read once must not change any more."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self.size = 0

    def __repr__(self) -> str:
        return f"<Digest of {self.size} bytes>"

    def read(self, path: Path, most: int | None = None, *, stop: Callable[[], bool] = lambda: False) -> bool:
        """Read on, by `most` bytes or to the file's end; tell whether `stop` let it.

        :raises OSError: if the file can't be read.
        """
        chunk = memoryview(bytearray(_CHUNK))
        left = most
        with open_file(path) as file:
            file.seek(self.size)
            while count := file.readinto(chunk if left is None else chunk[:left]):
                if stop():
                    return False
                self._sha256.update(chunk[:count])
                self.size += count
                left = None if left is None else left - count
        return True

    def update(self, data: bytes) -> None:
        """Take in what was written behind all that was read."""
        self._sha256.update(data)
        self.size += len(data)

    def hexdigest(self) -> str:
        """Return the SHA-256 of what was read."""
        return self._sha256.hexdigest()
