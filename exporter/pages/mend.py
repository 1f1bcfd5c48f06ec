"""What is done to a user's bytes between the response and the line: as little as possible (P7).

A user goes through untouched, except that an item cursor put into it because we asked is cut out, that it stands on one
physical line, and that it is valid UTF-8. These are pure functions of bytes; `wire` decides when they are needed.
"""

from __future__ import annotations

import re

import msgspec

MENDED = rb"\uFfFd"
"""U+FFFD, spelt so that our replacements can be told from any the server sent: nobody else writes it in mixed case."""

LARGEST = 4 << 20
"""Bytes: mending takes up to 135 times as much (measured). 100 users at the largest observed size are 0.2 MB."""

_ESCAPED = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a pair of surrogates: fine
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})"  # a surrogate on its own: no such character
    rb"|.)",
    re.DOTALL,
)
_NOT_UTF8 = re.compile("[\udc80-\udcff]+")
_STRING_OR_SPACE = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)|[ \t\r\n]+', re.DOTALL)
"""A string that does not end is taken whole: looked for again at each quote in it, it would cost the square of it."""
_CONTROL = re.compile(rb"[\x00-\x1f]")
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{}:,]|[^][{}:,"\s]+', re.DOTALL)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)


def one_line(raw: bytes) -> bytes:
    """Take the white space between tokens away, and with it every line break."""
    return _STRING_OR_SPACE.sub(lambda found: found[1] or b"", raw)


def mend(body: bytes) -> bytes:
    """Make JSON of a body that a strict parser refuses for its text, and keep all else as it is.

    Bytes that are no UTF-8 and surrogates without their other half become U+FFFD, spelt as `MENDED`. Control characters
    that stand raw in a string are escaped, which changes no value.
    """
    text = body.decode("utf-8", "surrogateescape")
    body = _NOT_UTF8.sub(lambda _: MENDED.decode(), text).encode()
    body = _ESCAPED.sub(lambda found: MENDED if found[1] else found[0], body)
    return _STRING_OR_SPACE.sub(_escape_controls, body)


def _escape_controls(found: re.Match[bytes]) -> bytes:
    if not found[1]:
        return found[0]
    return _CONTROL.sub(lambda control: b"\\u%04x" % ord(control[0]), found[1])


def are_utf8(raws: list[bytes]) -> bool:
    """Tell whether users are valid UTF-8.

    User by user: a page as one text takes seven times as long where it holds a single emoji (measured).
    """
    try:
        for raw in raws:
            if not raw.isascii():
                raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def cut(raw: bytes, path: tuple[str, ...], cursor: str) -> bytes:
    """Take the item cursor at `path` out of a user, and the objects that held nothing else.

    At the very end or start of the user it is found by its own bytes: they can't stand inside a string, where their
    quotes would be escaped, nor deeper, where more braces would follow. Anywhere else, and in any other spelling, the
    same bytes may be the user's own: that goes the slow way over the members.
    """
    member = b'"%s"' % cursor.encode()
    for name in reversed(path):
        member = b'"%s":%s' % (name.encode(), member)
        if name != path[0]:
            member = b"{%s}" % member
    if raw.endswith(b",%s}" % member):  # where servers append it
        return raw[: -len(member) - 2] + b"}"
    if raw.startswith(b"{" + member + b",") and _is_named_once(raw, path[0]):
        return b"{" + raw[len(member) + 2 :]
    return _without(raw, path)


def _without(raw: bytes, path: tuple[str, ...]) -> bytes:
    """Take a member out of an object and leave every other byte as it is, another member of the same name, too."""
    name, *rest = path
    begin, value, end = _place(raw, name)
    if rest:
        inner = _without(raw[value:end], tuple(rest))
        if inner[1:-1].strip():
            return raw[:value] + inner + raw[end:]
    before, behind = raw[:begin].rstrip(), raw[end:].lstrip()
    if behind.startswith(b","):
        return raw[:begin] + behind[1:].lstrip()
    return before.removesuffix(b",") + raw[end:]


def _place(raw: bytes, name: str) -> tuple[int, int, int]:
    """Find where a member begins, where its value does, and where that ends: of several the last, as parsers do."""
    value = bytes(_members.decode(raw)[name])
    member = b'"%b":%b' % (name.encode(), value)
    begin = raw.find(member)
    # Neither in a string nor deeper.
    if begin >= 0 and _is_named_once(raw, name) and _is_object(raw[:begin].rstrip(b", ") + b"}"):
        return begin, begin + len(member) - len(value), begin + len(member)
    return _place_by_tokens(raw, name)


def _is_named_once(raw: bytes, name: str) -> bool:
    """Tell whether a name is there just once, in whatever spelling: of several members the last one counts.

    Names are lower-case letters. Other escapes are in many a user: Rails writes & as one.
    """
    return raw.count(b'"%b"' % name.encode()) == 1 and b"\\u006" not in raw and b"\\u007" not in raw


def _is_object(raw: bytes) -> bool:
    try:
        _members.decode(raw)
    except msgspec.DecodeError:
        return False
    return True


def _place_by_tokens(raw: bytes, name: str) -> tuple[int, int, int]:
    depth, member, place = 0, list[re.Match[bytes]](), (0, 0, 0)
    for found in _TOKEN.finditer(raw):
        token = found[0]
        depth -= token in (b"}", b"]")
        if depth == 0 or (depth == 1 and token == b","):
            if member and _text.decode(member[0][0]) == name:
                place = member[0].start(), member[2].start(), member[-1].end()
            member.clear()
        else:
            member.append(found)
        depth += token in (b"{", b"[")
    return place
