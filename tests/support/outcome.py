"""How an export ended in a test, and what was seen of it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from exporter import Event, Finished
from exporter.events import Held, Retrying


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    time: float
    target: str


@dataclass
class Outcome:
    """How an export ended, and what was seen of it.

    :param error: what it raised, the first of several; None if nothing.
    :param asked: requests that arrived meanwhile, but for looks (`is_look`), and `looks`: how many those were.
    :param events: what the observer saw, and when.
    """

    finished: Finished | None = None
    error: BaseException | None = None
    seconds: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    looks: int = 0
    events: list[tuple[float, Event]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether everything was exported."""
        return self.finished is not None and self.finished.complete

    @property
    def code(self) -> int:
        """The exit code of the error, 0 if there was none."""
        return getattr(self.error, "exit_code", 1) if self.error else 0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the manifest warns of."""
        return self.finished.warnings if self.finished else ()

    @property
    def holds(self) -> list[tuple[float, Held]]:
        """When the account was held, and for how long."""
        return [(time, event) for time, event in self.events if isinstance(event, Held)]

    @property
    def retrying(self) -> list[Retrying]:
        """What was tried again."""
        return [event for _, event in self.events if isinstance(event, Retrying)]

    @property
    def repeated(self) -> int:
        """How many requests asked for a page that had been asked for before."""
        pages = [each.target for each in self.asked if "/count" not in each.target]
        return len(pages) - len(set(pages))

    def asked_between(self, since: float, until: float) -> int:
        """Count requests, but for those that were on their way in the first instant."""
        return sum(since + 0.01 < each.time < until - 0.01 for each in self.asked)
