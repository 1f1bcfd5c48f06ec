"""The account that a person or a program means, with the best credentials there are for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from exporter.account import Account, load_authorities, parse_origin
from exporter.account import load_account as load_with_token
from exporter.errors import UsageError
from exporter.logins.minted import by_environment
from exporter.logins.stored import find_login

TOKENS = ("ZENDESK_OAUTH_TOKEN", "ZENDESK_API_TOKEN")
"""Variables that hold a token: they go before an OAuth client, and that before a stored login, as in Zendesk's zcli."""


def load_account(
    text: str | None,
    environ: Mapping[str, str] = os.environ,
    *,
    token: str | None = None,
    ca_file: str | None = None,
) -> Account:
    """Read an account's address, and find its credentials.

    A token in the environment (`ZENDESK_OAUTH_TOKEN`, then `ZENDESK_EMAIL` and `ZENDESK_API_TOKEN`), else an OAuth
    client there (`ZENDESK_OAUTH_CLIENT_ID` and `ZENDESK_OAUTH_CLIENT_SECRET`), else a login that is stored. A sandbox
    on loopback needs none.

    :param text: None takes `ZENDESK_SUBDOMAIN`.
    :param token: a token from elsewhere: an API token if `ZENDESK_EMAIL` is set, else an OAuth access token.
    :param ca_file: certificates of authorities (PEM), in place of the system's.
    :raises UsageError: if the address makes no sense, credentials are missing, or the file can't be read.
    """
    origin = origin_of(text, environ)
    if token is None and not any(environ.get(name) for name in TOKENS):
        bare = Account(origin, tls=load_authorities(ca_file))
        found = by_environment(bare, environ) or find_login(bare, ca_file)
        if found is not None:
            return replace(bare, credentials=found)
    return load_with_token(origin, environ, token=token, ca_file=ca_file)


def origin_of(text: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Read which account is meant; None takes `ZENDESK_SUBDOMAIN`.

    :raises UsageError: if none is, or its address makes no sense.
    """
    text = environ.get("ZENDESK_SUBDOMAIN", "") if text is None else text
    if not text:
        raise UsageError("no account is named", hint="Name it as zexport run acme does, or set ZENDESK_SUBDOMAIN.")
    return parse_origin(text)


def several_kinds(environ: Mapping[str, str]) -> str:
    """Say which of several kinds of credentials is used; nothing where there is one."""
    kinds = [*TOKENS, "ZENDESK_OAUTH_CLIENT_ID", "ZENDESK_CLIENT_ID"]
    there = [name for name in kinds if environ.get(name)]
    return f"{' and '.join(there)} are set: {there[0]} is used" if len(there) > 1 else ""
