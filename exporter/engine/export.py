"""One export, wired up: lock, ledger, sink, client, engine, manifest. Library and command line both come here."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.to_thread

from exporter.account import Account
from exporter.api import Client, Pace, open_client
from exporter.destination import Destination
from exporter.engine import finishing
from exporter.engine.asking import Asking
from exporter.engine.beginning import Beginning
from exporter.engine.ending import Ending
from exporter.engine.engine import Engine, Limits
from exporter.engine.meter import Meter
from exporter.engine.place import Place
from exporter.engine.replacing import Replacing
from exporter.engine.reporter import Reporter, pace_left
from exporter.engine.sealing import Read, go_on, lose_older_lines
from exporter.engine.sweep import LAG, Sweep
from exporter.errors import OutputError, UsageError
from exporter.events import Finished, Observer, Started, ignore
from exporter.ledger import Ledger, identity, locked, open_ledger
from exporter.model import Pagination, Query
from exporter.output import FileSink, Sealing, Sink, StdoutSink


@dataclass(frozen=True, slots=True)
class Options:
    """How an export is run; nothing here changes what is exported.

    :param rate: requests a minute; None takes the account's own limit × `share`.
    :param share: how much of the account's limit is ours, 0–1.
    :param patience: seconds without success after which to give up; None: 15 minutes, and 10 seconds until anything
        has answered.
    :param ranges: how many ranges a stream may have at work at once; 1 is one cursor a role, None as many as pay.
    :param limits: where to stop early.
    :param restart: begin anew, once the account has answered: a finished export stays until the new one is complete,
        one that is not is forgotten.
    :param if_older_than: begin anew where an export was finished more than so many seconds ago, else leave it.
    :param strict: stop at a user whose text is no valid Unicode, where it else is replaced by U+FFFD.
    :param sweep: close the export by a look for whoever changed meanwhile.
    :param overlap: have each page begin with the last user of the page before, where users have cursors.
    :param keep_older: leave the older lines of users who changed meanwhile in the files.
    :param lag: seconds before now that the account's incremental export leaves out.
    """

    rate: float | None = None
    share: float = 0.95
    patience: float | None = None
    ranges: int | None = None
    limits: Limits = field(default_factory=Limits)
    restart: bool = False
    if_older_than: float | None = None
    strict: bool = False
    sweep: bool = True
    overlap: bool = True
    lag: float = LAG
    keep_older: bool = False


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
        self._place = Place(destination, self._sink)
        self._sealing = Sealing(destination, query) if isinstance(self._sink, FileSink) else None
        self._engine: Engine | None = None
        self._stopped = ""
        self._proving: anyio.CancelScope | None = None
        self._inner: Export | None = None

    @property
    def forgot(self) -> bool:
        """Whether what was there has been forgotten, as `restart` wants it."""
        return self._place.forgot

    def stop(self, why: str) -> None:
        """Ask for nothing more, write what is in hand, save positions: `run` returns within 10 seconds."""
        self._stopped = why
        if self._proving is not None:
            self._proving.cancel()
        if self._inner is not None:
            self._inner.stop(why)
        if self._engine is not None:
            self._engine.stop(why)

    async def run(self) -> Finished:
        """Export until everything is written, or something ends it before; run again, it goes on.

        :raises ExportError: what ended it, alone or in an ExceptionGroup; everything written stays valid.
        """
        with locked(self._destination):
            belongs_to = identity(self._account, self._query, self._destination)
            replacing = None if self._destination.stdout else Replacing(self._destination, self._query)
            placed = replacing is not None and replacing.pending
            if placed and replacing is not None:
                replacing.finish()
            older = self._options.if_older_than
            restart = not placed and (self._options.restart or (older is not None and self._place.age > older))
            if restart and self._place.there():
                if not await self._can_begin():
                    return self._stays()
                if replacing is not None and replacing.old_is_complete:
                    return await self._replace(replacing, belongs_to)
            self._place.prepare(restart=restart)
            roles = tuple(role.value for role in self._query.roles)
            with open_ledger(self._destination.ledger, belongs_to, roles) as ledger:
                return self._already(ledger) if self._place.is_sealed(ledger) else await self._run(ledger)

    async def _replace(self, replacing: Replacing, belongs_to: dict[str, str]) -> Finished:
        """Export beside what is there, and put that in its place once it is complete."""
        replacing.begin(belongs_to)
        options = replace(self._options, restart=False)
        self._inner = Export(self._account, replacing.staged, self._query, options, self._observe)
        if self._stopped:
            self._inner.stop(self._stopped)
        finished = await self._inner.run()
        if finished.complete or finished.missing:
            replacing.swap()
        names = self._destination.files(self._query)
        return replace(finished, files=tuple(str(self._destination.folder / name) for name in names))

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

    async def _run(self, ledger: Ledger) -> Finished:
        self._place.check_memory(ledger)
        if self._sealing is not None:
            go_on(ledger, self._sealing)
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
                    beginning=beginning,
                )
                ending = Ending(client, self._query, ledger, self._sweep(client, ledger, meter))
                self._engine = Engine(
                    asking,
                    self._query,
                    ledger,
                    self._sink,
                    meter,
                    self._options.limits,
                    reporter.report,
                    beginning,
                    ending,
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
                read = await self._one_line_each(ledger, ending) if finished else None
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
                if read is not None and await anyio.to_thread.run_sync(self._seal, facts, read):
                    done = {"users": facts["users"], "older": facts["superseded"], "complete": finishing.now()}
                    ledger.note_all({name: str(value) for name, value in done.items()})
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

    async def _one_line_each(self, ledger: Ledger, ending: Ending) -> Read | None:
        """Leave one line for each user, where files can be rewritten; None if a stop came before."""
        read: Read | None = Read({})
        changed = ending.newest or not self._sweeps  # else nobody can have come twice
        if self._sealing is not None and changed and not self._options.keep_older:
            read = await lose_older_lines(ledger, self._sealing, ending.newest, stop=lambda: bool(self._stopped))
        return read and read._replace(digests={**self._sink.digests(), **read.digests})

    def _seal(self, facts: dict[str, Any], read: Read) -> bool:
        stop = lambda: bool(self._stopped)  # noqa: E731
        return finishing.seal(self._destination, facts, read.digests, one_each=read.one_each, stop=stop)

    def _tell(self, ledger: Ledger, seconds: float, written: int, stopped: str) -> Finished:
        finished = finishing.finished(ledger, self._destination, self._query, seconds, written, stopped)
        self._observe(finished)
        return finished

    def _already(self, ledger: Ledger) -> Finished:
        totals = ledger.totals()
        self._observe(Started(self._account.origin, self._destination.text, totals.runs, totals.users))
        return self._tell(ledger, 0.0, 0, "")
