"""The account a command line names, with the credentials it points at."""

from __future__ import annotations

import argparse
import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

from exporter.account import LONGEST, Account, find_proxy, load_authorities
from exporter.cli.clean import clean
from exporter.cli.say import say
from exporter.errors import UsageError
from exporter.logins import by_command, by_file, load_account, origin_of, several_kinds

READ = 2 * LONGEST
"""Bytes that are read for a token: a name like /dev/zero has no end."""


def account_from(args: argparse.Namespace) -> Account:
    """Read the account, its credentials and the way to it.

    :raises UsageError: if one of them makes no sense, or credentials are missing or can't be read.
    """
    proxy = getattr(args, "proxy", None)
    account = replace(_found(args), proxy=proxy)
    find_proxy(account.origin, proxy)  # a wrong address is found out before anything is done
    return account


def way_to(account: Account, ca_file: str | None) -> str:
    """Say which proxy is used, and who vouches for the account."""
    proxy = find_proxy(account.origin, account.proxy)
    through = f"through the proxy {proxy.address} ({proxy.source})" if proxy else "no proxy"
    named = next((name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name)), "the system's")
    return f"{through}; certificates of authorities: {'--ca-file' if ca_file else named}"


def _found(args: argparse.Namespace) -> Account:
    """Read the account and its credentials: those of a flag, else of the environment, else a stored login.

    :raises UsageError: if the address makes no sense, or credentials are missing or can't be read.
    """
    file, command = args.token_file, getattr(args, "token_command", None)
    if file is not None and command is not None:
        raise UsageError("--token-file and --token-command are both given", hint="Leave one of them out.")
    if file is None and command is None:
        account = load_account(args.account, ca_file=args.ca_file)
        which = several_kinds(os.environ)
        if which and not getattr(args, "quiet", False):
            say(f"zexport: {which}")
        return account
    # A pipe is good for one reading.
    again = command is not None or os.path.isfile(file)  # noqa: PTH113 (pathlib fails for names that are too long)
    if not again or (command is None and os.environ.get("ZENDESK_EMAIL", "").strip()):
        return load_account(args.account, token=read_secret(file), ca_file=args.ca_file)
    bare = Account(origin_of(args.account), tls=load_authorities(args.ca_file))
    found = by_file(bare, lambda: read_secret(file)) if command is None else by_command(bare, command)
    return replace(bare, credentials=found)


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
