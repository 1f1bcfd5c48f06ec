"""The only room that speaks HTTP: requests under one pace, verdicts on responses, retries.

May touch: the network, the account's own host alone (P9). Promises: what comes out is a page or an error that will not
pass by itself; no 429 of our own making (P5); every wait has an end (P8).
"""

from __future__ import annotations

from exporter.api.asker import RENEWALS
from exporter.api.client import Client
from exporter.api.connection import Connection, Response, open_connection
from exporter.api.opening import open_client
from exporter.api.pace import SLOW_START, Pace
from exporter.api.permit import PaceStatistics, Permit
from exporter.api.raw import Answered, ask_raw
from exporter.api.verdict import MAX_HOLD, CursorRefused, Final, read_quota

__all__ = [
    "MAX_HOLD",
    "RENEWALS",
    "SLOW_START",
    "Answered",
    "Client",
    "Connection",
    "CursorRefused",
    "Final",
    "Pace",
    "PaceStatistics",
    "Permit",
    "Response",
    "ask_raw",
    "open_client",
    "open_connection",
    "read_quota",
]
