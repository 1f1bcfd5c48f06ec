"""What an observer may see. An observer is any function of one event; it is called on the event loop and must be quick.

Events are frozen. `describe` gives the JSON form of `--progress json`: the kind first, fields only ever added.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from exporter.model import Role


@dataclass(frozen=True, slots=True)
class RoleProgress:
    """How far one role is.

    :param users: users written, in this run and those before it.
    :param expected: the account's own count of them, an estimate (above 100,000 it may be a day old, or capped there);
        None if unknown.
    :param ranges: ranges at work.
    :param finished: every user of the role is written.
    """

    role: Role
    users: int
    expected: int | None
    ranges: int
    finished: bool


@dataclass(frozen=True, slots=True)
class Started:
    """The run begins. `resumed` is how many users earlier runs wrote; `run` counts the runs, from 1."""

    kind: ClassVar[str] = "started"
    account: str
    destination: str
    run: int
    resumed: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the export stands, several times a second.

    :param seconds: since the start of this run.
    :param users: users written, by all runs; `written` those by this one.
    :param rate: users a second over the last few seconds.
    :param requests_per_minute: requests sent lately, as a rate a minute, of `allowed_per_minute` that the pace allows.
    :param limit_felt: the account tells no limit: what it allows is felt for.
    :param in_flight: requests that are under way.
    :param closing: what the closing sweep is doing; empty before it.
    :param waiting: seconds a hold still lasts, `why` says what for.
    :param eta: seconds to the end by rate and estimate; None if unknown.
    """

    kind: ClassVar[str] = "progress"
    seconds: float
    users: int
    written: int
    expected: int | None
    rate: float
    requests: int
    retries: int
    requests_per_minute: float
    allowed_per_minute: float
    limit_felt: bool
    in_flight: int
    closing: str
    waiting: float
    why: str
    eta: float | None
    roles: tuple[RoleProgress, ...]


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request failed and will be sent again after `delay` seconds; `attempt` counts the tries, from 1."""

    kind: ClassVar[str] = "retrying"
    role: Role | None
    why: str
    delay: float
    attempt: int


@dataclass(frozen=True, slots=True)
class Held:
    """The whole account waits `seconds`."""

    kind: ClassVar[str] = "held"
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class Split:
    """A range was cut: from the user `at` on, another one goes on with what was left of it."""

    kind: ClassVar[str] = "split"
    role: Role
    at: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The run ended in order.

    :param complete: every selected user is written.
    :param missing: what is known to be missing from a finished export, `""` if nothing is.
    :param stopped: why it ended before that, `""` if it did not.
    :param users: users written by all runs; `written` those by this one.
    :param added: of the users, those whom the closing sweep found missing; `renewed` those whose state it made new.
    :param requests: requests sent by all runs, `retries` of them a second time.
    :param resumes: how many runs went on where another ended.
    :param bytes: size of the output on disk, or sent to stdout.
    :param seconds: how long this run took.
    :param files: the paths of the output; until it is complete, `.partial` stands behind each.
    :param warnings: what a person should know, in sentences.
    :param finished_at: when all was written, in UTC; empty: it is not.
    :param older: lines of users who have a newer one.
    :param counted: how many users the account itself counts, None if it does not say.
    """

    kind: ClassVar[str] = "finished"
    complete: bool
    missing: str
    stopped: str
    users: int
    written: int
    added: int
    renewed: int
    bytes: int
    seconds: float
    requests: int
    retries: int
    resumes: int
    roles: tuple[RoleProgress, ...]
    files: tuple[str, ...]
    warnings: tuple[str, ...]
    counted: int | None = None
    finished_at: str = ""
    older: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended with an error; `exit_code` as in the table of exit codes."""

    kind: ClassVar[str] = "error"
    error: str
    hint: str
    exit_code: int


Event = Started | Progress | Retrying | Held | Split | Finished | Failed
Observer = Callable[[Event], None]


def describe(event: Event) -> dict[str, object]:
    """Return the event as plain JSON values, `"event"` first."""
    return {"event": event.kind, **dataclasses.asdict(event)}


def ignore(event: Event) -> None:
    """Observe nothing."""
