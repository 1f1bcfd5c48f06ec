"""What a login leaves on this machine: for each account a profile, and its secrets in one place.

`acme.toml` says who logs in and how, for people to read; `acme.secret`, 0600, holds what must not be shown, unless the
system's keyring does; `acme.lock` is locked (`flock`) by whoever renews: the lock ends with its process.
"""

from __future__ import annotations

import fcntl
import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from exporter.disk import check_owner, make_folder, sync_folder, translated
from exporter.errors import OutputError, UsageError
from exporter.logins import keyrings

RESERVED = 16_384
"""Bytes that are kept ready for secrets before a token is renewed: two JWTs and a secret, thrice."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Who logs in to an account, and how.

    :param client: the identifier of the OAuth client.
    :param browser: logged in by a browser, with a refresh token; else the client's own credentials are used.
    :param place: where the secrets are: `file` or `keyring`.
    """

    origin: str
    client: str
    browser: bool
    scope: str = ""
    place: str = "file"


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """What must not be shown. Times are unix seconds.

    :param dies: when the access token ends; `life` is what it had.
    """

    client_secret: str | None = None
    refresh_token: str | None = None
    access_token: str | None = None
    dies: float = 0.0
    life: float = 0.0

    def texts(self) -> tuple[str, ...]:
        """Return the secrets themselves."""
        return tuple(filter(None, (self.access_token, self.refresh_token, self.client_secret)))


class Store:
    """The profile of one account. Made by `open_store`.

    :param folder: where settings are; it needs not be there.
    :param name: the short name of the account.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder
        self.profile_path = folder / f"{name}.toml"
        self._secret_path = folder / f"{name}.secret"

    def profile(self) -> Profile | None:
        """Read the profile; None if nobody has logged in.

        :raises UsageError: if it can't be read.
        """
        try:
            said = tomllib.loads(self.profile_path.read_text("utf-8"))
            browser, place = said["login"] == "browser", str(said["secrets"])
            return Profile(said["origin"], said["client_id"], browser, str(said.get("scope", "")), place)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as exc:
            raise UsageError(
                f"the stored login in {self.profile_path} can't be read", hint=f"Run zexport login {self.name}."
            ) from exc

    def secrets(self, profile: Profile) -> Secrets:
        """Read the secrets; empty if they are gone.

        :raises OutputError: if they are in a file of somebody else's, or can't be read.
        """
        if profile.place == "keyring":
            text = keyrings.read(self.name)
        else:
            try:
                with translated(self._secret_path):
                    check_owner(self._secret_path)
                    text = self._secret_path.read_text("utf-8")
            except OutputError:
                if self._secret_path.exists():
                    raise
                text = None
        try:
            return Secrets(**json.loads(text)) if text else Secrets()
        except (ValueError, TypeError):  # cut or overwritten: as good as gone, and a login mends it
            return Secrets()

    def describe(self, profile: Profile) -> str:
        """Say where the secrets are."""
        return keyrings.describe() if profile.place == "keyring" else str(self._secret_path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from renewing; wait until none does.

        :raises OutputError: if there can be no lock.
        """
        make_folder(self.folder)
        path = self.folder / f"{self.name}.lock"
        with translated(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            with translated(path):
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    @contextmanager
    def reserved(self) -> Iterator[Path]:
        """Have room for new secrets on the disk, before the old ones are given away; for `write`.

        :raises OutputError: if there is none: nothing was asked for then.
        """
        path = self._secret_path.with_suffix(".new")
        try:
            with translated(path):
                path.unlink(missing_ok=True)
                fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
                with os.fdopen(fd, "wb") as file:
                    file.write(b" " * RESERVED)
                    file.flush()
                    os.fsync(fd)
            yield path
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def write(self, secrets: Secrets, profile: Profile, room: Path) -> None:
        """Keep secrets, durably, in place of the old ones. In a file where the keyring won't have them.

        :param room: what `reserved` gave.
        :raises OutputError: if the disk refuses.
        """
        text = json.dumps(asdict(secrets), separators=(",", ":"))
        if profile.place == "keyring":
            if keyrings.write(self.name, text):
                return
            self._write_file(text, room)
            self._write_profile(replace(profile, place="file"))
            keyrings.delete(self.name)
            return
        self._write_file(text, room)

    def save(self, profile: Profile, secrets: Secrets) -> Profile:
        """Keep a new login, in the keyring if there is one that works, else in a file; return where.

        :raises OutputError: if neither can be.
        """
        with self.locked(), self.reserved() as room:
            text = json.dumps(asdict(secrets), separators=(",", ":"))
            kept = replace(profile, place="keyring" if keyrings.write(self.name, text) else "file")
            if kept.place == "file":
                self._write_file(text, room)
            self._write_profile(kept)
            if kept.place == "keyring":
                self._secret_path.unlink(missing_ok=True)
            return kept

    def forget(self) -> None:
        """Remove the login from this machine."""
        with self.locked(), translated(self.profile_path):
            self._secret_path.unlink(missing_ok=True)
            self.profile_path.unlink(missing_ok=True)
            sync_folder(self.folder)
        keyrings.delete(self.name)

    def _write_file(self, text: str, room: Path) -> None:
        """Write over the room that is there, so that a disk which is full by now is no matter."""
        with translated(self._secret_path):
            with room.open("r+b") as file:
                file.write(text.encode().ljust(RESERVED))  # blanks are no part of JSON
                file.flush()
                os.fsync(file.fileno())
            room.replace(self._secret_path)
        sync_folder(self.folder)

    def _write_profile(self, profile: Profile) -> None:
        fields = {
            "origin": profile.origin,
            "client_id": profile.client,
            "login": "browser" if profile.browser else "client_credentials",
            "scope": profile.scope,
            "secrets": profile.place,
        }
        # A JSON text is a basic string of TOML, too, as long as nothing but ASCII's controls is escaped.
        lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in fields.items()]
        new = self.profile_path.with_suffix(".toml.new")
        with translated(new):
            new.unlink(missing_ok=True)
            fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(f"# Written by zexport login {self.name}. No secret is in here.\n{''.join(lines)}")
                file.flush()
                os.fsync(fd)
            new.replace(self.profile_path)
        sync_folder(self.folder)


def open_store(name: str, folder: Path | None = None) -> Store:
    """Return the store of an account, by its short name; in the folder for settings that the system has."""
    return Store(folder or settings_folder(), name)


def settings_folder() -> Path:
    """Return where settings are: `$XDG_CONFIG_HOME/zexport`, or what the system has for it."""
    from platformdirs import user_config_path  # only who has a login, or wants one, pays for it

    return user_config_path("zexport", appauthor=False)
