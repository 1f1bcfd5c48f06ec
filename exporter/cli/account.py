"""The account a command line names, with the credentials it points at."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

from exporter.account import LONGEST, Account, load_account, load_authorities, parse_origin
from exporter.cli.clean import clean
from exporter.cli.say import say
from exporter.errors import UsageError
from exporter.logins import find_login

TOKENS = ("ZENDESK_OAUTH_TOKEN", "ZENDESK_API_TOKEN")
"""Variables that say what to use: a stored login is for where none is set."""
READ = 2 * LONGEST
"""Bytes that are read for a token: a name like /dev/zero has no end."""


def account_from(args: argparse.Namespace) -> Account:
    """Read the account and its credentials: those of a flag, else of the environment, else a stored login.

    :raises UsageError: if the address makes no sense, or credentials are missing or can't be read.
    """
    token = None if args.token_file is None else read_secret(args.token_file)
    if token is None and not any(os.environ.get(name) for name in TOKENS):
        bare = Account(parse_origin(args.account), tls=load_authorities(args.ca_file))
        login = find_login(bare, args.ca_file)
        if login is not None:
            return replace(bare, credentials=login)
    return load_account(args.account, token=token, ca_file=args.ca_file)


def read_secret(name: str, what: str = "token") -> str:
    """Read a secret from a file, or from stdin for `-`.

    :raises UsageError: if it can't be read.
    """
    if name == "-":
        if sys.stdin is None:
            raise UsageError(f"the {what} can't be read from stdin: it is closed")
        return _text(sys.stdin.buffer.readline(READ))
    try:
        with Path(name).open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):  # of what is read, whatever its name
                say(f"zexport: others can read {clean(name)}: chmod 600 it")
            return _text(file.read(READ))
    except (OSError, ValueError) as exc:  # the latter for a name with a NUL
        # Without its name: somebody may have given the token itself.
        raise UsageError(f"the {what} file can't be read ({getattr(exc, 'strerror', None) or 'no such name'})") from exc


def _text(token: bytes) -> str:
    """Leave it to `Secret` what a token may hold: any byte is a character, and those beyond ASCII are none of its."""
    return token.decode("latin-1")
