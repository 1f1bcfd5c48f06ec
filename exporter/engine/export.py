"""One export, wired up: lock, ledger, sink, client, engine, manifest. Library and command line both come here."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from exporter.account import Account
from exporter.api import PATIENCE, Client, Pace, open_client
from exporter.destination import Destination
from exporter.engine import finishing
from exporter.engine.asking import Asking
from exporter.engine.beginning import Beginning
from exporter.engine.ending import Ending
from exporter.engine.engine import Engine, Limits
from exporter.engine.meter import Meter
from exporter.engine.reporter import Reporter, pace_left
from exporter.engine.sweep import LAG, Sweep
from exporter.errors import LedgerError, OutputError, UsageError
from exporter.events import Finished, Observer, Started, ignore
from exporter.ledger import Ledger, identity, is_blank, is_ledger, known_files, locked, open_ledger, remove_ledger
from exporter.model import Pagination, Query
from exporter.output import FileSink, Sink, StdoutSink
from exporter.proof import is_manifest


@dataclass(frozen=True, slots=True)
class Options:
    """How an export is run; nothing here changes what is exported.

    :param rate: requests a minute; None takes the account's own limit × `share`.
    :param share: how much of the account's limit is ours, 0–1.
    :param patience: seconds without success after which to give up.
    :param ranges: how many ranges a stream may have at work at once; 1 is one cursor a role, None as many as pay.
    :param limits: where to stop early.
    :param restart: forget what is there, and begin anew, once the account has answered.
    :param strict: stop at a user whose text is no valid Unicode, where it else is replaced by U+FFFD.
    :param sweep: close the export by a look for whoever changed meanwhile.
    :param overlap: have each page begin with the last user of the page before, where users have cursors.
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
    overlap: bool = True
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
        self._proving: anyio.CancelScope | None = None
        self.forgot = False  # whether what was there has been forgotten, as `restart` wants it

    def stop(self, why: str) -> None:
        """Ask for nothing more, write what is in hand, save positions: `run` returns within 10 seconds."""
        self._stopped = why
        if self._proving is not None:
            self._proving.cancel()
        if self._engine is not None:
            self._engine.stop(why)

    async def run(self) -> Finished:
        """Export until everything is written, or something ends it before; run again, it goes on.

        :raises ExportError: what ended it, alone or in an ExceptionGroup; everything written stays valid.
        """
        with locked(self._destination):
            if self._options.restart and self._is_there() and not await self._can_begin():
                return self._stays()
            self._prepare()
            belongs_to = identity(self._account, self._query, self._destination)
            roles = tuple(role.value for role in self._query.roles)
            with open_ledger(self._destination.ledger, belongs_to, roles) as ledger:
                return self._already(ledger) if self._is_sealed(ledger) else await self._run(ledger)

    def _is_there(self) -> list[Path]:
        """Return what earlier runs have left."""
        paths = [self._destination.ledger, self._destination.manifest]
        return [*self._sink.existing(), *(path for path in paths if path is not None and path.exists())]

    async def _can_begin(self) -> bool:
        """Ask for one user, before anything that is there is touched; False if a stop came before the answer.

        :raises ExportError: if the account does not answer with one: what is there stays.
        """
        pace = Pace(self._options.rate, self._options.share, clock=anyio.current_time)
        one = replace(self._query, page_size=1, sort=None, include=(), pagination=Pagination.CURSOR)
        with anyio.CancelScope() as self._proving:
            async with open_client(
                self._account, pace, patience=self._options.patience, observer=self._observe
            ) as client:
                await client.look(one, *one.roles)
                return True
        return False

    def _stays(self) -> Finished:
        """Tell of a run that was stopped before it touched what is there."""
        belongs_to = identity(self._account, self._query, self._destination)
        with open_ledger(None, belongs_to, tuple(role.value for role in self._query.roles)) as none:
            return self._tell(none, 0.0, 0, self._stopped)

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
            return is_blank(path)
        except (LedgerError, OutputError):
            return False

    def _forget(self) -> None:
        """Remove what earlier runs made, the ledger first: without it, nothing that is left counts as an export."""
        path, manifest_path = self._destination.ledger, self._destination.manifest
        names = known_files(path) if path is not None and path.exists() else []
        if path is not None and path.exists() and self._destination.stdout and not is_ledger(path):
            raise LedgerError(f"{path} is not a ledger of zexport's", hint="Name another file with --ledger.")
        if manifest_path is not None and manifest_path.exists() and not is_manifest(manifest_path):
            raise LedgerError(f"{manifest_path} is not a manifest of zexport's", hint="Choose another output.")
        self.forgot = True
        for each in (path, manifest_path):
            if each is not None:
                remove_ledger(each)
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

    def _check_memory(self, ledger: Ledger) -> None:
        """Refuse a ledger that has forgotten everything, as it does without its write-ahead log and its mark.

        That the export began is on the disk before the first byte of output is written.

        :raises LedgerError: rather than cut away all that is there.
        """
        full = [path for path in self._sink.existing() if path.lstat().st_size]
        if full and "began" not in ledger.about():
            raise LedgerError(f"{self._destination.ledger} has lost all that it knew: nothing in it tells of {full[0]}")

    async def _run(self, ledger: Ledger) -> Finished:
        self._check_memory(ledger)
        run = ledger.start_run(finishing.now())
        recovered = ledger.recover(self._sink.whole_units)
        with closing(self._sink):
            self._sink.open(recovered.sizes)
            ledger.adopt(recovered)
            meter = finishing.meter_of(ledger, self._query.roles)
            self._observe(Started(self._account.origin, self._destination.text, run, ledger.totals().users))
            pace = Pace(self._options.rate, self._options.share, clock=anyio.current_time)
            if run > 1:
                pace.resume(*pace_left(ledger))
            async with open_client(
                self._account,
                pace,
                patience=self._options.patience,
                strict=self._options.strict,
                observer=self._observe,
                warn=ledger.warn,
            ) as client:
                reporter = Reporter(ledger, run, meter, client, pace, self._observe)
                beginning = Beginning(client, self._query, ledger, sweeps=self._sweeps, strict=self._options.strict)
                asking = Asking(
                    client,
                    self._query,
                    ledger,
                    meter,
                    self._options.ranges,
                    self._observe,
                    self._sink.seen,
                    overlap=self._options.overlap,
                    picking=beginning.mixed,
                )
                self._engine = Engine(
                    asking,
                    self._query,
                    ledger,
                    self._sink,
                    meter,
                    self._options.limits,
                    reporter.report,
                    beginning,
                    Ending(client, self._query, ledger, self._sweep(client, ledger, meter)),
                )
                if self._stopped:
                    self._engine.stop(self._stopped)
                try:
                    finished = await self._engine.run()
                except BaseException:
                    with suppress(OutputError):  # a full disk is told of by what met it first
                        asking.evidence.keep()
                        reporter.report()
                        reporter.save("error")
                    raise
                asking.evidence.keep()
                reporter.save("")  # the manifest counts this run's requests too
                if finished:
                    finishing.hold_against_counts(ledger, self._destination, self._account)
                facts = finishing.facts(
                    ledger,
                    self._account,
                    self._destination,
                    self._query,
                    unswept=self._unswept(),
                    proof={"overlap": self._options.overlap, **asking.evidence.counts},
                )
                if finished and await anyio.to_thread.run_sync(self._seal, facts):
                    ledger.note("users", str(facts["users"]))
                    ledger.note("complete", finishing.now())
                    reporter.save("complete")
                else:
                    reporter.save(self._stopped or self._engine.stopped)
            return self._tell(ledger, meter.seconds, meter.written, self._stopped or self._engine.stopped)

    @property
    def _sweeps(self) -> bool:
        """Whether a sweep closes the export: where it is wanted, and somebody could have slipped through."""
        by_cursor = self._query.pagination is Pagination.CURSOR
        return self._options.sweep and self._query.external_id is None and by_cursor

    def _sweep(self, client: Client, ledger: Ledger, meter: Meter) -> Sweep | None:
        if not self._sweeps:
            return None
        return Sweep(client, self._query, ledger, self._sink, meter, observer=self._observe, lag=self._options.lag)

    def _unswept(self) -> str:
        return "not asked for" if not self._options.sweep else "not for this query"

    def _seal(self, facts: dict[str, Any]) -> bool:
        return finishing.seal(self._destination, facts, self._sink.digests(), stop=lambda: bool(self._stopped))

    def _tell(self, ledger: Ledger, seconds: float, written: int, stopped: str) -> Finished:
        finished = finishing.finished(ledger, self._destination, self._query, seconds, written, stopped)
        self._observe(finished)
        return finished

    def _already(self, ledger: Ledger) -> Finished:
        totals = ledger.totals()
        self._observe(Started(self._account.origin, self._destination.text, totals.runs, totals.users))
        return self._tell(ledger, 0.0, 0, "")
