"""A renewal in a process of its own: `python -m exporter.logins.renewing`, with an order as JSON on its stdin.

Tokens go neither in nor out: they are read from the store, and the new ones are there before anybody is told.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import anyio

from exporter.account import Account, load_authorities
from exporter.errors import AuthError, ExportError
from exporter.logins.store import Profile, Secrets, Store, open_store
from exporter.logins.stored import ERRORS, fingerprint, fresh
from exporter.logins.tokens import RefusedGrant, ask_for_token, kept


def main() -> None:
    """Renew what the order names, unless somebody has; answer in a line, if anybody still listens."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)  # the old token may be gone by now: nothing ends this half-way
    order = json.load(sys.stdin)
    try:
        renew(open_store(order["name"], Path(order["folder"])), order["spent"], order["ca_file"], order["proxy"])
        answer = {"error": "", "what": "", "hint": ""}
    except ExportError as exc:
        error = next((name for name, kind in ERRORS.items() if isinstance(exc, kind)), "network")
        answer = {"error": error, "what": str(exc), "hint": exc.hint}
    with suppress(OSError):
        os.write(1, json.dumps(answer).encode())


def renew(store: Store, spent: str | None, ca_file: str | None, proxy: str | None) -> None:
    """Put a new token into the store, unless there is one by now that lives.

    :param spent: the fingerprint of the token that was refused.
    :raises AuthError, NetworkError, OutputError: if there is none to be had, or no place for it.
    """
    again = f"Run zexport login {store.name}; an export goes on then, by the same command, from where it is."
    with store.locked():
        profile = store.profile()
        if profile is None:
            raise AuthError(f"the login for {store.name} is gone from this machine", hint=again)
        secrets = store.secrets(profile)
        if fresh(secrets) and fingerprint(secrets.access_token or "") != spent:
            return
        if not (secrets.refresh_token if profile.browser else secrets.client_secret):
            raise AuthError(f"the secrets of the login for {store.name} are gone from this machine", hint=again)
        with store.reserved() as room:
            account = Account(profile.origin, tls=load_authorities(ca_file), proxy=proxy)
            try:
                new = anyio.run(_asked, account, profile, secrets)
            except RefusedGrant as exc:
                raise AuthError(f"the login for {store.name} can't be renewed: {exc}", hint=again) from exc
            store.write(new, profile, room)


async def _asked(account: Account, profile: Profile, secrets: Secrets) -> Secrets:
    fields: dict[str, str | None] = {"client_id": profile.client, "client_secret": secrets.client_secret}
    if profile.browser:
        fields |= {"grant_type": "refresh_token", "refresh_token": secrets.refresh_token}
    else:
        fields |= {"grant_type": "client_credentials", "scope": profile.scope or None}
    return kept(await ask_for_token(account, fields), secrets)


if __name__ == "__main__":
    main()
