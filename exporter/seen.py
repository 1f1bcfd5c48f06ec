"""Who is in the output already, for a walk that begins anew in an order in which ids alone can't tell.

The ids are in a temporary database of SQLite's, on disk: memory does not grow with their number (P6).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from exporter.errors import OutputError


class Seen:
    """Ids that are looked up a page at a time.

    :raises OutputError: from every method, if the disk refuses.
    """

    def __init__(self, ids: Iterable[int]) -> None:
        # Without a name: a file that nobody else can open. It is filled in one thread and asked in another.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("CREATE TABLE seen (id INTEGER PRIMARY KEY)")
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((each,) for each in ids))
            self._db.execute("COMMIT")
        except BaseException as exc:
            self._db.close()
            if isinstance(exc, sqlite3.Error):
                raise OutputError(f"the ids of the output can't be kept aside ({exc})") from exc
            raise

    def among(self, ids: list[int]) -> set[int]:
        """Return those of a page's ids that are in the output."""
        query = "SELECT 1 FROM seen WHERE id=?"  # one by one: no page is too large for it
        try:
            return {user_id for user_id in ids if self._db.execute(query, (user_id,)).fetchone()}
        except sqlite3.Error as exc:
            raise OutputError(f"the ids of the output can't be looked up ({exc})") from exc

    def close(self) -> None:
        """Forget them all."""
        self._db.close()
