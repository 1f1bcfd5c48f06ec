"""Who takes part: how each is installed and started, what had to be changed, what it writes, and what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import PYTHON

ADAPTERS = Path(__file__).parent / "adapters"
ALLOWED = 2_500
"""Requests a minute that the sandbox allows in the paced comparison."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One of those compared.

    :param name: what the tables call it.
    :param package: what is installed, and so the file in `requirements/`; empty for this project.
    :param call: what of it is called, for the tables.
    :param command: from the folder of its environment, the sandbox's URL and an empty folder, the command that exports.
    :param output: the files that hold the users, as a pattern inside that folder.
    :param patch: what points it at the sandbox.
    :param writes: what its lines are.
    :param resume: what the same command does after a kill.
    :param proof: how it shows that every user is there.
    :param users: of how many users the account of its paced run is; rates are per second.
    :param allowed: requests a minute that it is allowed, by the limit that binds it first.
    :param free_flags: flags of the sandbox that keep its limits off where only CPU is measured.
    """

    name: str
    package: str
    call: str
    command: Callable[[Path, str, Path], tuple[str, ...]]
    output: str
    patch: str
    writes: str
    resume: str = "starts over"
    proof: str = "no"
    users: int = 15_000
    allowed: int = ALLOWED
    free_flags: tuple[str, ...] = ()


def _ours(home: Path, url: str, folder: Path) -> tuple[str, ...]:
    return PYTHON, "-m", "exporter", "run", url, "-o", str(folder / "out"), "-q"


def _python(adapter: str, *flags: str) -> Callable[[Path, str, Path], tuple[str, ...]]:
    """Return what makes the command of an adapter that runs in a virtual environment."""

    def command(home: Path, url: str, folder: Path) -> tuple[str, ...]:
        return str(home / "bin" / "python"), str(ADAPTERS / adapter), url, str(folder), *flags

    return command


def _node(home: Path, url: str, folder: Path) -> tuple[str, ...]:
    # cd, because node looks for packages from the folder that the command runs in.
    script = 'cd "$1" && exec node "$2" "$3" "$4"'
    return "/bin/sh", "-c", script, "sh", str(home), str(ADAPTERS / "node_users.mjs"), url, str(folder)


_DLT_LINES = (
    "every user as a line: without nulls, times written anew, two columns of its own; fails at integers of over 64 bits"
)

CONTESTANTS = (
    Contestant(
        "zexport",
        "",
        "`zexport run`",
        _ours,
        "out/*.ndjson",
        patch="none: a URL takes the place of the account",
        writes="every user as a line, as the API sent it",
        resume="goes on with the next user",
        proof="manifest, `zexport verify`",
        users=60_000,
    ),
    Contestant(
        "node-zendesk",
        "node-zendesk",
        "`client.users.list()`",
        _node,
        "users.ndjson",
        patch="none: its option `endpointUri`",
        writes="every user as a line once the last page has come, from memory; integers over 2⁵³ lose digits",
    ),
    Contestant(
        "requests loop",
        "requests",
        "`session.get` in a loop of 15 lines",
        _python("requests_loop.py"),
        "users.ndjson",
        patch="none: ours",
        writes="every user as a line",
        resume="starts over; the first error ends it",
    ),
    Contestant(
        "zenpy",
        "zenpy",
        "`client.users()`",
        _python("zenpy_users.py"),
        "users.ndjson",
        patch="none: its variables `ZENPY_FORCE_SCHEME` and `ZENPY_FORCE_NETLOC`",
        writes="every user's `to_dict()` as a line, with a `chat_only` that was not sent",
    ),
    Contestant(
        "dlt",
        "dlt",
        "`rest_api_source`, one resource",
        _python("dlt_users.py", "one"),
        "out/export/[!_]*/*.jsonl",
        patch="none: any `base_url`",
        writes=_DLT_LINES,
        resume="starts over while it fetches; goes on once it loads",
        proof="no; counts what it loaded",
    ),
    Contestant(
        "dlt, by role",
        "dlt",
        "`rest_api_source`, a resource a role, parallelized",
        _python("dlt_users.py", "roles"),
        "out/export/[!_]*/*.jsonl",
        patch="none: any `base_url`",
        writes=_DLT_LINES,
        resume="starts over while it fetches; goes on once it loads",
        proof="no; counts what it loaded",
    ),
    Contestant(
        "tap-zendesk",
        "tap-zendesk",
        "its command, the stream `users`: the incremental export, 1,000 a page",
        _python("tap_users.py"),
        "messages.ndjson",
        patch="the address of its stream `users`; does not ask for custom fields; a catalog made by us",
        writes="a Singer RECORD for each user: times written anew, null flags false, without `iana_time_zone`",
        resume="starts over: state is written at the stream's end",
        users=21_000,  # just past the start of a third minute: fewer would flatter it by the first minute's burst
        allowed=10,
        free_flags=("--incremental-limit", "off"),
    ),
)
