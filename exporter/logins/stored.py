"""A stored login as credentials: its token, renewed ahead of its end.

A refresh token is good for one use, and the account forgets it before its answer is on the way. So a renewal runs in a
process of its own (`renewing`), which no signal and no kill that is meant for an export reaches: it asks, writes, syncs
and renames. The export reads the new token from the store then, as every other run of the same login does.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import anyio
from anyio import to_thread

from exporter.account import Account, Secret, ahead
from exporter.errors import AuthError, ExportError, NetworkError, OutputError
from exporter.logins.store import Profile, Secrets, Store, open_store

ERRORS: dict[str, type[ExportError]] = {"auth": AuthError, "network": NetworkError, "output": OutputError}
"""What a renewal may end with."""


class StoredLogin:
    """Credentials out of a store.

    :param account: whose they are; secrets are made known to its `hiding` before they are sent.
    :param ca_file: authorities to trust, in place of the system's.
    """

    def __init__(self, store: Store, profile: Profile, account: Account, ca_file: str | None = None) -> None:
        self._store = store
        self.profile = profile
        self._ca_file = ca_file
        self._secrets = store.secrets(profile)
        self._hiding = account.hiding
        self._proxy = account.proxy
        self._one = anyio.Lock()

    def __repr__(self) -> str:
        return f"StoredLogin({self._store.name!r})"

    async def token(self) -> Secret:
        """Return an access token that lives, renewed if its end is near.

        :raises AuthError, NetworkError, OutputError: if there is none to be had.
        """
        if not fresh(self._secrets):
            async with self._one:
                if not fresh(self._secrets):  # nobody has renewed it while we waited
                    await self._renew(None)
        return Secret(self._secrets.access_token or "")

    async def renewed(self, spent: Secret) -> Secret:
        """Return another token than the one that was just refused.

        :raises AuthError, NetworkError, OutputError: if there is none to be had.
        """
        async with self._one:
            if self._secrets.access_token == spent.reveal():
                await self._renew(spent)
        return Secret(self._secrets.access_token or "")

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown."""
        return self._secrets.texts()

    async def _renew(self, spent: Secret | None) -> None:
        """Take the token that another run may have left in the store, or have one made there."""
        await to_thread.run_sync(self._read)
        if fresh(self._secrets) and (spent is None or self._secrets.access_token != spent.reveal()):
            return
        order = {
            "folder": os.fspath(self._store.folder),
            "name": self._store.name,
            "ca_file": self._ca_file,
            "proxy": self._proxy,
            "spent": None if spent is None else fingerprint(spent.reveal()),
        }
        answer = await to_thread.run_sync(_have_renewed, order, abandon_on_cancel=True)
        if answer["error"]:
            raise ERRORS.get(answer["error"], NetworkError)(answer["what"], hint=answer["hint"])
        await to_thread.run_sync(self._read)

    def _read(self) -> None:
        self.profile = self._store.profile() or self.profile
        self._secrets = self._store.secrets(self.profile)
        self._hiding.know(*self._secrets.texts())


def fresh(secrets: Secrets) -> bool:
    """Tell whether the access token has a while to live."""
    return bool(secrets.access_token) and time.time() < secrets.dies - ahead(secrets.life)


def fingerprint(token: str) -> str:
    """Return what tells one token from another, and tells no token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _have_renewed(order: dict[str, str | None]) -> dict[str, str]:
    """Run a renewal to its end, in a session of its own: a Ctrl-C at the terminal goes to the export alone."""
    command = [sys.executable, "-P", "-m", "exporter.logins.renewing"]  # -P: nothing of the folder we are in
    with subprocess.Popen(  # noqa: S603 (ourselves, with no word of anybody else's)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as process:
        said, _ = process.communicate(json.dumps(order).encode())
    try:
        answer: dict[str, str] = json.loads(said)
    except ValueError:
        return {"error": "network", "what": "the login could not be renewed: its process ended", "hint": ""}
    return answer


def find_login(account: Account, ca_file: str | None = None, folder: Path | None = None) -> StoredLogin | None:
    """Return the login that is stored for an account; None if there is none.

    :raises UsageError, OutputError: if there is one that can't be read.
    """
    store = open_store(account.name, folder)
    profile = store.profile()
    if profile is None or profile.origin != account.origin:  # a secret goes nowhere but to whom it belongs
        return None
    return StoredLogin(store, profile, account, ca_file)
