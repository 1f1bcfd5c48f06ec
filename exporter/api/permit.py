"""What a pace gives, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceStatistics:
    """What the pace is doing.

    :param rate: requests a minute that we allow ourselves now.
    :param limit: the account's own limit a minute, None until it is known.
    :param felt: where answers tell no limit, the one that the account seems to have; else None.
    :param recent: requests sent within the last `RECENT` seconds, as a rate a minute.
    :param in_flight: requests that are under way, of `window` that may be.
    :param waiting: seconds that a hold still lasts, 0 if there is none.
    :param why: what the hold is for.
    """

    rate: float
    limit: int | None
    felt: float | None
    recent: float
    in_flight: int
    window: int
    waiting: float
    why: str


class Permit:
    """The right to send one request, and when that was."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = 0.0
