"""An account that changes while it is exported, and what an export of it has to hold in the end."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.support.sandbox_process import TIMEOUT, SandboxProcess


@dataclass(frozen=True)
class Found:
    """What is wrong with an export, by ids: nobody may be in any of the lists.

    :param missing: users who were there from start to end and have no line.
    :param stale: users whose last line is not their newest state.
    """

    missing: list[int]
    stale: list[int]
    changes: int


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
        content: bytes = response.read()
        return content


def compare(sandbox: SandboxProcess, lines: Iterable[bytes]) -> Found:
    """Hold an export against the account as it is now.

    :param lines: of several lines of a user, the one with the newest change counts; of changes within one second any.
    """
    changes: list[dict[str, Any]] = json.loads(_get(f"{sandbox.url}/_sandbox/changes"))
    created = {change["id"] for change in changes if change["kind"] == "created"}
    newest: dict[int, list[dict[str, Any]]] = {}
    for line in lines:
        user = json.loads(line)
        before = newest.get(user["id"], [])
        if not before or user["updated_at"] > before[0]["updated_at"]:
            newest[user["id"]] = [user]
        elif user["updated_at"] == before[0]["updated_at"]:
            before.append(user)
    now = [json.loads(line) for line in _get(f"{sandbox.url}/_sandbox/users").split(b"\n") if line]
    return Found(
        missing=[user["id"] for user in now if user["id"] not in newest and user["id"] not in created],
        stale=[user["id"] for user in now if user["id"] in newest and user not in newest[user["id"]]],
        changes=len(changes),
    )
