"""An export that a person names: by its folder, a file of it, its ledger, or the account; and how to go on with it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from exporter.destination import Destination, find_destination
from exporter.errors import ExportError, LedgerError, UsageError
from exporter.ledger import read_ledger
from exporter.model import Role
from exporter.proof import is_manifest

UNFINISHED, RUNNING = 8, 12
"""Exit codes of `status`, and the first of `verify`, beside 0 and 10."""


def find_export(text: str) -> Destination:
    """Find what a person means: what is there under that name, the folder it is in, or that of an account.

    :raises LedgerError, UsageError: if there is no export of ours, or the name can't be meant.
    """
    refused: UsageError | None = None
    # What is not there is no file of the folder above.
    for name in (text, *([str(Path(text).parent)] if os.path.lexists(text) else []), f"{text}-users"):
        try:
            destination = find_destination(name)
        except UsageError as exc:
            refused = refused or exc
            continue
        if destination.ledger is not None and os.path.lexists(destination.ledger):
            return destination
        if destination.manifest is not None and is_manifest(destination.manifest):  # whose ledger is gone
            return destination
    raise refused or LedgerError(f"nothing was exported to {text}: no ledger is there", hint="")


def going_on(about: Mapping[str, str], destination: Destination) -> str:
    """Return the command that goes on with an export, by what its ledger is about."""
    query = {name.removeprefix("query "): _value(value) for name, value in about.items() if name.startswith("query ")}
    account = about.get("account", "").removeprefix("https://").removesuffix(".zendesk.com")
    words = ["zexport", "run", account]
    if destination.stdout:
        words += ["-o", "-", "--ledger", str(destination.ledger)]
    else:
        words += ["-o", destination.text]
    if set(query.get("roles") or ()) != set(Role):
        words += [word for role in query.get("roles") or () for word in ("--role", str(role))]
    for name, flag in (("permission_set", "--permission-set"), ("external_id", "--external-id"), ("sort", "--sort")):
        if query.get(name) is not None:
            words += [flag, str(query[name])]
    if query.get("include"):
        words += ["--include", ",".join(map(str, query["include"]))]
    if query.get("pagination") == "offset":
        words += ["--pagination", "offset", "--page-size", str(query.get("page_size"))]
    if destination.file is None and about.get("compression", "none") != "none":
        words += ["--compress", about["compression"]]
    return shlex.join(words) + (" >> FILE" if destination.stdout else "")


def going_on_with(destination: Destination) -> str:
    """Return the command that goes on with an export; empty if its ledger can't be read."""
    try:
        with read_ledger(destination.ledger or Path()) as ledger:
            return going_on(ledger.about(), destination)
    except (ExportError, OSError):
        return ""


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
