"""What came of an export: in the ledger's numbers, for the manifest and for whoever looks on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson

from exporter.account import Account
from exporter.destination import Destination
from exporter.engine.beginning import MIXED
from exporter.engine.counts import Count, counts_of
from exporter.engine.meter import Meter
from exporter.events import Finished
from exporter.ledger import Ledger
from exporter.model import Query, Role, Sideload
from exporter.output import Digest
from exporter.proof import count_superseded, describe_file, write_manifest
from exporter.version import VERSION


def meter_of(ledger: Ledger, roles: tuple[Role, ...]) -> Meter:
    """Make a meter that stands where the ledger does."""
    meter = Meter(roles)
    expected = ledger.expected()
    for each in ledger.ranges():
        meter.roles[each.role].users += each.position.users
        meter.roles[each.role].unfinished += not each.position.finished
        meter.roles[each.role].expected = expected[each.role]
    return meter


def users_of(ledger: Ledger) -> dict[Role, int]:
    """Return how many users of each role there are: lines, less those that a newer one follows."""
    superseded = orjson.loads(ledger.about().get("sweep", "{}")).get("superseded", {})
    lines = ledger.totals().roles
    return {role: lines[role] - superseded.get(role.value, 0) for role in Role if role in lines}


def counted(ledger: Ledger) -> list[Count]:
    """Return what the account counted of each role, as far as it did, and what was written."""
    again = orjson.loads(ledger.about().get("counted", "{}"))
    return counts_of(ledger.expected(), again, users_of(ledger))


def hold_against_counts(ledger: Ledger, destination: Destination, account: Account) -> None:
    """Note in the ledger of which roles the account counts more users than were written."""
    if MIXED in ledger.about():  # whoever does not tell roles apart may count as little
        return
    short = [count for count in counted(ledger) if count.short]
    for count in short:
        if not count.live:
            ledger.warn(f"{count.words()}; its count may be a day old")
    missing = [count.words() for count in short if count.live]
    if missing:
        before = [said for said in [ledger.about().get("missing")] if said]
        audit = shlex.join(["zexport", "verify", destination.text, "--against", account.name])
        advice = [] if destination.stdout else [f"{audit} looks for them"]
        ledger.note("missing", "; ".join([*before, *missing, *advice]))


def facts(
    ledger: Ledger,
    account: Account,
    destination: Destination,
    query: Query,
    *,
    unswept: str,
    proof: Mapping[str, object],
) -> dict[str, Any]:
    """Gather the manifest, all but what is read back from the files.

    :param unswept: why there was no closing sweep, if there was none.
    :param proof: what shows that nobody is missing, by name.
    """
    totals, users = ledger.totals(), users_of(ledger)
    about, counts = ledger.about(), ledger.files()
    return {
        "complete": "missing" not in about,
        "account": account.origin,
        "query": query.describe(),
        "users": sum(users.values()),
        "lines": totals.users,
        "superseded": totals.users - sum(users.values()),
        "roles": {role.value: count for role, count in users.items()},
        "files": [
            {
                "path": name,
                "kind": content.value if isinstance(content, Sideload) else "users",
                "role": content.value if isinstance(content, Role) else None,
                "users": 0 if isinstance(content, Sideload) else counts.get(name, (0, 0))[1],
                "records": counts.get(name, (0, 0))[1],
                "bytes": counts.get(name, (0, 0))[0],
                "sha256": None,
            }
            for name, content in destination.files(query).items()
        ],
        "requests": totals.requests,
        "retries": totals.retries,
        "resumes": totals.runs - 1,
        "sweep": orjson.loads(about["sweep"]) if "sweep" in about else {"ran": False, "why": unswept},
        "proof": {**proof, "counts": {count.role.value: count.facts() for count in counted(ledger) if count.told}},
        "warnings": ledger.warnings(),
        "started_at": totals.started_at,
        "finished_at": now(),
        "zexport": VERSION,
    }


def seal(
    destination: Destination,
    facts: dict[str, Any],
    digests: Mapping[str, Digest],
    *,
    one_each: bool,
    stop: Callable[[], bool],
) -> bool:
    """Read the files back, and write the manifest; False if a stop came before that: the next run does it.

    It takes its time: what was not read back while the export ran is read now.

    :param digests: what was, by file.
    :param one_each: that each user has one line is known.

    :raises OutputError: if the disk refuses.
    """
    if destination.manifest is None:
        return True
    if not destination.stdout:
        for entry in facts["files"]:
            described = describe_file(destination.folder / entry["path"], digests.get(entry["path"]), stop=stop)
            if described is None:
                return False
            entry.update(described)
        users = [entry for entry in facts["files"] if entry["kind"] == "users"]
        facts["lines"] = sum(entry["records"] for entry in users)
        facts["superseded"] = 0
        if not one_each and facts["sweep"].get("candidates", 1):  # else nobody can have come twice
            paths = [destination.folder / entry["path"] for entry in users]
            superseded = count_superseded(paths, stop=stop)
            if superseded is None:
                return False
            facts["superseded"] = superseded
        facts["users"] = facts["lines"] - facts["superseded"]
    write_manifest(destination.manifest, facts)
    return True


def finished(
    ledger: Ledger, destination: Destination, query: Query, seconds: float, written: int, stopped: str
) -> Finished:
    """Return how a run ended.

    :param seconds: how long it took, in which it wrote `written` users.
    :param stopped: why it ended before its end, if it did.
    """
    totals, about, users = ledger.totals(), ledger.about(), users_of(ledger)
    complete = "complete" in about
    sweep = orjson.loads(about.get("sweep", "{}"))
    return Finished(
        complete=complete and "missing" not in about,
        missing=about.get("missing", "") if complete else "",
        stopped="" if complete else stopped,
        users=int(about.get("users", sum(users.values()))),
        written=written,
        added=sweep.get("missing", 0),
        renewed=sweep.get("changed", 0),
        bytes=sum(size for size, _ in ledger.files().values()),
        seconds=seconds,
        requests=totals.requests,
        retries=totals.retries,
        resumes=totals.runs - 1,
        roles=tuple(replace(each, users=users[each.role]) for each in meter_of(ledger, query.roles).role_progress()),
        files=tuple(str(destination.folder / name) for name in destination.files(query) if not destination.stdout),
        warnings=tuple(ledger.warnings()),
        counted=_counted_in_all(ledger),
        finished_at=about.get("complete", ""),
        older=int(about.get("older", totals.users - sum(users.values()))),
    )


def _counted_in_all(ledger: Ledger) -> int | None:
    told = [count.told for count in counted(ledger)]
    known = [count for count in told if count is not None]
    return sum(known) if known and len(known) == len(told) else None


def now() -> str:
    """Return the time as the ledger and the manifest write it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
