"""`POST /oauth/tokens`: one grant, asked for again while that may help, and its refusals in words."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count

import anyio

from exporter.account import ASKED_LIFE, ASKED_REFRESH_LIFE, Account, Token, read_token
from exporter.api import Response, open_connection
from exporter.errors import AuthError, ContractError, ExportError, NetworkError
from exporter.logins.store import Secrets

PATH = "/oauth/tokens"
PATIENCE = 60.0
"""Seconds for one try, at most half of that for its answer."""
DELAYS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries: a grant that is asked for again does no harm, for a spent one is only refused."""
PATIENT = (*DELAYS, *(30.0,) * 29)
"""The same in mid-run: as long as the default patience, 15 minutes."""
LONGEST_WAIT = 60.0
"""Seconds of `Retry-After` that are waited for."""

WORDS = {
    "invalid_client": "the account does not know this OAuth client, or its secret is another",
    "invalid_grant": "the login has ended: what it was renewed with is spent, revoked or too old",
    "unauthorized_client": "this OAuth client is public: client credentials are for confidential ones",
    "invalid_scope": "the OAuth client may not have this scope",
    "unsupported_grant_type": "the account does not take this kind of login",
    "invalid_request": "the account does not understand the login",
}
"""What the codes of RFC 6749 mean to a person."""


class RefusedGrant(AuthError):
    """The account refuses to give a token; `code` is its own word for why."""

    def __init__(self, code: str, *, lost: bool) -> None:
        what = WORDS.get(code, "the account refuses to give a token")
        before = "; an answer before this one was lost on the way, and may have held a new one" if lost else ""
        super().__init__(f"{what} ({code}){before}", hint="")
        self.code = code


async def ask_for_token(
    account: Account, fields: Mapping[str, str | None], *, delays: Sequence[float] = DELAYS
) -> Token:
    """Ask for a token, with the lives that are longest.

    :param fields: of the grant; those that are None are left out.
    :param delays: seconds between tries.
    :raises RefusedGrant: if there is none to be had, by the account's own word.
    :raises NetworkError, ContractError: if it could not be asked, or the answer holds none.
    """
    sent: dict[str, str | int] = {name: value for name, value in fields.items() if value is not None}
    sent["expires_in"] = ASKED_LIFE  # an answer may leave out what was not asked for (reported)
    if fields["grant_type"] != "client_credentials":
        sent["refresh_token_expires_in"] = ASKED_REFRESH_LIFE  # else a new one has the default again
    lost = False
    async with open_connection(replace(account, credentials=None), patience=PATIENCE) as connection:
        for turn in count():
            came = await connection.send("POST", PATH, content=sent)
            if came.status in (200, 201) and came.failure is None:
                try:
                    return read_token(came.body)
                except ValueError:
                    why: ExportError = ContractError("the account's answer to a login holds no token", hint="")
            elif 400 <= came.status < 500 and came.status != 429:
                raise RefusedGrant(_code(came), lost=lost)
            elif isinstance(error := getattr(came.failure, "error", None), ExportError):
                raise error  # a certificate, say: no try changes it
            else:
                why = NetworkError(f"no token to be had: {_failure(came)}", hint="Run the same command again.")
            lost = lost or came.status in (0, 200, 201)
            if turn == len(delays):
                raise why
            await anyio.sleep(max(delays[turn], _retry_after(came)))
    raise AssertionError("tries have an end")


def _code(came: Response) -> str:
    """Return the account's word, of those that are known: anything else it says is not repeated."""
    try:
        code = json.loads(came.body)["error"]
    except (ValueError, KeyError, TypeError):
        code = None
    return code if isinstance(code, str) and code in WORDS else f"HTTP {came.status}"


def _failure(came: Response) -> str:
    return str(getattr(came.failure, "why", None) or f"HTTP {came.status}")


def _retry_after(came: Response) -> float:
    text = came.headers.get("Retry-After", "")
    return min(float(text), LONGEST_WAIT) if text.isascii() and text.isdecimal() and len(text) < 9 else 0.0


def kept(token: Token, before: Secrets) -> Secrets:
    """Return what a store keeps of a token; a refresh token that no new one came for stays."""
    refresh = token.refresh.reveal() if token.refresh else before.refresh_token
    return replace(before, access_token=token.access.reveal(), refresh_token=refresh, dies=token.dies, life=token.life)
