"""Whose certificates are trusted."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from exporter.account import load_authorities


def test_an_authority_that_was_named_need_not_say_what_its_key_is_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = ssl.create_default_context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 makes them
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile: strict)
    context = load_authorities(tmp_path / "ca.pem")
    assert context is not None
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
