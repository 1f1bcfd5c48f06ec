"""Whom to ask, and who asks: the address of an account, and its credentials.

May touch: the environment and the files that the person named, and the words. Promises: no secret has a printable form;
credentials belong to one origin, and plain HTTP is for loopback alone (P9).
"""

from __future__ import annotations

from exporter.account.credentials import LONGEST, Account, ApiToken, OAuthToken, Secret, load_account
from exporter.account.hiding import WORDS, Hiding

__all__ = [
    "LONGEST",
    "WORDS",
    "Account",
    "ApiToken",
    "Hiding",
    "OAuthToken",
    "Secret",
    "load_account",
]
