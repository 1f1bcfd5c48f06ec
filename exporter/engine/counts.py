"""What was written, held against what the account itself counts. Pure.

Rules:

1. A count is an estimate: below `CAP` it is made live, above it may be a day old, and is `CAP` meanwhile (documented).
2. Users come and go while an export runs, so the lower one of the counts at the start and at the end is held against
   what was written. Fewer by more than `SHARE` and by more than `USERS`, or nobody where there is somebody, is no
   coming and going.
3. Where all counts of such a role were live, users are missing. Where one may be old, it is only said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from exporter.model import Role

CAP = 100_000
SHARE, USERS = 0.02, 20
"""What may be missing in a role without a word: more than comes and goes meanwhile, and less than a page of users."""


class Count(NamedTuple):
    """One role: what the account counted at the start and at the end, where that is known, and what was written."""

    role: Role
    start: int | None
    end: int | None
    written: int

    @property
    def told(self) -> int | None:
        """What the account counted last, None if it did not count."""
        return self.start if self.end is None else self.end

    @property
    def least(self) -> int:
        """What the account counted at least, 0 if it did not count."""
        return min((count for count in (self.start, self.end) if count is not None), default=0)

    @property
    def short(self) -> bool:
        """Whether fewer were written than can have gone meanwhile."""
        lacking = self.least - self.written
        return lacking > max(USERS, SHARE * self.least) or (lacking > 0 and not self.written)

    @property
    def live(self) -> bool:
        """Whether it was counted when it was asked for."""
        return self.least < CAP

    def facts(self) -> dict[str, int]:
        """Return what the manifest keeps: numbers by name, those that are known."""
        known = {"start": self.start, "end": self.end, "written": self.written}
        if self.told is not None:
            known["difference"] = self.written - self.told
        return {name: number for name, number in known.items() if number is not None}

    def words(self) -> str:
        """Say what differs."""
        return f"the account counts {self.least:,} users of {self.role}, {self.written:,} were written"


def counts_of(start: Mapping[Role, int | None], end: Mapping[str, int], written: Mapping[Role, int]) -> list[Count]:
    """Put together what is known of each role."""
    return [Count(role, start.get(role), end.get(role.value), users) for role, users in written.items()]
