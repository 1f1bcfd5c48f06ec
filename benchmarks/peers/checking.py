"""`python -m benchmarks.peers.checking FOLDER PATTERN [URL]`: what an output holds, as JSON.

`lines` with a user in them, `distinct` ids among those, and, where a URL is given, how many users are `kept`: every
value that the API sends, but null, is there and equal as a JSON value. Keys may be more, or in another order; 1.0 is 1.
"""

from __future__ import annotations

import json
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def users_in(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """Yield every user of an output: a line each, or a Singer message of the type RECORD."""
    for path in sorted(folder.glob(pattern)):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                user = json.loads(line)
                if "id" in user:
                    yield user
                elif user.get("type") == "RECORD":
                    yield user["record"]


def users_at(url: str) -> Iterator[dict[str, Any]]:
    """Yield every user of an account."""
    params = {"page[size]": "100"}
    while True:
        with urllib.request.urlopen(f"{url}/api/v2/users?{urllib.parse.urlencode(params)}", timeout=30) as response:
            page = json.load(response)
        yield from page["users"]
        if not page["meta"]["has_more"]:
            return
        params["page[after]"] = page["meta"]["after_cursor"]


def keeps(user: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Tell whether a user holds every value that is wanted."""
    return all(user.get(field) == value for field, value in wanted.items())


def check(folder: Path, pattern: str, url: str = "") -> dict[str, int]:
    """Count."""
    lines, kept = 0, 0
    distinct = set()
    wanted = {user["id"]: user for user in users_at(url)} if url else {}
    for user in users_in(folder, pattern):
        lines += 1
        if user["id"] not in distinct:
            distinct.add(user["id"])
            kept += user["id"] in wanted and keeps(user, wanted[user["id"]])
    return {"lines": lines, "distinct": len(distinct), **({"kept": kept} if url else {})}


if __name__ == "__main__":
    print(json.dumps(check(Path(sys.argv[1]), *sys.argv[2:])))
