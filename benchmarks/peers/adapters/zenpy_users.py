"""zenpy: `client.users()`, which is cursor pagination in its current version.

`python zenpy_users.py URL FOLDER`: run in an environment of its own. Nothing is patched: zenpy takes another scheme and
host from its own two environment variables.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from zenpy import Zenpy  # type: ignore[import-not-found,unused-ignore]  # installed where the adapter runs


def main(url: str, folder: Path) -> None:
    """Write every user of the account as a line."""
    os.environ["ZENPY_FORCE_SCHEME"], os.environ["ZENPY_FORCE_NETLOC"] = url.split("://")
    client = Zenpy(subdomain="sandbox", email="someone@example.com", token="none")
    with (folder / "users.ndjson").open("w", encoding="utf-8") as lines:
        for user in client.users():
            lines.write(json.dumps(user.to_dict(), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
