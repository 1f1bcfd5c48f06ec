"""`zexport sandbox`: serve the endpoint on loopback."""

from __future__ import annotations

import argparse
import errno
import re
import sys
from dataclasses import replace
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Any

from exporter.cli.help import HelpFormatter
from exporter.sandbox import serve
from exporter.sandbox.faults.script import KINDS, parse, parse_for_tokens, usage
from exporter.sandbox.settings import ChurnRate, IdLayout, ItemCursors, OAuthClient, Quirk, RoleShares, Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import StrEnum

_KINDS = fill(", ".join(map(usage, KINDS)), 110, subsequent_indent=" " * 9, break_on_hyphens=False)

_EPILOG = f"""\
KIND@WHEN: what goes wrong, and when. Pages of the list and of the incremental export are counted, from 1.
  KIND   {_KINDS}
  WHEN   p:0.01 (probability), n:5 or n:5,9 (these), every:10, first:3, from:20

example: --users 200000 --latency 300ms --rate-limit 2500 --fault reset@p:0.01 --port 0
"""

_SHARE = re.compile(r"(end-user|agent|admin)=([0-9]*\.?[0-9]+)")
_SECONDS = re.compile(r"([0-9]*\.?[0-9]+)(ms|s|)")
_CHURN = re.compile(r"([0-9]*\.?[0-9]+)(?::([0-9]+))?")


def read_seconds(text: str) -> float:
    """Read a time: `100ms`, `0.3s` or `0.3`, in seconds."""
    match = _SECONDS.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no time: write 100ms, 0.3s or 0.3")
    return float(match[1]) / (1000 if match[2] == "ms" else 1)


def read_offset(text: str) -> float:
    """Read a time that may be negative: `-5s`."""
    return -read_seconds(text[1:]) if text.startswith("-") else read_seconds(text)


def read_churn(text: str) -> ChurnRate:
    """Read how often an account changes: `0.5` changes a request, or `0.5:100`, and no more than 100."""
    match = _CHURN.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no churn: write 0.5, or 0.5:100 for no more than 100 changes")
    return ChurnRate(float(match[1]), int(match[2]) if match[2] else None)


def read_number(text: str) -> int:
    """Read a whole number; `_` may part its digits."""
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no whole number") from error


def read_limit(text: str) -> int | None:
    """Read a number of requests; `0` and `off` mean no limit."""
    return None if text == "off" else read_number(text) or None


def read_shares(text: str) -> RoleShares:
    """Read shares of roles: `end-user=0.97,agent=0.025,admin=0.005`; who is not named has none."""
    shares = dict.fromkeys(RoleShares._fields, 0.0)
    for part in text.split(","):
        match = _SHARE.fullmatch(part)
        if not match:
            raise ValueError(f"{part!r} is no share: write end-user=0.97,agent=0.025,admin=0.005")
        shares[match[1].replace("-", "_")] = float(match[2])
    return RoleShares(**shares)


def read_name(names: type[StrEnum], text: str) -> StrEnum:
    """Read one of several names."""
    try:
        return names(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is none of {', '.join(names)}") from error


def read_place(text: str) -> StrEnum:
    """Read where item cursors stand; `user.` may be written for `users.`."""
    return read_name(ItemCursors, re.sub(r"^user\.", "users.", text))


def read_client(text: str) -> OAuthClient:
    """Read an OAuth client: `ID:SECRET`, or `ID` alone for a public one."""
    name, colon, secret = text.partition(":")
    if not name or (colon and not secret):
        raise ValueError("an OAuth client is written ID:SECRET, or ID alone for a public one")
    return OAuthClient(name, secret if colon else None)


def add_parser(subparsers: argparse._SubParsersAction[Any], short: str = "") -> None:
    """Add the command, with every setting as a flag.

    :param short: what the list of commands says of it.
    """
    parser = subparsers.add_parser(
        "sandbox",
        help=short,
        description="Serve GET /api/v2/users on loopback, as the service does, from users made out of a seed.",
        epilog=_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    default = Settings()
    account = parser.add_argument_group("the account")
    _add(account, "--users N", default.users, "how many users there are", read_number)
    _add(account, "--seed N", default.seed, "which account: equal seeds make equal users", read_number)
    _add(account, "--roles SHARES", "end-user=0.97,agent=0.025,admin=0.005", "shares of the roles", read_shares)
    _add(account, "--ids LAYOUT", default.ids, f"how ids lie: {', '.join(IdLayout)}", partial(read_name, IdLayout))
    account.add_argument(
        "--plain", action="store_true", help="no control characters, emoji, very long notes and the like"
    )
    churn = "changes a request, fractions too, and how many at most: 0.5:100"
    _add(account, "--churn RATE[:TOTAL]", "0", churn, read_churn)
    _add(account, "--token TOKEN", (), "demand credentials with this token (repeatable; default: none needed)", str)
    oauth = parser.add_argument_group("OAuth")
    _add(
        oauth,
        "--oauth-client ID[:SECRET]",
        (),
        "a client that gets tokens; a public one has no secret (repeatable)",
        read_client,
    )
    _add(oauth, "--redirect-url URL", (), "where a browser may be led back to, for all clients (repeatable)", str)
    _add(oauth, "--oauth-scope SCOPE", (), "what clients may ask for (repeatable; default: anything)", str)
    lives = "how long an access token lives"
    _add(oauth, "--token-life TIME", None, f"{lives}, whatever was asked for (default: as asked for)", read_seconds)
    _add(oauth, "--refresh-life TIME", None, "the same of a refresh token", read_seconds)
    _add(
        oauth,
        "--token-fault KIND@WHEN",
        (),
        "what goes wrong at /oauth/tokens, counted there (repeatable)",
        parse_for_tokens,
    )
    network = parser.add_argument_group("the network")
    _add(network, "--port PORT", default.port, "where to listen on 127.0.0.1; 0 for a free port", read_number)
    _add(network, "--latency TIME", "0", "before every answer: 100ms, 0.3s or 0.3", read_seconds)
    _add(network, "--jitter TIME", "0", "added to it, at random from nothing to all of this", read_seconds)
    _add(network, "--rate-limit N", str(default.rate_limit), "requests in a window; 0 or off for no limit", read_limit)
    _add(network, "--window TIME", "60s", "length of the window", read_seconds)
    exports = str(default.incremental_limit)
    _add(network, "--incremental-limit N", exports, "the same for the incremental export by itself", read_limit)
    lag = "what changed less than so long ago, the incremental export leaves out"
    _add(network, "--incremental-lag TIME", "60s", lag, read_seconds)
    _add(network, "--clock-skew TIME", "0", "how far the clock is ahead; behind: --clock-skew=-5s", read_offset)
    _add(network, "--fault KIND@WHEN", (), "what goes wrong, see below (repeatable)", parse)
    unsettled = parser.add_argument_group("what is not known of the service")
    places = f"where item cursors stand: {', '.join(ItemCursors)}"
    _add(unsettled, "--item-cursors PLACE", default.item_cursors, places, read_place)
    _add(unsettled, "--quirk NAME", (), f"{', '.join(Quirk)} (repeatable)", partial(read_name, Quirk))


def _add(group: argparse._ArgumentGroup, usage: str, default: object, text: str, read: Callable[[str], object]) -> None:
    """Add a flag with a value, read by `read`; a flag whose default is a tuple may be repeated."""
    flag, metavar = usage.split()

    def reader(value: str) -> object:
        try:
            return read(value)
        except ValueError as error:  # argparse keeps the message of no other error
            raise argparse.ArgumentTypeError(str(error)) from error

    if default == ():
        group.add_argument(flag, type=reader, metavar=metavar, help=text, default=[], action="append")
    else:
        said = text if default is None else f"{text} (default: {default})"
        group.add_argument(flag, type=reader, metavar=metavar, help=said, default=default)


def read_settings(arguments: argparse.Namespace) -> Settings:
    """Put the flags together.

    :raises ValueError: if a number is out of range, in words fit for a person.
    """
    return Settings(
        users=arguments.users,
        seed=arguments.seed,
        shares=arguments.roles,
        ids=arguments.ids,
        plain=arguments.plain,
        churn=arguments.churn,
        port=arguments.port,
        latency=arguments.latency,
        jitter=arguments.jitter,
        clock_skew=arguments.clock_skew,
        rate_limit=arguments.rate_limit,
        window=arguments.window,
        incremental_limit=arguments.incremental_limit,
        incremental_lag=arguments.incremental_lag,
        item_cursors=arguments.item_cursors,
        tokens=tuple(arguments.token),
        oauth_clients=tuple(
            replace(client, redirects=tuple(arguments.redirect_url), scopes=tuple(arguments.oauth_scope))
            for client in arguments.oauth_client
        ),
        token_life=arguments.token_life,
        refresh_life=arguments.refresh_life,
        token_faults=tuple(arguments.token_fault),
        faults=tuple(arguments.fault),
        quirks=frozenset(arguments.quirk),
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until a signal. The first line of stdout is the URL, and nothing follows it.

    :return: the exit code: 0 after a signal, 2 for a setting or port that cannot be.
    """
    try:
        settings = read_settings(arguments)
        serve(settings, _announce)
    except ValueError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return _refuse(f"cannot listen on port {arguments.port} ({error.strerror}); --port 0 finds a free one")
    return 0


def _announce(url: str) -> None:
    print(url, flush=True)
    if sys.stderr.isatty():
        print(f"Try {url}/api/v2/users?page[size]=2 in a browser; Ctrl-C ends it.", file=sys.stderr)


def _refuse(message: str) -> int:
    print(f"zexport: {message}", file=sys.stderr)
    return 2
