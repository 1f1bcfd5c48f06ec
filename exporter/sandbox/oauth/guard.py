"""What a bearer's token opens, and what it says of itself at `/api/v2/oauth/tokens/current`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from exporter.sandbox.endpoint import answers
from exporter.sandbox.endpoint.answers import Answer, json_answer
from exporter.sandbox.settings import Quirk

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.oauth.registry import Pair, Registry
    from exporter.sandbox.settings import Settings

CURRENT = "/api/v2/oauth/tokens/current"
_LIST = "/api/v2/users"


class Guard:
    """Holds requests to the token they come with.

    :param note: told of each that is turned away.
    """

    def __init__(self, settings: Settings, registry: Registry, note: Callable[[], None]) -> None:
        self._registry = registry
        self._narrow = Quirk.NARROW_SCOPE in settings.quirks
        self._note = note

    def refusal(self, token: str, route: str) -> Answer | None:
        """Return why a token does not open a route: dead, or of too little scope; None if it does."""
        pair = self._registry.living(token)
        if pair is None:
            self._note()
            return answers.unauthenticated(bearer=True)
        if "read" in pair.scope or (self._covers(route) and "users:read" in pair.scope):
            return None
        self._note()
        what = "users:read, read" if self._covers(route) else "read"
        description = f"You are missing the following required scopes: {what}"  # observed; alternatives: reported
        return json_answer({"error": "Forbidden", "description": description}, 403)

    def current(self, method: str, authorization: str, origin: str, user: int | None) -> Answer:
        """Show the token of the request, or delete it with its refresh token (observed)."""
        scheme, _, token = authorization.partition(" ")
        pair = self._registry.living(token) if scheme == "Bearer" else None
        if pair is None:
            self._note()
            return answers.unauthenticated(bearer=scheme == "Bearer")
        if method == "DELETE":
            self._registry.delete(pair)
            return Answer(b"", 204)
        return json_answer({"token": _shown(pair, origin, user)})

    def _covers(self, route: str) -> bool:
        """Tell whether `users:read` opens a route: the list (documented); of its neighbours nobody knows."""
        return route == _LIST or not self._narrow


def _shown(pair: Pair, origin: str, user: int | None) -> dict[str, object]:
    return {
        "url": f"{origin}/api/v2/oauth/tokens/{pair.id}.json",
        "id": pair.id,
        "user_id": user,
        "client_id": int.from_bytes(pair.client.id.encode()[:5], "big"),
        "token": pair.access[:10],
        "refresh_token": pair.refresh and f"{pair.refresh[:10]}…",
        "scopes": list(pair.scope),
        "created_at": _date(pair.created),
        "used_at": _date(pair.created),
        "expires_at": _date(pair.dies),
        "refresh_token_expires_at": _date(pair.refresh_dies) if pair.refresh else None,
    }


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
