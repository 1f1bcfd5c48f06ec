"""Links of a page: never followed, and told of where they lead elsewhere. Pure."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

_texts = msgspec.json.Decoder(dict[str, str | None])


def leads_to(links: bytes, origin: str) -> str | None:
    """Name a host, another than the account's, that a page's links lead to; None if there is none.

    The links are never followed; whoever hands out such is worth a warning.
    """
    # `//host` leads away as well, and with backslashes anything may be written in another way.
    if links.count(b"//") == links.count(b'"%b/' % origin.encode()) and b"\\" not in links:
        return None
    try:
        values = _texts.decode(links).values()
        strange = [each for each in values if each and not each.startswith(f"{origin}/")]
        return next((urlsplit(each).netloc.rpartition("@")[2][:100] or "nowhere" for each in strange), None)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return "nowhere"
