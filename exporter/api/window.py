"""How many requests may be in flight at once: additive increase, multiplicative decrease. Pure; time is an argument.

Rules:

1. The window only grows while it is what stops a request, and answers come as fast as they did: by one an answer until
   the first sign of trouble, by one a round trip from then on. Once they take a quarter longer, the server has all that
   it can do at once, and more of them would only wait there, and their pages here (P6).
2. A failure (5xx, a timeout, a lost connection) ends the quick growth. A second one within two round trips takes three
   tenths, once a round trip: an outage fails all that is in flight, while one request in a hundred fails everywhere.
3. Answers that take twice as long as they did mean a queue before the server: a tenth less, once a round trip. Growing
   then would only make the queue longer. What counts is a mean over the last answers, since single ones differ by more
   than that for no reason; and it is held against the least it was in the last minute or two, so that a server that has
   become slow for good is taken as it is in the end.
"""

from __future__ import annotations

START = 16
"""Requests: what 2,500 a minute at 0.4 s need (documented limit, observed latency)."""
MOST = 400
"""Requests: what 2,500 a minute at nearly 10 s need. More sockets than that help nobody."""
SLOW = 2.0
"""How many times as long as usual answers take if there is a queue."""
SLOWER = 1.25
"""How many times as long answers may take for the window to grow: above what jitter does to a mean."""
MEAN_OF = 16
"""Answers that the mean is over, about: as many as are in flight at the start."""
NOISE = 0.1
"""Seconds by which answers differ for no reason: without them, a server on the same machine would look slow."""
OF_LATE = 60.0
"""Seconds after which the least mean begins to be forgotten."""


class Window:
    """The number of requests that may be in flight."""

    def __init__(self) -> None:
        self._most = MOST
        self._size = float(START)
        self._growing = True
        self._shrunk = float("-inf")
        self._since_failure = float("inf")  # answers
        self._mean = 0.0
        self._least = self._before = float("inf")
        self._since = float("-inf")

    def __repr__(self) -> str:
        return f"<Window {self.size}>"

    @property
    def size(self) -> int:
        """Requests that may be in flight now, 1 to `MOST` or what `bound` was told."""
        return int(self._size)

    @property
    def quick(self) -> bool:
        """Whether answers come as fast as they did."""
        return self._mean <= SLOWER * self._usual + NOISE / 4

    @property
    def _usual(self) -> float:
        return min(self._least, self._before)

    def bound(self, most: int) -> None:
        """Never have more than so many in flight."""
        self._most = max(min(most, MOST), 1)
        self._size = min(self._size, self._most)

    def answered(self, sent: float, now: float, *, wanted: bool) -> None:
        """Take in a request that was sent and answered at these times, in seconds.

        :param wanted: whether the window was what stopped another request meanwhile.
        """
        latency = now - sent
        self._mean += (latency - self._mean) / MEAN_OF if self._mean else latency
        self._since_failure += 1
        if now >= self._since + OF_LATE:
            self._since, self._before, self._least = now, self._least, float("inf")
        self._least = min(self._least, self._mean)
        if self._mean > SLOW * self._usual + NOISE:
            self._shrink(sent, now, 0.9)
        elif wanted and self.quick:
            self._size = min(self._size + (1.0 if self._growing else 1.0 / self._size), self._most)

    def failed(self, sent: float, now: float) -> None:
        """Take in a request that was sent and failed at these times."""
        self._growing = False
        if self._since_failure <= 2 * self._size:
            self._shrink(sent, now, 0.7)
        self._since_failure = 0.0

    def _shrink(self, sent: float, now: float, factor: float) -> None:
        if sent >= self._shrunk:  # what was sent before tells of the same trouble
            self._size = max(self._size * factor, 1.0)
            self._shrunk = now
            self._growing = False
