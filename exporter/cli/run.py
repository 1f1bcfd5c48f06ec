"""`zexport run`: wires an export to signals, to a view and to an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import stat
import sys

import anyio
from anyio.abc import TaskStatus

from exporter.cli.account import account_from, way_to
from exporter.cli.again import ask_to_replace, dated, this_command
from exporter.cli.arguments import query_fields
from exporter.cli.clean import clean
from exporter.cli.loop import run_loop
from exporter.cli.say import say
from exporter.cli.summary import error_text, exit_code, flatten, summary, traceback_text
from exporter.cli.terminal import View
from exporter.cli.view import make_view
from exporter.destination import parse_destination
from exporter.engine import Export, Limits, Options
from exporter.errors import UsageError
from exporter.events import Event, Failed, Finished, Progress, Started
from exporter.model import Pagination, Query

ECHO = 0.25
"""Seconds within which a second signal is the first one again: `timeout` and wrappers send it to child and group."""
BUG, INCOMPLETE, STOPPED_BY_LIMIT, READER_GONE = 1, 3, 8, 141


def main(args: argparse.Namespace) -> int:
    """Export, and return the exit code."""
    account = account_from(args)
    query = _query(args)
    destination = parse_destination(
        args.output if args.output is not None else f"{account.name}-users",
        compression=args.compress,
        ledger=args.ledger,
    )
    options = Options(
        rate=args.rate,
        share=args.share,
        patience=args.patience,
        ranges=args.ranges,
        limits=Limits(args.max_users, args.max_duration),
        restart=args.restart,
        if_older_than=args.if_older_than,
        strict=args.strict,
        sweep=args.sweep,
        overlap=args.overlap,
        keep_older=args.keep_older,
    )
    # At a terminal, a table would be drawn over the users.
    shared = destination.stdout and args.progress == "auto" and sys.stdout is not None and sys.stdout.isatty()
    view = make_view(
        "off" if shared else args.progress, args.quiet, sys.stderr, piped=destination.stdout and _is_pipe(1)
    )
    users = _LastKnown()

    def observe(event: Event) -> None:
        users(event)
        view(event)

    export = Export(account, destination, query, options, observe)
    again = this_command() if destination.ledger else None
    if args.restart and not args.yes:
        ask_to_replace(destination)
    if args.verbose and args.progress != "json":
        say(f"zexport: {way_to(account, args.ca_file)}")
    try:
        with view:
            signalled, finished = run_loop(_run, export)
    except Exception as exc:  # noqa: BLE001 (this is where exceptions become words and a code)
        return _failed(exc, args, view, users.count, _on(again, args, export))
    if not args.quiet and args.progress != "json":
        newer = [this_command(dated(destination)), this_command() + " --restart"] if not destination.stdout else []
        name = destination.text
        say(summary(finished, account=account.name, destination=name, command=_on(again, args, export), newer=newer))
    return _code(signalled, finished)


async def _run(export: Export) -> tuple[int, Finished]:
    """Run an export under signals; return the signal that stopped it, or 0."""
    signalled = 0

    async def listen(*, task_status: TaskStatus[None]) -> None:
        nonlocal signalled
        since = 0.0
        # A terminal that is closed stops an export in order, too; not one that was begun with nohup.
        hangup = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hangup) as signals:
            task_status.started()
            async for received in signals:
                if not signalled:
                    signalled, since = int(received), anyio.current_time()
                    export.stop(received.name)
                elif anyio.current_time() >= since + ECHO:
                    os._exit(128 + received)

    async with anyio.create_task_group() as group:
        await group.start(listen)
        finished = await export.run()
        group.cancel_scope.cancel()
    return signalled, finished


def _failed(exc: Exception, args: argparse.Namespace, view: View, users: int | None, again: str | None) -> int:
    code = exit_code(exc)
    text = error_text(exc, finished_users=users, command=again)
    if args.progress == "json" and not args.quiet:
        first = flatten(exc)[0]
        view(Failed(clean(str(first)), clean(getattr(first, "hint", "")), code))
    elif code != READER_GONE or args.verbose:  # `| head` is no failure, and nobody wants to be told of it
        say(text)
    if args.verbose or code == BUG:
        say(traceback_text(exc))
    return code


def _on(again: str | None, args: argparse.Namespace, export: Export) -> str | None:
    """Return the command to go on with: until what was there is forgotten, it is to be replaced still."""
    return f"{again} --restart" if again and args.restart and not export.forgot else again


def _code(signalled: int, finished: Finished) -> int:
    if finished.complete:
        return 0
    if finished.missing:
        return INCOMPLETE
    return 128 + signalled if signalled else STOPPED_BY_LIMIT


def _query(args: argparse.Namespace) -> Query:
    try:
        return Query(
            **query_fields(args),
            external_id=args.external_id,
            include=args.include,
            sort=args.sort,
            page_size=args.page_size,
            pagination=Pagination(args.pagination),
        )
    except ValueError as exc:
        raise UsageError(str(exc)) from exc


def _is_pipe(fd: int) -> bool:
    """Tell whether a descriptor leads to another program, or to a terminal, rather than to a file."""
    try:
        return not stat.S_ISREG(os.fstat(fd).st_mode)
    except OSError:
        return False


class _LastKnown:
    """Remembers how many users are written, for the words after an error."""

    def __init__(self) -> None:
        self.count: int | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, Started):
            self.count = event.resumed
        elif isinstance(event, Progress):
            self.count = event.users
