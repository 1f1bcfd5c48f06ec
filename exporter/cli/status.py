"""`zexport status`: reads the ledger of an export, running or not; changes nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from exporter import store
from exporter.cli.clean import clean
from exporter.destination import parse_destination
from exporter.errors import IncompleteError
from exporter.ledger import Ledger
from exporter.model import Role

RUNNING, OVER = "running, or killed", "ended"


def main(args: argparse.Namespace) -> int:
    """Print how far an export is."""
    path = _ledger_path(args.destination)
    if not path.exists():
        raise IncompleteError(f"{path} is not there: nothing was exported to {args.destination}", hint="")
    with store.read_ledger(path) as ledger:
        print("\n".join(_describe(ledger)))
    return 0


def _ledger_path(text: str) -> Path:
    """Find the ledger: of a folder or file, or the very file that `--ledger` named."""
    path = Path(text)
    if path.is_file():
        with path.open("rb") as file:
            if file.read(16).startswith(b"SQLite format 3"):
                return path
    ledger = parse_destination(text).ledger
    if ledger is None:
        raise IncompleteError("stdout has no state to show: name the file that --ledger named", hint="")
    return ledger


def _describe(ledger: Ledger) -> list[str]:
    about, runs, totals = ledger.about(), ledger.runs(), ledger.totals()
    unsettled = sum(len(move.ids) for intent in ledger.intents() for move in intent.moves)
    users = totals.users + unsettled
    last = runs[-1] if runs else None
    state = "complete" if "complete" in about else last.ended if last and last.ended else RUNNING
    lines = [f"{clean(about['account'])}: {users:,} users, {state}"]
    expected = ledger.expected()
    lines += [_role_line(ledger, role, count) for role, count in expected.items()]
    if last:
        speed = f", {last.users_written / last.seconds:,.0f}/s" if last.seconds else ""
        lines.append(f"  run {last.number}, begun {last.started_at}: {last.users_written:,} users{speed}")
    lines.append(f"  {totals.requests:,} requests, {totals.retries:,} retries, {max(totals.runs - 1, 0)} resumes")
    known = [count for count in expected.values() if count is not None]
    if state != "complete" and len(known) == len(expected) and last and last.users_written and last.seconds:
        left = max(sum(known) - users, 0)
        lines.append(
            f"  left: about {left:,} users, {left / (last.users_written / last.seconds) / 60:,.1f} min at that speed"
        )
    lines += [f"  warning: {clean(text)}" for text in ledger.warnings()]
    return lines


def _role_line(ledger: Ledger, role: Role, expected: int | None) -> str:
    rows = [position for _, of, position in ledger.ranges() if of is role]
    users, finished = sum(position.users for position in rows), all(position.finished for position in rows)
    share = f" of about {expected:,}" if expected is not None and not finished else ""
    return f"  {role.value:<9} {users:>12,}{share}{', all written' if finished else ''}"
