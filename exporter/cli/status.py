"""`zexport status`: reads the ledger of an export, running or not; changes nothing."""

from __future__ import annotations

import argparse

from exporter.cli.clean import ERROR_LIMIT, clean
from exporter.cli.figures import duration, effort
from exporter.destination import find_destination
from exporter.engine import users_of
from exporter.errors import IncompleteError, UsageError
from exporter.ledger import Ledger, Run, holder, read_ledger
from exporter.model import Role

WARNINGS_SHOWN = 20
"""Warnings shown: more say no more."""


def main(args: argparse.Namespace) -> int:
    """Print how far an export is."""
    destination = find_destination(args.destination)
    path = destination.ledger
    if path is None:
        raise UsageError("stdout has no state to show: name the file that --ledger named")
    if not path.exists():
        raise IncompleteError(f"{path} is not there: nothing was exported to {args.destination}", hint="")
    with read_ledger(path) as ledger:
        # Every line: a ledger or a lock that somebody else has made can hold anything.
        print("\n".join(clean(line, ERROR_LIMIT) for line in _describe(ledger, holder(destination))))
    return 0


def _describe(ledger: Ledger, holder: str | None) -> list[str]:
    about, runs, totals = ledger.about(), ledger.runs(), ledger.totals()
    unsettled = sum(len(move.ids) for intent in ledger.intents() for move in intent.moves)
    users = int(about.get("users", sum(users_of(ledger).values()) + unsettled))
    last = runs[-1] if runs else None
    state = "complete" if "complete" in about else _state(last, holder)
    lines = [f"{clean(about['account'])}: {users:,} users, {state}"]
    expected = ledger.expected()
    lines += [_role_line(ledger, role, count) for role, count in expected.items()]
    if last:
        per_second = f", {last.users_written / last.seconds:,.0f}/s" if last.seconds else ""
        lines.append(f"  run {last.number}, begun {last.started_at}: {last.users_written:,} users{per_second}")
    lines.append(f"  requests {effort(totals.requests, totals.retries, max(totals.runs - 1, 0))}")
    known = [count for count in expected.values() if count is not None]
    if state != "complete" and len(known) == len(expected) and last and last.users_written and last.seconds:
        left = max(sum(known) - users, 0)
        speed = last.users_written / last.seconds
        lines.append(f"  left: about {left:,} users, {duration(left / speed)} at that speed")
    warnings = ledger.warnings()
    lines += [f"  warning: {clean(text)}" for text in warnings[:WARNINGS_SHOWN]]
    if len(warnings) > WARNINGS_SHOWN:
        lines.append(f"  and {len(warnings) - WARNINGS_SHOWN:,} more warnings: the manifest has all of them in the end")
    return lines


def _state(last: Run | None, holder: str | None) -> str:
    if holder is not None:
        return f"running (process {holder})"
    if last is None or not last.ended:
        return "killed; the same `zexport run` goes on"
    return f"ended by {last.ended}; the same `zexport run` goes on"


def _role_line(ledger: Ledger, role: Role, expected: int | None) -> str:
    rows = [each.position for each in ledger.ranges() if each.role is role]
    users, finished = users_of(ledger).get(role, 0), all(position.finished for position in rows)
    share = f" of about {expected:,}" if expected is not None and not finished else ""
    return f"  {role.value:<9} {users:>12,}{share}{', all written' if finished else ''}"
