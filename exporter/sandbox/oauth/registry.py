"""Which tokens and codes there are, and for how long: what the service keeps in its database."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from exporter.sandbox.settings import Quirk

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.settings import OAuthClient, Settings

CODE_LIFE = 120.0
"""Seconds that a code may be exchanged in (assumed; RFC 6749 allows ten minutes at most)."""
ID = 6_100_000_000
"""Where ids of tokens begin."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token, and the refresh token that goes with it, if there is one.

    :param dies: unix seconds after which the access token is dead.
    :param refresh_dies: the same of the refresh token; 0 without one.
    """

    id: int
    client: OAuthClient
    scope: tuple[str, ...]
    access: str
    created: float
    dies: float
    refresh: str | None = None
    refresh_dies: float = 0.0


@dataclass(frozen=True, slots=True)
class Code:
    """A code that a browser brought back, good for one exchange, and what has to fit it.

    :param challenge: of PKCE, base64url of the verifier's SHA-256; empty without.
    """

    client: OAuthClient
    redirect: str
    challenge: str
    scope: tuple[str, ...]
    dies: float


class Registry:
    """Every client, and the tokens and codes that were issued and live.

    :param clock: the time, in unix seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._clients = {client.id: client for client in settings.oauth_clients}
        self._jwt = Quirk.JWT_TOKENS in settings.quirks
        self._clock = clock
        self._by_access: dict[str, Pair] = {}
        self._by_refresh: dict[str, Pair] = {}
        self._codes: dict[str, Code] = {}
        self._issued = 0

    def client(self, name: str) -> OAuthClient | None:
        """Return the client of that identifier."""
        return self._clients.get(name)

    def issue(
        self, client: OAuthClient, scope: tuple[str, ...], life: float, refresh_life: float | None = None
    ) -> Pair:
        """Make a token, with a refresh token if that has a life; the dead are forgotten."""
        now = self._clock()
        for old in [pair for pair in self._by_access.values() if max(pair.dies, pair.refresh_dies) < now]:
            self.delete(old)
        self._issued += 1
        dies = now + life
        pair = Pair(ID + self._issued, client, scope, self._made(dies), now, dies)
        if refresh_life is not None:
            refresh_dies = now + refresh_life
            pair = replace(pair, refresh=self._made(refresh_dies), refresh_dies=refresh_dies)
        self._by_access[pair.access] = pair
        if pair.refresh is not None:
            self._by_refresh[pair.refresh] = pair
        return pair

    def living(self, access: str) -> Pair | None:
        """Return the pair of an access token that is alive."""
        pair = self._by_access.get(access)
        return pair if pair and self._clock() < pair.dies else None

    def refreshable(self, refresh: str) -> Pair | None:
        """Return the pair of a refresh token that is alive."""
        pair = self._by_refresh.get(refresh)
        return pair if pair and self._clock() < pair.refresh_dies else None

    def delete(self, pair: Pair) -> None:
        """Forget both tokens at once, as rotation does (documented)."""
        self._by_access.pop(pair.access, None)
        self._by_refresh.pop(pair.refresh or "", None)

    def write_code(self, client: OAuthClient, redirect: str, challenge: str, scope: tuple[str, ...]) -> str:
        """Make a code."""
        code = secrets.token_hex(32)
        self._codes[code] = Code(client, redirect, challenge, scope, self._clock() + CODE_LIFE)
        return code

    def spend_code(self, text: str) -> Code | None:
        """Return what a code stands for, once, and in time."""
        code = self._codes.pop(text, None)
        return code if code and self._clock() < code.dies else None

    def _made(self, dies: float) -> str:
        """Make a token: 64 hex digits (observed), or a JWT of some 1,000 characters, of newer clients (reported)."""
        if not self._jwt:
            return secrets.token_hex(32)
        head, claims = {"typ": "at+jwt", "alg": "EdDSA", "kid": secrets.token_hex(16)}, {"exp": int(dies)}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (head, claims)]
        return ".".join(
            base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, secrets.token_bytes(640))
        )
