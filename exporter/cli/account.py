"""The account a command line names, with the credentials it points at."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from pathlib import Path

from exporter.account import LONGEST, Account, load_account
from exporter.cli.clean import clean
from exporter.cli.say import say
from exporter.errors import UsageError

READ = 2 * LONGEST
"""Bytes that are read for a token: a name like /dev/zero has no end."""


def account_from(args: argparse.Namespace) -> Account:
    """Read the account and its credentials.

    :raises UsageError: if the address makes no sense, or credentials are missing or can't be read.
    """
    token = None if args.token_file is None else _read_token(args.token_file)
    return load_account(args.account, token=token, ca_file=args.ca_file)


def _read_token(name: str) -> str:
    if name == "-":
        if sys.stdin is None:
            raise UsageError("the token can't be read from stdin: it is closed")
        return _text(sys.stdin.buffer.readline(READ))
    try:
        with Path(name).open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):  # of what is read, whatever its name
                say(f"zexport: others can read {clean(name)}: chmod 600 it")
            return _text(file.read(READ))
    except (OSError, ValueError) as exc:  # the latter for a name with a NUL
        # Without its name: somebody may have given the token itself.
        raise UsageError(f"the token file can't be read ({getattr(exc, 'strerror', None) or 'no such name'})") from exc


def _text(token: bytes) -> str:
    """Leave it to `Secret` what a token may hold: any byte is a character, and those beyond ASCII are none of its."""
    return token.decode("latin-1")
