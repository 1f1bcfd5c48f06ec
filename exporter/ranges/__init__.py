"""Which range owns which ids: what a range takes of a page, where a stream is cut, what a landing means.

May touch: nothing; pure functions of state, over `pages`. Promises: two ranges of a stream never overlap and leave no
gap (P1), whatever the server makes of our cursors.
"""

from __future__ import annotations

from exporter.ranges.streams import Aim, Birth, Stream, choose
from exporter.ranges.walk import WAYS_BACK, Batch, Move, Split, Walk, accept, first, position_after, without

__all__ = [
    "WAYS_BACK",
    "Aim",
    "Batch",
    "Birth",
    "Move",
    "Split",
    "Stream",
    "Walk",
    "accept",
    "choose",
    "first",
    "position_after",
    "without",
]
