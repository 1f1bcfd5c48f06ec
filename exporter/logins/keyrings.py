"""The system's keyring, where there is one that works: an extra (`pip install zexport[keyring]`)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

SERVICE = "zexport"


def _backend() -> Any:
    """Return the keyring; None where none is installed, or nothing is behind it."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        return None
    try:
        backend = keyring.get_keyring()
        return None if isinstance(backend, fail.Keyring | null.Keyring) or backend.priority <= 0 else backend
    except Exception:  # noqa: BLE001 (backends raise whatever their system does: there is none that works)
        return None


def read(name: str) -> str | None:
    """Return what is kept for a name; None if nothing is, or the keyring won't say."""
    backend = _backend()
    with suppress(Exception):
        return None if backend is None else backend.get_password(SERVICE, name)
    return None


def write(name: str, text: str) -> bool:
    """Keep a text, and read it back; False if there is no keyring that does."""
    backend = _backend()
    if backend is None:
        return False
    with suppress(Exception):
        backend.set_password(SERVICE, name, text)
        return bool(backend.get_password(SERVICE, name) == text)
    return False


def delete(name: str) -> None:
    """Forget what is kept for a name."""
    backend = _backend()
    if backend is not None:
        with suppress(Exception):
            backend.delete_password(SERVICE, name)


def describe() -> str:
    """Name the keyring for a person."""
    return f"the keyring ({getattr(_backend(), 'name', 'gone')})"
