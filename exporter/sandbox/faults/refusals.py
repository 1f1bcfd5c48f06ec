"""Faults that are no page: refusals, errors, and answers of somebody else. `script` has the table of all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote

from exporter.sandbox.endpoint import answers
from exporter.sandbox.endpoint.answers import HTML, JSON, TEXT, Answer, bad_pagination, json_answer
from exporter.sandbox.faults.kinds import SECONDS, Kind, status

if TYPE_CHECKING:
    from exporter.sandbox.faults.kinds import Asked

HOSTILE = "\x1b[31;1mred\x1b[0m\x1b]0;owned\x07\x9b2J\u202egnp.exe\u2066[bold]markup[/bold]\r\x08"
"""What a terminal obeys: colours, a window's title, C1 codes, text that runs backward, and rich's own markup."""


def too_many_requests(retry_after: object = None, what: str = "API") -> Answer:
    """429 of a limit: text (reported), with the seconds to wait in a header (documented).

    :param retry_after: what the header says; None leaves it out.
    :param what: the kind of requests that are limited: `API` or `incremental export API`.
    """
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Answer(f"Number of allowed {what} requests per minute exceeded".encode(), 429, TEXT, headers)


def _dated(asked: Asked, seconds: str) -> Answer:
    from email.utils import formatdate  # a sixth of the time that `zexport --help` takes, which names the faults

    return too_many_requests(formatdate(asked.clock() + int(seconds or 2), usegmt=True))


def _edge(_: Asked, __: str) -> Answer:
    """429 of the network in front of the service (reported)."""
    detail = "Rate limited by Zendesk edge protection"
    return json_answer({"detail": detail, "status": "429", "title": "Automated response"}, 429)


def _error(_: Asked, __: str) -> Answer:
    return json_answer({"status": 500, "error": "Internal Server Error"}, 500)  # observed


def _unavailable(_: Asked, seconds: str) -> Answer:
    """503 during maintenance; mostly without Retry-After (reported)."""
    return Answer(_page("Down for maintenance"), 503, HTML, {"retry-after": seconds} if seconds else {})


def _gateway_timeout(_: Asked, __: str) -> Answer:
    return Answer(b"upstream request timeout", 504, TEXT)  # reported


def _refused_cursor(asked: Asked, code: str) -> Answer:
    """Refuse the cursor of the request, whatever it is; without one the answer is honest."""
    given = dict(parse_qsl(asked.request.query))
    name = next((name for name in ("page[after]", "page[before]", "cursor") if name in given), None)
    if name is None:
        return asked.honest()
    refusal = bad_pagination(name).answer
    return Answer(refusal.body, int(code or 400))


def _redirect(asked: Asked, code: str) -> Answer:
    """Send the client to the same path on another host, as a renamed account might (assumed)."""
    target = f"http://{asked.elsewhere}{quote(asked.request.path)}?{asked.request.query}"
    return Answer(_page("Moved"), int(code or 302), HTML, {"location": target})


def _hostile(_: Asked, code: str) -> Answer:
    """An error that a terminal would obey: escaped in JSON at 400, bare in text at 503."""
    if code == "503":
        return Answer(HOSTILE.encode(), 503, TEXT)
    return json_answer({"errors": [{"code": HOSTILE, "title": HOSTILE, "detail": HOSTILE}]}, 400)


def _page(title: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


def _says(answer: Answer) -> Kind:
    return Kind(lambda _, __: answer)


REFUSALS: dict[str, Kind] = {
    "429": Kind(lambda _, seconds: too_many_requests(seconds or 1), SECONDS),
    "429-bare": _says(too_many_requests()),
    "429-edge": Kind(_edge),
    "429-html": _says(Answer(_page("429 Too Many Requests"), 429, HTML)),
    "429-date": Kind(_dated, SECONDS),
    "429-negative": _says(too_many_requests(-1)),
    "429-huge": _says(too_many_requests(1_000_000_000)),
    "429-garbage": _says(too_many_requests("in a while")),
    "401": _says(answers.unauthenticated(bearer=False)),
    "403": _says(answers.forbidden()),
    **{
        str(code): _says(Answer(_page(f"{code} {phrase}"), code, HTML))
        for code, phrase in (
            (402, "Payment Required"),
            (404, "Not Found"),
            (410, "Gone"),
            (423, "Locked"),
            (499, "Client Closed Request"),
        )
    },
    "cursor-refused": Kind(_refused_cursor, status(400, 422)),
    "500": Kind(_error),
    "502": _says(Answer(_page("502 Bad Gateway"), 502, HTML)),
    "503": Kind(_unavailable, SECONDS),
    "504": Kind(_gateway_timeout),
    "520": _says(Answer(_page("520: Web server is returning an unknown error"), 520, HTML)),
    "524": _says(Answer(_page("524: A timeout occurred"), 524, HTML)),
    "hostile-error": Kind(_hostile, status(400, 503)),
    "redirect": Kind(_redirect, status(301, 302, 303, 307, 308)),
    "html": _says(Answer(_page("Please sign in"), 200, HTML)),
    "empty": _says(Answer(b"", 200, JSON)),
    "204": _says(Answer(b"", 204)),
}
"""Every kind by its name."""
