"""`zexport logout`: the account forgets the token, and this machine the login."""

from __future__ import annotations

import argparse
from dataclasses import replace

from exporter.account import Account, load_authorities, parse_origin
from exporter.cli.clean import clean
from exporter.cli.loop import run_loop
from exporter.errors import ExportError, UsageError
from exporter.logins import find_login, open_store, revoke


def main(args: argparse.Namespace) -> int:
    """Revoke what can be revoked, and forget the rest."""
    bare = Account(parse_origin(args.account), tls=load_authorities(args.ca_file), proxy=args.proxy)
    login = find_login(bare, args.ca_file)
    if login is None:
        raise UsageError(f"no login is stored for {bare.origin}")
    try:
        revoked = run_loop(revoke, replace(bare, credentials=login))
        why = "" if revoked else ": it did not take that"
    except ExportError as exc:  # it is forgotten here all the same
        revoked, why = False, f": {exc}"
    open_store(bare.name).forget()
    print(f"logged out of {clean(bare.origin)}: nothing is stored any more")
    if not revoked:
        print(f"  the token could not be revoked at the account{clean(why, 300)}; it ends by itself")
    return 0
