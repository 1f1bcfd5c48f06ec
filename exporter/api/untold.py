"""The limit of an account that tells none: felt for, upwards while all goes well. Pure; time is an argument.

Rules:

1. It begins at the smallest plan's limit, and goes up by `STEP` after every `EVERY` seconds in which answers came as
   quickly as before: additive increase.
2. A 429 halves it: multiplicative decrease.
3. It never goes beyond `MOST`: a limit that nobody told is no licence. Who knows better says `--rate`.
"""

from __future__ import annotations

LEAST = 10.0
"""Requests a minute: the smallest limit that any plan ever had (documented)."""
MOST = 400.0
"""Requests a minute: the limit of the plans in the middle (documented), and what a server with none bears easily."""
STEP = 25.0
"""Requests a minute: an eighth of where it begins, so that a limit is overstepped by little."""
EVERY = 5.0
"""Seconds between steps: from the smallest plan's limit to `MOST` in 40, less than a window."""


class Untold:
    """What an account that tells no limit seems to bear.

    :param level: requests a minute to begin with.
    """

    def __init__(self, level: float) -> None:
        self.level = level
        self._since: float | None = None  # when the level was last changed, or slow answers came

    def __repr__(self) -> str:
        return f"<Untold {self.level:.0f}/min>"

    def answered(self, now: float, *, quick: bool) -> None:
        """Take in an answer, and whether answers come as quickly as they did."""
        if self._since is None or not quick:
            self._since = now
        elif now >= self._since + EVERY:
            self.level, self._since = min(self.level + STEP, max(MOST, self.level)), now

    def refused(self, now: float) -> None:
        """Take in a 429: one for all that were under way."""
        self.level, self._since = max(self.level / 2, LEAST), now
