"""What the endpoint says, before it becomes HTTP; and how it refuses, for which it has several envelopes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from exporter.sandbox.people.texts import wire

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Delivery(Enum):
    """How an answer goes over the wire; `breakages` has a function for each but the first."""

    WHOLE = auto()
    TRUNCATED = auto()
    """The connection is closed in the middle of a chunk."""
    RESET = auto()
    """The connection is reset before anything is sent."""
    SILENT = auto()
    """Nothing is sent, and the connection stays."""
    STALLED = auto()
    """Half is sent, and the connection stays."""
    CLOSED = auto()
    """The connection is closed, as if it had been idle for too long."""
    SHORT = auto()
    """Half is sent of what the length says, and the connection is closed."""
    UNBOUNDED = auto()
    """Half of the gzip, without a length and not in chunks: the connection's end is the body's."""
    DRIPPING = auto()
    """A few bytes at a time; `measure` tells how many a second."""
    BAD_GZIP = auto()
    """Said to be gzip, and is not."""
    CUT_GZIP = auto()
    """Half of the gzip, as if it were the whole."""
    BOMB = auto()
    """Very many blanks are behind it; `measure` tells how many MiB."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response: the body before compression, and headers beyond those that every response has."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE
    measure: int = 0


class RefusedError(Exception):
    """Raised where a request cannot be served; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def json_answer(value: object, status: int = 200) -> Answer:
    """Answer with any value, as JSON."""
    return Answer(wire(value), status)


def warned(answer: Answer, warning: str | None) -> Answer:
    """Add the header that reports unknown parameters, if there are any."""
    return replace(answer, headers={"x-zendesk-api-warn": warning}) if warning else answer


def not_found() -> Answer:
    """404 for a route that does not exist (observed)."""
    return json_answer({"error": "InvalidEndpoint", "description": "Not found"}, 404)


def unauthenticated(*, bearer: bool) -> Answer:
    """401 for missing or wrong credentials, or for a wrong OAuth token (both reported)."""
    if bearer:
        description = "The access token provided is expired, revoked, malformed or invalid for other reasons."
        refusal = json_answer({"error": "invalid_token", "error_description": description}, 401)
        challenge = f'Bearer realm=Zendesk::OAuth, error="invalid_token", error_description="{description}"'
        return replace(refusal, headers={"www-authenticate": challenge})
    return json_answer({"error": "Couldn't authenticate you"}, 401)


def forbidden() -> Answer:
    """403 for credentials that don't reach so far (observed)."""
    message = (
        "You do not have access to this page. Please contact the account owner of this help desk for further help."
    )
    return json_answer({"error": {"title": "Forbidden", "message": message}}, 403)


def bad_pagination(what: str) -> RefusedError:
    """400 for a page size, cursor or sort (documented for siblings of this list, assumed for it)."""
    error = {"code": "InvalidPaginationParameter", "title": f"{what} is not valid"}
    return RefusedError(json_answer({"errors": [error]}, 400))


def bad_attribute(name: str, expected: str, action: str) -> RefusedError:
    """400 for a parameter of the wrong type (the form is observed at a sibling).

    :param name: the parameter.
    :param expected: what it must be, such as `an integer`.
    :param action: what was called, such as `users/index`.
    """
    message = (
        f"You passed an invalid value for the {name} attribute. "
        f"Invalid parameter: {name} must be {expected} from api/v2/{action}"
    )
    return RefusedError(json_answer({"error": {"title": "Invalid attribute", "message": message}}, 400))


def no_start() -> RefusedError:
    """400 for an incremental export that is told neither where to begin nor where to go on (its code: observed)."""
    content = {"error": "ParameterMissing", "description": "Parameter start_time is required"}
    return RefusedError(json_answer(content, 400))


def too_recent() -> RefusedError:
    """400 for an incremental export that begins too late (documented; the words are reported, with status 422)."""
    content = {"error": "InvalidValue", "description": "Too recent start_time. Use a start_time older than 1 minute"}
    return RefusedError(json_answer(content, 400))


def too_deep() -> RefusedError:
    """400 for an offset beyond 10,000 records (code and title: reported from traffic; the detail is ours)."""
    error = {
        "code": "InvalidPaginationDepth",
        "title": "Pagination requests using Offset Pagination are limited to page 100 "
        "or up to 10000 records (page * per_page)",
        "detail": "Offset pagination ends here.\nCursor pagination has no such limit.\n",
    }
    return RefusedError(json_answer({"errors": [error]}, 400))
