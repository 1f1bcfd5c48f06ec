"""Access tokens that end: what `/oauth/tokens` answers, and who renews one in mid-run."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Protocol

from exporter.account.credentials import Secret

LIFE = 1_800.0
"""Seconds that an access token lives where nothing tells (the documented default)."""
ASKED_LIFE, ASKED_REFRESH_LIFE = 172_800, 7_776_000
"""Seconds that are asked for: the most there are (documented); an account may give less."""


MARGIN = 300.0
"""Seconds before its end that a token is renewed, at most; of one that lives briefly a fifth of its life."""


def ahead(life: float) -> float:
    """Return how many seconds before its end a token of such a life is renewed."""
    return min(MARGIN, life / 5)


@dataclass(frozen=True, slots=True)
class Token:
    """What was granted.

    :param dies: unix seconds by our own clock, counted from when the answer came.
    :param life: seconds it had then.
    """

    access: Secret
    dies: float
    life: float
    scope: str = ""
    refresh: Secret | None = None


class Renewing(Protocol):
    """Credentials whose token ends in mid-run. One renewal at a time is theirs to see to."""

    async def token(self) -> Secret:
        """Return an access token that lives, renewed if its end is near.

        :raises AuthError, NetworkError, OutputError: if there is none to be had.
        """

    async def renewed(self, spent: Secret) -> Secret:
        """Return another token than the one that was just refused.

        :raises AuthError, NetworkError, OutputError: if there is none to be had.
        """

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown."""


def read_token(body: bytes, now: float | None = None) -> Token:
    """Read the answer to a grant. Its life is what it says, else what the token itself says, else the default.

    :param now: unix seconds.
    :raises ValueError: if it is none.
    """
    try:
        said = json.loads(body)
        access, refresh = Secret(said["access_token"]), said.get("refresh_token")
        life, scope = said.get("expires_in"), said.get("scope")
    except Exception as exc:
        raise ValueError("the answer holds no token") from exc
    now = time.time() if now is None else now
    if not isinstance(life, int | float) or isinstance(life, bool) or life <= 0:
        life = _life_of(access, now) or LIFE
    return Token(access, now + life, float(life), str(scope or ""), Secret(refresh) if refresh else None)


def _life_of(access: Secret, now: float) -> float | None:
    """Read when a JWT ends, without any trust in what it says (newer clients' tokens are JWTs: reported)."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(access.reveal().split(".")[1] + "==="))
        left = float(claims["exp"]) - now
    except (IndexError, KeyError, TypeError, ValueError):
        return None
    return left if left > 0 else None
