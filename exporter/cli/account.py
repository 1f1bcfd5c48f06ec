"""The account a command line names, with the credentials it points at."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from pathlib import Path

from exporter.account import Account, load_account
from exporter.cli.clean import clean
from exporter.cli.say import say
from exporter.errors import UsageError

LONGEST = 1 << 16
"""Characters of a token that are read: a name like /dev/zero has no end."""


def account_from(args: argparse.Namespace) -> Account:
    """Read the account and its credentials.

    :raises UsageError: if the address makes no sense, or credentials are missing or can't be read.
    """
    token = None if args.token_file is None else _read_token(args.token_file)
    return load_account(args.account, token=token, ca_file=args.ca_file)


def _read_token(name: str) -> str:
    if name == "-":
        return sys.stdin.readline(LONGEST)
    try:
        with Path(name).open() as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):  # of what is read, whatever its name
                say(f"zexport: others can read {clean(name)}: chmod 600 it")
            return file.read(LONGEST)
    except (OSError, ValueError) as exc:  # a name with a NUL, or what is no text
        # Without its name: somebody may have given the token itself.
        raise UsageError(f"the token file can't be read ({getattr(exc, 'strerror', None) or 'it is no text'})") from exc
