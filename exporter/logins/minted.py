"""Credentials whose token comes from outside whenever one is needed: a grant, a file that is read again, a command."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import inf

import anyio
from anyio import to_thread

from exporter.account import LONGEST, Account, Hiding, Secret, Token, ahead, bearer
from exporter.errors import AuthError, UsageError
from exporter.logins.tokens import DELAYS, PATIENT, RefusedGrant, ask_for_token

COMMAND_TIME = 60.0
"""Seconds for a command that prints a token: a vault answers within a few, a person that is asked never does."""

WRITING = 6
"""Half seconds that a token file may be empty or gone in mid-run: whoever writes it anew may be doing so just now."""

MENDS = {
    "invalid_client": "Check identifier and secret: Admin Center > Apps and integrations > APIs > OAuth clients.",
    "unauthorized_client": "Make a confidential client, or log in by a browser: zexport login.",
    "invalid_scope": "Leave ZENDESK_OAUTH_SCOPE out, or allow the client this scope in Admin Center.",
}
"""What to do about a refusal of client credentials."""


@dataclass(frozen=True, slots=True)
class _Held:
    token: Secret
    renew_at: float
    dies: float


class MintedToken:
    """A token that is fetched when it is first needed, again ahead of its end, and again once it is refused.

    One fetch at a time. While one is made ahead of the end, all others go on with the token that still lives. Nothing
    is lost if it is cancelled, for none of these sources forgets the old token: whoever comes next fetches.

    :param fetch: returns a token, told whether there was one before; its errors are for the person.
    :param source: where it comes from, in words without a secret.
    :param secrets: what must not be shown, besides the tokens.
    :param clock: seconds that only go up; tokens' lives are counted by it.
    """

    def __init__(
        self,
        fetch: Callable[[bool], Awaitable[Token]],
        source: str,
        hiding: Hiding,
        secrets: tuple[str, ...] = (),
        *,
        first: Secret | None = None,
        clock: Callable[[], float] = anyio.current_time,
    ) -> None:
        self._fetch = fetch
        self.source = source
        self._hiding = hiding
        self._secrets = secrets
        self._clock = clock
        self._held = None if first is None else _Held(first, inf, inf)
        self._one = anyio.Lock()

    def __repr__(self) -> str:
        return f"MintedToken({self.source!r})"

    async def token(self) -> Secret:
        """Return an access token that lives, renewed if its end is near.

        :raises AuthError, NetworkError: if there is none to be had.
        """
        now, held = self._clock(), self._held
        if held is not None and (now < held.renew_at or (now < held.dies and self._one.locked())):
            return held.token
        async with self._one:
            if self._held is held:  # nobody has renewed it while we waited
                return await self._renew()
            assert self._held is not None
            return self._held.token

    async def renewed(self, spent: Secret) -> Secret:
        """Return another token than the one that was just refused.

        :raises AuthError, NetworkError: if there is none to be had.
        """
        async with self._one:
            if self._held is not None and self._held.token.reveal() != spent.reveal():
                return self._held.token
            token = await self._renew()
            if token.reveal() == spent.reveal():
                raise AuthError(f"the token of {self.source} is refused: it has expired, is revoked or wrong")
            return token

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown."""
        return (*self._secrets, *(() if self._held is None else (self._held.token.reveal(),)))

    async def _renew(self) -> Secret:
        asked = self._clock()  # its life began no earlier than we asked
        got = await self._fetch(self._held is not None)
        self._hiding.know(got.access.reveal())
        self._held = _Held(got.access, asked + got.life - ahead(got.life), asked + got.life)
        return got.access


def by_client(account: Account, client: str, secret: Secret, scope: str | None, source: str) -> MintedToken:
    """Mint tokens by an OAuth client's identifier and secret; nothing is stored, and nothing rotates."""

    async def fetch(again: bool) -> Token:
        fields = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": secret.reveal(),
            "scope": scope,
        }
        try:
            return await ask_for_token(account, fields, delays=PATIENT if again else DELAYS)
        except RefusedGrant as exc:
            hint = MENDS.get(exc.code, "Check the OAuth client in Admin Center.")
            raise AuthError(f"{source} gets no token: {exc}", hint=hint) from exc

    return MintedToken(fetch, source, account.hiding, (secret.reveal(),))


def by_file(account: Account, read: Callable[[], str]) -> MintedToken:
    """Take the token of a file, and read it again once that is refused.

    :param read: returns what stands there.
    :raises UsageError: if no token stands there now.
    """

    async def fetch(_: bool) -> Token:
        for _turn in range(WRITING):
            with suppress(UsageError):
                return _endless(bearer(await to_thread.run_sync(read)))
            await anyio.sleep(0.5)
        return _endless(bearer(await to_thread.run_sync(read)))

    return MintedToken(fetch, "--token-file", account.hiding, first=bearer(read()))


def by_command(account: Account, command: str) -> MintedToken:
    """Take the token that a command prints, and run it again once that is refused.

    :raises UsageError: if that is no command.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if not words:
        raise UsageError("--token-command is no command")

    async def fetch(_: bool) -> Token:
        return _endless(bearer(await to_thread.run_sync(_printed, words, abandon_on_cancel=True)))

    return MintedToken(fetch, "--token-command", account.hiding)


def by_environment(account: Account, environ: Mapping[str, str]) -> MintedToken | None:
    """Return client credentials out of the environment; None if it holds none.

    :raises UsageError: if there is one without the other.
    """
    names = [("ZENDESK_OAUTH_CLIENT_ID", "ZENDESK_OAUTH_CLIENT_SECRET"), ("ZENDESK_CLIENT_ID", "ZENDESK_CLIENT_SECRET")]
    for identifier, key in names:
        client, secret = environ.get(identifier, "").strip(), environ.get(key, "").strip()
        if bool(client) != bool(secret):
            there, missing = (identifier, key) if client else (key, identifier)
            raise UsageError(f"{there} is set, but not {missing}", hint="Client credentials are both together.")
        if client:
            scope = environ.get("ZENDESK_OAUTH_SCOPE", "").strip() or None
            return by_client(account, client, Secret(secret), scope, f"the OAuth client in {identifier}")
    return None


def _endless(token: Secret) -> Token:
    """Nobody says how long such a token lives: a refusal will."""
    return Token(token, inf, inf)


def _printed(words: list[str]) -> str:
    """Run a command; its words of error go where ours go."""
    try:
        done = subprocess.run(  # noqa: S603 (what the person told us to run)
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=COMMAND_TIME, check=False
        )
    except subprocess.TimeoutExpired:
        why = f"takes more than {COMMAND_TIME:.0f} s"
    except OSError as exc:
        why = f"can't be run ({exc.strerror})"
    else:
        if not done.returncode:
            return done.stdout[: 2 * LONGEST].decode("latin-1")
        why = f"ended with {done.returncode}"
    raise AuthError(f"--token-command {why}", hint="Try it by itself: it has to print a token, and nothing else.")
