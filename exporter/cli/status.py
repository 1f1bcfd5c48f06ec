"""`zexport status`: reads the ledger of an export, running or not; changes nothing."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from exporter.cli.clean import ERROR_LIMIT, clean
from exporter.cli.figures import duration, effort
from exporter.cli.found import RUNNING, UNFINISHED, find_export, going_on
from exporter.destination import Destination
from exporter.engine import users_of
from exporter.errors import LedgerError
from exporter.ledger import Ledger, holder, read_ledger

WARNINGS_SHOWN = 20
"""Warnings shown: more say no more."""


def main(args: argparse.Namespace) -> int:
    """Print how far an export is; return 0 if it is complete, 8 if it can be gone on with, 12 if it runs."""
    destination = find_export(args.destination)
    assert destination.ledger is not None
    if not os.path.lexists(destination.ledger):
        raise LedgerError(f"{destination.ledger} is not there: `zexport verify` tells of the files", hint="")
    with read_ledger(destination.ledger) as ledger:
        facts = _facts(ledger, destination)
        # Every line: a ledger or a lock that somebody else has made can hold anything.
        lines = [json.dumps(facts)] if args.json else _describe(ledger, facts)
        print("\n".join(lines if args.json else (clean(line, ERROR_LIMIT) for line in lines)))
    return {"complete": 0, "running": RUNNING}.get(facts["state"], UNFINISHED)


def _facts(ledger: Ledger, destination: Destination) -> dict[str, Any]:
    """Gather what there is to tell of an export; names are only ever added."""
    about, runs, totals = ledger.about(), ledger.runs(), ledger.totals()
    unsettled = sum(len(move.ids) for intent in ledger.intents() for move in intent.moves)
    users, expected = users_of(ledger), ledger.expected()
    number = int(about.get("users", sum(users.values()) + unsettled))
    last, process = runs[-1] if runs else None, holder(destination)
    complete = "complete" in about
    known = [count for count in expected.values() if count is not None]
    left = max(sum(known) - number, 0) if not complete and len(known) == len(expected) else None
    speed = last.users_written / last.seconds if last and last.seconds else 0.0
    return {
        "account": about["account"],
        "destination": destination.text,
        "state": "complete" if complete else "running" if process else "stopped" if last and last.ended else "killed",
        "missing": about.get("missing", "") if complete else "",
        "ended_by": last.ended if last and not complete else "",
        "process": process or "",
        "users": number,
        "roles": {
            role.value: {
                "users": users.get(role, 0),
                "expected": count,
                "finished": all(each.position.finished for each in ledger.ranges() if each.role is role),
            }
            for role, count in expected.items()
        },
        "users_per_second": round(speed, 1),
        "users_left": left,
        "seconds_left": round(left / speed, 1) if left is not None and speed else None,
        "runs": totals.runs,
        "requests": totals.requests,
        "retries": totals.retries,
        "started_at": totals.started_at,
        "finished_at": about.get("complete", ""),
        "warnings": ledger.warnings(),
        "next": "" if complete else going_on(about, destination),
    }


def _describe(ledger: Ledger, facts: dict[str, Any]) -> list[str]:
    runs, state = ledger.runs(), facts["state"]
    lines = [f"{facts['account']}: {facts['users']:,} users, {_state(facts)}"]
    lines += [_role_line(name, role) for name, role in facts["roles"].items()]
    if runs:
        last = runs[-1]
        per_second = f", {facts['users_per_second']:,.0f}/s" if last.seconds else ""
        lines.append(f"  run {last.number}, begun {last.started_at}: {last.users_written:,} users{per_second}")
    lines.append(f"  requests {effort(facts['requests'], facts['retries'], max(facts['runs'] - 1, 0))}")
    if facts["seconds_left"] is not None:
        lines.append(f"  left: about {facts['users_left']:,} users, {duration(facts['seconds_left'])} at that speed")
    warnings = facts["warnings"]
    lines += [f"  warning: {text}" for text in warnings[:WARNINGS_SHOWN]]
    if len(warnings) > WARNINGS_SHOWN:
        lines.append(f"  and {len(warnings) - WARNINGS_SHOWN:,} more warnings: the manifest has all of them in the end")
    if facts["missing"]:
        lines.append(f"  missing: {facts['missing']}")
    return lines + ([f"  next: {facts['next']}"] if state not in ("complete", "running") else [])


def _state(facts: dict[str, Any]) -> str:
    return {
        "complete": "complete",
        "running": f"running (process {facts['process']})",
        "killed": "killed; the same `zexport run` goes on",
        "stopped": f"ended by {facts['ended_by']}; the same `zexport run` goes on",
    }[str(facts["state"])]


def _role_line(name: str, role: dict[str, Any]) -> str:
    share = f" of about {role['expected']:,}" if role["expected"] is not None and not role["finished"] else ""
    return f"  {name:<9} {role['users']:>12,}{share}{', all written' if role['finished'] else ''}"
