"""`zexport verify`: proves files against their manifest, and with `--against` against the account."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from math import ceil
from random import SystemRandom

from exporter.account import Account
from exporter.api import Pace, open_client
from exporter.cli.account import account_from
from exporter.cli.clean import clean
from exporter.cli.figures import counted
from exporter.cli.found import UNFINISHED, find_export, going_on_with
from exporter.cli.loop import run_loop
from exporter.cli.say import say
from exporter.cli.terminal import TroubleView
from exporter.destination import Destination
from exporter.engine import CONFIDENCE, Audit, Auditor, audited_query
from exporter.errors import IncompleteError, UsageError
from exporter.output import IdIndex, RepeatedIds
from exporter.proof import read_manifest, verify

SHOWN = 20
"""Differences shown: more say no more."""
SAMPLE = 100
"""Pages that are looked at by themselves: enough to say that fewer than 3 % of all miss anybody."""


def main(args: argparse.Namespace) -> int:
    """Verify, print what was proved or what differs, and return the exit code."""
    destination = find_export(args.destination)
    if destination.manifest is not None and not os.path.lexists(destination.manifest):
        said = f"zexport: {clean(destination.text)}: the export has not finished"
        say("\n".join([said, *(f"  next      {command}" for command in [going_on_with(destination)] if command)]))
        return UNFINISHED
    if args.against is None:
        if args.sample is not None:
            raise UsageError("--sample is for an audit: say --against ACCOUNT as well")
        return _verify(destination, None, as_json=args.json)
    args.account = args.against
    account = account_from(args)
    with RepeatedIds() as ids:
        code = _verify(destination, ids, as_json=args.json)
        if code:
            return code
        with IdIndex(ids.in_order()) as index:
            found = run_loop(_audit, account, destination, index, args)
    if args.json:
        print(json.dumps({"audited": not found.lacking, **asdict(found)}), flush=True)
        return IncompleteError.exit_code if found.lacking else 0
    return _tell(found)


def _verify(destination: Destination, keep: RepeatedIds | None, *, as_json: bool) -> int:
    found = verify(destination, keep)
    code = IncompleteError.exit_code if found.problems else 0
    if as_json:
        print(
            json.dumps({"verified": not found.problems, "destination": destination.text, **asdict(found)}), flush=True
        )
        return code
    for problem in found.problems[:SHOWN]:
        say(f"zexport: {clean(problem)}")
    if len(found.problems) > SHOWN:
        say(f"zexport: and {len(found.problems) - SHOWN} more")
    if found.problems:
        return code
    twice = f"{counted(found.superseded, 'line', 'lines')} with a newer one" if found.superseded else "no id twice"
    print(
        f"verified: {found.users:,} users in {found.files} files, {found.bytes:,} bytes: "
        f"every size, SHA-256, line and id as in the manifest, {twice}",
        flush=True,
    )
    for fact in found.evidence:
        print(f"  {clean(fact)}", flush=True)
    return 0


async def _audit(account: Account, destination: Destination, ids: IdIndex, args: argparse.Namespace) -> Audit:
    assert destination.manifest is not None  # or it could not have been verified
    manifest = read_manifest(destination.manifest)
    query = audited_query(manifest, account.origin)
    async with open_client(
        account, Pace(args.rate, args.share), patience=args.patience, observer=TroubleView(sys.stderr)
    ) as client:
        auditor = Auditor(client, query, ids, manifest.get("started_at"), SystemRandom())
        return await auditor.run(SAMPLE if args.sample is None else args.sample)


def _tell(found: Audit) -> int:
    if found.lacking:
        more = f" and {found.lacking - len(found.missing):,} more" if found.lacking > len(found.missing) else ""
        say(f"zexport: {counted(found.lacking, 'user', 'users')} of the account not in the output:")
        say(", ".join(map(str, found.missing)) + more)
        say(f"{found.bad:,} of {counted(found.looked, 'page', 'pages')} looked at, {_places(found)}, miss somebody")
        return IncompleteError.exit_code
    print(f"audited: {_proved(found)}")
    return 0


def _proved(found: Audit) -> str:
    if found.whole:
        return f"every page of the account looked at, {counted(found.looked, 'page', 'pages')}: nobody missing"
    looked = f"{found.looked:,} of about {found.pages:,} pages looked at, {_places(found)}: nobody missing"
    if found.in_order:
        return f"{looked} there, and nothing is proved of the rest"
    unclear = f"; {counted(found.unclear, 'place', 'places')} not found again" if found.unclear else ""
    share = ceil(found.bound * 1000) / 10
    return f"{looked}; with {CONFIDENCE:.0%} confidence fewer than {share:.1f} % of the pages miss anybody{unclear}"


def _places(found: Audit) -> str:
    if found.in_order:
        return "from the start, since the account's cursors can't be made"
    gaps, ends = counted(found.gaps, "gap", "gaps"), counted(found.ends, "end", "ends")
    return f"at random places, besides the {gaps} between ids that are widest and {ends} of streams"
