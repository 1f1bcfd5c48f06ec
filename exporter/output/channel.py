"""Items to a program that uses the library, one at a time, at its pace."""

from __future__ import annotations

import anyio
from anyio.streams.memory import MemoryObjectSendStream

from exporter.destination import STDOUT
from exporter.errors import ClosedPipeError
from exporter.ledger import Intent
from exporter.model import Item
from exporter.output.delivery import DeliverySink
from exporter.pages import make_cursors


class ChannelSink(DeliverySink):
    """Like stdout, but items are handed over as they are: what has been taken can't be taken back."""

    def __init__(self, send: MemoryObjectSendStream[Item]) -> None:
        super().__init__()
        self._send = send

    async def write(self, intent: Intent) -> None:
        """Hand over every item, waiting for the program where it is slow."""
        for write, move in zip(intent.writes, intent.moves, strict=False):
            begin = write.start
            cursors = make_cursors(move.ids) if move.made else move.cursors
            for user_id, cursor, end in zip(move.ids, cursors, write.ends, strict=True):
                line = write.data[begin - write.start : end - write.start]
                try:
                    await self._send.send(Item(user_id, line, cursor))
                except anyio.BrokenResourceError as exc:
                    raise ClosedPipeError("the program has stopped taking users") from exc
                begin = self._written = end

    async def sync(self, *, final: bool = False) -> dict[str, int]:
        """Count what was handed over."""
        return {STDOUT: self._written}

    def close(self) -> None:
        """Tell the program that this was all."""
        self._send.close()
