"""`zexport probe`: what an account's API does where no document says, and what that means for an export."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

import orjson

from exporter.account import Account
from exporter.api import Pace, ask_raw, open_client
from exporter.cli.account import account_from
from exporter.cli.clean import clean
from exporter.cli.figures import counted
from exporter.cli.loop import run_loop
from exporter.cli.say import say
from exporter.cli.terminal import TroubleView
from exporter.disk import translated
from exporter.engine import Probe, Probed
from exporter.errors import UsageError
from exporter.version import VERSION


def main(args: argparse.Namespace) -> int:
    """Ask, print what was found, and write the report if one is wanted."""
    account = account_from(args)
    if args.report is not None and os.path.lexists(args.report):
        raise UsageError(f"{args.report} is there already", hint="Name a file that is not.")
    probed = run_loop(_probe, account, Pace(args.rate, args.share))
    print(_as_json(probed) if args.json else _as_text(probed))
    if args.report is not None:
        _write(Path(args.report), probed)
        say(f"{clean(args.report)}: {counted(len(probed.exchanges), 'request', 'requests')}, no personal data")
    return 0


async def _probe(account: Account, pace: Pace) -> Probed:
    async with open_client(account, pace, observer=TroubleView(sys.stderr)) as client:
        return await Probe(partial(ask_raw, client)).run()


def _as_text(probed: Probed) -> str:
    width = max(len(finding.about) for finding in probed.findings)
    lines = [
        f"  {finding.about:<{width}}  {finding.found}"
        + (f"\n  {'':<{width}}    → {finding.means}" if finding.means else "")
        for finding in probed.findings
    ]
    return "\n".join([*lines, "", probed.in_a_line()])


def _facts(probed: Probed) -> dict[str, object]:
    findings = [finding._asdict() for finding in probed.findings]
    return {"ranges": probed.ranges, "sweep": probed.sweep, "limit": probed.limit, "findings": findings}


def _as_json(probed: Probed) -> str:
    return orjson.dumps(_facts(probed)).decode()


def _write(path: Path, probed: Probed) -> None:
    """Write the report, for its owner's eyes until he gives it away."""
    exchanges = [exchange._asdict() for exchange in probed.exchanges]
    report = {"zexport": VERSION, "python": sys.version.split()[0], **_facts(probed), "exchanges": exchanges}
    text = orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    with translated(path), os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
