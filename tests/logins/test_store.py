"""What a login leaves on this machine: one place for secrets, whole files, and none of somebody else's."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporter.account import Account
from exporter.errors import OutputError, UsageError
from exporter.logins import Profile, Secrets, Store, find_login, keyrings, open_store

PROFILE = Profile("https://acme.zendesk.com", 'de"sk\\', browser=True, scope="read é")
SECRETS = Secrets("hush", "r3fresh", "acc3ss", 2_000.0, 1_800.0)


class Keyring:
    """A keyring in memory; `broken` takes nothing."""

    name = "memory"

    def __init__(self, *, broken: bool = False) -> None:
        self.kept: dict[str, str] = {}
        self.broken = broken

    def get_password(self, _: str, name: str) -> str | None:
        return self.kept.get(name)

    def set_password(self, _: str, name: str, text: str) -> None:
        if self.broken:
            raise RuntimeError("locked")
        self.kept[name] = text

    def delete_password(self, _: str, name: str) -> None:
        del self.kept[name]


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Keyring:
    keyring = Keyring()
    monkeypatch.setattr(keyrings, "_backend", lambda: keyring)
    return keyring


@pytest.fixture
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyrings, "_backend", lambda: None)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store("acme", tmp_path / "settings")


def everything(store: Store) -> bytes:
    return b"".join(path.read_bytes() for path in store.folder.iterdir())


@pytest.mark.usefixtures("no_keyring")
def test_without_a_keyring_secrets_are_in_a_file_that_only_we_can_read(store: Store) -> None:
    assert store.profile() is None
    saved = store.save(PROFILE, SECRETS)
    assert (store.profile(), store.secrets(saved)) == (replace(PROFILE, place="file"), SECRETS)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in store.folder.iterdir())
    assert b"hush" not in store.profile_path.read_bytes()
    store.forget()
    assert [path.name for path in store.folder.iterdir()] == ["acme.lock"]


def test_with_a_keyring_they_are_there_and_in_no_file(store: Store, keyring: Keyring) -> None:
    saved = store.save(PROFILE, SECRETS)
    assert saved.place == "keyring"
    assert store.secrets(saved) == SECRETS
    assert "memory" in store.describe(saved)
    assert not any(secret in everything(store) for secret in (b"hush", b"r3fresh", b"acc3ss"))
    with store.locked(), store.reserved() as room:
        store.write(replace(SECRETS, access_token="n3w"), saved, room)
    assert b"n3w" not in everything(store)
    assert store.secrets(saved).access_token == "n3w"
    store.forget()
    assert keyring.kept == {}


def test_a_keyring_that_takes_no_more_loses_nothing(store: Store, keyring: Keyring) -> None:
    saved = store.save(PROFILE, SECRETS)
    keyring.broken = True
    with store.locked(), store.reserved() as room:
        store.write(replace(SECRETS, refresh_token="n3w"), saved, room)
    now = store.profile()
    assert now is not None
    assert (now.place, store.secrets(now).refresh_token) == ("file", "n3w")
    assert keyring.kept == {}


@pytest.mark.usefixtures("no_keyring")
def test_a_login_in_a_keyring_takes_the_place_of_one_in_a_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save(PROFILE, SECRETS)
    memory = Keyring()
    monkeypatch.setattr(keyrings, "_backend", lambda: memory)
    store.save(PROFILE, SECRETS)
    assert b"hush" not in everything(store)


@pytest.mark.usefixtures("no_keyring")
def test_a_full_disk_is_noticed_before_anything_is_asked_for(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = store.save(PROFILE, SECRETS)

    def full(_: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"), store.locked(), store.reserved():
        raise AssertionError("asked for a token without a place for it")
    monkeypatch.undo()
    assert store.secrets(saved) == SECRETS
    assert not list(store.folder.glob("*.new"))


@pytest.mark.usefixtures("no_keyring")
@pytest.mark.parametrize("content", ["", "{", "[]", '{"unknown": 1}', "\x00"])
def test_secrets_that_are_no_more_are_as_good_as_gone(store: Store, content: str) -> None:
    saved = store.save(PROFILE, SECRETS)
    (store.folder / "acme.secret").write_text(content)
    assert store.secrets(saved) == Secrets()


@pytest.mark.parametrize("content", ["", "origin = 1", "[", "\x00", 'origin = "https://a"'])
def test_a_profile_that_is_none_names_the_command_that_mends_it(store: Store, content: str) -> None:
    store.folder.mkdir()
    store.profile_path.write_text(content)
    with pytest.raises(UsageError, match="can't be read") as caught:
        store.profile()
    assert "zexport login acme" in caught.value.hint


@pytest.mark.usefixtures("no_keyring")
def test_a_login_goes_to_its_own_account_alone(store: Store) -> None:
    store.save(PROFILE, SECRETS)
    assert find_login(Account("https://acme.zendesk.com"), folder=store.folder) is not None
    store.save(replace(PROFILE, origin="https://acme.example"), SECRETS)
    assert find_login(Account("https://acme.zendesk.com"), folder=store.folder) is None


def test_secrets_are_not_shown() -> None:
    shown: list[Any] = [repr(SECRETS), str(SECRETS)]
    assert not any(secret in text for text in shown for secret in SECRETS.texts())
