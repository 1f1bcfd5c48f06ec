"""Whom to ask, and who asks: the address of an account, and its credentials.

May touch: the environment and the files that the person named, and the words. Promises: no secret has a printable form;
credentials belong to one origin, and plain HTTP is for loopback alone (P9).
"""

from __future__ import annotations

from exporter.account.credentials import (
    LONGEST,
    Account,
    ApiToken,
    OAuthToken,
    Secret,
    bearer,
    load_account,
    load_authorities,
    parse_origin,
)
from exporter.account.hiding import WORDS, Hiding
from exporter.account.proxies import Proxy, find_proxy
from exporter.account.tokens import ASKED_LIFE, ASKED_REFRESH_LIFE, Renewing, Token, ahead, read_token

__all__ = [
    "ASKED_LIFE",
    "ASKED_REFRESH_LIFE",
    "LONGEST",
    "WORDS",
    "Account",
    "ApiToken",
    "Hiding",
    "OAuthToken",
    "Proxy",
    "Renewing",
    "Secret",
    "Token",
    "ahead",
    "bearer",
    "find_proxy",
    "load_account",
    "load_authorities",
    "parse_origin",
    "read_token",
]
