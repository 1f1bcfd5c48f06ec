"""`POST /oauth/tokens`: every grant, and every refusal (statuses and codes: measured by others on live accounts)."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from exporter.sandbox.endpoint.answers import Answer, RefusedError, json_answer
from exporter.sandbox.settings import Quirk

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.sandbox.oauth.registry import Pair, Registry
    from exporter.sandbox.settings import OAuthClient, Settings

ACCESS_LIVES, ACCESS_LIFE = (300, 172_800), 1_800
"""Seconds that may be asked for, and what comes if nothing is (documented)."""
REFRESH_LIVES, REFRESH_LIFE = (604_800, 7_776_000), 2_592_000
"""The same of refresh tokens (documented)."""
SCOPES = frozenset(
    f"{of}{right}"
    for of in ("", "users:", "organizations:", "groups:", "tickets:", "auditlogs:")
    for right in ("read", "write")
)
"""Scopes that exist, some of them; a name that does not exist is left out of the token, in silence (measured)."""

_WORDS = {
    "invalid_request": "The request is missing a required parameter, includes an unsupported parameter or parameter "
    "value, repeats a parameter, includes multiple credentials, uses more than one mechanism for authenticating the "
    "client, or is otherwise malformed.",
    "invalid_client": "The client identifier provided is invalid, the client failed to authenticate, the client did "
    "not include its credentials, provided multiple client credentials, or used unsupported credentials type.",
    "invalid_grant": "The provided access grant is invalid, expired, or revoked (e.g. invalid assertion, expired "
    "authorization token, bad end-user password credentials, or mismatching authorization code and redirection URI).",
    "unauthorized_client": "The authenticated client is not authorized to use the access grant type provided.",
    "unsupported_grant_type": "The access grant included - its type or another attribute - is not supported by the "
    "authorization server.",
    "invalid_scope": "The requested scope is invalid, unknown, malformed, or exceeds the previously granted scope.",
}
"""What goes with each code: the texts of the library that the service is built on (reported)."""


def refused(code: str) -> RefusedError:
    """Refuse by a code of RFC 6749."""
    answer = json_answer({"error": code, "error_description": _WORDS[code]}, 401 if code == "invalid_client" else 400)
    if code == "invalid_client":
        answer = replace(answer, headers={"www-authenticate": 'Basic realm="OAuth2 Token Endpoint"'})
    return RefusedError(answer)


def read_body(content_type: str, body: bytes) -> dict[str, str]:
    """Read the fields of a request, JSON or a form (both observed)."""
    try:
        if content_type.partition(";")[0].strip().lower() == "application/json":
            fields = json.loads(body)
            return {name: str(value) for name, value in fields.items() if value is not None}
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (ValueError, AttributeError):
        raise refused("invalid_request") from None


class Grants:
    """Gives tokens.

    :param note: told what became of each request: the grant that was given, or the code of the refusal.
    """

    def __init__(self, settings: Settings, registry: Registry, note: Callable[[str], None]) -> None:
        self._settings = settings
        self._registry = registry
        self._note = note
        self._grants: dict[str, Callable[[OAuthClient, dict[str, str]], Pair]] = {
            "client_credentials": self._by_client,
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh,
        }

    def answer(self, content_type: str, body: bytes) -> Answer:
        """Answer a request with a token, or with why there is none."""
        try:
            fields = read_body(content_type, body)
            grant = fields.get("grant_type", "")
            if not grant:
                raise refused("invalid_request")
            if grant not in self._grants:
                raise refused("unsupported_grant_type")
            pair = self._grants[grant](self._client(fields), fields)
        except RefusedError as error:
            self._note(json.loads(error.answer.body)["error"])
            return error.answer
        self._note(grant)
        return self._written(pair, fields)

    def _client(self, fields: dict[str, str]) -> OAuthClient:
        """Find the client, and hold a confidential one to its secret; with PKCE a code needs none (documented)."""
        client = self._registry.client(fields.get("client_id", ""))
        if client is None:
            raise refused("invalid_client")
        secret = fields.get("client_secret")
        proven_otherwise = fields["grant_type"] == "authorization_code" and "code_verifier" in fields
        if client.secret is not None and secret != client.secret and (secret or not proven_otherwise):
            raise refused("invalid_client")
        return client

    def _by_client(self, client: OAuthClient, fields: dict[str, str]) -> Pair:
        """Act for the admin who made the client; without a refresh token: the grant may be run again (reported)."""
        if client.secret is None:
            raise refused("unauthorized_client")
        return self._registry.issue(client, granted(client, fields.get("scope", "")), self._life(fields))

    def _by_code(self, client: OAuthClient, fields: dict[str, str]) -> Pair:
        code = self._registry.spend_code(fields.get("code", ""))
        if code is None or code.client is not client or code.redirect != fields.get("redirect_uri"):
            raise refused("invalid_grant")
        digest = hashlib.sha256(fields.get("code_verifier", "").encode()).digest()
        if code.challenge and base64.urlsafe_b64encode(digest).decode().rstrip("=") != code.challenge:
            raise refused("invalid_grant")
        return self._registry.issue(client, code.scope, self._life(fields), self._refresh_life(fields))

    def _by_refresh(self, client: OAuthClient, fields: dict[str, str]) -> Pair:
        """Give a new pair; the old access and refresh tokens are deleted at once (documented)."""
        old = self._registry.refreshable(fields.get("refresh_token", ""))
        if old is None or old.client is not client:
            raise refused("invalid_grant")
        life, refresh_life = self._life(fields), self._refresh_life(fields)
        self._registry.delete(old)
        return self._registry.issue(client, old.scope, life, refresh_life)

    def _life(self, fields: dict[str, str]) -> float:
        """Take what was asked for; an account may give its own, whatever was asked (both measured)."""
        asked = _seconds(fields, "expires_in", ACCESS_LIVES)
        return self._settings.token_life or asked or ACCESS_LIFE

    def _refresh_life(self, fields: dict[str, str]) -> float:
        asked = _seconds(fields, "refresh_token_expires_in", REFRESH_LIVES)
        return self._settings.refresh_life or asked or REFRESH_LIFE

    def _written(self, pair: Pair, fields: dict[str, str]) -> Answer:
        """Write a token; its life only where that was asked for (reported), and by a quirk not even then."""
        body: dict[str, object] = {
            "access_token": pair.access,
            "token_type": "bearer",
            "scope": " ".join(pair.scope),
        }
        quirks = self._settings.quirks
        if "expires_in" in fields and Quirk.NO_EXPIRES_IN not in quirks:
            body["expires_in"] = int(pair.dies - pair.created + 0.5)
        if pair.refresh is not None:
            body["refresh_token"] = pair.refresh
            body["refresh_token_expires_in"] = int(pair.refresh_dies - pair.created + 0.5)
        return json_answer(body, 201 if Quirk.CREATED_TOKENS in quirks else 200)


def granted(client: OAuthClient, wish: str) -> tuple[str, ...]:
    """Return the scopes that a client gets: its own if none are wished for, those that exist of those it may have.

    :raises RefusedError: for one that exists, and isn't the client's.
    """
    wished = tuple(scope for scope in wish.split() if scope in SCOPES)
    if client.scopes and not set(wished) <= set(client.scopes):
        raise refused("invalid_scope")
    return wished or (() if wish.split() else client.scopes or ("read",))


def _seconds(fields: dict[str, str], name: str, lives: tuple[int, int]) -> int | None:
    """Read a life that is asked for; one out of bounds is refused (assumed)."""
    text = fields.get(name)
    if text is None:
        return None
    if not text.isdecimal() or not lives[0] <= int(text) <= lives[1]:
        raise refused("invalid_request")
    return int(text)
