"""The plain loop that people write first: `requests`, `page[after]`, one line a user.

`python requests_loop.py URL FOLDER`: run in an environment of its own, which has nothing but `requests`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import requests  # type: ignore[import-not-found,import-untyped,unused-ignore]  # installed where the adapter runs


def main(url: str, folder: Path) -> None:
    """Write every user of the account as a line."""
    params = {"page[size]": "100"}
    with requests.Session() as session, (folder / "users.ndjson").open("w", encoding="utf-8") as lines:
        while True:
            response = session.get(f"{url}/api/v2/users", params=params, timeout=60)
            response.raise_for_status()
            page = response.json()
            for user in page["users"]:
                lines.write(json.dumps(user, ensure_ascii=False) + "\n")
            if not page["meta"]["has_more"]:
                return
            params["page[after]"] = page["meta"]["after_cursor"]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
