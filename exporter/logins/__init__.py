"""Logins that were stored: profiles, their secrets, and tokens that are renewed out of them.

May touch: the person's folder of settings, the system's keyring, and the account through `api`. Promises: a renewed
pair is on the disk before it is used; one renewal at a time across processes; no kill of an export interrupts one;
secrets stand in one place, and nowhere else.
"""

from __future__ import annotations

from exporter.logins.browser import PORTS, Browsing, landing, redirect_url
from exporter.logins.loading import load_account, origin_of, several_kinds
from exporter.logins.minted import MintedToken, by_client, by_command, by_environment, by_file
from exporter.logins.proof import Proof, prove, revoke
from exporter.logins.store import Profile, Secrets, Store, open_store
from exporter.logins.stored import StoredLogin, find_login
from exporter.logins.tokens import RefusedGrant, ask_for_token, kept

__all__ = [
    "PORTS",
    "Browsing",
    "MintedToken",
    "Profile",
    "Proof",
    "RefusedGrant",
    "Secrets",
    "Store",
    "StoredLogin",
    "ask_for_token",
    "by_client",
    "by_command",
    "by_environment",
    "by_file",
    "find_login",
    "kept",
    "landing",
    "load_account",
    "open_store",
    "origin_of",
    "prove",
    "redirect_url",
    "revoke",
    "several_kinds",
]
