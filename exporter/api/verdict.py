"""Response → Verdict: go on, ask again after so many seconds, or give up with this error. Pure.

The status decides first, since at least four incompatible error envelopes are in use (observed); the body is only read
for words to show.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from exporter.account import Hiding
from exporter.errors import AuthError, ContractError, ExportError, UsageError

MAX_HOLD = 900.0
"""Seconds: no header can make us wait longer at a time. Longer than any maintenance notice seen, far below a night."""
DEFAULT_HOLD = 60.0
"""Seconds after a 429 that says nothing: the limit is counted per minute (documented)."""
ENOUGH, TEXT = 1 << 16, 4096
"""Bytes of a failure that are looked at, and of one that is no JSON: its words are at its beginning."""
_NOTHING_TO_HIDE = Hiding()


@dataclass(frozen=True, slots=True)
class Ok:
    """The response may be a page."""


@dataclass(frozen=True, slots=True)
class Again:
    """A failure that may pass.

    :param why: a few words for the progress line.
    :param after: seconds the server asked for; None leaves it to the retry delays.
    :param hold: the whole account has to wait, and no try is spent (429).
    :param odd: a person should know of it.
    :param cut: a page came, and not whole. The way to the server may do that, too, so it is borne as long as any
        failure; where it never ends, it is the server's own doing.
    """

    why: str
    after: float | None = None
    hold: bool = False
    odd: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class NoPage:
    """An answer that is good and whole, and no page: asking again may help, or not, which a few tries tell."""

    why: str


@dataclass(frozen=True, slots=True)
class Final:
    """A failure that will not pass by itself.

    :param passing: it may be a deploy's or a captive portal's, where the same was answered before.
    """

    error: ExportError
    passing: bool = False


@dataclass(frozen=True, slots=True)
class CursorRefused:
    """The server does not take the cursor we sent (400 or 422): there may be another way to the same place."""

    said: str


_PASSING = (302, 303, 307, 404, 410, 423, 499)
"""What a deploy or a captive portal answers for a while; 499 is nginx's own. 301 and 308 say that they are for good."""
_ADDRESS = re.compile(r"\bip\b.*\b(?:allow|restrict|permit|whitelist)|(?:allow|restrict)\w* .*\bip\b", re.IGNORECASE)
_OTHER_PARAMETER = re.compile(r"\b(?:sort|size|role|include|permission_set|external_id|per_page)\b")


Verdict = Ok | Again | NoPage | Final | CursorRefused


@dataclass(frozen=True, slots=True)
class Quota:
    """What a response says of the account's budget: requests per minute, what is left of them, seconds to the next."""

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None


def verdict(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    sent_cursor: bool,
    now: datetime,
    show: Callable[[str], str] = _NOTHING_TO_HIDE.words,
) -> Verdict:
    """Judge a response.

    :param body: its first few kB at least; only read where the status is not 200.
    :param sent_cursor: whether the request held a cursor.
    :param now: the time for a Retry-After that is a date and a response without a Date of its own.
    :param show: makes the server's words fit to be shown, `Hiding.words` of the account.
    """
    if status in (200, 203):  # 203: something on the way has touched it, as proxies say
        return Ok()
    said = words(body, show)
    if status == 429:
        return _held(headers, now)
    if status >= 500 or status in (408, 409, 425):
        return Again(f"HTTP {status}", retry_after(headers, now))
    if 200 <= status < 300:
        return NoPage(f"HTTP {status} without a page")
    if 300 <= status < 400:
        return Final(_redirected(status, headers, show), passing=status in _PASSING)
    if status == 402:
        suspended = f"the account is suspended (HTTP 402): {said}"
        return Final(AuthError(suspended, hint="Its owner has to pay or renew it."), passing=True)
    if status == 403 and _is_html(headers, body):
        what = f"something in front of the account refused this machine's address (HTTP 403): {said}"
        return Final(AuthError(what, hint="The credentials may be good. Run it from a network that it knows."))
    if status == 403 and _ADDRESS.search(said):
        hint = "Admin Center > Account > Security > IP restrictions has the list of addresses."
        return Final(AuthError(f"the account does not let this machine's address in: {said}", hint=hint))
    if status in (401, 403) and (why := _refused(status, said)):
        return Final(AuthError(f"the account refuses these credentials: HTTP {status}, {said}", hint=why))
    if status in (401, 403):
        return Final(AuthError(f"the account refuses these credentials: HTTP {status}, {said}"))
    if status == 404 and "help desk" in said.lower():
        return Final(UsageError(f"there is no such account: {said}", hint="Check the account's name."), passing=True)
    if status in (400, 422) and sent_cursor and not _OTHER_PARAMETER.search(said):
        return CursorRefused(said)
    if status in (400, 422):
        return Final(UsageError(f"the account refuses this query: {said}", hint="Check --sort and the filters."))
    return Final(ContractError(f"the server answered HTTP {status}: {said}"), passing=status in _PASSING)


def _refused(status: int, said: str) -> str:
    """Say what mends a refusal that tells what it is about; nothing for others."""
    again = "Mend the credentials, then run the same command again: it goes on from here."
    if status == 401 and "invalid_token" in said:
        return f"The access token has expired, was revoked or is wrong. {again}"
    if status == 401 and "authenticate you" in said:
        ends = "API tokens end on 2027-04-30, and none is made after 2026-10-27"
        return f"Check e-mail and token. {ends}: zexport login is for then. {again}"
    if status == 403 and "scope" in said:
        return f"The token needs the scope read. {again}"
    return ""


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    return "html" in headers.get("Content-Type", "").lower() or body.lstrip()[:1] == b"<"


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read Retry-After, seconds or a date, in seconds from now within [1, MAX_HOLD]; None if unusable."""
    asked = _asked(headers, now)
    return None if asked is None else min(asked, MAX_HOLD)


def _asked(headers: Mapping[str, str], now: datetime) -> float | None:
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            then = parsedate_to_datetime(value)
            seconds = (_aware(then) - (server_time(headers) or now)).total_seconds()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    if not seconds > 0:  # zero, negative, NaN: it means nothing
        return None
    return max(seconds, 1.0)


def _held(headers: Mapping[str, str], now: datetime) -> Again:
    asked = _asked(headers, now)
    if asked is None:
        reset = read_quota(headers).reset
        asked = DEFAULT_HOLD if reset is None else max(reset, 1.0)
    if asked > MAX_HOLD:
        why = (
            f"rate limit (the server asked for a wait of {asked:,.0f} s; {MAX_HOLD:,.0f} s are the most that is waited)"
        )
        return Again(why, MAX_HOLD, hold=True, odd=True)
    return Again("rate limit", asked, hold=True)


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Read the Date header; None if there is none that can be read, or be true."""
    try:
        told = _aware(parsedate_to_datetime(headers["Date"]))
    except (KeyError, ValueError, TypeError, IndexError, OverflowError):
        return None
    return told if 2000 <= told.year < 2200 else None


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)


_SPELLINGS = (
    ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
    ("x-rate-limit", "x-rate-limit-remaining", "x-rate-limit-reset"),
    ("rate-limit", "rate-limit-remaining", "rate-limit-reset"),
)
_ENDPOINT_QUOTA = re.compile(r"zendesk-rate-?limit-.+", re.IGNORECASE)
_ENDPOINT_FIELD = re.compile(r"\b(total|remaining|resets)=([0-9]{1,9})\b")


def read_quota(headers: Mapping[str, str]) -> Quota:
    """Read the budget out of any of the spellings in use (observed 2023–2024); the tightest of several counts."""
    quotas = [Quota(*[_number(headers, name) for name in names]) for names in _SPELLINGS]
    for name, value in headers.items():
        if name[:12].lower() == "zendesk-rate" and _ENDPOINT_QUOTA.fullmatch(name):
            fields = {field: int(number) for field, number in _ENDPOINT_FIELD.findall(value)}
            quotas.append(Quota(fields.get("total"), fields.get("remaining"), fields.get("resets")))
    return Quota(
        limit=min([quota.limit for quota in quotas if quota.limit], default=None),
        remaining=min([quota.remaining for quota in quotas if quota.remaining is not None], default=None),
        reset=max([quota.reset for quota in quotas if quota.reset is not None], default=None),
    )


def _number(headers: Mapping[str, str], name: str) -> int | None:
    value = headers.get(name)
    if value is None:
        return None
    value = value.strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def _redirected(status: int, headers: Mapping[str, str], show: Callable[[str], str]) -> ExportError:
    target = show(re.split("[?#]", re.sub(r"[^\x21-\x7e]", "", headers.get("Location", "nowhere")))[0])
    return AuthError(
        f"the account answered with a redirect (HTTP {status} to {target}), and redirects are never followed",
        hint="The account may be renamed or suspended. What is written is safe; check the address.",
    )


def words(body: bytes, show: Callable[[str], str] = _NOTHING_TO_HIDE.words) -> str:
    """Find the words for a person in an error's body: JSON of four forms, HTML or text.

    :param show: makes them fit to be shown.
    """
    try:
        text = _spoken(msgspec.json.decode(body[:ENOUGH]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = re.sub(r"(?is)<(style|script)\b.*?(?:</\1\s*>|$)|<[^>]*>", " ", body[:TEXT].decode(errors="replace"))
    return show(text) or "no reason given"


def told(body: bytes, show: Callable[[str], str] = _NOTHING_TO_HIDE.words) -> str:
    """Find the server's own words in an answer that is no page though it came with 200; nothing if it has none."""
    try:
        said = msgspec.json.decode(body[:ENOUGH])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return show(_spoken(said)) if isinstance(said, dict) and "users" not in said else ""


def _spoken(error: object) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, list):
        return "; ".join(spoken for each in error[:3] if (spoken := _spoken(each)))
    if isinstance(error, dict):
        names = ("errors", "title", "error", "message", "description", "error_description", "detail")
        return ": ".join(spoken for name in names if (spoken := _spoken(error.get(name))))
    return ""
