"""What an account says of a credential: who it is, what it may, and how long."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from exporter.account import Account
from exporter.api import RENEWALS, Connection, Response, open_connection
from exporter.errors import AuthError, NetworkError

ME, CURRENT = "/api/v2/users/me", "/api/v2/oauth/tokens/current"
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Proof:
    """An answer to a credential. Texts are the account's own.

    :param scope: of an OAuth token; empty if the account does not say.
    :param expires_at: when the access token ends, as the account writes it.
    :param limit: requests a minute.
    """

    user: int
    name: str
    email: str
    role: str
    scope: str = ""
    expires_at: str = ""
    limit: str = ""


async def prove(account: Account) -> Proof:
    """Ask who we are.

    :raises AuthError: if the account does not know us; it calls wrong credentials an anonymous user, with status 200.
    :raises NetworkError: if it can't be asked.
    """
    async with open_connection(account, patience=PATIENCE) as connection:
        came = await _get(connection, ME)
        if came.status in (401, 403):
            raise AuthError(f"the account refuses this login: HTTP {came.status}", hint="")
        user = _object(came, "user")
        if not isinstance(user.get("id"), int) or not user.get("email"):
            raise AuthError(
                "the account takes this login for an anonymous user: it does not know the credentials", hint=""
            )
        limit = came.headers.get("ratelimit-limit") or came.headers.get("x-rate-limit") or ""
        token = await _get(connection, CURRENT)  # says nothing to whom it does not tell: an API token, a narrow scope
        said = _object(token, "token") if token.status == 200 else {}
        scopes = said.get("scopes")
        return Proof(
            user["id"],
            str(user.get("name") or ""),
            str(user["email"]),
            str(user.get("role") or ""),
            " ".join(map(str, scopes)) if isinstance(scopes, list) else "",
            str(said.get("expires_at") or ""),
            limit,
        )


async def revoke(account: Account) -> bool:
    """Have the account forget the token, and the refresh token with it; tell whether it did."""
    async with open_connection(account, patience=PATIENCE) as connection:
        return (await _with_living_token(connection, CURRENT, "DELETE")).status == 204


async def _get(connection: Connection, path: str) -> Response:
    came = await _with_living_token(connection, path)
    if came.status == 0 or came.status >= 500 or came.status == 429:
        why = getattr(came.failure, "why", None) or getattr(came.failure, "error", None) or f"HTTP {came.status}"
        raise NetworkError(f"the account can't be asked: {why}", hint="Run the same command again.")
    return came


async def _with_living_token(connection: Connection, path: str, method: str = "GET") -> Response:
    """Ask, and again where the token had ended: another run of the same login may renew as well."""
    for _ in range(RENEWALS):
        came = await connection.get(path, method=method)
        if not came.stale:
            return came
    return await connection.get(path, method=method, renew=False)


def _object(came: Response, name: str) -> dict[str, Any]:
    try:
        said = json.loads(came.body)[name]
    except (ValueError, KeyError, TypeError):
        return {}
    return said if isinstance(said, dict) else {}
