"""Many sandboxes in one process of their own: to start one for each takes a test longer than all the rest of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import urllib.request
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from exporter.cli.sandbox import add_parser, read_settings
from exporter.sandbox.server.app import listening
from tests.support.looks import is_look
from tests.support.sandbox_process import TIMEOUT
from tests.support.zexport_process import FAST


class Sandbox:
    """One sandbox of a farm; `url` is where it listens."""

    def __init__(self, farm: SandboxFarm, url: str) -> None:
        self._farm, self.url = farm, url

    def stats(self) -> dict[str, Any]:
        """Return what it has been asked and has answered, see `exporter.sandbox.server.statistics`."""
        with urllib.request.urlopen(f"{self.url}/_sandbox/stats", timeout=TIMEOUT) as response:
            report: dict[str, Any] = json.load(response)
            return report

    def asked(self) -> list[str]:
        """Return the pages of streams that were asked for: no counts, no looks, nor what the closing sweep asks for."""
        asked = [each for each in self.stats()["queries"] if not is_look(each)]
        return [each for each in asked if "/count" not in each and "sort=-updated_at" not in each]

    def reopen(self, *flags: str) -> None:
        """Let another sandbox take its place, at the same address: to an exporter it is the same account."""
        self._farm.tell(["close", self.url])
        assert self._farm.tell(["open", "--port", self.url.rpartition(":")[2], *flags]) == self.url


class SandboxFarm:
    """A process full of sandboxes, for as long as the context lasts."""

    def __init__(self) -> None:
        command, folder = [sys.executable, "-m", "tests.support.sandbox_farm"], Path(__file__).parent.parent.parent
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=TIMEOUT)

    def open(self, *flags: str) -> Sandbox:
        """Open a sandbox on a free port: its flags are those of `zexport sandbox`, and no limit is met."""
        return Sandbox(self, self.tell(["open", "--port", "0", *flags]))

    def tell(self, words: list[str]) -> str:
        """Have something done; return the address it is about."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        return self._process.stdout.readline().strip()


async def _serve() -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    open_ones: dict[str, AsyncExitStack] = {}
    words = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    async for line in words:
        what, *rest = json.loads(line)
        if what == "close":
            (url,) = rest
            await open_ones.pop(url).aclose()
        else:
            stack = AsyncExitStack()
            flags = ["sandbox", *FAST, *rest]
            url = await stack.enter_async_context(listening(read_settings(parser.parse_args(flags))))
            open_ones[url] = stack
        print(url, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
