"""The script of faults: which requests go wrong, and how.

A rule is `KIND@WHEN`. To add a kind, write a small function and name it in `KINDS`; if it misbehaves on the wire, too,
give it a `Delivery` of its own.

| KIND | what the client sees |
| --- | --- |
| `429`, `429:SECONDS` | too many requests, with `Retry-After` (1 if not given) |
| `429-bare` | the same without `Retry-After` |
| `429-edge` | the refusal of the network in front of the service: JSON, without `Retry-After` |
| `401`, `403` | credentials that stopped working, or don't reach so far |
| `500` | an error as JSON |
| `502`, `503`, `503:SECONDS`, `504` | errors of gateways, as HTML or text; 503 with `Retry-After` only if given |
| `reset` | the connection is reset |
| `truncate` | status 200, and the connection ends in the middle of the body |
| `html` | status 200, and a page for people |

| WHEN | which requests, counted from 1 |
| --- | --- |
| `p:0.01` | each with this probability, drawn from the seed and the number of the request |
| `n:5`, `n:5,9` | these |
| `every:10` | the 10th, 20th, 30th … |
| `first:3` | the first three |
| `from:20` | the 20th and all after it |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from exporter.sandbox import answers
from exporter.sandbox.answers import HTML, TEXT, Answer, Delivery, json_answer
from exporter.sandbox.mixing import chance

Honest: TypeAlias = Callable[[], Answer]
"""Makes the answer that a request deserves."""

Kind: TypeAlias = Callable[[Honest, str], Answer]
"""Makes the answer that a request gets, out of the honest one and what the rule says after the colon."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the script: the kind, what follows its colon, and the requests it strikes, by seed and number."""

    kind: str
    argument: str
    strikes: Callable[[int, int], bool]


def parse(text: str) -> Rule:
    """Read a rule, `KIND@WHEN`.

    :raises ValueError: if it is none, in words fit for a person.
    """
    what, _, when = text.partition("@")
    kind, _, argument = what.partition(":")
    if kind not in KINDS:
        raise ValueError(f"no fault is called {kind!r}; there are {', '.join(KINDS)}")
    if argument and (kind not in _TAKES_SECONDS or not argument.isdecimal()):
        raise ValueError(f"{what!r}: only {' and '.join(_TAKES_SECONDS)} take a number, of seconds")
    name, _, value = when.partition(":")
    try:
        return Rule(kind, argument, WHENS[name](value))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        forms = "p:0.01, n:5, n:5,9, every:10, first:3 or from:20"
        raise ValueError(f"{text!r}: after the @, say when: {forms}") from error


def strike(rules: tuple[Rule, ...], seed: int, number: int, honest: Honest) -> tuple[str | None, Answer]:
    """Answer a request by the first rule that strikes it, or honestly.

    :param rules: the script.
    :param seed: makes chance repeatable.
    :param number: the number of the request, from 1.
    :param honest: makes the honest answer; it is only called if needed.
    :return: the kind that struck, None if none did, and the answer.
    """
    for turn, rule in enumerate(rules):
        if rule.strikes(seed + turn, number):
            return rule.kind, KINDS[rule.kind](honest, rule.argument)
    return None, honest()


def too_many_requests(retry_after: int | None, what: str = "API") -> Answer:
    """429 of a limit: text (reported), with the seconds to wait in a header (documented).

    :param retry_after: these seconds; None leaves the header out.
    :param what: the kind of requests that are limited: `API` or `incremental export API`.
    """
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Answer(f"Number of allowed {what} requests per minute exceeded".encode(), 429, TEXT, headers)


def _edge(_: Honest, __: str) -> Answer:
    """429 of the network in front of the service (reported)."""
    detail = "Rate limited by Zendesk edge protection"
    return json_answer({"detail": detail, "status": "429", "title": "Automated response"}, 429)


def _error(_: Honest, __: str) -> Answer:
    return json_answer({"status": 500, "error": "Internal Server Error"}, 500)  # observed


def _bad_gateway(_: Honest, __: str) -> Answer:
    return Answer(_page("502 Bad Gateway"), 502, HTML)


def _unavailable(_: Honest, seconds: str) -> Answer:
    """503 during maintenance; mostly without Retry-After (reported)."""
    return Answer(_page("Down for maintenance"), 503, HTML, {"retry-after": seconds} if seconds else {})


def _gateway_timeout(_: Honest, __: str) -> Answer:
    return Answer(b"upstream request timeout", 504, TEXT)  # reported


def _html(_: Honest, __: str) -> Answer:
    return Answer(_page("Please sign in"), 200, HTML)


def _page(title: str) -> bytes:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n".encode()


KINDS: dict[str, Kind] = {
    "429": lambda _, seconds: too_many_requests(int(seconds or 1)),
    "429-bare": lambda _, __: too_many_requests(None),
    "429-edge": _edge,
    "401": lambda _, __: answers.unauthenticated(bearer=False),
    "403": lambda _, __: answers.forbidden(),
    "500": _error,
    "502": _bad_gateway,
    "503": _unavailable,
    "504": _gateway_timeout,
    "reset": lambda _, __: Answer(b"", delivery=Delivery.RESET),
    "truncate": lambda honest, _: replace(honest(), delivery=Delivery.TRUNCATED),
    "html": _html,
}
"""Every kind of fault by its name."""

_TAKES_SECONDS = ("429", "503")

Strikes: TypeAlias = Callable[[int, int], bool]


def _probability(value: str) -> Strikes:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError("a probability is between 0 and 1")
    return lambda seed, number: chance(number, seed) < share


def _numbers(value: str) -> Strikes:
    numbers = frozenset(map(int, value.split(",")))
    return lambda _, number: number in numbers


def _every(value: str) -> Strikes:
    step = int(value)
    if step < 1:
        raise ValueError("at least every request")
    return lambda _, number: number % step == 0


def _first(value: str) -> Strikes:
    last = int(value)
    return lambda _, number: number <= last


def _from(value: str) -> Strikes:
    first = int(value)
    return lambda _, number: number >= first


WHENS: dict[str, Callable[[str], Strikes]] = {
    "p": _probability,
    "n": _numbers,
    "every": _every,
    "first": _first,
    "from": _from,
}
"""Every way to say when, by its name."""
