"""`zexport estimate`: how many users, how many minutes; writes nothing."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from math import ceil

from exporter.account import Account
from exporter.api import SLOW_START, Client, Pace, ask_raw, open_client
from exporter.cli.account import account_from
from exporter.cli.arguments import query_fields
from exporter.cli.clean import clean
from exporter.cli.loop import run_loop
from exporter.cli.terminal import TroubleView
from exporter.engine import Probe
from exporter.errors import ContractError, IncompleteError, UsageError
from exporter.model import MAX_PAGE_SIZE, Query, Role

PATIENCE = 60.0
"""Seconds: somebody waits for the answer, and nothing is lost with it."""


def main(args: argparse.Namespace) -> int:
    """Ask for the account's counts, and print them with the minutes they mean."""
    account = account_from(args)
    try:
        query = Query(**query_fields(args))
    except ValueError as exc:
        raise UsageError(str(exc)) from exc
    pace = Pace(args.rate, args.share)
    counts, course = run_loop(_ask, account, query, pace, args.patience)
    limit = pace.statistics().limit
    rate = args.rate or (limit or SLOW_START) * args.share
    pages = sum(ceil((count or 0) / MAX_PAGE_SIZE) for count in counts.values())
    for role, count in counts.items():
        print(f"{role.value:<9} {'unknown' if count is None else f'{count:,}':>12} users")
    print(f"{'total':<9} {sum(count or 0 for count in counts.values()):>12,} users, {pages:,} pages of {MAX_PAGE_SIZE}")
    of = f" ({args.share:.0%} of the account's {limit})" if limit and args.rate is None else ""
    print(f"at {rate:,.0f} requests a minute{of}: {pages / rate:,.1f} minutes at least")
    print("The account's own counts are estimates: above 100,000 they may be a day old, or capped there for a while.")
    if course:
        print(f"{course} zexport probe {clean(args.account)} tells more.")
    return IncompleteError.exit_code if None in counts.values() else 0


async def _ask(
    account: Account, query: Query, pace: Pace, patience: float | None
) -> tuple[dict[Role, int | None], str]:
    async with open_client(
        account, pace, patience=patience, default_patience=PATIENCE, observer=TroubleView(sys.stderr)
    ) as client:
        counts = {role: await _count(client, query, role) for role in query.roles}
        try:
            probed = await Probe(partial(ask_raw, client)).brief()
        except ContractError:  # the export will meet it, and tell
            return counts, ""
        return counts, probed.in_a_line()


async def _count(client: Client, query: Query, role: Role) -> int | None:
    try:
        return await client.count(query, role, tries=None)
    except ContractError:  # an account that does not count; every other error is told
        return None
