"""Delays between tries: a pure, finite sequence with full jitter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

BASE = 0.5
"""Seconds: upper bound of the first delay. A reset or a 502 is mostly gone at once."""
CAP = 30.0
"""Seconds: upper bound of any delay. Longer would leave a healed service unused for longer than it was ill."""
TRIES = 60
"""Tries for one page: at the cap's mean of 15 s they outlast the default patience of 15 minutes, the usual end."""
NOT_A_PAGE_TRIES = 4
"""Tries for an answer that is no page: an edge's hiccup passes, a broken server doesn't."""
REFUSED_TRIES = 4
"""Tries for what is refused, and was not before: a deploy is over in seconds, an account that is gone stays gone."""
REFUSED_AFTER = 2.0
"""Seconds before such a try, at least."""
BUDGET = 200.0
"""Retries a run may owe at any time before it stops; what successes pay back is in `Budget`."""


def delays(random: Callable[[], float]) -> Iterator[float]:
    """Yield the seconds to wait before the 2nd, 3rd … try.

    Full jitter: uniform between 0 and an exponentially growing, capped bound, so that ranges that failed together do
    not come back together.

    :param random: returns a number in [0, 1).

    >>> list(delays(lambda: 1.0))[:8]
    [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    """
    for attempt in range(TRIES - 1):
        yield random() * min(CAP, BASE * 2**attempt)


class Budget:
    """Bounds the retries of a run: an account in which nearly everything fails is not knocked at for hours.

    Each retry costs one, each success pays one back, up to `BUDGET`: half of all requests may fail for ever, and an
    outage may cost `BUDGET` tries over all ranges together.
    """

    def __init__(self, amount: float = BUDGET) -> None:
        self._amount = self._left = amount

    def spend(self) -> bool:
        """Take one retry out; False if none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def earn(self) -> None:
        """Pay one retry back."""
        self._left = min(self._amount, self._left + 1)
