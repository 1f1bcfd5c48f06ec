"""An exchange with an account without any personal data: shapes, headers and timings, for a report that can be shared.

What is not known to be harmless is left out: of a header that is not named here the name stays, of a text what kind of
text it is, of a number that it is one, of an object's members those that the API itself names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import orjson

from exporter.api import Answered

_HEADERS = re.compile(
    r"(?:x-)?rate-?limit(?:-(?:limit|remaining|reset))?|zendesk-rate-?limit-[a-z-]+|retry-after|date|content-type|"
    r"content-encoding|content-length|transfer-encoding|x-runtime|x-zendesk-api-version|server|cache-control",
    re.IGNORECASE,
)
"""Headers of which the value stays."""
_VALUE = re.compile(r"[A-Za-z0-9 ,:;=/.+-]{0,80}")
_NAME = re.compile(r"[a-z][a-z_]{0,40}")
_CODE = re.compile(r"[A-Za-z]{1,40}|[a-z_]{1,40}")
_OWN = {"user_fields", "organization_fields"}
"""Objects whose members are named by the account."""
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("empty text", re.compile("")),
    ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")),
    ("address", re.compile(r"https?://\S+")),
    ("cursor", re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")),
)


class Exchange(NamedTuple):
    """One request and its answer, anonymous; `seconds` until the whole of it was there."""

    about: str
    path: str
    parameters: list[tuple[str, str]]
    status: int
    seconds: float
    headers: dict[str, str]
    body: Any


def anonymous(about: str, path: str, params: list[tuple[str, str]], came: Answered) -> Exchange:
    """Return an exchange without whatever could be personal."""
    hidden = ("page[after]", "page[before]", "start_time")
    asked = [(name, "…" if name in hidden and len(value) > 1 else value) for name, value in params]
    headers = {str(name): _header(name, value) for name, value in came.headers.items()}
    return Exchange(about, path, asked, came.status, round(came.seconds, 3), headers, _body(came.body))


def _header(name: str, value: str) -> str:
    return value if _HEADERS.fullmatch(name) and _VALUE.fullmatch(value) else "…"


def _body(body: bytes) -> Any:
    try:
        return _shape(orjson.loads(body))
    except (orjson.JSONDecodeError, RecursionError):
        return f"no JSON, {len(body)} bytes"


def _shape(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return _members(value, own=name in _OWN)
    if isinstance(value, list):
        shapes = list(map(_shape, value))
        distinct = [each for number, each in enumerate(shapes) if each not in shapes[:number]]
        return {"items": len(value), "of": distinct[:3]}
    if isinstance(value, str):
        return value if name in ("code", "error") and _CODE.fullmatch(value) else _kind(value)
    if name in ("has_more", "end_of_stream"):
        return value
    return {bool: "true or false", int: "number", float: "fraction"}.get(type(value))


def _members(value: Mapping[str, Any], *, own: bool) -> dict[str, Any]:
    """Return an object's members; those whose names are no names of the API's all under one."""
    shown: dict[str, Any] = {}
    for name, member in value.items():
        known = not own and _NAME.fullmatch(name)
        shown[name if known else "…"] = _shape(member, name if known else "")
    return shown


def _kind(text: str) -> str:
    matches: Callable[[re.Pattern[str]], bool] = lambda pattern: bool(pattern.fullmatch(text))  # noqa: E731
    return next((kind for kind, pattern in _KINDS if matches(pattern)), "text")
