"""One export, wired up: lock, ledger, sink, client, engine, manifest. Library and command line both come here."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio.to_thread
import orjson

from exporter import manifest, store
from exporter.account import Account
from exporter.asking import Asking
from exporter.client import PATIENCE, Client, open_client
from exporter.destination import Destination
from exporter.engine import Engine, Limits
from exporter.errors import LedgerError, OutputError, UsageError
from exporter.events import Finished, Observer, Started, ignore
from exporter.ledger import Ledger
from exporter.meter import Meter
from exporter.model import Pagination, Query, Role, Sideload
from exporter.pace import Pace
from exporter.sinks import Sink
from exporter.sinks.files import FileSink
from exporter.sinks.stdout import StdoutSink
from exporter.sweep import LAG, Sweep
from exporter.version import VERSION

REPORT_EVERY = 1.0
"""Seconds between notes of a run's figures in the ledger, for `status`."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an export is run; nothing here changes what is exported.

    :param rate: requests a minute; None takes the account's own limit × `share`.
    :param share: how much of the account's limit is ours, 0–1.
    :param patience: seconds without success after which to give up.
    :param ranges: how many ranges a stream may have at work at once; 1 is one cursor a role, None as many as pay.
    :param limits: where to stop early.
    :param restart: forget what is there, and begin anew.
    :param strict: stop at a user whose text is no valid Unicode, where it else is replaced by U+FFFD.
    :param sweep: close the export by a look for whoever changed meanwhile.
    :param lag: seconds before now that the account's incremental export leaves out.
    """

    rate: float | None = None
    share: float = 0.95
    patience: float = PATIENCE
    ranges: int | None = None
    limits: Limits = field(default_factory=Limits)
    restart: bool = False
    strict: bool = False
    sweep: bool = True
    lag: float = LAG


class Export:
    """One export of one query into one destination.

    `run` it once; `stop` it from wherever the loop runs, a signal handler for one.
    """

    def __init__(
        self,
        account: Account,
        destination: Destination,
        query: Query,
        options: Options,
        observer: Observer = ignore,
        sink: Sink | None = None,
    ) -> None:
        if destination.stdout and query.include:
            raise UsageError("sideloads go to files of their own: name a folder or a file, not stdout")
        self._account, self._destination, self._query = account, destination, query
        self._options, self._observe = options, observer
        self._sink = sink or (StdoutSink() if destination.stdout else FileSink(destination, query))
        self._engine: Engine | None = None
        self._stopped = ""

    def stop(self, why: str) -> None:
        """Ask for nothing more, write what is in hand, save positions: `run` returns within 10 seconds."""
        self._stopped = why
        if self._engine is not None:
            self._engine.stop(why)

    async def run(self) -> Finished:
        """Export until everything is written, or something ends it before; run again, it goes on.

        :raises ExportError: what ended it, alone or in an ExceptionGroup; everything written stays valid.
        """
        with store.locked(self._destination):
            self._prepare()
            belongs_to = store.identity(self._account, self._query, self._destination)
            roles = tuple(role.value for role in self._query.roles)
            with store.open_ledger(self._destination.ledger, belongs_to, roles) as ledger:
                return self._already(ledger) if self._is_sealed(ledger) else await self._run(ledger)

    def _prepare(self) -> None:
        path, manifest_path = self._destination.ledger, self._destination.manifest
        there = [*self._sink.existing(), *([manifest_path] if manifest_path and manifest_path.exists() else [])]
        if self._options.restart or self._is_in_nobodys_way(there):
            self._forget()
        elif there and path is not None and not path.exists():
            raise LedgerError(f"{there[0]} is there already, and no ledger says where it comes from")

    def _is_in_nobodys_way(self, there: list[Path]) -> bool:
        """Tell whether another query has begun here and written nothing: one that the account refused, for one."""
        path = self._destination.ledger
        if path is None or not path.exists() or any(each.lstat().st_size for each in there):
            return False
        try:
            return store.is_blank(path)
        except (LedgerError, OutputError):
            return False

    def _forget(self) -> None:
        """Remove what earlier runs made, the ledger first: without it, nothing that is left counts as an export."""
        path, manifest_path = self._destination.ledger, self._destination.manifest
        names = store.known_files(path) if path is not None and path.exists() else []
        if path is not None and path.exists() and self._destination.stdout and not store.is_ours(path):
            raise LedgerError(f"{path} is not a ledger of zexport's", hint="Name another file with --ledger.")
        if manifest_path is not None and manifest_path.exists() and not manifest.is_ours(manifest_path):
            raise LedgerError(f"{manifest_path} is not a manifest of zexport's", hint="Choose another output.")
        for each in (path, manifest_path):
            if each is not None:
                store.remove(each)
        self._sink.remove(names)

    def _is_sealed(self, ledger: Ledger) -> bool:
        """Tell whether nothing is left to do.

        :raises LedgerError: if the files are not there any more as they were exported.
        """
        if "complete" not in ledger.about():
            return False
        differs = self._sink.differs({name: size for name, (size, _) in ledger.files().items()})
        if differs is not None:
            raise LedgerError(
                f"the export is complete, but {differs} is gone or was changed since",
                hint="Export anew with --restart.",
            )
        return self._destination.manifest is None or self._destination.manifest.exists()

    async def _run(self, ledger: Ledger) -> Finished:
        run = ledger.start_run(_now())
        recovered = ledger.recover(self._sink.whole_units)
        with closing(self._sink):
            self._sink.open(recovered.sizes)
            ledger.adopt(recovered)
            meter = self._meter(ledger)
            self._observe(Started(self._account.origin, self._destination.text, run, ledger.totals().users))
            pace = Pace(self._options.rate, self._options.share)
            async with open_client(
                self._account,
                pace,
                patience=self._options.patience,
                strict=self._options.strict,
                observer=self._observe,
                warn=ledger.warn,
            ) as client:
                reporter = _Reporter(ledger, run, meter, client, pace, self._observe)
                asking = Asking(client, self._query, ledger, meter, self._options.ranges, self._observe)
                self._engine = Engine(
                    asking,
                    self._query,
                    ledger,
                    self._sink,
                    meter,
                    self._options.limits,
                    reporter.report,
                    client.server_now,
                    self._sweep(client, ledger, meter),
                )
                if self._stopped:
                    self._engine.stop(self._stopped)
                try:
                    finished = await self._engine.run()
                except BaseException:
                    with suppress(OutputError):  # a full disk is told of by what met it first
                        reporter.report()
                        reporter.save("error")
                    raise
                reporter.save("")  # the manifest counts this run's requests too
                facts = self._facts(ledger)
                if finished and await anyio.to_thread.run_sync(self._seal, facts):
                    ledger.note("users", str(facts["users"]))
                    ledger.note("complete", _now())
                    reporter.save("complete")
                else:
                    reporter.save(self._stopped or self._engine.stopped)
            return self._outcome(ledger, meter.seconds, meter.written, self._stopped or self._engine.stopped)

    def _sweep(self, client: Client, ledger: Ledger, meter: Meter) -> Sweep | None:
        """Make the closing sweep; None where it is not wanted, or there is nothing that could have slipped through."""
        query = self._query
        if not self._options.sweep or query.external_id is not None or query.pagination is Pagination.OFFSET:
            return None
        return Sweep(client, query, ledger, self._sink, meter, observer=self._observe, lag=self._options.lag)

    def _meter(self, ledger: Ledger) -> Meter:
        """Make a meter that stands where the ledger does."""
        meter = Meter(self._query.roles)
        expected = ledger.expected()
        for each in ledger.ranges():
            meter.roles[each.role].users += each.position.users
            meter.roles[each.role].unfinished += not each.position.finished
            meter.roles[each.role].expected = expected[each.role]
        return meter

    def _facts(self, ledger: Ledger) -> dict[str, Any]:
        """Gather the manifest, all but what is read back from the files."""
        totals = ledger.totals()
        about, counts, roles = ledger.about(), ledger.files(), _users(ledger)
        return {
            "complete": "missing" not in about,
            "account": self._account.origin,
            "query": self._query.describe(),
            "users": sum(roles.values()),
            "lines": totals.users,
            "superseded": totals.users - sum(roles.values()),
            "roles": roles,
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
                for name, content in self._destination.files(self._query).items()
            ],
            "requests": totals.requests,
            "retries": totals.retries,
            "resumes": totals.runs - 1,
            "sweep": orjson.loads(about["sweep"]) if "sweep" in about else {"ran": False, "why": self._unswept()},
            "warnings": ledger.warnings(),
            "started_at": totals.started_at,
            "finished_at": _now(),
            "zexport": VERSION,
        }

    def _unswept(self) -> str:
        return "not asked for" if not self._options.sweep else "not for this query"

    def _seal(self, facts: dict[str, Any]) -> bool:
        """Read the files back, and write the manifest; False if a stop came before that: the next run does it.

        In a thread: it reads all that was written.
        """
        if self._destination.manifest is None:
            return True
        for entry in facts["files"]:
            if not self._destination.stdout:
                path = self._destination.folder / entry["path"]
                described = manifest.describe_file(path, stop=lambda: bool(self._stopped))
                if described is None:
                    return False
                entry.update(described)
        if not self._destination.stdout:
            users = [entry for entry in facts["files"] if entry["kind"] == "users"]
            facts["lines"] = sum(entry["records"] for entry in users)
            if facts["sweep"].get("candidates", 1):  # else nobody can have come twice
                paths = [self._destination.folder / entry["path"] for entry in users]
                superseded = manifest.count_superseded(paths, stop=lambda: bool(self._stopped))
                if superseded is None:
                    return False
                facts["superseded"] = superseded
            facts["users"] = facts["lines"] - facts["superseded"]
        manifest.write(self._destination.manifest, facts)
        return True

    def _already(self, ledger: Ledger) -> Finished:
        totals = ledger.totals()
        self._observe(Started(self._account.origin, self._destination.text, totals.runs, totals.users))
        return self._outcome(ledger, 0.0, 0, "")

    def _outcome(self, ledger: Ledger, seconds: float, written: int, stopped: str) -> Finished:
        totals = ledger.totals()
        about = ledger.about()
        names = self._destination.files(self._query)
        folder, users = self._destination.folder, _users(ledger)
        finished = Finished(
            complete="complete" in about and "missing" not in about,
            missing=about.get("missing", "") if "complete" in about else "",
            stopped="" if "complete" in about else stopped,
            users=int(about.get("users", sum(_users(ledger).values()))),
            written=written,
            bytes=sum(size for size, _ in ledger.files().values()),
            seconds=seconds,
            requests=totals.requests,
            retries=totals.retries,
            resumes=totals.runs - 1,
            roles=tuple(replace(each, users=users[each.role]) for each in self._meter(ledger).role_progress()),
            files=tuple(str(folder / name) for name in names if not self._destination.stdout),
            warnings=tuple(ledger.warnings()),
        )
        self._observe(finished)
        return finished


class _Reporter:
    """Tells the observer how far things are, and the ledger what this run has done."""

    def __init__(self, ledger: Ledger, run: int, meter: Meter, client: Client, pace: Pace, observer: Observer) -> None:
        self._ledger, self._run, self._meter = ledger, run, meter
        self._client, self._pace, self._observe = client, pace, observer
        self._saved = 0.0

    def report(self) -> None:
        statistics = self._client.statistics()
        self._observe(self._meter.progress(statistics.requests, statistics.retries, self._pace.statistics()))
        if self._meter.seconds >= self._saved + REPORT_EVERY:
            self.save("")
            self._saved = self._meter.seconds

    def save(self, ended: str) -> None:
        statistics = self._client.statistics()
        self._ledger.update_run(
            self._run,
            seconds=self._meter.seconds,
            written=self._meter.written,
            requests=statistics.requests,
            retries=statistics.retries,
            ended=ended,
        )


def _users(ledger: Ledger) -> dict[str, int]:
    """Return how many users of each role there are: lines, less those that a newer one follows."""
    superseded = orjson.loads(ledger.about().get("sweep", "{}")).get("superseded", {})
    return {role.value: lines - superseded.get(role, 0) for role, lines in ledger.totals().roles.items()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
