"""One line for each user: how a finished export loses its older lines, and goes on with that after a kill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import anyio.to_thread
import orjson

from exporter.ledger import SEALING, Ledger
from exporter.output import Digest, NoRoomError, Sealing


class Read(NamedTuple):
    """What has been read of files, by name, and whether that has shown one line for each user."""

    digests: Mapping[str, Digest]
    one_each: bool = False


async def lose_older_lines(
    ledger: Ledger, sealing: Sealing, newest: Mapping[int, str], *, stop: Callable[[], bool]
) -> Read | None:
    """Rewrite the files that hold older lines; return what was read of those, None if a stop came before.

    Where there is no room for that, they stay as they are, and the manifest warns of it.

    :param newest: the role of users as it was seen last.
    :raises OutputError: if the disk refuses.
    """
    try:
        sealed = await anyio.to_thread.run_sync(partial(sealing.rewrite, newest, stop=stop))
    except NoRoomError as exc:
        ledger.warn(
            f"no room to write {exc} anew: users who changed have older lines there; the last line of an id is the "
            "newest, in the file of the role that it says"
        )
        return Read({})
    if sealed:
        sizes = {name: (each.digest.size, each.records) for name, each in sealed.items()}
        ledger.note(SEALING, orjson.dumps(sizes).decode())
        go_on(ledger, sealing)
    return None if sealed is None else Read({name: each.digest for name, each in sealed.items()}, one_each=True)


def go_on(ledger: Ledger, sealing: Sealing) -> None:
    """Give files their names that are known to be rewritten, and forget all others that a kill has left."""
    noted = ledger.about().get(SEALING)
    if noted is None:
        sealing.clear()
        return
    sizes = orjson.loads(noted)
    sealing.put(sizes)
    ledger.resize({name: (size, records) for name, (size, records) in sizes.items()})
