"""The floor: the same pages by aiohttp, one after another, read, decompressed and thrown away.

`python -m benchmarks.bare_fetch URL`: nothing is parsed but the next cursor, which is searched for in the body's end.
"""

from __future__ import annotations

import asyncio
import re
import sys

import aiohttp

AFTER = re.compile(rb'"has_more":true,"after_cursor":"([^"]+)"')


async def fetch(url: str) -> int:
    """Fetch every page of every role; return the bytes seen."""
    size = 0
    async with aiohttp.ClientSession(headers={"Accept-Encoding": "gzip"}) as session:
        for role in ("end-user", "agent", "admin"):
            params = {"role[]": role, "page[size]": "100", "include_item_cursors": "true"}
            while True:
                async with session.get(f"{url}/api/v2/users", params=params) as response:
                    body = await response.read()
                size += len(body)
                found = AFTER.search(body, max(len(body) - 2000, 0))
                if found is None:
                    break
                params["page[after]"] = found[1].decode()
    return size


def main() -> None:
    """Fetch under the loop that the exporter uses."""
    try:
        import uvloop

        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    except ImportError:
        runner = asyncio.Runner()
    with runner:
        runner.run(fetch(sys.argv[1]))


if __name__ == "__main__":
    main()
