"""`zexport login`: an OAuth client, then its own credentials or a browser; stored for all later runs."""

from __future__ import annotations

import argparse
import getpass
import sys
from dataclasses import replace
from functools import partial

from exporter.account import LONGEST, Account, OAuthToken, Secret, Token, load_authorities, parse_origin
from exporter.cli.account import read_secret
from exporter.cli.clean import clean
from exporter.cli.loop import run_loop
from exporter.cli.say import say
from exporter.cli.whoami import describe
from exporter.errors import AuthError, UsageError
from exporter.logins import (
    PORTS,
    Browsing,
    Profile,
    Secrets,
    ask_for_token,
    kept,
    landing,
    open_store,
    prove,
    redirect_url,
)

_CLIENT = f"""\
An OAuth client lets zexport in. To make one, as an admin of the account (best: of a service account, for a client acts
as its maker):
  1. Admin Center > Apps and integrations > APIs > OAuth clients > Add OAuth client
  2. kind: confidential, to run without a browser; or public, with these redirect URLs, each exactly so:
     {" ".join(map(redirect_url, PORTS))}
  3. save it, and copy its identifier, and its secret if it is confidential
"""


def main(args: argparse.Namespace) -> int:
    """Log in, prove it with one request, and store what was proven."""
    account = Account(parse_origin(args.account), tls=load_authorities(args.ca_file), proxy=args.proxy)
    client, secret = _client(args)
    browser = args.browser or args.no_browser or secret is None
    hidden = None if secret is None else secret.reveal()
    token = _by_browser(args, account, client, hidden) if browser else _by_client(args, account, client, hidden)
    proof = run_loop(prove, replace(account, credentials=OAuthToken(token.access)))
    store = open_store(account.name)
    profile = Profile(account.origin, client, browser, args.scope or "")
    profile = store.save(profile, kept(token, Secrets(client_secret=hidden)))
    print("\n".join(["logged in:", *describe(proof, token.scope)]))
    print(f"  stored    {clean(str(store.profile_path))}, its secrets in {clean(store.describe(profile))}")
    print(f"  next      zexport run {clean(args.account)}")
    return 0


def _client(args: argparse.Namespace) -> tuple[str, Secret | None]:
    """Read the client's identifier and secret, from flags or from a person."""
    asks = sys.stdin is not None and sys.stdin.isatty()
    client = args.client_id
    if client is None:
        if not asks:
            raise UsageError(
                "the identifier of the OAuth client is not given, and there is no terminal to ask at",
                hint="Give --client-id, and --secret-file if the client is confidential.",
            )
        say(_CLIENT)
        client = input("Identifier of the OAuth client: ").strip()
    if not client or not client.isprintable() or len(client) > LONGEST:
        raise UsageError("the identifier of the OAuth client is empty, or holds what none has")
    if args.secret_file is not None:
        return client, Secret(read_secret(args.secret_file, "secret"))
    text = ""
    if asks and args.client_id is None:
        text = getpass.getpass("Its secret (not shown; empty for a public client): ").strip()
    return client, Secret(text) if text else None


def _by_client(args: argparse.Namespace, account: Account, client: str, secret: str | None) -> Token:
    fields = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret, "scope": args.scope}
    return run_loop(ask_for_token, account, fields)


def _by_browser(args: argparse.Namespace, account: Account, client: str, secret: str | None) -> Token:
    begun = partial(Browsing, account.origin, client, scope=args.scope or "read")
    if args.no_browser:
        browsing = begun(redirect_url(PORTS[0]))
        say(f"Open this address in a browser, anywhere:\n\n  {browsing.address}\n")
        say("It ends on a page that can't be shown. Paste the address of that page here:")
        code = browsing.read(sys.stdin.readline(4 * LONGEST).strip() if sys.stdin is not None else "")
        if code is None:
            raise AuthError("that is not the address which this login leads to", hint="Run the same command again.")
    else:
        import webbrowser

        with landing() as there:
            browsing = begun(there.redirect)
            there.browsing = browsing
            say(f"A browser opens. If none does, open this address on this machine:\n\n  {browsing.address}\n")
            webbrowser.open(browsing.address)
            code = there.wait(browsing)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": client,
        "client_secret": secret,
        "redirect_uri": browsing.redirect,
        "code_verifier": browsing.verifier,
    }
    return run_loop(ask_for_token, account, fields)
