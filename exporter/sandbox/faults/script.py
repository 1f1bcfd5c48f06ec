"""The script of faults: which requests go wrong, and how.

A rule is `KIND@WHEN`. To add a kind, write a small function and name it in one of the tables that make up `KINDS`; if
it misbehaves on the wire, too, give it a `Delivery` of its own.

| KIND | what the client sees |
| --- | --- |
| `429`, `429:SECONDS` | too many requests, with `Retry-After` (1 if not given) |
| `429-bare` | the same without `Retry-After` |
| `429-edge` | the refusal of the network in front of the service: JSON, without `Retry-After` |
| `429-html` | the same as a page for people |
| `429-date`, `429-date:SECONDS` | `Retry-After` is a date so far ahead by the server's clock (2 if not given) |
| `429-negative`, `429-huge`, `429-garbage` | `Retry-After` is -1, 1000000000, or no number at all |
| `401`, `403` | credentials that stopped working, or don't reach so far |
| `402`, `404`, `410`, `423`, `499` | refusals as a page for people, as a deploy or a proxy may send them for a moment |
| `cursor-refused`, `cursor-refused:422` | 400 (or 422) for any cursor; a request without one gets an honest answer |
| `500` | an error as JSON |
| `502`, `503`, `503:SECONDS`, `504` | errors of gateways, as HTML or text; 503 with `Retry-After` only if given |
| `520`, `524` | errors of the network in front of the service, as HTML |
| `hostile-error`, `hostile-error:503` | 400 (or 503) whose text is full of what terminals obey |
| `redirect`, `redirect:301` … `:308` | 302 (or as given) to `localhost`, which is another name of this server |
| `html` | status 200, and a page for people |
| `empty`, `204` | status 200 or 204, and nothing |
| `reset` | the connection is reset |
| `lost` | the request is done, and the connection is reset in place of the answer |
| `close` | the connection is closed without an answer, as one that was idle for too long |
| `silent` | the request is taken, and nothing ever comes |
| `stall` | headers and half of the body, and then nothing, until the client goes |
| `drip`, `drip:BYTES` | so many bytes a second (100 if not given) |
| `truncate` | status 200, and the connection ends in the middle of the body |
| `short` | the connection ends before the `Content-Length` is there |
| `badgzip` | said to be gzip, and is not |
| `cutgzip` | gzip that ends in the middle, though the body ends as it should |
| `unbounded` | gzip that ends in the middle, without length or chunks: the connection's end is the body's |
| `bomb`, `bomb:MB` | a good page and then so many MiB of blanks (200 if not given), as a kilobyte of gzip for each |
| `loop` | the first page again, whatever page was asked for |
| `stuck` | a page that leads back to where it was asked from |
| `nullcursor` | a page that says there is more, and not where |
| `nometa` | a page without `meta` (of the incremental export: without all that stands for it) |
| `foreign` | a page whose links lead to `localhost`, with this server where a link has the name of a user |
| `descending`, `descent` | a page whose users go from the last to the first, or of which two have changed places |
| `pretty` | a page set in lines |
| `utf8`, `surrogate`, `nul` | one name begins with bytes that are no UTF-8, an escaped lone surrogate, a bare NUL |
| `newline` | one name begins with a bare line break |
| `hostile` | one name begins with what terminals obey |
| `twice` | one user has two ids, the same, and two names, which differ |
| `bigint`, `float` | one user field is a number of thirty digits, or 1e400 |
| `bigid`, `floatid`, `textid` | one user's id has thirty digits, is written as a float, or is a text |
| `deep`, `deep:LEVELS` | one user field is so many lists in one another (100,000 if not given) |
| `long`, `long:MB` | one user field is a text of so many megabytes (10 if not given) |
| `nobody`, `nobodymore` | a page without users, that says it is the last, or that there are more |
| `ended` | a page that says it is the last |
| `bare` | a page without cursors, and without a word of more |
| `fewer`, `holed` | a page without its last users, but with the cursors of all; without users in its middle |
| `repeated` | a page on which the first user is twice |
| `ahead`, `behind` | the page after, or the one before, with all that belongs to it |
| `twousers` | a page with two members `users`, the last one empty |
| `count`, `count:NUMBER` | another count of users than there are (0 if not given) |

| WHEN | which pages, counted from 1 |
| --- | --- |
| `p:0.01` | each with this probability, drawn from the seed and the number of the request |
| `n:5`, `n:5,9` | these |
| `every:10` | the 10th, 20th, 30th … |
| `first:3` | the first three |
| `from:20` | the 20th and all after it |

A client asks for the count of users when it likes, and for the page before a cursor, so those requests have no number:
`p` and `from` strike them as they would the next page, the others leave them alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from exporter.sandbox.endpoint.answers import Answer, Delivery
from exporter.sandbox.faults.kinds import BYTES, MEGABYTES, Argument, Kind
from exporter.sandbox.faults.lies import LIES
from exporter.sandbox.faults.refusals import REFUSALS
from exporter.sandbox.faults.spoils import SPOILS
from exporter.sandbox.faults.strikes import LASTING, WHENS
from exporter.sandbox.settings import Rule

if TYPE_CHECKING:
    from exporter.sandbox.faults.kinds import Asked


def parse(text: str) -> Rule:
    """Read a rule, `KIND@WHEN`.

    :raises ValueError: if it is none, in words fit for a person.
    """
    what, _, when = text.partition("@")
    kind, _, argument = what.partition(":")
    if kind not in KINDS:
        raise ValueError(f"no fault is called {kind!r}; there are {', '.join(KINDS)}")
    expected = KINDS[kind].argument
    if argument and not (expected and expected.fits(argument)):
        raise ValueError(f"{what!r}: write {usage(kind)}")
    name, _, value = when.partition(":")
    try:
        return Rule(kind, argument, WHENS[name](value), lasts=name in LASTING)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        forms = "p:0.01, n:5, n:5,9, every:10, first:3 or from:20"
        raise ValueError(f"{text!r}: after the @, say when: {forms}") from error


def parse_for_tokens(text: str) -> Rule:
    """Read a rule for requests to `/oauth/tokens`: pages can't be spoilt where none are asked for.

    :raises ValueError: if it is none, in words fit for a person.
    """
    rule = parse(text)
    if rule.kind in SPOILS or rule.kind in ("cursor-refused", "redirect", "bomb"):
        raise ValueError(f"{rule.kind!r} is for pages of users, not for tokens")
    return rule


def usage(kind: str) -> str:
    """Return how a kind is written: `429[:SECONDS]`."""
    argument = KINDS[kind].argument
    return f"{kind}[:{argument.name}]" if argument else kind


def strike(rules: tuple[Rule, ...], seed: int, number: int, asked: Asked) -> tuple[str | None, Answer]:
    """Answer a request by the first rule that strikes it, or honestly.

    :param rules: the script.
    :param seed: makes chance repeatable.
    :param number: the number of the request, from 1.
    :param asked: the request.
    :return: the kind that struck, None if none did, and the answer.
    """
    for turn, rule in enumerate(rules):
        if rule.strikes(seed + turn, number):
            return rule.kind, KINDS[rule.kind].make(asked, rule.argument)
    return None, asked.honest()


def _delivered(delivery: Delivery, argument: Argument | None = None, default: int = 0) -> Kind:
    """Make a kind of a way to deliver an honest answer."""
    return Kind(lambda asked, text: replace(asked.honest(), delivery=delivery, measure=int(text or default)), argument)


KINDS: dict[str, Kind] = {
    **REFUSALS,
    "reset": Kind(lambda _, __: Answer(b"", delivery=Delivery.RESET)),
    "lost": _delivered(Delivery.RESET),
    "close": Kind(lambda _, __: Answer(b"", delivery=Delivery.CLOSED)),
    "silent": Kind(lambda _, __: Answer(b"", delivery=Delivery.SILENT)),
    "stall": _delivered(Delivery.STALLED),
    "drip": _delivered(Delivery.DRIPPING, BYTES, 100),
    "truncate": _delivered(Delivery.TRUNCATED),
    "short": _delivered(Delivery.SHORT),
    "badgzip": _delivered(Delivery.BAD_GZIP),
    "cutgzip": _delivered(Delivery.CUT_GZIP),
    "unbounded": _delivered(Delivery.UNBOUNDED),
    "bomb": _delivered(Delivery.BOMB, MEGABYTES, 200),
    **SPOILS,
    **LIES,
}
"""Every kind of fault by its name."""
