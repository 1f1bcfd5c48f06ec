"""Ids: a strictly ascending function of the place in the account, in one of three layouts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.sandbox.people.mixing import mix
from exporter.sandbox.settings import IdLayout

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_ID = 6_130_852_530_000
"""Where ids begin: accounts of September 2023 stand there (observed)."""

# With these an account of 100,000,000 users stays below 2**53: every id is an exact float, as real ones are.
_CELL = 1 << 16  # spread: one id at random in every so many numbers
_RUN = 1_000  # clustered: users a run, ± 40 %
_RUN_SLACK = 400
_STRIDE = 5_500_000_000  # clustered: starts of runs are so far apart, plus or minus the slack: gaps of 1e9 to 1e10
_STRIDE_SLACK = 4_500_000_000


def id_function(layout: IdLayout, seed: int) -> Callable[[int], int]:
    """Return the function from a place (0, 1, 2 …) to the id of the user there."""
    salt = mix(seed)

    def dense(place: int) -> int:
        return FIRST_ID + place

    def spread(place: int) -> int:
        draw = (place ^ salt) * 0x9E3779B97F4A7C15  # not `mix`: this runs for every user of every page
        return FIRST_ID + place * _CELL + ((draw ^ draw >> 29) >> 13) % _CELL

    def run_start(run: int) -> int:
        return run * _RUN + mix(salt ^ run) % _RUN_SLACK if run else 0

    def clustered(place: int) -> int:
        run = place // _RUN
        if place < run_start(run):
            run -= 1
        return FIRST_ID + run * _STRIDE + mix(salt - run) % _STRIDE_SLACK + place - run_start(run)

    return {IdLayout.DENSE: dense, IdLayout.SPREAD: spread, IdLayout.CLUSTERED: clustered}[layout]
