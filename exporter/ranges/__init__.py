"""Which range owns which ids: what a range takes of a page, where a stream is cut, what a landing means.

May touch: nothing; pure functions of state, over `pages`. Promises: two ranges of a stream never overlap and leave no
gap (P1), whatever the server makes of our cursors.
"""

from __future__ import annotations

from exporter.ranges.judging import ODD_CURSORS, Doubt, judge, shows_nobody, without_repeats
from exporter.ranges.moves import Batch, Move, Split, first, picked, position_after
from exporter.ranges.streams import Aim, Birth, Stream, choose
from exporter.ranges.walk import WAYS_BACK, Walk, accept, first_descent, without

__all__ = [
    "ODD_CURSORS",
    "WAYS_BACK",
    "Aim",
    "Batch",
    "Birth",
    "Doubt",
    "Move",
    "Split",
    "Stream",
    "Walk",
    "accept",
    "choose",
    "first",
    "first_descent",
    "judge",
    "picked",
    "position_after",
    "shows_nobody",
    "without",
    "without_repeats",
]
