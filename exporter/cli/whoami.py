"""`zexport whoami`: which credentials would be used, and what the account says of them."""

from __future__ import annotations

import argparse

from exporter.account import ApiToken
from exporter.cli.account import account_from
from exporter.cli.clean import clean
from exporter.cli.loop import run_loop
from exporter.logins import MintedToken, Proof, StoredLogin, open_store, prove


def main(args: argparse.Namespace) -> int:
    """Ask the account who we are, or name the logins that are stored."""
    if args.account is None:
        names = sorted(path.stem for path in open_store("").folder.glob("*.toml"))
        print("\n".join(f"stored login: {clean(name)}" for name in names) or "no login is stored")
        return 0
    account = account_from(args)
    match account.credentials:
        case StoredLogin() as login:
            kind = "by a browser" if login.profile.browser else "client credentials"
            store = open_store(account.name)
            used = f"the stored login of OAuth client {clean(login.profile.client)}, {kind}, "
            used += f"its secrets in {clean(store.describe(login.profile))}"
        case MintedToken(source=source):
            used = source
        case ApiToken(email):
            used = f"an API token of {clean(email)}"
        case None:
            used = "none: a sandbox needs none"
        case _:
            used = "an OAuth access token"
    print(f"{clean(account.origin)}\n  uses      {used}")
    print("\n".join(describe(run_loop(prove, account))))
    return 0


def describe(proof: Proof, scope: str = "") -> list[str]:
    """Return a proof as lines for a person.

    :param scope: where the account itself says none.
    """
    lines = [f"  you       {clean(proof.name)} <{clean(proof.email)}>, {clean(proof.role)}"]
    if proof.role == "end-user":
        lines.append("  but       an end user can't list users: log in as an agent or an admin")
    if proof.scope or scope:
        lines.append(f"  scope     {clean(proof.scope or scope)}")
    if proof.expires_at:
        lines.append(f"  token     until {clean(proof.expires_at)}; renewed by itself if the login is stored")
    if proof.limit:
        lines.append(f"  limit     {clean(proof.limit)} requests a minute")
    return lines
