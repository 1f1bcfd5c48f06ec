"""What a program calls: an export in one line, and users as they come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import PathLike, fspath

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from exporter.account import Account
from exporter.destination import STDOUT, Compression, parse_destination
from exporter.engine import Export, Options
from exporter.errors import ClosedPipeError, ExportError, IncompleteError
from exporter.events import Finished, Observer, ignore
from exporter.logins import load_account
from exporter.model import Item, Query
from exporter.output import ChannelSink

_QUERY, _OPTIONS = Query(), Options()


async def export_users(
    account: Account | str,
    destination: str | PathLike[str],
    query: Query = _QUERY,
    *,
    compression: Compression | str | None = None,
    options: Options = _OPTIONS,
    observer: Observer = ignore,
) -> Finished:
    """Export users to files; call it again to go on where it ended, however that was.

    :param account: an `Account`, or what `load_account` reads.
    :param destination: a folder (one file a role), or a file named `.ndjson` or `.jsonl`, then `.gz` or `.zst`.
    :param compression: for a folder.
    :param observer: called with each event, on the event loop; it must be quick.
    :returns: what was written, in this run and by all. Not `complete` if a limit in `options` ended it.
    :raises ExportError: what ended it; if several ranges failed, the first of their errors, with all as its cause.
    """
    export = Export(
        load_account(account) if isinstance(account, str) else account,
        parse_destination(fspath(destination), compression=Compression(compression) if compression else None),
        query,
        options,
        observer,
    )
    try:
        return await export.run()
    except BaseExceptionGroup as group:
        raise _first(group) from group


@asynccontextmanager
async def stream_users(
    account: Account | str, query: Query = _QUERY, *, options: Options = _OPTIONS, observer: Observer = ignore
) -> AsyncIterator[MemoryObjectReceiveStream[Item]]:
    """Hand users over as they come; nothing is written, and nothing can be resumed.

    The stream ends after the last user. Leaving the block ends the export. Fetching goes no further ahead than a few
    pages, however slow the program is.

    :raises ExportError: on leaving the block, if the export ended before its time; IncompleteError, if it came to its
        end and somebody may be missing all the same.
    """
    send, receive = anyio.create_memory_object_stream[Item]()
    known = load_account(account) if isinstance(account, str) else account
    export = Export(known, parse_destination(STDOUT), query, options, observer, sink=ChannelSink(send))
    failure: BaseException | None = None

    async def run() -> None:
        nonlocal failure
        try:
            with send:
                finished = await export.run()
            if finished.missing:
                failure = IncompleteError(finished.missing)
        except* ClosedPipeError:
            pass  # the program has seen enough
        except* ExportError as group:
            failure = _first(group)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        try:
            with receive:
                yield receive
        except Exception as exc:  # noqa: BLE001 (it is the program's own, and goes to it without a group around it)
            failure = exc
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    for exc in group.exceptions:
        return _first(exc) if isinstance(exc, BaseExceptionGroup) else exc
    return group
