"""One request, and whatever comes back of it: for a look at what an account does, not for an export."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import anyio

from exporter.api.client import Client
from exporter.api.verdict import Again, Verdict

TRIES, PAUSE = 3, 1.0
"""How often it is asked where a failure may pass, and seconds between."""


class Answered(NamedTuple):
    """What came back, after how many seconds, and what an export would make of it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float
    verdict: Verdict


async def ask_raw(client: Client, path: str, params: list[tuple[str, str]]) -> Answered:
    """Send one request under a permit; a failure that may pass is met by another try, and at last is the answer."""
    for attempt in range(1, TRIES + 1):
        answer = await client.once(path, params)
        came, verdict = answer.came, answer.verdict
        if not isinstance(verdict, Again) or attempt == TRIES:
            break
        if verdict.hold:
            client.hold(verdict)
        else:
            await anyio.sleep(min(verdict.after or PAUSE, PAUSE))
    return Answered(came.status, came.headers, came.body, answer.seconds, verdict)
