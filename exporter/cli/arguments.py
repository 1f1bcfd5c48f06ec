"""The flags of every command but `sandbox`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from exporter.cli import values
from exporter.cli.help import HelpFormatter, Parser
from exporter.model import MAX_PAGE_SIZE, OFFSET_LIMIT, Pagination, Role, Sideload

_ACCOUNT = "acme, acme.zendesk.com, https://acme.zendesk.com, or a sandbox at http://127.0.0.1:PORT"
_SANDBOX = "serve the endpoint on loopback"
_PROGRESS = ("auto", "bar", "json", "off")


def add_parsers(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the commands."""
    _add_run(commands)
    status = _add(commands, "status", "DEST", "how far, how fast, what is left", "zexport status acme-users")
    status.add_argument(
        "destination", metavar="DEST", help="a folder, a file, an account, or the --ledger of an export to stdout"
    )
    _add_json(status)
    verify = _add(
        commands,
        "verify",
        "DEST",
        "prove the files against the manifest",
        "zexport verify acme-users\n  zexport verify acme-users --against acme   and look into the account",
    )
    verify.add_argument("destination", metavar="DEST", help="the folder or file that was exported to, or the account")
    _add_json(verify)
    verify.add_argument("--against", metavar="ACCOUNT", help="then look for users of the account who are not in it")
    verify.add_argument(
        "--sample", metavar="N", type=values.count, help="pages to look at, at random places (default 100)"
    )
    _add_rate(verify)
    _add_patience(verify, "15m")
    _add_token(verify)
    estimate = _add(
        commands,
        "estimate",
        "ACCOUNT …",
        "users by role, pages, minutes at this account's rate; writes nothing",
        "zexport estimate acme\n  zexport estimate acme --role agent --share 0.5",
    )
    estimate.add_argument("account", metavar="ACCOUNT", nargs="?", help=f"{_ACCOUNT} (default: $ZENDESK_SUBDOMAIN)")
    _add_query(estimate)
    _add_rate(estimate)
    _add_patience(estimate, "1m")
    _add_token(estimate)
    probe = _add(
        commands,
        "probe",
        "ACCOUNT …",
        "what this account's API does where no document says",
        "zexport probe acme\n  zexport probe acme --report probe.json   no personal data: for a bug report",
    )
    probe.add_argument("account", metavar="ACCOUNT", help=_ACCOUNT)
    probe.add_argument("--report", metavar="FILE", help="write what was asked and answered, without personal data")
    probe.add_argument("--json", action="store_true", help="print what was found as JSON")
    _add_rate(probe)
    _add_token(probe)
    _add_login(commands)
    _add(
        commands,
        "demo",
        "",
        "sandbox + run, killed half-way, run again, verified; 20 seconds",
        "zexport demo",
    )


def add_sandbox(commands: argparse._SubParsersAction[Parser], words: Sequence[str]) -> None:
    """Add the sandbox; its flags only where it is named, for they take a quarter of the time to start in."""
    if "sandbox" in words:
        from exporter.cli.sandbox import add_parser

        add_parser(commands, _SANDBOX)
    else:
        commands.add_parser("sandbox", help=_SANDBOX)


def _add_login(commands: argparse._SubParsersAction[Parser]) -> None:
    login = _add(
        commands,
        "login",
        "ACCOUNT …",
        "log in by an OAuth client, for all later runs",
        "zexport login acme\n  zexport login acme --client-id cron --secret-file secret.txt",
    )
    login.add_argument("account", metavar="ACCOUNT", help=_ACCOUNT)
    login.add_argument("--client-id", metavar="ID", help="identifier of the OAuth client (default: it is asked for)")
    login.add_argument("--secret-file", metavar="FILE", help="read the client's secret from a file, - for stdin")
    login.add_argument("--scope", metavar="SCOPE", help="what to ask for (default: read, or what the client may have)")
    login.add_argument("--browser", action="store_true", help="as a person, though the client has a secret")
    login.add_argument("--no-browser", action="store_true", help="print the address, and take the pasted redirect")
    _add_ca(login)
    whoami = _add(
        commands,
        "whoami",
        "[ACCOUNT] …",
        "which credentials would be used, and whose they are",
        "zexport whoami acme",
    )
    whoami.add_argument("account", metavar="ACCOUNT", nargs="?", help=f"{_ACCOUNT} (default: name all stored logins)")
    _add_token(whoami)
    logout = _add(commands, "logout", "ACCOUNT", "revoke and forget a stored login", "zexport logout acme")
    logout.add_argument("account", metavar="ACCOUNT", help=_ACCOUNT)
    _add_ca(logout)


def _add_run(commands: argparse._SubParsersAction[Parser]) -> None:
    run = _add(
        commands,
        "run",
        "ACCOUNT [-o DEST] …",
        "export; run again to resume; nothing to do if complete",
        "zexport run acme                       into ./acme-users/, one file a role\n"
        "  zexport run acme -o users.ndjson       into one file\n"
        "  zexport run acme -o - | jq -r .email   into a pipe\n"
        "  zexport run acme -o - --ledger l.db    into a pipe, resumable\n"
        "  zexport run acme --include organizations,groups --compress zstd",
    )
    run.add_argument("account", metavar="ACCOUNT", nargs="?", help=f"{_ACCOUNT} (default: $ZENDESK_SUBDOMAIN)")
    _add_what(run.add_argument_group("what"))
    where = run.add_argument_group("where, and in place of what")
    where.add_argument(
        "-o",
        "--output",
        metavar="DEST",
        help="a folder (default: ./ACCOUNT-users/), one file (.ndjson or .jsonl, then .gz or .zst), or - for stdout",
    )
    where.add_argument("--compress", metavar="C", type=values.compression, help="none, gzip or zstd, for a folder")
    where.add_argument("--ledger", metavar="FILE", help="makes an export to stdout resumable")
    where.add_argument("--restart", action="store_true", help="replace what is there by a new export, once complete")
    where.add_argument(
        "--if-older-than",
        metavar="T",
        type=values.duration,
        help="the same where it was finished longer ago, as 1d or 12h; else leave it: for a nightly job",
    )
    where.add_argument("--yes", action="store_true", help="answers the question of --restart beforehand")
    when = run.add_argument_group("when it stops")
    _add_patience(when, "15m")
    when.add_argument("--max-users", metavar="N", type=values.count, help="after so many users; resumable, exit 8")
    when.add_argument(
        "--max-duration", metavar="T", type=values.duration, help="after so long, as 90s or 1h30m; resumable, exit 8"
    )
    when.add_argument("--strict", action="store_true", help="at text that is no Unicode (default: U+FFFD replaces it)")
    speed = run.add_argument_group("speed")
    _add_rate(speed)
    speed.add_argument(
        "--ranges", metavar="N", type=values.ranges, help="cursors a role: auto (as many as pay), off (one), at most N"
    )
    speed.add_argument("--page-size", metavar="N", type=int, default=MAX_PAGE_SIZE, help="users a page (default 100)")
    speed.add_argument(
        "--pagination",
        choices=list(map(str, Pagination)),
        default="cursor",
        help=f"offset: the traditional form, at most {OFFSET_LIMIT:,} users of a role (default cursor)",
    )
    seen = run.add_argument_group("what you see")
    seen.add_argument("--progress", choices=_PROGRESS, default="auto", help="on stderr (default auto)")
    seen.add_argument("-q", "--quiet", action="store_true", help="only errors on stderr")
    seen.add_argument("-v", "--verbose", action="store_true", help="with a traceback for every error")
    _add_token(run.add_argument_group("credentials, and the way to the account"))


def _add_what(what: argparse._ActionsContainer) -> None:
    _add_query(what)
    what.add_argument("--external-id", metavar="ID", help="only the user with this external id")
    what.add_argument(
        "--include", metavar="A,B", type=values.sideloads, default=(), help=f"sideloads: {', '.join(Sideload)}"
    )
    what.add_argument("--sort", metavar="F", help="as in the API, name or -created_at: each role so, and slower")
    what.add_argument(
        "--no-sweep",
        dest="sweep",
        action="store_false",
        help="don't look for users who changed meanwhile: for an account known to be quiet",
    )
    what.add_argument(
        "--keep-older",
        action="store_true",
        help="leave older lines of users who changed meanwhile in the files (default: one line for each user)",
    )
    what.add_argument(
        "--no-overlap",
        dest="overlap",
        action="store_false",
        help="don't have each page begin with the last user of the one before: 1 %% fewer requests, one proof less",
    )


def _add(
    commands: argparse._SubParsersAction[Parser], name: str, usage: str, what: str, examples: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.\n\nexamples:\n  {examples}",
        formatter_class=HelpFormatter,
        usage=f"zexport {name} {usage}",
        allow_abbrev=False,  # --rest is not to be taken for --restart, nor a --token for a file's name
    )
    parser.set_defaults(run=lambda args: import_module(f"exporter.cli.{name}").main(args))
    return parser


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object, to which names are only ever added")


def _add_query(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--role", metavar="R", action="extend", type=values.roles, help="end-user, agent or admin; repeat, or A,B"
    )
    parser.add_argument("--permission-set", metavar="ID", type=int, help="only users with this custom role")


def _add_rate(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--rate", metavar="N", type=values.positive, help="requests a minute, whatever the account allows"
    )
    parser.add_argument(
        "--share", metavar="F", type=values.share, default=0.95, help="share of the account's limit (default 0.95)"
    )


def _add_patience(parser: argparse._ActionsContainer, default: str) -> None:
    what = f"how long without success (default {default}; 10s until anything has answered)"
    parser.add_argument("--patience", metavar="T", type=values.duration, help=what)


def _add_token(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--token-file", metavar="FILE", help="read the token from a file, - for stdin; again if it ends"
    )
    parser.add_argument("--token-command", metavar="CMD", help="take the token that a command prints; again if it ends")
    _add_ca(parser)


def _add_ca(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--ca-file", metavar="FILE", help="trust these authorities (PEM) in place of the system's: for TLS proxies"
    )
    parser.add_argument(
        "--proxy", metavar="URL", help="go through this HTTP proxy, or off (default: $HTTPS_PROXY, but for $NO_PROXY)"
    )


def query_fields(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a `Query` that `run` and `estimate` share."""
    return {
        "roles": tuple(dict.fromkeys(args.role)) if args.role else tuple(Role),
        "permission_set": args.permission_set,
    }
