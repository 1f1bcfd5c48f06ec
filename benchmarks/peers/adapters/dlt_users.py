"""dlt: its REST API source, cursor pagination, into the filesystem destination as JSON lines.

`python dlt_users.py URL FOLDER [one|roles]`: run in an environment of its own. Nothing is patched: the source takes any
base URL. `roles` is a resource for each role, fetched at the same time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(sys.argv[2])
# Before dlt is imported: it reads them then. Plain files as the others write them, and no word to its maker.
os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["NORMALIZE__DATA_WRITER__DISABLE_COMPRESSION"] = "true"
os.environ["DLT_DATA_DIR"] = str(FOLDER / "dlt")

import dlt  # type: ignore[import-not-found,unused-ignore]  # noqa: E402 (installed where the adapter runs)
from dlt.sources.rest_api import (  # type: ignore[import-not-found,unused-ignore]  # noqa: E402
    rest_api_source,
)


def resource(name: str, **params: str) -> dict[str, Any]:
    """Describe a walk over users."""
    paginator = {
        "type": "cursor",
        "cursor_path": "meta.after_cursor",
        "cursor_param": "page[after]",
        "has_more_path": "meta.has_more",
    }
    endpoint = {
        "path": "api/v2/users",
        "params": {"page[size]": 100, **params},
        "data_selector": "users",
        "paginator": paginator,
    }
    return {"name": name, "endpoint": endpoint}


def main(url: str, folder: Path, kind: str) -> None:
    """Run the pipeline: a user is a line, with nested values in it, for a table each would be no list of users."""
    roles = {"end_users": "end-user", "agents": "agent", "admins": "admin"}
    resources = [resource("users")]
    if kind == "roles":
        resources = [resource(name, **{"role[]": role}) for name, role in roles.items()]
    source = rest_api_source(
        {"client": {"base_url": url}, "resources": resources}, max_table_nesting=0, parallelized=kind == "roles"
    )
    pipeline = dlt.pipeline(
        "users",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.filesystem(bucket_url=str(folder / "out")),
        dataset_name="export",
    )
    pipeline.run(source, loader_file_format="jsonl")


if __name__ == "__main__":
    main(sys.argv[1], FOLDER, sys.argv[3])
