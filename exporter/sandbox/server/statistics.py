"""What has been asked and answered: for tests, served at `/_sandbox/stats`."""

from __future__ import annotations

from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from exporter.sandbox.endpoint.answers import Delivery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from exporter.sandbox.endpoint.answers import Answer

QUERIES = 10_000
"""How many of the last requests are kept."""


class Statistics:
    """Counts, and the last requests; does not grow with their number."""

    def __init__(self) -> None:
        self.total = 0
        self._statuses: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._hosts: Counter[str] = Counter()
        self._limited = 0
        self._queries: deque[str] = deque(maxlen=QUERIES)
        self._under_way = 0
        self._most_under_way = 0
        self._grants: Counter[str] = Counter()
        self._token_requests = self._most_token_requests = 0
        self._turned_away = 0

    def arrived(self, target: str, host: str) -> int:
        """Note a request, by its path and query and the host it was sent to, and return its number, from 1."""
        self.total += 1
        self._hosts[host] += 1
        self._queries.append(target)
        self._under_way += 1
        self._most_under_way = max(self._most_under_way, self._under_way)
        return self.total

    def left(self) -> None:
        """Note that a request is over, whatever became of it."""
        self._under_way -= 1

    @contextmanager
    def at_tokens(self) -> Iterator[None]:
        """Count a request for a token as under way, for as long as the context lasts."""
        self._token_requests += 1
        self._most_token_requests = max(self._most_token_requests, self._token_requests)
        try:
            yield
        finally:
            self._token_requests -= 1

    def granted(self, what: str) -> None:
        """Note what became of a request for a token: a grant's name, or a refusal's code."""
        self._grants[what] += 1

    def turned_away(self) -> None:
        """Note a request whose token was dead, or of too little scope."""
        self._turned_away += 1

    def limited(self) -> None:
        """Note that the rate limit refused a request."""
        self._limited += 1

    def struck(self, kind: str) -> None:
        """Note that a request met a fault."""
        self._faults[kind] += 1

    def answered(self, answer: Answer) -> None:
        """Note what is sent: a status, or nothing."""
        nothing = {Delivery.RESET: "reset", Delivery.CLOSED: "close", Delivery.SILENT: "silent"}
        self._statuses[nothing.get(answer.delivery, str(answer.status))] += 1

    def report(self, *, most_in_window: int) -> dict[str, object]:
        """Return everything as plain JSON values.

        `requests` counts all but those to the sandbox itself, `statuses` what was sent; `limited` counts the 429s of
        the limits, `faults` what the script did, by kind; `most_in_window` is how many requests the busiest window had,
        refused ones too, `under_way` how many are under way, `most_under_way` how many were at once; `hosts` counts
        requests by the host they were sent to; `queries` has path and query of the last requests, the newest at the
        end. `tokens` counts requests for tokens by what became of them: the grant's name, or the refusal's code;
        `most_token_requests` is how many of those were at once, `turned_away` how many requests came with a token that
        was dead or of too little scope.
        """
        return {
            "requests": self.total,
            "statuses": dict(self._statuses),
            "limited": self._limited,
            "faults": dict(self._faults),
            "most_in_window": most_in_window,
            "under_way": self._under_way,
            "most_under_way": self._most_under_way,
            "tokens": dict(self._grants),
            "most_token_requests": self._most_token_requests,
            "turned_away": self._turned_away,
            "hosts": dict(self._hosts),
            "queries": list(self._queries),
        }
