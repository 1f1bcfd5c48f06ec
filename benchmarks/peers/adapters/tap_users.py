"""tap-zendesk: the Singer tap as its command runs it, with `users` selected; it asks the incremental export.

`python tap_users.py URL FOLDER`: run in an environment of its own. Two patches: the address, which the tap writes into
its stream, and the question for custom fields, which the sandbox does not answer. The catalog is made here, since the
tap's own discovery asks for every stream there is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import tap_zendesk  # type: ignore[import-not-found,unused-ignore]  # installed where the adapter runs
from tap_zendesk.streams import Stream, Users  # type: ignore[import-not-found,unused-ignore]


def main(url: str, folder: Path) -> None:
    """Write the tap's messages: a RECORD for each user."""
    Users.endpoint = f"{url}/api/v2/incremental/users/cursor.json"
    Users._add_custom_fields = Stream._add_custom_fields
    config = {"subdomain": "sandbox", "access_token": "none", "start_date": "2000-01-01T00:00:00Z"}
    users = Users(None, config)
    stream = {"stream": "users", "tap_stream_id": "users", "schema": users.load_schema()}
    stream["metadata"] = users.load_metadata()
    for each in stream["metadata"]:
        each["metadata"]["selected"] = True
    for name, content in (("config", config), ("catalog", {"streams": [stream]})):
        (folder / f"{name}.json").write_text(json.dumps(content))
    sys.argv[1:] = ["--config", str(folder / "config.json"), "--catalog", str(folder / "catalog.json")]
    with (folder / "messages.ndjson").open("w", encoding="utf-8") as sys.stdout:
        tap_zendesk.main()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
