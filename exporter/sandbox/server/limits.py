"""The rate limit: so many requests in each fixed window, as the service counts them by the minute (documented)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Permit(NamedTuple):
    """Whether a request may pass, and what its headers say.

    :param granted: it may.
    :param limit: requests a window.
    :param remaining: requests left in this window.
    :param reset: whole seconds until the next one, at least 1; who waits so long is in it.
    """

    granted: bool
    limit: int
    remaining: int
    reset: int

    def headers(self, *, first_spelling: bool) -> dict[str, str]:
        """Return the headers of every response (observed), as spelt in 2023 if `first_spelling`, else since 2024."""
        limit, prefix = ("rate-limit", "rate-limit") if first_spelling else ("ratelimit-limit", "ratelimit")
        return {
            limit: str(self.limit),
            f"{prefix}-remaining": str(self.remaining),
            f"{prefix}-reset": str(self.reset),
            "x-rate-limit": str(self.limit),
            "x-rate-limit-remaining": str(self.remaining),
        }

    def export_headers(self, *, first_spelling: bool) -> dict[str, str]:
        """Return the header of the incremental export's own limit (observed; `first_spelling`: that of 2023)."""
        name = "rate-limit" if first_spelling else "ratelimit"
        content = f"total={self.limit}; remaining={self.remaining}; resets={self.reset}"
        return {f"zendesk-{name}-incremental-exports": content}


class FixedWindow:
    """Counts requests in windows that follow each other without a gap.

    :param limit: requests a window; None grants everything, and only counts.
    :param seconds: the length of a window.
    :param clock: seconds, monotonic.
    """

    def __init__(self, limit: int | None, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._start = clock()
        self._window = 0
        self._taken = 0
        self.most = 0  # requests in one window, granted or not, up to now

    def take(self) -> Permit | None:
        """Count a request; None if there is no limit."""
        elapsed = self._clock() - self._start
        window = int(elapsed // self._seconds)
        if window != self._window:
            self._window, self._taken = window, 0
        self._taken += 1
        self.most = max(self.most, self._taken)
        if self._limit is None:
            return None
        reset = math.ceil((window + 1) * self._seconds - elapsed)
        return Permit(self._taken <= self._limit, self._limit, max(self._limit - self._taken, 0), max(reset, 1))
