"""What a kind of fault is made of: how it answers, and what may follow its colon."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from exporter.sandbox.endpoint.answers import Answer
    from exporter.sandbox.endpoint.endpoint import Request


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that may be struck, and what is needed to answer it, honestly or not.

    :param request: the request.
    :param answer: answers any request honestly.
    :param origin: scheme, host and port that links begin with.
    :param clock: the time, in unix seconds.
    """

    request: Request
    answer: Callable[[Request], Answer]
    origin: str
    clock: Callable[[], float]

    def honest(self) -> Answer:
        """Make the answer that the request deserves."""
        return self.answer(self.request)

    @property
    def elsewhere(self) -> str:
        """Another host, by name: `localhost`, so that whoever goes there is seen here."""
        return f"localhost:{self.origin.rpartition(':')[2]}"


Make: TypeAlias = Callable[[Asked, str], "Answer"]
"""Makes the answer that a request gets; the text is what the rule says after the colon, empty if nothing."""


class Argument(NamedTuple):
    """What may follow a kind's colon: its name for people, and the regular expression that it has to match."""

    name: str
    pattern: str

    def fits(self, text: str) -> bool:
        """Tell whether a text can follow the colon."""
        return re.fullmatch(self.pattern, text, re.ASCII) is not None


class Kind(NamedTuple):
    """A kind of fault; without an argument, nothing may follow its name."""

    make: Make
    argument: Argument | None = None


def status(*codes: int) -> Argument:
    """Return the argument that is one of some status codes."""
    names = "|".join(map(str, codes))
    return Argument(names, names)


NUMBER = Argument("NUMBER", r"\d{1,30}")
SECONDS = Argument("SECONDS", r"\d{1,9}")
BYTES = Argument("BYTES", r"[1-9]\d{0,8}")
"""Bytes a second."""
MEGABYTES = Argument("MB", r"[1-9]\d{0,2}")
LEVELS = Argument("LEVELS", r"[1-9]\d{0,6}")
